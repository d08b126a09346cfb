//! The server over real connections.

use std::time::Duration;

use pullmint::admin::page::{View, render};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::given::{failing, healthy};
use crate::visitor::{Answer, PATIENCE, Server};

#[tokio::test]
async fn every_path_answers_as_what_it_is() {
    let server = Server::of(healthy()).await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/status.json", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/livez", "text/plain; charset=utf-8"),
        ("/readyz?verbose", "text/plain; charset=utf-8"),
    ] {
        let Answer { code, headers, body } = server.get(path).await;
        assert_eq!((code, headers["content-type"].as_str()), (200, kind), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert_eq!(headers["connection"], "close", "{path}");
        let head = server.ask("HEAD", path, &[]).await;
        assert_eq!((head.code, head.body.as_str()), (200, ""), "{path}");
        // The process's own figures change from one answer to the next.
        if path != "/metrics" {
            assert_eq!(head.headers["content-length"], body.len().to_string(), "{path}");
        }
    }
    let scrape = server.ask("GET", "/metrics", &[("Accept", "application/openmetrics-text; version=1.0.0")]).await;
    assert_eq!(scrape.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(scrape.body.ends_with("# EOF\n"), "{}", scrape.body);
    assert_eq!(server.get("/").await.body, render(&healthy(), &View::default()));
    let json: serde_json::Value = serde_json::from_str(&server.get("/status.json").await.body).expect("JSON");
    assert_eq!(json, serde_json::to_value(healthy()).expect("JSON"));
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let server = Server::of(healthy()).await;
    for path in ["/favicon.ico", "/metrics/", "/..%2f", "/status.json/x"] {
        assert_eq!(server.get(path).await.code, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        for path in ["/", "/metrics", "/livez"] {
            assert_eq!(server.ask(method, path, &[]).await.code, 405, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn health_is_a_code_with_a_line_for_each_thing_that_is_late() {
    let server = Server::of(failing()).await;
    let livez = server.get("/livez").await;
    assert_eq!((livez.code, livez.body.as_str()), (503, "loop watch namespaces: silent for 420 s, longer than 60 s\n"));
    assert!(server.get("/livez?verbose").await.body.ends_with("livez check failed\n"));
    let readyz = server.get("/readyz").await;
    assert_eq!((readyz.code, readyz.body.as_str()), (200, "ok\n"));
}

#[tokio::test]
async fn the_page_may_run_nothing_and_load_nothing() {
    let server = Server::of(healthy()).await;
    let Answer { headers, body, .. } = server.get("/").await;
    let policy = &headers["content-security-policy"];
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    for word in ["<script", "javascript:", " style=", " onload", "http://", "https://"] {
        let allowed = if word == "http://" { body.matches("http://www.w3.org/2000/svg").count() } else { 0 };
        assert_eq!(body.matches(word).count(), allowed, "{word}");
    }
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "measures how long a client is borne with")]
async fn slow_clients_hold_up_nobody_and_are_sent_away() {
    let server = Server::of(healthy()).await;
    let begin = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: p").await.expect("a beginning");
        slow.push(stream);
    }
    // The first of them is not sent away before ten seconds are over.
    let answer = timeout_at(begin + Duration::from_secs(9), server.get("/livez")).await.expect("an answer meanwhile");
    assert_eq!(answer.code, 200);

    // Those that came last are still inside; a byte now and then buys them no more time.
    let mut last = slow.pop().expect("a connection");
    let dribble = async {
        while last.write_all(b"x").await.is_ok() {
            let mut byte = [0];
            let read = timeout(Duration::from_millis(500), last.read(&mut byte)).await;
            if matches!(read, Ok(Ok(0) | Err(_))) {
                break;
            }
        }
    };
    timeout(PATIENCE, dribble).await.expect("an end");
    assert!(begin.elapsed() < Duration::from_secs(25), "{:?}", begin.elapsed());
    for mut stream in slow {
        let mut rest = Vec::new();
        let _closed = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("an end");
    }
}

#[tokio::test]
async fn a_client_that_never_reads_its_answer_is_sent_away() {
    let mut status = healthy();
    // More than the kernel's buffers hold.
    status.registries[0].hosts = vec![status.registries[0].hosts[0].clone(); 400_000];
    let server = Server::of(status).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /status.json HTTP/1.1\r\nHost: p\r\n\r\n").await.expect("a question");
    tokio::time::sleep(Duration::from_secs(11)).await;
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("an end");
    assert!(read.is_err() || !rest.ends_with(b"}\n"), "the answer was cut off, not kept for ever");
}
