//! A stage with pullmint's examples as its configuration.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use world::Stage;
use world::process::Process;

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) client: Client,
}

impl Scene {
    pub(crate) async fn start(node: bool) -> Self {
        let stage = Stage::start(node).await.expect("a stage");
        stage.configure_like(Path::new("config")).expect("the examples");
        let client = stage.world.control_plane.client().await.expect("a client");
        Self { stage, client }
    }

    /// The real binary, until dropped.
    pub(crate) fn run(&self) -> Process {
        let program = Path::new(env!("CARGO_BIN_EXE_pullmint"));
        self.stage.pullmint("pullmint", program, &["run"]).start().expect("pullmint starts")
    }

    pub(crate) async fn secret(&self, namespace: &str, name: &str) -> Option<Secret> {
        Api::<Secret>::namespaced(self.client.clone(), namespace).get_opt(name).await.expect("an answer")
    }

    pub(crate) async fn until_secret(&self, namespace: &str, name: &str) -> Secret {
        for _ in 0..PATIENCE.as_millis() / 50 {
            if let Some(secret) = self.secret(namespace, name).await {
                return secret;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = std::fs::read_to_string(self.stage.world.dir.path().join("pullmint.log")).unwrap_or_default();
        panic!("no Secret {namespace}/{name}; pullmint said:\n{log}");
    }
}
