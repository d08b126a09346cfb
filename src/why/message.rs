//! What the kubelet's message says, where the registry cannot be asked or the trouble is the node's own.
//!
//! Fragments, never whole texts: wordings move between containerd 1.6 and 2.x, CRI-O has its own, and registries put
//! their words in between. The order is from the specific to the general.

use crate::why::catalogue::Code;
use crate::why::reference::Reference;

/// All of the fragments must be there, in lower case.
type Rule = (&'static [&'static str], Code);

const RULES: &[Rule] = &[
    (&["pull qps exceeded"], Code::NODE_THROTTLED),
    (&["no space left on device"], Code::DISK_FULL),
    (&["short-name", "enforc"], Code::SHORT_NAMES_FORBIDDEN),
    (&["short name mode is enforcing"], Code::SHORT_NAMES_FORBIDDEN),
    (&["with pull policy of never"], Code::NEVER_PULLED),
    (&["failed to apply default image tag"], Code::INVALID_REFERENCE),
    (&["couldn't parse image name"], Code::INVALID_REFERENCE),
    (&["invalid reference format"], Code::INVALID_REFERENCE),
    (&["illegal base64 data"], Code::AUTH_FIELD),
    (&["unable to parse auth field"], Code::AUTH_FIELD),
    (&["cannot unmarshal", "dockerconfig"], Code::SECRET_BROKEN),
    (&["unexpected end of json input"], Code::SECRET_BROKEN),
    (&["signature validation failed"], Code::POLICY),
    (&["signaturevalidationfailed"], Code::POLICY),
    (&["source image rejected"], Code::POLICY),
    (&["quarantin"], Code::POLICY),
    (&["projectpolicyviolation"], Code::POLICY),
    (&["no match for platform"], Code::PLATFORM),
    (&["no matching manifest for"], Code::PLATFORM),
    (&["choosing image instance"], Code::PLATFORM),
    (&["no image found in", "for architecture"], Code::PLATFORM),
    (&["is no longer supported since containerd"], Code::UNSUPPORTED),
    (&["schema 1"], Code::UNSUPPORTED),
    (&["unsupported manifest media type"], Code::UNSUPPORTED),
    (&["unsupported media type"], Code::UNSUPPORTED),
    (&["could not fetch content descriptor"], Code::BLOB_MISSING),
    (&["blob unknown"], Code::BLOB_MISSING),
    (&["unexpected commit digest"], Code::BLOB_MISSING),
    (&["fetching blob", "not found"], Code::BLOB_MISSING),
    (&["toomanyrequests"], Code::THROTTLED),
    (&["429 too many requests"], Code::THROTTLED),
    (&["pull rate limit"], Code::THROTTLED),
    (&["x509", "is before"], Code::CLOCK_SKEW),
    (&["x509"], Code::TLS),
    (&["certificate signed by unknown authority"], Code::TLS),
    (&["tls: handshake failure"], Code::TLS),
    (&["server gave http response to https client"], Code::PLAIN_HTTP),
    (&["client sent an http request to an https server"], Code::PLAIN_HTTP),
    (&["does not look like a tls handshake"], Code::PLAIN_HTTP),
    (&["proxyconnect"], Code::PROXY),
    (&["proxy authentication required"], Code::PROXY),
    (&["no such host"], Code::DNS),
    (&["server misbehaving"], Code::DNS),
    (&["failure in name resolution"], Code::DNS),
    (&["connection refused"], Code::UNREACHABLE),
    (&["i/o timeout"], Code::UNREACHABLE),
    (&["tls handshake timeout"], Code::UNREACHABLE),
    (&["connection reset by peer"], Code::UNREACHABLE),
    (&["network is unreachable"], Code::UNREACHABLE),
    (&["no route to host"], Code::UNREACHABLE),
    (&["context deadline exceeded"], Code::UNREACHABLE),
    (&["client.timeout exceeded"], Code::UNREACHABLE),
    (&["500 internal server error"], Code::OUTAGE),
    (&["502 bad gateway"], Code::OUTAGE),
    (&["503 service unavailable"], Code::OUTAGE),
    (&["504 gateway time"], Code::OUTAGE),
    (&["is not allowed access"], Code::NETWORK_RULE),
    (&["firewall"], Code::NETWORK_RULE),
    (&["token has expired"], Code::EXPIRED),
    (&["token is expired"], Code::EXPIRED),
    (&["exectoken has expired"], Code::EXPIRED),
    (&["authorization token is invalid"], Code::WRONG_CREDENTIAL),
    (&["failed to fetch oauth token"], Code::WRONG_CREDENTIAL),
    (&["incorrect username or password"], Code::WRONG_CREDENTIAL),
    (&["invalid username/password"], Code::WRONG_CREDENTIAL),
    (&["failed to fetch anonymous token"], Code::ANONYMOUS),
    (&["no basic auth credentials"], Code::ANONYMOUS),
    (&["not authorized to perform"], Code::NO_PERMISSION),
    (&["insufficient_scope"], Code::NO_PERMISSION),
    (&["pull access denied"], Code::NO_PERMISSION),
    (&["requested access to the resource is denied"], Code::NO_PERMISSION),
    (&["access to the requested resource is not authorized"], Code::NO_PERMISSION),
    (&["name unknown"], Code::NO_REPOSITORY),
    (&["name_unknown"], Code::NO_REPOSITORY),
    (&["repository name not known"], Code::NO_REPOSITORY),
    (&["manifest unknown"], Code::NO_TAG),
    (&["manifest_unknown"], Code::NO_TAG),
    (&["403 forbidden"], Code::NO_PERMISSION),
    (&["401 unauthorized"], Code::NO_PERMISSION),
    (&["unauthorized"], Code::NO_PERMISSION),
    (&["registry is unavailable"], Code::UNREACHABLE),
    (&[": not found"], Code::NO_TAG),
];

/// What a message says of an image. `None`: nothing that is known.
#[must_use]
pub fn heard(message: &str, image: &Reference) -> Option<Code> {
    let message = message.to_lowercase();
    let fits = |rule: &&Rule| rule.0.iter().all(|fragment| message.contains(fragment));
    let code = RULES.iter().find(fits).map(|(_, code)| *code)?;
    let is_of_the_way = [Code::DNS, Code::UNREACHABLE, Code::TLS, Code::OUTAGE, Code::PLAIN_HTTP].contains(&code);
    if is_of_the_way && detour(&message, image).is_some() {
        return Some(Code::PROXY);
    }
    Some(if code == Code::NO_TAG { absent(image) } else { code })
}

/// The cause when a manifest is not there, by how the image is named.
#[must_use]
pub fn absent(image: &Reference) -> Code {
    match image {
        Reference { digest: Some(_), .. } => Code::NO_DIGEST,
        Reference { is_tag_implied: true, .. } => Code::NO_LATEST,
        _ => Code::NO_TAG,
    }
}

/// The host that a message says was asked for the image, if it is another than the image's.
#[must_use]
pub fn detour(message: &str, image: &Reference) -> Option<String> {
    let asked = message.match_indices("://").filter_map(|(at, _)| {
        let (host, path) = message[at + 3..].split_once('/')?;
        (path.starts_with("v2/") && !host.contains(['"', ' '])).then_some(host)
    });
    let is_other = |host: &&str| *host != image.host() && *host != image.domain;
    asked.last().filter(is_other).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_off_without_reason_says_nothing() {
        let image = Reference::parse("app:1").expect("an image");
        assert_eq!(heard(r#"Back-off pulling image "app:1""#, &image), None);
    }
}
