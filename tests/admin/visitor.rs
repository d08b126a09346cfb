//! A server on a port of its own, and somebody who asks it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kube::{Client, Config};
use pullmint::admin::{self, Options, Snapshot};
use pullmint::clock::TokioClock;
use pullmint::config::settings::Admin;
use pullmint::metrics::Metrics;
use pullmint::status::Status;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::given::NOW;

/// The longest that anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server, until dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Server {
    /// Plain and open, with this status.
    pub(crate) async fn of(status: Status) -> Self {
        Self::with(Admin::default(), nobody(), status).await
    }

    pub(crate) async fn with(settings: Admin, client: Client, status: Status) -> Self {
        let listener = admin::bind(([127, 0, 0, 1], 0).into()).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let options = Options { settings, client, clock: Arc::new(TokioClock::starting_at(NOW)) };
        let snapshot: Snapshot = Arc::new(move || status.clone());
        Self { address, task: tokio::spawn(admin::serve(listener, options, snapshot, Metrics::default())) }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        ask(self.connect().await, method, path, headers).await
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client of no cluster, for servers that ask none.
fn nobody() -> Client {
    world::install_crypto();
    Client::try_from(Config::new("http://127.0.0.1:1".parse().expect("a URL"))).expect("a client")
}

/// Asks once, and reads until the server ends the connection.
pub(crate) async fn ask(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: pullmint\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("a sent request");
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an end of the connection");
    read.expect("an answer");
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let mut lines = head.lines();
    let code = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status code");
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Answer { code, headers, body: body.to_owned() }
}
