//! Restricts the hosts that HTTP stores and imports may connect to: listed hosts, at public or listed addresses.

use super::units::word;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A listed host that may be connected to, by name or by address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name in lower case, at any address.
    Name(String),
    /// An address, or all addresses of a network.
    Network(IpNet),
}

impl FromStr for Host {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str =
            "a host is a name, an address or a network, as in \"media.example.com\" or \"10.0.0.0/8\"";
        if let Some(address) = literal(text) {
            return Ok(Self::Network(address.into()));
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network));
        }
        let part =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.split('.').all(part) { Ok(Self::Name(name.to_ascii_lowercase())) } else { Err(ALLOWED) }
    }
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer)
    }
}

/// Whether `host`, as written in a URL, is `listed`.
#[must_use]
pub fn is_listed(listed: &[Host], host: &str) -> bool {
    let address = literal(host);
    listed.iter().any(|each| match (each, address) {
        (Host::Name(name), None) => name.eq_ignore_ascii_case(host.strip_suffix('.').unwrap_or(host)),
        (Host::Network(network), Some(address)) => network.contains(&address),
        (Host::Name(_), Some(_)) | (Host::Network(_), None) => false,
    })
}

/// Whether `address`, an address of `host`, may be connected to: it is public, or the address or the host is `listed`.
#[must_use]
pub fn is_allowed(listed: &[Host], host: &str, address: IpAddr) -> bool {
    is_open(listed, address) || is_listed(listed, host)
}

/// Whether `address` may be connected to for any host: it is public, or `listed` as an address or network. Use this for
/// URLs from strangers: the owner of a name chooses its addresses, so a listed name must not allow private addresses.
#[must_use]
pub fn is_open(listed: &[Host], address: IpAddr) -> bool {
    let address = address.to_canonical();
    let network = |each: &Host| matches!(each, Host::Network(network) if network.contains(&address));
    is_public(address) || listed.iter().any(network)
}

/// The IP address if `host`, as written in a URL, is one and not a name.
#[must_use]
pub fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Whether `address` is on the public Internet (IANA's special-purpose registries, RFC 6890).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        // This network, shared space (RFC 6598), protocol assignments, benchmarks (RFC 2544), reserved.
        [0 | 240..=255, ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18 | 19, ..] => true,
        _ => address.is_private() || address.is_loopback() || address.is_link_local() || address.is_documentation(),
    };
    !special && !address.is_multicast()
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, fourth, _, _, high, low] = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match first {
        // NAT64 (RFC 6052) and 6to4 (RFC 3056) lead to the embedded IPv4 address.
        0x64 if second == 0xff9b => (third, fourth) == (0, 0) && embedded(high, low),
        0x2002 => embedded(second, third),
        // Documentation, and Teredo and its neighbours (RFC 2928).
        0x2001 => second != 0xdb8 && second > 0x1ff,
        // All other global unicast addresses (RFC 4291 §2.4).
        0x2000..=0x3fff => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Host, is_allowed, is_listed, is_open, is_public};

    #[test]
    fn an_address_of_a_private_network_is_not_public_however_it_is_written() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::808:808",
            "2002:7f00:1::",
            "2001::1",
            "::7f00:1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in
            ["1.1.1.1", "193.99.144.80", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::", "::ffff:1.1.1.1"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn what_is_listed_is_allowed_and_nothing_else_that_is_private() {
        let listed: Vec<Host> =
            ["NAS.local", "10.1.0.0/16", "[fd00::1]", "127.0.0.1"].map(|host| host.parse().unwrap()).to_vec();
        for host in ["nas.local", "nas.LOCAL.", "10.1.2.3", "[fd00::1]", "127.0.0.1", "[::ffff:127.0.0.1]"] {
            assert!(is_listed(&listed, host), "{host}");
        }
        for host in ["nas", "x.nas.local", "10.2.0.1", "[::1]", "1.1.1.1"] {
            assert!(!is_listed(&listed, host), "{host}");
        }
        let allowed = |host: &str, address: &str| is_allowed(&listed, host, address.parse().unwrap());
        assert!(allowed("nas.local", "192.168.0.9") && allowed("other", "10.1.9.9") && allowed("other", "1.1.1.1"));
        assert!(!allowed("other", "192.168.0.9") && !allowed("other", "::ffff:192.168.0.9"));
        let open = |address: &str| is_open(&listed, address.parse().unwrap());
        assert!(open("10.1.9.9") && open("::ffff:127.0.0.1") && open("1.1.1.1"));
        assert!(!open("192.168.0.9") && !open("127.0.0.2") && !open("169.254.169.254"));
    }

    #[test]
    fn a_host_is_a_name_an_address_or_a_network() {
        for host in ["", "a b", "http://a", "a/b", "a:80", "*.a", "10.0.0.0/33", "a..b"] {
            assert!(host.parse::<Host>().is_err(), "{host}");
        }
    }
}
