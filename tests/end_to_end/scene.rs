//! One pullmint on the stage that all tests share.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::process::Command;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;
use world::process::Process;
use world::{Node, Stage, Surroundings};

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
        scene.configure(
            "pullmint.toml",
            &format!(
                "ca_file = \"{{ca_file}}\"\nnamespaces.include = [\"{name}-*\"]\nadmin.listen = \"127.0.0.1:0\"\n"
            ),
        );
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

    /// `pullmint run`, until dropped. It is what it logs that `words` are of.
    pub(crate) fn run(&self) -> Process {
        self.run_with(&[])
    }

    pub(crate) fn run_with(&self, args: &[&str]) -> Process {
        let args = [&["run"], args].concat();
        self.around.pullmint("pullmint", Path::new(PROGRAM), &args).start().expect("pullmint starts")
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
        let said = async || {
            let log = self.log();
            log.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        };
        self.until(&format!("a log line with {words:?}"), PATIENCE, said).await
    }

    /// What `pullmint run` has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.around.dir().join("pullmint.log")).unwrap_or_default()
    }

    /// Asks until there is an answer; without one in time, the test fails with pullmint's log.
    pub(crate) async fn until<T>(&self, what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let asking = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(within, asking).await {
            Ok(answer) => answer,
            Err(_) => panic!("not within {} s: {what}; pullmint said:\n{}", within.as_secs(), self.log()),
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
