//! The environment as production has it: variables of the process, read by the real thing.
//!
//! Variables belong to the whole process, so this test binary starts itself with others.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use pullmint::clock::SystemClock;
use pullmint::config::settings::{AzureIdentity, ManagedIdentity};
use pullmint::provider::{self, Outside};
use world::clouds::Service;
use world::clouds::seed::Identity;

use crate::{Net, accepted, acr, docker_hub, ecr, minted, registry};

/// Set in the started process: `ca_file`, or nothing for the platform's trust alone.
const INSIDE: &str = "PULLMINT_TEST_CA_FILE";

/// Puts an `az` before the system's that gives the token of a developer who logged in.
async fn log_in_to_az(net: &Net) {
    minted(&net.provider(acr::settings(acr::client_secret(&net.files), &[]), None)).await;
    let token = net.clouds().issued(Service::Entra).pop().unwrap();
    let answer = format!(r#"{{"accessToken":"{token}","expires_on":4102444800,"tokenType":"Bearer"}}"#);
    let az = net.dir.path().join("az");
    std::fs::write(&az, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
    std::fs::set_permissions(&az, PermissionsExt::from_mode(0o755)).unwrap();
}

async fn run_inside(net: &Net, ca_file: &Path) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "environment::inside", "--nocapture"]).env_clear();
    command.envs(net.internet.env()).env(INSIDE, ca_file);
    for identity in [Identity::AwsPodIdentity, Identity::AzureManaged] {
        command.envs(identity.env(&net.files, &net.internet));
    }
    command.env("HUB_TOKEN_FILE", &net.files.hub_personal_token);
    command.env("PATH", format!("{}:/usr/bin:/bin", net.dir.path().display()));
    if !ca_file.as_os_str().is_empty() {
        command.env_remove("SSL_CERT_FILE");
    }
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
}

#[tokio::test]
async fn proxy_and_trust_come_from_the_environment() {
    let net = Net::start().await;
    log_in_to_az(&net).await;
    run_inside(&net, Path::new("")).await;
    run_inside(&net, net.internet.ca_file()).await;
    assert_eq!(net.clouds().requests(Service::Ecr), 2);
    assert_eq!(net.clouds().requests(Service::AcrExchange), 5);
}

#[tokio::test]
async fn inside() {
    let Some(ca_file) = std::env::var_os(INSIDE) else { return };
    let ca_file = Some(Path::new(&ca_file)).filter(|path| !path.as_os_str().is_empty());
    let outside = Outside::new(ca_file, Arc::new(SystemClock)).unwrap();
    let identity = AzureIdentity::ManagedIdentity(ManagedIdentity::System);
    let token_file = std::env::var_os("HUB_TOKEN_FILE").unwrap();
    let all = [
        ecr::settings(None),
        acr::settings(identity, &["team/app"]),
        acr::settings(AzureIdentity::DeveloperCli, &[]),
        docker_hub::token_at(token_file.into()),
    ];
    for settings in all {
        accepted(&provider::build(&registry(settings), &outside)).await;
    }
}
