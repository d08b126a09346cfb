//! All parts together.

use std::path::PathBuf;

use tokio::sync::OnceCell;

use crate::{
    ControlPlane, ControlPlaneOptions, Node, NodeOptions, PodNetwork, Registry, RegistryOptions, Result, WorldDir,
};

/// A running world; dropping it ends everything.
#[derive(Debug)]
pub struct World {
    // Dropped from top to bottom: the directory goes last.
    /// The node, if one was asked for.
    pub node: Option<Node>,
    /// The registry, if one was asked for.
    pub registry: Option<Registry>,
    /// etcd, the API server and its controllers.
    pub control_plane: ControlPlane,
    /// Logs, keys and data.
    pub dir: WorldDir,
}

/// What a world is to consist of.
#[derive(Clone, Debug, Default)]
pub struct WorldBuilder {
    control_plane: ControlPlaneOptions,
    running: Option<(PathBuf, String)>,
    registry: Option<RegistryOptions>,
    node: Option<NodeOptions>,
    pod_network: Option<(PodNetwork, WorldDir)>,
}

impl World {
    /// A world with a control plane and nothing else, to be extended.
    pub fn builder() -> WorldBuilder {
        WorldBuilder::default()
    }
}

impl WorldBuilder {
    /// Changes how the control plane is to be.
    pub fn control_plane(mut self, options: ControlPlaneOptions) -> Self {
        self.control_plane = options;
        self
    }

    /// Uses a cluster that runs already, at home in one of its namespaces; see [`ControlPlane::running`].
    pub fn running_cluster(mut self, kubeconfig: impl Into<PathBuf>, namespace: impl Into<String>) -> Self {
        self.running = Some((kubeconfig.into(), namespace.into()));
        self
    }

    /// Adds a registry.
    pub fn registry(mut self, options: RegistryOptions) -> Self {
        self.registry = Some(options);
        self
    }

    /// Adds a node; see [`Node::available`].
    pub fn node(mut self, options: NodeOptions) -> Self {
        self.node = Some(options);
        self
    }

    /// Gives the node's pods a network, in whose directory the world then lives.
    pub fn pod_network(mut self, network: PodNetwork, dir: WorldDir) -> Self {
        self.pod_network = Some((network, dir));
        self
    }

    /// Starts it and waits until all parts are ready.
    pub async fn start(self) -> Result<World> {
        crate::install_crypto();
        let (network, dir) = match self.pod_network {
            Some((network, dir)) => (Some(network), dir),
            None => (None, WorldDir::new()?),
        };
        let machine = network.as_ref().map(|network| network.machine().into());
        let advertise = machine.or(self.control_plane.advertise);
        let control_plane = ControlPlaneOptions { advertise, ..self.control_plane };
        let control_plane = match self.running {
            Some((kubeconfig, namespace)) => ControlPlane::running(&kubeconfig, &namespace, &dir).await?,
            None => ControlPlane::start(control_plane, &dir).await?,
        };
        let registry = match self.registry {
            Some(options) => {
                let address = machine.unwrap_or(options.address);
                Some(Registry::start(RegistryOptions { address, ..options }, &dir).await?)
            }
            None => None,
        };
        let node = match self.node {
            Some(mut options) => {
                // Beyond loopback containerd would expect TLS.
                options.mirrors.extend(registry.as_ref().map(|registry| (registry.host(), registry.url())));
                Some(Node::start(NodeOptions { network, ..options }, &control_plane, &dir).await?)
            }
            None => None,
        };
        Ok(World { node, registry, control_plane, dir })
    }
}

/// One world with a control plane for all tests of a test binary; it ends with the process.
///
/// Every `#[tokio::test]` has a runtime of its own, so make a client per test from the kubeconfig.
pub async fn shared() -> Result<&'static World> {
    static SHARED: OnceCell<World> = OnceCell::const_new();
    SHARED.get_or_try_init(|| World::builder().start()).await
}
