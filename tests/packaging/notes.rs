//! What Helm says after an installation: its commands are run as they stand there. Those that need pods run in `pods.rs`.

use world::binaries::Program;

use crate::tools::{CHART, run};

/// The commands of an installation's notes: the lines that are set in, each with those that it is continued on.
pub(crate) fn commands(said: &str) -> Vec<String> {
    let (_, notes) = said.split_once("NOTES:\n").unwrap_or_else(|| panic!("no notes: {said}"));
    let mut commands: Vec<String> = Vec::new();
    for line in notes.lines().filter_map(|line| line.strip_prefix("  ")) {
        match commands.last_mut() {
            Some(last) if last.ends_with('\\') => last.push_str(&format!("\n{line}")),
            _ => commands.push(line.to_owned()),
        }
    }
    commands
}

#[tokio::test]
async fn without_a_registry_the_notes_say_how_to_add_one_and_that_keeps_the_other_values() {
    let plane = &world::shared().await.expect("a world").control_plane;
    let set = "admissionPolicy.enabled=false,replicas=0";
    let args = ["install", "notes", CHART, "--namespace", "notes", "--create-namespace", "--set", set];
    let installed = run(Program::Helm, &plane.kubeconfig(), &args).await.out();
    assert!(installed.contains("The admission policy is off"), "{installed}");

    let commands = commands(&installed);
    let command = commands.iter().find(|command| command.starts_with("helm upgrade")).expect("a command");
    let helm = Program::Helm.path().await.expect("a program");
    let command = command.replace("helm ", &format!("{} ", helm.display())).replace("CHART", CHART);
    let mut bash = tokio::process::Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &command]).env("KUBECONFIG", plane.kubeconfig());
    let upgraded = bash.output().await.expect("bash");
    let said = String::from_utf8_lossy(&upgraded.stdout);
    assert!(upgraded.status.success(), "{}", String::from_utf8_lossy(&upgraded.stderr));
    assert!(
        said.contains("Registries: ecr") && said.contains("Secrets, in every selected namespace: pullmint-ecr"),
        "{said}"
    );
    let values =
        run(Program::Helm, &plane.kubeconfig(), &["get", "values", "notes", "--namespace", "notes"]).await.out();
    assert!(values.contains("replicas: 0") && values.contains("eu-west-1"), "{values}");
}
