//! Image references, by Docker's grammar, as the kubelet and the container runtime read them.

use std::fmt;

/// The longest name of a repository.
const LONGEST_PATH: usize = 255;
/// The longest tag.
const LONGEST_TAG: usize = 128;

/// What an image's text means.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// The registry as it is named: `docker.io`, `acme.azurecr.io`, `registry.example.com:5000`.
    pub domain: String,
    /// The repository at that registry.
    pub path: String,
    /// The tag: the one given, or `latest` where neither tag nor digest is.
    pub tag: Option<String>,
    /// The digest. Where it is given, the tag has no meaning.
    pub digest: Option<String>,
    /// The tag is not written there.
    pub is_tag_implied: bool,
    /// No registry is written there, so it is Docker Hub's.
    pub is_domain_implied: bool,
}

/// Why a text is no image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Invalid {
    /// The byte at which it goes wrong.
    pub at: usize,
    /// What is wrong there.
    pub why: String,
}

impl Invalid {
    fn new(at: usize, why: impl Into<String>) -> Self {
        Self { at, why: why.into() }
    }

    /// The text and a caret below the wrong place.
    #[must_use]
    pub fn pointed_at(&self, image: &str) -> [String; 2] {
        let before = image.char_indices().take_while(|(at, _)| *at < self.at).count();
        let shown = image.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
        [shown, format!("{}^ {}", " ".repeat(before), self.why)]
    }
}

impl Reference {
    /// Reads one.
    ///
    /// # Errors
    /// [`Invalid`], with the place.
    pub fn parse(image: &str) -> Result<Self, Invalid> {
        let is_id = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if image.len() == 64 && image.bytes().all(is_id) {
            return Err(Invalid::new(0, "this is an image's ID, not a name"));
        }
        if image.starts_with("https://") || image.starts_with("http://") {
            return Err(Invalid::new(0, "an image's name begins with the registry's host, without a scheme"));
        }
        let (domain, rest) = split_domain(image);
        let offset = image.len() - rest.len();
        let at = |within: usize| offset + within;
        let path_end = rest.find([':', '@']).unwrap_or(rest.len());
        let (path, suffix) = rest.split_at(path_end);
        let (tag, digest) = match suffix.split_once('@') {
            Some((tag, digest)) => (tag, Some((suffix.len() - digest.len(), digest))),
            None => (suffix, None),
        };

        let fault = path_fault(path);
        if let Some(domain) = domain
            && let Some((wrong, why)) = domain_fault(domain)
            && (path_fault(domain).is_some() || fault.is_some())
        {
            return Err(Invalid::new(wrong, why));
        }
        if let Some((wrong, why)) = fault {
            return Err(Invalid::new(at(wrong), why));
        }
        if let Some(tag) = tag.strip_prefix(':')
            && let Some((wrong, why)) = tag_fault(tag)
        {
            return Err(Invalid::new(at(path_end + 1 + wrong), why));
        }
        if let Some((start, digest)) = digest
            && let Some((wrong, why)) = digest_fault(digest)
        {
            return Err(Invalid::new(at(path_end + start + wrong), why));
        }

        let is_domain_implied = domain.is_none();
        let domain = match domain {
            None | Some("index.docker.io") => DOCKER_HUB,
            Some(domain) => domain,
        };
        let is_official = domain == DOCKER_HUB && !path.contains('/');
        let path = if is_official { format!("library/{path}") } else { path.to_owned() };
        // What is no host is part of the path to Docker's grammar, and counts as such.
        let counted = if domain_fault(domain).is_some() { domain.len() + 1 } else { 0 };
        if counted + path.len() > LONGEST_PATH {
            return Err(Invalid::new(
                offset,
                format!("the repository's name is longer than {LONGEST_PATH} characters"),
            ));
        }
        let tag = tag.strip_prefix(':').map(str::to_owned);
        let is_tag_implied = tag.is_none() && digest.is_none();
        Ok(Self {
            domain: domain.to_owned(),
            path,
            tag: if is_tag_implied { Some("latest".to_owned()) } else { tag },
            digest: digest.map(|(_, digest)| digest.to_owned()),
            is_tag_implied,
            is_domain_implied,
        })
    }

    /// Registry and repository: what the kubelet looks credentials up by.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The host that serves it, with its port.
    #[must_use]
    pub fn host(&self) -> &str {
        if self.is_docker_hubs() { "registry-1.docker.io" } else { &self.domain }
    }

    /// What the registry is asked for: the digest, or else the tag.
    #[must_use]
    pub fn manifest(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// Whether it is on Docker Hub.
    #[must_use]
    pub fn is_docker_hubs(&self) -> bool {
        self.domain == DOCKER_HUB
    }

    /// The same image under another tag.
    #[must_use]
    pub fn with_tag(&self, tag: &str) -> String {
        format!("{}:{tag}", self.name())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => write!(f, "{}@{digest}", self.name()),
            (None, Some(tag)) => write!(f, "{}:{tag}", self.name()),
            (None, None) => f.write_str(&self.name()),
        }
    }
}

/// Docker Hub as references name it.
const DOCKER_HUB: &str = "docker.io";

/// The registry, if the text names one, and the rest.
fn split_domain(image: &str) -> (Option<&str>, &str) {
    match image.split_once('/') {
        Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) || first.to_lowercase() != first => {
            (Some(first), rest)
        }
        _ => (None, image),
    }
}

type Fault = (usize, String);

fn path_fault(path: &str) -> Option<Fault> {
    let lower = path.to_lowercase();
    if lower != path {
        let at = path.char_indices().find(|(_, c)| !c.to_lowercase().eq([*c])).map_or(0, |(at, _)| at);
        return Some((at, "the repository's name must be in lower case".to_owned()));
    }
    let mut start = 0;
    for component in path.split('/') {
        if let Some(at) = component_fault(component) {
            let why = match component[at..].chars().next() {
                None if component.is_empty() => "a part of the repository's name is missing".to_owned(),
                None => "a part of the repository's name must end with a letter or digit".to_owned(),
                Some(c) => format!("{c:?} is not allowed here in a repository's name"),
            };
            return Some((start + at, why));
        }
        start += component.len() + 1;
    }
    None
}

/// Letters and digits, joined by one period, one or two underscores, or hyphens.
fn component_fault(component: &str) -> Option<usize> {
    let bytes = component.as_bytes();
    let mut at = 0;
    loop {
        let word = bytes[at..].iter().take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()).count();
        if word == 0 {
            return Some(at);
        }
        at += word;
        at += match bytes.get(at) {
            None => return None,
            Some(b'.') => 1,
            Some(b'_') if bytes.get(at + 1) == Some(&b'_') => 2,
            Some(b'_') => 1,
            Some(b'-') => bytes[at..].iter().take_while(|byte| **byte == b'-').count(),
            Some(_) => return Some(at),
        };
    }
}

fn domain_fault(domain: &str) -> Option<Fault> {
    let (host, port) = match domain.rfind(':') {
        Some(colon) if !domain[colon..].contains(']') => (&domain[..colon], Some(&domain[colon + 1..])),
        _ => (domain, None),
    };
    if let Some(port) = port
        && (port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Some((host.len() + 1, "a registry's port must be a number".to_owned()));
    }
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let allowed = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
        let good = !address.is_empty() && address.bytes().all(allowed);
        return (!good).then(|| (1, "this is no IPv6 address".to_owned()));
    }
    let mut start = 0;
    for label in host.split('.') {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if let Some((at, c)) = label.char_indices().find(|(_, c)| !inner(*c)) {
            return Some((start + at, format!("{c:?} is not allowed in a registry's host")));
        }
        if label.is_empty() || label.starts_with('-') || label.ends_with('-') {
            return Some((start, "a part of the registry's host is malformed".to_owned()));
        }
        start += label.len() + 1;
    }
    None
}

fn tag_fault(tag: &str) -> Option<Fault> {
    if tag.is_empty() {
        return Some((0, "the tag is missing".to_owned()));
    }
    let allowed = |at: usize, c: char| c.is_ascii_alphanumeric() || c == '_' || (at > 0 && (c == '.' || c == '-'));
    if let Some((at, c)) = tag.char_indices().find(|(at, c)| !allowed(*at, *c)) {
        return Some((at, format!("{c:?} is not allowed here in a tag")));
    }
    (tag.len() > LONGEST_TAG).then(|| (LONGEST_TAG, format!("a tag has at most {LONGEST_TAG} characters")))
}

/// The three algorithms that there are.
fn digest_fault(digest: &str) -> Option<Fault> {
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return Some((0, "a digest is written as sha256:HEX".to_owned()));
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Some((0, "a digest is written as sha256:HEX".to_owned())),
    };
    let start = algorithm.len() + 1;
    let allowed = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if let Some((at, c)) = hex.char_indices().find(|(_, c)| !allowed(*c)) {
        return Some((start + at, format!("{c:?} is no lower-case hexadecimal digit")));
    }
    let why = || format!("a {algorithm} digest has {length} digits, not {}", hex.len());
    (hex.len() != length).then(|| (start, why()))
}

/// Whether a digest from a stranger is one, so that it may become part of an address.
#[must_use]
pub fn is_digest(text: &str) -> bool {
    digest_fault(text).is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(image: &str) -> Reference {
        Reference::parse(image).unwrap_or_else(|error| panic!("{image}: {error}"))
    }

    #[test]
    fn what_is_left_out_is_docker_hub_its_library_and_latest() {
        assert_eq!(parsed("nginx").to_string(), "docker.io/library/nginx:latest");
        assert_eq!(parsed("index.docker.io/nginx").to_string(), "docker.io/library/nginx:latest");
        assert_eq!(parsed("acme/app:1").to_string(), "docker.io/acme/app:1");
        assert_eq!(parsed("localhost/app").to_string(), "localhost/app:latest");
        assert_eq!(parsed("reg:5000/app").to_string(), "reg:5000/app:latest");
        assert!(parsed("acme/app:1").is_domain_implied && !parsed("docker.io/acme/app").is_domain_implied);
    }

    #[test]
    fn a_digest_wins_over_a_tag() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let reference = parsed(&format!("reg.example.com/app:1@{digest}"));
        assert_eq!(reference.manifest(), digest);
        assert_eq!(reference.tag.as_deref(), Some("1"));
    }

    #[test]
    fn a_caret_stands_below_what_is_wrong() {
        let caret = |image: &str| Reference::parse(image).expect_err(image).pointed_at(image)[1].find('^');
        assert_eq!(caret("acme/App:1"), Some(5));
        assert_eq!(caret("acme.azurecr.io/app:v1 "), Some(22));
        assert_eq!(caret("acme.azurecr.io/app:-1"), Some(20));
        assert_eq!(caret("acme.azurecr.io//app"), Some(16));
        assert_eq!(caret("https://acme.azurecr.io/app"), Some(0));
        assert_eq!(caret("app@sha256:123"), Some(11));
        assert_eq!(caret("reg.example.com:port/app"), Some(16));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(image in r"([a-zA-Z0-9]{1,4}|[./:@_-]|sha256|\PC){0,20}") {
            match Reference::parse(&image) {
                Ok(reference) => prop_assert_eq!(Reference::parse(&reference.to_string()).map(|r| r.name()), Ok(reference.name())),
                Err(invalid) => prop_assert!(invalid.at <= image.len() && invalid.pointed_at(&image)[1].contains('^')),
            }
        }
    }
}
