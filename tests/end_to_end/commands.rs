//! The other commands, and what all of them have in common.

use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use world::clouds::Service;

use crate::scene::{ACR, ECR, HUB_MINTED, PATIENCE, Scene, bare, ended};

/// The documents of a YAML stream.
fn documents(yaml: &str) -> Vec<Value> {
    let documents = yaml.split("---\n").filter(|document| !document.is_empty());
    documents.map(|document| serde_saphyr::from_str(document).expect("YAML")).collect()
}

#[tokio::test]
async fn rendered_secrets_are_redacted_without_a_mint_and_revealed_ones_open_the_registry() {
    let scene = Scene::start("render", 0).await;
    scene.configure("ecr.toml", &format!("{ECR}secret = \"shared\"\n"));
    scene.configure("acr.toml", &format!("{ACR}secret = \"shared\"\n"));
    scene.configure("hub.toml", HUB_MINTED);
    // Neither form needs a cluster.
    let render = async |args: &[&str]| {
        let mut command = scene.command(&[&["render"], args].concat());
        command.env("KUBECONFIG", "/nonexistent");
        let ended = ended(command).await;
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
        documents(&ended.out)
    };

    let redacted = render(&[]).await;
    assert_eq!(redacted.len(), 2, "{redacted:#?}");
    let shared = redacted.iter().find(|secret| secret["metadata"]["name"] == "shared").expect("the shared Secret");
    assert_eq!(shared["type"], "kubernetes.io/dockerconfigjson");
    let config = shared["stringData"][".dockerconfigjson"].as_str().expect("text");
    let config: Value = serde_json::from_str(config).expect("JSON");
    for host in ["acme.azurecr.io", "123456789012.dkr.ecr.eu-west-1.amazonaws.com"] {
        assert_eq!(config["auths"][host]["password"], "REDACTED", "{config}");
    }
    let minting = [Service::Ecr, Service::AcrExchange, Service::HubTokens];
    assert_eq!(minting.map(|service| scene.around.clouds.mints(service)), [0, 0, 0]);

    let revealed = render(&["--reveal", "--registry", "acr"]).await;
    assert_eq!(revealed.len(), 1, "{} documents", revealed.len());
    assert_eq!(minting.map(|service| scene.around.clouds.mints(service)), [0, 1, 0]);
    let data = revealed[0]["data"][".dockerconfigjson"].as_str().expect("base64");
    let config = String::from_utf8(STANDARD.decode(data).expect("base64")).expect("UTF-8");
    if let Some(opened) = scene.open("acme.azurecr.io/team/app:1", &config).await {
        opened.expect("the registry opens");
    }

    let unknown = scene.pullmint(&["render", "--registry", "arc"]).await;
    assert_eq!((unknown.code, unknown.out.as_str()), (2, ""), "{unknown:?}");
    assert!(unknown.err.contains("--registry arc"), "{}", unknown.err);
}

#[tokio::test]
async fn run_ends_within_five_seconds_of_a_signal_and_with_success() {
    let scene = Scene::start("signals", 1).await;
    scene.configure("ecr.toml", ECR);
    scene.configure("acr.toml", ACR);
    // The worst moment: while a cloud hangs.
    scene.around.clouds.fail(Service::AcrExchange, world::clouds::Fault::Hang);
    for signal in [Signal::TERM, Signal::INT] {
        let before = scene.around.clouds.requests(Service::AcrExchange);
        let mut command = scene.command(&["run"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a start");
        let pid = Pid::from_raw(child.id().expect("an id").cast_signed()).expect("an id");
        scene.until_secret("signals-0", "pullmint-ecr").await;
        let hanging = async || (scene.around.clouds.requests(Service::AcrExchange) > before).then_some(());
        scene.until("ACR to be asked", PATIENCE, hanging).await;
        kill_process(pid, signal).expect("a signal");
        let status = tokio::time::timeout(Duration::from_secs(5), child.wait()).await.expect("an end in time");
        assert_eq!(status.expect("a status").code(), Some(0), "{signal:?}");
        let output = child.wait_with_output().await.expect("output");
        assert!(output.stdout.is_empty(), "results only on standard output: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("stopping"), "{output:?}");
    }
}

#[tokio::test]
async fn run_waits_for_an_api_server_that_does_not_answer_and_ends_at_a_signal_even_then() {
    let scene = Scene::start("early", 0).await;
    scene.configure("hub.toml", HUB_MINTED);
    let port = world::ports::Port::free().expect("a port");
    let kubeconfig = scene.stage.world.control_plane.kubeconfig_via(&format!("https://127.0.0.1:{port}"));
    let mut command = scene.command(&["run"]);
    let log = scene.around.dir().join("pullmint.log");
    let file = std::fs::File::create(log).expect("a log");
    command.env("KUBECONFIG", kubeconfig.expect("a kubeconfig")).stderr(file);
    let mut child = command.spawn().expect("a start");
    scene.until_said(&["WARN", "the lease is out of reach; trying again"]).await;
    let pid = Pid::from_raw(child.id().expect("an id").cast_signed()).expect("an id");
    kill_process(pid, Signal::TERM).expect("a signal");
    let status = tokio::time::timeout(Duration::from_secs(5), child.wait()).await.expect("an end in time");
    assert_eq!(status.expect("a status").code(), Some(0));
    assert_eq!(scene.around.clouds.mints(Service::HubTokens), 0);
}

#[tokio::test]
async fn the_schema_and_the_completions_of_every_shell_are_printed() {
    let schema = ended(bare(&["schema"])).await;
    assert_eq!((schema.code, schema.err.as_str()), (0, ""), "{schema:?}");
    let schema: Value = serde_json::from_str(&schema.out).expect("JSON");
    assert!(schema["$schema"].is_string(), "{schema}");
    for shell in ["bash", "zsh", "fish"] {
        let script = ended(bare(&["completions", shell])).await;
        assert_eq!((script.code, script.err.as_str()), (0, ""), "{script:?}");
        for word in ["pullmint", "check", "--reveal"] {
            let word = if shell == "fish" { word.trim_start_matches('-') } else { word };
            assert!(script.out.contains(word), "{shell} knows {word}");
        }
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), ended(bare(&["completions", "bash"])).await.out).expect("a written file");
    let mut bash = tokio::process::Command::new("bash");
    let parsed = bash.arg("-n").arg(file.path()).status().await.expect("bash");
    assert!(parsed.success(), "bash can read it");
}

#[tokio::test]
async fn wrong_usage_exits_with_2_and_says_what_is_right() {
    for (args, hint) in [
        (&["chekc"][..], "check"),
        (&["run", "--confg", "x"], "--config"),
        (&["run", "--log-format", "yaml"], "json"),
        (&["schema", "--log", "info,=,"], "--log"),
        (&[], "Usage: pullmint"),
    ] {
        let ended = ended(bare(args)).await;
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{args:?}: {ended:?}");
        assert!(ended.err.contains(hint), "{args:?}: {}", ended.err);
    }
}

#[tokio::test]
async fn help_goes_to_standard_output_in_lines_that_fit_and_tells_of_exit_codes_and_examples() {
    for command in ["", "run", "once", "check", "render", "rbac", "schema", "completions"] {
        let args: Vec<_> = [command, "--help"].into_iter().filter(|arg| !arg.is_empty()).collect();
        let mut help = bare(&args);
        help.env("COLUMNS", "100");
        let help = ended(help).await;
        assert_eq!((help.code, help.err.as_str()), (0, ""), "{help:?}");
        let longest = help.out.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(longest <= 100, "{command}: a line of {longest}\n{}", help.out);
        assert!(help.out.contains(if command.is_empty() { "Exit codes:" } else { "Example" }), "{}", help.out);
        assert!(!help.out.contains('\x1b'), "no colours but on a terminal");
    }
    let version = ended(bare(&["--version"])).await;
    assert_eq!(version.out, format!("pullmint {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    for args in ["schema", "completions bash", "--help"] {
        let mut shell = tokio::process::Command::new("bash");
        let script = format!("set -o pipefail; {} {args} | head -1", crate::scene::PROGRAM);
        let output = shell.args(["-c", &script]).output().await.expect("bash");
        assert!(output.status.success() && output.stderr.is_empty(), "{args}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    }
}

/// What a command shows on a terminal, which `script` makes for it. `None` where there is no such program.
async fn on_a_terminal(scene: &Scene, args: &str, no_color: &str) -> Option<String> {
    let config = scene.around.config().display();
    let line = format!("{} {args} --config {config}", crate::scene::PROGRAM);
    let mut script = tokio::process::Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::null());
    script.envs(scene.around.env()).env("TERM", "xterm").env("NO_COLOR", no_color);
    let Ok(output) = script.output().await else {
        world::skip("a terminal needs the program script, which is not installed");
        return None;
    };
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn colours_are_for_terminals_and_not_for_those_who_want_none() {
    let scene = Scene::start("colours", 1).await;
    scene.configure("acr.toml", "provider = \"acr\"\n");
    let Some(report) = on_a_terminal(&scene, "once", "").await else { return };
    assert!(report.contains("\x1b["), "{report:?}");
    for arguments in ["once", "rbac"] {
        let plain = on_a_terminal(&scene, arguments, "1").await.expect("as before");
        assert!(!plain.contains("\x1b[3") && !plain.contains("\x1b[1m"), "{plain:?}");
    }
    scene.configure("acr.toml", ACR);
    let plain = on_a_terminal(&scene, "once", "1").await.expect("as before");
    // A progress bar moves the cursor; it need not paint.
    assert!(plain.contains("1 in place") && !plain.contains("\x1b[3"), "{plain:?}");
}
