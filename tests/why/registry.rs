//! Causes that need no node: asked about before anything is deployed.

use axum::Router;
use axum::http::StatusCode;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use world::clouds::{Fault, Service, seed};
use world::internet::PLAIN_HTTP;

use crate::bed::{Bed, HUB_KEY, PROGRAM, Said, login, pull_secret, run};
use crate::{asked, nodes};

/// The command without proxy: on its own in the machine's network.
async fn why_alone(bed: &Bed, args: &[&str]) -> Said {
    let mut command = Command::new(PROGRAM);
    command.arg("why").args(args).args(["--output", "json"]).env("KUBECONFIG", bed.stage.kubeconfig());
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    // A name that nobody knows is to be no longer asked for than all else.
    command.env("RES_OPTIONS", "timeout:1 attempts:1");
    run(command).await
}

/// A registry on loopback that answers everything alike.
async fn registry_saying(status: u16, body: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let status = StatusCode::from_u16(status).expect("a status");
    let router = Router::new().fallback(move || async move { (status, body) });
    tokio::spawn(async move { axum::serve(listener, router).await });
    address.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn causes_are_told_before_anything_is_deployed() {
    let bed = Bed::start(false).await;
    bed.namespace("shop").await;
    let hub = pull_secret("hub", &login(HUB_KEY, seed::HUB_ORG, seed::HUB_ORG_TOKEN));
    bed.secret("shop", &hub).await;
    let image = async |image: &str, more: &[&str]| {
        bed.why(&[&["-n", "shop", "--output", "json", "--image", image], more].concat()).await
    };

    let good = image("acme/app:1", &["--secret", "hub"]).await;
    assert_eq!((good.code, good.json()["good"].as_u64()), (0, Some(1)), "{good:?}");
    assert_eq!(image("acme/app:1", &[]).await.code_found(), "PM202");
    let nobody = bed.why(&["-n", "default", "--output", "json", "--image", "acme/app:1"]).await;
    assert_eq!(nobody.code_found(), "PM306", "{nobody:?}");
    let absent = image("acme/app:2", &["--secret", "hub"]).await;
    assert_eq!((absent.code_found().as_str(), absent.code), ("PM103", 3));
    assert!(absent.json()["findings"][0]["cure"].as_str().expect("a cure").contains("did you mean 1"), "{absent:?}");

    // Nobody's authority signed this certificate.
    let untrusting =
        bed.why_trusting_nobody(&["-n", "shop", "--output", "json", "--image", "acme.azurecr.io/team/app:1"]).await;
    assert_eq!(untrusting.code_found(), "PM503", "{untrusting:?}");
    let private = why_alone(&bed, &["-n", "shop", "--image", "10.0.0.1/app:1"]).await;
    assert_eq!((private.code_found().as_str(), private.code), ("PM999", 3), "{private:?}");
    let cure = private.json()["findings"][0]["cure"].to_string();
    assert!(cure.contains("--allow-network 10.0.0.0/8"), "{cure}");
    let plain = image(&format!("{PLAIN_HTTP}/app:1"), &[]).await;
    assert_eq!(plain.code_found(), "PM504", "{plain:?}");
    let unknown = image("registry.example.com/app:1", &[]).await;
    assert_eq!(unknown.code_found(), "PM505", "{unknown:?}");
    let nowhere = why_alone(&bed, &["-n", "shop", "--image", "nowhere.invalid/app:1"]).await;
    assert_eq!(nowhere.code_found(), "PM501", "{nowhere:?}");

    let chart = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": "", "size": 2}, "layers": [],
    });
    let artifact = {
        let pushed = bed.push("public.ecr.aws", "acme/chart", "1").await;
        let mut chart: Value = chart;
        chart["config"]["digest"] = pushed["config"]["digest"].clone();
        chart["config"]["size"] = pushed["config"]["size"].clone();
        chart
    };
    bed.registry(Method::PUT, "public.ecr.aws", "acme/chart", "manifests/chart", Some(&artifact)).await;
    let artifact = image("public.ecr.aws/acme/chart:chart", &[]).await;
    assert_eq!(artifact.code_found(), "PM405", "{artifact:?}");

    for (status, body, code) in [
        (
            403,
            r#"{"errors":[{"code":"DENIED","message":"client with IP '192.0.2.1' is not allowed access."}]}"#,
            "PM403",
        ),
        (
            412,
            r#"{"errors":[{"code":"PROJECTPOLICYVIOLATION","message":"current image with 3 vulnerabilities cannot be pulled"}]}"#,
            "PM406",
        ),
        (429, r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#, "PM401"),
        (502, "", "PM402"),
        (404, r#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}"#, "PM102"),
        (404, "", "PM102"),
    ] {
        let host = registry_saying(status, body).await;
        let said =
            why_alone(&bed, &["-n", "shop", "--allow-network", "127.0.0.0/8", "--image", &format!("{host}/app:1")])
                .await;
        assert_eq!(said.code_found(), code, "{status} {body}: {said:?}");
    }

    bed.stage.clouds.fail(Service::HubRegistry, Fault::Hang);
    let hanging = image("acme/app:1", &["--secret", "hub"]).await;
    assert_eq!(hanging.code_found(), "PM502", "{hanging:?}");
    bed.stage.clouds.heal(Service::HubRegistry);

    manifests(&bed).await;
    asked::every_kind_of_workload_is_looked_into(&bed).await;
    asked::manifests_come_through_a_pipe(&bed).await;
    asked::what_cannot_be_found_out_is_said_and_ends_with_1(&bed).await;
    audit(&bed).await;
    nodes::are_blamed_where_they_are_at_fault(&bed, &hub).await;
    bed.stage.clouds.set_pull_limit(0);
    let limited = image("acme/app:1", &["--secret", "hub"]).await;
    assert_eq!(limited.code_found(), "PM401", "{limited:?}");
}

/// A manifest is judged as its pods would be: with the ServiceAccount's Secrets, and in their namespaces.
async fn manifests(bed: &Bed) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let manifest = "kind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  template:\n    spec:\n      \
        imagePullSecrets: [{name: hub}]\n      containers: [{name: a, image: 'acme/app:1'}, {name: b, image: 'acme/app:9'}]\n";
    std::fs::write(file.path(), manifest).expect("written");
    let file = file.path().display().to_string();
    let said = bed.why(&["-f", &file, "--output", "json"]).await;
    assert_eq!(
        (said.json()["images"].as_u64(), said.json()["good"].as_u64(), said.code),
        (Some(2), Some(1), 3),
        "{said:?}"
    );
    assert_eq!(said.json()["findings"][0]["subjects"][0]["pod"], "Deployment/web");
    let lenient = bed.why(&["-f", &file, "--output", "json", "--fail-on", "PM302,PM401"]).await;
    assert_eq!(lenient.code, 0);
    let offline = bed.why(&["-f", &file, "--output", "json", "--offline"]).await;
    assert_eq!((offline.code, offline.json()["asked"].as_u64()), (0, Some(0)), "{offline:?}");
}

/// What runs today is asked for as a fresh node would.
async fn audit(bed: &Bed) {
    let pods: Api<Pod> = Api::namespaced(bed.client.clone(), "shop");
    for (name, image, secrets) in
        [("open", "acme/app:1", json!([{"name": "hub"}])), ("closed", "docker.io/acme/app:1", json!([]))]
    {
        let spec = json!({"imagePullSecrets": secrets, "containers": [{"name": "app", "image": image}]});
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).expect("a pod");
        pods.create(&PostParams::default(), &pod).await.expect("a pod");
    }
    let mut command = Command::new(PROGRAM);
    command.args(["audit", "-n", "shop", "--output", "json", "--ca-file"]).arg(bed.stage.internet.ca_file());
    let said = run({
        command.envs(bed.stage.env());
        command
    })
    .await;
    assert_eq!(
        (said.code_found().as_str(), said.json()["good"].as_u64(), said.code),
        ("PM202", Some(1), 3),
        "{said:?}"
    );
    assert_eq!(said.json()["findings"][0]["subjects"][0]["pod"], "closed");
}
