//! From External Secrets to pullmint by the documented steps. Its objects are made as its controllers make them, and what
//! these do later is done here.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::migration::{minted_before, pull_secret, until_ours, user_and_password};
use crate::objects::{make, make_kinds, workload};
use crate::scene::{PATIENCE, Scene};
use crate::shell::Shell;
use crate::vigil::{HOST, Vigil};

/// A kind by its group, version and name.
type Kind = (&'static str, &'static str, &'static str);

const GENERATOR: Kind = ("generators.external-secrets.io", "v1alpha1", "ECRAuthorizationToken");
const EXTERNAL: Kind = ("external-secrets.io", "v1", "ExternalSecret");
const MAKER: Kind = ("external-secrets.io", "v1", "ClusterExternalSecret");

/// The objects of a kind, in a namespace if it has any.
fn api(scene: &Scene, (group, version, kind): Kind, namespace: Option<&str>) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    match namespace {
        Some(namespace) => Api::namespaced_with(scene.client.clone(), namespace, &resource),
        None => Api::all_with(scene.client.clone(), &resource),
    }
}

async fn created(scene: &Scene, kind: Kind, namespace: Option<&str>, name: &str, spec: Value) -> DynamicObject {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(kind.0, kind.1, kind.2));
    let object = DynamicObject::new(name, &resource).data(json!({ "spec": spec }));
    let api = api(scene, kind, namespace);
    // A kind is served a moment after it was made.
    let known = async || api.create(&PostParams::default(), &object).await.ok();
    scene.until(&format!("a new {}", kind.2), PATIENCE, known).await
}

/// What says that an object belongs to this one.
fn owned_by((group, version, kind): Kind, owner: &DynamicObject) -> Value {
    json!([{
        "apiVersion": format!("{group}/{version}"),
        "kind": kind,
        "name": owner.metadata.name,
        "uid": owner.metadata.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    }])
}

/// An ExternalSecret with its generator, and the Secret that External Secrets made of them.
async fn external_secret(scene: &Scene, namespace: &str, auth: &str) {
    created(scene, GENERATOR, Some(namespace), "ecr-gen", json!({ "region": "eu-west-1" })).await;
    let target = json!({ "name": "ecr-secret", "creationPolicy": "Owner", "deletionPolicy": "Delete" });
    let spec = json!({ "refreshInterval": "1h", "target": target });
    let owner = created(scene, EXTERNAL, Some(namespace), "ecr-secret", spec).await;

    let (username, password) = user_and_password(auth);
    let mut theirs = pull_secret("ecr-secret", HOST, &json!({ "username": username, "password": password }));
    theirs["metadata"]["labels"] = json!({
        "reconcile.external-secrets.io/managed": "true",
        "reconcile.external-secrets.io/created-by": "6d9f1c2b3a4e5f60718293a4b5c6d7e8f9a0b1c2d3e4f5061728394a",
    });
    theirs["metadata"]["annotations"] = json!({ "reconcile.external-secrets.io/data-hash": "0a1b2c3d4e5f" });
    theirs["metadata"]["ownerReferences"] = owned_by(EXTERNAL, &owner);
    make::<Secret>(scene, namespace, "externalsecrets.external-secrets.io/ecr-secret", theirs).await;
}

/// The ClusterExternalSecret that made the ExternalSecret in this namespace. Each waits for its controller when it goes.
async fn maker_of(scene: &Scene, namespace: &str) {
    let maker = created(scene, MAKER, None, "ecr-secret", json!({ "namespaces": [namespace] })).await;
    let waits = |who: &str, more: Value| {
        let mut patch = json!({ "metadata": { "finalizers": [format!("externalsecrets.external-secrets.io/{who}")] } });
        patch["metadata"]["ownerReferences"] = more;
        Patch::Merge(patch)
    };
    let params = PatchParams::default();
    let waiting = waits("clusterexternalsecret-cleanup", Value::Null);
    api(scene, MAKER, None).patch("ecr-secret", &params, &waiting).await.expect("a finalizer");
    let waiting = waits("externalsecret-cleanup", owned_by(MAKER, &maker));
    api(scene, EXTERNAL, Some(namespace)).patch("ecr-secret", &params, &waiting).await.expect("a finalizer");
}

/// What the controllers of External Secrets do with what is being deleted.
async fn let_go(scene: &Scene, namespace: &str) {
    api(scene, EXTERNAL, Some(namespace)).delete("ecr-secret", &Default::default()).await.expect("deleted");
    let go = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    for api in [api(scene, MAKER, None), api(scene, EXTERNAL, Some(namespace))] {
        api.patch("ecr-secret", &PatchParams::default(), &go).await.expect("let go");
        assert!(api.get_opt("ecr-secret").await.expect("an answer").is_none());
    }
}

#[tokio::test]
async fn the_secrets_of_external_secrets_are_taken_over_without_a_gap() {
    let scene = Scene::start("docs-eso", 3).await;
    let own = [("--namespace external-secrets", "--namespace docs-eso"), ("team-b", "docs-eso-2")];
    let mut shell = Shell::open(&scene, "docs/migration/external-secrets.md", &own).await;
    let auth = minted_before(&scene).await;
    make_kinds(&scene, &[(EXTERNAL, "Namespaced"), (GENERATOR, "Namespaced"), (MAKER, "Cluster")]).await;
    for namespace in ["docs-eso-0", "docs-eso-1", "docs-eso-2"] {
        external_secret(&scene, namespace, &auth).await;
    }

    let vigil = Vigil::over(&scene, "docs-eso-0", "ecr-secret").await;
    let policy = shell.until("jsonpath").await;
    assert_eq!(policy, "Delete");
    shell.until("--cascade=orphan").await;
    let _pullmint = scene.run();
    scene.until_said(&["refused", "docs-eso-0", "externalsecrets.external-secrets.io/ecr-secret"]).await;
    shell.until("dev/adopt=true").await;
    until_ours(&scene, "docs-eso-0", "ecr-secret").await;
    shell.until("kubectl delete ecrauthorizationtoken").await;
    let secret = scene.secret("docs-eso-0", "ecr-secret").await.expect("a Secret");
    assert_eq!(secret.metadata.owner_references, None);
    assert!(secret.metadata.labels.expect("labels").keys().all(|label| !label.contains("external-secrets")));
    vigil.saw_no_gap(&scene).await;

    // What the page warns of.
    let careless = Vigil::over(&scene, "docs-eso-1", "ecr-secret").await;
    api(&scene, EXTERNAL, Some("docs-eso-1")).delete("ecr-secret", &Default::default()).await.expect("deleted");
    let gone = async || careless.saw_it_gone().then_some(());
    scene.until("the Secret to go with its ExternalSecret", Duration::from_secs(60), gone).await;

    takes_the_other_way(&scene, &mut shell).await;
}

/// Where a ClusterExternalSecret made the ExternalSecret.
async fn takes_the_other_way(scene: &Scene, shell: &mut Shell<'_>) {
    maker_of(scene, "docs-eso-2").await;
    let mut controller = workload("external-secrets", &json!([]));
    let labels = json!({ "app.kubernetes.io/name": "external-secrets" });
    controller["spec"]["selector"]["matchLabels"] = labels.clone();
    controller["spec"]["template"]["metadata"]["labels"] = labels;
    make::<Deployment>(scene, "docs-eso", "helm", controller).await;
    let vigil = Vigil::over(scene, "docs-eso-2", "ecr-secret").await;

    shell.until("ownerReferences").await;
    let nobodys =
        async || scene.secret("docs-eso-2", "ecr-secret").await?.metadata.owner_references.is_none().then_some(());
    scene.until("the Secret to belong to nobody", PATIENCE, nobodys).await;
    shell.read_on().await;
    let_go(scene, "docs-eso-2").await;
    shell.run("kubectl annotate secret ecr-secret --namespace team-b pullmint.dev/adopt=true").await;
    until_ours(scene, "docs-eso-2", "ecr-secret").await;
    vigil.saw_no_gap(scene).await;
}
