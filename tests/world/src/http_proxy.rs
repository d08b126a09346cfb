//! A reverse proxy that speaks HTTP, for faults that only HTTP knows: 429 with Retry-After, 503, answers held back.
//!
//! It is plain HTTP towards the client and TLS towards the server; the client's token passes through it.

use std::{
    future::{pending, ready},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use futures::{StreamExt, stream};
use http::{StatusCode, request::Parts};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::ServerName, pki_types::pem::PemObject,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use crate::{Context, ControlPlane, Result};

type Rule = Box<dyn FnMut(&Parts) -> Answer + Send>;

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// The server answers it.
    Pass,
    /// The server answers it, and the answer arrives once [`HttpProxy::release`] is called.
    Hold,
    /// The server sees it once [`HttpProxy::release`] is called.
    Detain,
    /// The server sees it later by this much.
    Delay(Duration),
    /// This is the answer, and the server never sees the request.
    Instead {
        /// The status code.
        status: u16,
        /// `Retry-After` in seconds.
        retry_after: Option<u32>,
        /// Plain text.
        body: &'static str,
    },
}

/// A running proxy; dropping it ends it.
pub struct HttpProxy {
    address: SocketAddr,
    rule: Arc<Mutex<Rule>>,
    released: watch::Sender<bool>,
    deaf: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    upstream: String,
    tls: TlsConnector,
    rule: Arc<Mutex<Rule>>,
    released: watch::Receiver<bool>,
    deaf: watch::Receiver<bool>,
}

impl Shared {
    async fn until_released(&mut self) {
        self.released.wait_for(|released| *released).await.ok();
    }
}

impl std::fmt::Debug for HttpProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpProxy").field("address", &self.address).finish_non_exhaustive()
    }
}

impl HttpProxy {
    /// Starts one in front of an API server.
    pub async fn start(plane: &ControlPlane) -> Result<Self> {
        let what = || "starting the HTTP proxy";
        crate::install_crypto();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(plane.ca().as_bytes()) {
            roots.add(certificate.context(what)?).context(what)?;
        }
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(|_| Answer::Pass)));
        let (released, told) = watch::channel(false);
        let (deaf, deafened) = watch::channel(false);
        let shared = Shared {
            upstream: plane.url().trim_start_matches("https://").to_owned(),
            tls: TlsConnector::from(Arc::new(tls)),
            rule: Arc::clone(&rule),
            released: told,
            deaf: deafened,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.context(what)?;
        let address = listener.local_addr().context(what)?;
        let app = Router::new().fallback(answer).with_state(shared);
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.ok();
        });
        Ok(Self { address, rule, released, deaf, task })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Decides what becomes of each request from now on.
    pub fn set(&self, rule: impl FnMut(&Parts) -> Answer + Send + 'static) {
        *self.rule.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(rule);
    }

    /// Lets go of the requests and answers that were held back, and of those to come.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    /// Makes watches deaf: they stay open, those to come are opened too, and nothing comes on any. All else is answered.
    /// One that has lost something to it stays silent for ever.
    pub fn deafen(&self, deaf: bool) {
        self.deaf.send_replace(deaf);
    }
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(mut shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = (shared.rule.lock().unwrap_or_else(PoisonError::into_inner))(&parts);
    match answer {
        Answer::Instead { status, retry_after, body } => {
            let mut response = Response::builder().status(status);
            if let Some(seconds) = retry_after {
                response = response.header(http::header::RETRY_AFTER, seconds);
            }
            return response.body(Body::from(body)).unwrap_or_default();
        }
        Answer::Detain => shared.until_released().await,
        Answer::Delay(delay) => tokio::time::sleep(delay).await,
        Answer::Pass | Answer::Hold => {}
    }
    let watches = is_watch(&parts);
    let response = match forward(&shared, Request::from_parts(parts, body)).await {
        Ok(response) => response,
        Err(error) => {
            let mut response = Response::new(Body::from(error.to_string()));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    };
    if matches!(answer, Answer::Hold) {
        shared.until_released().await;
    }
    if watches { response.map(|body| while_hearing(body, shared.deaf)) } else { response }
}

fn is_watch(parts: &Parts) -> bool {
    parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true"))
}

/// The body, until the first piece of it that comes while nothing may; its end is such a piece.
fn while_hearing(body: Body, deaf: watch::Receiver<bool>) -> Body {
    let pieces = body.into_data_stream().map(Some).chain(stream::once(ready(None)));
    let heard = pieces.then(move |piece| {
        let deaf = deaf.clone();
        async move {
            if *deaf.borrow() {
                pending::<()>().await;
            }
            piece
        }
    });
    Body::from_stream(heard.filter_map(ready))
}

/// One connection per request: slow and simple. The body streams, so watches work.
async fn forward(shared: &Shared, request: Request) -> Result<Response> {
    let what = || "asking the API server";
    let tcp = TcpStream::connect(&shared.upstream).await.context(what)?;
    let name = ServerName::try_from("127.0.0.1").context(what)?;
    let tls = shared.tls.connect(name, tcp).await.context(what)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await.context(what)?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.context(what)?;
    Ok(response.map(Body::new))
}
