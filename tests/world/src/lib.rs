//! A real Kubernetes, a real registry and emulated clouds on one machine, for tests, the demo and benchmarks.
//!
//! Everything is a process on loopback that ends with its owner. `WORLD_KEEP=1` keeps the directory with the logs,
//! `WORLD_BIN_CACHE` says where the built programs are kept, and `WORLD_SKIPS` names a file that lists skipped tests.

mod apply;
pub mod binaries;
pub mod clouds;
pub mod control_plane;
pub mod crowd;
pub mod demo;
mod dir;
mod error;
pub mod fault_proxy;
pub mod http_proxy;
pub mod images;
pub mod internet;
mod log;
mod namespaces;
pub mod network;
pub mod node;
mod patience;
pub mod picture;
mod plain_http;
pub mod ports;
pub mod process;
pub mod prometheus;
pub mod prometheus_operator;
pub mod registry;
mod skip;
pub mod stage;
mod surroundings;
mod world;

pub use apply::{apply, apply_all};
pub use control_plane::{ControlPlane, ControlPlaneOptions, client};
pub use dir::WorldDir;
pub use error::{Context, Result, WorldError};
pub use fault_proxy::{Fault, FaultProxy};
pub use http_proxy::{Answer, HttpProxy};
pub use images::Image;
pub use log::Log;
pub use namespaces::create_namespaces;
pub use network::PodNetwork;
pub use node::{Node, NodeOptions};
pub use patience::look_for;
pub use plain_http::plain_http;
pub use registry::{Registry, RegistryAuth, RegistryOptions, TokenAuth, TokenKeys};
pub use skip::skip;
pub use stage::Stage;
pub use surroundings::Surroundings;
pub use world::{World, WorldBuilder, shared};

/// Chooses the TLS library for this process, once; kube and reqwest need that to be done before their first client.
pub fn install_crypto() {
    // An error only means that it was chosen before.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
}
