//! What the figures are taken on: a real control plane, the emulated clouds, and the release binary.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::Value;
use world::clouds::{Clouds, Service, seed};
use world::internet::Internet;
use world::process::{Launch, Process};
use world::{ControlPlaneOptions, World};

use crate::bare::Left;

/// Writes in flight: pullmint's default, and the bare loop's.
pub(crate) const IN_FLIGHT: usize = 16;

/// That of the emulated ECR's passwords, so that both write Secrets of one size; `assert_complete` sees to it.
pub(crate) const PASSWORD_LENGTH: usize = 1511;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_pullmint");

/// No step may take longer.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) struct Bed {
    world: World,
    clouds: Clouds,
    internet: Internet,
    files: seed::Files,
    client: Client,
    namespaces: Mutex<Vec<String>>,
    left: Left,
}

impl Bed {
    pub(crate) async fn start() -> Self {
        let clouds = Clouds::new().expect("clouds");
        let internet = Internet::start(clouds.clone()).await.expect("an internet");
        // No controllers: they would write into new namespaces while pullmint is measured.
        let plane = ControlPlaneOptions { controller_manager: false, ..ControlPlaneOptions::default() };
        let world = World::builder().control_plane(plane).start().await.expect("a control plane");
        let files = clouds.write_files(&world.dir.subdir("secrets").expect("a directory")).expect("secret files");
        let client = world.control_plane.client().await.expect("a client");
        Self { world, clouds, internet, files, client, namespaces: Mutex::default(), left: Left::default() }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.world.control_plane.kubeconfig()
    }

    pub(crate) fn namespace_names(&self) -> Vec<String> {
        self.namespaces.lock().expect("no panic").clone()
    }

    pub(crate) fn left(&self) -> Left {
        Left::clone(&self.left)
    }

    pub(crate) async fn namespaces(&self, prefix: &str, count: usize) {
        let made = world::create_namespaces(&self.client, prefix, count, &[]).await.expect("namespaces");
        self.namespaces.lock().expect("no panic").extend(made);
    }

    /// One ECR registry; nothing but the API server stands between it and the Secrets.
    pub(crate) fn configure(&self, more: &str) {
        let dir = self.config();
        let ca = self.internet.ca_file().display();
        let global = format!(
            "ca_file = \"{ca}\"\nconcurrency = {IN_FLIGHT}\n\
             admin.listen = \"127.0.0.1:0\"\n[namespaces]\nexclude = [\"kube-*\", \"default\"]\n"
        );
        let ecr = "provider = \"ecr\"\nregion = \"eu-west-1\"\naccounts = [\"123456789012\"]\nsecret = \"pull\"\nverify = false\n";
        std::fs::write(dir.join("pullmint.toml"), global).expect("pullmint.toml");
        std::fs::write(dir.join("ecr.toml"), format!("{ecr}{more}\n")).expect("ecr.toml");
    }

    fn config(&self) -> PathBuf {
        self.world.dir.subdir("config").expect("a directory")
    }

    pub(crate) fn run(&self, args: &[&str]) -> Pullmint {
        let mut launch = Launch::new("pullmint", PROGRAM, self.world.dir.path())
            .args(args)
            .args(["--log-format", "json", "--config"])
            .arg(self.config());
        let mut env = self.internet.env();
        env.extend(seed::Identity::AwsKeys.env(&self.files, &self.internet));
        env.push(("KUBECONFIG", self.kubeconfig().display().to_string()));
        env.retain(|(name, _)| *name != "SSL_CERT_FILE");
        for (name, value) in env {
            launch = launch.env(name, value);
        }
        // Earlier processes have written into the same file.
        let log = self.world.dir.path().join("pullmint.log");
        let read = std::fs::metadata(log).map_or(0, |log| log.len() as usize);
        let process = launch.start().expect("pullmint starts");
        Pullmint { process, read }
    }

    pub(crate) fn mints(&self) -> u64 {
        self.clouds.mints(Service::Ecr)
    }

    /// Removes all that pullmint and the bare loop wrote, the state too.
    pub(crate) async fn wipe(&self) {
        self.left.lock().expect("no panic").clear();
        let mut names = self.namespace_names();
        names.push("default".to_owned());
        futures::stream::iter(names)
            .for_each_concurrent(IN_FLIGHT, async |namespace| {
                let api = Api::<Secret>::namespaced(self.client.clone(), &namespace);
                for name in ["pull", "bare", "pullmint-state"] {
                    // What was not there need not go.
                    api.delete(name, &DeleteParams::default()).await.ok();
                }
            })
            .await;
    }

    async fn secrets(&self) -> Vec<PartialObjectMeta<Secret>> {
        let api = Api::<Secret>::all(self.client.clone());
        let list = ListParams::default().fields("metadata.name=pull");
        api.list_metadata(&list).await.expect("a list").items
    }

    /// Every namespace has its Secret, and it is as large as the bare loop's.
    pub(crate) async fn assert_complete(&self, namespaces: usize) {
        assert_eq!(self.secrets().await.len(), namespaces, "every namespace has its Secret");
        let api = Api::<Secret>::namespaced(self.client.clone(), &self.namespace_names()[0]);
        let mut sizes = Vec::new();
        for name in ["pull", "bare"] {
            let data = api.get(name).await.expect("a Secret").data.unwrap_or_default();
            sizes.push(data.values().map(|value| value.0.len()).sum::<usize>());
        }
        assert_eq!(sizes[0], sizes[1], "pullmint and the bare loop write Secrets of one size");
    }

    pub(crate) async fn resource_versions(&self) -> HashMap<String, String> {
        let secrets = self.secrets().await;
        secrets.iter().map(|s| (s.namespace().unwrap_or_default(), s.resource_version().unwrap_or_default())).collect()
    }

    pub(crate) async fn unrelated_secrets(&self, count: usize, size: usize) {
        let namespaces = self.namespace_names();
        let data = std::collections::BTreeMap::from([("data".to_owned(), "x".repeat(size))]);
        futures::stream::iter(0..count)
            .for_each_concurrent(IN_FLIGHT, async |number| {
                let api = Api::<Secret>::namespaced(self.client.clone(), &namespaces[number % namespaces.len()]);
                let secret = Secret {
                    metadata: ObjectMeta { name: Some(format!("unrelated-{number}")), ..ObjectMeta::default() },
                    string_data: Some(data.clone()),
                    ..Secret::default()
                };
                api.create(&PostParams::default(), &secret).await.expect("an unrelated Secret");
            })
            .await;
    }

    /// From the process's start until a watch shows the first Secret.
    pub(crate) async fn start_to_first_secret(&self) -> Duration {
        self.wipe().await;
        let api = Api::<PartialObjectMeta<Secret>>::all(self.client.clone());
        let mut events = Box::pin(watcher(api, watcher::Config::default().fields("metadata.name=pull")));
        while !matches!(events.try_next().await.expect("a watch"), Some(watcher::Event::InitDone)) {}
        let started = Instant::now();
        let _pullmint = self.run(&["run"]);
        while !matches!(events.try_next().await.expect("a watch"), Some(watcher::Event::Apply(_))) {}
        started.elapsed()
    }

    /// From the answer to a namespace's creation until a watch shows its Secret.
    pub(crate) async fn cover(&self, count: usize) -> Vec<Duration> {
        let api = Api::<Namespace>::all(self.client.clone());
        let make = async |number: usize| {
            let name = format!("fresh-{number}");
            let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
            let namespace = Namespace { metadata, ..Namespace::default() };
            api.create(&PostParams::default(), &namespace).await.expect("a namespace");
            name
        };
        self.watch_answers(count, make).await
    }

    /// From the answer to a Secret's deletion until a watch shows the new one.
    pub(crate) async fn restore(&self, count: usize) -> Vec<Duration> {
        let namespaces = self.namespace_names();
        let delete = async |number: usize| {
            let namespace = namespaces[number].clone();
            let api = Api::<Secret>::namespaced(self.client.clone(), &namespace);
            api.delete("pull", &DeleteParams::default()).await.expect("a deletion");
            namespace
        };
        self.watch_answers(count, delete).await
    }

    async fn watch_answers(&self, count: usize, act: impl AsyncFn(usize) -> String) -> Vec<Duration> {
        let api = Api::<PartialObjectMeta<Secret>>::all(self.client.clone());
        let mut events = Box::pin(watcher(api, watcher::Config::default().fields("metadata.name=pull")));
        while !matches!(events.try_next().await.expect("a watch"), Some(watcher::Event::InitDone)) {}
        let mut times = Vec::new();
        for number in 0..count {
            let namespace = act(number).await;
            let started = Instant::now();
            loop {
                let event = tokio::time::timeout(PATIENCE, events.try_next()).await.expect("in time").expect("a watch");
                if let Some(watcher::Event::Apply(secret)) = event
                    && secret.namespace().as_deref() == Some(&namespace)
                {
                    break;
                }
            }
            times.push(started.elapsed());
        }
        times
    }
}

/// A running pullmint, followed by what it logs.
pub(crate) struct Pullmint {
    process: Process,
    read: usize,
}

/// It ends in good order, and gives the lease back: the next one would wait until it has run out.
impl Drop for Pullmint {
    fn drop(&mut self) {
        self.process.stop();
    }
}

impl Pullmint {
    /// The next round: from the mint until the last Secret was written.
    pub(crate) async fn until_written(&mut self, writes: usize) -> Duration {
        let minted = self.next("minted").await;
        let mut written = 0;
        let mut last = minted.clone();
        while written < writes {
            last = self.next("all is written").await;
            written += last["writes"].as_u64().unwrap_or(0) as usize;
        }
        between(instant(&minted), instant(&last))
    }

    pub(crate) async fn until_settled(&mut self) {
        self.next("all is written").await;
    }

    /// The next log line with this message.
    async fn next(&mut self, message: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let text = std::fs::read_to_string(self.process.log()).unwrap_or_default();
            while let Some(end) = text[self.read..].find('\n') {
                let line: Value = serde_json::from_str(&text[self.read..self.read + end]).unwrap_or_default();
                self.read += end + 1;
                if line["message"] == message {
                    return line;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("pullmint never said {message:?}");
    }

    pub(crate) fn resident_mib(&self) -> f64 {
        let status = self.proc("status");
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        kib.expect("VmRSS") / 1024.0
    }

    /// User and system time so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("ticks")).sum();
        // USER_HZ, which Linux fixes for its interfaces.
        Duration::from_millis(ticks * 10)
    }

    fn proc(&self, file: &str) -> String {
        let pid = self.process.pid().expect("pullmint runs");
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("/proc")
    }
}

fn instant(line: &Value) -> Timestamp {
    line["timestamp"].as_str().expect("a timestamp").parse().expect("a timestamp")
}

fn between(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or_default()
}

pub(crate) fn binary_size() -> f64 {
    Path::new(PROGRAM).metadata().expect("the binary").len() as f64 / 1048576.0
}
