//! With exactly the roles that pullmint prints for itself it can do all of its work, and nothing else.

use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{Api, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, Error};
use serde_json::json;

use crate::scene::{ECR, HUB_MINTED, PATIENCE, Scene};

/// The documents of a YAML stream, applied one after the other.
async fn apply(client: &Client, yaml: &str, params: &PatchParams) {
    for document in yaml.split("---\n").filter(|document| !document.is_empty()) {
        let object: DynamicObject = serde_saphyr::from_str(document).unwrap_or_else(|e| panic!("{e}:\n{document}"));
        world::apply(client, &object, params).await.expect("an applied object");
    }
}

/// Gives pullmint the roles that it prints for its configuration, and from now on lets it be nobody else.
pub(crate) async fn grant(scene: &mut Scene) {
    let printed = scene.pullmint(&["rbac", "--namespace", scene.name]).await;
    apply(&scene.client, &printed.out, &PatchParams::apply("test")).await;
    let plane = &scene.stage.world.control_plane;
    let kubeconfig = plane.kubeconfig_for_service_account(scene.name, "pullmint").await.expect("a kubeconfig");
    scene.around.identify_to_cluster(kubeconfig);
}

/// The kubeconfig of somebody without any right.
pub(crate) async fn nobody(scene: &Scene) -> PathBuf {
    let accounts = Api::<ServiceAccount>::namespaced(scene.client.clone(), scene.name);
    let metadata = ObjectMeta { name: Some("nobody".to_owned()), ..ObjectMeta::default() };
    let account = ServiceAccount { metadata, ..ServiceAccount::default() };
    accounts.create(&PostParams::default(), &account).await.expect("a ServiceAccount");
    let plane = &scene.stage.world.control_plane;
    plane.kubeconfig_for_service_account(scene.name, "nobody").await.expect("a kubeconfig")
}

fn is_forbidden<T>(answer: Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Api(status)) if status.code == 403)
}

#[tokio::test]
async fn the_api_server_accepts_the_printed_roles_as_they_are() {
    let scene = Scene::start("roles", 0).await;
    scene.configure("ecr.toml", &format!("{ECR}service_accounts = [\"default\"]\n"));
    let printed = scene.pullmint(&["rbac", "--namespace", "roles"]).await;
    assert_eq!((printed.code, printed.err.as_str()), (0, ""), "{printed:?}");
    assert_eq!(printed.out.lines().filter(|line| line.starts_with("kind: ")).count(), 5, "{}", printed.out);
    apply(&scene.client, &printed.out, &PatchParams::apply("test").dry_run()).await;
}

#[tokio::test]
async fn with_the_printed_roles_everything_works_and_no_other_secret_can_be_read() {
    let mut scene = Scene::start("roled", 2).await;
    scene.around.set_life(Duration::from_secs(12));
    let extras = "service_accounts = [\"default\"]\nnamespaces.selector = \"!shut\"\n";
    scene.configure("ecr.toml", &format!("{ECR}{extras}"));
    scene.configure("hub.toml", HUB_MINTED);
    grant(&mut scene).await;
    let itself = world::client(scene.around.kubeconfig()).await.expect("a client");

    let report = scene.pullmint(&["check"]).await;
    assert_eq!(report.code, 0, "{report:?}");
    let pullmint = scene.run();
    works(&scene).await;
    sees_nothing_else(&scene.client, &itself).await;
    drop(pullmint);
    let pass = scene.pullmint(&["once"]).await;
    assert_eq!(pass.code, 0, "{pass:?}");
    let log = scene.log();
    assert!(!log.contains("forbidden") && !log.contains("ERROR"), "{log}");
}

/// Writes, renews, patches accounts, keeps the state, and takes back what is no longer wanted.
async fn works(scene: &Scene) {
    let first = scene.until_secret("roled-1", "pullmint-ecr").await;
    scene.until_secret("roled-0", "pullmint-hub").await;
    scene.until_changed("roled-1", "pullmint-ecr", &first).await;
    scene.until_secret("roled", "pullmint-state").await;
    let accounts: Api<ServiceAccount> = Api::namespaced(scene.client.clone(), "roled-1");
    let names = async || {
        let account = accounts.get_opt("default").await.expect("an answer")?;
        account.image_pull_secrets?.iter().any(|secret| secret.name == "pullmint-ecr").then_some(())
    };
    scene.until("the account to name the Secret", PATIENCE, names).await;
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    let label = json!({"metadata": {"labels": {"shut": "yes"}}});
    namespaces.patch("roled-1", &PatchParams::default(), &Patch::Merge(label)).await.expect("a label");
    let gone = async || scene.secret("roled-1", "pullmint-ecr").await.is_none().then_some(());
    scene.until("the Secret to go", PATIENCE, gone).await;
    let released = async || {
        let account = accounts.get("default").await.expect("an account");
        account.image_pull_secrets.unwrap_or_default().is_empty().then_some(())
    };
    scene.until("the account to be as before", PATIENCE, released).await;
}

async fn sees_nothing_else(admin: &Client, itself: &Client) {
    let others =
        Secret { metadata: ObjectMeta { name: Some("others".into()), ..ObjectMeta::default() }, ..Secret::default() };
    for namespace in ["roled", "roled-0", "default"] {
        let created = Api::<Secret>::namespaced(admin.clone(), namespace).create(&PostParams::default(), &others).await;
        created.expect("somebody else's Secret");
        let secrets: Api<Secret> = Api::namespaced(itself.clone(), namespace);
        assert!(is_forbidden(secrets.get("others").await), "{namespace}");
        assert!(is_forbidden(secrets.get_metadata("others").await), "{namespace}");
        assert!(is_forbidden(secrets.list(&ListParams::default()).await), "{namespace}");
        let one = ListParams::default().fields("metadata.name=others");
        assert!(is_forbidden(secrets.list(&one).await), "{namespace}");
        assert!(is_forbidden(secrets.delete("others", &Default::default()).await), "{namespace}");
        assert!(is_forbidden(secrets.create(&PostParams::default(), &others).await), "{namespace}");
        // What it writes for others it does not read back.
        assert!(is_forbidden(secrets.get("pullmint-ecr").await), "{namespace}");
    }
    let state: Api<Secret> = Api::namespaced(itself.clone(), "roled");
    assert!(state.get("pullmint-state").await.is_ok(), "its own state it may read");
    let elsewhere: Api<Secret> = Api::namespaced(itself.clone(), "roled-0");
    assert!(is_forbidden(elsewhere.get("pullmint-state").await), "but only in its own namespace");
    assert!(is_forbidden(Api::<Secret>::all(itself.clone()).list(&ListParams::default()).await));
}
