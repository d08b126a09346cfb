//! A real node: the kubelet with the distribution's containerd and runc. Needs root.
//!
//! Node and pods use the machine's own network unless there is one for them. containerd pulls images under their real
//! names, `acme.azurecr.io/…` and the like, through a CONNECT proxy with certificates of a test CA, or by way of mirrors.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::api::core::v1::{Node as NodeObject, Pod};
use kube::Api;
use serde_json::{Value, json};

use crate::{
    ControlPlane, Image, PodNetwork, Result, WorldDir, WorldError,
    binaries::Program,
    control_plane,
    error::Context,
    network::firewall,
    ports::Port,
    process::{Launch, Process, find_program},
};

mod config;

pub use config::SANDBOX_IMAGE;

const CLEANUP: &str = include_str!("node/cleanup.sh");

/// How a node is to be.
#[derive(Clone, Debug, Default)]
pub struct NodeOptions {
    /// The CONNECT proxy through which containerd reaches every registry but those on loopback.
    pub https_proxy: Option<String>,
    /// The only CAs that containerd trusts, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Registry hosts whose images come from elsewhere: `("docker.io", "http://127.0.0.1:5000")`.
    pub mirrors: Vec<(String, String)>,
    /// A network of their own for node and pods, where NetworkPolicies hold. The API server must advertise the machine's
    /// address in it, and whatever else they need listen there.
    pub network: Option<PodNetwork>,
}

/// A running node; dropping it ends its pods, too.
#[derive(Debug)]
pub struct Node {
    // Dropped from top to bottom: the kubelet must not restart what containerd's end takes away.
    kubelet: Process,
    _firewall: Option<Process>,
    _containerd: Process,
    network: Option<PodNetwork>,
    name: String,
    socket: PathBuf,
}

impl Node {
    /// Whether this machine can run a node, or else why not.
    pub fn available() -> Result<(), String> {
        if !rustix::process::geteuid().is_root() {
            return Err("a node needs root".into());
        }
        let needed = ["containerd", "containerd-shim-runc-v2", "ctr", "runc", "umount"];
        match needed.into_iter().find(|name| find_program(name).is_none()) {
            Some(name) => Err(format!("a node needs {name}, which is not installed")),
            None => Ok(()),
        }
    }

    /// Starts one and waits until it is registered.
    pub async fn start(options: NodeOptions, plane: &ControlPlane, dir: &WorldDir) -> Result<Self> {
        Self::available().map_err(WorldError::new)?;
        let port = Port::free()?;
        let name = format!("node-{port}");
        let home = dir.subdir(&name)?;
        let socket = home.join("containerd.sock");
        if let Some(network) = &options.network {
            network.write_config(&home.join("cni"), &home)?;
            network.lead_to_api_server(plane.port()?).await?;
        }
        let containerd = containerd(&options, dir, &name, &socket).await?;
        import_sandbox_image(dir, &home, &socket).await?;
        let network = options.network.as_ref();
        let kubeconfig = match network {
            Some(network) => plane.kubeconfig_via(&format!("https://{}:{}", network.machine(), plane.port()?))?,
            None => plane.kubeconfig(),
        };
        let mut kubelet = kubelet(&kubeconfig, dir, &name, &socket, network, port.number()).await?;
        let nodes: Api<NodeObject> = Api::all(plane.client().await?);
        let registered = async || nodes.get(&name).await.map(drop).context(|| "looking for the node");
        kubelet.until_ready(Duration::from_secs(180), registered).await?;
        let firewall = match network {
            Some(network) => Some(firewall::start(network, &kubeconfig, &name, dir).await?),
            None => None,
        };
        Ok(Self { kubelet, _firewall: firewall, _containerd: containerd, network: options.network, name, socket })
    }

    /// Its name in the cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kubelet, to be killed, paused and restarted.
    pub fn kubelet(&mut self) -> &mut Process {
        &mut self.kubelet
    }

    /// The pods' network, if they have one of their own.
    pub fn network(&self) -> Option<&PodNetwork> {
        self.network.as_ref()
    }

    /// Puts the images of an archive into the node, as if they had been pulled.
    pub async fn import(&self, archive: &Path) -> Result<()> {
        import(&self.socket, archive).await
    }

    /// The network namespace of a running pod of the node, for [`crate::network::within`].
    pub fn network_of(&self, namespace: &str, pod: &str) -> Result<PathBuf> {
        let tasks = self.socket.with_file_name("state/io.containerd.runtime.v2.task/k8s.io");
        let what = || format!("looking for the network of pod {namespace}/{pod} below {}", tasks.display());
        for task in std::fs::read_dir(&tasks).context(what)?.flatten() {
            let config = std::fs::read(task.path().join("config.json")).unwrap_or_default();
            let config: Value = serde_json::from_slice(&config).unwrap_or_default();
            let annotation = |name: &str| &config["annotations"][format!("io.kubernetes.cri.{name}")];
            let is_it = annotation("sandbox-namespace") == namespace && annotation("sandbox-name") == pod;
            let namespaces = config["linux"]["namespaces"].as_array().filter(|_| is_it).into_iter().flatten();
            let path = namespaces.filter(|one| one["type"] == "network").find_map(|one| one["path"].as_str());
            if let Some(path) = path {
                return Ok(path.into());
            }
        }
        Err(WorldError::new(format!("{}: there is none", what())))
    }

    /// A pod for this node; see [`pod`].
    pub fn pod(&self, namespace: &str, name: &str, image: &str, pull_secrets: &[&str]) -> Pod {
        pod(&self.name, namespace, name, image, pull_secrets)
    }
}

/// A pod with one container for the node of that name, to be created by the caller.
pub fn pod(node: &str, namespace: &str, name: &str, image: &str, pull_secrets: &[&str]) -> Pod {
    let secrets: Vec<_> = pull_secrets.iter().map(|name| json!({"name": name})).collect();
    let pod = json!({
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "nodeName": node,
            "hostNetwork": true,
            // Without a network plugin the node is never ready, which costs pods nothing but this.
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 1,
            "imagePullSecrets": secrets,
            "containers": [{"name": "app", "image": image}],
        },
    });
    serde_json::from_value(pod).expect("the pod above is well formed")
}

/// What a kubelet leaves in that pod's status, whose container does not run yet: a patch of it.
pub fn pending(image: &str, state: &Value) -> Value {
    json!({"status": {"phase": "Pending", "containerStatuses": [
        {"name": "app", "image": image, "imageID": "", "ready": false, "restartCount": 0, "state": state},
    ]}})
}

async fn containerd(options: &NodeOptions, dir: &WorldDir, name: &str, socket: &Path) -> Result<Process> {
    let home = dir.subdir(name)?;
    for (host, url) in &options.mirrors {
        dir.subdir(&format!("{name}/hosts/{host}"))?;
        dir.write(&format!("{name}/hosts/{host}/hosts.toml"), config::hosts(url))?;
    }
    let config = dir.write(&format!("{name}/containerd.toml"), config::containerd(&home, socket))?;
    let mut launch = launch(options.network.as_ref(), format!("containerd-{name}"), &found("containerd")?, dir)
        .arg("--config")
        .arg(config)
        // An empty value also hides the machine's own proxy.
        .env("HTTPS_PROXY", options.https_proxy.as_deref().unwrap_or_default())
        .env("https_proxy", "")
        .env("HTTP_PROXY", "")
        .env("http_proxy", "")
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("no_proxy", "127.0.0.1,localhost")
        .env("DIR", &home)
        .env("SOCKET", socket)
        .env("NODE", name)
        .after(CLEANUP);
    if let Some(ca) = &options.ca_file {
        // A directory that does not exist keeps the machine's own CAs out; an empty value would not.
        launch = launch.env("SSL_CERT_FILE", ca).env("SSL_CERT_DIR", home.join("no-certificates"));
    }
    let mut process = launch.start()?;
    let ctr = found("ctr")?;
    let probe = async || run(&ctr, ["--address".as_ref(), socket.as_os_str(), "version".as_ref()]).await;
    process.until_ready(Duration::from_secs(90), probe).await?;
    Ok(process)
}

/// Every pod has a sandbox, whose image must be there before anything can be pulled.
async fn import_sandbox_image(dir: &WorldDir, home: &Path, socket: &Path) -> Result<()> {
    let archive = dir.path().join("pause.tar");
    Image::new("pause").await?.write_archive(&archive, config::SANDBOX_IMAGE)?;
    import(socket, &archive).await.context(|| format!("importing the sandbox image into {}", home.display()))
}

async fn import(socket: &Path, archive: &Path) -> Result<()> {
    let args = "--namespace k8s.io images import --snapshotter native".split(' ').map(AsRef::as_ref);
    let args = ["--address".as_ref(), socket.as_os_str()].into_iter().chain(args).chain([archive.as_os_str()]);
    run(&found("ctr")?, args).await
}

/// It listens at the node's address, where the API server finds it, or else on loopback, which no node may be found at.
async fn kubelet(
    kubeconfig: &Path,
    dir: &WorldDir,
    name: &str,
    socket: &Path,
    network: Option<&PodNetwork>,
    port: u16,
) -> Result<Process> {
    let home = dir.subdir(name)?;
    let node_ip = network.map(PodNetwork::node);
    let address = node_ip.unwrap_or(Ipv4Addr::LOCALHOST).into();
    let config = config::kubelet(&home, socket, address, port, &dir.path().join(control_plane::CA));
    let mut launch = launch(network, format!("kubelet-{name}"), &Program::Kubelet.path().await?, dir)
        .flag("config", dir.write(&format!("{name}/kubelet.json"), config.to_string())?)
        .flag("kubeconfig", kubeconfig)
        .flag("hostname-override", name)
        .flag("root-dir", home.join("kubelet"))
        .flag("cert-dir", home.join("pki"));
    if let Some(node_ip) = node_ip {
        launch = launch.flag("node-ip", node_ip.to_string());
    }
    launch.start()
}

/// A program of the node, in the pods' network if there is one.
fn launch(network: Option<&PodNetwork>, name: String, program: &Path, dir: &WorldDir) -> Launch {
    match network {
        Some(network) => network.launch(name, program, dir.path()),
        None => Launch::new(name, program, dir.path()),
    }
}

fn found(name: &str) -> Result<PathBuf> {
    find_program(name).ok_or_else(|| WorldError::new(format!("{name} is not installed")))
}

async fn run<'a>(program: &Path, args: impl IntoIterator<Item = &'a std::ffi::OsStr>) -> Result<()> {
    let what = || format!("running {}", program.display());
    let output = tokio::process::Command::new(program).args(args).output().await.context(what)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(WorldError::new(format!("{}: {}", what(), String::from_utf8_lossy(&output.stderr).trim()))),
    }
}
