//! Which addresses are never asked, whoever names them.
//!
//! An image's name and a registry's realm are strangers' words. Both may lead to where a person's own machine or a
//! cloud's metadata service listens, which trusts whoever comes from here. So the address itself is looked at, at the
//! time of the connection, whatever its name is.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A network that may be asked although it is never asked otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no network: write it as 127.0.0.0/8 or fe80::/10");
        let (address, bits) = text.split_once('/').unwrap_or((text, ""));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = if bits.is_empty() { most } else { bits.parse().map_err(|_| wrong())? };
        if bits > most { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

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
        let address = address.to_canonical();
        let is_special = match address {
            IpAddr::V4(address) => is_special_v4(address),
            IpAddr::V6(address) => is_special_v6(address),
        };
        !is_special || self.allowed.iter().any(|network| network.contains(address))
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
        if self.permits(address) { Ok(()) } else { Err(Forbidden(address)) }
    }
}

/// The hosts of the proxies that the environment names, which every HTTP client here uses.
#[must_use]
pub fn proxies_of_environment() -> BTreeSet<String> {
    let names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    let proxies = names.into_iter().filter_map(|name| std::env::var(name).ok());
    proxies.filter_map(|proxy| Some(proxy.parse::<Url>().ok()?.host_str()?.to_owned())).collect()
}

/// An address that is never asked.
#[derive(Debug)]
pub(super) struct Forbidden(pub(super) IpAddr);

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is never asked", self.0)
    }
}

impl std::error::Error for Forbidden {}

/// A name without an address.
#[derive(Debug)]
pub(super) struct NoAddress;

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name has no address")
    }
}

impl std::error::Error for NoAddress {}

fn is_special_v4(address: Ipv4Addr) -> bool {
    address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || address.octets()[0] == 0
        // Alibaba Cloud's metadata service, in the middle of carriers' addresses.
        || address == Ipv4Addr::new(100, 100, 100, 200)
}

fn is_special_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_special_v4(Ipv4Addr::new(a, b, c, d))
    };
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        // Metadata services of AWS.
        || segments[..2] == [0xfd00, 0x0ec2]
        // NAT64, 6to4 and IPv4-compatible addresses lead to an IPv4 address.
        || (segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] && embedded(segments[6], segments[7]))
        || (segments[0] == 0x2002 && embedded(segments[1], segments[2]))
        || (segments[..6] == [0; 6] && embedded(segments[6], segments[7]))
}

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
                return Err(Forbidden(first).into());
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

    #[test]
    fn what_listens_on_this_machine_or_for_it_alone_is_never_asked() {
        let permits = |address: &str| Guard::default().permits(address.parse().expect("an address"));
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
            assert!(!permits(address), "{address}");
        }
        for address in
            ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "93.184.215.14", "2606:4700::1", "fd12::1"]
        {
            assert!(permits(address), "{address}");
        }
    }

    #[test]
    fn a_person_may_allow_a_network_and_nothing_beside_it() {
        let guard = Guard { allowed: vec!["127.0.0.0/8".parse().expect("a network")], ..Guard::default() };
        assert!(guard.permits("127.0.0.1".parse().expect("an address")));
        assert!(guard.permits("::ffff:127.0.0.1".parse().expect("an address")));
        assert!(!guard.permits("169.254.169.254".parse().expect("an address")));
        assert!("127.0.0.0/33".parse::<Network>().is_err() && "loopback".parse::<Network>().is_err());
        let all: Network = "0.0.0.0/0".parse().expect("a network");
        assert!(all.contains("169.254.1.1".parse().expect("an address")));
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        assert!(
            speaks_plain_http("localhost:5000") && speaks_plain_http("127.0.0.1") && speaks_plain_http("[::1]:5000")
        );
        assert!(!speaks_plain_http("registry.example.com:80") && !speaks_plain_http("localhost:443"));
    }
}
