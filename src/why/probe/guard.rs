//! Which addresses are not asked unless a person allows it, whoever names them.
//!
//! An image's name and a registry's realm are strangers' words. Both may lead to where a person's own machine, the
//! services of a private network or a cloud's metadata service listen, which trust whoever comes from here. So the
//! address itself is looked at, at the time of the connection, whatever its name is.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::network::Network;
use crate::why::answer::{Forbidden, Standing};

/// Networks of organizations, in which registries of their own may well stand.
const PRIVATE: [Network; 6] = [
    Network::v4([10, 0, 0, 0], 8),
    Network::v4([172, 16, 0, 0], 12),
    Network::v4([192, 168, 0, 0], 16),
    // Shared by carriers; clouds and overlay networks use it too.
    Network::v4([100, 64, 0, 0], 10),
    Network::v4([198, 18, 0, 0], 15),
    Network::v6(0xfc00, 7),
];

/// The rule.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Exceptions that a person made.
    pub allowed: Vec<Network>,
    /// The proxies, which a person chose: they may be anywhere.
    pub proxies: BTreeSet<String>,
}

impl Guard {
    /// Whether an address may be asked.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        self.judge("", address).is_ok()
    }

    /// Why a host may not be asked at an address.
    fn judge(&self, host: &str, address: IpAddr) -> Result<(), Forbidden> {
        let address = reached(address);
        let Some(standing) = standing(address) else { return Ok(()) };
        if self.allowed.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        Err(Forbidden { host: host.to_owned(), address, standing })
    }

    /// Looks at an address written as numbers, which no resolver sees.
    ///
    /// # Errors
    /// [`Forbidden`].
    pub(super) fn check(&self, url: &Url) -> Result<(), Forbidden> {
        let address = match url.host() {
            Some(url::Host::Ipv4(address)) => IpAddr::V4(address),
            Some(url::Host::Ipv6(address)) => IpAddr::V6(address),
            Some(url::Host::Domain(_)) | None => return Ok(()),
        };
        self.judge(url.host_str().unwrap_or_default(), address)
    }
}

/// The hosts of the proxies that the environment names, which every HTTP client here uses.
#[must_use]
pub fn proxies_of_environment() -> BTreeSet<String> {
    let names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    let proxies = names.into_iter().filter_map(|name| std::env::var(name).ok());
    proxies.filter_map(|proxy| Some(proxy.parse::<Url>().ok()?.host_str()?.to_owned())).collect()
}

/// Where a packet to an address comes to: NAT64, 6to4, IPv4-mapped and IPv4-compatible ones lead to an IPv4 address.
fn reached(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else { return address.to_canonical() };
    let (high, low) = match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        [0x2002, high, low, ..] => (high, low),
        [0, 0, 0, 0, 0, 0, high, low] if !v6.is_loopback() && !v6.is_unspecified() => (high, low),
        _ => return address,
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

/// What an address is that is not asked by itself.
fn standing(address: IpAddr) -> Option<Standing> {
    let is_never_a_registry = match address {
        IpAddr::V4(address) => is_special_v4(address),
        IpAddr::V6(address) => is_special_v6(address),
    };
    if is_never_a_registry {
        return Some(Standing::Never);
    }
    if address.is_loopback() {
        return Some(Standing::Loopback(if address.is_ipv4() { "127.0.0.0/8" } else { "::1/128" }.to_owned()));
    }
    PRIVATE.iter().find(|network| network.contains(address)).map(|network| Standing::Private(network.to_string()))
}

fn is_special_v4(address: Ipv4Addr) -> bool {
    address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || address.octets()[0] == 0
        // Alibaba Cloud's metadata service, in the middle of carriers' addresses.
        || address == Ipv4Addr::new(100, 100, 100, 200)
}

fn is_special_v6(address: Ipv6Addr) -> bool {
    address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        // Metadata services of AWS.
        || address.segments()[..2] == [0xfd00, 0x0ec2]
}

/// A name without an address.
#[derive(Debug)]
pub(super) struct NoAddress;

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name has no address")
    }
}

impl std::error::Error for NoAddress {}

/// Resolves names, and keeps the addresses back that are never asked.
#[derive(Debug)]
pub(super) struct Resolver(pub(super) Arc<Guard>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Arc::clone(&self.0);
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| NoAddress)?.collect();
            let first = found.first().ok_or(NoAddress)?.ip();
            let is_proxy = guard.proxies.contains(&name);
            let good: Vec<_> = found.into_iter().filter(|address| is_proxy || guard.permits(address.ip())).collect();
            if good.is_empty() {
                guard.judge(&name, first)?;
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

/// Whether container runtimes speak plain HTTP with a registry by themselves: on their own machine only.
pub(super) fn speaks_plain_http(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            if port == "443" {
                return false;
            }
            name
        }
        _ => host,
    };
    let address: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
    name == "localhost" || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_asked(guard: &Guard, address: &str) -> bool {
        guard.permits(address.parse().expect("an address"))
    }

    fn allowing(networks: &[&str]) -> Guard {
        let allowed = networks.iter().map(|network| network.parse().expect("a network")).collect();
        Guard { allowed, ..Guard::default() }
    }

    #[test]
    fn what_listens_on_this_machine_or_for_it_alone_is_not_asked() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "169.254.170.2",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "100.100.100.200",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "::7f00:1",
        ] {
            assert!(!is_asked(&Guard::default(), address), "{address}");
        }
        for address in
            ["93.184.215.14", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1", "64:ff9b::5db8:d70e"]
        {
            assert!(is_asked(&Guard::default(), address), "{address}");
        }
    }

    #[test]
    fn private_networks_are_asked_only_where_a_person_allows_it() {
        for (address, network) in [
            ("10.0.0.1", "10.0.0.0/8"),
            ("172.16.0.1", "172.16.0.0/12"),
            ("172.31.255.255", "172.16.0.0/12"),
            ("192.168.1.1", "192.168.0.0/16"),
            ("100.64.0.1", "100.64.0.0/10"),
            ("198.18.0.1", "198.18.0.0/15"),
            ("fd12::1", "fc00::/7"),
            ("fc00::1", "fc00::/7"),
            ("::ffff:10.0.0.1", "10.0.0.0/8"),
            ("64:ff9b::a00:1", "10.0.0.0/8"),
            ("2002:c0a8:101::1", "192.168.0.0/16"),
            ("::a00:1", "10.0.0.0/8"),
        ] {
            assert!(!is_asked(&Guard::default(), address), "{address}");
            assert!(is_asked(&allowing(&[network]), address), "{address} in {network}");
            let told = Guard::default().judge("registry.internal", address.parse().expect("an address"));
            assert!(told.expect_err("a refusal").to_string().contains(&format!("--allow-network {network}")));
        }
    }

    #[test]
    fn a_person_may_allow_a_network_and_nothing_beside_it() {
        let guard = allowing(&["127.0.0.0/8", "10.1.0.0/16"]);
        for address in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.9.9"] {
            assert!(is_asked(&guard, address), "{address}");
        }
        for address in ["169.254.169.254", "10.2.0.1", "::1"] {
            assert!(!is_asked(&guard, address), "{address}");
        }
        assert!("127.0.0.0/33".parse::<Network>().is_err() && "loopback".parse::<Network>().is_err());
        let all: Network = "0.0.0.0/0".parse().expect("a network");
        assert!(all.contains("169.254.1.1".parse().expect("an address")));
    }

    #[tokio::test]
    async fn a_name_is_as_good_as_the_address_that_it_leads_to() {
        // The resolver takes numbers in C's notation, and needs nobody's DNS for them.
        let resolved = async |guard: Guard| {
            Resolver(Arc::new(guard)).resolve("0x0a010203".parse().expect("a name")).await.map(Iterator::count)
        };
        let refused = resolved(Guard::default()).await.expect_err("a refusal");
        assert_eq!(
            refused.to_string(),
            "0x0a010203 stands at 10.1.2.3, a private address, which is not asked without --allow-network 10.0.0.0/8"
        );
        assert_eq!(resolved(allowing(&["10.0.0.0/8"])).await.expect("an address"), 1);
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        assert!(
            speaks_plain_http("localhost:5000") && speaks_plain_http("127.0.0.1") && speaks_plain_http("[::1]:5000")
        );
        assert!(!speaks_plain_http("registry.example.com:80") && !speaks_plain_http("localhost:443"));
    }
}
