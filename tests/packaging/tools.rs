//! helm and kubectl as people run them, and what they print.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;
use world::binaries::Program;

pub(crate) const CHART: &str = "deploy/helm/pullmint";

/// Values for the chart that show its options: the files of its folder `ci`.
pub(crate) const EXAMPLES: [&str; 4] = ["eks", "aks", "https", "everything"];

/// What a command that ended leaves behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) ok: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The output of a command that must have succeeded.
    #[track_caller]
    pub(crate) fn out(self) -> String {
        assert!(self.ok, "{}{}", self.out, self.err);
        self.out
    }
}

/// Helm without a cluster.
pub(crate) async fn helm(args: &[&str]) -> Ran {
    run(Program::Helm, Path::new("/dev/null"), args).await
}

/// Helm or kubectl for whoever the kubeconfig says.
pub(crate) async fn run(program: Program, kubeconfig: &Path, args: &[&str]) -> Ran {
    let path = program.path().await.expect("a program");
    let mut command = Command::new(path);
    command.args(args).env("KUBECONFIG", kubeconfig).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.expect("a start");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran { ok: output.status.success(), out: text(output.stdout), err: text(output.stderr) }
}

/// The chart's objects with these further arguments, in the namespace `pullmint`.
pub(crate) async fn template(args: &[&str]) -> Vec<Value> {
    let args = [&["template", "pullmint", CHART, "--namespace", "pullmint", "--skip-tests"], args].concat();
    objects(&helm(&args).await.out())
}

/// The path of an example's values.
pub(crate) fn values(example: &str) -> String {
    format!("{CHART}/ci/{example}-values.yaml")
}

/// The documents of a YAML stream.
pub(crate) fn objects(yaml: &str) -> Vec<Value> {
    let documents = yaml.split("\n---").map(|document| document.trim_start_matches("---").trim());
    let documents =
        documents.filter(|document| document.lines().any(|line| !line.starts_with('#') && !line.is_empty()));
    documents.map(|document| serde_saphyr::from_str(document).unwrap_or_else(|e| panic!("{e}:\n{document}"))).collect()
}

/// The one object of this kind.
#[track_caller]
pub(crate) fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "several {kind}");
    first
}
