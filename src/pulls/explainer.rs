//! Looks into failed pulls, many at once, with what `pullmint why` looks with.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::config::Settings;
use crate::network::Network;
use crate::pulls::ledger::Key;
use crate::why;
use crate::why::finding::Finding;
use crate::why::gather::{Reach, Target, gather};
use crate::why::inquiry::Inquiry;
use crate::why::pods::Wish;
use crate::why::probe::guard::{Guard, proxies_of_environment};
use crate::why::probe::{Transport, TransportOptions};

/// All questions about some failures together may take so long.
const PATIENCE: Duration = Duration::from_secs(180);
/// So long an answer of a registry holds for others that have the same question.
const FRESH: Duration = Duration::from_secs(60);
/// Different lacks that are told; of more the first are enough.
const MOST_LACKS: usize = 50;

/// How failed pulls are looked into, as the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Means {
    /// Which Secrets may be read.
    pub reach: Reach,
    /// Networks of private addresses where registries may be asked.
    pub private_networks: Vec<Network>,
    /// PEM file of certificate authorities that are trusted besides the platform's.
    pub ca_file: Option<PathBuf>,
}

impl Means {
    /// None: they are not to be looked into.
    #[must_use]
    pub fn of(settings: &Settings) -> Option<Self> {
        let pulls = &settings.pulls;
        let own = settings.registries.iter().map(|registry| registry.secret.clone()).collect();
        pulls.explain.then(|| Self {
            reach: Reach::ByName { own, others: pulls.read_all_secrets },
            private_networks: pulls.private_networks.clone(),
            ca_file: settings.ca_file.clone(),
        })
    }

    /// Without a way to registries the kubelet's words have to do.
    fn transport(&self) -> Option<Transport> {
        let guard = Guard { allowed: self.private_networks.clone(), proxies: proxies_of_environment() };
        let transport = Transport::new(TransportOptions { ca_file: self.ca_file.clone(), guard });
        let complain = |error: &_| warn!(%error, "cannot ask registries why images do not pull");
        transport.inspect_err(complain).ok()
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The foremost finding of each.
    pub(super) found: Vec<(Key, Finding)>,
    /// Those that could not be looked into.
    pub(super) left: Vec<Key>,
    /// What could not be read.
    lacks: Vec<String>,
}

/// Who looks into them.
pub(super) struct Explainer {
    client: Client,
    means: Arc<Means>,
    inquiry: Option<(Arc<Inquiry>, Timestamp)>,
    told: BTreeSet<String>,
}

impl Explainer {
    pub(super) fn new(client: Client, means: Means) -> Self {
        Self { client, means: Arc::new(means), inquiry: None, told: BTreeSet::new() }
    }

    /// Looks into these.
    pub(super) fn explain(
        &mut self,
        wishes: Vec<Wish>,
        now: Timestamp,
    ) -> impl Future<Output = Outcome> + Send + 'static {
        let (client, means, inquiry) = (self.client.clone(), Arc::clone(&self.means), self.inquiry(now));
        async move {
            let keys: Vec<_> = wishes.iter().map(key).collect();
            match timeout(PATIENCE, explained(&client, &means.reach, wishes, &inquiry, now)).await {
                Ok(Ok((findings, lacks))) => {
                    let found = keys.into_iter().zip(findings).filter_map(|(key, finding)| Some((key, finding?)));
                    Outcome { found: found.collect(), left: Vec::new(), lacks }
                }
                Ok(Err(error)) => Outcome { found: Vec::new(), left: keys, lacks: vec![error.to_string()] },
                Err(_) => {
                    let lack = format!("registries did not answer within {} s", PATIENCE.as_secs());
                    Outcome { found: Vec::new(), left: keys, lacks: vec![lack] }
                }
            }
        }
    }

    /// What registries have said is old.
    pub(super) fn forget_answers(&mut self) {
        self.inquiry = None;
    }

    /// What could not be read is told once.
    pub(super) fn complain(&mut self, outcome: &Outcome) {
        for lack in &outcome.lacks {
            if self.told.len() < MOST_LACKS && self.told.insert(lack.clone()) {
                warn!(lack, remedy = "grant what `pullmint rbac` prints", "cannot see all that failed pulls depend on");
            }
        }
    }

    fn inquiry(&mut self, now: Timestamp) -> Arc<Inquiry> {
        let is_fresh = |begun: &Timestamp| Duration::try_from(now.duration_since(*begun)).is_ok_and(|age| age < FRESH);
        if let Some((inquiry, _)) = self.inquiry.as_ref().filter(|(_, begun)| is_fresh(begun)) {
            return Arc::clone(inquiry);
        }
        let inquiry = Arc::new(Inquiry::new(self.means.transport()));
        self.inquiry = Some((Arc::clone(&inquiry), now));
        inquiry
    }
}

/// The container that wishes.
fn key(wish: &Wish) -> Key {
    (wish.uid.clone(), wish.subject.container.clone())
}

/// The foremost finding of each, in their order, and what could not be read.
async fn explained(
    client: &Client,
    reach: &Reach,
    wishes: Vec<Wish>,
    inquiry: &Inquiry,
    now: Timestamp,
) -> kube::Result<(Vec<Option<Finding>>, Vec<String>)> {
    let gathered = gather(client, &Target::Seen(wishes), reach).await?;
    let asked = inquiry.asked();
    let judged = why::judge_all(gathered.cases, inquiry, now, || {}).await;
    debug!(failures = judged.len(), questions = inquiry.asked() - asked, "looked into images that do not pull");
    Ok((judged.into_iter().map(|(_, findings)| findings.into_iter().next()).collect(), gathered.notes))
}
