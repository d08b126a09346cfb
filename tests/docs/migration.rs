//! From other tools to pullmint by the documented steps, while somebody watches every state of the Secrets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::Api;
use serde_json::{Value, json};

use crate::objects::{make, workload};
use crate::scene::{ECR, PATIENCE, Scene};
use crate::shell::Shell;
use crate::vigil::{HOST, Vigil, credential};

/// What another tool minted in its time: `user:password` in base64, which opens the registry.
pub(crate) async fn minted_before(scene: &Scene) -> String {
    scene.configure("ecr.toml", ECR);
    let printed = scene.pullmint(&["render", "--reveal"]).await;
    assert_eq!(printed.code, 0, "{printed:?}");
    let secret: Value = serde_saphyr::from_str(printed.out.trim_start_matches("---\n")).expect("YAML");
    credential(&serde_json::from_value(secret).expect("a Secret"))
}

/// A pull Secret as a tool writes it that knows this entry for the registry.
pub(crate) fn pull_secret(name: &str, server: &str, entry: &Value) -> Value {
    let config = json!({ "auths": { server: entry } }).to_string();
    json!({
        "metadata": { "name": name },
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": { ".dockerconfigjson": config },
    })
}

pub(crate) fn user_and_password(auth: &str) -> (String, String) {
    let text = STANDARD.decode(auth).expect("base64");
    let text = String::from_utf8(text).expect("text");
    let (user, password) = text.split_once(':').expect("user and password");
    (user.to_owned(), password.to_owned())
}

pub(crate) async fn until_ours(scene: &Scene, namespace: &str, name: &str) {
    let ours = async || {
        let labels = scene.secret(namespace, name).await?.metadata.labels?;
        (labels.get("pullmint.dev/owner")? == scene.name).then_some(())
    };
    scene.until(&format!("Secret {namespace}/{name} to be pullmint's"), PATIENCE, ours).await;
}

/// Demands that this `user:password` in base64 opens the registry, where there is a client to try it with.
async fn opens(scene: &Scene, auth: &str) {
    let config = json!({ "auths": { HOST: { "auth": auth } } }).to_string();
    if let Some(opened) = scene.open(&format!("{HOST}/team/app:1"), &config).await {
        assert_eq!(opened, Ok(()));
    }
}

#[tokio::test]
async fn the_secrets_of_registry_creds_are_taken_over_without_a_gap() {
    let scene = Scene::start("docs-creds", 2).await;
    let mut shell = Shell::open(&scene, "docs/migration/registry-creds.md", &[]).await;
    let auth = minted_before(&scene).await;
    for namespace in ["docs-creds-0", "docs-creds-1"] {
        let server = format!("https://{HOST}");
        let theirs = pull_secret("awsecr-cred", &server, &json!({ "auth": auth, "email": "none" }));
        make::<Secret>(&scene, namespace, "registry-creds", theirs).await;
    }
    make::<Deployment>(&scene, "kube-system", "kubectl-create", workload("registry-creds", &json!([]))).await;
    let keys = json!({ "metadata": { "name": "registry-creds-ecr" }, "stringData": { "aws-region": "eu-west-1" } });
    make::<Secret>(&scene, "kube-system", "kubectl-create", keys).await;

    let vigil = Vigil::over(&scene, "docs-creds-0", "awsecr-cred").await;
    shell.until("kubectl scale").await;
    let _pullmint = scene.run();
    scene.until_said(&["refused", "docs-creds-0/awsecr-cred", "registry-creds"]).await;
    shell.until("dev/adopt=true").await;
    until_ours(&scene, "docs-creds-0", "awsecr-cred").await;
    until_ours(&scene, "docs-creds-1", "awsecr-cred").await;
    let seen = shell.until("--selector").await;
    assert!(seen.contains("docs-creds-0") && seen.contains("docs-creds-1"), "{seen}");
    shell.finish().await;
    vigil.saw_no_gap(&scene).await;
    let account = Api::<ServiceAccount>::namespaced(scene.client.clone(), "docs-creds-1").get("default").await;
    let names = account.expect("an account").image_pull_secrets.unwrap_or_default();
    assert_eq!(names.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>(), ["awsecr-cred"]);
}

#[tokio::test]
async fn the_secrets_of_k8s_ecr_login_renew_are_taken_over_without_a_gap() {
    const NAME: &str = "k8s-ecr-login-renew-docker-secret";
    let scene = Scene::start("docs-renew", 2).await;
    let mut shell = Shell::open(&scene, "docs/migration/k8s-ecr-login-renew.md", &[]).await;
    let auth = minted_before(&scene).await;
    let (username, password) = user_and_password(&auth);
    let entry = json!({ "username": username, "password": password, "email": "awsregrenew@demo.test", "auth": auth });
    for namespace in ["docs-renew-0", "docs-renew-1"] {
        let theirs = pull_secret(NAME, &format!("https://{HOST}"), &entry);
        make::<Secret>(&scene, namespace, "k8s-ecr-login-renew", theirs).await;
    }
    let pod = json!({ "restartPolicy": "Never", "containers": [{ "name": "renew", "image": "example.com/image" }] });
    let cron = json!({
        "metadata": { "name": "k8s-ecr-login-renew-cron" },
        "spec": { "schedule": "0 */6 * * *", "jobTemplate": { "spec": { "template": { "spec": pod } } } },
    });
    make::<CronJob>(&scene, "default", "helm", cron).await;
    let keys = json!({ "metadata": { "name": "k8s-ecr-login-renew-aws-secret" }, "stringData": { "ID": "none" } });
    make::<Secret>(&scene, "default", "helm", keys).await;

    let vigil = Vigil::over(&scene, "docs-renew-0", NAME).await;
    shell.until("suspend").await;
    let _pullmint = scene.run();
    scene.until_said(&["refused", "docs-renew-0", "k8s-ecr-login-renew"]).await;
    shell.until("dev/adopt=true").await;
    until_ours(&scene, "docs-renew-0", NAME).await;
    until_ours(&scene, "docs-renew-1", NAME).await;
    let seen = shell.until("--selector").await;
    assert!(seen.contains("docs-renew-0") && seen.contains("docs-renew-1"), "{seen}");
    shell.finish().await;
    vigil.saw_no_gap(&scene).await;
}

#[tokio::test]
async fn a_secret_made_by_hand_is_taken_over_and_one_that_cannot_be_is_replaced_beside_it() {
    let scene = Scene::start("docs-hand", 1).await;
    let mut shell = Shell::open(&scene, "docs/migration/by-hand.md", &[]).await;
    let auth = minted_before(&scene).await;
    let (username, password) = user_and_password(&auth);
    let entry = json!({ "username": username, "password": password, "email": "me@example.com", "auth": auth });
    make::<Secret>(&scene, "docs-hand-0", "kubectl-create", pull_secret("regcred", HOST, &entry)).await;
    let old = json!({
        "metadata": { "name": "old-regcred" },
        "type": "kubernetes.io/dockercfg",
        "stringData": { ".dockercfg": json!({ HOST: entry }).to_string() },
    });
    make::<Secret>(&scene, "docs-hand-0", "kubectl-create", old).await;
    let named = json!([{ "name": "old-regcred" }]);
    make::<Deployment>(&scene, "docs-hand-0", "kubectl-create", workload("web", &named)).await;

    let vigil = Vigil::over(&scene, "docs-hand-0", "regcred").await;
    let old = Vigil::over(&scene, "docs-hand-0", "old-regcred").await;
    let shown = shell.until("--show-managed-fields").await;
    assert!(shown.contains("manager: kubectl-create"), "{shown}");
    let pullmint = scene.run();
    scene.until_said(&["refused", "docs-hand-0/regcred", "kubectl-create"]).await;
    shell.until("dev/adopt=true").await;
    until_ours(&scene, "docs-hand-0", "regcred").await;
    let seen = shell.until("--selector").await;
    assert!(seen.contains("regcred"), "{seen}");
    vigil.saw_no_gap(&scene).await;
    drop(pullmint);

    let names = async || {
        let deployment = Api::<Deployment>::namespaced(scene.client.clone(), "docs-hand-0").get("web").await;
        let pod = deployment.expect("a Deployment").spec.and_then(|spec| spec.template.spec).expect("a pod");
        pod.image_pull_secrets.into_iter().flatten().map(|secret| secret.name).collect::<Vec<_>>()
    };
    shell.until("cat > my-config/ecr.toml").await;
    let _pullmint = scene.run();
    shell.until("kubectl wait").await;
    let new = Vigil::over(&scene, "docs-hand-0", "pullmint-ecr").await;
    for secret in ["old-regcred", "pullmint-ecr"] {
        opens(&scene, &credential(&scene.secret("docs-hand-0", secret).await.expect("a Secret"))).await;
    }
    assert_eq!(names().await, ["old-regcred"]);
    shell.until("kubectl patch").await;
    assert_eq!(names().await.len(), 2, "the Deployment names both");
    shell.until("kubectl patch").await;
    assert_eq!(names().await, ["pullmint-ecr"]);
    assert!(!old.saw_it_gone(), "pods named it until now");
    shell.finish().await;
    scene.until("the end of the old Secret", PATIENCE, async || old.saw_it_gone().then_some(())).await;
    assert!(!new.saw_it_gone(), "pods name it");
    opens(&scene, &credential(&scene.secret("docs-hand-0", "pullmint-ecr").await.expect("a Secret"))).await;
}
