//! What the API server tells: three kinds of watches, made into one stream of changes.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{AbortHandle, BoxStream, SelectAll, StreamExt, abortable};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, DefaultBackoff};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::causes;
use crate::clock::Clock;
use crate::pulse::{self, Pulse, Pulses};
use crate::sync::Setting;
use crate::sync::desired::Plan;

/// One thing that happened, at the source that saw it.
#[derive(Debug)]
pub(super) enum Change {
    /// A list begins.
    Begin(Source),
    /// The list is complete.
    Finish(Source),
    /// A namespace is there.
    Namespace {
        /// Its name.
        name: Arc<str>,
        /// Its labels.
        labels: BTreeMap<String, String>,
        /// Whether it is being deleted.
        leaving: bool,
    },
    /// A Secret of a watched name is there: its metadata, nothing else.
    Secret(usize, Arc<str>, Box<PartialObjectMeta<Secret>>),
    /// A ServiceAccount of a watched name is there.
    Account(usize, Arc<str>, Box<ServiceAccount>),
    /// An object is gone: the namespace of that name, or the object in that namespace.
    Gone(Source, Arc<str>),
}

/// Which watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// All namespaces.
    Namespaces,
    /// The Secrets of one name in all namespaces; the number is the name's place in the plan.
    Secrets(usize),
    /// The ServiceAccounts of one name in all namespaces; the number is the name's place in the plan.
    Accounts(usize),
}

/// All watches. Each goes on for ever and starts over by itself when it breaks.
///
/// Secrets are watched by name and as metadata only, which is all that the RBAC rules of pullmint allow, and
/// which makes unrelated Secrets cost nothing.
pub(super) struct Sources {
    client: Client,
    clock: Arc<dyn Clock>,
    pulses: Pulses,
    deaf_after: Duration,
    changes: SelectAll<BoxStream<'static, Change>>,
    /// The watches that count as signs of life: those whose objects somebody still claims.
    heard: BTreeMap<String, Pulse>,
    namespaces: Option<AbortHandle>,
    secrets: usize,
    accounts: usize,
}

impl Sources {
    /// No watch yet.
    pub(super) fn new(setting: &Setting, pulses: &Pulses) -> Self {
        Self {
            client: setting.client.clone(),
            clock: Arc::clone(&setting.clock),
            pulses: pulses.clone(),
            deaf_after: setting.deaf_after,
            changes: SelectAll::new(),
            heard: BTreeMap::new(),
            namespaces: None,
            secrets: 0,
            accounts: 0,
        }
    }

    /// Lists the namespaces anew, and begins to watch the names that are new in the plan.
    pub(super) fn watch(&mut self, plan: &Plan) {
        if let Some(before) = self.namespaces.take() {
            before.abort();
        }
        let (namespaces, handle) = abortable(self.namespaces());
        self.namespaces = Some(handle);
        self.changes.push(namespaces.boxed());
        for place in self.secrets..plan.secrets.len() {
            self.changes.push(self.secret(place, &plan.secrets[place]));
        }
        for place in self.accounts..plan.accounts.len() {
            self.changes.push(self.account(place, &plan.accounts[place]));
        }
        (self.secrets, self.accounts) = (plan.secrets.len(), plan.accounts.len());
        self.listen_to(plan);
    }

    /// Of a name that nobody claims any more the watch may break for good, when the roles follow the configuration.
    fn listen_to(&mut self, plan: &Plan) {
        let secrets = plan.claimed_secrets().map(|name| format!("secrets {name}"));
        let accounts = plan.claimed_accounts().map(|name| format!("serviceaccounts {name}"));
        let mut before = std::mem::take(&mut self.heard);
        for what in secrets.chain(accounts).chain(["namespaces".to_owned()]) {
            let name = pulse::watch_name(&what);
            let known = before.remove(&name);
            let pulse = known.unwrap_or_else(|| self.pulses.start(&name, self.deaf_after, self.clock.now()));
            self.heard.insert(name, pulse);
        }
    }

    /// The next change at any of them.
    pub(super) async fn next(&mut self) -> Option<Change> {
        self.changes.next().await
    }

    fn namespaces(&self) -> BoxStream<'static, Change> {
        let api = Api::<PartialObjectMeta<Namespace>>::all(self.client.clone());
        self.changes(api, config(self.deaf_after), Source::Namespaces, "namespaces".to_owned(), |namespace| {
            Change::Namespace {
                name: namespace.name_unchecked().into(),
                leaving: namespace.metadata.deletion_timestamp.is_some(),
                labels: namespace.metadata.labels.unwrap_or_default(),
            }
        })
    }

    fn secret(&self, place: usize, name: &str) -> BoxStream<'static, Change> {
        let api = Api::<PartialObjectMeta<Secret>>::all(self.client.clone());
        self.changes(api, self.by_name(name), Source::Secrets(place), format!("secrets {name}"), move |secret| {
            Change::Secret(place, namespace_of(&secret), Box::new(secret))
        })
    }

    fn account(&self, place: usize, name: &str) -> BoxStream<'static, Change> {
        let api = Api::<ServiceAccount>::all(self.client.clone());
        self.changes(
            api,
            self.by_name(name),
            Source::Accounts(place),
            format!("serviceaccounts {name}"),
            move |account| Change::Account(place, namespace_of(&account), Box::new(account)),
        )
    }

    fn by_name(&self, name: &str) -> watcher::Config {
        config(self.deaf_after).fields(&format!("metadata.name={name}"))
    }

    /// `what` is the watch's name: the resource, and the objects' name where it is limited to one.
    fn changes<K, F>(
        &self,
        api: Api<K>,
        config: watcher::Config,
        source: Source,
        what: String,
        seen: F,
    ) -> BoxStream<'static, Change>
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
        F: Fn(K) -> Change + Send + 'static,
    {
        let (clock, pulses, name) = (Arc::clone(&self.clock), self.pulses.clone(), pulse::watch_name(&what));
        let events = watch::watcher(api, config).backoff(DefaultBackoff::default());
        let changes = events.filter_map(move |event| {
            if event.is_ok() {
                pulses.heard(&name, clock.now());
            }
            let change = match event {
                Ok(watcher::Event::Init) => Some(Change::Begin(source)),
                Ok(watcher::Event::InitDone) => Some(Change::Finish(source)),
                Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => Some(seen(object)),
                Ok(watcher::Event::Delete(object)) => Some(Change::Gone(source, key_of(source, &object))),
                Err(error) => {
                    report(&what, &error);
                    None
                }
            };
            std::future::ready(change)
        });
        changes.boxed()
    }
}

/// Objects a page of a list. Decoded they take ten kilobytes each, most of it managed fields, and what a page takes is
/// what a process keeps.
const PAGE: u32 = 100;

/// How to watch so that silence for so long means that the watch is deaf: the API server is asked to end it, in good
/// order, after a third of that time. Bookmarks alone would not do: there are none while nothing of the kind changes,
/// unless etcd is set up to tell of its progress more often than its usual ten minutes.
pub(crate) fn config(deaf_after: Duration) -> watcher::Config {
    let seconds = u32::try_from(deaf_after.as_secs() / 3).unwrap_or(u32::MAX);
    watcher::Config::default().timeout(seconds.clamp(1, 290)).page_size(PAGE)
}

fn namespace_of(object: &impl ResourceExt) -> Arc<str> {
    object.namespace().unwrap_or_default().into()
}

fn key_of(source: Source, object: &impl ResourceExt) -> Arc<str> {
    match source {
        Source::Namespaces => object.name_unchecked().into(),
        Source::Accounts(_) | Source::Secrets(_) => namespace_of(object),
    }
}

/// A watch that starts over every few minutes is ordinary; one that is refused is the operator's to mend.
pub(crate) fn report(what: &str, error: &watcher::Error) {
    let words = causes::joined(error, ": ");
    if is_refusal(error) {
        warn!(what, error = %words, remedy = "grant list and watch as `pullmint rbac` prints them", "may not watch");
    } else {
        warn!(what, error = %words, "a watch broke; starting it again");
    }
}

/// Whether the API server has said no.
pub(crate) fn is_refusal(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.is_forbidden(),
        _ => false,
    }
}
