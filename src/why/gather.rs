//! Reads from the API server, with the rights of whoever asks, what a verdict needs.
//!
//! What may not be read is left out and said, and never ends the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::{Event, Node, Pod, Secret, ServiceAccount};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

use crate::why::answer::Platform;
use crate::why::case::{Case, State, Wanted, Wiring};
use crate::why::pods::{Failures, Sorted, Wish};
use crate::why::reference::Reference;

mod reach;
pub mod target;

pub use reach::Reach;
pub use target::Target;

/// Objects in one page of a list, and requests at the same time.
const PAGE: u32 = 500;
const IN_FLIGHT: usize = 8;
/// Nodes that are looked at.
const MOST_NODES: usize = 64;

/// All that was gathered.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The images to look at.
    pub cases: Vec<Case>,
    /// Pods that wait for other reasons: `namespace/pod` and the reason.
    pub waiting: Vec<(String, String)>,
    /// Pods that were looked at.
    pub pods: usize,
    /// What could not be read, and what follows from that.
    pub notes: Vec<String>,
}

/// Gathers what a target is about, as far as the reach goes.
///
/// # Errors
/// When the target itself cannot be read.
pub async fn gather(client: &Client, target: &Target, reach: &Reach) -> Result<Gathered, kube::Error> {
    let reader = Reader { client, reach };
    let found = reader.find(target).await?;
    let Sorted { failing, waiting, pods, .. } = &found.sorted;
    let waiting = waiting.iter().map(|waiting| (waiting.pod.clone(), waiting.reason.clone())).collect();
    let mut wishes: Vec<Wish> = failing.iter().cloned().chain(found.planned).collect();

    let scopes: BTreeSet<String> = wishes.iter().map(|wish| wish.subject.namespace.clone()).collect();
    let ((failures, mut notes), namespaces, nodes, managed) = tokio::join!(
        reader.failures(&scopes),
        reader.namespaces(&wishes),
        reader.nodes(&wishes),
        reader.managed(&wishes)
    );
    notes.extend(namespaces.values().flat_map(|namespace| namespace.notes.clone()));
    notes.extend(nodes.note.clone());
    wishes.iter_mut().for_each(|wish| failures.complete(wish));
    let managed = Arc::new(managed);
    let mut wirings: BTreeMap<(String, String, Vec<String>, bool), Arc<Wiring>> = BTreeMap::new();
    let cases = wishes.into_iter().map(|wish| {
        let namespace = &namespaces[&wish.subject.namespace];
        let key = (wish.subject.namespace.clone(), wish.account.clone(), wish.pull_secrets.clone(), wish.is_planned);
        let wiring = wirings.entry(key).or_insert_with(|| Arc::new(namespace.wiring(&wish, Arc::clone(&managed))));
        let node = wish.subject.node.as_ref().and_then(|node| nodes.by_name.get(node));
        Case {
            reference: Reference::parse(&wish.image),
            runs_on: found.sorted.runs_on(&wish.image, wish.subject.node.as_deref()),
            wiring: Arc::clone(wiring),
            platform: node.map(|(platform, _)| platform.clone()).or_else(|| nodes.usual.clone()),
            is_disk_full: node.is_some_and(|(_, is_full)| *is_full),
            subject: wish.subject,
            image: wish.image,
            complaint: wish.complaint,
            kept: Arc::default(),
        }
    });
    let cases = cases.collect();
    notes.sort();
    notes.dedup();
    Ok(Gathered { cases, waiting, pods: *pods, notes })
}

/// What a target leads to: pods that are there, and wishes of pods that are not.
#[derive(Debug, Default)]
struct Found {
    sorted: Sorted,
    planned: Vec<Wish>,
}

struct Reader<'a> {
    client: &'a Client,
    reach: &'a Reach,
}

impl Reader<'_> {
    /// Page by page, so that a large cluster needs little memory.
    async fn each_pod(
        &self,
        namespace: Option<&str>,
        mut params: ListParams,
        mut take: impl FnMut(&Pod),
    ) -> kube::Result<()> {
        let api: Api<Pod> = match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        params = params.limit(PAGE);
        loop {
            let page = api.list(&params).await?;
            page.items.iter().for_each(&mut take);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(()),
            }
        }
    }

    /// The kubelet's events. Without the right to read them, attempts stay unknown.
    async fn failures(&self, namespaces: &BTreeSet<String>) -> (Failures, Vec<String>) {
        let params = ListParams::default().fields("involvedObject.kind=Pod,reason=Failed");
        let lists = stream::iter(namespaces.clone()).map(|namespace| {
            let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
            let params = params.clone();
            async move {
                let refused = |error| format!("could not list the events of namespace {namespace}: {}", short(&error));
                api.list(&params).await.map_err(refused)
            }
        });
        let (mut failures, mut notes) = (Failures::default(), Vec::new());
        let lists: Vec<_> = lists.buffer_unordered(IN_FLIGHT).collect().await;
        for list in lists {
            match list {
                Ok(list) => list.items.iter().for_each(|event| failures.take(event)),
                Err(note) => notes.push(note),
            }
        }
        (failures, notes)
    }

    async fn namespaces(&self, wishes: &[Wish]) -> BTreeMap<String, Namespace> {
        let mut needed: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
        for wish in wishes {
            let (secrets, accounts) = needed.entry(wish.subject.namespace.clone()).or_default();
            secrets.extend(wish.pull_secrets.iter().cloned());
            accounts.insert(wish.account.clone());
        }
        let read = stream::iter(needed).map(async |(name, (secrets, accounts))| {
            let namespace = Namespace::read(self, &name, secrets, &accounts).await;
            (name, namespace)
        });
        read.buffer_unordered(IN_FLIGHT).collect().await
    }

    async fn nodes(&self, wishes: &[Wish]) -> Nodes {
        let names: BTreeSet<_> = wishes.iter().filter_map(|wish| wish.subject.node.clone()).collect();
        let api: Api<Node> = Api::all(self.client.clone());
        let read = stream::iter(names.into_iter().take(MOST_NODES)).map(|name| {
            let api = api.clone();
            async move { api.get(&name).await.map(|node| (name, node)) }
        });
        let nodes: Vec<_> = read.buffer_unordered(IN_FLIGHT).collect().await;
        let refusal = nodes.iter().find_map(|node| node.as_ref().err());
        let note = refusal.map(|error| format!("could not read every node: {}", short(error)));
        let by_name: BTreeMap<_, _> =
            nodes.into_iter().flatten().filter_map(|(name, node)| Some((name, facts(&node)?))).collect();
        let is_homeless = wishes.iter().any(|wish| wish.subject.node.is_none());
        let usual = if is_homeless { self.usual_platform().await } else { None };
        Nodes { by_name, usual, note }
    }

    /// What most nodes run, by their labels: where a pod that is only planned will come to.
    async fn usual_platform(&self) -> Option<Platform> {
        let api: Api<Node> = Api::all(self.client.clone());
        let nodes = api.list_metadata(&ListParams::default().limit(PAGE)).await.ok()?;
        let mut counts: BTreeMap<Platform, usize> = BTreeMap::new();
        for node in &nodes.items {
            let label = |name: &str| node.labels().get(name).cloned();
            if let (Some(os), Some(architecture)) = (label("kubernetes.io/os"), label("kubernetes.io/arch")) {
                *counts.entry(Platform { os, architecture, variant: None }).or_default() += 1;
            }
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(platform, _)| platform)
    }

    /// Where pullmint keeps Secrets of the names that pods want. It needs a right that few have.
    async fn managed(&self, wishes: &[Wish]) -> BTreeMap<String, Vec<String>> {
        let wanted: BTreeSet<_> = wishes.iter().flat_map(|wish| &wish.pull_secrets).collect();
        let api: Api<Secret> = Api::all(self.client.clone());
        let mut managed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for params in self.reach.managed(&wanted) {
            let Ok(secrets) = api.list_metadata(&params.limit(PAGE)).await else { continue };
            for secret in &secrets.items {
                let (name, namespace) = (secret.name_any(), secret.namespace().unwrap_or_default());
                if wanted.contains(&name) {
                    managed.entry(name).or_default().push(namespace);
                }
            }
        }
        managed
    }
}

/// What nodes tell.
struct Nodes {
    /// Platform, and whether the disk is full.
    by_name: BTreeMap<String, (Platform, bool)>,
    usual: Option<Platform>,
    /// Why not all could be read.
    note: Option<String>,
}

fn facts(node: &Node) -> Option<(Platform, bool)> {
    let status = node.status.as_ref()?;
    let info = status.node_info.as_ref()?;
    let platform =
        Platform { os: info.operating_system.clone(), architecture: info.architecture.clone(), variant: None };
    let mut conditions = status.conditions.iter().flatten();
    let is_full = conditions.any(|condition| condition.type_ == "DiskPressure" && condition.status == "True");
    Some((platform, is_full))
}

/// The pull Secrets and ServiceAccounts of one namespace.
struct Namespace {
    present: BTreeMap<String, Arc<Secret>>,
    /// Named Secrets of any type, or why they could not be read.
    named: BTreeMap<String, State>,
    accounts: BTreeMap<String, Option<Vec<String>>>,
    notes: Vec<String>,
}

impl Namespace {
    async fn read(reader: &Reader<'_>, name: &str, secrets: BTreeSet<String>, accounts: &BTreeSet<String>) -> Self {
        let Reader { client, reach } = *reader;
        let api: Api<Secret> = Api::namespaced(client.clone(), name);
        let (listed, mut notes) = reach.present(&api, name).await;
        let present: BTreeMap<_, _> = listed.into_iter().map(|secret| (secret.name_any(), Arc::new(secret))).collect();
        let account_api: Api<ServiceAccount> = Api::namespaced(client.clone(), name);
        let mut found = BTreeMap::new();
        let mut named_by_accounts = BTreeSet::new();
        for account in accounts {
            let secrets = match account_api.get_opt(account).await {
                Ok(account) => {
                    let references = account.and_then(|account| account.image_pull_secrets).unwrap_or_default();
                    Some(references.into_iter().map(|reference| reference.name).collect::<Vec<_>>())
                }
                Err(error) => {
                    notes.push(format!("could not read ServiceAccount {name}/{account}: {}", short(&error)));
                    None
                }
            };
            named_by_accounts.extend(secrets.iter().flatten().cloned());
            found.insert(account.clone(), secrets);
        }
        let mut named = BTreeMap::new();
        for secret in secrets.into_iter().chain(named_by_accounts) {
            let state = match present.get(&secret) {
                Some(found) => State::Present(Arc::clone(found)),
                None if reach.forbids(&secret) => State::Unreadable(reach::NOT_READ.to_owned()),
                None => match api.get_opt(&secret).await {
                    Ok(Some(found)) => State::Present(Arc::new(found)),
                    Ok(None) => State::Missing,
                    Err(error) => State::Unreadable(short(&error)),
                },
            };
            named.insert(secret, state);
        }
        Self { present, named, accounts: found, notes }
    }

    fn wiring(&self, wish: &Wish, managed: Arc<BTreeMap<String, Vec<String>>>) -> Wiring {
        let account_secrets = self.accounts.get(&wish.account).cloned().flatten();
        // At a pod's creation its ServiceAccount's Secrets are added, if it names none itself.
        let names = match (&account_secrets, wish.pull_secrets.is_empty() && wish.is_planned) {
            (Some(secrets), true) => secrets.clone(),
            _ => wish.pull_secrets.clone(),
        };
        let state = |name: String| {
            let state = self.named.get(&name).cloned().unwrap_or(State::Missing);
            Wanted { name, state }
        };
        let wanted = names.into_iter().map(state).collect();
        let (account, present) = (wish.account.clone(), self.present.clone());
        Wiring { wanted, account, account_secrets, present, managed }
    }
}

/// An error of the API server in few words.
fn short(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => error.to_string(),
    }
}
