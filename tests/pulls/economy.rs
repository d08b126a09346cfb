//! Many pods with one cause cost one question, and are one piece of news.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{Request, StatusCode};
use futures::future::join_all;

use pullmint::reminder;

use crate::ahead::Ahead;
use crate::bed::{Bed, Watcher, settings, until};

/// A registry on loopback that has no image at all, and remembers what it was asked. Each test has another address, for
/// whoever watches sees the pods of all.
struct Registry {
    host: String,
    asked: Arc<Mutex<Vec<String>>>,
    broken: Arc<AtomicBool>,
}

impl Registry {
    async fn start(address: &str) -> Self {
        world::install_crypto();
        let listener = tokio::net::TcpListener::bind((address, 0)).await.expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let broken: Arc<AtomicBool> = Arc::default();
        let (noted, fails) = (Arc::clone(&asked), Arc::clone(&broken));
        let answer = async move |request: Request<axum::body::Body>| {
            noted.lock().expect("no panic").push(format!("{} {}", request.method(), request.uri().path()));
            let status = if fails.load(Relaxed) { StatusCode::BAD_GATEWAY } else { StatusCode::NOT_FOUND };
            (status, "{\"errors\":[{\"code\":\"NAME_UNKNOWN\"}]}")
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        Self { host, asked, broken }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

#[tokio::test]
async fn fifty_pods_with_one_cause_are_one_question_and_one_piece_of_news_until_they_go() {
    let (bed, registry) = (Bed::new("fifty").await, Registry::start("127.0.0.2").await);
    let image = format!("{}/team/app:1", registry.host);
    let names: Vec<_> = (0..50).map(|number| format!("web-{number}")).collect();
    join_all(names.iter().map(|name| bed.failing_pod(name, &image, &[]))).await;

    let mut watcher = Watcher::start(bed.client.clone(), &settings("private_networks = [\"127.0.0.2/32\"]\n"));
    watcher.until("50 pods explained", &bed.namespace, |codes| codes.len() == 50).await;
    let manifests: Vec<_> = registry.asked().into_iter().filter(|it| it == "HEAD /v2/team/app/manifests/1").collect();
    assert_eq!(manifests.len(), 1, "{:?}", registry.asked());
    let news = watcher.news_of(&bed.namespace);
    assert_eq!(news.len(), 1, "{news:?}");

    bed.delete_pods().await;
    watcher.until("nothing any more", &bed.namespace, |codes| codes.is_empty()).await;
}

#[tokio::test]
async fn an_inner_address_is_not_asked_whoever_names_it() {
    let (bed, registry) = (Bed::new("inner").await, Registry::start("127.0.0.3").await);
    bed.failing_pod("curious", &format!("{}/team/app:1", registry.host), &[]).await;
    let mut watcher = Watcher::start(bed.client.clone(), &settings(""));
    watcher.until("an explained pod", &bed.namespace, |codes| codes.len() == 1).await;
    assert!(registry.asked().is_empty(), "{:?}", registry.asked());
    bed.delete_pods().await;
}

#[tokio::test]
async fn other_settings_are_obeyed_soon_and_what_is_known_stays_until_then() {
    let (bed, registry) = (Bed::new("otherwise").await, Registry::start("127.0.0.6").await);
    bed.failing_pod("web", &format!("{}/team/app:1", registry.host), &[]).await;
    let mut watcher = Watcher::start(bed.client.clone(), &settings(""));
    watcher.until("what the kubelet says", &bed.namespace, |codes| codes.len() == 1).await;
    watcher.reconfigure(&settings("private_networks = [\"127.0.0.6/32\"]\n"));
    let was_lost = Cell::new(false);
    let asked = |codes: &[String]| {
        was_lost.set(was_lost.get() || codes.is_empty());
        codes == ["PM102"]
    };
    watcher.until("what the registry says", &bed.namespace, asked).await;
    assert!(!was_lost.get(), "what was known was forgotten meanwhile");
    bed.delete_pods().await;
}

#[tokio::test]
async fn after_a_renewal_failures_are_looked_into_again_with_new_questions() {
    let (bed, registry) = (Bed::new("renewed").await, Registry::start("127.0.0.4").await);
    bed.failing_pod("web", &format!("{}/team/app:1", registry.host), &[]).await;
    let mut watcher = Watcher::start(bed.client.clone(), &settings("private_networks = [\"127.0.0.4/32\"]\n"));
    watcher.until("what is missing", &bed.namespace, |codes| codes == ["PM102"]).await;
    registry.broken.store(true, Relaxed);
    watcher.renew();
    watcher.until("what is broken since", &bed.namespace, |codes| codes == ["PM402"]).await;
    bed.delete_pods().await;
}

#[tokio::test]
async fn a_cause_that_lasts_is_news_again_before_its_event_is_gone() {
    let bed = Bed::new("lasting").await;
    bed.failing_pod("web", "127.0.0.5:5000/team/app:1", &[]).await;
    let clock = Arc::<Ahead>::default();
    let mut watcher = Watcher::start_by(clock.clone(), bed.client.clone(), &settings(""));
    watcher.until("an explained pod", &bed.namespace, |codes| codes.len() == 1).await;
    let first = watcher.news_of(&bed.namespace);
    clock.by(reminder::EVERY);
    let again = until("news", async || watcher.news_of(&bed.namespace).pop()).await;
    assert_eq!(first.iter().map(|news| news.finding.code).collect::<Vec<_>>(), [again.finding.code]);
    bed.delete_pods().await;
}
