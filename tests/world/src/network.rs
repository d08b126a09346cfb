//! A network for pods: a bridge of this machine with a subnet of its own. Needs root.
//!
//! Pods reach this machine by the bridge's address, and the API server as pods do, by the `kubernetes` Service's. In place
//! of kube-proxy one rule of the machine's packet filter, for this bridge alone, leads there.

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

const CLEANUP: &str = include_str!("network/cleanup.sh");

/// Where Debian keeps the network plugins.
const PLUGINS: &str = "/usr/lib/cni";

/// The `kubernetes` Service's address: the first one of the Services' range.
pub(crate) const API_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// A bridge; when the last clone of this is dropped, it goes.
#[derive(Clone, Debug)]
pub struct PodNetwork(Arc<Bridge>);

#[derive(Debug)]
struct Bridge {
    name: String,
    /// The first three bytes of its addresses.
    subnet: [u8; 3],
    _keeper: Process,
}

impl PodNetwork {
    /// Whether this machine can have one, or else why not.
    pub fn available() -> Result<(), String> {
        if !rustix::process::geteuid().is_root() {
            return Err("a network for pods needs root".into());
        }
        let programs = ["ip", "iptables"].into_iter().filter(|name| find_program(name).is_none());
        let plugins = ["bridge", "host-local", "loopback"].into_iter();
        let plugins = plugins.filter(|name| !Path::new(PLUGINS).join(name).is_file());
        match programs.chain(plugins).next() {
            Some(name) => Err(format!("a network for pods needs {name}, which is not installed")),
            None => Ok(()),
        }
    }

    /// Makes one with a subnet that nobody on this machine uses.
    pub async fn start(dir: &WorldDir) -> Result<Self> {
        Self::available().map_err(WorldError::new)?;
        for _ in 0..100 {
            let subnet = [10, rand::random_range(64..128), rand::random()];
            let [_, b, c] = subnet;
            let taken = ip(&["-4", "route", "show", "to", "root", &format!("10.{b}.{c}.0/24")]).await?;
            if !taken.is_empty() {
                continue;
            }
            let name = format!("world-{b}-{c}");
            // It takes the bridge away, also when this process has been killed.
            let keeper = Launch::new(format!("network-{name}"), "sleep", dir.path()).arg("infinity");
            let keeper = keeper.env("DIR", dir.path()).env("BRIDGE", &name).after(CLEANUP).start()?;
            ip(&["link", "add", &name, "type", "bridge"]).await?;
            ip(&["address", "add", &format!("10.{b}.{c}.1/24"), "dev", &name]).await?;
            ip(&["link", "set", &name, "up"]).await?;
            return Ok(Self(Arc::new(Bridge { name, subnet, _keeper: keeper })));
        }
        Err(WorldError::new("found no free subnet for pods in 100 tries"))
    }

    /// This machine's address in the pods' network.
    pub fn gateway(&self) -> Ipv4Addr {
        let [a, b, c] = self.0.subnet;
        Ipv4Addr::new(a, b, c, 1)
    }

    /// Leads pods that ask for the API server to the port where it listens on this machine.
    pub(crate) async fn lead_to_api_server(&self, port: u16) -> Result<()> {
        let target = format!("{}:{port}", self.gateway());
        let from =
            format!("--table nat --append PREROUTING --in-interface {} --destination {API_SERVICE}", self.0.name);
        let to = format!("--protocol tcp --dport 443 --jump DNAT --to-destination {target}");
        let args: Vec<_> = from.split(' ').chain(to.split(' ')).collect();
        run("iptables", &args).await.map(drop)
    }

    /// Tells containerd's network plugins, which note in `dir` what addresses they have given.
    pub(crate) fn write_config(&self, conf_dir: &Path, dir: &Path) -> Result<PathBuf> {
        let [a, b, c] = self.0.subnet;
        let config = json!({
            "cniVersion": "0.4.0",
            "name": self.0.name,
            "plugins": [{
                "type": "bridge",
                "bridge": self.0.name,
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "dataDir": dir.join("addresses"),
                    "ranges": [[{"subnet": format!("{a}.{b}.{c}.0/24")}]],
                    "routes": [{"dst": "0.0.0.0/0", "gw": self.gateway()}],
                },
            }],
        });
        let path = conf_dir.join("world.conflist");
        std::fs::create_dir_all(conf_dir).context(|| format!("creating {}", conf_dir.display()))?;
        std::fs::write(&path, config.to_string()).context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

async fn ip(args: &[&str]) -> Result<String> {
    run("ip", args).await
}

async fn run(program: &str, args: &[&str]) -> Result<String> {
    let what = || format!("running {program} {}", args.join(" "));
    let path = find_program(program).ok_or_else(|| WorldError::new(format!("{program} is not installed")))?;
    let output = tokio::process::Command::new(path).args(args).output().await.context(what)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(WorldError::new(format!("{}: {}", what(), String::from_utf8_lossy(&output.stderr).trim()))),
    }
}
