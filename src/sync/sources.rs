//! What the API server tells: three kinds of watches, made into one stream of changes.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use futures::stream::{BoxStream, SelectAll, StreamExt, select_all};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, DefaultBackoff};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tracing::warn;

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

/// The changes of all watches.
pub(super) type Changes = SelectAll<BoxStream<'static, Change>>;

/// Starts the watches. Each goes on for ever and starts over by itself when it breaks.
///
/// Secrets are watched by name and as metadata only, which is all that the RBAC rules of pullmint allow, and
/// which makes unrelated Secrets cost nothing.
pub(super) fn watch_all(client: &Client, secrets: &[String], accounts: &[String]) -> Changes {
    let mut streams: Vec<BoxStream<'static, Change>> = vec![namespaces(client)];
    streams.extend(secrets.iter().enumerate().map(|(place, name)| secret(client, place, name)));
    streams.extend(accounts.iter().enumerate().map(|(place, name)| account(client, place, name)));
    select_all(streams)
}

fn namespaces(client: &Client) -> BoxStream<'static, Change> {
    let api = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
    changes(api, watcher::Config::default(), Source::Namespaces, "namespaces".to_owned(), |namespace| {
        Change::Namespace {
            name: namespace.name_unchecked().into(),
            leaving: namespace.metadata.deletion_timestamp.is_some(),
            labels: namespace.metadata.labels.unwrap_or_default(),
        }
    })
}

fn secret(client: &Client, place: usize, name: &str) -> BoxStream<'static, Change> {
    let api = Api::<PartialObjectMeta<Secret>>::all(client.clone());
    let what = format!("secrets named {name}");
    changes(api, by_name(name), Source::Secrets(place), what, move |secret| {
        Change::Secret(place, namespace_of(&secret), Box::new(secret))
    })
}

fn account(client: &Client, place: usize, name: &str) -> BoxStream<'static, Change> {
    let api = Api::<ServiceAccount>::all(client.clone());
    let what = format!("serviceaccounts named {name}");
    changes(api, by_name(name), Source::Accounts(place), what, move |account| {
        Change::Account(place, namespace_of(&account), Box::new(account))
    })
}

fn by_name(name: &str) -> watcher::Config {
    watcher::Config::default().fields(&format!("metadata.name={name}"))
}

fn namespace_of(object: &impl ResourceExt) -> Arc<str> {
    object.namespace().unwrap_or_default().into()
}

fn changes<K, F>(
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
    watch::watcher(api, config)
        .backoff(DefaultBackoff::default())
        .filter_map(move |event| {
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
        })
        .boxed()
}

fn key_of(source: Source, object: &impl ResourceExt) -> Arc<str> {
    match source {
        Source::Namespaces => object.name_unchecked().into(),
        Source::Accounts(_) | Source::Secrets(_) => namespace_of(object),
    }
}

/// A watch that starts over every few minutes is ordinary; one that is refused is the operator's to mend.
fn report(what: &str, error: &watcher::Error) {
    let refused = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.is_forbidden(),
        _ => false,
    };
    if refused {
        warn!(what, error = %chain(error), remedy = "grant list and watch as `pullmint rbac` prints them", "may not watch");
    } else {
        warn!(what, error = %chain(error), "a watch broke; starting it again");
    }
}

/// An error and its causes on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
