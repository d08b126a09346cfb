//! A real control plane: etcd, kube-apiserver and kube-controller-manager as processes on loopback.
//!
//! The API server authorizes with RBAC. The administrator is a static token; every other identity is a ServiceAccount with
//! a token from TokenRequest. Data, keys and ports stay the same when the API server is killed and restarted.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Namespace, ServiceAccount},
};
use kube::{
    Api, Client, Config,
    api::{ObjectMeta, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

use crate::{
    Context, Result, WorldError,
    binaries::Program,
    dir::WorldDir,
    network::API_SERVICE,
    ports::Port,
    process::{Launch, Process},
};

mod certificate;

use certificate::Certificates;

/// The CA's certificate in the world's directory.
pub(crate) const CA: &str = "ca.crt";

/// The Services' addresses.
pub(crate) const SERVICE_CIDR: &str = "10.0.0.0/24";
const READY_WITHIN: Duration = Duration::from_secs(180);

/// How a control plane is to be.
#[derive(Clone, Debug)]
pub struct ControlPlaneOptions {
    /// Whether to run kube-controller-manager: default ServiceAccounts, deletion of namespaces, Deployments.
    pub controller_manager: bool,
    /// An address of this machine under which pods reach the API server; it then listens on all addresses.
    pub advertise: Option<IpAddr>,
    /// Further arguments of the API server, such as `--max-mutating-requests-inflight=1`.
    pub api_server_args: Vec<String>,
}

impl Default for ControlPlaneOptions {
    fn default() -> Self {
        Self { controller_manager: true, advertise: None, api_server_args: Vec::new() }
    }
}

/// A running control plane; dropping it ends it.
#[derive(Debug)]
pub struct ControlPlane {
    // Dropped from top to bottom: clients before servers.
    controller_manager: Option<Process>,
    servers: Option<Servers>,
    dir: WorldDir,
    url: String,
    ca: String,
    kubeconfig: PathBuf,
}

/// What a cluster of somebody else's has none of for us.
#[derive(Debug)]
struct Servers {
    api_server: Process,
    etcd: Process,
    etcd_port: Port,
    _etcd_peer_port: Port,
    port: Port,
}

impl ControlPlane {
    /// Starts one and waits until it is ready.
    pub async fn start(options: ControlPlaneOptions, dir: &WorldDir) -> Result<Self> {
        let port = Port::free()?;
        let mut names = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc"].map(String::from).to_vec();
        names.push(API_SERVICE.to_string());
        names.extend(options.advertise.map(|address| address.to_string()));
        let tls = Certificates::issue(names).context(|| "making the API server's certificates")?;
        let (etcd_port, etcd_peer_port) = (Port::free()?, Port::free()?);
        let etcd = etcd(dir, &etcd_port, &etcd_peer_port).await?;
        let token = format!("{:032x}", rand::random::<u128>());
        let api_server = api_server(dir, &port, &etcd_port, &tls, &token, &options).await?;
        let kubeconfig = write_kubeconfig(dir, "admin", &url(&port), &tls.ca, &token, "default")?;
        let url = url(&port);
        let servers = Some(Servers { api_server, etcd, etcd_port, _etcd_peer_port: etcd_peer_port, port });
        let mut plane = Self { controller_manager: None, servers, dir: dir.clone(), url, ca: tls.ca, kubeconfig };
        plane.api_server_ready().await?;
        if options.controller_manager {
            plane.controller_manager = Some(controller_manager(dir, &plane.kubeconfig).await?);
            plane.controllers_ready().await?;
        }
        Ok(plane)
    }

    /// A cluster that runs already, and goes on running. It has no processes to be paused or killed: those methods
    /// panic. Whoever takes [`ControlPlane::kubeconfig`] is at home in `namespace`.
    pub async fn running(kubeconfig: &Path, namespace: &str, dir: &WorldDir) -> Result<Self> {
        let what = || format!("reading {}", kubeconfig.display());
        let theirs = at_home(kubeconfig, namespace)?;
        let copy = dir.write("theirs.kubeconfig", serde_json::to_string(&theirs).context(what)?)?;
        let config = Config::from_custom_kubeconfig(theirs, &KubeConfigOptions::default()).await.context(what)?;
        let url = config.cluster_url.to_string();
        let plane = Self {
            controller_manager: None,
            servers: None,
            dir: dir.clone(),
            url,
            ca: String::new(),
            kubeconfig: copy,
        };
        let version = plane.client().await?.apiserver_version().await;
        version.context(|| format!("asking the cluster at {} for its version", plane.url))?;
        Ok(plane)
    }

    /// Where the API server listens.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The port where the API server of ours listens.
    pub fn port(&self) -> Result<u16> {
        let servers = self.servers.as_ref().ok_or_else(|| WorldError::new("this control plane is not ours"))?;
        Ok(servers.port.number())
    }

    /// The kubeconfig of the administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig.clone()
    }

    /// A client with the administrator's rights. Make one per test: a client belongs to the runtime it was made in.
    pub async fn client(&self) -> Result<Client> {
        client(&self.kubeconfig).await
    }

    /// A kubeconfig which holds only the identity of one ServiceAccount, for tests of RBAC.
    pub async fn kubeconfig_for_service_account(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let what = || format!("asking for a token of ServiceAccount {namespace}/{name}");
        let request = TokenRequest {
            spec: TokenRequestSpec { expiration_seconds: Some(24 * 3600), ..TokenRequestSpec::default() },
            ..TokenRequest::default()
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let made = accounts.create_token_request(name, &PostParams::default(), &request).await.context(what)?;
        let token = made.status.map(|status| status.token).unwrap_or_default();
        write_kubeconfig(&self.dir, &format!("{namespace}-{name}"), &self.url(), &self.ca, &token, namespace)
    }

    /// The administrator's kubeconfig for work in one namespace, which is made unless it exists.
    pub async fn kubeconfig_in(&self, namespace: &str) -> Result<PathBuf> {
        let what = || format!("making the namespace {namespace}");
        let object = Namespace {
            metadata: ObjectMeta { name: Some(namespace.to_owned()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        let namespaces: Api<Namespace> = Api::all(self.client().await?);
        if namespaces.get_opt(namespace).await.context(what)?.is_none() {
            namespaces.create(&PostParams::default(), &object).await.context(what)?;
        }
        let kubeconfig = serde_json::to_string(&at_home(&self.kubeconfig, namespace)?).context(what)?;
        self.dir.write(&format!("admin-in-{namespace}.kubeconfig"), kubeconfig)
    }

    /// The administrator's kubeconfig with another server address, such as that of a proxy in front of the API server.
    pub fn kubeconfig_via(&self, server: &str) -> Result<PathBuf> {
        let text = std::fs::read_to_string(&self.kubeconfig).context(|| "reading the administrator's kubeconfig")?;
        let name = server.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        self.dir.write(&format!("admin-via-{name}.kubeconfig"), text.replace(&self.url(), server))
    }

    /// The CA that signed the API server's certificate, in PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// The API server, to be killed, paused and resumed.
    pub fn api_server(&mut self) -> &mut Process {
        &mut self.servers().api_server
    }

    /// Starts the API server again, with the same port and data, and waits until it is ready.
    pub async fn restart_api_server(&mut self) -> Result<()> {
        self.api_server().restart()?;
        self.api_server_ready().await
    }

    /// Puts an object into the storage past the API server's checks, as if it were older than they are.
    pub async fn store(&self, key: &str, object: &Value) -> Result<()> {
        let servers = self.servers.as_ref().ok_or_else(|| WorldError::new("this control plane is not ours"))?;
        let put = json!({
            "key": STANDARD.encode(format!("/registry/{key}")),
            "value": STANDARD.encode(object.to_string()),
        });
        let what = || format!("storing {key}");
        let http = crate::plain_http()?;
        let request = http.post(format!("http://127.0.0.1:{}/v3/kv/put", servers.etcd_port));
        request.body(put.to_string()).send().await.and_then(reqwest::Response::error_for_status).context(what)?;
        Ok(())
    }

    /// The storage behind the API server, to be paused and resumed.
    pub fn etcd(&mut self) -> &mut Process {
        &mut self.servers().etcd
    }

    fn servers(&mut self) -> &mut Servers {
        self.servers.as_mut().expect("a control plane of our own")
    }

    /// The controller manager, if there is one.
    pub fn controller_manager(&mut self) -> Option<&mut Process> {
        self.controller_manager.as_mut()
    }

    async fn api_server_ready(&mut self) -> Result<()> {
        let client = self.client().await?;
        let probe = async || {
            let request = http::Request::get("/readyz").body(Vec::new()).context(|| "making a request")?;
            client.request_text(request).await.map(drop).context(|| "asking for /readyz")
        };
        self.api_server().until_ready(READY_WITHIN, probe).await
    }

    async fn controllers_ready(&mut self) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, "default");
        let probe = async || accounts.get("default").await.map(drop).context(|| "looking for the first ServiceAccount");
        match &mut self.controller_manager {
            Some(process) => process.until_ready(READY_WITHIN, probe).await,
            None => Ok(()),
        }
    }
}

/// A kubeconfig whose present context is at home in that namespace. It is written as JSON, which is YAML too; reading
/// has made the paths in it absolute.
fn at_home(kubeconfig: &Path, namespace: &str) -> Result<Kubeconfig> {
    let mut kubeconfig = Kubeconfig::read_from(kubeconfig).context(|| format!("reading {}", kubeconfig.display()))?;
    let current = kubeconfig.current_context.clone();
    let contexts = kubeconfig.contexts.iter_mut().filter(|context| Some(&context.name) == current.as_ref());
    contexts.filter_map(|context| context.context.as_mut()).for_each(|context| {
        context.namespace = Some(namespace.to_owned());
    });
    Ok(kubeconfig)
}

/// A client for the identity in a kubeconfig.
pub async fn client(kubeconfig: &std::path::Path) -> Result<Client> {
    crate::install_crypto();
    let what = || format!("reading {}", kubeconfig.display());
    let parsed = Kubeconfig::read_from(kubeconfig).context(what)?;
    let config = Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await.context(what)?;
    Client::try_from(config).context(|| "making a Kubernetes client")
}

fn url(port: &Port) -> String {
    format!("https://127.0.0.1:{port}")
}

fn write_kubeconfig(
    dir: &WorldDir,
    name: &str,
    server: &str,
    ca: &str,
    token: &str,
    namespace: &str,
) -> Result<PathBuf> {
    // JSON is YAML too.
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "world", "cluster": {"server": server, "certificate-authority-data": STANDARD.encode(ca)}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": "world", "context": {"cluster": "world", "user": name, "namespace": namespace}}],
        "current-context": "world",
    });
    dir.write(&format!("{name}.kubeconfig"), config.to_string())
}

async fn etcd(dir: &WorldDir, port: &Port, peer_port: &Port) -> Result<Process> {
    let (client, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer_port}"));
    Launch::new("etcd", Program::Etcd.path().await?, dir.path())
        .arg("--unsafe-no-fsync")
        .flag("data-dir", dir.subdir("etcd")?)
        .flag("listen-client-urls", &client)
        .flag("advertise-client-urls", &client)
        .flag("listen-peer-urls", &peer)
        .flag("initial-advertise-peer-urls", &peer)
        .flag("initial-cluster", format!("default={peer}"))
        .flag("log-level", "warn")
        .start()
}

async fn api_server(
    dir: &WorldDir,
    port: &Port,
    etcd_port: &Port,
    tls: &Certificates,
    token: &str,
    options: &ControlPlaneOptions,
) -> Result<Process> {
    let key = rcgen::KeyPair::generate().context(|| "making the ServiceAccounts' key")?;
    let private = dir.write("service-accounts.key", key.serialize_pem())?;
    let public = dir.write("service-accounts.pub", key.public_key_pem())?;
    dir.write(CA, &tls.ca)?;
    // Loopback is refused here. An address of nobody's makes the start independent of the machine's network.
    let advertised = options.advertise.unwrap_or(IpAddr::from([192, 0, 2, 1]));
    Launch::new("kube-apiserver", Program::ApiServer.path().await?, dir.path())
        .flag("etcd-servers", format!("http://127.0.0.1:{etcd_port}"))
        .flag("advertise-address", advertised.to_string())
        .flag("bind-address", if options.advertise.is_some() { "0.0.0.0" } else { "127.0.0.1" })
        .flag("secure-port", port.to_string())
        .flag("tls-cert-file", dir.write("api-server.crt", &tls.server.certificate)?)
        .flag("tls-private-key-file", dir.write("api-server.key", &tls.server.key)?)
        .flag("kubelet-client-certificate", dir.write("kubelet-client.crt", &tls.client.certificate)?)
        .flag("kubelet-client-key", dir.write("kubelet-client.key", &tls.client.key)?)
        .flag("kubelet-preferred-address-types", "InternalIP")
        .flag("authorization-mode", "RBAC")
        .flag("token-auth-file", dir.write("tokens.csv", format!("{token},admin,admin,system:masters\n"))?)
        .flag("service-account-issuer", "https://kubernetes.default.svc")
        .flag("service-account-key-file", public)
        .flag("service-account-signing-key-file", private)
        .flag("service-cluster-ip-range", SERVICE_CIDR)
        .args(&options.api_server_args)
        .start()
}

async fn controller_manager(dir: &WorldDir, kubeconfig: &std::path::Path) -> Result<Process> {
    Launch::new("kube-controller-manager", Program::ControllerManager.path().await?, dir.path())
        .flag("kubeconfig", kubeconfig)
        .flag("root-ca-file", dir.path().join(CA))
        .flag("leader-elect", "false")
        // It serves nothing, so it needs no port.
        .flag("secure-port", "0")
        // Tests make thousands of namespaces, each of which gets a ServiceAccount and a ConfigMap.
        .flag("kube-api-qps", "500")
        .flag("kube-api-burst", "1000")
        .flag("concurrent-namespace-syncs", "20")
        .start()
}
