//! Nothing of a world outlives the process that started it, not even when that is killed.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::PostParams};
use world::{Node, PodNetwork};

/// The binary as a person would start it.
struct Owner {
    process: Child,
    exports: Vec<(String, String)>,
}

impl Owner {
    /// Starts `world up` and waits for the `last` of the variables that it prints.
    fn up(args: &[&str], last: &str) -> Self {
        let mut process =
            Command::new(env!("CARGO_BIN_EXE_world")).arg("up").args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut exports = Vec::new();
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let (name, value) = line.trim_start_matches("export ").split_once('=').unwrap();
            exports.push((name.to_owned(), value.to_owned()));
            if name == last {
                break;
            }
        }
        Self { process, exports }
    }

    fn value(&self, name: &str) -> &str {
        &self.exports.iter().find(|(found, _)| found == name).unwrap().1
    }

    fn dir(&self) -> PathBuf {
        Path::new(self.value("KUBECONFIG")).parent().unwrap().to_owned()
    }
}

/// Everything that still belongs to the world in `dir`: processes, mounts, and the directory itself.
fn left_of(dir: &Path) -> Vec<String> {
    let marker = dir.to_str().unwrap();
    let mut left = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        // A process that has ended but was not yet collected has no command line.
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        // A container's program does not name the directory, but its mounts do.
        let mounts = fs::read_to_string(process.path().join("mountinfo")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(marker) || mounts.contains(marker) {
            left.push(format!("{}: {}", process.path().display(), String::from_utf8_lossy(&command)));
        }
    }
    left.extend(dir.exists().then(|| marker.to_owned()));
    left
}

fn assert_nothing_left_of(dir: &Path) {
    for _ in 0..600 {
        if left_of(dir).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("still there after 60 s: {:#?}", left_of(dir));
}

#[test]
fn a_control_plane_ends_when_its_owner_is_killed() {
    let mut owner = Owner::up(&[], "KUBECONFIG");
    let dir = owner.dir();
    assert!(left_of(&dir).len() > 3, "{:?}", left_of(&dir));
    owner.process.kill().unwrap();
    owner.process.wait().unwrap();
    assert_nothing_left_of(&dir);
}

#[tokio::test]
async fn a_running_pod_ends_when_the_owner_of_its_node_is_killed() {
    if let Err(why) = Node::available() {
        return world::skip(&why);
    }
    let mut owner = Owner::up(&["--registry", "--node"], "NODE");
    let dir = owner.dir();
    runs(&owner, true).await;
    owner.process.kill().unwrap();
    owner.process.wait().unwrap();
    assert_nothing_left_of(&dir);
}

#[tokio::test]
async fn the_pods_network_goes_when_its_owner_is_killed() {
    if let Err(why) = Node::available().and_then(|()| PodNetwork::available()) {
        return world::skip(&why);
    }
    let mut owner = Owner::up(&["--registry", "--node", "--pod-network"], "NODE");
    let dir = owner.dir();
    let pod = runs(&owner, false).await;
    let address = pod.status.unwrap().pod_ip.unwrap();
    let (subnet, _) = address.rsplit_once('.').unwrap();
    assert_eq!(network_of(subnet).len(), 4, "{:?}", network_of(subnet));
    owner.process.kill().unwrap();
    owner.process.wait().unwrap();
    assert_nothing_left_of(&dir);
    assert_eq!(network_of(subnet), Vec::<String>::new());
}

/// Runs a pod until it runs.
async fn runs(owner: &Owner, host_network: bool) -> Pod {
    let client = world::client(Path::new(owner.value("KUBECONFIG"))).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client, "default");
    let mut pod = world::node::pod(owner.value("NODE"), "default", "app", owner.value("IMAGE"), &[]);
    pod.spec.as_mut().unwrap().host_network = Some(host_network);
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let running = kube::runtime::wait::await_condition(pods, "app", kube::runtime::conditions::is_pod_running());
    let pod = tokio::time::timeout(Duration::from_secs(60), running).await.expect("the pod runs within a minute");
    pod.unwrap().unwrap()
}

/// What this machine knows of a subnet: its end of the network, routes, the namespace, and rules, of which there are none.
fn network_of(subnet: &str) -> Vec<String> {
    let name = format!("world-{}", subnet.split('.').skip(1).collect::<Vec<_>>().join("-"));
    let commands: [&[&str]; 4] =
        [&["ip", "-oneline", "link"], &["ip", "-4", "route"], &["ip", "netns"], &["iptables-save"]];
    let lines = commands.iter().flat_map(|command| {
        let output = Command::new(command[0]).args(&command[1..]).output().unwrap();
        let lines: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        lines
    });
    lines.filter(|line| line.contains(&name) || line.contains(&format!(" {subnet}."))).collect()
}
