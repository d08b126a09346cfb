//! What has to stand before pullmint starts, and what has to go after it has ended.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::{Context, Node, Result, Stage, WorldError, create_namespaces};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt};

use super::options::DemoOptions;
use super::pods;
use super::pull::Puller;
use super::screen::{Screen, spell};
use super::secrets::SPOILED;

/// How many namespaces the configuration selects, and how many it does not.
const SELECTED: usize = 16;
const OTHERS: usize = 8;

/// Where and what pods ask for first: host and repository.
pub(super) const ECR: (&str, &str) = ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "team/app");

/// The pod that is there before pullmint is.
pub(super) const WEB: &str = "web";

pub(super) struct Scenery {
    pub(super) stage: Stage,
    pub(super) client: Client,
    pub(super) puller: Puller,
    /// Begins the name of everything of ours in somebody else's cluster; empty in our own.
    pub(super) prefix: String,
    pub(super) selected: BTreeSet<String>,
    pub(super) others: BTreeSet<String>,
}

impl Scenery {
    pub(super) async fn build(options: &DemoOptions, screen: &Screen) -> Result<Self> {
        header(options, screen);
        screen.now("starting the cluster, the registry and the clouds".to_owned());
        let started = Instant::now();
        let (prefix, node) = match &options.kubeconfig {
            Some(_) => {
                let prefix = format!("pullmint-demo-{:06x}-", rand::random::<u32>() >> 8);
                (prefix, Err("in a cluster that is not our own no node of ours has a place".to_owned()))
            }
            None => (String::new(), Node::available()),
        };
        let stage = match &options.kubeconfig {
            Some(theirs) => Stage::start_on(theirs, &format!("{prefix}system")).await?,
            None => Stage::start(node.is_ok()).await?,
        };
        let client = stage.world.control_plane.client().await?;
        let version = client.apiserver_version().await.context(|| "asking for the cluster's version")?.git_version;
        let kubelet = if node.is_ok() { " with kubelet and containerd" } else { "" };
        let took = spell(started.elapsed());
        screen.good("started", &format!("Kubernetes {version}{kubelet}, registry and clouds, in {took}"));
        let puller = Puller::new(&stage.internet, &stage.world.dir)?;
        if let Err(why) = node {
            screen.odd("no node", &format!("{why}; {} pulls instead of a kubelet", puller.name()));
        }
        stage.push_images().await?;
        stage.set_life(options.life());
        configure(&stage, &prefix)?;
        let names = |what: &str, count| (0..count).map(|index| format!("{prefix}{what}-{index}")).collect();
        let (selected, others) = (names("team", SELECTED), names("sandbox", OTHERS));
        Ok(Self { stage, client, puller, prefix, selected, others })
    }

    /// Makes the namespaces, and shows what an image pull comes to without pullmint.
    pub(super) async fn prepare(&self, screen: &Screen) -> Result<()> {
        let Self { client, prefix, .. } = self;
        if !prefix.is_empty() {
            create_namespace(client, &format!("{prefix}system")).await?;
        }
        create_namespaces(client, &format!("{prefix}team"), SELECTED, &[]).await?;
        create_namespaces(client, &format!("{prefix}sandbox"), OTHERS, &[]).await?;
        let text = format!(
            "{SELECTED} namespaces {prefix}team-*, which are selected, and {OTHERS} {prefix}sandbox-*, which are not"
        );
        screen.good("made", &text);
        let place = format!("{prefix}team-0");
        let (host, repository) = ECR;
        let refused = match &self.stage.world.node {
            Some(node) => {
                pods::create(client, node.name(), (&place, WEB), &format!("{host}/{repository}:1"), "pullmint-ecr")
                    .await?;
                let refused = pods::until_refused(client, (&place, WEB));
                let refused = tokio::time::timeout(Duration::from_secs(30), refused).await;
                refused.context(|| "waiting for a refused pull")??
            }
            None => match self.puller.pull(ECR, SPOILED.as_bytes()).await {
                Ok(_) => return Err(WorldError::new("the registry lets everybody in")),
                Err(why) => why,
            },
        };
        let who =
            if self.stage.world.node.is_some() { format!("pod {place}/{WEB}") } else { self.puller.name().to_owned() };
        screen.good("refused", &format!("{who}: {refused}; no credential yet for {host}"));
        Ok(())
    }

    /// Deletes what was made in somebody else's cluster; our own ends as a whole.
    pub(super) async fn strike(&self, screen: &Screen) -> Result<()> {
        if self.prefix.is_empty() {
            return Ok(());
        }
        let api: Api<Namespace> = Api::all(self.client.clone());
        let ours = async || -> Result<Vec<String>> {
            let all = api.list_metadata(&ListParams::default()).await.context(|| "listing namespaces")?;
            let names = all.items.iter().map(ResourceExt::name_any);
            Ok(names.filter(|name| name.starts_with(&self.prefix)).collect())
        };
        let names = ours().await?;
        for name in &names {
            api.delete(name, &DeleteParams::default()).await.context(|| format!("deleting namespace {name}"))?;
        }
        for _ in 0..120 {
            if ours().await?.is_empty() {
                screen.good("deleted", &format!("{} namespaces {}*", names.len(), self.prefix));
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        screen.odd(
            "deleted",
            &format!("namespaces {}* are still going away; the cluster ends that by itself", self.prefix),
        );
        Ok(())
    }
}

pub(super) async fn create_namespace(client: &Client, name: &str) -> Result<()> {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    let made = Api::all(client.clone()).create(&PostParams::default(), &namespace).await;
    made.map(drop).context(|| format!("creating namespace {name}"))
}

/// The project's examples, but for the one line that selects the demo's namespaces.
fn configure(stage: &Stage, prefix: &str) -> Result<()> {
    stage.configure_like(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config"))?;
    let file = stage.config().join("pullmint.toml");
    let text = fs::read_to_string(&file).context(|| "reading pullmint.toml")?;
    let all = "# include = [\"*\"]";
    if !text.contains(all) {
        return Err(WorldError::new(format!("the example pullmint.toml has no line {all}")));
    }
    let text = text.replace(all, &format!("include = [\"{prefix}team-*\"]"));
    fs::write(&file, text).context(|| "writing pullmint.toml")
}

fn header(options: &DemoOptions, screen: &Screen) {
    let cluster = match &options.kubeconfig {
        Some(theirs) => format!("yours, by {}; what is made there is deleted at the end", theirs.display()),
        None => "a real one on this machine: etcd, kube-apiserver, kube-controller-manager".to_owned(),
    };
    screen.title("pullmint keeps short-lived image pull credentials fresh in Kubernetes. Watch it work.");
    screen.plain(&format!("  cluster    {cluster}"));
    screen.plain(
        "  registry   distribution, behind emulated Docker Hub, ECR, ECR Public and ACR that check every credential",
    );
    screen.plain(&format!("  pullmint   {} run, with the examples of config/", options.program_name()));
    let (life, time) = (options.life().as_secs(), options.time.as_secs());
    screen.plain(&format!(
        "  time       credentials live {life} s here; ends by itself {time} s after pullmint's start, or at Ctrl-C"
    ));
    screen.plain("");
}
