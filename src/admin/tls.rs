//! HTTPS with a certificate from files, which others renew.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::config::settings::TlsFiles;

/// The files, and what was last made of them.
pub(super) struct Tls {
    files: TlsFiles,
    acceptor: Option<TlsAcceptor>,
    /// The digest of the files that the acceptor was made of.
    made_of: [u8; 32],
    /// What was last wrong with them, so that it is logged once.
    complaint: Option<String>,
}

/// Why the files give no certificate.
#[derive(Debug, thiserror::Error)]
pub enum UnusableTls {
    /// A file is not there, or not readable.
    #[error("could not read {0}: {1}")]
    Unreadable(String, #[source] io::Error),
    /// The certificate is none.
    #[error("the certificate's file is no PEM: {0}")]
    Certificate(#[source] pem::Error),
    /// The key is none.
    #[error("the key's file holds no private key in PEM: {0}")]
    Key(#[source] pem::Error),
    /// They do not belong together, or are of a kind that is not known here.
    #[error("certificate and key do not do: {0}")]
    Pair(#[from] rustls::Error),
}

impl Tls {
    pub(super) fn new(files: TlsFiles) -> Self {
        Self { files, acceptor: None, made_of: [0; 32], complaint: None }
    }

    /// What to shake hands with, by the files as they are now; by the last good ones if these are not.
    pub(super) async fn acceptor(&mut self) -> Option<TlsAcceptor> {
        match self.refresh().await {
            Ok(()) => self.complaint = None,
            Err(error) => {
                let complaint = error.to_string();
                if self.complaint.as_ref() != Some(&complaint) {
                    warn!(error = complaint, certificate = %self.files.certificate.display(),
                        key = %self.files.key.display(), serving = self.acceptor.is_some(),
                        "cannot use the TLS files; staying with the last good ones, if there were any");
                }
                self.complaint = Some(complaint);
            }
        }
        self.acceptor.clone()
    }

    async fn refresh(&mut self) -> Result<(), UnusableTls> {
        let (certificate, key) = read(&self.files).await?;
        let digest = Sha256::new().chain_update(Sha256::digest(&certificate)).chain_update(&*key).finalize().into();
        if self.acceptor.is_none() || self.made_of != digest {
            let first = self.acceptor.is_none();
            self.acceptor = Some(acceptor(&certificate, &key)?);
            self.made_of = digest;
            info!(renewed = !first, "took the TLS certificate from its files");
        }
        Ok(())
    }
}

/// Whether the files do.
pub(super) async fn probe(files: &TlsFiles) -> Result<(), UnusableTls> {
    let (certificate, key) = read(files).await?;
    acceptor(&certificate, &key).map(drop)
}

/// Certificate and key.
async fn read(files: &TlsFiles) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), UnusableTls> {
    let read = async |path: &Path| {
        let unreadable = |error| UnusableTls::Unreadable(path.display().to_string(), error);
        tokio::fs::read(path).await.map_err(unreadable)
    };
    Ok((read(&files.certificate).await?, Zeroizing::new(read(&files.key).await?)))
}

fn acceptor(certificate: &[u8], key: &[u8]) -> Result<TlsAcceptor, UnusableTls> {
    let chain =
        CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().map_err(UnusableTls::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(UnusableTls::Key)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
