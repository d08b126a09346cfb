//! HTTPS with certificates that are renewed while the server runs.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use pullmint::config::settings::{Admin, TlsFiles};
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::given::healthy;
use crate::visitor::{Server, ask};

fn issue(dir: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["pullmint".to_owned()]).expect("a certificate");
    fs::write(dir.join("tls.crt"), cert.pem()).expect("a file");
    fs::write(dir.join("tls.key"), KeyPair::serialize_pem(&signing_key)).expect("a file");
    cert.der().clone()
}

async fn server(dir: &Path) -> Server {
    let tls = Some(TlsFiles { certificate: dir.join("tls.crt"), key: dir.join("tls.key") });
    world::install_crypto();
    let client = kube::Client::try_from(kube::Config::new("http://127.0.0.1:1".parse().expect("a URL")));
    Server::with(Admin { tls, ..Admin::default() }, client.expect("a client"), healthy()).await
}

/// Shakes hands with a client that trusts this certificate alone.
async fn shake(
    server: &Server,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a root");
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("pullmint").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, server.connect().await).await
}

async fn is_served(server: &Server, trusted: &CertificateDer<'static>) -> bool {
    match shake(server, trusted).await {
        Ok(stream) => ask(stream, "GET", "/livez", &[]).await.body == "ok\n",
        Err(_) => false,
    }
}

#[tokio::test]
async fn a_renewed_certificate_counts_at_once_and_a_spoiled_one_never() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = issue(dir.path());
    let server = server(dir.path()).await;
    assert!(is_served(&server, &first).await);

    let second = issue(dir.path());
    assert!(is_served(&server, &second).await, "renewed");
    assert!(!is_served(&server, &first).await, "and the old one is gone");

    fs::write(dir.path().join("tls.crt"), "spoiled").expect("a file");
    assert!(is_served(&server, &second).await, "spoiled");
    let other = tempfile::tempdir().expect("a directory");
    issue(other.path());
    fs::copy(other.path().join("tls.crt"), dir.path().join("tls.crt")).expect("a file");
    assert!(is_served(&server, &second).await, "a certificate without its key, as in the middle of a renewal");
    fs::remove_file(dir.path().join("tls.key")).expect("no file");
    assert!(is_served(&server, &second).await, "a file that is gone");
    let third = issue(dir.path());
    assert!(is_served(&server, &third).await, "and right again");
}

#[tokio::test]
async fn without_a_certificate_nothing_is_served_until_there_is_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = server(dir.path()).await;
    let mut closed = Vec::new();
    let mut stream = server.connect().await;
    assert_eq!(stream.read_to_end(&mut closed).await.unwrap_or(0), 0, "not even in the clear");
    let first = issue(dir.path());
    assert!(is_served(&server, &first).await);
}

#[tokio::test]
async fn a_client_that_never_shakes_hands_holds_up_nobody() {
    let dir = tempfile::tempdir().expect("a directory");
    let certificate = issue(dir.path());
    let server = server(dir.path()).await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(server.connect().await);
    }
    assert!(is_served(&server, &certificate).await);
}
