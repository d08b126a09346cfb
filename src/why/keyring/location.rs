//! Where a key of a Docker configuration is at home, by the rules of Go's `net/url` and the kubelet.

use std::cmp::Ordering;
use std::fmt;
use std::net::Ipv6Addr;

use super::{glob, json};

/// A key as the kubelet keeps it: host, port and path. In the host's labels it may be a pattern.
///
/// They sort as the kubelet sorts them, by their bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Location(Vec<u8>);

impl Location {
    /// Reads a key as it stands in a Secret. `None`: it is no address, and the kubelet drops it.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
        let (mut host, path) = parse(rest.as_bytes())?;
        // Only with the slash behind it is the version cut off.
        let path = if path.starts_with(b"/v1/") || path.starts_with(b"/v2/") { &path[3..] } else { &path };
        if path != b"/" {
            host.extend_from_slice(path);
        }
        Some(Self(host))
    }

    /// Reads the name of an image.
    pub(super) fn of_image(name: &str) -> Option<Parsed> {
        Parsed::of(name.as_bytes())
    }

    /// Where `https://index.docker.io/v1/` is at home.
    #[must_use]
    pub fn docker_hub() -> Self {
        Self(b"index.docker.io".to_vec())
    }

    /// Whether a credential under this key is tried for an image.
    pub(super) fn opens(&self, image: &Parsed) -> bool {
        Parsed::of(&self.0).is_some_and(|key| key.mismatch(image).is_none())
    }

    /// The first rule by which this key does not open an image, if there is one.
    #[must_use]
    pub fn mismatch(&self, image: &str) -> Option<Mismatch> {
        match (Parsed::of(&self.0), Self::of_image(image)) {
            (Some(key), Some(image)) => key.mismatch(&image),
            _ => Some(Mismatch::Unreadable),
        }
    }

    /// As text, for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        json::text(&self.0)
    }
}

impl Ord for Location {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Location {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// Why a key does not open an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// It is no address.
    Unreadable,
    /// The ports differ; a missing one differs from any other.
    Port,
    /// The hosts have another number of labels.
    Labels,
    /// The image's name does not begin with the key's path.
    Path,
    /// A label of the host differs.
    Host,
}

/// A key or an image's name, taken apart.
pub(super) struct Parsed {
    labels: Vec<Vec<u8>>,
    port: Vec<u8>,
    path: Vec<u8>,
}

impl Parsed {
    fn of(text: &[u8]) -> Option<Self> {
        let (host, path) = parse(text)?;
        let (name, port) = split_port(&host);
        Some(Self { labels: name.split(|byte| *byte == b'.').map(<[u8]>::to_vec).collect(), port: port.to_vec(), path })
    }

    fn mismatch(&self, image: &Self) -> Option<Mismatch> {
        if self.port != image.port {
            return Some(Mismatch::Port);
        }
        if self.labels.len() != image.labels.len() {
            return Some(Mismatch::Labels);
        }
        if !image.path.starts_with(&self.path) {
            return Some(Mismatch::Path);
        }
        let fits = self.labels.iter().zip(&image.labels).all(|(pattern, label)| glob::fits(pattern, label));
        (!fits).then_some(Mismatch::Host)
    }
}

/// Host and path of `https://TEXT`, each unescaped, as `url.Parse` gives them.
fn parse(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (text, fragment) = cut(text, b'#');
    if text.iter().any(|byte| *byte < 0x20 || *byte == 0x7f) {
        return None;
    }
    unescape(fragment, |_| true)?;
    let (text, _query) = cut(text, b'?');
    let (authority, path) = text.split_at(text.iter().position(|byte| *byte == b'/').unwrap_or(text.len()));
    let host = match authority.iter().rposition(|byte| *byte == b'@') {
        None => authority,
        Some(at) => {
            let user = &authority[..at];
            let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
            // Each half is unescaped by itself, so an escape must not reach across the colon.
            let (name, password) = cut(user, b':');
            if !user.iter().all(allowed) || unescape(name, |_| true).is_none() || unescape(password, |_| true).is_none()
            {
                return None;
            }
            &authority[at + 1..]
        }
    };
    Some((parse_host(host)?, unescape(path, |_| true)?))
}

fn cut(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == at) {
        Some(found) => (&text[..found], &text[found + 1..]),
        None => (text, &[]),
    }
}

fn parse_host(host: &[u8]) -> Option<Vec<u8>> {
    match host.iter().rposition(|byte| *byte == b'[') {
        Some(0) => parse_bracketed(host),
        Some(_) => None,
        None => {
            if let Some(colon) = host.iter().position(|byte| *byte == b':')
                && !is_port(&host[colon..])
            {
                return None;
            }
            unescape_host(host)
        }
    }
}

/// `[2001:db8::1]:5000`
fn parse_bracketed(host: &[u8]) -> Option<Vec<u8>> {
    let end = host.iter().rposition(|byte| *byte == b']')?;
    let (inside, port) = (&host[1..end], &host[end + 1..]);
    if !is_port(port) {
        return None;
    }
    let zone = inside.windows(3).position(|part| part == b"%25").unwrap_or(inside.len());
    let mut address = unescape_host(&inside[..zone])?;
    str::from_utf8(&address).ok()?.parse::<Ipv6Addr>().ok()?;
    let zone = unescape(&inside[zone..], |byte| byte == b'%' || byte == b' ' || is_host_byte(byte))?;
    // A zone is named behind its percent sign, and written in the bytes of hosts.
    if zone == b"%" || inside.iter().any(|byte| byte.is_ascii() && *byte != b'%' && !is_host_byte(*byte)) {
        return None;
    }
    address.extend_from_slice(&zone);
    Some([b"[", address.as_slice(), b"]", port].concat())
}

/// Nothing, or a colon and digits, if any.
fn is_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// In a host only bytes beyond ASCII may be escaped, and the percent sign itself.
fn unescape_host(host: &[u8]) -> Option<Vec<u8>> {
    if host.iter().any(|byte| byte.is_ascii() && *byte != b'%' && !is_host_byte(*byte)) {
        return None;
    }
    unescape(host, |byte| !byte.is_ascii() || byte == b'%')
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}

/// Puts bytes for their escapes. `None`: one is malformed, or stands for what may not be escaped.
fn unescape(text: &[u8], may_be_escaped: impl Fn(u8) -> bool) -> Option<Vec<u8>> {
    let mut unescaped = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if *byte != b'%' {
            unescaped.push(*byte);
            at += 1;
            continue;
        }
        let digits = text.get(at + 1..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        let byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok().filter(|byte| may_be_escaped(*byte))?;
        unescaped.push(byte);
        at += 3;
    }
    Some(unescaped)
}

/// Host and port as `net.SplitHostPort` tells them apart; what it refuses is a host without port.
fn split_port(host: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = host.iter().rposition(|byte| *byte == b':') else { return (host, &[]) };
    let (name, port) = (&host[..colon], &host[colon + 1..]);
    let name = match name {
        [b'[', inside @ .., b']'] if !inside.iter().any(|byte| b"[]".contains(byte)) => inside,
        _ if name.iter().any(|byte| b":[]".contains(byte)) => return (host, &[]),
        _ => name,
    };
    if port.iter().any(|byte| b"[]".contains(byte)) { (host, &[]) } else { (name, port) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_kept_as_the_kubelet_keeps_them() {
        for (key, kept) in [
            ("https://index.docker.io/v1/", "index.docker.io"),
            ("https://index.docker.io/v1", "index.docker.io/v1"),
            ("docker.io/org", "docker.io/org"),
            ("acme.azurecr.io/", "acme.azurecr.io"),
            ("reg.example.com:5000/v2/team", "reg.example.com:5000/team"),
            ("https://me@acme.azurecr.io?x#y", "acme.azurecr.io"),
        ] {
            assert_eq!(Location::of_key(key).map(|location| location.to_text()).as_deref(), Some(kept), "{key}");
        }
        assert_eq!(Location::of_key("acme azurecr.io"), None);
        assert_eq!(Location::of_key("acme.azurecr.io:https"), None);
    }

    #[test]
    fn the_rule_that_a_key_breaks_is_told() {
        let mismatch = |key: &str, image: &str| Location::of_key(key).expect("a key").mismatch(image);
        assert_eq!(mismatch("reg.example.com", "reg.example.com:5000/app"), Some(Mismatch::Port));
        assert_eq!(mismatch("*.example.com", "a.b.example.com/app"), Some(Mismatch::Labels));
        assert_eq!(mismatch("reg.example.com/team", "reg.example.com/app"), Some(Mismatch::Path));
        assert_eq!(mismatch("reg.example.com", "rag.example.com/app"), Some(Mismatch::Host));
        assert_eq!(mismatch("reg.example.com/foo", "reg.example.com/foobar"), None);
    }

    proptest! {
        #[test]
        fn no_key_makes_it_panic(key in r"(https://|[a-z]{1,3}|[@:/\[\]%?#.*]|\PC){0,20}", image in "[a-z./:]{0,20}") {
            if let Some(location) = Location::of_key(&key) {
                prop_assert!(location.mismatch(&image).is_none() || location.mismatch(&image).is_some());
            }
        }
    }
}
