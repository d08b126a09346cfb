//! A cluster, clouds, a registry with images good and bad, and the command.

use std::process::Stdio;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::process::Command;
use world::{Image, Stage};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_pullmint");
pub(crate) const ECR_HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
pub(crate) const HUB_KEY: &str = "https://index.docker.io/v1/";

pub(crate) struct Bed {
    pub(crate) stage: Stage,
    pub(crate) client: Client,
}

/// What the command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The foremost code of the only finding; empty when all is well.
    pub(crate) fn code_found(&self) -> String {
        self.json()["findings"][0]["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Bed {
    pub(crate) async fn start(with_node: bool) -> Self {
        let stage = Stage::start(with_node).await.expect("a stage");
        stage.push_images().await.expect("images");
        let client = stage.world.control_plane.client().await.expect("a client");
        Self { stage, client }
    }

    /// `pullmint why` with the emulated internet and its CA.
    pub(crate) async fn why(&self, args: &[&str]) -> Said {
        let ca = self.stage.internet.ca_file().display().to_string();
        self.why_trusting_nobody(&[args, &["--ca-file", &ca]].concat()).await
    }

    pub(crate) async fn why_trusting_nobody(&self, args: &[&str]) -> Said {
        let mut command = Command::new(PROGRAM);
        command.arg("why").args(args).envs(self.stage.env());
        run(command).await
    }

    /// Mints with this configuration, and gives the dockerconfigjson that pullmint would write.
    pub(crate) async fn minted(&self, toml: &str) -> Value {
        self.stage.configure("pullmint.toml", "ca_file = \"{ca_file}\"\n").expect("a file");
        self.stage.configure("registry.toml", toml).expect("a file");
        let mut command = Command::new(PROGRAM);
        command.args(["render", "--reveal", "--config"]).arg(self.stage.config()).envs(self.stage.env());
        let said = run(command).await;
        assert_eq!(said.code, 0, "{said:?}");
        let secret: Secret = serde_saphyr::from_str(&said.out).expect("YAML");
        let bytes = &secret.data.expect("data")[".dockerconfigjson"].0;
        serde_json::from_slice(bytes).expect("JSON")
    }

    pub(crate) async fn namespace(&self, name: &str) {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        Api::all(self.client.clone()).create(&PostParams::default(), &namespace).await.expect("a namespace");
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), name);
        let made = async {
            while accounts.get_opt("default").await.expect("an answer").is_none() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), made).await.expect("a ServiceAccount");
    }

    pub(crate) async fn secret(&self, namespace: &str, secret: &Secret) {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        api.create(&PostParams::default(), secret).await.expect("a Secret");
    }

    /// Puts a manifest or takes a blob away, at the real registry behind all hosts.
    pub(crate) async fn registry(
        &self,
        method: Method,
        host: &str,
        repository: &str,
        rest: &str,
        body: Option<&Value>,
    ) {
        let registry = self.stage.world.registry.as_ref().expect("a registry").url();
        let name = self.stage.clouds.internal_name(host, repository).expect("a host of the clouds");
        let bearer = self.stage.clouds.admin_bearer(&format!("repository:{name}:pull,push,delete"));
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut request = http.request(method, format!("{registry}/v2/{name}/{rest}")).bearer_auth(bearer);
        if let Some(body) = body {
            let kind = body["mediaType"].as_str().expect("a type").to_owned();
            request = request.header("content-type", kind).body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let good = [StatusCode::CREATED, StatusCode::ACCEPTED].contains(&answer.status());
        assert!(good, "{}: {:?}", answer.status(), answer.text().await);
    }

    /// An image of its own in a repository, and its manifest.
    pub(crate) async fn push(&self, host: &str, repository: &str, tag: &str) -> Value {
        let image = Image::new(&format!("{repository}:{tag}")).await.expect("an image");
        let name = self.stage.clouds.internal_name(host, repository).expect("a host of the clouds");
        let registry = self.stage.world.registry.as_ref().expect("a registry");
        registry.push(&image, &[&format!("{name}:{tag}")]).await.expect("a push");
        let bearer = self.stage.clouds.admin_bearer(&format!("repository:{name}:pull"));
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let url = format!("{}/v2/{name}/manifests/{tag}", registry.url());
        let accept = "application/vnd.oci.image.manifest.v1+json";
        let request = http.get(url).bearer_auth(bearer).header("accept", accept);
        let mut manifest: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        manifest["digest"] = image.digest().into();
        manifest
    }
}

pub(crate) async fn run(mut command: Command) -> Said {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(120), command.output()).await.expect("an end");
    let output = output.expect("a start");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// A dockerconfigjson Secret.
pub(crate) fn pull_secret(name: &str, config: &Value) -> Secret {
    typed(name, "kubernetes.io/dockerconfigjson", ".dockerconfigjson", config)
}

pub(crate) fn typed(name: &str, kind: &str, key: &str, content: &Value) -> Secret {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let data = [(key.to_owned(), ByteString(content.to_string().into_bytes()))].into();
    Secret { metadata, type_: Some(kind.to_owned()), data: Some(data), ..Secret::default() }
}

/// One entry under `auths`.
pub(crate) fn login(key: &str, username: &str, password: &str) -> Value {
    json!({"auths": {key: {"username": username, "password": password}}})
}

/// User name and password of the only entry.
pub(crate) fn only(config: &Value) -> (String, String) {
    let (_, entry) = config["auths"].as_object().expect("auths").iter().next().expect("an entry");
    let text = |name: &str| entry[name].as_str().expect("a text").to_owned();
    (text("username"), text("password"))
}
