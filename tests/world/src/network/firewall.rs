//! What holds pods to NetworkPolicies: the firewall of kube-router, a network plugin, within the node's network.

use std::{path::Path, process::Command, time::Duration};

use crate::{
    PodNetwork, Result, WorldDir,
    binaries::Program,
    control_plane::SERVICE_CIDR,
    process::{Process, find_program},
};

/// Where the kernel says whether packets between pods on one bridge meet the packet filter.
const BRIDGED: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";

/// Whether this machine's kernel has what it needs, or else why not.
pub(super) fn available() -> Result<(), String> {
    if !Path::new(BRIDGED).exists() {
        return Err("NetworkPolicies need the kernel's br_netfilter".into());
    }
    let sets = find_program("ipset").map(|ipset| Command::new(ipset).args(["list", "-name"]).output());
    match sets {
        Some(Ok(output)) if output.status.success() => Ok(()),
        _ => Err("NetworkPolicies need the kernel's ip_set".into()),
    }
}

/// Starts it for the pods of that node, once the node is registered, and waits until it stands.
pub(crate) async fn start(network: &PodNetwork, kubeconfig: &Path, node: &str, dir: &WorldDir) -> Result<Process> {
    let path = std::env::var("PATH").unwrap_or_default();
    let launch = network.launch(format!("kube-router-{node}"), &Program::KubeRouter.path().await?, dir.path());
    let mut process = launch
        .flag("kubeconfig", kubeconfig)
        .flag("hostname-override", node)
        .flag("service-cluster-ip-range", SERVICE_CIDR)
        // It looks for iptables and ipset there.
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .start()?;
    let stands = async || network.iptables("--list-rules KUBE-ROUTER-FORWARD").await.map(drop);
    process.until_ready(Duration::from_secs(90), stands).await?;
    Ok(process)
}
