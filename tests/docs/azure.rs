//! The pages' commands for Azure, as far as the real Azure CLI takes them without a subscription: it understands them, and
//! asks for a login.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::cloud_tools;
use crate::pages;
use crate::runners::{self, Runner};

/// What earlier commands of the pages would have found out.
const FOUND: &str = "PRINCIPAL=7d1f3c5a-0000-4000-8000-1b2c3d4e5f60
ISSUER=https://westeurope.oic.prod-aks.azure.com/0a1b2c3d/4e5f6a7b/
SCOPE=/subscriptions/0a1b2c3d/resourceGroups/GROUP/providers/Microsoft.ContainerRegistry/registries/REGISTRY
";

/// Whether a login is all that a command lacks, and what it said.
fn lacks_a_login(tools: &Path, home: &Path, command: &str) -> (bool, String) {
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &format!("{FOUND}{command}")]).stdin(Stdio::null());
    bash.env("PATH", format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default()));
    bash.env("AZURE_CONFIG_DIR", home).env("AZURE_CORE_COLLECT_TELEMETRY", "no");
    let output = bash.output().expect("bash");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // What it does not understand it ends with 2.
    (output.status.code() == Some(1) && said.contains("Please run 'az login'"), said)
}

#[test]
fn the_azure_cli_understands_every_command_of_the_pages_and_asks_for_a_login() {
    let Some(tools) = cloud_tools::dir() else { return };
    let home = tempfile::tempdir().expect("a directory");
    let commands = pages::all().into_iter().flat_map(|page| page.commands());
    let commands: Vec<_> = commands.filter(|command| runners::of(command) == Runner::AzureCli).collect();
    assert!(commands.len() > 5, "{commands:?}");
    for command in &commands {
        let (understood, said) = lacks_a_login(&tools, home.path(), command);
        assert!(understood, "{command}\n{said}");
    }
    for wrong in ["az identity make --name pullmint", "az acr show --name REGISTRY --querry id"] {
        let (understood, said) = lacks_a_login(&tools, home.path(), wrong);
        assert!(!understood, "{wrong}\n{said}");
    }
}
