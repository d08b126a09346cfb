//! A small internet on loopback: the clouds under their own names, with TLS, behind an HTTP proxy.
//!
//! A client that honours `HTTPS_PROXY` needs no other setting: it asks for `https://acme.azurecr.io`, the proxy ends
//! the connection there and then with a certificate of the test CA, and the emulated cloud answers. What has no
//! public name (EKS Pod Identity, managed identity) and AWS by endpoint override is served on the same port, in
//! plain HTTP.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::clouds::{Call, Clouds, Place};

/// A registry that speaks plain HTTP where TLS is expected.
pub const PLAIN_HTTP: &str = "plain.example.com";

/// A registry whose certificate is signed by an authority that nobody here trusts.
pub const UNTRUSTED: &str = "untrusted.example.com";

/// No request that an emulated cloud accepts comes near this.
const LARGEST_REQUEST: usize = 1 << 20;

/// The running internet; it ends when dropped.
#[derive(Debug)]
pub struct Internet {
    address: SocketAddr,
    clouds: Clouds,
    ca_file: PathBuf,
    _dir: tempfile::TempDir,
    server: JoinHandle<()>,
}

impl Internet {
    /// Puts clouds on a free loopback port.
    pub async fn start(clouds: Clouds) -> io::Result<Self> {
        Self::start_at(clouds, IpAddr::from([127, 0, 0, 1])).await
    }

    /// Puts clouds on a free port of another address of this machine.
    pub async fn start_at(clouds: Clouds, address: IpAddr) -> io::Result<Self> {
        install_crypto();
        let dir = tempfile::tempdir()?;
        let authority = Authority::new();
        let ca_file = dir.path().join("ca.pem");
        std::fs::write(&ca_file, &authority.pem)?;
        let listener = TcpListener::bind((address, 0)).await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(accept(listener, Arc::new(authority), clouds.clone()));
        Ok(Self { address, clouds, ca_file, _dir: dir, server })
    }

    /// The clouds behind it.
    pub fn clouds(&self) -> &Clouds {
        &self.clouds
    }

    /// The test CA's certificate, PEM.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The value for `HTTPS_PROXY`.
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where Pod Identity (`/v1/credentials`), managed identity (`/msi/token`) and the AWS APIs (`/`, told apart by
    /// what is asked) are served in plain HTTP.
    pub fn loopback_url(&self) -> String {
        self.proxy_url()
    }

    /// The environment that puts a client into this internet, and its trust into the test CA.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("HTTPS_PROXY", self.proxy_url()),
            ("https_proxy", self.proxy_url()),
            ("NO_PROXY", "127.0.0.1,localhost,::1".to_owned()),
            ("no_proxy", "127.0.0.1,localhost,::1".to_owned()),
            ("SSL_CERT_FILE", self.ca_file.display().to_string()),
        ]
    }

    /// The environment that leads the AWS SDKs to loopback instead.
    pub fn aws_endpoints(&self) -> Vec<(&'static str, String)> {
        ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL_ECR_PUBLIC"]
            .map(|name| (name, self.loopback_url()))
            .to_vec()
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Makes aws-lc-rs the process's TLS provider, if none was chosen yet.
pub(crate) fn install_crypto() {
    // An error means that somebody was first.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
}

async fn accept(listener: TcpListener, authority: Arc<Authority>, clouds: Clouds) {
    // The set ends all connections with the server.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let (authority, clouds) = (authority.clone(), clouds.clone());
                connections.spawn(async move {
                    if let Err(error) = connection(stream, &authority, clouds).await {
                        tracing::debug!(%error, "a connection to the emulated internet ended");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection: a tunnel if it begins with CONNECT, else plain HTTP.
async fn connection(mut stream: TcpStream, authority: &Authority, clouds: Clouds) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut start = [0; 8];
    loop {
        match stream.peek(&mut start).await? {
            0 => return Ok(()),
            8 => break,
            // The rest of the word is on its way.
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    if &start != b"CONNECT " {
        return serve(stream, None, clouds).await;
    }
    let target = connect_target(&mut stream).await?;
    let host = target.strip_suffix(":443").map(str::to_ascii_lowercase);
    if let Some(name @ (PLAIN_HTTP | UNTRUSTED)) = host.as_deref() {
        return misbehave(stream, name).await;
    }
    let known = host.and_then(|host| Place::of(&host).map(|place| (host, place)));
    let Some((host, place)) = known.filter(|(_, place)| *place != Place::Local) else {
        return stream.write_all(b"HTTP/1.1 502 no such host\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    };
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    let tls = TlsAcceptor::from(authority.server_config(&host)).accept(stream).await?;
    serve(tls, Some((host, place)), clouds).await
}

/// A registry to which no container runtime gets through.
async fn misbehave(mut stream: TcpStream, host: &str) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    if host == UNTRUSTED {
        return TlsAcceptor::from(Authority::new().server_config(host)).accept(stream).await.map(drop);
    }
    // What a web server answers to the first bytes of TLS.
    stream.read_u8().await?;
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
    stream.shutdown().await
}

/// Reads the head of a CONNECT request and not a byte more; what follows is the client's TLS.
async fn connect_target(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 8192 {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    Ok(head.split_whitespace().nth(1).unwrap_or_default().to_owned())
}

/// Serves HTTP/1.1; without a place, the request itself says whom it is for.
async fn serve<S>(stream: S, place: Option<(String, Place)>, clouds: Clouds) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        let (clouds, place) = (clouds.clone(), place.clone());
        async move {
            let (call, place) = match read(request, place).await {
                Ok(read) => read,
                Err(status) => {
                    return Ok(Response::builder().status(status).body(axum::body::Body::empty()).expect("a response"));
                }
            };
            tracing::debug!(host = call.host, method = %call.method, path = call.path, "request");
            clouds.serve(&place, call).await.ok_or_else(|| io::Error::other("ended on demand"))
        }
    });
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

async fn read(request: Request<Incoming>, place: Option<(String, Place)>) -> Result<(Call, Place), StatusCode> {
    let (head, body) = request.into_parts();
    let (host, place) = match place {
        Some(place) => place,
        None => {
            let header = head.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
            let named = header.rsplit_once(':').map_or(header, |(host, _)| host);
            let host = head.uri.host().unwrap_or(named).to_owned();
            // By their public names the clouds speak TLS only.
            match Place::of(&host) {
                Some(Place::Local) => (host, Place::Local),
                _ => return Err(StatusCode::BAD_GATEWAY),
            }
        }
    };
    let body: Bytes = match Limited::new(body, LARGEST_REQUEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Err(StatusCode::PAYLOAD_TOO_LARGE),
    };
    let call = Call {
        host,
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
        stale: false,
    };
    Ok((call, place))
}

/// The test CA; it makes a certificate for every host it is asked for, once.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    /// All hosts share one key, which costs more to make than a certificate.
    key: KeyPair,
    configs: Mutex<HashMap<String, Arc<ServerConfig>>>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "world test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let leaf_key = KeyPair::generate().expect("a key");
        Self { issuer: Issuer::new(params, key), pem, key: leaf_key, configs: Mutex::default() }
    }

    fn server_config(&self, host: &str) -> Arc<ServerConfig> {
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        let config = configs.entry(host.to_owned()).or_insert_with(|| {
            let mut params = CertificateParams::new([host.to_owned()]).expect("a host name");
            params.distinguished_name.push(DnType::CommonName, "world");
            params.use_authority_key_identifier_extension = true;
            params.insert_extended_key_usage(rcgen::ExtendedKeyUsagePurpose::ServerAuth);
            let leaf: CertificateDer<'static> =
                params.signed_by(&self.key, &self.issuer).expect("a certificate").into();
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
            let mut config = ServerConfig::builder()
                .with_no_client_auth()
                .with_single_cert(vec![leaf], key)
                .expect("a key that fits its certificate");
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Arc::new(config)
        });
        config.clone()
    }
}
