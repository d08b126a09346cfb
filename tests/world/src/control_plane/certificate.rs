//! The API server's certificates, from a CA of its own, so that kubeconfigs and kubelets verify it as in production.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// What the API server shows, to its clients and to kubelets, with the CA that signed both.
pub(super) struct Certificates {
    /// In PEM.
    pub ca: String,
    pub server: Certificate,
    /// As whom it comes to kubelets: an administrator.
    pub client: Certificate,
}

/// A certificate and its key, in PEM.
pub(super) struct Certificate {
    pub certificate: String,
    pub key: String,
}

impl Certificates {
    pub(super) fn issue(names: Vec<String>) -> Result<Self, rcgen::Error> {
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "world");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
        let mut client = CertificateParams::default();
        client.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        client.distinguished_name.push(DnType::OrganizationName, "system:masters");
        let sign = |params: CertificateParams| {
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &ca)?;
            Ok::<_, rcgen::Error>(Certificate { certificate: certificate.pem(), key: key.serialize_pem() })
        };
        Ok(Self { ca: ca.pem(), server: sign(CertificateParams::new(names)?)?, client: sign(client)? })
    }
}
