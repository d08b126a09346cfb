//! The whole way: real pods on a real node, the real registry, and the program under exactly the printed roles.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod, Secret, ServiceAccount};
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::process::Command;
use world::process::Process;
use world::{Node, Stage};

use crate::bed::until;

const PROGRAM: &str = env!("CARGO_BIN_EXE_pullmint");
const ECR: &str = "provider = \"ecr\"\nregion = \"eu-west-1\"\naccounts = [\"123456789012\"]\n";
const ECR_HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
/// Somebody's own Secret, which is none of pullmint's business.
const CANARY: &str = "CANARY-of-the-story";

struct Story {
    stage: Stage,
    client: Client,
}

impl Story {
    async fn begin() -> Self {
        let mut stage = Stage::start(true).await.expect("a stage");
        stage.push_images().await.expect("images");
        let client = stage.world.control_plane.client().await.expect("a client");
        stage.world.control_plane.kubeconfig_in("pullmint").await.expect("a home");
        world::create_namespaces(&client, "shop", 2, &[]).await.expect("namespaces");
        stage.configure("ecr.toml", ECR).expect("a file");
        stage.configure("pullmint.toml", &common("[pulls]\nexplain = true\n")).expect("a file");
        let printed = Command::new(PROGRAM)
            .args(["rbac", "--namespace", "pullmint", "--config"])
            .arg(stage.config())
            .output()
            .await;
        let printed = String::from_utf8(printed.expect("a start").stdout).expect("UTF-8");
        for document in printed.split("---\n").filter(|document| !document.is_empty()) {
            let object: DynamicObject = serde_saphyr::from_str(document).expect("an object");
            world::apply(&client, &object, &PatchParams::apply("test")).await.expect("an applied object");
        }
        let plane = &stage.world.control_plane;
        let kubeconfig = plane.kubeconfig_for_service_account("pullmint", "pullmint").await.expect("a kubeconfig");
        stage.identify_to_cluster(kubeconfig);
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "shop-0");
        until("a ServiceAccount", async || accounts.get_opt("default").await.expect("an answer")).await;
        Self { stage, client }
    }

    fn run(&self) -> Process {
        self.stage.pullmint("pullmint", Path::new(PROGRAM), &["run"]).start().expect("pullmint starts")
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), "shop-0")
    }

    async fn pod(&self, name: &str, image: &str, secret: &str) {
        let node = self.stage.world.node.as_ref().expect("a node");
        let pod = node.pod("shop-0", name, image, &[secret]);
        self.pods().create(&PostParams::default(), &pod).await.expect("a pod");
    }

    async fn secret(&self, name: &str) -> Secret {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), "shop-0");
        until(name, async || secrets.get_opt(name).await.expect("an answer")).await
    }

    /// What the admin server answers.
    async fn ask(&self, path: &str) -> String {
        let address = until("an address", async || {
            let log = self.log();
            let line = log.lines().find(|line| line.contains("serving metrics"))?;
            line.split_whitespace().find_map(|word| word.strip_prefix("address=").map(str::to_owned))
        });
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = client.get(format!("http://{}{path}", address.await)).send().await.expect("an answer");
        answer.text().await.expect("a text")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.stage.dir().join("pullmint.log")).unwrap_or_default()
    }

    async fn status(&self) -> Value {
        serde_json::from_str::<Value>(&self.ask("/status.json").await).expect("JSON")["pullFailures"].clone()
    }

    /// Waits until so many images do not pull for each of these causes, and for no other.
    async fn until_counted(&self, counts: Value) -> Value {
        let counted = async || {
            let status = self.status().await;
            (status["counts"] == counts && status["unexplained"] == 0).then_some(status)
        };
        match world::look_for(Duration::from_secs(60), Duration::from_millis(200), counted).await {
            Some(status) => status,
            None => panic!("never {counts}; {:#}\n{}", self.status().await, self.log()),
        }
    }

    /// Status, metrics, page and Events tell these causes, each of one pod. Returns all that was shown.
    async fn is_told_everywhere(&self, told: &Value, causes: &[(&str, &str)]) -> String {
        let (page, metrics) = (self.ask("/").await, self.ask("/metrics").await);
        for (code, pod) in causes {
            let all = told["causes"].as_array().expect("causes");
            let pods = json!([format!("shop-0/{pod}")]);
            let cause = all.iter().find(|cause| cause["firstPods"] == pods).unwrap_or_else(|| panic!("{told:#}"));
            assert_eq!(cause["code"], *code, "{cause:#}");
            let line = format!("pullmint_pull_failures{{code=\"{code}\"}} {}", told["counts"][code]);
            assert!(metrics.contains(&line), "{metrics}");
            assert!(page.contains(code), "{page}");
            let is_its = |event: &Event| event.involved_object.name.as_deref() == Some(pod);
            let event = until(pod, async || self.events().await.into_iter().find(is_its)).await;
            let (note, sentence) = (event.message.unwrap_or_default(), cause["sentence"].as_str());
            assert!(note.starts_with(&format!("{code}: {}", sentence.expect("a sentence"))), "{note}");
            assert!(event.involved_object.uid.is_some());
        }
        assert!(metrics.contains("pullmint_pull_failures{code=\"PM302\"} 0"), "all causes have a series");
        [page, metrics, told.to_string(), json!(self.events().await).to_string()].concat()
    }

    async fn events(&self) -> Vec<Event> {
        let params = ListParams::default().fields("reason=PullFailureExplained");
        Api::<Event>::all(self.client.clone()).list(&params).await.expect("events").items
    }
}

fn common(pulls: &str) -> String {
    format!("ca_file = \"{{ca_file}}\"\nnamespaces.include = [\"shop-*\"]\nadmin.listen = \"127.0.0.1:0\"\n{pulls}")
}

#[tokio::test]
async fn what_keeps_real_pods_from_their_images_is_told_everywhere_until_it_is_mended() {
    if let Err(why) = Node::available() {
        world::skip(&why);
        return;
    }
    let story = Story::begin().await;
    let _pullmint = story.run();
    let ours = story.secret("pullmint-ecr").await;
    let config: Value = serde_json::from_slice(&ours.data.expect("data")[".dockerconfigjson"].0).expect("JSON");
    let password = config["auths"][ECR_HOST]["password"].as_str().expect("a password");
    let login = json!({"auths": {"acme.azurecr.io": {"username": "somebody", "password": CANARY}}});
    let theirs: Secret = serde_json::from_value(json!({
        "metadata": {"name": "theirs"}, "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": login.to_string()},
    }))
    .expect("a Secret");
    let secrets: Api<Secret> = Api::namespaced(story.client.clone(), "shop-0");
    secrets.create(&PostParams::default(), &theirs).await.expect("a Secret");

    story.pod("no-tag", &format!("{ECR_HOST}/team/app:2"), "pullmint-ecr").await;
    story.pod("not-ours", "acme.azurecr.io/team/app:1", "theirs").await;
    // The Secret is not read, but the kubelet says what became of its credential.
    let told = story.until_counted(json!({"PM103": 1, "PM303": 1})).await;
    let mut shown = story.is_told_everywhere(&told, &[("PM103", "no-tag"), ("PM303", "not-ours")]).await;

    // The tag comes, so the pod runs.
    story.stage.push_images_as("2").await.expect("images");
    story.until_counted(json!({"PM303": 1})).await;

    assert!(story.stage.clouds.revoke(password));
    story.pod("revoked", &format!("{ECR_HOST}/team/app:1"), "pullmint-ecr").await;
    let told = story.until_counted(json!({"PM303": 2})).await;
    shown += &story.is_told_everywhere(&told, &[("PM303", "not-ours"), ("PM303", "revoked")]).await;

    // Nobody looks any more once the configuration does not ask for it.
    story.stage.configure("pullmint.toml", &common("")).expect("a file");
    until("no failures to be told", async || story.status().await.is_null().then_some(())).await;
    assert!(story.ask("/metrics").await.contains("pullmint_pull_failures{code=\"PM303\"} 0"));

    shown += &story.log();
    let canaries = story.stage.clouds.secrets();
    let leaks = canaries.iter().map(String::as_str).chain([CANARY]).filter(|secret| shown.contains(secret)).count();
    assert_eq!(leaks, 0, "a secret was shown");
    assert!(!story.log().contains("forbidden"), "{}", story.log());
}
