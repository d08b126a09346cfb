//! Many pods whose images do not come, without a node: their status is what a kubelet would have left.

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::clouds::seed;
use crate::{Context, Result, Stage, create_namespaces, node};

/// Where they are.
pub const NAMESPACE: &str = "crowd-0";

/// Absent images at each of the five registries.
const IMAGES: usize = 10;

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/// Makes so many pods that fail to pull, and gives the images that they want: 50, of five registries. The pods name one
/// Secret with a key for each registry but the public one; that for ECR is refused.
pub async fn failing_pods(stage: &Stage, pods: usize) -> Result<Vec<String>> {
    let client = stage.world.control_plane.client().await?;
    create_namespaces(&client, "crowd", 1, &[]).await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    secrets.create(&PostParams::default(), &pull_secret()?).await.context(|| "making the pull Secret")?;
    let repositories = [
        "docker.io/acme".to_owned(),
        "acme.azurecr.io/team".to_owned(),
        "other.azurecr.io/team".to_owned(),
        "public.ecr.aws/acme".to_owned(),
        format!("{ECR}/team"),
    ];
    let images: Vec<_> = (0..IMAGES)
        .flat_map(|number| repositories.iter().map(move |repository| format!("{repository}/app:absent-{number}")))
        .collect();
    let api: Api<Pod> = Api::namespaced(client, NAMESPACE);
    let made = stream::iter(0..pods).map(|number| fail(&api, number, &images[number % images.len()]));
    made.buffer_unordered(16).try_collect::<Vec<()>>().await.context(|| "making pods")?;
    Ok(images)
}

fn pull_secret() -> Result<Secret> {
    let auths = json!({
        "https://index.docker.io/v1/": {"username": seed::HUB_ORG, "password": seed::HUB_ORG_TOKEN},
        "acme.azurecr.io": {"username": seed::AZURE_CLIENT, "password": seed::AZURE_SECRET},
        "other.azurecr.io": {"username": seed::AZURE_CLIENT, "password": seed::AZURE_SECRET},
        ECR: {"username": "AWS", "password": "stale"},
    });
    let secret = json!({
        "metadata": {"name": "pull"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json!({"auths": auths}).to_string()},
    });
    serde_json::from_value(secret).context(|| "writing the pull Secret")
}

async fn fail(api: &Api<Pod>, number: usize, image: &str) -> kube::Result<()> {
    let name = format!("web-{number}");
    let pod = json!({
        "metadata": {"name": name},
        "spec": {"imagePullSecrets": [{"name": "pull"}], "containers": [{"name": "app", "image": image}]},
    });
    let pod: Pod = serde_json::from_value(pod).map_err(kube::Error::SerdeError)?;
    api.create(&PostParams::default(), &pod).await?;
    let waiting = json!({"reason": "ImagePullBackOff", "message": format!("Back-off pulling image \"{image}\"")});
    let status = node::pending(image, &json!({"waiting": waiting}));
    api.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(())
}
