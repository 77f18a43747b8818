//! The egress policy (SSRF guard), which says where deliveries may go: every address that is not global is refused,
//! unless the operator named its network.

use super::ports::Ports;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ipnet::IpNet;

/// The egress policy of a node: the networks, ports and schemes that the operator lets it reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Networks that are not global and may be reached all the same.
    pub allowed: Vec<IpNet>,
    pub ports: Ports,
    /// Whether global addresses may be spoken to without TLS. Those in `allowed` always may.
    pub allow_http: bool,
}

impl Reach {
    /// Whether a connection may be made to this address.
    #[must_use]
    pub fn may_connect(&self, address: IpAddr) -> bool {
        may_connect(address, &self.allowed)
    }

    /// Whether what goes to this address may be read by anyone on the way.
    #[must_use]
    pub fn may_speak_plainly(&self, address: IpAddr) -> bool {
        let address = unmapped(address);
        self.allow_http
            || self
                .allowed
                .iter()
                .any(|network| network.contains(&address))
    }
}

/// Networks that are not global unicast (IANA's special-purpose registries, RFC 6890 and its followers).
const REFUSED_V4: [(Ipv4Addr, u8); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::new(255, 255, 255, 255), 32),
];

const REFUSED_V6: [([u16; 8], u8); 11] = [
    // `::/8` holds loopback, the unspecified address, and the embeddings of IPv4.
    ([0, 0, 0, 0, 0, 0, 0, 0], 8),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 9),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
];

/// Where clouds keep their machines' credentials: no list of allowed networks opens these. One of them looks global.
const NEVER: [IpAddr; 7] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
];

/// Whether a delivery may connect to this address.
#[must_use]
pub fn may_connect(address: IpAddr, allowed: &[IpNet]) -> bool {
    let address = unmapped(address);
    !NEVER.contains(&address)
        && (is_global(address) || allowed.iter().any(|network| network.contains(&address)))
}

/// An IPv4 address in IPv6 clothes is judged as what it is.
fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => {
            let segments = v6.segments();
            let nat64 = segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
            // A tunnel's end (RFC 5214): the last half says where it leads.
            let isatap = segments[4] & !0x200 == 0 && segments[5] == 0x5efe;
            match v6.to_ipv4_mapped() {
                Some(v4) => IpAddr::V4(v4),
                None if nat64 || isatap && is_global(address) => {
                    let [.., a, b, c, d] = v6.octets();
                    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
                }
                None => address,
            }
        }
        IpAddr::V4(_) => address,
    }
}

fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let bits = u32::from(v4);
            !REFUSED_V4.iter().any(|(network, prefix)| {
                let mask = u32::MAX << (32 - u32::from(*prefix));
                bits & mask == u32::from(*network) & mask
            })
        }
        IpAddr::V6(v6) => {
            let bits = u128::from(v6);
            !REFUSED_V6.iter().any(|(network, prefix)| {
                let mask = u128::MAX << (128 - u32::from(*prefix));
                bits & mask == u128::from(Ipv6Addr::from(*network)) & mask
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn may(address: &str) -> bool {
        may_connect(address.parse().expect("an address"), &[])
    }

    #[test]
    fn only_global_addresses_are_reached() {
        for global in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "64:ff9b::808:808",
        ] {
            assert!(may(global), "{global}");
        }
        for refused in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::ffff:0:127.0.0.1",
            "2606:4700::5efe:10.0.0.1",
            "2606:4700::200:5efe:127.0.0.1",
            "64:ff9b::169.254.169.254",
            "168.63.129.16",
        ] {
            assert!(!may(refused), "{refused}");
        }
    }

    #[test]
    fn an_operator_may_open_a_network_but_never_the_clouds_credentials() {
        let allowed =
            ["169.254.0.0/16", "127.0.0.0/8", "fd00::/8"].map(|n| n.parse().expect("a network"));
        let may = |address: &str| may_connect(address.parse().expect("an address"), &allowed);
        assert!(
            may("127.0.0.1") && may("169.254.1.1") && may("::ffff:127.0.0.1") && may("fd00::1")
        );
        assert!(!may("169.254.169.254") && !may("::ffff:169.254.169.254") && !may("fd00:ec2::254"));
        assert!(!may("169.254.170.2") && !may("64:ff9b::169.254.169.254"));
    }

    #[test]
    fn only_an_opened_network_is_spoken_to_without_tls() {
        let mut reach = Reach {
            allowed: vec!["10.0.0.0/8".parse().expect("a network")],
            ..Reach::default()
        };
        let v4 = |a, b, c, d| IpAddr::V4(Ipv4Addr::new(a, b, c, d));
        assert!(
            reach.may_speak_plainly(v4(10, 1, 1, 1)) && !reach.may_speak_plainly(v4(1, 1, 1, 1))
        );
        reach.allow_http = true;
        assert!(reach.may_speak_plainly(v4(1, 1, 1, 1)) && !reach.may_connect(v4(127, 0, 0, 1)));
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_judged_alike_in_every_clothing(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            let [a, b, c, d] = v4.octets().map(u16::from);
            let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a << 8 | b, c << 8 | d);
            let plain = may_connect(v4.into(), &[]);
            prop_assert_eq!(plain, may_connect(v4.to_ipv6_mapped().into(), &[]));
            prop_assert_eq!(plain, may_connect(nat64.into(), &[]));
        }
    }
}
