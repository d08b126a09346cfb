//! What the API server tells: three kinds of watches, made into one stream of changes.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{AbortHandle, BoxStream, SelectAll, StreamExt, abortable};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::clock::Clock;
use crate::pulse::{self, Pulse, Pulses, Trouble, TroubleReason};
use crate::sync::Setting;
use crate::sync::desired::Plan;
use crate::watching::{self, Listener};

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
    /// The API server refuses to show the objects, for this reason.
    Refused(Source, String),
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
    running: HashMap<Source, AbortHandle>,
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
            running: HashMap::new(),
        }
    }

    /// Lists the namespaces anew, and begins to watch the names that are claimed and not watched yet. The others go on
    /// until they are ended: what is ours under a name that nobody claims any more has to go.
    pub(super) fn watch(&mut self, plan: &Plan) {
        self.listen_to(plan);
        self.end(Source::Namespaces);
        self.begin(Source::Namespaces, self.namespaces());
        for (place, name) in plan.watched_secrets() {
            if !self.running.contains_key(&Source::Secrets(place)) {
                self.begin(Source::Secrets(place), self.secret(place, name));
            }
        }
        for (place, name) in plan.watched_accounts() {
            if !self.running.contains_key(&Source::Accounts(place)) {
                self.begin(Source::Accounts(place), self.account(place, name));
            }
        }
    }

    fn begin(&mut self, source: Source, changes: BoxStream<'static, Change>) {
        let (changes, handle) = abortable(changes);
        self.running.insert(source, handle);
        self.changes.push(changes.boxed());
    }

    /// Ends a watch.
    pub(super) fn end(&mut self, source: Source) {
        if let Some(handle) = self.running.remove(&source) {
            handle.abort();
        }
    }

    /// The watches that there are.
    pub(super) fn running(&self) -> impl Iterator<Item = Source> {
        self.running.keys().copied()
    }

    /// Of a name that nobody claims any more the watch may break for good, when the roles follow the configuration.
    fn listen_to(&mut self, plan: &Plan) {
        let secrets = plan.watched_secrets().map(|(_, name)| format!("secrets {name}"));
        let accounts = plan.watched_accounts().map(|(_, name)| format!("serviceaccounts {name}"));
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
        self.changes(api, Source::Namespaces, None, |namespace| Change::Namespace {
            name: namespace.name_unchecked().into(),
            leaving: namespace.metadata.deletion_timestamp.is_some(),
            labels: namespace.metadata.labels.unwrap_or_default(),
        })
    }

    fn secret(&self, place: usize, name: &str) -> BoxStream<'static, Change> {
        let api = Api::<PartialObjectMeta<Secret>>::all(self.client.clone());
        let seen = move |secret| Change::Secret(place, namespace_of(&secret), Box::new(secret));
        self.changes(api, Source::Secrets(place), Some(name), seen)
    }

    fn account(&self, place: usize, name: &str) -> BoxStream<'static, Change> {
        let api = Api::<ServiceAccount>::all(self.client.clone());
        let seen = move |account| Change::Account(place, namespace_of(&account), Box::new(account));
        self.changes(api, Source::Accounts(place), Some(name), seen)
    }

    /// The objects of this kind, or those of them that have this name.
    fn changes<K, F>(&self, api: Api<K>, source: Source, name: Option<&str>, seen: F) -> BoxStream<'static, Change>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
        F: Fn(K) -> Change + Send + 'static,
    {
        let plural = K::plural(&());
        let objects = name.map_or_else(|| plural.to_string(), |name| format!("{plural} {name}"));
        let fields = name.map(|name| format!("metadata.name={name}"));
        let mut listener = Listener::new(objects, self.pulses.clone(), Arc::clone(&self.clock));
        let events = watching::watch(api, fields.as_deref(), self.deaf_after);
        let changes = events.filter_map(move |event| {
            let trouble = listener.hear(&event);
            let change = match event {
                Ok(watcher::Event::Init) => Some(Change::Begin(source)),
                Ok(watcher::Event::InitDone) => Some(Change::Finish(source)),
                Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => Some(seen(object)),
                Ok(watcher::Event::Delete(object)) => Some(Change::Gone(source, key_of(source, &object))),
                Err(_) => trouble.and_then(|trouble| refusal(source, &trouble)),
            };
            std::future::ready(change)
        });
        changes.boxed()
    }
}

/// An API server out of reach is no news of the objects.
fn refusal(source: Source, Trouble { reason, message, remedy }: &Trouble) -> Option<Change> {
    (*reason == TroubleReason::Refused).then(|| Change::Refused(source, format!("{message}; {remedy}")))
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
