//! What holds of every verdict.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::judge;
use crate::why::answer::{Answer, Flaw, Forbidden, Manifest, Missing, Outcome, Platform, Standing, Trouble, Words};
use crate::why::case::{Attempts, Case, Complaint, ContainerKind, State, Subject, Wanted, Wiring};
use crate::why::catalogue::Code;
use crate::why::evidence::{Evidence, Tried};
use crate::why::kept::Kept;
use crate::why::login::Facts;
use crate::why::reference::Reference;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn case(image: &str, reason: &str, message: &str) -> Case {
    let subject = Subject {
        namespace: "shop".into(),
        pod: "web-1".into(),
        container: "app".into(),
        kind: ContainerKind::Container,
        controller: Some("Deployment/web".into()),
        node: Some("node-1".into()),
    };
    let attempts = Some(Attempts { count: 5, last: NOW });
    let complaint = Complaint { reason: reason.into(), message: message.into(), attempts };
    Case {
        subject,
        image: image.into(),
        reference: Reference::parse(image),
        complaint: (!reason.is_empty()).then_some(complaint),
        wiring: Arc::default(),
        platform: Some(Platform { os: "linux".into(), architecture: "amd64".into(), variant: None }),
        is_disk_full: false,
        runs_on: Vec::new(),
        kept: Arc::default(),
    }
}

fn tried(outcome: Outcome, login: Option<Facts>) -> Tried {
    let answer = Answer { outcome, trail: Vec::new(), quota: None, date: None };
    Tried { login, answer: Arc::new(answer) }
}

fn facts() -> Facts {
    Facts {
        secret: "pull".into(),
        key: "reg.example.com".into(),
        username: "me".into(),
        fingerprint: "00000000".into(),
        expires: None,
        begins: None,
        audience: None,
        is_managed: false,
        written: None,
    }
}

fn found() -> Outcome {
    Outcome::Found(Manifest::default())
}

fn answered(outcome: Outcome) -> Evidence {
    Evidence { tried: vec![tried(outcome, Some(facts()))], ..Evidence::default() }
}

fn first(case: &Case, evidence: &Evidence) -> Option<Code> {
    judge(case, evidence, NOW).first().map(|finding| finding.code)
}

#[test]
fn the_nodes_own_troubles_are_told_though_the_registry_answers() {
    let evidence = answered(found());
    for (message, code) in [
        ("pull QPS exceeded", Code::NODE_THROTTLED),
        ("write /var/lib/x: no space left on device", Code::DISK_FULL),
        ("short-name resolution enforced but cannot prompt without a TTY", Code::SHORT_NAMES_FORBIDDEN),
        ("dial tcp: lookup reg.example.com: no such host", Code::DNS),
        ("dial tcp 10.0.0.1:443: connect: connection refused", Code::UNREACHABLE),
        ("x509: certificate signed by unknown authority", Code::TLS),
        ("http: server gave HTTP response to HTTPS client", Code::PLAIN_HTTP),
        (r#"Head "https://mirror.corp/v2/app/manifests/1": dial tcp: i/o timeout"#, Code::PROXY),
        ("no match for platform in manifest: not found", Code::PLATFORM),
    ] {
        let case = case("reg.example.com/app:1", "ErrImagePull", message);
        assert_eq!(first(&case, &evidence), Some(code), "{message}");
    }
}

#[test]
fn a_node_that_holds_pulls_back_does_not_hide_what_the_registry_says() {
    let mut case = case("reg.example.com/app:1", "ErrImagePull", "pull QPS exceeded");
    case.runs_on = vec!["node-2".into()];
    let codes =
        |evidence: &Evidence| judge(&case, evidence, NOW).iter().map(|finding| finding.code).collect::<Vec<_>>();
    let missing = Outcome::Missing(Missing::Manifest { tags: vec!["2".into()] });
    assert_eq!(codes(&answered(missing)), [Code::NO_TAG, Code::NODE_THROTTLED]);
    assert_eq!(codes(&answered(found())), [Code::NODE_THROTTLED]);
}

#[test]
fn of_a_secret_that_pullmint_fails_to_keep_its_own_words_are_told_and_no_command_that_it_would_undo() {
    let mut case = case("reg.example.com/app:1", "ErrImagePull", "");
    let wanted = vec![Wanted { name: "pull".into(), state: State::Missing }];
    case.wiring = Arc::new(Wiring { wanted, ..Wiring::default() });
    let status = json!({
        "namespace": "pullmint", "leadership": {"role": "leader"}, "namespaces": [],
        "registries": [{"name": "reg", "hosts": ["reg.example.com"], "secret": "pull", "failure": {
            "message": "ask\u{1b}[2J: denied", "remedy": "allow it", "consecutive": 3, "since": NOW}}],
    });
    let denied = Outcome::Denied(Words { status: 401, ..Words::default() });
    let evidence = Evidence { tried: vec![tried(denied, None)], ..Evidence::default() };
    let without = judge(&case, &evidence, NOW);
    assert!(without[0].command.is_some());
    case.kept = Arc::new(Kept::of(&status));
    let finding = &judge(&case, &evidence, NOW)[0];
    assert_eq!((finding.code, &finding.command), (Code::SECRET_MISSING, &None));
    let said = &finding.evidence[0];
    assert!(said.starts_with("pullmint in namespace pullmint says: the renewal of registry reg"), "{said}");
    assert!(said.contains("3 times") && said.contains("to do: allow it") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn an_image_that_was_pushed_since_the_kubelet_tried_is_said_to_be_so() {
    let finding = |message: &str| {
        let case = case("reg.example.com/app:1", "ImagePullBackOff", message);
        judge(&case, &answered(found()), NOW).swap_remove(0)
    };
    let pushed = finding("reg.example.com/app:1: not found");
    assert_eq!(pushed.code, Code::MENDED);
    assert!(pushed.sentence.ends_with("it has been pushed since"), "{}", pushed.sentence);
    assert!(!finding("insufficient_scope: authorization failed").sentence.contains("pushed"));
}

#[test]
fn what_runs_elsewhere_and_fails_again_and_again_is_the_nodes() {
    let mut case = case("reg.example.com/app:1", "ImagePullBackOff", "insufficient_scope: authorization failed");
    assert_eq!(first(&case, &answered(found())), Some(Code::MENDED));
    case.runs_on = vec!["node-2".into()];
    assert_eq!(first(&case, &answered(found())), Some(Code::SOME_NODES));
}

#[test]
fn a_secret_with_nothing_under_its_data_key_is_told() {
    let mut case = case("reg.example.com/app:1", "ErrImagePull", "");
    let secret = Secret {
        type_: Some("kubernetes.io/dockerconfigjson".into()),
        data: Some([(".dockercfg".to_owned(), ByteString(b"{}".to_vec()))].into()),
        ..Secret::default()
    };
    let wanted = vec![Wanted { name: "pull".into(), state: State::Present(Arc::new(secret)) }];
    case.wiring = Arc::new(Wiring { wanted, ..Wiring::default() });
    let denied = Outcome::Denied(Words { status: 401, ..Words::default() });
    let evidence = Evidence { tried: vec![tried(denied, None)], ..Evidence::default() };
    assert_eq!(first(&case, &evidence), Some(Code::SECRET_DATA_KEY));
}

fn private() -> Forbidden {
    let address = "10.1.2.3".parse().expect("an address");
    Forbidden { host: "reg.example.com".into(), address, standing: Standing::Private("10.0.0.0/8".into()) }
}

#[test]
fn a_registry_that_is_not_asked_leaves_the_kubelets_word() {
    let evidence = answered(Outcome::Unreachable(Trouble::Forbidden(private())));
    for (message, code) in [
        ("manifest unknown", Code::NO_TAG),
        ("dial tcp 10.1.2.3:443: connect: connection refused", Code::UNREACHABLE),
        ("no basic auth credentials", Code::ANONYMOUS),
        ("", Code::UNKNOWN),
    ] {
        let findings = judge(&case("reg.example.com/app:1", "ErrImagePull", message), &evidence, NOW);
        assert_eq!(findings[0].code, code, "{message}");
        let seen = "reg.example.com stands at 10.1.2.3, a private address, which is not asked without \
            --allow-network 10.0.0.0/8";
        assert_eq!(findings[0].evidence[0], seen);
    }
    let nothing_heard = judge(&case("reg.example.com/app:1", "", ""), &evidence, NOW);
    assert_eq!(nothing_heard[0].code, Code::UNKNOWN);
    assert!(nothing_heard[0].cure.contains("--allow-network 10.0.0.0/8"));
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let words = (select(vec![400_u16, 401, 403, 404, 412, 429]), select(vec!["", "DENIED"]), "[a-z ]{0,20}");
    let words = words.prop_map(|(status, code, message)| Words { status, code: code.into(), message });
    let trouble = select(vec![
        Trouble::Dns,
        Trouble::Refused,
        Trouble::Timeout,
        Trouble::Reset,
        Trouble::Certificate(Flaw::Expired),
        Trouble::PlainHttp,
        Trouble::Proxy,
        Trouble::Forbidden(private()),
        Trouble::Other("odd".into()),
    ]);
    let tags = prop::collection::vec("[a-z0-9.]{1,6}", 0..4);
    prop_oneof![
        tags.prop_map(|tags| Outcome::Missing(Missing::Manifest { tags })),
        Just(Outcome::Missing(Missing::Repository)),
        Just(Outcome::Missing(Missing::Either)),
        words.clone().prop_map(Outcome::LoginRefused),
        words.clone().prop_map(Outcome::Denied),
        words.prop_map(|words| Outcome::Throttled(words, None)),
        (500_u16..600).prop_map(Outcome::Failing),
        trouble.prop_map(Outcome::Unreachable),
        Just(Outcome::Odd("odd".into())),
    ]
}

proptest! {
    #[test]
    fn nothing_is_called_healthy_that_does_not_pull(
        outcomes in prop::collection::vec((outcome(), any::<bool>()), 1..4),
        image in select(vec!["app", "reg.example.com/app:1", "1.dkr.ecr.eu-west-1.amazonaws.com/app:1"]),
        reason in select(vec!["", "ErrImagePull", "ImagePullBackOff"]),
        message in select(vec!["", "no such host", "401 Unauthorized", "something new"]),
    ) {
        let tries = outcomes.into_iter().map(|(outcome, is_nobody)| tried(outcome, (!is_nobody).then(facts)));
        let evidence = Evidence { tried: tries.collect(), ..Evidence::default() };
        let findings = judge(&case(image, reason, message), &evidence, NOW);
        prop_assert!(findings.first().is_some_and(|finding| finding.code != Code::MENDED));
    }

    #[test]
    fn a_pod_that_fails_is_never_without_finding(message in ".{0,60}", is_asked in any::<bool>()) {
        let evidence = if is_asked { answered(found()) } else { Evidence::default() };
        prop_assert!(!judge(&case("reg.example.com/app:1", "ErrImagePull", &message), &evidence, NOW).is_empty());
    }
}
