//! Registries that want what is not theirs: each test is one way in which other clients were led astray.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use pullmint::why::answer::{Outcome, Platform, Trouble};
use pullmint::why::probe::guard::Guard;
use pullmint::why::probe::{Question, Transport, TransportOptions, ask};
use pullmint::why::reference::Reference;
use serde_json::json;

const PASSWORD: &str = "CANARY-of-the-hostile-tests";

type Answerer = Box<dyn Fn(&str, &str, bool) -> Response<Body> + Send + Sync>;

/// A server on loopback that remembers every request: method, path, Authorization.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(String, String, String)>>>,
}

struct Inner {
    answer: Answerer,
    seen: Arc<Mutex<Vec<(String, String, String)>>>,
}

impl Server {
    /// `answer` gets the method, the path, and whether a credential came with the request.
    async fn start(answer: impl Fn(&str, &str, bool) -> Response<Body> + Send + Sync + 'static) -> Self {
        // The library's own start does this in the command.
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let inner = Arc::new(Inner { answer: Box::new(answer), seen: Arc::clone(&seen) });
        let router = Router::new().fallback(serve).with_state(inner);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, seen }
    }

    fn image(&self) -> Reference {
        Reference::parse(&format!("{}/team/app:1", self.address)).expect("an image")
    }

    fn seen(&self) -> Vec<(String, String, String)> {
        self.seen.lock().expect("no panic").clone()
    }
}

async fn serve(State(inner): State<Arc<Inner>>, request: Request<Body>) -> Response<Body> {
    let authorization =
        request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    inner.seen.lock().expect("no panic").push((method.clone(), path.clone(), authorization.to_owned()));
    (inner.answer)(&method, &path, !authorization.is_empty())
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
    let response = headers
        .iter()
        .fold(Response::builder().status(status), |response, (name, value)| response.header(*name, *value));
    response.body(body.into()).expect("a response")
}

fn basic() -> Response<Body> {
    answer(401, &[("www-authenticate", "Basic realm=\"r\"")], "")
}

fn bearer(realm: &str) -> Response<Body> {
    answer(401, &[("www-authenticate", &format!("Bearer realm=\"{realm}\",service=\"s\""))], "")
}

fn transport(allow: &[&str]) -> Transport {
    let allowed = allow.iter().map(|network| network.parse().expect("a network")).collect();
    let guard = Guard { allowed, ..Guard::default() };
    Transport::new(TransportOptions { ca_file: None, guard }).expect("a transport")
}

async fn asked(image: Reference) -> pullmint::why::answer::Answer {
    asked_over(&transport(&["127.0.0.0/8"]), image).await
}

async fn asked_over(transport: &Transport, image: Reference) -> pullmint::why::answer::Answer {
    let platform = Some(Platform { os: "linux".into(), architecture: "amd64".into(), variant: None });
    let login = Some(("user".to_owned(), PASSWORD.into()));
    ask(transport, &Question { image, login, platform, is_thorough: true }).await
}

/// CVE-2026-48978 and its like.
#[tokio::test]
async fn a_realm_elsewhere_gets_no_credential() {
    let thief = Server::start(|_, _, _| answer(200, &[], json!({"token": "t"}).to_string())).await;
    // Another name for the same machine is another host.
    let realm = format!("http://localhost:{}/token", thief.address.port());
    let registry = Server::start(move |_, _, _| bearer(&realm)).await;
    let answer = asked(registry.image()).await;
    assert!(matches!(&answer.outcome, Outcome::Odd(why) if why.contains("localhost")), "{answer:?}");
    assert_eq!(thief.seen(), []);
}

#[tokio::test]
async fn a_realm_at_a_metadata_service_is_not_asked() {
    let registry = Server::start(|_, _, _| bearer("http://169.254.169.254/latest/meta-data")).await;
    let answer = asked(registry.image()).await;
    assert!(matches!(answer.outcome, Outcome::Odd(_)), "{answer:?}");
}

/// CVE-2020-15157 and GHSA-vh4v-2xq2-g5cg.
#[tokio::test]
async fn a_redirect_takes_no_credential_to_another_origin() {
    let thief = Server::start(|_, _, _| answer(404, &[], "")).await;
    let there = format!("http://{}/v2/team/app/manifests/1", thief.address);
    let registry = Server::start(move |_, _, has_credential| match has_credential {
        true => answer(307, &[("location", &there)], ""),
        false => basic(),
    })
    .await;
    asked(registry.image()).await;
    let seen = thief.seen();
    assert!(!seen.is_empty() && seen.iter().all(|(_, _, authorization)| authorization.is_empty()), "{seen:?}");
}

#[tokio::test]
async fn a_redirect_to_a_metadata_service_is_not_followed() {
    let registry = Server::start(|_, _, _| answer(302, &[("location", "http://169.254.169.254/latest/")], "")).await;
    let answer = asked(registry.image()).await;
    let Outcome::Unreachable(Trouble::Forbidden(forbidden)) = answer.outcome else { panic!("{answer:?}") };
    assert_eq!((forbidden.host.as_str(), forbidden.permission()), ("169.254.169.254", None));
}

/// CVE-2026-50151.
#[tokio::test]
async fn a_token_service_cannot_pass_the_credential_on() {
    let thief = Server::start(|_, _, _| answer(200, &[], json!({"token": "t"}).to_string())).await;
    // The host is the registry's own, on another port.
    let there = format!("http://{}/token", thief.address);
    let service = Server::start(move |_, _, _| answer(307, &[("location", &there)], "")).await;
    let realm = format!("http://{}/token", service.address);
    let registry = Server::start(move |_, _, _| bearer(&realm)).await;
    let answer = asked(registry.image()).await;
    assert!(!matches!(answer.outcome, Outcome::Found(_)), "{answer:?}");
    assert!(!service.seen().is_empty());
    assert_eq!(thief.seen(), []);
}

#[tokio::test]
async fn redirects_come_to_an_end() {
    let registry = Server::start(|_, path, _| answer(302, &[("location", &format!("{path}x"))], "")).await;
    let answer = asked(registry.image()).await;
    assert!(matches!(answer.outcome, Outcome::Unreachable(Trouble::Other(_))), "{answer:?}");
    assert!(registry.seen().len() < 10);
}

#[tokio::test]
async fn a_body_without_end_is_not_read_to_its_end() {
    let registry = Server::start(|method, _, _| match method {
        "HEAD" => answer(200, &[("content-type", "application/vnd.oci.image.manifest.v1+json")], ""),
        _ => {
            let flood = futures::stream::repeat(axum::body::Bytes::from_static(&[b' '; 65536]));
            answer(200, &[], Body::from_stream(flood.map(Ok::<_, std::io::Error>)))
        }
    })
    .await;
    let answer = asked(registry.image()).await;
    assert!(
        matches!(&answer.outcome, Outcome::Unreachable(Trouble::Other(why)) if why.contains("longer")),
        "{answer:?}"
    );
}

/// CVE-2024-3727.
#[tokio::test]
async fn what_is_no_digest_becomes_no_address() {
    let evil = "sha256:../../../../admin/delete?all=yes#";
    let index = json!({"schemaVersion": 2, "manifests": [
        {"digest": evil, "mediaType": "m", "platform": {"os": "linux", "architecture": "amd64"}},
    ]});
    let image = json!({"schemaVersion": 2, "config": {"digest": evil}, "layers": [{"digest": evil}]});
    for manifest in [index, image] {
        let registry =
            Server::start(move |_, _, _| answer(200, &[("docker-content-digest", evil)], manifest.to_string())).await;
        asked(registry.image()).await;
        let seen = registry.seen();
        assert!(seen.iter().all(|(_, path, _)| path == "/v2/team/app/manifests/1"), "{seen:?}");
    }
}

#[tokio::test]
async fn a_credential_that_is_thrown_back_is_not_told() {
    let echo = |text: String| json!({"errors": [{"code": "DENIED", "message": text}]}).to_string();
    for text in [PASSWORD.to_owned(), STANDARD.encode(format!("user:{PASSWORD}"))] {
        let body = echo(format!("you sent {text}"));
        let registry = Server::start(move |_, _, has_credential| match has_credential {
            true => answer(403, &[], body.clone()),
            false => basic(),
        })
        .await;
        let told = format!("{:?}", asked(registry.image()).await);
        assert!(!told.contains("CANARY") && !told.contains(&text), "{told}");
    }
}

#[tokio::test]
async fn this_machine_is_not_asked_unless_a_person_allows_it() {
    let registry = Server::start(|_, _, _| answer(200, &[], "")).await;
    let port = registry.address.port();
    for host in ["127.0.0.1", "localhost"] {
        let image = Reference::parse(&format!("{host}:{port}/team/app:1")).expect("an image");
        let answer = asked_over(&transport(&[]), image).await;
        let Outcome::Unreachable(Trouble::Forbidden(forbidden)) = answer.outcome else { panic!("{answer:?}") };
        assert_eq!(forbidden.host, host);
    }
    assert_eq!(registry.seen(), []);
}

#[tokio::test]
async fn a_redirect_into_a_private_network_is_not_followed() {
    for (there, network) in [
        ("http://10.0.0.1/v2/", "10.0.0.0/8"),
        ("http://[::ffff:192.168.0.1]/v2/", "192.168.0.0/16"),
        ("http://[fd12::1]/v2/", "fc00::/7"),
    ] {
        let registry = Server::start(move |_, _, _| answer(302, &[("location", there)], "")).await;
        let answer = asked(registry.image()).await;
        let Outcome::Unreachable(Trouble::Forbidden(forbidden)) = &answer.outcome else { panic!("{answer:?}") };
        assert_eq!(forbidden.permission(), Some(format!("--allow-network {network}")));
    }
}

#[tokio::test]
async fn garbage_is_no_image() {
    for body in ["", "<html>", "{}", "[]", "{\"manifests\":1}", "\u{0}"] {
        let registry = Server::start(move |_, _, _| answer(200, &[], body)).await;
        let answer = asked(registry.image()).await;
        assert!(
            matches!(&answer.outcome, Outcome::Found(manifest) if manifest.unsupported.is_some()),
            "{body}: {answer:?}"
        );
    }
}
