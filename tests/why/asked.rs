//! What can be asked about, and what is said where nothing can be found out.

use kube::Api;
use kube::api::{DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::json;
use tokio::process::Command;

use crate::bed::{Bed, PROGRAM, Said, run};

/// In a cluster where namespace `shop` has the Docker Hub credential `hub`, and Docker Hub no tag 9 of acme/app.
pub(crate) async fn every_kind_of_workload_is_looked_into(bed: &Bed) {
    for (short, kind, group) in [
        ("deploy", "Deployment", "apps"),
        ("sts", "StatefulSet", "apps"),
        ("ds", "DaemonSet", "apps"),
        ("rs", "ReplicaSet", "apps"),
        ("rc", "ReplicationController", ""),
        ("job", "Job", "batch"),
        ("cj", "CronJob", "batch"),
    ] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        let api: Api<DynamicObject> = Api::namespaced_with(bed.client.clone(), "shop", &resource);
        api.create(&PostParams::default(), &workload(kind)).await.expect("a workload");
        let said = bed.why(&[&format!("{short}/idle"), "-n", "shop", "--output", "json"]).await;
        assert_eq!((said.code_found().as_str(), said.code), ("PM103", 3), "{short}: {said:?}");
        assert_eq!(said.json()["findings"][0]["subjects"][0]["pod"], format!("{kind}/idle"));
    }
}

/// A workload that makes no pod for now.
fn workload(kind: &str) -> DynamicObject {
    let labels = json!({"app": format!("idle-{}", kind.to_lowercase())});
    let spec = json!({
        "imagePullSecrets": [{"name": "hub"}], "containers": [{"name": "app", "image": "acme/app:9"}],
        "restartPolicy": if kind.ends_with("Job") || kind == "CronJob" { "Never" } else { "Always" },
        "nodeSelector": {"no": "node"},
    });
    let template = json!({"metadata": {"labels": labels}, "spec": spec});
    let selector = match kind {
        "ReplicationController" => labels,
        _ => json!({"matchLabels": labels}),
    };
    let spec = match kind {
        "CronJob" => json!({"schedule": "@yearly", "suspend": true, "jobTemplate": {"spec": {"template": template}}}),
        "Job" => json!({"suspend": true, "template": template}),
        "DaemonSet" => json!({"selector": selector, "template": template}),
        "StatefulSet" => json!({"replicas": 0, "serviceName": "idle", "selector": selector, "template": template}),
        _ => json!({"replicas": 0, "selector": selector, "template": template}),
    };
    let version = match kind {
        "Job" | "CronJob" => "batch/v1",
        "ReplicationController" => "v1",
        _ => "apps/v1",
    };
    let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "idle"}, "spec": spec});
    serde_json::from_value(object).expect("an object")
}

/// Several documents on standard input.
pub(crate) async fn manifests_come_through_a_pipe(bed: &Bed) {
    let pod = |name: &str, image: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  \
             imagePullSecrets: [{{name: hub}}]\n  containers: [{{name: app, image: '{image}'}}]\n"
        )
    };
    let manifest = format!(
        "{}---\nkind: Service\nmetadata: {{name: web}}\n---\n{}",
        pod("a", "acme/app:1"),
        pod("b", "acme/app:9")
    );
    let ca = bed.stage.internet.ca_file().display().to_string();
    let mut command = Command::new("sh");
    let line = "printf %s \"$MANIFEST\" | \"$PROGRAM\" why -f - --output short --ca-file \"$CA\"";
    command.args(["-c", line]).envs(bed.stage.env()).env("MANIFEST", manifest).env("PROGRAM", PROGRAM).env("CA", ca);
    let said = run(command).await;
    assert_eq!((said.code, said.out.lines().count()), (3, 1), "{said:?}");
    assert!(said.out.starts_with("PM103 shop/Pod/b: "), "{said:?}");
}

pub(crate) async fn what_cannot_be_found_out_is_said_and_ends_with_1(bed: &Bed) {
    let nobody =
        bed.stage.world.control_plane.kubeconfig_for_service_account("shop", "default").await.expect("a kubeconfig");
    let nobody = nobody.display().to_string();
    for (args, kubeconfig, words) in [
        (&["web", "-n", "shop"][..], None, "in another namespace (-n)"),
        (&["deploy/web", "-n", "shop"], None, "in another namespace (-n)"),
        (&["--context", "elsewhere"], None, "could not use the kubeconfig"),
        (&["--kubeconfig", "/nowhere"], None, "could not use the kubeconfig"),
        (&["-n", "shop"], Some("/nowhere"), "found no cluster"),
        (&["-n", "shop"], Some(nobody.as_str()), "cannot list resource \"pods\""),
        (&["-n", "shop", "--timeout", "0"], None, "not done within 0 s"),
    ] {
        let said = asked_as(bed, args, kubeconfig).await;
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{args:?}: {said:?}");
        assert!(said.err.contains(words), "{args:?}: {said:?}");
    }
    let empty = bed.why(&["-n", "nowhere"]).await;
    assert!(empty.code == 0 && empty.out.contains("there are no pods"), "{empty:?}");
}

async fn asked_as(bed: &Bed, args: &[&str], kubeconfig: Option<&str>) -> Said {
    let mut command = Command::new(PROGRAM);
    command.arg("why").args(args).envs(bed.stage.env());
    if let Some(kubeconfig) = kubeconfig {
        command.env("KUBECONFIG", kubeconfig);
    }
    run(command).await
}
