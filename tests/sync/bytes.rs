//! The content of the Secret means what `kubectl create secret docker-registry` would have written.

use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pullmint::credential::{Credential, Expiry};
use pullmint::dockerconfig::render;
use pullmint::registry::Host;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::bed::{Bed, dockerconfigjson};
use crate::given::Given;

const ODD: [&str; 10] = [
    "hunter2",
    r#"quote"and'quote"#,
    r"back\slash\n",
    "colon:in:it:",
    "new\nline\r\n\ttab",
    "ünïcödé-密码-🔑",
    "<script>&amp;</script>",
    " spaces at both ends ",
    "\u{7f}\u{80}\u{2028}\u{feff}",
    "percent%20 and $VAR `id` $(id)",
];

/// The dockerconfigjson that kubectl makes, or `None` where there is no kubectl.
async fn kubectl(server: &str, username: &str, password: &str) -> Option<Value> {
    let output = Command::new("kubectl")
        .args(["create", "secret", "docker-registry", "pull", "--dry-run=client", "--output=json"])
        .args([format!("--docker-server={server}"), format!("--docker-username={username}")])
        .arg(format!("--docker-password={password}"))
        .env("KUBECONFIG", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .await
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let secret: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let encoded = secret["data"][".dockerconfigjson"].as_str().expect("data");
    let bytes = STANDARD.decode(encoded).expect("base64");
    Some(serde_json::from_slice(&bytes).expect("JSON"))
}

#[tokio::test]
async fn the_bytes_mean_what_kubectl_would_have_written() {
    let hosts = ["docker.io", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "acme.azurecr.io", "registry.local:5000"];
    for (number, password) in ODD.into_iter().enumerate() {
        let host: Host = hosts[number % hosts.len()].parse().expect("a host");
        let username = ["AWS", "00000000-0000-0000-0000-000000000000", "jane"][number % 3];
        let credential =
            Credential { username: username.into(), password: password.into(), expiry: Expiry::Never, handle: None };
        let ours: Value = serde_json::from_str(render([(&host, &credential)]).expose_secret()).expect("JSON");
        let Some(theirs) = kubectl(host.key(), username, password).await else {
            world::skip("no kubectl to compare with");
            return;
        };
        assert_eq!(ours, theirs, "{password:?}");
    }
}

#[tokio::test]
async fn odd_passwords_arrive_unchanged() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-odd", "odd-*");
    bed.namespaces("odd", 1).await;
    let syncer = bed.sync(&[&ecr]);
    for password in ODD {
        ecr.publish(password);
        let is_there = |config: &str| {
            let config: Value = serde_json::from_str(config).expect("JSON");
            config["auths"]["ecr.example.com"]["password"] == password
        };
        let secret = bed.until_secret("odd-0", "pull-odd", is_there).await;
        let config: Value = serde_json::from_str(&dockerconfigjson(&secret).expect("a config")).expect("JSON");
        let auth = STANDARD.encode(format!("puller:{password}"));
        let entry = json!({ "username": "puller", "password": password, "auth": auth });
        assert_eq!(config, json!({ "auths": { "ecr.example.com": entry } }));
        assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/dockerconfigjson"));
    }
    bed.assert_at_rest(syncer, &[&ecr]).await;
}
