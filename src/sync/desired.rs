//! What should be where: which registries' credentials belong into which Secret of which namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use crate::config::CompiledSelection;
use crate::config::settings::Retired;
use crate::dockerconfig;
use crate::keeper::slot::{Minted, Slot};
use crate::registry::{Host, RegistryName};
use crate::sync::decide::{Entry, Wanted};
use crate::sync::manifest::Rendered;

/// One registry, as the syncer sees it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Its name.
    pub registry: RegistryName,
    /// The keys of its entries.
    pub hosts: Vec<Host>,
    /// The Secret's name.
    pub secret: String,
    /// The namespaces it goes to.
    pub selection: CompiledSelection,
    /// The ServiceAccounts that shall name the Secret.
    pub service_accounts: Vec<String>,
    /// Its credential.
    pub slot: watch::Receiver<Slot>,
}

/// All claims, turned round: by Secret name, and by ServiceAccount name.
///
/// Names keep their places for ever. One that nobody claims any more stays, so that what is ours under it can go.
#[derive(Debug, Default)]
pub struct Plan {
    claims: Vec<Claim>,
    retired: Retired,
    current: Vec<Option<Arc<Minted>>>,
    /// The names of the Secrets; keys refer to them by their place.
    pub secrets: Vec<String>,
    /// The names of the ServiceAccounts; keys refer to them by their place.
    pub accounts: Vec<String>,
    rendered: BTreeMap<(usize, Vec<bool>), Arc<Rendered>>,
}

/// Which claims select a namespace, in the order of the claims.
pub type Picks = Box<[bool]>;

impl Plan {
    /// Takes other claims in the place of those so far. What was said of picks holds no longer.
    pub fn assign(&mut self, claims: &[Claim], retired: Retired) {
        self.claims = claims.to_vec();
        self.current = self.claims.iter_mut().map(|claim| claim.slot.borrow_and_update().current.clone()).collect();
        self.rendered.clear();
        add(&mut self.secrets, claims.iter().map(|claim| &claim.secret).chain(&retired.secrets).collect());
        let accounts = claims.iter().flat_map(|claim| &claim.service_accounts);
        add(&mut self.accounts, accounts.chain(&retired.service_accounts).collect());
        self.retired = retired;
    }

    /// The slots, for waiting on them.
    pub fn slots(&self) -> impl Iterator<Item = watch::Receiver<Slot>> {
        self.claims.iter().map(|claim| claim.slot.clone())
    }

    /// Takes in what the keepers have published since. Returns the Secrets that this changes.
    pub fn refresh(&mut self) -> BTreeSet<usize> {
        let mut changed = BTreeSet::new();
        for (place, claim) in self.claims.iter_mut().enumerate() {
            let published = claim.slot.borrow_and_update().current.clone();
            let minted_at = |minted: &Option<Arc<Minted>>| minted.as_ref().map(|minted| minted.minted_at);
            if minted_at(&published) != minted_at(&self.current[place]) {
                changed.extend(self.secrets.iter().position(|secret| *secret == claim.secret));
                self.current[place] = published;
            }
        }
        self.rendered.retain(|(secret, _), _| !changed.contains(secret));
        changed
    }

    /// Which claims select this namespace.
    #[must_use]
    pub fn picks(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Picks {
        self.claims.iter().map(|claim| claim.selection.selects(namespace, labels)).collect()
    }

    /// The registries that belong into this Secret of a namespace that is selected so.
    #[must_use]
    pub fn wanted(&self, secret: usize, picks: &Picks) -> Vec<Wanted> {
        self.members(secret, picks)
            .map(|place| Wanted {
                registry: self.claims[place].registry.clone(),
                entry: self.current[place].as_deref().map(entry_of),
            })
            .collect()
    }

    /// Whether this Secret belongs into a namespace that is selected so.
    #[must_use]
    pub fn belongs(&self, secret: usize, picks: &Picks) -> bool {
        self.members(secret, picks).next().is_some()
    }

    /// The pull Secrets that this ServiceAccount of a namespace that is selected so shall name.
    #[must_use]
    pub fn wanted_by_account(&self, account: usize, picks: &Picks) -> BTreeSet<&str> {
        let name = &self.accounts[account];
        let claims = self.claims.iter().zip(picks);
        claims
            .filter(|(claim, picked)| **picked && claim.service_accounts.contains(name))
            .map(|(claim, _)| claim.secret.as_str())
            .collect()
    }

    /// The content of this Secret in a namespace that is selected so. Rendered once for all alike.
    pub fn render(&mut self, secret: usize, picks: &Picks) -> Arc<Rendered> {
        let members: Vec<_> = self.members(secret, picks).collect();
        let key = (secret, (0..self.claims.len()).map(|place| members.contains(&place)).collect());
        if let Some(known) = self.rendered.get(&key) {
            return Arc::clone(known);
        }
        let at_hand =
            || members.iter().filter_map(|place| Some((&self.claims[*place], self.current[*place].as_ref()?)));
        let entries = at_hand().map(|(claim, minted)| (claim.registry.clone(), entry_of(minted))).collect();
        let logins = at_hand().flat_map(|(claim, minted)| claim.hosts.iter().map(|host| (host, &minted.credential)));
        let rendered = Arc::new(Rendered::new(entries, &dockerconfig::render(logins)));
        self.rendered.insert(key, Arc::clone(&rendered));
        rendered
    }

    /// The mint time of the credential in force, for each registry whose Secret is among these.
    pub fn in_force(&self, secrets: &BTreeSet<usize>) -> impl Iterator<Item = (RegistryName, jiff::Timestamp)> {
        self.claims.iter().zip(&self.current).filter_map(|(claim, current)| {
            let place = self.secrets.iter().position(|secret| *secret == claim.secret)?;
            let minted = current.as_ref().filter(|_| secrets.contains(&place))?;
            Some((claim.registry.clone(), minted.minted_at))
        })
    }

    /// The registries whose credentials belong into this Secret, wherever it is.
    pub fn registries(&self, secret: usize) -> impl Iterator<Item = &RegistryName> {
        let name = &self.secrets[secret];
        self.claims.iter().filter(move |claim| claim.secret == *name).map(|claim| &claim.registry)
    }

    /// The Secrets that somebody claims, or that are retired, each with its place.
    pub fn watched_secrets(&self) -> impl Iterator<Item = (usize, &String)> {
        let is_claimed = |name: &String| self.claims.iter().any(|claim| claim.secret == *name);
        let is_watched = move |name: &String| is_claimed(name) || self.retired.secrets.contains(name);
        self.secrets.iter().enumerate().filter(move |(_, name)| is_watched(name))
    }

    /// The ServiceAccounts that somebody claims, or that are retired, each with its place.
    pub fn watched_accounts(&self) -> impl Iterator<Item = (usize, &String)> {
        let is_watched = |name: &String| self.is_claimed(name) || self.retired.service_accounts.contains(name);
        self.accounts.iter().enumerate().filter(move |(_, name)| is_watched(name))
    }

    /// Whether somebody claims ServiceAccounts of this name.
    #[must_use]
    pub fn is_claimed(&self, account: &String) -> bool {
        self.claims.iter().any(|claim| claim.service_accounts.contains(account))
    }

    fn members(&self, secret: usize, picks: &Picks) -> impl Iterator<Item = usize> {
        let name = &self.secrets[secret];
        let claims = self.claims.iter().zip(picks).enumerate();
        claims.filter(|(_, (claim, picked))| **picked && claim.secret == *name).map(|(place, _)| place)
    }
}

fn entry_of(minted: &Minted) -> Entry {
    Entry { minted_at: minted.minted_at, expiry: minted.credential.expiry }
}

fn add(names: &mut Vec<String>, wanted: BTreeSet<&String>) {
    for name in wanted {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
}
