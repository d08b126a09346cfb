//! Why a request got no answer, told by the types of the errors below it.

use std::error::Error;
use std::io;

use rustls::{CertificateError, InvalidMessage};

use super::guard::NoAddress;
use crate::causes;
use crate::why::answer::{Flaw, Forbidden, Trouble};

/// Classifies an error of the HTTP client.
pub(super) fn of(error: &reqwest::Error) -> Trouble {
    if let Some(trouble) = causes::each(error).find_map(known) {
        return trouble;
    }
    if error.is_timeout() {
        return Trouble::Timeout;
    }
    Trouble::Other(causes::each(error).last().map(ToString::to_string).unwrap_or_default())
}

fn known(error: &(dyn Error + 'static)) -> Option<Trouble> {
    if let Some(forbidden) = error.downcast_ref::<Forbidden>() {
        return Some(Trouble::Forbidden(forbidden.clone()));
    }
    if error.is::<NoAddress>() {
        return Some(Trouble::Dns);
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(tls(error));
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // The standard library hides the error inside from `source`.
        if let Some(inside) = error.get_ref().and_then(|inside| inside.downcast_ref::<rustls::Error>()) {
            return Some(tls(inside));
        }
        return match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(Trouble::Refused),
            io::ErrorKind::TimedOut => Some(Trouble::Timeout),
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::UnexpectedEof => {
                Some(Trouble::Reset)
            }
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                Some(Trouble::Other("there is no route to it".to_owned()))
            }
            _ => None,
        };
    }
    // The tunnel's own type is private.
    error.to_string().starts_with("tunnel error").then_some(Trouble::Proxy)
}

fn tls(error: &rustls::Error) -> Trouble {
    match error {
        rustls::Error::InvalidCertificate(error) => Trouble::Certificate(match error {
            CertificateError::UnknownIssuer => Flaw::UnknownIssuer,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Flaw::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Flaw::NotYetValid,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Flaw::WrongName,
            _ => Flaw::Other,
        }),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Trouble::PlainHttp,
        error => Trouble::Tls(format!("TLS: {error}")),
    }
}
