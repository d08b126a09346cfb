//! Checks AWS Signature Version 4 (AWS General Reference, "Signature Version 4 signing process").

use hmac::{Hmac, KeyInit, Mac};
use jiff::{Timestamp, fmt::strtime, tz::TimeZone};
use sha2::{Digest, Sha256};

use super::call::Call;

/// What an `Authorization: AWS4-HMAC-SHA256 …` header says.
#[derive(Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) key_id: &'a str,
    date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    headers: &'a str,
    signature: &'a str,
}

impl<'a> Signed<'a> {
    pub(crate) fn parse(call: &'a Call) -> Option<Self> {
        let fields = call.header("authorization").strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name: &str| fields.split(',').find_map(|field| field.trim().strip_prefix(name));
        let mut scope = field("Credential=")?.split('/');
        Some(Self {
            key_id: scope.next()?,
            date: scope.next()?,
            region: scope.next()?,
            service: scope.next()?,
            headers: field("SignedHeaders=")?,
            signature: field("Signature=")?,
        })
    }

    /// When the client says it signed.
    pub(crate) fn time(&self, call: &Call) -> Option<Timestamp> {
        let time = strtime::parse("%Y%m%dT%H%M%SZ", call.header("x-amz-date")).ok()?.to_datetime().ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    }

    /// Whether the signature was made over this very request with this secret.
    pub(crate) fn holds(&self, call: &Call, secret: &str) -> bool {
        let headers: String =
            self.headers.split(';').map(|name| format!("{name}:{}\n", call.header(name).trim())).collect();
        let request = format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            call.method,
            call.path,
            call.query,
            self.headers,
            hex(&Sha256::digest(&call.body)),
        );
        let scope = format!("{}/{}/{}/aws4_request", self.date, self.region, self.service);
        let time = call.header("x-amz-date");
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(request)));
        let key = [self.date, self.region, self.service, "aws4_request"]
            .iter()
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
        hex(&mac(&key, &to_sign)) == self.signature
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
