//! Pulls with the bytes of a Secret from outside the cluster: by skopeo, or where there is none by the registry's
//! protocol itself.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::internet::Internet;
use crate::process::find_program;
use crate::{Context, Result, WorldDir, WorldError};
use reqwest::{Client, StatusCode, Url, header};
use serde_json::Value;

/// A registry client in the emulated internet.
#[derive(Debug)]
pub(super) enum Puller {
    Skopeo { program: PathBuf, env: Vec<(&'static str, String)>, dir: WorldDir },
    Plain(Client),
}

impl Puller {
    pub(super) fn new(internet: &Internet, dir: &WorldDir) -> Result<Self> {
        if let Some(program) = find_program("skopeo") {
            return Ok(Self::Skopeo { program, env: internet.env(), dir: dir.clone() });
        }
        let ca = std::fs::read(internet.ca_file()).context(|| "reading the test CA")?;
        let ca = reqwest::Certificate::from_pem(&ca).context(|| "reading the test CA")?;
        let proxy = reqwest::Proxy::https(internet.proxy_url()).context(|| "naming the proxy")?;
        let client = Client::builder().proxy(proxy).tls_certs_only([ca]).build();
        Ok(Self::Plain(client.context(|| "making an HTTP client")?))
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Skopeo { .. } => "skopeo",
            Self::Plain(_) => "a plain registry client",
        }
    }

    /// Pulls `HOST/REPOSITORY:1`; tells how long it took, or with what words it was refused.
    pub(super) async fn pull(&self, image: (&str, &str), docker_config: &[u8]) -> Result<Duration, String> {
        let started = Instant::now();
        match self {
            Self::Skopeo { program, env, dir } => {
                let files = dir.subdir("pulls").map_err(|error| error.to_string())?;
                let files = tempfile::tempdir_in(files).map_err(|error| error.to_string())?;
                let auth = files.path().join("auth.json");
                std::fs::write(&auth, docker_config).map_err(|error| error.to_string())?;
                let mut command = tokio::process::Command::new(program);
                command.args(["--insecure-policy", "copy", "--quiet", "--authfile"]).arg(&auth);
                command.arg(format!("docker://{}/{}:1", image.0, image.1));
                command.arg(format!("dir:{}", files.path().join("image").display()));
                let output = command.envs(env.iter().cloned()).kill_on_drop(true).output().await;
                let output = output.map_err(|error| error.to_string())?;
                if !output.status.success() {
                    return Err(last_words(&String::from_utf8_lossy(&output.stderr)));
                }
            }
            Self::Plain(client) => plain(client, image, docker_config).await.map_err(|error| error.to_string())?,
        }
        Ok(started.elapsed())
    }
}

/// The end of skopeo's chain of causes, which is what the registry said.
fn last_words(stderr: &str) -> String {
    let line = stderr.lines().last().unwrap_or_default();
    let message = line.split("msg=").last().unwrap_or(line).trim_matches('"').replace("\\\"", "\"");
    let from = ["denied: ", "unauthorized: "].iter().find_map(|word| message.find(word));
    let said = message[from.unwrap_or(0)..].split(", visit ").next().unwrap_or_default();
    said.trim_end_matches('.').to_owned()
}

/// Gets the manifest and its layers, as the registry's protocol has it: at first with what there is, and after a
/// challenge with a bearer token.
async fn plain(client: &Client, (host, repository): (&str, &str), docker_config: &[u8]) -> Result<()> {
    let (key, host) = match host {
        "docker.io" => ("https://index.docker.io/v1/", "registry-1.docker.io"),
        host => (host, host),
    };
    let config: Value = serde_json::from_slice(docker_config).context(|| "reading the Secret")?;
    // Without an entry it asks as nobody, as the kubelet does.
    let mut authorization = config["auths"][key]["auth"].as_str().map(|auth| format!("Basic {auth}"));
    let url = format!("https://{host}/v2/{repository}/manifests/1");
    let mut answer = get(client, &url, authorization.as_deref()).await?;
    if let Some(challenge) = challenge(&answer) {
        let scope = format!("repository:{repository}:pull");
        let bearer = bearer(client, &challenge, &scope, authorization.as_deref()).await?;
        authorization = Some(format!("Bearer {bearer}"));
        answer = get(client, &url, authorization.as_deref()).await?;
    }
    let manifest: Value = good(answer)?.json().await.context(|| "reading the manifest")?;
    for layer in manifest["layers"].as_array().into_iter().flatten() {
        let blob = format!("https://{host}/v2/{repository}/blobs/{}", layer["digest"].as_str().unwrap_or_default());
        good(get(client, &blob, authorization.as_deref()).await?)?.bytes().await.context(|| "reading a layer")?;
    }
    Ok(())
}

/// `realm="…",service="…"` of an answer that wants a bearer token.
fn challenge(answer: &reqwest::Response) -> Option<String> {
    let header = answer.headers().get(header::WWW_AUTHENTICATE)?.to_str().ok()?;
    let wanted = answer.status() == StatusCode::UNAUTHORIZED;
    wanted.then(|| header.strip_prefix("Bearer ").map(str::to_owned)).flatten()
}

async fn bearer(client: &Client, challenge: &str, scope: &str, authorization: Option<&str>) -> Result<String> {
    let part = |name: &str| {
        let mut parts = challenge.split(',').map(str::trim);
        parts.find_map(|part| part.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"')).unwrap_or_default()
    };
    let url = Url::parse_with_params(part("realm"), [("service", part("service")), ("scope", scope)]);
    let answer = get(client, url.context(|| "reading the challenge")?.as_str(), authorization).await?;
    let token: Value = good(answer)?.json().await.context(|| "reading the token")?;
    Ok(token["token"].as_str().or(token["access_token"].as_str()).unwrap_or_default().to_owned())
}

async fn get(client: &Client, url: &str, authorization: Option<&str>) -> Result<reqwest::Response> {
    let mut request = client.get(url);
    if let Some(value) = authorization {
        request = request.header(header::AUTHORIZATION, value);
    }
    let request = request.header(header::ACCEPT, "application/vnd.oci.image.manifest.v1+json, */*");
    request.send().await.context(|| format!("asking {url}"))
}

fn good(answer: reqwest::Response) -> Result<reqwest::Response> {
    match answer.status() {
        status if status.is_success() => Ok(answer),
        status => Err(WorldError::new(format!("{} says {status}", answer.url().host_str().unwrap_or_default()))),
    }
}
