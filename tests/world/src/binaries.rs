//! The programs of the cluster and of its people, built from their own sources by five Go modules, once.
//!
//! They are kept in `target/world-bin/HASH/` (or under `WORLD_BIN_CACHE`), where HASH covers their module's go.mod, go.sum and
//! mains, so that a change of any of them builds that module's programs anew and nothing else does.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use crate::{
    Context, Result, WorldError,
    process::{Launch, Process, find_program},
};

/// One of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Does nothing until it is told to end: the content of every test image.
    Pause,
    /// The API server's storage.
    Etcd,
    /// Kubernetes' API.
    ApiServer,
    /// Makes default ServiceAccounts, deletes namespaces, collects garbage.
    ControllerManager,
    /// distribution's image registry.
    Registry,
    /// The node's agent, which pulls images.
    Kubelet,
    /// What holds pods to NetworkPolicies.
    KubeRouter,
    /// What people talk to the cluster with.
    Kubectl,
    /// What people install charts with.
    Helm,
    /// Prints the definitions of the Prometheus operator's kinds.
    PrometheusKinds,
    /// Tells which credentials the kubelet takes from pull Secrets for an image.
    Oracle,
}

/// The Go module that a program comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Module {
    /// `cluster/`: what a cluster consists of.
    Cluster,
    /// `network/`: what its network consists of.
    Network,
    /// `tools/`: what its people have on their machines.
    Tools,
    /// `operator/`: what the Prometheus operator brings to a cluster.
    Operator,
    /// `oracle/`: what of the kubelet's code is asked by itself.
    Oracle,
}

impl Program {
    /// All of them, in the order in which they are best built.
    pub const ALL: [Self; 11] = [
        Self::Pause,
        Self::Etcd,
        Self::ApiServer,
        Self::ControllerManager,
        Self::Registry,
        Self::Kubelet,
        Self::KubeRouter,
        Self::Kubectl,
        Self::Helm,
        Self::PrometheusKinds,
        Self::Oracle,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Registry => "registry",
            Self::Kubelet => "kubelet",
            Self::KubeRouter => "kube-router",
            Self::Kubectl => "kubectl",
            Self::Helm => "helm",
            Self::PrometheusKinds => "prometheus-kinds",
            Self::Oracle => "oracle",
        }
    }

    fn module(self) -> Module {
        match self {
            Self::KubeRouter => Module::Network,
            Self::Kubectl | Self::Helm => Module::Tools,
            Self::PrometheusKinds => Module::Operator,
            Self::Oracle => Module::Oracle,
            Self::Pause | Self::Etcd | Self::ApiServer | Self::ControllerManager | Self::Registry | Self::Kubelet => {
                Module::Cluster
            }
        }
    }

    /// The Go package: a main of ours, or the upstream one where that can be built as it is.
    fn package(self) -> String {
        match self {
            Self::Helm => "helm.sh/helm/v3/cmd/helm".to_owned(),
            _ => format!("./cmd/{}", self.name()),
        }
    }

    /// How long a first build takes on two cores, for people who wait.
    fn about(self) -> &'static str {
        match self {
            Self::ApiServer => "4 min",
            Self::Kubectl => "3 min",
            Self::Kubelet | Self::Etcd | Self::ControllerManager | Self::KubeRouter | Self::Helm => "1 min",
            Self::PrometheusKinds | Self::Oracle => "30 s",
            Self::Registry | Self::Pause => "20 s",
        }
    }

    /// The program's path, after building it if that has not been done yet.
    pub async fn path(self) -> Result<PathBuf> {
        let module = self.module().dir();
        let cache = cache_root().join(self.module().hash()?);
        let program = cache.join(self.name());
        if program.exists() {
            return Ok(program);
        }
        fs::create_dir_all(&cache).context(|| format!("creating {}", cache.display()))?;
        let lock = cache.join("lock");
        let lock = File::create(&lock).context(|| format!("creating {}", lock.display()))?;
        // Parallel test processes wait here for the one that builds.
        while lock.try_lock().is_err() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if !program.exists() {
            self.build(&module, &cache, &program).await?;
        }
        Ok(program)
    }

    async fn build(self, module: &Path, cache: &Path, program: &Path) -> Result<()> {
        let (name, started) = (self.name(), Instant::now());
        let place = Self::ALL.iter().position(|other| *other == self).map_or(0, |index| index + 1);
        let (all, about) = (Self::ALL.len(), self.about());
        say(&format!("building {name} ({place} of {all}), about {about} on two cores the first time"));
        let go = find_program("go");
        let go = go.ok_or_else(|| WorldError::new("Go 1.26 or later is needed to build the cluster's programs"))?;
        let partial = cache.join(format!("{name}.partial"));
        let version = "k8s.io/component-base/version.git";
        let go = Launch::new(format!("build-{name}"), go, cache)
            .arg("build")
            .flag("C", module)
            .args(["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags"])
            .arg(format!("-s -w -X {version}Version=v1.36.3 -X {version}Major=1 -X {version}Minor=36{HELM}"))
            .args(["-o".as_ref(), partial.as_os_str(), self.package().as_ref()])
            .env("CGO_ENABLED", "0");
        for further in (0..TRIES).rev() {
            let mut go = go.clone().start()?;
            let status = self.ended(&mut go, started).await;
            if status.success() {
                break;
            }
            let failed = format!("building {name}: go ended with {status}");
            if further == 0 {
                return Err(WorldError::new(failed).with_log(&go.log()));
            }
            say(&format!("{failed}; trying again in {} s", PAUSE.as_secs()));
            tokio::time::sleep(PAUSE).await;
        }
        fs::rename(&partial, program).context(|| format!("renaming {}", partial.display()))
    }

    /// Waits for Go, and tells so now and then.
    async fn ended(self, go: &mut Process, started: Instant) -> ExitStatus {
        let mut told = Instant::now();
        loop {
            if let Some(status) = go.status() {
                return status;
            }
            if told.elapsed() > Duration::from_secs(30) {
                told = Instant::now();
                say(&format!("still building {} ({} s)", self.name(), started.elapsed().as_secs()));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// How often a build is tried: modules are downloaded, which may fail for a moment.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_secs(10);

/// What Helm says of itself, and the Kubernetes for which it renders without a cluster. Other programs have no such names.
const HELM: &str = " -X helm.sh/helm/v3/internal/version.version=v3.21.4 \
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36";

impl Module {
    /// Where its go.mod is.
    pub(crate) fn dir(self) -> PathBuf {
        let name = match self {
            Self::Cluster => "cluster",
            Self::Network => "network",
            Self::Tools => "tools",
            Self::Operator => "operator",
            Self::Oracle => "oracle",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    fn hash(self) -> Result<String> {
        let dir = self.dir();
        let programs = Program::ALL.iter().filter(|program| program.module() == self);
        let mains = programs.map(|program| format!("cmd/{}/main.go", program.name()));
        let mut hash = Sha256::new();
        for file in ["go.mod".to_owned(), "go.sum".to_owned()].into_iter().chain(mains) {
            let path = dir.join(file);
            // Helm has no main of ours.
            if path.exists() {
                hash.update(fs::read(&path).context(|| format!("reading {}", path.display()))?);
            }
        }
        Ok(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Builds every program that is not in the cache.
pub async fn build_all() -> Result<()> {
    for program in Program::ALL {
        program.path().await?;
    }
    Ok(())
}

/// Tells people who wait. Written to stderr itself, since the test runner swallows what a test prints.
fn say(line: &str) {
    writeln!(std::io::stderr(), "world: {line}").ok();
}

fn cache_root() -> PathBuf {
    if let Some(cache) = std::env::var_os("WORLD_BIN_CACHE") {
        return cache.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")).join("world-bin")
}
