//! All parts together.

use tokio::sync::OnceCell;

use crate::{ControlPlane, ControlPlaneOptions, Result, WorldDir};

/// A running world; dropping it ends everything.
#[derive(Debug)]
pub struct World {
    // Dropped from top to bottom: the directory goes last.
    /// etcd, the API server and its controllers.
    pub control_plane: ControlPlane,
    /// Logs, keys and data.
    pub dir: WorldDir,
}

/// What a world is to consist of.
#[derive(Clone, Debug, Default)]
pub struct WorldBuilder {
    control_plane: ControlPlaneOptions,
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

    /// Starts it and waits until all parts are ready.
    pub async fn start(self) -> Result<World> {
        crate::install_crypto();
        let dir = WorldDir::new()?;
        let control_plane = ControlPlane::start(self.control_plane, &dir).await?;
        Ok(World { control_plane, dir })
    }
}

/// One world with a control plane for all tests of a test binary; it ends with the process.
///
/// Every `#[tokio::test]` has a runtime of its own, so make a client per test from the kubeconfig.
pub async fn shared() -> Result<&'static World> {
    static SHARED: OnceCell<World> = OnceCell::const_new();
    SHARED.get_or_try_init(|| World::builder().start()).await
}
