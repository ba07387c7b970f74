//! Which addresses are on the internet, and not somebody's own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{Ipv4Net, Ipv6Net};

/// IPv4 networks that are not on the internet, from IANA's registry of special-purpose addresses, and those that
/// clouds answer on from inside.
const NOT_PUBLIC_4: &[&str] = &[
    "0.0.0.0/8",        // this host
    "10.0.0.0/8",       // private
    "100.64.0.0/10",    // behind carriers' translators; Alibaba's metadata
    "127.0.0.0/8",      // loopback
    "168.63.129.16/32", // Azure's own services
    "169.254.0.0/16",   // link-local; metadata of most clouds
    "172.16.0.0/12",    // private
    "192.0.0.0/24",     // protocol assignments; Oracle's metadata
    "192.0.2.0/24",     // documentation
    "192.88.99.0/24",   // relays to IPv6
    "192.168.0.0/16",   // private
    "198.18.0.0/15",    // benchmarks
    "198.51.100.0/24",  // documentation
    "203.0.113.0/24",   // documentation
    "224.0.0.0/4",      // multicast
    "240.0.0.0/4",      // reserved; broadcast
];
/// The part of IPv6 that is given out: everything outside of it is loopback, link-local, private, multicast, mapped or
/// translated IPv4, or nothing.
const PUBLIC_6: &str = "2000::/3";
/// Networks in that part that are not on the internet, or hide an IPv4 address.
const NOT_PUBLIC_6: &[&str] = &[
    "2001::/23",     // protocol assignments; Teredo
    "2001:db8::/32", // documentation
    "2002::/16",     // IPv4 in IPv6
    "3fff::/20",     // documentation
];

struct Networks {
    not_public_4: Vec<Ipv4Net>,
    public_6: Vec<Ipv6Net>,
    not_public_6: Vec<Ipv6Net>,
}

static NETWORKS: LazyLock<Networks> = LazyLock::new(|| Networks {
    not_public_4: read(NOT_PUBLIC_4),
    public_6: read(&[PUBLIC_6]),
    not_public_6: read(NOT_PUBLIC_6),
});

/// One that cannot be read is left out; a test sees to it that there is none.
fn read<T: std::str::FromStr>(networks: &[&str]) -> Vec<T> {
    networks.iter().filter_map(|network| network.parse().ok()).collect()
}

/// Whether an address is one on the internet: no loopback, private, link-local, shared, documentation, multicast or
/// reserved one, no cloud's own service, and no IPv6 form of an IPv4 address.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_4(address),
        IpAddr::V6(address) => is_public_6(address),
    }
}

fn is_public_4(address: Ipv4Addr) -> bool {
    !NETWORKS.not_public_4.iter().any(|network| network.contains(&address))
}

fn is_public_6(address: Ipv6Addr) -> bool {
    NETWORKS.public_6.iter().any(|network| network.contains(&address))
        && !NETWORKS.not_public_6.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_network_is_read() {
        assert_eq!(NETWORKS.not_public_4.len(), NOT_PUBLIC_4.len());
        assert_eq!((NETWORKS.public_6.len(), NETWORKS.not_public_6.len()), (1, NOT_PUBLIC_6.len()));
    }

    #[test]
    fn the_internet_is_public_and_nothing_else() {
        for public in ["1.1.1.1", "93.184.216.34", "100.63.255.255", "172.32.0.1", "2606:4700::1111"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        let own = "127.0.0.1 0.0.0.0 10.1.2.3 172.31.255.255 192.168.1.1 169.254.169.254 100.100.100.200 \
            168.63.129.16 224.0.0.1 255.255.255.255 :: ::1 ::ffff:1.1.1.1 ::ffff:127.0.0.1 64:ff9b::7f00:1 \
            64:ff9b:1::1 fe80::1 fec0::1 fc00::1 fd00:ec2::254 ff02::1 2002:7f00:1:: 2001:0:1::1 2001:db8::1 ::127.0.0.1";
        for own in own.split_whitespace() {
            assert!(!is_public(own.parse().unwrap()), "{own}");
        }
    }

    proptest! {
        /// What the standard library calls anything but global is never public here.
        #[test]
        fn nothing_the_standard_library_knows_is_let_through(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let known = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_broadcast() || address.is_documentation() || address.is_multicast()
                || address.is_unspecified();
            prop_assert!(!(known && is_public(address.into())));
            prop_assert!(!is_public(address.to_ipv6_mapped().into()));
            prop_assert!(!is_public(address.to_ipv6_compatible().into()));
        }
    }
}
