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

    /// From kubelets with containerd 1.6, 1.7 and 2.x, and with CRI-O.
    const HEARD: &[(&str, &str, Code)] = &[
        (
            "acme/app:1",
            r#"failed to pull and unpack image "docker.io/acme/app:1": failed to resolve reference "docker.io/acme/app:1": docker.io/acme/app:1: not found"#,
            Code::NO_TAG,
        ),
        (
            "acme/app",
            r#"rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/acme/app:latest": failed to resolve reference "docker.io/acme/app:latest": docker.io/acme/app:latest: not found"#,
            Code::NO_LATEST,
        ),
        (
            "acme/app:1",
            r#"Back-off pulling image "acme/app:1": ErrImagePull: failed to resolve reference "docker.io/acme/app:1": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"#,
            Code::NO_PERMISSION,
        ),
        (
            "1.dkr.ecr.eu-west-1.amazonaws.com/app:1",
            r#"failed to resolve reference "1.dkr.ecr.eu-west-1.amazonaws.com/app:1": pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials"#,
            Code::ANONYMOUS,
        ),
        (
            "1.dkr.ecr.eu-west-1.amazonaws.com/app:1",
            r#"unexpected status from HEAD request to https://1.dkr.ecr.eu-west-1.amazonaws.com/v2/app/manifests/1: 403 Forbidden: DENIED: Your authorization token has expired. Reauthenticate and try again."#,
            Code::EXPIRED,
        ),
        (
            "acme.azurecr.io/app:1",
            r#"failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://acme.azurecr.io/oauth2/token: 401 Unauthorized"#,
            Code::WRONG_CREDENTIAL,
        ),
        (
            "acme.azurecr.io/app:1",
            r#"failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://acme.azurecr.io/oauth2/token?scope=x: 401 Unauthorized"#,
            Code::ANONYMOUS,
        ),
        (
            "nginx",
            r#"unexpected status code https://registry-1.docker.io/v2/library/nginx/manifests/latest: 429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit."#,
            Code::THROTTLED,
        ),
        ("reg.example.com/app:1", r#"no match for platform in manifest: not found"#, Code::PLATFORM),
        (
            "reg.example.com/app:1",
            r#"media type "application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer supported since containerd v2.0, please rebuild the image as "application/vnd.docker.distribution.manifest.v2+json""#,
            Code::UNSUPPORTED,
        ),
        (
            "reg.example.com/app:1",
            r#"failed to do request: Head "https://reg.example.com/v2/app/manifests/1": dial tcp: lookup reg.example.com on 10.0.0.2:53: no such host"#,
            Code::DNS,
        ),
        (
            "reg.example.com/app:1",
            r#"failed to do request: Head "https://mirror.corp/v2/app/manifests/1": dial tcp: lookup mirror.corp on 10.0.0.2:53: no such host"#,
            Code::PROXY,
        ),
        (
            "reg.example.com/app:1",
            r#"failed to do request: Head "https://reg.example.com/v2/app/manifests/1": dial tcp 10.1.2.3:443: i/o timeout"#,
            Code::UNREACHABLE,
        ),
        (
            "reg.example.com/app:1",
            r#"failed to do request: Head "https://reg.example.com/v2/app/manifests/1": tls: failed to verify certificate: x509: certificate signed by unknown authority"#,
            Code::TLS,
        ),
        (
            "reg.example.com/app:1",
            r#"tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before 2025-01-01T00:00:00Z"#,
            Code::CLOCK_SKEW,
        ),
        (
            "reg.example.com/app:1",
            r#"failed to do request: Head "https://reg.example.com/v2/app/manifests/1": http: server gave HTTP response to HTTPS client"#,
            Code::PLAIN_HTTP,
        ),
        (
            "reg.example.com/app:1",
            r#"failed to copy: httpReadSeeker: failed open: could not fetch content descriptor sha256:0 (application/vnd.oci.image.layer.v1.tar) from remote: not found"#,
            Code::BLOB_MISSING,
        ),
        ("reg.example.com/app:1", r#"write /var/lib/containerd/x: no space left on device"#, Code::DISK_FULL),
        ("reg.example.com/app:1", "pull QPS exceeded", Code::NODE_THROTTLED),
        (
            "app:1",
            "initializing source docker://app:1: short-name resolution enforced but cannot prompt without a TTY",
            Code::SHORT_NAMES_FORBIDDEN,
        ),
        (
            "quay.io/acme/app:1",
            "initializing source docker://quay.io/acme/app:1: reading manifest 1 in quay.io/acme/app: manifest unknown: manifest unknown",
            Code::NO_TAG,
        ),
        (
            "quay.io/acme/app:1",
            "initializing source docker://quay.io/acme/app:1: reading manifest 1 in quay.io/acme/app: unauthorized: access to the requested resource is not authorized",
            Code::NO_PERMISSION,
        ),
        (
            "reg.example.com/app:1",
            "image pull failed for reg.example.com/app:1 because the signature validation failed: Source image rejected",
            Code::POLICY,
        ),
        (
            "reg.example.com/app:1",
            "image pull failed for reg.example.com/app:1 because the registry is unavailable",
            Code::UNREACHABLE,
        ),
        ("app:1", r#"Container image "app:1" is not present with pull policy of Never"#, Code::NEVER_PULLED),
        (
            "acme.azurecr.io/app:1",
            "client with IP '192.0.2.1' is not allowed access, refer https://aka.ms/acr/firewall to grant access",
            Code::NETWORK_RULE,
        ),
        ("reg.example.com/app:1", "illegal base64 data at input byte 3", Code::AUTH_FIELD),
        (
            "reg.example.com/app:1",
            "unexpected status from HEAD request to https://reg.example.com/v2/app/manifests/1: 503 Service Unavailable",
            Code::OUTAGE,
        ),
    ];

    #[test]
    fn the_messages_of_containerd_and_cri_o_are_understood() {
        for (image, message, code) in HEARD {
            let image = Reference::parse(image).expect("an image");
            assert_eq!(heard(message, &image), Some(*code), "{message}");
        }
    }

    #[test]
    fn a_back_off_without_reason_says_nothing() {
        let image = Reference::parse("app:1").expect("an image");
        assert_eq!(heard(r#"Back-off pulling image "app:1""#, &image), None);
    }
}
