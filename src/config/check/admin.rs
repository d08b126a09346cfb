//! Where metrics, health and status are served.

use std::path::Path;

use super::path;
use crate::config::document::Document;
use crate::config::report::Flaw;
use crate::config::settings::{Admin, TlsFiles};
use crate::config::{file, text};

/// The `[admin]` table. A certificate without its key, or a key without its certificate, is reported.
pub(in crate::config) fn admin(document: &mut Document<'_>, file: &file::Admin, dir: &Path) -> Admin {
    let tls = match (&file.tls_certificate_file, &file.tls_key_file) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate: path(dir, certificate), key: path(dir, key) }),
        (Some(_), None) => incomplete(document, "tls_certificate_file", "tls_key_file"),
        (None, Some(_)) => incomplete(document, "tls_key_file", "tls_certificate_file"),
        (None, None) => None,
    };
    let listen = text::address(&file.listen.0).unwrap_or_else(|_| Admin::default().listen);
    Admin { listen, tls, authenticate: file.authenticate }
}

fn incomplete(document: &mut Document<'_>, given: &str, missing: &str) -> Option<TlsFiles> {
    // A key with a wrong value stands there all the same, and has been reported.
    if document.inner_key("admin", missing).is_none() {
        let flaw = Flaw::new(format!("`{given}` also needs `{missing}`"));
        let help = "HTTPS takes both; without either, plain HTTP is spoken";
        document.report(document.inner_key("admin", given), flaw.help(help));
    }
    None
}
