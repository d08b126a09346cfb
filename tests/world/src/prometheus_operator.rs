//! The Prometheus operator's kinds, as it defines them itself.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use kube::{Client, ResourceExt};
use tempfile::NamedTempFile;
use tokio::process::Command;
use tokio::time::timeout;

use crate::binaries::{Module, Program};
use crate::{Context, Result, WorldError};

/// The longest that an API server may take to serve a kind that it was told of.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes ServiceMonitor, PodMonitor and PrometheusRule known to an API server; it serves them when this returns.
pub async fn define(client: &Client) -> Result<()> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in definitions().await? {
        let name = definition.name_any();
        let params = PatchParams::apply("test").force();
        api.patch(&name, &params, &Patch::Apply(&definition)).await.context(|| format!("defining {name}"))?;
        let served = timeout(PATIENCE, await_condition(api.clone(), &name, is_crd_established())).await;
        served.context(|| format!("waiting for {name}"))?.context(|| format!("watching {name}"))?;
    }
    Ok(())
}

/// The definitions, after making them if that has not been done yet.
pub async fn definitions() -> Result<Vec<CustomResourceDefinition>> {
    let path = made().await?;
    let text = fs::read(&path).context(|| format!("reading {}", path.display()))?;
    let definitions = serde_json::Deserializer::from_slice(&text).into_iter().collect::<Result<_, _>>();
    definitions.context(|| format!("reading {}", path.display()))
}

/// The file with what the program prints, which stands beside it.
async fn made() -> Result<PathBuf> {
    let program = Program::PrometheusKinds.path().await?;
    let path = program.with_extension("json");
    if path.exists() {
        return Ok(path);
    }
    let printed = Command::new(&program).arg(Module::Operator.dir()).kill_on_drop(true).output().await;
    let printed = printed.context(|| format!("starting {}", program.display()))?;
    if !printed.status.success() {
        let said = String::from_utf8_lossy(&printed.stderr);
        return Err(WorldError::new(format!("making the Prometheus operator's kinds: {said}")));
    }
    // Others may do the same at this time, with the same result.
    let cache = program.parent().unwrap_or(&program);
    let mut whole = NamedTempFile::new_in(cache).context(|| format!("creating a file in {}", cache.display()))?;
    whole.write_all(&printed.stdout).context(|| format!("writing {}", whole.path().display()))?;
    whole.persist(&path).context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
