//! The rebuilt keyring and reference parser against the kubelet's own, which a small Go program calls.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use pullmint::why::keyring::{Keyring, Login};
use pullmint::why::reference::Reference;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use world::binaries::Program;

/// How many questions are made up, beside the traps.
const QUESTIONS: usize = 12_000;

#[derive(Clone, Debug)]
struct Question {
    image: String,
    secrets: Vec<Secret>,
}

#[tokio::test]
async fn the_keyring_and_the_references_are_the_kubelets_in_every_case() {
    let mut questions = traps();
    let mut runner = TestRunner::deterministic();
    let made_up = question();
    questions.extend((0..QUESTIONS).map(|_| made_up.new_tree(&mut runner).expect("a question").current()));

    let program = Program::Oracle.path().await.expect("a program");
    let answers = ask_the_kubelet(&program, &questions);
    assert_eq!(answers.len(), questions.len());
    let (mut broken, mut opened, mut invalid) = (0, 0, 0);
    for (question, answer) in questions.iter().zip(&answers) {
        let Ok(reference) = Reference::parse(&question.image) else {
            assert!(answer["reference"].is_null(), "refused: {question:?}\n{answer}");
            invalid += 1;
            continue;
        };
        let (tag, digest) = (reference.tag.as_deref().unwrap_or_default(), reference.digest.as_deref());
        let read = json!([reference.name(), tag, digest.unwrap_or_default()]);
        assert_eq!(answer["reference"], read, "{question:?}");
        let Ok(keyring) = Keyring::of(&question.secrets) else {
            assert_eq!(answer["broken"], true, "{question:?}\n{answer}");
            broken += 1;
            continue;
        };
        assert_eq!(answer["broken"], false, "{question:?}");
        let ours = keyring.lookup(&reference.name());
        let theirs: Vec<Value> = serde_json::from_value(answer["logins"].clone()).unwrap_or_default();
        opened += usize::from(!ours.is_empty());
        assert_eq!(
            normal(&ours, ours.iter().map(|login| shown(login)).collect()),
            normal(&ours, theirs),
            "{question:?}"
        );
    }
    // Made-up questions that all have one answer would prove nothing.
    assert!(broken > 200 && opened > 1000 && invalid > 200, "{broken} broken, {opened} opened, {invalid} invalid");
}

fn shown(login: &Login) -> Value {
    json!({"secret": login.secret, "username": login.username, "password": login.password.expose_secret()})
}

/// Two keys of one Secret that mean the same come in any order, since Go's maps have none.
fn normal(ours: &[&Login], mut logins: Vec<Value>) -> Vec<Value> {
    if ours.len() != logins.len() {
        return logins;
    }
    let mut start = 0;
    for group in ours.chunk_by(|a, b| a.secret == b.secret && a.location == b.location) {
        logins[start..start + group.len()].sort_by_key(Value::to_string);
        start += group.len();
    }
    logins
}

fn ask_the_kubelet(program: &Path, questions: &[Question]) -> Vec<Value> {
    let mut oracle = Command::new(program);
    let mut oracle =
        oracle.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a start");
    let mut input = oracle.stdin.take().expect("a pipe");
    let lines: String = questions.iter().map(|question| format!("{}\n", written(question))).collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = oracle.wait_with_output().expect("an end");
    writer.join().expect("no panic").expect("all was read");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn written(question: &Question) -> Value {
    let secrets = question
        .secrets
        .iter()
        .map(|secret| json!({"name": secret.metadata.name, "type": secret.type_, "data": secret.data}));
    json!({"image": question.image, "secrets": secrets.collect::<Vec<_>>()})
}

fn secret(name: &str, kind: &str, key: &str, content: Vec<u8>) -> Secret {
    let mut secret = Secret { type_: Some(kind.to_owned()), ..Secret::default() };
    secret.metadata.name = Some(name.to_owned());
    secret.data = Some([(key.to_owned(), ByteString(content))].into());
    secret
}

fn docker_config_json(name: &str, content: &str) -> Secret {
    secret(name, "kubernetes.io/dockerconfigjson", ".dockerconfigjson", content.as_bytes().to_vec())
}

/// What people stumble over, each by itself.
fn traps() -> Vec<Question> {
    let images = [
        "nginx",
        "acme/app:1",
        "docker.io/acme/app",
        "index.docker.io/acme/app",
        "reg.example.com/foobar/app",
        "reg.example.com:5000/app",
        "a.b.example.com/app",
        "acme.azurecr.io/team/app:2",
    ];
    let keys = [
        "https://index.docker.io/v1/",
        "https://index.docker.io/v1",
        "index.docker.io",
        "index.docker.io/v2/",
        "docker.io",
        "docker.io/acme",
        "index.docker.io/acme",
        "registry-1.docker.io",
        "reg.example.com/foo",
        "reg.example.com:5000",
        "reg.example.com:",
        "http://reg.example.com",
        "https://reg.example.com/v1/foo",
        "*.example.com",
        "*.azurecr.io",
        "ACME.azurecr.io",
        "*",
        "*.*",
        "[a-z]cme.azurecr.io",
        "acme.azurecr.io/team/",
        "acme.azurecr.io//team",
        "https://https://acme.azurecr.io",
        "acme.azurecr.io?x",
        "acme.azurecr.io#x",
        "me@acme.azurecr.io",
        "%61cme.azurecr.io",
        "acme.azurecr.io/te%61m",
        "acme.azurecr.io/te%2561m",
        " acme.azurecr.io",
        "ftp://acme.azurecr.io",
        "[::1]:5000",
        "[::1%25eth0]",
        "",
        "/",
        "//",
        "https://",
    ];
    let contents = [
        "{}",
        "null",
        "[]",
        "",
        "x",
        "{\"auths\":null}",
        "{\"auths\":[]}",
        "{\"auths\":{\"k\":null}}",
        "{\"AUTHS\":{\"docker.io\":{\"USERNAME\":\"u\",\"Password\":\"p\"}}}",
        "{\"auths\":{\"docker.io\":{\"auth\":\"\"}}}",
        "{\"auths\":{\"docker.io\":{\"auth\":\"dTpw\\n\"}}}",
        "{\"auths\":{\"docker.io\":{\"auth\":\"dTpw \"}}}",
        "{\"auths\":{\"docker.io\":{\"auth\":\"dTpwcA==\"}}}",
        "{\"auths\":{\"docker.io\":{\"auth\":\"dTpwcA\"}}}",
        "{\"auths\":{\"docker.io\":{\"auth\":\"dTpwcA=\"}}}",
        "{\"auths\":{\"docker.io\":{\"auth\":\"dXA=\"}}}",
        "{\"auths\":{\"docker.io\":{\"auth\":\"dTpwcB==\"}}}",
        "{\"auths\":{\"docker.io\":{\"auth\":\"d_pw\"}}}",
        "{\"auths\":{\"docker.io\":{\"identitytoken\":\"t\"}}}",
        "{\"auths\":{\"docker.io\":{\"username\":1}}}",
        "{\"credHelpers\":{\"docker.io\":\"x\"}}",
        "{\"auths\":{},\"HttpHeaders\":{\"a\":1}}",
        "{\"auths\":{}} x",
        "{\"auths\":{\"docker.io\":{\"username\":\"a\"}},\"auths\":{\"quay.io\":{\"username\":\"b\"}}}",
        "{\"auths\":{\"docker.io\":{\"username\":\"a\"}},\"auths\":null}",
        "{\"auths\":{\"docker.io\":{\"username\":\"\\ud800\"}}}",
        "{\"auths\":{\"docker.io\":{\"auth\":\"/zpw/w==\"}}}",
    ];
    let mut traps = Vec::new();
    for image in images {
        for key in keys {
            let content = json!({"auths": {key: {"username": "u", "password": "p"}}}).to_string();
            traps.push(Question { image: image.into(), secrets: vec![docker_config_json("a", &content)] });
        }
        for content in contents {
            let good =
                json!({"auths": {"https://index.docker.io/v1/": {"username": "u", "password": "p"}}}).to_string();
            let secrets = vec![docker_config_json("good", &good), docker_config_json("odd", content)];
            traps.push(Question { image: image.into(), secrets });
            let old = secret("old", "kubernetes.io/dockercfg", ".dockercfg", content.as_bytes().to_vec());
            traps.push(Question { image: image.into(), secrets: vec![old] });
        }
    }
    traps
}

fn question() -> impl Strategy<Value = Question> {
    (image(), prop::collection::vec(any_secret(), 0..4)).prop_map(|(image, secrets)| {
        let name = |(at, mut secret): (usize, Secret)| {
            secret.metadata.name = Some(format!("s{at}"));
            secret
        };
        Question { image, secrets: secrets.into_iter().enumerate().map(name).collect() }
    })
}

fn host() -> impl Strategy<Value = String> {
    const COMMON: &[&str] = &["docker.io", "index.docker.io", "acme.azurecr.io", "reg.example.com:5000"];
    const RARE: &[&str] = &[
        "registry-1.docker.io",
        "quay.io",
        "reg.example.com",
        "localhost",
        "localhost:5000",
        "Reg.example.com",
        "a-b.c",
        "10.0.0.1",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "[::1]:5000",
        "foo_bar.com",
    ];
    prop_oneof![3 => select(COMMON), 1 => select(RARE)].prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&["acme", "app", "foo", "foobar", "team", "a__b", "a--b", "v1", "v2"][..]), 1..4)
        .prop_map(|parts| parts.join("/"))
}

fn image() -> impl Strategy<Value = String> {
    let tag = prop_oneof![
        4 => Just(String::new()),
        2 => "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,5}".prop_map(|tag| format!(":{tag}")),
        1 => "[a-f0-9]{64}".prop_map(|hex| format!("@sha256:{hex}")),
        1 => "[a-f0-9]{64}".prop_map(|hex| format!(":1@sha256:{hex}")),
        1 => r"[:@][a-z0-9:.@-]{0,6}",
    ];
    prop_oneof![
        8 => (host(), path(), tag.clone()).prop_map(|(host, path, tag)| format!("{host}/{path}{tag}")),
        3 => (path(), tag).prop_map(|(path, tag)| format!("{path}{tag}")),
        1 => r"([a-zA-Z]{1,3}|[0-9]|[./:@_ -]|sha256:|[a-f0-9]{32}|é){1,9}",
    ]
}

fn key() -> impl Strategy<Value = String> {
    let scheme = select(&["", "", "", "https://", "http://", "HTTPS://", "ftp://"][..]);
    let pattern = host().prop_perturb(|host, mut random| {
        let labels = host.split('.').map(|label| match random.random_range(0..6) {
            0 => "*".to_owned(),
            1 => format!("{}*", &label[..label.len().min(1)]),
            2 => label.replacen('a', "[a-c]", 1).replacen('o', "?", 1),
            _ => label.to_owned(),
        });
        labels.collect::<Vec<_>>().join(".")
    });
    let suffix = prop_oneof![
        3 => Just(String::new()),
        2 => select(&["/", "/v1/", "/v1", "/v2/", "/v2", "//", "?", "#", ":", ":443", "/%", "/%61cme", "/v1//"][..])
            .prop_map(str::to_owned),
        2 => path().prop_map(|path| format!("/{path}")),
        1 => path().prop_map(|path| format!("/v1/{path}/")),
    ];
    prop_oneof![
        6 => host(),
        1 => Just("https://index.docker.io/v1/".to_owned()),
        5 => (scheme, host(), suffix.clone()).prop_map(|(scheme, host, suffix)| format!("{scheme}{host}{suffix}")),
        3 => (pattern, suffix).prop_map(|(host, suffix)| format!("{host}{suffix}")),
        1 => r"([a-z.]{1,4}|[*?\[\]\\^@:/%#! é-]|%[0-9a-f]{2}){0,8}",
    ]
}

fn entry() -> impl Strategy<Value = String> {
    let login = ("[a-z]{1,4}", "[ -~é:]{0,5}");
    prop_oneof![
        4 => login.prop_map(|(user, password)| json!({"username": user, "password": password}).to_string()),
        4 => login.prop_map(|(user, password)| {
            json!({"auth": STANDARD.encode(format!("{user}:{password}")), "username": "other"}).to_string()
        }),
        1 => login.prop_map(|(user, password)| {
            json!({"AUTH": STANDARD_NO_PAD.encode(format!("{user}:{password}")), "Email": "e"}).to_string()
        }),
        1 => prop::collection::vec(any::<u8>(), 1..8).prop_map(|bytes| json!({"auth": STANDARD.encode(bytes)}).to_string()),
    ]
}

fn odd_entry() -> impl Strategy<Value = String> {
    prop_oneof![
        select(
            &[
                "null",
                "{}",
                "[]",
                "1",
                "\"x\"",
                "{\"auth\":1}",
                "{\"auth\":null}",
                "{\"username\":[]}",
                "{\"email\":{}}",
                "{\"x\":[{\"auth\":1}]}",
                "{\"auth\":\"é\"}",
                "{\"auth\":\"=\"}",
                "{\"auth\":\"Og==\"}",
                "{\"auth\":\"Og\"}",
                "{\"username\":\"a\",\"USERNAME\":\"b\",\"userna\\u006de\":\"c\"}"
            ][..]
        )
        .prop_map(str::to_owned),
        r#"\{"auth":"[A-Za-z0-9+/=_ -]{0,9}"\}"#,
    ]
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let entries = |entry: BoxedStrategy<String>| -> BoxedStrategy<String> {
        let pair = (key(), entry).prop_map(|(key, entry)| format!("{}:{entry}", Value::from(key)));
        prop::collection::vec(pair, 0..4).prop_map(|pairs| format!("{{{}}}", pairs.join(","))).boxed()
    };
    let good = entries(entry().boxed());
    let odd = entries(prop_oneof![3 => entry(), 1 => odd_entry()].boxed());
    prop_oneof![
        12 => good.prop_map(|auths| format!("{{\"auths\":{auths}}}").into_bytes()),
        2 => odd.clone().prop_map(|auths| format!("{{\"auths\":{auths},\"credsStore\":\"x\"}}").into_bytes()),
        1 => (odd.clone(), odd.clone()).prop_map(|(a, b)| format!("{{\"auths\":{a},\"Auths\":{b}}}").into_bytes()),
        1 => odd.clone().prop_map(String::into_bytes),
        1 => (odd, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(auths, at, byte)| {
            let mut bytes = format!("{{ \"auths\" : {auths} }}\n").into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
    ]
}

fn any_secret() -> impl Strategy<Value = Secret> {
    let kinds = [("kubernetes.io/dockerconfigjson", ".dockerconfigjson"); 12];
    let odd = [
        ("kubernetes.io/dockercfg", ".dockercfg"),
        ("kubernetes.io/dockercfg", ".dockerconfigjson"),
        ("kubernetes.io/dockerconfigjson", ".dockercfg"),
        ("Opaque", ".dockerconfigjson"),
    ];
    let kind = select([&kinds[..], &odd[..]].concat());
    (kind, content()).prop_map(|((kind, key), content)| secret("", kind, key, content))
}
