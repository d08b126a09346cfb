//! The image under the chart's own confinement: a real kubelet, its own address, the restricted profile enforced.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Binding, ConfigMap, Namespace, Pod, Secret, ServiceAccount};
use kube::api::{Api, ListParams, PostParams};
use kube::core::Status;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::process::Command;
use world::binaries::Program;
use world::clouds::{Service, seed};
use world::{Node, PodNetwork, Stage};

use crate::reader::Reader;
use crate::tools::{CHART, Ran, run};
use crate::{image, notes};

#[path = "pods/network.rs"]
mod network;

const PATIENCE: Duration = Duration::from_secs(180);

const HOME: &str = "pullmint";

const ECR_HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

struct Installation {
    stage: Stage,
    client: Client,
    values: Value,
    dir: tempfile::TempDir,
    /// The commands in what Helm said after the installation.
    notes: Vec<String>,
}

impl Installation {
    async fn prepare() -> Self {
        let stage = Stage::start_with_pod_network().await.expect("a stage");
        stage.push_images().await.expect("images");
        let dir = tempfile::tempdir().expect("a directory");
        let node = stage.world.node.as_ref().expect("a node");
        node.import(&image::archive(dir.path()).await).await.expect("an image");
        let client = stage.world.control_plane.client().await.expect("a client");
        let api_server = stage.world.control_plane.port().expect("a port");
        let values = json!({
            "settings": {"ca_file": "/run/files/company-ca/ca.pem"},
            "registries": {
                "ecr": {"provider": "ecr", "region": "eu-west-1", "accounts": ["123456789012"],
                    "namespaces": {"include": ["team-*"]}, "service_accounts": ["default"]},
            },
            "secretFiles": {"aws": "aws-identity"},
            "configFiles": {"company-ca": "company-ca"},
            "networkPolicy": {
                // Beside the defaults: what the API server and the proxy listen at.
                "egressPorts": [443, 6443, api_server, stage.internet.address().port()],
            },
            "extraEnv": [
                {"name": "HTTPS_PROXY", "value": stage.internet.proxy_url()},
                // What the webhook of EKS injects.
                {"name": "AWS_ROLE_ARN", "value": seed::AWS_ROLE},
                {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/run/secrets/aws/token"},
                {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"},
            ],
        });
        let installation = Self { stage, client, values, dir, notes: Vec::new() };
        installation.make_what_the_chart_expects().await;
        installation
    }

    /// The namespace and its own files: the confinement is enforced, not only wished for.
    async fn make_what_the_chart_expects(&self) {
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        self.create::<Namespace>(Api::all(self.client.clone()), json!({"metadata": {"name": HOME, "labels": labels}}))
            .await;
        let token = std::fs::read_to_string(&self.stage.files.aws_web_identity_token).expect("a token");
        let secret = json!({"metadata": {"name": "aws-identity"}, "stringData": {"token": token}});
        self.create::<Secret>(Api::namespaced(self.client.clone(), HOME), secret).await;
        let ca = std::fs::read_to_string(self.stage.internet.ca_file()).expect("a certificate");
        let ca = json!({"metadata": {"name": "company-ca"}, "data": {"ca.pem": ca}});
        self.create::<ConfigMap>(Api::namespaced(self.client.clone(), HOME), ca).await;
        for (prefix, count) in [("team", 2), ("monitoring", 1)] {
            world::create_namespaces(&self.client, prefix, count, &[]).await.expect("namespaces");
        }
    }

    async fn create<K>(&self, api: Api<K>, object: Value)
    where
        K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
    {
        let object = serde_json::from_value(object).expect("an object");
        api.create(&PostParams::default(), &object).await.expect("an object");
    }

    /// Helm with the values as they are now, and until all of it is ready.
    async fn helm(&self, verb: &str) -> Ran {
        let file = self.dir.path().join("values.json");
        std::fs::write(&file, self.values.to_string()).expect("a file");
        let file = file.to_str().expect("a path");
        let args = [verb, "pullmint", CHART, "--namespace", HOME, "--values", file, "--wait", "--timeout", "5m"];
        self.run(Program::Helm, &args).await
    }

    async fn run(&self, program: Program, args: &[&str]) -> Ran {
        run(program, &self.stage.world.control_plane.kubeconfig(), args).await
    }

    fn node(&self) -> &Node {
        self.stage.world.node.as_ref().expect("a node")
    }

    fn network(&self) -> &PodNetwork {
        self.node().network().expect("a network for pods")
    }

    async fn upgrade(&self) {
        let upgraded = self.helm("upgrade").await;
        assert!(upgraded.ok, "{}{}\n{}", upgraded.out, upgraded.err, self.logs());
    }

    /// The names and addresses of pullmint's pods.
    async fn pods(&self) -> BTreeSet<(String, String)> {
        let pods = Api::<Pod>::namespaced(self.client.clone(), HOME);
        let pods = pods.list(&ListParams::default().labels("app.kubernetes.io/name=pullmint")).await.expect("pods");
        let address = |pod: &Pod| pod.status.as_ref().and_then(|status| status.pod_ip.clone()).unwrap_or_default();
        pods.iter().map(|pod| (pod.name_any(), address(pod))).collect()
    }

    /// Somebody who does what the pages say, with any of the pods.
    async fn reader(&self) -> Reader {
        let (pod, _) = self.pods().await.pop_first().expect("a pod");
        Reader::new(self.stage.world.control_plane.kubeconfig(), pod).await
    }

    /// Every pod has its metrics, and one of two leads.
    async fn tells_who_leads(&self) {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let leads = async || {
            let mut told = Vec::new();
            for (_, address) in self.pods().await {
                let metrics =
                    http.get(format!("http://{address}:8080/metrics")).send().await.ok()?.text().await.ok()?;
                told.extend(metrics.lines().filter(|line| line.starts_with("pullmint_leader ")).map(str::to_owned));
            }
            told.sort();
            (told == ["pullmint_leader 0.0", "pullmint_leader 1.0"]).then_some(())
        };
        self.until("one of two pods that leads", leads).await;
    }

    async fn secret(&self, namespace: &str, name: &str) -> Secret {
        let secrets = Api::<Secret>::namespaced(self.client.clone(), namespace);
        self.until(&format!("Secret {namespace}/{name}"), async || secrets.get_opt(name).await.expect("an answer"))
            .await
    }

    async fn until<T>(&self, what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
        match world::look_for(PATIENCE, Duration::from_millis(100), ask).await {
            Some(answer) => answer,
            None => panic!("not within {} s: {what}\n{}", PATIENCE.as_secs(), self.logs()),
        }
    }

    /// What the pods said, for the one who has to find out what went wrong.
    fn logs(&self) -> String {
        let node = self.node().name();
        let mut text = String::new();
        read_logs(&self.stage.world.dir.path().join(node).join("pods"), &mut text);
        text
    }
}

fn read_logs(dir: &Path, text: &mut String) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => read_logs(&path, text),
            path => text.push_str(&std::fs::read_to_string(path).unwrap_or_default()),
        }
    }
}

/// The password in a pull Secret.
fn password(secret: &Secret, host: &str) -> String {
    let bytes = &secret.data.as_ref().expect("data")[".dockerconfigjson"].0;
    let config: Value = serde_json::from_slice(bytes).expect("JSON");
    config["auths"][host]["password"].as_str().expect("a password").to_owned()
}

#[tokio::test]
async fn the_image_serves_from_confined_pods_through_an_upgrade_and_leaves_as_the_chart_says() {
    for available in [Node::available(), PodNetwork::available()] {
        if let Err(why) = available {
            return world::skip(&why);
        }
    }
    let mut installation = Installation::prepare().await;
    let scheduler = schedule(installation.client.clone(), installation.node().name().to_owned());
    tokio::select! {
        () = scheduler => {}
        () = live(&mut installation) => {}
    }
}

async fn live(installation: &mut Installation) {
    comes_up_and_serves(installation).await;
    network::is_confined(installation).await;
    takes_up_a_changed_configuration_by_itself(installation).await;
    tells_why_a_secret_is_missing(installation).await;
    is_replaced_and_the_secrets_live_on(installation).await;
    leaves(installation).await;
}

async fn comes_up_and_serves(installation: &mut Installation) {
    let installed = installation.helm("install").await;
    assert!(installed.ok, "{}{}\n{}", installed.out, installed.err, installation.logs());
    installation.notes = notes::commands(&installed.out);
    for namespace in ["team-0", "team-1"] {
        let secret = installation.secret(namespace, "pullmint-ecr").await;
        assert!(installation.stage.clouds.is_live(&password(&secret, ECR_HOST)), "{namespace}");
    }
    let accounts = Api::<ServiceAccount>::namespaced(installation.client.clone(), "team-0");
    let names_it = async || {
        let account = accounts.get("default").await.expect("an account");
        account.image_pull_secrets?.into_iter().find(|secret| secret.name == "pullmint-ecr")
    };
    installation.until("a ServiceAccount that names the Secret", names_it).await;
    installation.tells_who_leads().await;
    installation.reader().await.does_what_needs_a_node(&installation.notes).await;
}

async fn takes_up_a_changed_configuration_by_itself(installation: &mut Installation) {
    let before = installation.pods().await;
    let refused = json!({
        "provider": "ecr", "region": "eu-west-1", "accounts": ["210987654321"], "secret": "pullmint-refused",
        "role_arn": "arn:aws:iam::210987654321:role/nobody",
    });
    installation.values["registries"]["public"] = json!({"provider": "ecr-public"});
    installation.values["registries"]["refused"] = refused;
    installation.upgrade().await;
    installation.secret("team-0", "pullmint-public").await;
    let reader = installation.reader().await;
    installation.until("the failed renewal in the log", async || reader.finds("renewal failed").await).await;
    assert_eq!(reader.finds("helm test").await, None, "the chart's own test fails, too");
    let told = reader.finds("logs pullmint-check").await.expect("a pod that stays");
    assert!(told.lines().any(|line| line.starts_with("FAILED   refused")), "{told}");
    assert_eq!(installation.pods().await, before);
}

/// The command finds the pods that run, and what keeps them from writing the Secret.
async fn tells_why_a_secret_is_missing(installation: &mut Installation) {
    let acr = json!({"provider": "acr", "login_servers": ["acme.azurecr.io"], "identity": "workload-identity"});
    installation.values["registries"]["acr"] = acr;
    installation.upgrade().await;
    let kubeconfig = installation.stage.world.control_plane.kubeconfig();
    let image = ["--image", "acme.azurecr.io/team/app:1", "--secret", "pullmint-acr", "--namespace", "team-0"];
    let told = async || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pullmint"));
        command.arg("why").args(image).args(["--offline", "--output", "json", "--kubeconfig"]).arg(&kubeconfig);
        let said = command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("an end");
        let report: Value = serde_json::from_slice(&said.stdout).expect("JSON");
        assert_eq!(report["findings"][0]["code"], "PM201", "{report:#}");
        let seen = report["findings"][0]["evidence"][0].as_str()?.to_owned();
        seen.starts_with("pullmint in namespace pullmint says: the renewal of registry acr has failed").then_some(seen)
    };
    let seen = installation.until("pullmint's own word", told).await;
    assert!(seen.contains("; to do: "), "{seen}");
    installation.values["registries"].as_object_mut().expect("registries").remove("acr");
}

async fn is_replaced_and_the_secrets_live_on(installation: &mut Installation) {
    let before = (installation.pods().await, installation.secret("team-0", "pullmint-ecr").await);
    let minted = |installation: &Installation| {
        [Service::Ecr, Service::EcrPublic].map(|service| installation.stage.clouds.mints(service))
    };
    let mints = minted(installation);
    installation.values["restartOnConfigChange"] = json!(true);
    installation.values["settings"]["concurrency"] = json!(8);
    installation.upgrade().await;
    let replaced = async || {
        let pods = installation.pods().await;
        (pods.len() == 2 && pods.is_disjoint(&before.0)).then_some(())
    };
    installation.until("two other pods", replaced).await;
    // The new pods took the credentials over from the old ones.
    let after = installation.secret("team-0", "pullmint-ecr").await;
    assert_eq!(before.1.metadata.uid, after.metadata.uid);
    assert_eq!(password(&before.1, ECR_HOST), password(&after, ECR_HOST));
    assert_eq!(minted(installation), mints);
    installation.tells_who_leads().await;
}

async fn leaves(installation: &Installation) {
    let gone = installation.run(Program::Helm, &["uninstall", "pullmint", "--namespace", HOME, "--wait"]).await;
    assert!(gone.ok, "{}{}", gone.out, gone.err);
    let kinds = "all,configmaps,secrets,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,\
        clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings";
    let selector = "app.kubernetes.io/name=pullmint";
    let get = ["get", kinds, "--all-namespaces", "--selector", selector, "--output", "name"];
    // The pods take their time.
    let nothing = async || installation.run(Program::Kubectl, &get).await.out().is_empty().then_some(());
    installation.until("nothing left of the chart", nothing).await;
    let owned = ["get", "secrets", "--all-namespaces", "--selector", "pullmint.dev/owner=pullmint", "--output", "name"];
    let left = installation.run(Program::Kubectl, &owned).await.out();
    assert!(left.contains("secret/pullmint-ecr"), "pods go on pulling: {left}");
    leaves_nothing_of_its_own(installation).await;
}

/// What no label of the chart finds: the notes name it all, with the command that removes it.
async fn leaves_nothing_of_its_own(installation: &Installation) {
    let kinds = "secrets,leases,configmaps,serviceaccounts,endpointslices,poddisruptionbudgets,roles,rolebindings";
    let no_pull_secret = "pullmint.dev/owner!=pullmint";
    let get = ["get", kinds, "--namespace", HOME, "--selector", no_pull_secret, "--output", "name"];
    let own = async || {
        let left = installation.run(Program::Kubectl, &get).await.out();
        left.lines().filter(|name| name.contains("pullmint")).map(str::to_owned).collect::<Vec<_>>()
    };
    // What a Service had is collected a moment after it.
    let named = async || (own().await == ["secret/pullmint-state", "lease.coordination.k8s.io/pullmint"]).then_some(());
    installation.until("nothing left but what the notes name", named).await;
    let remove = installation.notes.iter().find(|command| command.starts_with("kubectl delete")).expect("a command");
    let reader = Reader::new(installation.stage.world.control_plane.kubeconfig(), String::new()).await;
    reader.does("the notes", remove).await;
    assert!(own().await.is_empty());
}

/// Does the scheduler's work: there is one node.
async fn schedule(client: Client, node: String) {
    let all = Api::<Pod>::all(client.clone());
    loop {
        let unscheduled = all.list(&ListParams::default().fields("spec.nodeName=")).await;
        for pod in unscheduled.into_iter().flatten() {
            let (namespace, name) = (pod.namespace().expect("a namespace"), pod.name_any());
            let binding = json!({"metadata": {"name": name}, "target": {"kind": "Node", "name": node}});
            let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
            let binding: Binding = serde_json::from_value(binding).expect("a binding");
            // It may have been deleted meanwhile.
            pods.create_subresource::<_, Status>("binding", &name, &PostParams::default(), &binding).await.ok();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
