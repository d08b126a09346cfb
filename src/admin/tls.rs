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
enum Unusable {
    #[error("could not read {0}: {1}")]
    Unreadable(String, #[source] io::Error),
    #[error("the certificate's file is no PEM: {0}")]
    Certificate(#[source] pem::Error),
    #[error("the key's file holds no private key in PEM: {0}")]
    Key(#[source] pem::Error),
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

    async fn refresh(&mut self) -> Result<(), Unusable> {
        let TlsFiles { certificate, key } = &self.files;
        let read = async |path: &Path| {
            let unreadable = |error| Unusable::Unreadable(path.display().to_string(), error);
            tokio::fs::read(path).await.map_err(unreadable)
        };
        let (certificate, key) = (read(certificate).await?, Zeroizing::new(read(key).await?));
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

fn acceptor(certificate: &[u8], key: &[u8]) -> Result<TlsAcceptor, Unusable> {
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().map_err(Unusable::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(Unusable::Key)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
