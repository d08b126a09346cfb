//! The command itself: names, schema, usage.

use pullmint::why::case::Case;
use pullmint::why::catalogue::Code;
use pullmint::why::finding::{Certainty, Finding};
use pullmint::why::report::{Report, short, text};
use serde_json::Value;
use tokio::process::Command;

use crate::bed::{PROGRAM, run};

async fn pullmint(args: &[&str]) -> crate::bed::Said {
    let mut command = Command::new(PROGRAM);
    command.args(args);
    run(command).await
}

#[tokio::test]
async fn as_kubectls_plugin_it_is_why() {
    let dir = tempfile::tempdir().expect("a directory");
    let plugin = dir.path().join("kubectl-why");
    std::os::unix::fs::symlink(PROGRAM, &plugin).expect("a link");
    let mut command = Command::new(&plugin);
    command.arg("--help");
    let said = run(command).await;
    assert!(said.out.contains("--all-namespaces") && said.code == 0, "{said:?}");
}

#[tokio::test]
async fn wrong_usage_ends_with_2() {
    for args in [
        &["why", "--fail-on", "PM42"][..],
        &["why", "--allow-network", "everything"],
        &["why", "-A", "-n", "shop"],
        &["why", "--secret", "pull"],
    ] {
        let said = pullmint(args).await;
        assert_eq!(said.code, 2, "{args:?}: {said:?}");
    }
}

fn finding(code: Code, sentence: &str) -> Finding {
    Finding::new(code, Certainty::Likely, sentence).shown_by(["HEAD https://reg/v2/app/manifests/1 → 404".to_owned()])
}

fn case(pod: &str) -> Case {
    use pullmint::why::case::{Complaint, ContainerKind, Subject};
    let subject = Subject {
        namespace: "shop".into(),
        pod: pod.into(),
        container: "app".into(),
        kind: ContainerKind::Container,
        controller: Some("Deployment/web".into()),
        node: Some("node".into()),
    };
    Case {
        subject,
        image: "reg.example.com/app:1".into(),
        reference: pullmint::why::reference::Reference::parse("reg.example.com/app:1"),
        complaint: Some(Complaint::default()),
        wiring: Default::default(),
        platform: None,
        is_disk_full: false,
        runs_on: Vec::new(),
        kept: std::sync::Arc::default(),
    }
}

#[tokio::test]
async fn the_json_keeps_its_published_schema() {
    let said = pullmint(&["why", "--schema"]).await;
    let schema: Value = serde_json::from_str(&said.out).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let report = Report::new(&[(case("web-1"), vec![finding(Code::NO_TAG, "no tag")])], jiff::Timestamp::UNIX_EPOCH);
    let report = serde_json::to_value(&report).expect("JSON");
    let faults: Vec<_> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}\n{report:#}");
}

#[test]
fn equal_findings_are_told_once() {
    let down = || vec![finding(Code::OUTAGE, "reg.example.com is in trouble: 503")];
    let mut judged: Vec<_> = (0..400).map(|n| (case(&format!("web-{n}")), down())).collect();
    judged.push((case("other"), vec![finding(Code::NO_TAG, "no tag")]));
    let report = Report::new(&judged, jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(report.findings.len(), 2);
    let told = text(&report, 80, false);
    assert!(told.contains("and 397 more"), "{told}");
    for width in [40, 80, 120] {
        let told = text(&report, width, false);
        let is_command = |line: &str| line.trim_start().starts_with("kubectl ");
        assert!(told.lines().all(|line| is_command(line) || line.chars().count() <= width), "{told}");
        assert!(told.lines().any(|line| line.trim() == "kubectl -n shop delete pod other"), "{told}");
    }
    assert!(short(&report).starts_with("PM402 shop/web-0 (+399): reg.example.com is in trouble"));
}

#[test]
fn one_is_told_as_one_and_many_as_many() {
    let told = |cases: usize| {
        let judged: Vec<_> =
            (0..cases).map(|n| (case(&format!("web-{n}")), vec![finding(Code::NO_TAG, "no tag")])).collect();
        let mut report = Report::new(&judged, jiff::Timestamp::UNIX_EPOCH);
        (report.pods, report.asked) = (cases, cases);
        text(&report, 80, false).lines().last().unwrap_or_default().to_owned()
    };
    assert_eq!(told(1), "1 pod, 1 container fails to pull, 1 finding; 1 question to registries.");
    assert_eq!(told(2), "2 pods, 2 containers fail to pull, 1 finding; 2 questions to registries.");
}

#[test]
fn what_nobody_was_asked_about_is_not_called_good() {
    let mut report = Report::new(&[(case("web-1"), Vec::new())], jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(text(&report, 80, false), "nothing wrong with 1 image, but no registry was asked.\n");
    report.asked = 1;
    assert_eq!(text(&report, 80, false), "1 of 1 image can be pulled; 1 question to registries.\n");
}
