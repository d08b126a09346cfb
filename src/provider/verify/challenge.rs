//! What a `WWW-Authenticate` header demands (RFC 9110, section 11.6.1).

/// A demand that pullmint can meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// User name and password.
    Basic,
    /// A token from a token service.
    Bearer {
        /// Where tokens are given.
        realm: String,
        /// For whom.
        service: Option<String>,
        /// For what.
        scope: Option<String>,
    },
}

/// Reads all challenges of one header, and skips those of other schemes.
#[must_use]
pub fn parse(header: &str) -> Vec<Challenge> {
    let mut found: Vec<(&str, Parameters)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = token(rest);
        if word.is_empty() {
            break;
        }
        let value = after.trim_start_matches([' ', '\t']).strip_prefix('=');
        match (value, found.last_mut()) {
            (Some(value), Some((_, parameters))) => {
                let (value, after) = text(value.trim_start_matches([' ', '\t']));
                parameters.0.push((word, value));
                rest = after;
            }
            (Some(_), None) => break,
            (None, _) => {
                found.push((word, Parameters(Vec::new())));
                rest = after;
            }
        }
    }
    found.into_iter().filter_map(|(scheme, parameters)| parameters.challenge(scheme)).collect()
}

struct Parameters<'a>(Vec<(&'a str, String)>);

impl Parameters<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    }

    fn challenge(&self, scheme: &str) -> Option<Challenge> {
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        let realm = self.get("realm").filter(|_| scheme.eq_ignore_ascii_case("bearer"))?;
        Some(Challenge::Bearer { realm, service: self.get("service"), scope: self.get("scope") })
    }
}

/// Splits off the longest token at the start.
fn token(text: &str) -> (&str, &str) {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c));
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// Splits off a value: a quoted string or a token.
fn text(from: &str) -> (String, &str) {
    let Some(quoted) = from.strip_prefix('"') else {
        let (value, rest) = token(from);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.into(), service: service.map(Into::into), scope: scope.map(Into::into) }
    }

    #[test]
    fn the_registries_own_headers_are_read() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io""#;
        assert_eq!(parse(hub), [bearer("https://auth.docker.io/token", Some("registry.docker.io"), None)]);
        let public = r#"Bearer realm="https://public.ecr.aws/token/",service="public.ecr.aws",scope="aws""#;
        assert_eq!(parse(public), [bearer("https://public.ecr.aws/token/", Some("public.ecr.aws"), Some("aws"))]);
        let ecr = r#"Basic realm="https://1.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com""#;
        assert_eq!(parse(ecr), [Challenge::Basic]);
    }

    #[test]
    fn several_challenges_and_odd_spacing_are_read() {
        let header =
            r#"Negotiate, basic Realm="a\"b, Bearer" ,BEARER  realm = "https://r" , scope="repository:a/b:pull,push""#;
        assert_eq!(parse(header), [Challenge::Basic, bearer("https://r", None, Some("repository:a/b:pull,push"))]);
    }

    #[test]
    fn a_bearer_challenge_without_realm_is_none() {
        assert_eq!(parse(r#"Bearer error="invalid_token""#), []);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(header in r#"([a-zA-Z]{1,3}|[ ,="\\]|\PC){0,40}"#) {
            prop_assert!(parse(&header).len() <= header.len());
        }

        #[test]
        fn what_was_quoted_is_read_back(realm in r"\PC{0,30}", scope in r"\PC{0,30}") {
            let quote = |text: &str| text.replace('\\', r"\\").replace('"', "\\\"");
            let header = format!(r#"Bearer realm="{}",scope="{}""#, quote(&realm), quote(&scope));
            prop_assert_eq!(parse(&header), [bearer(&realm, None, Some(&scope))]);
        }
    }
}
