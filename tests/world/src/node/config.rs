//! The configuration files of containerd and the kubelet: what makes them run in a small virtual machine.

use std::net::IpAddr;
use std::path::Path;

use serde_json::{Value, json};

/// The sandbox image's name, under which every node has it. It does nothing until it is told to end.
pub const SANDBOX_IMAGE: &str = "world.local/pause:1";

/// containerd's own configuration, in TOML. All that it keeps lies below `dir`.
pub(super) fn containerd(dir: &Path, socket: &Path) -> String {
    let at = |name: &str| dir.join(name).display().to_string();
    let socket = socket.display();
    format!(
        r#"version = 2
root = "{root}"
state = "{state}"
# Their kernel modules and mounts are of no use here.
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]

[grpc]
address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
path = "{opt}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{SANDBOX_IMAGE}"
# Lowering a process's OOM score needs a capability that a small machine's root may lack.
restrict_oom_score_adj = true
stream_server_port = "0"
# Where the cleaning up finds them.
netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{cni}"

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{hosts}"

[plugins."io.containerd.grpc.v1.cri".containerd]
# It needs nothing from the kernel, unlike overlayfs.
snapshotter = "native"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "{runc}"
"#,
        root = at("root"),
        state = at("state"),
        opt = at("opt"),
        cni = at("cni"),
        hosts = at("hosts"),
        runc = at("runc"),
    )
}

/// A `hosts.toml` that sends pulls of one registry host to `url`.
pub(super) fn hosts(url: &str) -> String {
    // Without a `server` line containerd would fall back to the real host.
    format!("server = \"{url}\"\n\n[host.\"{url}\"]\ncapabilities = [\"pull\", \"resolve\"]\n")
}

/// The kubelet's configuration. The API server comes to it under `address`, with a certificate of `ca`.
pub(super) fn kubelet(dir: &Path, socket: &Path, address: IpAddr, port: u16, ca: &Path) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "port": port,
        "readOnlyPort": 0,
        "healthzPort": 0,
        "containerRuntimeEndpoint": format!("unix://{}", socket.display()),
        "podLogsDir": dir.join("pods"),
        "staticPodPath": "",
        "volumePluginDir": dir.join("volume-plugins"),
        // Control groups are left alone: the machine may have the old ones, or none that may be changed.
        "failCgroupV1": false,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": false,
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "makeIPTablesUtilChains": false,
        // Changed ConfigMaps reach their pods within seconds.
        "syncFrequency": "1s",
        "localStorageCapacityIsolation": false,
        "evictionHard": {},
        "serializeImagePulls": false,
        // Not the 5 a second of the default: tests that make forty pods at once would read of it instead of their cause.
        "registryPullQPS": 0,
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": ca},
        },
        "authorization": {"mode": "Webhook"},
    })
}
