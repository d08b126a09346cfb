//! The pages' commands that need a node, as they stand there.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use world::binaries::Program;
use world::ports::Port;

use crate::pages;
use crate::runners::{self, Runner};

const PATIENCE: Duration = Duration::from_secs(300);

/// What an installation without fault has nothing to find for.
const LOOKS_FOR_FAULTS: [&str; 2] = ["| grep \"renewal failed\"", "| grep -i watch"];

/// Somebody beside an installed chart, who does what the pages say.
pub(crate) struct Reader {
    kubeconfig: PathBuf,
    path: String,
    /// The name of one of pullmint's pods.
    pod: String,
}

impl Reader {
    pub(crate) async fn new(kubeconfig: PathBuf, pod: String) -> Self {
        let mut dirs = vec![std::env::var("PATH").unwrap_or_default()];
        for tool in [Program::Kubectl, Program::Helm] {
            let tool = tool.path().await.expect("a program");
            dirs.insert(0, tool.parent().expect("a directory").display().to_string());
        }
        Self { kubeconfig, path: dirs.join(":"), pod }
    }

    /// Does all that needs a node: each command of the chart's notes and of all pages, once.
    pub(crate) async fn does_what_needs_a_node(&self, notes: &[String]) {
        let mut done = Vec::new();
        for command in notes.iter().filter(|command| !command.starts_with("kubectl delete")) {
            self.does("the notes", command).await;
            done.push(command.clone());
        }
        for page in pages::all() {
            let mut variables = String::new();
            for command in page.commands() {
                let runner = runners::of(&command);
                if runner == Runner::Page && runners::variable(&command).is_some() {
                    variables.push_str(&format!("{command}\n"));
                }
                let line = format!("{variables}{command}");
                if runner == Runner::Node && !done.contains(&line) {
                    self.does(&page.path, &line).await;
                    done.push(line);
                }
            }
        }
    }

    /// What the command of the pages that has these words finds, if it finds something.
    pub(crate) async fn finds(&self, words: &str) -> Option<String> {
        let commands = pages::all().into_iter().flat_map(|page| page.commands());
        let command = commands.into_iter().find(|command| command.contains(words)).expect("such a command");
        let output = self.bash(&command).output().await.expect("bash");
        output.status.success().then(|| said(&output.stdout))
    }

    /// Runs one command, which must succeed.
    pub(crate) async fn does(&self, page: &str, line: &str) {
        if line.contains("kubectl port-forward") {
            return self.looks_at_the_status(line).await;
        }
        let output = tokio::time::timeout(PATIENCE, self.bash(line).output()).await;
        let output = output.unwrap_or_else(|_| panic!("{page}: no end of: {line}")).expect("bash");
        assert!(
            answers(line, &output),
            "{page}: this failed: {line}\n{}{}",
            said(&output.stdout),
            said(&output.stderr)
        );
    }

    /// Goes the way that the command opens, which stays open until it is ended.
    async fn looks_at_the_status(&self, line: &str) {
        let port = Port::free().expect("a port");
        let line = line.replace(" 8080 ", &format!(" {port}:8080 "));
        let mut way = self.bash(&line.replace("kubectl port-forward", "exec kubectl port-forward"));
        let _way = way.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("bash");
        for path in ["/", "/status.json", "/metrics", "/livez", "/readyz"] {
            let url = format!("http://127.0.0.1:{port}{path}");
            let ask =
                "curl --silent --show-error --fail --output /dev/null --retry 100 --retry-delay 1 --retry-connrefused";
            let output = self.bash(&format!("{ask} --noproxy '*' {url}")).output().await.expect("bash");
            assert!(output.status.success(), "{line}: {url}: {}", said(&output.stderr));
        }
    }

    fn bash(&self, line: &str) -> Command {
        let line = line
            .replace("pods/POD:", &format!("pods/{}:", self.pod))
            .replace("logs POD", &format!("logs {}", self.pod));
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &line]).env("KUBECONFIG", &self.kubeconfig).env("PATH", &self.path);
        bash.stdin(Stdio::null()).kill_on_drop(true);
        bash
    }
}

/// Whether a command has done its work. That a search for faults finds none, or that no container has ended, is an answer
/// too.
fn answers(line: &str, output: &Output) -> bool {
    let looks_for_faults = LOOKS_FOR_FAULTS.iter().any(|words| line.ends_with(words));
    let found_nothing = looks_for_faults && output.status.code() == Some(1) && output.stderr.is_empty();
    let nothing_ended = line.ends_with("--previous") && said(&output.stderr).contains("previous terminated container");
    output.status.success() || found_nothing || nothing_ended
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
