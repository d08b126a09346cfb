//! A network for pods: a network namespace, which is the node's, with a bridge for its pods. Needs root.
//!
//! A pair of virtual interfaces joins it to this machine. Pods reach the machine by its end of the pair, and the API
//! server as pods do, by the `kubernetes` Service's address: in place of kube-proxy one rule of the namespace's packet
//! filter leads there. That, the bridge and what NetworkPolicies become all go with the namespace. The machine's own
//! packet filter stays as it is.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;

use crate::{
    Context, Result, WorldDir, WorldError,
    process::{Launch, Process, find_program},
};

pub(crate) mod firewall;
mod within;

pub use within::within;

const CLEANUP: &str = include_str!("network/cleanup.sh");

/// Where Debian keeps the network plugins.
const PLUGINS: &str = "/usr/lib/cni";

/// Where `ip` keeps network namespaces.
const NAMESPACES: &str = "/run/netns";

/// The pods' bridge, and the namespace's end of the pair.
const BRIDGE: &str = "pods";
const UPLINK: &str = "machine";

/// Where EKS Pod Identity's agent listens on each node. It is an address of the node here, too, where nobody listens.
pub const POD_IDENTITY: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 23);

/// The `kubernetes` Service's address: the first one of the Services' range.
pub const API_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// A network; when the last clone of this is dropped, it goes.
#[derive(Clone, Debug)]
pub struct PodNetwork(Arc<Namespace>);

#[derive(Debug)]
struct Namespace {
    /// Also that of the machine's end of the pair.
    name: String,
    /// The first three bytes of its addresses. Pods have the lower half, the pair has the upper one.
    subnet: [u8; 3],
    _keeper: Process,
}

impl PodNetwork {
    /// Whether this machine can have one, or else why not.
    pub fn available() -> Result<(), String> {
        if !rustix::process::geteuid().is_root() {
            return Err("a network for pods needs root".into());
        }
        let programs = ["ip", "nsenter", "iptables", "ipset"].into_iter().filter(|name| find_program(name).is_none());
        let plugins = ["bridge", "host-local", "loopback"].into_iter();
        let plugins = plugins.filter(|name| !Path::new(PLUGINS).join(name).is_file());
        match programs.chain(plugins).next() {
            Some(name) => Err(format!("a network for pods needs {name}, which is not installed")),
            None => firewall::available(),
        }
    }

    /// Makes one with a subnet that nobody on this machine uses.
    pub async fn start(dir: &WorldDir) -> Result<Self> {
        Self::available().map_err(WorldError::new)?;
        for _ in 0..100 {
            let subnet = [10, rand::random_range(64..128), rand::random()];
            let [_, b, c] = subnet;
            let taken = run("ip", &format!("-4 route show to root 10.{b}.{c}.0/24")).await?;
            if !taken.is_empty() {
                continue;
            }
            let name = format!("world-{b}-{c}");
            // It takes the network away, also when this process has been killed.
            let keeper = Launch::new(format!("network-{name}"), "sleep", dir.path()).arg("infinity");
            let keeper = keeper.env("DIR", dir.path()).env("NETWORK", &name).after(CLEANUP).start()?;
            let network = Self(Arc::new(Namespace { name, subnet, _keeper: keeper }));
            network.build().await?;
            return Ok(network);
        }
        Err(WorldError::new("found no free subnet for pods in 100 tries"))
    }

    async fn build(&self) -> Result<()> {
        let (name, node, machine, uplink) = (&self.0.name, self.node(), self.machine(), self.address(253));
        for command in [
            format!("netns add {name}"),
            format!("link add {name} type veth peer name {UPLINK} netns {name}"),
            format!("address add {machine}/25 dev {name}"),
            format!("link set {name} up"),
            format!("route add {}/25 via {uplink}", self.address(0)),
            format!("-netns {name} link set lo up"),
            format!("-netns {name} address add {POD_IDENTITY}/32 dev lo"),
            format!("-netns {name} address add {uplink}/25 dev {UPLINK}"),
            format!("-netns {name} link set {UPLINK} up"),
            format!("-netns {name} link add {BRIDGE} type bridge"),
            format!("-netns {name} address add {node}/25 dev {BRIDGE}"),
            format!("-netns {name} link set {BRIDGE} up"),
        ] {
            run("ip", &command).await?;
        }
        within(&self.path(), || std::fs::write("/proc/sys/net/ipv4/ip_forward", "1"))?
            .context(|| format!("letting packets through {name}"))
    }

    /// The namespace, as a file.
    pub fn path(&self) -> PathBuf {
        Path::new(NAMESPACES).join(&self.0.name)
    }

    /// This machine's address in the pods' network.
    pub fn machine(&self) -> Ipv4Addr {
        self.address(254)
    }

    /// The node's own address.
    pub fn node(&self) -> Ipv4Addr {
        self.address(1)
    }

    fn address(&self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.0.subnet;
        Ipv4Addr::new(a, b, c, last)
    }

    /// A program that will run within the namespace.
    pub(crate) fn launch(&self, name: impl Into<String>, program: &Path, dir: &Path) -> Launch {
        Launch::new(name, "nsenter", dir).flag("net", self.path()).arg(program)
    }

    /// Leads pods that ask for the API server to the port where it listens on this machine.
    pub(crate) async fn lead_to_api_server(&self, port: u16) -> Result<()> {
        let asked = format!("--table nat --append PREROUTING --destination {API_SERVICE} --protocol tcp --dport 443");
        self.iptables(&format!("{asked} --jump DNAT --to-destination {}:{port}", self.machine())).await.map(drop)
    }

    async fn iptables(&self, args: &str) -> Result<String> {
        let iptables = find_program("iptables").ok_or_else(|| WorldError::new("iptables is not installed"))?;
        run("nsenter", &format!("--net={} {} {args}", self.path().display(), iptables.display())).await
    }

    /// Tells containerd's network plugins, which note in `dir` what addresses they have given.
    pub(crate) fn write_config(&self, conf_dir: &Path, dir: &Path) -> Result<PathBuf> {
        let config = json!({
            "cniVersion": "0.4.0",
            "name": self.0.name,
            "plugins": [{
                "type": "bridge",
                "bridge": BRIDGE,
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "dataDir": dir.join("addresses"),
                    "ranges": [[{"subnet": format!("{}/25", self.address(0))}]],
                    "routes": [{"dst": "0.0.0.0/0", "gw": self.node()}],
                },
            }],
        });
        let path = conf_dir.join("world.conflist");
        std::fs::create_dir_all(conf_dir).context(|| format!("creating {}", conf_dir.display()))?;
        std::fs::write(&path, config.to_string()).context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

/// Runs a program with arguments that have no spaces, and returns what it prints.
async fn run(program: &str, args: &str) -> Result<String> {
    let what = || format!("running {program} {args}");
    let path = find_program(program).ok_or_else(|| WorldError::new(format!("{program} is not installed")))?;
    let output = tokio::process::Command::new(path).args(args.split(' ')).output().await.context(what)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(WorldError::new(format!("{}: {}", what(), String::from_utf8_lossy(&output.stderr).trim()))),
    }
}
