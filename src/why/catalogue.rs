//! All causes that there are: one stable code each, and what docs/findings says of it.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

mod entries;

/// The stable code of a cause: `PM103`. The hundreds tell where it lies: 1 reference, 2 wiring, 3 credential,
/// 4 registry, 5 network, 6 node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(u16);

/// What is known of a cause, whoever has it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its code.
    pub code: Code,
    /// A few words.
    pub title: &'static str,
    /// What is the matter.
    pub cause: &'static str,
    /// How it is told.
    pub told: &'static str,
    /// How it is mended.
    pub cure: &'static str,
    /// How it does not come again.
    pub prevention: &'static str,
}

/// Every cause, in the order of the codes.
#[must_use]
pub fn entries() -> &'static [Entry] {
    entries::ENTRIES
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self($number);)*
        }
    };
}

codes! {
    /// The image can be pulled by now.
    MENDED = 0;
    /// The reference is malformed.
    INVALID_REFERENCE = 101;
    /// The repository does not exist.
    NO_REPOSITORY = 102;
    /// The tag does not exist.
    NO_TAG = 103;
    /// The digest does not exist.
    NO_DIGEST = 104;
    /// `latest`, which nobody wrote, does not exist.
    NO_LATEST = 105;
    /// The name without registry means Docker Hub's.
    SHORT_NAME = 106;
    /// The pull policy forbids pulling.
    NEVER_PULLED = 107;
    /// The pull Secret is missing.
    SECRET_MISSING = 201;
    /// A Secret that opens the registry is not referenced.
    SECRET_UNUSED = 202;
    /// The ServiceAccount names the Secret only since the pod exists.
    PATCHED_LATE = 203;
    /// The Secret's type is wrong.
    SECRET_TYPE = 204;
    /// The Secret's data key is wrong.
    SECRET_DATA_KEY = 205;
    /// The Secret's content cannot be read.
    SECRET_BROKEN = 206;
    /// No key matches the image.
    KEY_MISMATCH = 207;
    /// An `auth` field cannot be decoded.
    AUTH_FIELD = 208;
    /// Credentials are left to helper programs.
    HELPERS_ONLY = 209;
    /// A wrong credential hides the right one.
    HIDDEN = 210;
    /// A Secret of pullmint's name is not pullmint's.
    NOT_OURS = 211;
    /// The credential may not pull this.
    NO_PERMISSION = 301;
    /// The credential has expired.
    EXPIRED = 302;
    /// The credential is wrong or revoked.
    WRONG_CREDENTIAL = 303;
    /// The credential is not valid yet.
    CLOCK_SKEW = 304;
    /// The credential is for another account, registry or region.
    OTHER_ACCOUNT = 305;
    /// A private image, and nobody's credential.
    ANONYMOUS = 306;
    /// pullmint could not renew the credential.
    NOT_RENEWED = 307;
    /// Too many pulls.
    THROTTLED = 401;
    /// The registry is in trouble.
    OUTAGE = 402;
    /// The registry does not serve this network.
    NETWORK_RULE = 403;
    /// A part of the image is missing.
    BLOB_MISSING = 404;
    /// No container runtime takes the manifest.
    UNSUPPORTED = 405;
    /// A policy forbids the image.
    POLICY = 406;
    /// The host has no address.
    DNS = 501;
    /// The registry cannot be reached.
    UNREACHABLE = 502;
    /// Its certificate is not trusted.
    TLS = 503;
    /// HTTP where HTTPS is expected, or the reverse.
    PLAIN_HTTP = 504;
    /// A proxy or mirror is in the way.
    PROXY = 505;
    /// The image is for other platforms.
    PLATFORM = 601;
    /// The node's disk is full.
    DISK_FULL = 602;
    /// The node holds pulls back.
    NODE_THROTTLED = 603;
    /// It fails on some nodes only.
    SOME_NODES = 604;
    /// The node takes no short names.
    SHORT_NAMES_FORBIDDEN = 605;
    /// The cause was not found.
    UNKNOWN = 999;
}

impl Code {
    /// Whether it lies in the credential, or on its way to the kubelet.
    #[must_use]
    pub fn is_about_credentials(self) -> bool {
        (200..400).contains(&self.0)
    }

    /// What is known of it.
    #[must_use]
    pub fn entry(self) -> &'static Entry {
        let found = entries().iter().find(|entry| entry.code == self);
        found.unwrap_or_else(|| unreachable!("every code has an entry, which a test holds"))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PM{:03}", self.0)
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let code = entries().iter().map(|entry| entry.code).find(|code| code.to_string().eq_ignore_ascii_case(text));
        code.ok_or_else(|| format!("{text:?} is no finding's code: they look like PM103"))
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Code {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let codes: Vec<_> = entries().iter().map(|entry| entry.code.to_string()).collect();
        schemars::json_schema!({ "type": "string", "enum": codes, "description": "A cause's stable code." })
    }
}

/// The page of one cause.
#[must_use]
pub fn page(entry: &Entry) -> String {
    let Entry { code, title, cause, told, cure, prevention } = entry;
    let sections = [("Cause", cause), ("How it is told", told), ("Cure", cure), ("Prevention", prevention)];
    let sections = sections.map(|(heading, text)| format!("\n## {heading}\n\n{}\n", text.trim()));
    format!("# {code}: {title}\n{}", sections.concat())
}

/// The list of all pages.
#[must_use]
pub fn index() -> String {
    let areas = [
        (0, "Nothing to mend"),
        (1, "The reference"),
        (2, "The wiring in the cluster"),
        (3, "The credential"),
        (4, "The registry"),
        (5, "The network"),
        (6, "The node"),
        (9, "Not found"),
    ];
    let mut text =
        "# Findings\n\nWhat `pullmint why` can say of an image that does not pull. A code keeps its meaning for \
                    ever; scripts may rely on it.\n"
            .to_owned();
    for (area, heading) in areas {
        text.push_str(&format!("\n## {heading}\n\n| code | cause |\n|---|---|\n"));
        for entry in entries().iter().filter(|entry| entry.code.0 / 100 == area) {
            text.push_str(&format!("| [{code}]({code}.md) | {title} |\n", code = entry.code, title = entry.title));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_come_once() {
        assert!(entries().windows(2).all(|pair| pair[0].code < pair[1].code));
        assert_eq!("pm103".parse(), Ok(Code::NO_TAG));
        assert!("PM42".parse::<Code>().is_err());
    }
}
