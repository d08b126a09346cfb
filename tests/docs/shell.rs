//! A shell that runs a page's commands as a person would who reads it from top to bottom.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use world::binaries::Program;

use crate::pages::{self, Page};
use crate::runners::{self, Runner};
use crate::scene::{PATIENCE, PROGRAM, Scene};

/// A page on its way through a shell.
pub(crate) struct Shell<'a> {
    scene: &'a Scene,
    page: Page,
    commands: VecDeque<String>,
    /// What stands in the page, and what in its place here.
    renames: Vec<(&'static str, String)>,
    tools: Vec<PathBuf>,
    /// The environment of the tools that the test brings, and the variables that the page has set.
    env: Vec<(String, String)>,
    dir: TempDir,
    running: Vec<Child>,
}

impl<'a> Shell<'a> {
    /// Before the page's first command, in a directory where `my-config` is the scene's configuration, and `values.yaml` what
    /// the page, or else that on installation, has the reader save under that name. All tests share a cluster, so each has
    /// names of its own in place of the page's: `team-a` is the scene's first namespace, and `renames` are further ones.
    pub(crate) async fn open(scene: &'a Scene, page: &str, renames: &[(&'static str, &str)]) -> Self {
        let page = Page::read(page);
        let mut tools = vec![PathBuf::from(PROGRAM)];
        for tool in [Program::Kubectl, Program::Helm] {
            tools.push(tool.path().await.expect("a program"));
        }
        let tools = tools.iter().map(|tool| tool.parent().expect("a directory").to_owned()).collect();
        let dir = tempfile::tempdir().expect("a directory");
        for (link, target) in [("my-config", scene.around.config()), ("deploy", &pages::root().join("deploy"))] {
            std::os::unix::fs::symlink(target, dir.path().join(link)).expect("a link");
        }
        let pages = [&page, &Page::read("docs/install.md")];
        let values = pages.into_iter().flat_map(Page::blocks).find(|block| block.text.starts_with("# values.yaml"));
        std::fs::write(dir.path().join("values.yaml"), values.expect("values").text).expect("a file");
        let mut all: Vec<_> = renames.iter().map(|(from, to)| (*from, (*to).to_owned())).collect();
        all.push(("dev/owner=pullmint", format!("dev/owner={}", scene.name)));
        all.push(("team-a", format!("{}-0", scene.name)));
        all.push(("team-", format!("{}-", scene.name)));
        let commands = page.commands().into();
        Self { scene, page, commands, renames: all, tools, env: Vec::new(), dir, running: Vec::new() }
    }

    /// Brings further programs, with what they need in the environment.
    pub(crate) fn bring<'b>(&mut self, tools: PathBuf, env: impl IntoIterator<Item = (&'static str, &'b str)>) {
        self.tools.push(tools);
        self.env.extend(env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    /// Saves a text under the name that the page gives it.
    pub(crate) fn save(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).expect("a file");
    }

    /// Runs the page up to and with the first command that has these words, and tells what that printed.
    pub(crate) async fn until(&mut self, words: &str) -> String {
        loop {
            let command = self.commands.pop_front();
            let command = command.unwrap_or_else(|| panic!("{} has no further command with {words:?}", self.page.path));
            let printed = self.run(&command).await;
            if command.contains(words) {
                return printed;
            }
        }
    }

    /// Runs the page to its end.
    pub(crate) async fn finish(mut self) {
        self.read_on().await;
    }

    /// The same, and goes on with the beginning of another page.
    pub(crate) async fn turn_to(&mut self, page: &str) {
        self.read_on().await;
        self.page = Page::read(page);
        self.commands = self.page.commands().into();
    }

    /// Runs the page to its end, and stays open.
    pub(crate) async fn read_on(&mut self) {
        while let Some(command) = self.commands.pop_front() {
            self.run(&command).await;
        }
    }

    /// Runs one command, and tells what it printed.
    pub(crate) async fn run(&mut self, command: &str) -> String {
        if runners::of(command) != Runner::Page {
            return String::new();
        }
        let mut line = self.renames.iter().fold(command.to_owned(), |line, (from, to)| line.replace(from, to));
        let variable = runners::variable(command).map(|(name, _)| name);
        if let Some(name) = variable {
            line.push_str(&format!("\nprintf %s \"${name}\""));
        }
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &line]).current_dir(self.dir.path());
        bash.envs(self.scene.around.env())
            .envs(self.env.iter().cloned())
            .env("PATH", self.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        // A daemon does not end; it runs beside what follows, until the page has been read.
        if command.starts_with("pullmint run") {
            self.running.push(bash.stderr(Stdio::null()).spawn().expect("bash"));
            return String::new();
        }
        let output = tokio::time::timeout(PATIENCE * 3, bash.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{}: no end of: {line}", self.page.path)).expect("bash");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{}: this failed: {line}\n{out}{err}", self.page.path);
        // The commands after it find it in their environment.
        if let Some(name) = variable {
            self.env.push((name.to_owned(), out.clone()));
        }
        out
    }

    fn path(&self) -> String {
        let usual = std::env::var("PATH").unwrap_or_default();
        let tools = self.tools.iter().map(|dir| dir.display().to_string());
        tools.chain([usual]).collect::<Vec<_>>().join(":")
    }
}

impl Drop for Shell<'_> {
    fn drop(&mut self) {
        let left = self.commands.iter().find(|command| runners::of(command) == Runner::Page);
        if let (Some(left), false) = (left, std::thread::panicking()) {
            panic!("{}: nothing has run this, and what follows: {left}", self.page.path);
        }
    }
}
