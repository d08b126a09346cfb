//! One pullmint on the stage that all tests share.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;
use world::process::{Launch, Process};
use world::{FaultProxy, Node, Stage, Surroundings};

/// The longest that anything may take that is not told to take its time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const ECR: &str = "provider = \"ecr\"\nregion = \"eu-west-1\"\naccounts = [\"123456789012\"]\n";
pub(crate) const ECR_PUBLIC: &str = "provider = \"ecr-public\"\n";
pub(crate) const ACR: &str =
    "provider = \"acr\"\nlogin_servers = [\"acme.azurecr.io\"]\nidentity = \"workload-identity\"\n";
/// A token that someone else made.
pub(crate) const HUB: &str =
    "provider = \"docker-hub\"\nsource = \"token-file\"\nusername = \"acme\"\ntoken_file = \"{hub_org_token}\"\n";
/// Tokens that pullmint makes.
pub(crate) const HUB_MINTED: &str = "provider = \"docker-hub\"\nsource = \"organization-token\"\norganization = \"acme\"\n\
    username = \"acme-owner\"\npassword_file = \"{hub_password}\"\nrepositories = [\"acme/app\"]\n";

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_pullmint");

/// The stage, and the runtime that its servers live on: that of a test ends with the test.
struct Theatre {
    stage: Stage,
    runtime: Runtime,
}

async fn theatre() -> &'static Theatre {
    static THEATRE: OnceCell<Theatre> = OnceCell::const_new();
    let open = async || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let stage = runtime.spawn(async {
            let stage = Stage::start(false).await.expect("a stage");
            stage.push_images().await.expect("images");
            stage
        });
        Theatre { stage: stage.await.expect("a stage"), runtime }
    };
    THEATRE.get_or_init(open).await
}

/// A pullmint's surroundings, and namespaces for it.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) stage: &'static Stage,
    pub(crate) around: Surroundings,
    pub(crate) client: Client,
}

/// What a command that ended leaves behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Scene {
    /// `name` is pullmint's own namespace. It serves all that begin with `name-`, of which there are so many.
    pub(crate) async fn start(name: &'static str, namespaces: usize) -> Self {
        let Theatre { stage, runtime } = theatre().await;
        let around = runtime.spawn(stage.surroundings(name)).await.expect("no panic").expect("surroundings");
        let client = stage.world.control_plane.client().await.expect("a client");
        world::create_namespaces(&client, name, namespaces, &[]).await.expect("namespaces");
        let scene = Self { name, stage, around, client };
        scene.configure_all("");
        scene
    }

    /// A node whose images come from this scene's clouds.
    pub(crate) async fn node(&self) -> Node {
        self.stage.node(&self.around).await.expect("a node")
    }

    /// Writes one file of the configuration.
    pub(crate) fn configure(&self, name: &str, toml: &str) {
        self.around.configure(name, toml).expect("a file");
    }

    /// Writes what holds for all registries: what every scene has, and more.
    pub(crate) fn configure_all(&self, more: &str) {
        self.configure("pullmint.toml", &self.common(more));
    }

    /// The text of `pullmint.toml`, to be filled.
    pub(crate) fn common(&self, more: &str) -> String {
        let include = format!("namespaces.include = [\"{}-*\"]", self.name);
        format!("ca_file = \"{{ca_file}}\"\n{include}\nadmin.listen = \"127.0.0.1:0\"\n{more}")
    }

    /// `pullmint run`, until dropped. It is what it logs that `words` are of.
    pub(crate) fn run(&self) -> Process {
        self.run_with(&[])
    }

    pub(crate) fn run_with(&self, args: &[&str]) -> Process {
        let args = [&["run"], args].concat();
        self.around.pullmint("pullmint", Path::new(PROGRAM), &args).start().expect("pullmint starts")
    }

    /// One of several: the others know it by this name, and its log is `NAME.log`.
    pub(crate) fn run_as(&self, name: &str) -> Process {
        self.named(name).start().expect("pullmint starts")
    }

    /// The same, with a way to the API server that can break.
    pub(crate) async fn run_behind_a_proxy(&self, name: &str) -> (FaultProxy, Process) {
        let proxy = FaultProxy::start(&self.stage.world.control_plane.url()).await.expect("a proxy");
        let kubeconfig = self.around.kubeconfig_via(&proxy.url()).expect("a kubeconfig");
        (proxy, self.named(name).env("KUBECONFIG", kubeconfig).start().expect("pullmint starts"))
    }

    /// The same, to be started.
    pub(crate) fn named(&self, name: &str) -> Launch {
        self.around.pullmint(name, Path::new(PROGRAM), &["run", "--identity", name])
    }

    /// A command with the configuration, to be started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(args);
        command.arg("--config").arg(self.around.config()).envs(self.around.env());
        command
    }

    /// A command with the configuration, until it has ended by itself.
    pub(crate) async fn pullmint(&self, args: &[&str]) -> Ended {
        ended(self.command(args)).await
    }

    pub(crate) async fn secret(&self, namespace: &str, name: &str) -> Option<Secret> {
        Api::<Secret>::namespaced(self.client.clone(), namespace).get_opt(name).await.expect("an answer")
    }

    /// The Secrets of this name in all namespaces that pullmint serves.
    pub(crate) async fn copies(&self, name: &str) -> Vec<Secret> {
        let all = Api::<Secret>::all(self.client.clone());
        let mut copies = all.list(&named(name)).await.expect("an answer").items;
        copies.retain(|copy| self.serves(copy));
        copies
    }

    /// How many there are.
    pub(crate) async fn count(&self, name: &str) -> usize {
        let all = Api::<Secret>::all(self.client.clone());
        let copies = all.list_metadata(&named(name)).await.expect("an answer");
        copies.iter().filter(|copy| self.serves(*copy)).count()
    }

    fn serves(&self, object: &impl ResourceExt) -> bool {
        object.namespace().and_then(|it| it.strip_prefix(self.name).map(|rest| rest.starts_with('-'))) == Some(true)
    }

    /// Waits for a Secret.
    pub(crate) async fn until_secret(&self, namespace: &str, name: &str) -> Secret {
        let there = async || self.secret(namespace, name).await;
        self.until(&format!("Secret {namespace}/{name}"), PATIENCE, there).await
    }

    /// Waits for a Secret that is another version than this one.
    pub(crate) async fn until_changed(&self, namespace: &str, name: &str, old: &Secret) -> Secret {
        let changed = async || {
            let secret = self.secret(namespace, name).await?;
            (secret.metadata.resource_version != old.metadata.resource_version).then_some(secret)
        };
        self.until(&format!("a change of Secret {namespace}/{name}"), PATIENCE, changed).await
    }

    /// Waits until something has been logged.
    pub(crate) async fn until_said(&self, words: &[&str]) -> String {
        self.until_said_by("pullmint", words).await
    }

    /// Waits until the pullmint of this name has logged something.
    pub(crate) async fn until_said_by(&self, name: &str, words: &[&str]) -> String {
        let said = async || {
            let log = self.log_of(name);
            log.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        };
        self.until(&format!("{name} to log a line with {words:?}"), PATIENCE, said).await
    }

    /// What `pullmint run` has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log_of("pullmint")
    }

    /// What the pullmint of this name has logged so far.
    pub(crate) fn log_of(&self, name: &str) -> String {
        std::fs::read_to_string(self.around.dir().join(format!("{name}.log"))).unwrap_or_default()
    }

    /// The ends of all logs, for a test that fails.
    fn last_words(&self) -> String {
        let files = std::fs::read_dir(self.around.dir()).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut logs: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "log")).collect();
        logs.sort();
        let end = |path: &PathBuf| {
            let log = std::fs::read_to_string(path).unwrap_or_default();
            let skipped = log.lines().count().saturating_sub(60);
            let lines: Vec<_> = log.lines().skip(skipped).collect();
            format!("{}:\n{}\n", path.display(), lines.join("\n"))
        };
        logs.iter().map(end).collect()
    }

    /// Where the pullmint of this name serves its status.
    pub(crate) async fn address(&self, name: &str) -> String {
        let line = self.until_said_by(name, &["serving metrics, health and status"]).await;
        line.split_whitespace().find_map(|word| word.strip_prefix("address=")).expect("an address").to_owned()
    }

    /// Asks the pullmint of this name for its status, its page or its metrics.
    pub(crate) async fn ask(&self, name: &str, path: &str) -> String {
        let address = self.address(name).await;
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = client.get(format!("http://{address}{path}")).send().await.expect("an answer");
        answer.text().await.expect("a text")
    }

    /// Asks until there is an answer; without one in time, the test fails with pullmint's log.
    pub(crate) async fn until<T>(&self, what: &str, within: Duration, ask: impl AsyncFnMut() -> Option<T>) -> T {
        match world::look_for(within, Duration::from_millis(50), ask).await {
            Some(answer) => answer,
            None => panic!("not within {} s: {what}; pullmint said:\n{}", within.as_secs(), self.last_words()),
        }
    }

    /// Tries a dockerconfigjson at a registry as a client does that pulls. `None` where there is no such client.
    pub(crate) async fn open(&self, image: &str, dockerconfigjson: &str) -> Option<Result<(), String>> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), dockerconfigjson).expect("a written file");
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["inspect", "--no-tags", "--authfile"]).arg(file.path()).arg(format!("docker://{image}"));
        let Ok(output) = skopeo.envs(self.around.internet.env()).output().await else {
            world::skip("opening a registry needs skopeo, which is not installed");
            return None;
        };
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        Some(if output.status.success() { Ok(()) } else { Err(error) })
    }
}

fn named(name: &str) -> ListParams {
    ListParams::default().fields(&format!("metadata.name={name}"))
}

/// Sends a signal to a running pullmint.
pub(crate) fn signal(process: &Process, signal: Signal) {
    let pid = process.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("an id");
    kill_process(pid, signal).expect("a signal");
}

/// Waits for a pullmint's end, and tells its exit code.
pub(crate) async fn end_of(process: &mut Process, within: Duration) -> Option<i32> {
    let ended = async {
        loop {
            if let Some(status) = process.status() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(within, ended).await.expect("an end in time")
}

/// A command without configuration, cluster or clouds.
pub(crate) fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    command
}

pub(crate) async fn ended(mut command: Command) -> Ended {
    let output = tokio::time::timeout(PATIENCE * 2, command.output()).await.expect("an end").expect("a start");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// When a line was logged.
pub(crate) fn time_of(line: &str) -> Timestamp {
    line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a line begins with its time")
}
