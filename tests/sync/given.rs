//! What a syncer is given: claims, and slots that are filled by hand instead of by keepers.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use pullmint::clock::{Clock, SystemClock};
use pullmint::config::CompiledSelection;
use pullmint::config::settings::NamespaceSelection;
use pullmint::credential::{Credential, Expiry};
use pullmint::keeper::slot::{Minted, Slot, Verification};
use pullmint::registry::{Host, RegistryName};
use pullmint::sync::desired::Claim;
use tokio::sync::watch;

/// One registry: claims can be made of it again and again, as each restart of a syncer does.
pub(crate) struct Given {
    pub(crate) registry: String,
    pub(crate) secret: String,
    pub(crate) include: Vec<String>,
    pub(crate) selector: String,
    pub(crate) accounts: Vec<String>,
    pub(crate) slot: watch::Sender<Slot>,
}

impl Given {
    pub(crate) fn new(registry: &str, secret: &str, include: &str) -> Self {
        Self {
            registry: registry.to_owned(),
            secret: secret.to_owned(),
            include: vec![include.to_owned()],
            selector: String::new(),
            accounts: Vec::new(),
            slot: watch::channel(Slot::default()).0,
        }
    }

    pub(crate) fn selector(self, selector: &str) -> Self {
        Self { selector: selector.to_owned(), ..self }
    }

    pub(crate) fn accounts(self, accounts: &[&str]) -> Self {
        Self { accounts: accounts.iter().map(|&name| name.to_owned()).collect(), ..self }
    }

    /// The same registry in another process, which has no credential yet.
    pub(crate) fn elsewhere(&self) -> Self {
        Self {
            registry: self.registry.clone(),
            secret: self.secret.clone(),
            include: self.include.clone(),
            selector: self.selector.clone(),
            accounts: self.accounts.clone(),
            slot: watch::channel(Slot::default()).0,
        }
    }

    pub(crate) fn claim(&self) -> Claim {
        let selection =
            NamespaceSelection { include: self.include.clone(), exclude: Vec::new(), selector: self.selector.clone() };
        let host: Host = format!("{}.example.com", self.registry).parse().expect("a host");
        Claim {
            registry: RegistryName::new(&self.registry),
            hosts: vec![host],
            secret: self.secret.clone(),
            selection: CompiledSelection::new(&selection).expect("a selection"),
            service_accounts: self.accounts.clone(),
            slot: self.slot.subscribe(),
        }
    }

    /// A credential minted now, good for an hour.
    pub(crate) fn publish(&self, password: &str) {
        self.publish_for(password, SignedDuration::from_hours(1));
    }

    /// A credential minted now, good until `life` has passed, or dead already.
    pub(crate) fn publish_for(&self, password: &str, life: SignedDuration) {
        self.publish_minted(password, SystemClock.now(), life);
    }

    pub(crate) fn publish_minted(&self, password: &str, minted_at: Timestamp, life: SignedDuration) {
        let expiry = Expiry::At(minted_at.checked_add(life).expect("an instant"));
        let credential = Credential { username: "puller".into(), password: password.into(), expiry, handle: None };
        let minted = Minted { credential, minted_at, verification: Verification::Accepted, verified_at: None };
        self.slot.send_modify(|slot| slot.current = Some(Arc::new(minted)));
    }
}
