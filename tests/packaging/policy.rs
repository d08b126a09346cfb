//! Even with a stolen token of pullmint's, the API server lets nobody write anything but its pull Secrets.
//!
//! The thief here has more rights than pullmint's roles give, so that it is the policy alone that stands in the way.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Error};
use serde_json::{Value, json};
use world::binaries::Program;

use crate::tools::{CHART, run, values};

const PATIENCE: Duration = Duration::from_secs(30);

/// A pullmint that is installed in the namespace `home` and serves one more, and somebody who has its token.
struct Theft {
    home: &'static str,
    tenant: String,
    admin: Client,
    thief: Client,
}

impl Theft {
    async fn of(home: &'static str) -> Self {
        let plane = &world::shared().await.expect("a world").control_plane;
        let set = "replicas=0,registries.ecr.service_accounts={app}";
        let args = ["install", "pullmint", CHART, "--namespace", home, "--create-namespace", "--set", set];
        let values = values("eks");
        run(Program::Helm, &plane.kubeconfig(), &[&args[..], &["--values", &values]].concat()).await.out();
        let admin = plane.client().await.expect("a client");
        let tenant = world::create_namespaces(&admin, home, 1, &[]).await.expect("a namespace").remove(0);
        let token = plane.kubeconfig_for_service_account(home, "pullmint").await.expect("a token");
        let thief = world::client(&token).await.expect("a client");
        let theft = Self { home, tenant, admin, thief };
        theft.grant_everything().await;
        theft.until_in_force().await;
        theft
    }

    async fn grant_everything(&self) {
        let name = format!("{}-thief", self.home);
        let role = json!({
            "metadata": {"name": name},
            "rules": [{"apiGroups": [""], "resources": ["secrets", "serviceaccounts", "pods"], "verbs": ["*"]}],
        });
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": "pullmint", "namespace": self.home}],
        });
        let role: ClusterRole = serde_json::from_value(role).expect("a role");
        let binding: ClusterRoleBinding = serde_json::from_value(binding).expect("a binding");
        Api::all(self.admin.clone()).create(&PostParams::default(), &role).await.expect("a role");
        Api::all(self.admin.clone()).create(&PostParams::default(), &binding).await.expect("a binding");
    }

    /// The API server takes up roles and policies a moment after they are made.
    async fn until_in_force(&self) {
        let trial = json!({"metadata": {"name": "trial"}, "imagePullSecrets": []});
        let trial: ServiceAccount = serde_json::from_value(trial).expect("an account");
        let params = PostParams { dry_run: true, ..PostParams::default() };
        let accounts = Api::namespaced(self.thief.clone(), &self.tenant);
        let pod =
            self.pod(json!({"metadata": {"name": "trial"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}));
        let pod = pod.await;
        let denied = async || {
            let secret = self.secret("trial");
            let secret = self.apply_as(&self.tenant, &secret, &PatchParams::apply("pullmint").dry_run()).await;
            let account = accounts.create(&params, &trial).await;
            let pod = self.try_to_delete(&pod).await;
            is_denied(&secret).is_some() && is_denied(&account).is_some() && is_denied(&pod).is_some()
        };
        let waiting = async {
            while !denied().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("a policy in force");
    }

    /// A pull Secret as pullmint writes it.
    fn secret(&self, name: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "labels": {"app.kubernetes.io/managed-by": "pullmint", "pullmint.dev/owner": self.home},
            },
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": "eyJhdXRocyI6e319"},
        })
    }

    /// Applies with force, as pullmint does with what is its own.
    async fn apply(&self, secret: &Value) -> Result<Secret, Error> {
        self.apply_as(&self.tenant, secret, &PatchParams::apply("pullmint").force()).await
    }

    async fn apply_as(&self, namespace: &str, secret: &Value, params: &PatchParams) -> Result<Secret, Error> {
        let name = secret["metadata"]["name"].as_str().expect("a name");
        Api::namespaced(self.thief.clone(), namespace).patch(name, params, &Patch::Apply(secret)).await
    }

    async fn delete(&self, name: &str) -> Result<(), Error> {
        let secrets = Api::<Secret>::namespaced(self.thief.clone(), &self.tenant);
        secrets.delete(name, &DeleteParams::default()).await.map(drop)
    }

    /// A pod that somebody else makes.
    async fn pod(&self, pod: Value) -> Pod {
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let pods = Api::<Pod>::namespaced(self.admin.clone(), &self.tenant);
        let made = async {
            loop {
                // Pods are refused until their ServiceAccount is there.
                match pods.create(&PostParams::default(), &pod).await {
                    Ok(pod) => return pod,
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, made).await.expect("a pod")
    }

    /// A pod of a controller that makes one.
    async fn made_by(&self, kind: &str, name: &str, spec: Value) -> Pod {
        let group = if kind == "Job" { "batch" } else { "apps" };
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        let controllers: Api<DynamicObject> = Api::namespaced_with(self.admin.clone(), &self.tenant, &resource);
        let controller = DynamicObject::new(name, &resource).data(json!({"spec": spec}));
        controllers.create(&PostParams::default(), &controller).await.expect("a controller");
        let pods = Api::<Pod>::namespaced(self.admin.clone(), &self.tenant);
        let made = async {
            loop {
                let all = pods.list(&ListParams::default()).await.expect("pods").items;
                let owners = |pod: &Pod| pod.metadata.owner_references.clone().unwrap_or_default();
                match all.into_iter().find(|pod| owners(pod).iter().any(|owner| owner.name == name)) {
                    Some(pod) => return pod,
                    None => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, made).await.expect("a pod")
    }

    /// What a kubelet says of a pod.
    async fn is(&self, pod: &Pod, status: Value) {
        let pods = Api::<Pod>::namespaced(self.admin.clone(), &self.tenant);
        let (name, params) = (pod.metadata.name.as_deref().expect("a name"), PatchParams::default());
        pods.patch_status(name, &params, &Patch::Merge(json!({"status": status}))).await.expect("a status");
    }

    /// Without doing it.
    async fn try_to_delete(&self, pod: &Pod) -> Result<(), Error> {
        let pods = Api::<Pod>::namespaced(self.thief.clone(), &self.tenant);
        let params = DeleteParams { dry_run: true, ..DeleteParams::default() };
        pods.delete(pod.metadata.name.as_deref().expect("a name"), &params).await.map(drop)
    }

    /// Somebody else's Secret, in place of the one that may be there.
    async fn foreign(&self, secret: &Value) {
        let secrets = Api::<Secret>::namespaced(self.admin.clone(), &self.tenant);
        let name = secret["metadata"]["name"].as_str().expect("a name");
        secrets.delete(name, &DeleteParams::default()).await.ok();
        let secret = serde_json::from_value(secret.clone()).expect("a Secret");
        secrets.create(&PostParams::default(), &secret).await.expect("a Secret");
    }
}

/// The policy's words, if it was the policy.
fn is_denied<T>(answer: &Result<T, Error>) -> Option<&str> {
    match answer {
        Err(Error::Api(status)) if status.code == 403 => status.message.split("denied request: ").nth(1),
        _ => None,
    }
}

#[track_caller]
fn assert_denied<T: std::fmt::Debug>(answer: &Result<T, Error>, words: &str) {
    assert!(is_denied(answer).is_some_and(|said| said.contains(words)), "{words}: {answer:?}");
}

#[tokio::test]
async fn all_of_pullmints_own_work_passes() {
    let theft = Theft::of("policed-work").await;
    let secret = theft.secret("pullmint-ecr");
    theft.apply(&secret).await.expect("created");
    let mut rotated = secret.clone();
    rotated["metadata"]["annotations"] = json!({"pullmint.dev/minted-at": "2030-01-01T00:00:00Z"});
    theft.apply(&rotated).await.expect("rotated");
    let unlabelled = json!({"metadata": {"labels": null}, "data": {".dockerconfigjson": "e30="}});
    let secrets = Api::<Secret>::namespaced(theft.admin.clone(), &theft.tenant);
    secrets.patch("pullmint-ecr", &PatchParams::default(), &Patch::Merge(unlabelled)).await.expect("an edit");
    theft.apply(&secret).await.expect("repaired");
    theft.delete("pullmint-ecr").await.expect("deleted");

    let mut consenting = theft.secret("pullmint-ecr");
    consenting["metadata"]["labels"] = Value::Null;
    consenting["metadata"]["annotations"] = json!({"pullmint.dev/adopt": "true"});
    theft.foreign(&consenting).await;
    theft.apply(&secret).await.expect("adopted");

    consenting["data"]["theirs"] = json!("e30=");
    theft.foreign(&consenting).await;
    for done in ["adopted", "renewed"] {
        let secret = theft.apply(&secret).await.expect(done);
        assert_eq!(secret.data.expect("data").len(), 2, "theirs stays");
    }

    let mut state = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pullmint-state"}});
    state["type"] = json!("pullmint.dev/state");
    state["data"] = json!({"ecr": "e30="});
    let params = PatchParams::apply("pullmint").force();
    theft.apply_as(theft.home, &state, &params).await.expect("saved");
    theft.apply_as(theft.home, &state, &params).await.expect("saved again");
}

#[tokio::test]
async fn no_secret_passes_that_is_not_a_pull_secret_of_the_configuration() {
    let theft = Theft::of("policed-kinds").await;
    assert_denied(&theft.apply(&theft.secret("other")).await, "only the Secrets that its configuration names");
    for (path, value, words) in [
        ("/type", json!("Opaque"), "only Secrets of type kubernetes.io/dockerconfigjson"),
        ("/data/more", json!("e30="), "no key of a Secret but .dockerconfigjson"),
        ("/metadata/labels/pullmint.dev~1owner", json!("other"), "only Secrets that are labelled as its own"),
        ("/metadata/labels/app.kubernetes.io~1managed-by", json!("Helm"), "only Secrets that are labelled as its own"),
    ] {
        let mut secret = theft.secret("pullmint-ecr");
        let (parent, key) = path.rsplit_once('/').expect("a path");
        secret.pointer_mut(parent).expect("a parent")[key.replace("~1", "/")] = value;
        assert_denied(&theft.apply(&secret).await, words);
    }
    let mut keys = theft.secret("pullmint-ecr");
    theft.apply(&keys).await.expect("a pull Secret");
    let secrets = |client: &Client| Api::<Secret>::namespaced(client.clone(), &theft.tenant);
    let patch = async |secrets: Api<Secret>, data: Value| {
        let patch = json!({"data": data});
        secrets.patch("pullmint-ecr", &PatchParams::default(), &Patch::Merge(patch)).await
    };
    patch(secrets(&theft.admin), json!({"theirs": "e30="})).await.expect("a tenant's own key");
    for wrong in [json!({"more": "e30="}), json!({"theirs": "W10="}), json!({"theirs": null})] {
        assert_denied(&patch(secrets(&theft.thief), wrong).await, "no key of a Secret but .dockerconfigjson");
    }
    keys["data"]["more"] = json!("e30=");
    assert_denied(&theft.apply(&keys).await, "no key of a Secret but .dockerconfigjson");

    let mut state = theft.secret("pullmint-state");
    let params = PatchParams::apply("pullmint").force();
    let elsewhere = theft.apply_as(&theft.tenant, &state, &params).await;
    assert_denied(&elsewhere, "only the Secrets that its configuration names");
    state["type"] = json!("Opaque");
    let opaque = theft.apply_as(theft.home, &state, &params).await;
    assert_denied(&opaque, "only the Secrets that its configuration names");
}

#[tokio::test]
async fn no_secret_of_somebody_else_is_taken_over_or_deleted() {
    let theft = Theft::of("policed-foreign").await;
    let ours = theft.secret("pullmint-ecr");
    let mut opaque = ours.clone();
    opaque["metadata"]["labels"] = Value::Null;
    let mut other_pullmint = ours.clone();
    other_pullmint["metadata"]["labels"]["pullmint.dev/owner"] = json!("elsewhere");
    let mut consent_is_spent = opaque.clone();
    consent_is_spent["metadata"]["annotations"] = json!({"pullmint.dev/adopt": "done"});
    // A copy of ours that somebody made is somebody's.
    for foreign in [opaque, other_pullmint, consent_is_spent, ours.clone()] {
        theft.foreign(&foreign).await;
        assert_denied(&theft.apply(&ours).await, "takes over a Secret only if");
        assert_denied(&theft.delete("pullmint-ecr").await, "deletes only its own Secrets");
    }
}

#[tokio::test]
async fn of_a_service_account_only_the_pull_secrets_change_and_only_by_pullmints_own() {
    let theft = Theft::of("policed-accounts").await;
    let account = json!({
        "metadata": {"name": "app", "labels": {"team": "web"}, "annotations": {"note": "theirs"}},
        "imagePullSecrets": [{"name": "theirs"}],
    });
    let account: ServiceAccount = serde_json::from_value(account).expect("an account");
    let admins = Api::<ServiceAccount>::namespaced(theft.admin.clone(), &theft.tenant);
    admins.create(&PostParams::default(), &account).await.expect("an account");
    let accounts = Api::<ServiceAccount>::namespaced(theft.thief.clone(), &theft.tenant);
    let patch = async |patch: Value| accounts.patch("app", &PatchParams::default(), &Patch::Merge(patch)).await;

    let note = json!({"pullmint.dev/added-image-pull-secrets": "pullmint/pullmint-ecr"});
    let both = json!([{"name": "theirs"}, {"name": "pullmint-ecr"}]);
    patch(json!({"metadata": {"annotations": note}, "imagePullSecrets": both})).await.expect("added");
    let only_pull_secrets = "only the imagePullSecrets of a ServiceAccount";
    let only_its_own = "only its own Secrets in imagePullSecrets";
    for (wrong, words) in [
        (json!({"metadata": {"labels": {"team": "other"}}}), only_pull_secrets),
        (json!({"metadata": {"annotations": {"note": "ours"}}}), only_pull_secrets),
        (json!({"metadata": {"annotations": {"note": null}}}), only_pull_secrets),
        (json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": "x"}}}), only_pull_secrets),
        (json!({"automountServiceAccountToken": true}), only_pull_secrets),
        (json!({"secrets": [{"name": "theirs"}]}), only_pull_secrets),
        (json!({"imagePullSecrets": [{"name": "pullmint-ecr"}]}), only_its_own),
        (json!({"imagePullSecrets": [{"name": "theirs"}, {"name": "another"}]}), only_its_own),
    ] {
        assert_denied(&patch(wrong).await, words);
    }
    let theirs = json!({"metadata": {"annotations": null}, "imagePullSecrets": [{"name": "theirs"}]});
    assert_denied(&patch(theirs).await, only_pull_secrets);
    let back = json!({"metadata": {"annotations": {"pullmint.dev/added-image-pull-secrets": null}},
        "imagePullSecrets": [{"name": "theirs"}]});
    patch(back).await.expect("taken back");
    let gone = accounts.delete("app", &DeleteParams::default()).await;
    assert_denied(&gone, "neither makes nor deletes ServiceAccounts");
}

#[tokio::test]
async fn no_pod_is_deleted_that_runs_or_waits_for_something_else_or_would_be_lost() {
    let theft = Theft::of("policed-pods").await;
    let container = |state: Value| json!([{"name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state}]);
    let refused =
        || json!({"phase": "Pending", "containerStatuses": container(json!({"waiting": {"reason": "ErrImagePull"}}))});
    let template = |app: &str, secret: &str| {
        let spec = json!({"containers": [{"name": "app", "image": "app"}], "imagePullSecrets": [{"name": secret}]});
        json!({"metadata": {"labels": {"app": app}}, "spec": spec})
    };
    let set = |app: &str, secret: &str| json!({"selector": {"matchLabels": {"app": app}}, "serviceName": app, "template": template(app, secret)});
    for kind in ["ReplicaSet", "StatefulSet"] {
        let name = kind.to_lowercase();
        let mut spec = set(&name, "pullmint-ecr");
        if kind == "ReplicaSet" {
            spec.as_object_mut().expect("a spec").remove("serviceName");
        }
        let pod = theft.made_by(kind, &name, spec).await;
        assert_denied(&theft.try_to_delete(&pod).await, "only pods whose image was refused");
        theft.is(&pod, refused()).await;
        theft.try_to_delete(&pod).await.expect("what recovery does");
        let running = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
        let mut restarted = container(json!({"waiting": {"reason": "ErrImagePull"}}));
        restarted[0]["restartCount"] = json!(1);
        for started in [
            json!({"phase": "Running"}),
            json!({"phase": "Pending", "initContainerStatuses": container(running)}),
            json!({"phase": "Pending", "initContainerStatuses": container(json!({"terminated": {"exitCode": 0}}))}),
            json!({"phase": "Pending", "initContainerStatuses": null, "containerStatuses": restarted}),
        ] {
            theft.is(&pod, started).await;
            assert_denied(&theft.try_to_delete(&pod).await, "only Pending pods of which no container runs or has run");
        }
    }
    let mut other = set("other", "theirs");
    other.as_object_mut().expect("a spec").remove("serviceName");
    let other = theft.made_by("ReplicaSet", "other", other).await;
    theft.is(&other, refused()).await;
    assert_denied(&theft.try_to_delete(&other).await, "only pods that name one of its Secrets");

    let mut once = template("once", "pullmint-ecr");
    once["spec"]["restartPolicy"] = json!("Never");
    let once = theft.made_by("Job", "once", json!({"template": once})).await;
    let bare = theft.pod(json!({"metadata": {"name": "bare"}, "spec": template("bare", "pullmint-ecr")["spec"]})).await;
    for lost in [once, bare] {
        theft.is(&lost, refused()).await;
        assert_denied(&theft.try_to_delete(&lost).await, "only pods whose controller makes them again");
    }
}

#[tokio::test]
async fn the_api_server_finds_nothing_doubtful_in_the_policies() {
    let theft = Theft::of("policed-types").await;
    let policies = Api::<ValidatingAdmissionPolicy>::all(theft.admin.clone());
    for name in
        ["pullmint-policed-types-secrets", "pullmint-policed-types-service-accounts", "pullmint-policed-types-pods"]
    {
        let checked = async {
            loop {
                let policy = policies.get(name).await.expect("a policy");
                if let Some(checked) = policy.status.and_then(|status| status.type_checking) {
                    return checked.expression_warnings;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let warnings = tokio::time::timeout(PATIENCE, checked).await.expect("a check in time");
        assert_eq!(warnings.unwrap_or_default(), [], "{name}");
    }
}
