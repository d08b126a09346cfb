//! Child processes that always end with their owner: at exit, panic, Ctrl-C and even SIGKILL.
//!
//! Nothing in a process can run after its own SIGKILL, so each child is started by a small shell script (`leash.sh`) whose
//! stdin is a pipe that only we hold: the kernel closes it when we are gone, and the script kills the child. The script
//! and the child have a process group of their own, so that Ctrl-C in a terminal reaches only the owner.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Context, Result, WorldError};

const LEASH: &str = include_str!("process/leash.sh");

/// What to start: a program, its arguments and environment, and the directory for its log.
#[derive(Clone, Debug)]
pub struct Launch {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    env: BTreeMap<String, OsString>,
    dir: PathBuf,
    after: String,
}

impl Launch {
    /// A program which will log to `DIR/NAME.log`.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>, dir: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            dir: dir.into(),
            after: String::new(),
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds several arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds `--flag=value`.
    pub fn flag(self, flag: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        let mut arg = OsString::from(format!("--{flag}="));
        arg.push(value);
        self.arg(arg)
    }

    /// Sets one environment variable.
    pub fn env(mut self, key: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.env.insert(key.into(), value.into());
        self
    }

    /// A shell command that cleans up after the program, whenever and however it ended.
    pub fn after(mut self, script: impl Into<String>) -> Self {
        self.after = script.into();
        self
    }

    /// Starts it.
    pub fn start(self) -> Result<Process> {
        let running = Some(Running::start(&self)?);
        Ok(Process { launch: self, running })
    }
}

/// A running (or killed) child process.
#[derive(Debug)]
pub struct Process {
    launch: Launch,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    pid: Pid,
    leash: Child,
    hold: Option<ChildStdin>,
}

impl Process {
    /// The program's process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.pid.as_raw_nonzero().get().cast_unsigned())
    }

    /// The file with the program's output.
    pub fn log(&self) -> PathBuf {
        self.launch.dir.join(format!("{}.log", self.launch.name))
    }

    /// Kills it at once (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Asks it to end (SIGTERM); kills it when it has not after ten seconds.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.is_running() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }

    /// Starts it again with the same arguments, after ending it if it still runs.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        self.running = Some(Running::start(&self.launch)?);
        Ok(())
    }

    /// Freezes it (SIGSTOP): its sockets stay open and nothing answers.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Process::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(|running| matches!(running.leash.try_wait(), Ok(None)))
    }

    /// How it ended, if it has ended by itself.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.running.as_mut().and_then(|running| running.leash.try_wait().ok().flatten())
    }

    /// Repeats `probe` until it succeeds; an error if the program ends before, or the time is up.
    pub async fn until_ready<F>(&mut self, within: Duration, mut probe: impl FnMut() -> F) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        let deadline = tokio::time::Instant::now() + within;
        let mut last = "no answer".to_owned();
        loop {
            // A frozen server takes the connection and never answers.
            match tokio::time::timeout_at(deadline, probe()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => {}
            }
            let name = &self.launch.name;
            let what = if tokio::time::Instant::now() >= deadline {
                format!("{name} was not ready after {} s: {last}", within.as_secs())
            } else if let Some(status) = self.status() {
                format!("{} ended before it was ready: {status}", self.launch.name)
            } else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            return Err(WorldError::new(what).with_log(&self.log()));
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(running) = &self.running {
            // It may have ended a moment ago, which is as good as the signal having arrived.
            kill_process(running.pid, signal).ok();
        }
    }
}

impl Running {
    fn start(launch: &Launch) -> Result<Self> {
        let Launch { name, program, args, env, dir, after } = launch;
        let failed = || format!("starting {name} ({})", program.display());
        let mut leash = Command::new("sh")
            .args(["-c", LEASH, "leash.sh", name])
            .args([dir.as_os_str(), after.as_ref(), program.as_os_str()])
            .args(args)
            .envs(env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context(failed)?;
        let hold = leash.stdin.take();
        let mut line = String::new();
        let answer = leash.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
        answer.transpose().context(failed)?;
        match line.trim().parse().ok().and_then(Pid::from_raw) {
            Some(pid) => Ok(Self { pid, leash, hold }),
            None => Err(WorldError::new(failed()).with_log(&dir.join(format!("{name}.log")))),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Closing the pipe makes the script kill the program; then nothing of it is left when this returns.
        self.hold = None;
        self.leash.wait().ok();
    }
}

/// Finds a program of the distribution, also where a plain user's PATH does not look.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|dir| dir.join(name)).find(|path| is_file(path))
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, dir: &Path) -> Process {
        Launch::new("sh", "/bin/sh", dir).arg("-c").arg(script).start().unwrap()
    }

    fn state(process: &Process) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid().unwrap())).unwrap();
        stat.split(' ').nth(2).unwrap().to_owned()
    }

    #[test]
    fn a_process_is_paused_resumed_restarted_and_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let mut process = shell("exec sleep 100", dir.path());
        process.pause();
        while state(&process) != "T" {}
        process.resume();
        while state(&process) == "T" {}
        let first = process.pid();
        process.restart().unwrap();
        assert_ne!(process.pid(), first);
        process.stop();
        assert!(!process.is_running());
    }

    #[tokio::test]
    async fn a_process_that_fails_is_reported_with_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let mut process = shell("echo no such luck >&2; exit 3", dir.path());
        let never = async || Err(WorldError::new("nothing there"));
        let error = process.until_ready(Duration::from_secs(10), never).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no such luck"), "{error}");
    }
}
