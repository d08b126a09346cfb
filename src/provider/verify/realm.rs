//! Where a registry may send its clients for a token.
//!
//! A registry names the token service itself, so whoever speaks in its name could have credentials sent anywhere.
//! The realm must be https, and then its certificate proves the name; and the name must belong to the registry.

use std::net::IpAddr;

use url::Url;

/// Suffixes under which strangers have registries side by side: no site of its own.
const SHARED: &[&str] = &["azurecr.io", "azurecr.us", "azurecr.cn"];

/// Token services that serve a registry of another name.
const KNOWN: &[(&str, &str)] = &[("ecr-public.aws.com", "public.ecr.aws"), ("dhi.io", "auth.docker.io")];

/// Why a realm gets no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no address.
    #[error("its token realm is no address")]
    Malformed,
    /// It is not https.
    #[error("its token realm is not https")]
    NotHttps,
    /// It carries a user name or password.
    #[error("its token realm carries a user name")]
    UserInfo,
    /// It belongs to someone else.
    #[error("its token realm is at {0}, which does not belong to the registry")]
    Foreign(String),
}

/// The realm as an address, if a credential for the registry at `api` may be sent there.
///
/// # Errors
/// [`Refused`], with the rule that it breaks.
pub fn permitted(realm: &str, api: &Url) -> Result<Url, Refused> {
    let realm: Url = realm.parse().map_err(|_| Refused::Malformed)?;
    let (Some(host), Some(registry)) = (realm.host_str(), api.host_str()) else {
        return Err(Refused::Malformed);
    };
    if realm.scheme() != "https" && realm.scheme() != api.scheme() {
        return Err(Refused::NotHttps);
    }
    if !realm.username().is_empty() || realm.password().is_some() {
        return Err(Refused::UserInfo);
    }
    if host == registry || same_site(host, registry) || KNOWN.contains(&(registry, host)) {
        return Ok(realm);
    }
    Err(Refused::Foreign(host.to_owned()))
}

/// Whether both stand under the domain that the registry's own name stands under.
///
/// Without a list of public suffixes, so a bit stricter than browsers: `registry.example.co.uk` may name
/// `auth.example.co.uk`, but `example.co.uk` may not name `another.co.uk`, nor `example.com` its subdomains.
fn same_site(host: &str, registry: &str) -> bool {
    if host.parse::<IpAddr>().is_ok() || registry.parse::<IpAddr>().is_ok() {
        return false;
    }
    let Some((_, site)) = registry.split_once('.') else {
        return false;
    };
    let is_suffix = match site.split_once('.') {
        None => true,
        // co.uk, com.au, org.nz
        Some((second, top)) => second.len() <= 3 && top.len() == 2,
    };
    if is_suffix || SHARED.contains(&site) {
        return false;
    }
    host == site || host.strip_suffix(site).is_some_and(|before| before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn try_realm(realm: &str, registry: &str) -> Result<(), Refused> {
        let api = format!("https://{registry}/v2/").parse().expect("a URL");
        permitted(realm, &api).map(|_| ())
    }

    #[test]
    fn the_registries_own_realms_are_permitted() {
        for (realm, registry) in [
            ("https://auth.docker.io/token", "registry-1.docker.io"),
            ("https://acme.azurecr.io/oauth2/token", "acme.azurecr.io"),
            ("https://public.ecr.aws/token/", "public.ecr.aws"),
            ("https://public.ecr.aws/token/", "ecr-public.aws.com"),
            ("https://auth.example.co.uk/token", "registry.example.co.uk"),
            ("https://registry.example.com:5001/token", "registry.example.com:5000"),
        ] {
            assert_eq!(try_realm(realm, registry), Ok(()), "{realm}");
        }
    }

    #[test]
    fn strangers_are_refused() {
        let foreign = |host: &str| Err(Refused::Foreign(host.into()));
        assert_eq!(try_realm("https://evil.example/token", "registry-1.docker.io"), foreign("evil.example"));
        assert_eq!(try_realm("https://evildocker.io/token", "registry-1.docker.io"), foreign("evildocker.io"));
        assert_eq!(try_realm("https://evil.azurecr.io/token", "acme.azurecr.io"), foreign("evil.azurecr.io"));
        assert_eq!(try_realm("https://evil.co.uk/token", "example.co.uk"), foreign("evil.co.uk"));
        assert_eq!(try_realm("https://169.254.169.254/token", "10.0.0.1"), foreign("169.254.169.254"));
        assert_eq!(try_realm("http://auth.docker.io/token", "registry-1.docker.io"), Err(Refused::NotHttps));
        assert_eq!(try_realm("https://me@auth.docker.io/token", "registry-1.docker.io"), Err(Refused::UserInfo));
        assert_eq!(try_realm("/token", "registry-1.docker.io"), Err(Refused::Malformed));
    }

    proptest! {
        #[test]
        fn no_realm_makes_it_panic_and_none_gets_away_without_https(realm in "\\PC{0,60}") {
            let api = "https://registry.example.com/v2/".parse().expect("a URL");
            if let Ok(url) = permitted(&realm, &api) {
                prop_assert_eq!(url.scheme(), "https");
            }
        }
    }
}
