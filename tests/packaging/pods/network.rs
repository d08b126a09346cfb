//! Who may connect to pullmint and to what pullmint may connect: the chart's NetworkPolicy, which the node enforces.
//!
//! Connections are tried from within the pods' own networks. What one pod is refused, another one gets at the same time.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde_json::json;
use world::network::{API_SERVICE, POD_IDENTITY, within};
use world::node::SANDBOX_IMAGE;

use super::Installation;

/// Of other people, each with a pod.
const STRANGERS: &str = "team-0";
pub(super) const MONITORING: &str = "monitoring-0";

/// How long a connection may take that is not refused; nothing here goes farther than this machine.
const SHORT: Duration = Duration::from_secs(5);

/// The machine's ports, which may be reached by default.
const NAMED: [u16; 3] = [53, 443, 6443];

/// Others. The first one is open at the addresses of identities only.
const UNNAMED: [u16; 2] = [80, 8443];

/// The networks from which connections are tried.
struct Places {
    node: PathBuf,
    pullmint: PathBuf,
    monitoring: PathBuf,
    stranger: PathBuf,
}

/// All of it, on an installation that everybody may ask; then only the monitoring may, and this machine, where the API
/// server is.
pub(super) async fn is_confined(installation: &mut Installation) {
    let (pod, address) = installation.pods().await.pop_first().expect("a pod");
    let places = Places {
        node: installation.network().path(),
        pullmint: installation.node().network_of(super::HOME, &pod).expect("a network"),
        monitoring: moves_in(installation, MONITORING).await,
        stranger: moves_in(installation, STRANGERS).await,
    };
    reaches_what_it_needs_and_nothing_else(installation, &places).await;
    is_reached_by_named_peers_and_nobody_else(installation, &places, address.parse().expect("an address")).await;
}

async fn reaches_what_it_needs_and_nothing_else(installation: &Installation, places: &Places) {
    let machine = IpAddr::V4(installation.network().machine());
    let at = |port: u16| SocketAddr::new(machine, port);
    let open = NAMED.iter().chain(&UNNAMED).map(|port| listen(at(*port))).collect::<Option<Vec<_>>>();
    let Some(_open) = open else { return };
    let identity = SocketAddr::from((POD_IDENTITY, 80));
    let _identity = within(&places.node, || listen(identity)).expect("the node's network").expect("nobody else there");

    for port in UNNAMED {
        let refused = async || (!connects(&places.pullmint, at(port))).then_some(());
        installation.until(&format!("a refusal of port {port}"), refused).await;
        assert!(connects(&places.stranger, at(port)), "to port {port} others get through");
    }
    for port in NAMED {
        assert!(connects(&places.pullmint, at(port)), "port {port}");
    }
    assert!(connects(&places.pullmint, identity), "EKS Pod Identity");
    assert!(connects(&places.pullmint, installation.stage.internet.address()), "the proxy to registries and clouds");
    assert!(connects(&places.pullmint, (API_SERVICE, 443).into()), "the API server");
    asks_for_names(&places.pullmint, at(53));
}

async fn is_reached_by_named_peers_and_nobody_else(installation: &mut Installation, places: &Places, pullmint: IpAddr) {
    let pullmint = SocketAddr::new(pullmint, 8080);
    assert!(connects(&places.stranger, pullmint), "by default everybody may");
    let machine = format!("{}/32", installation.network().machine());
    installation.values["networkPolicy"]["ingressFrom"] = json!([
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": MONITORING}}},
        {"ipBlock": {"cidr": machine}},
    ]);
    installation.upgrade().await;
    let refused = async || (!connects(&places.stranger, pullmint)).then_some(());
    installation.until("a refusal of a pod in another namespace", refused).await;
    assert!(connects(&places.monitoring, pullmint), "a pod of the monitoring");
    assert!(connects(&places.node, pullmint), "the kubelet's probes");
}

/// A pod of that namespace that runs, and its network.
async fn moves_in(installation: &Installation, namespace: &str) -> PathBuf {
    let pods = Api::<Pod>::namespaced(installation.client.clone(), namespace);
    let mut pod = installation.node().pod(namespace, "visitor", SANDBOX_IMAGE, &[]);
    pod.spec.as_mut().expect("a spec").host_network = None;
    pods.create(&PostParams::default(), &pod).await.expect("a pod");
    let runs = async || {
        let status = pods.get("visitor").await.expect("a pod").status?;
        (status.phase? == "Running" && status.pod_ip.is_some()).then_some(())
    };
    installation.until(&format!("a running pod in {namespace}"), runs).await;
    installation.node().network_of(namespace, "visitor").expect("a network")
}

/// `None` where somebody listens already.
fn listen(address: SocketAddr) -> Option<TcpListener> {
    match TcpListener::bind(address) {
        Ok(listener) => Some(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            world::skip(&format!("connections from a pod to this machine need {address}, which is taken"));
            None
        }
        Err(error) => panic!("{address}: {error}"),
    }
}

/// Whether a new connection from there comes about.
fn connects(from: &Path, to: SocketAddr) -> bool {
    within(from, || TcpStream::connect_timeout(&to, SHORT).is_ok()).expect("a network")
}

/// Questions for names are single packets.
fn asks_for_names(from: &Path, to: SocketAddr) {
    let server = UdpSocket::bind(to).expect("a port");
    server.set_read_timeout(Some(SHORT)).expect("a patience");
    let asked = within(from, || UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"name?", to)));
    asked.expect("a network").expect("a packet");
    assert_eq!(server.recv(&mut [0; 16]).expect("names may be asked for"), 5);
}
