//! Which addresses belong to the public Internet: the only ones that are ever connected to.
//!
//! For IPv6 the question is asked the other way round: nothing but global unicast (`2000::/3`) may pass, so the forms
//! that carry an IPv4 address (mapped, compatible, NAT64 by either prefix), unique local, site-local, link-local and
//! multicast addresses need no line of their own. A translator may have a prefix of its operator's choice (RFC 6052),
//! which nobody can tell by looking at it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// From IANA's registry of special-purpose addresses (RFC 6890 and its successors), with multicast and what clouds use.
const INSIDE_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::UNSPECIFIED, 8),         // "this network"; 0.0.0.0 is this host on Linux
    (Ipv4Addr::new(10, 0, 0, 0), 8),    // private
    (Ipv4Addr::new(100, 64, 0, 0), 10), // carriers' NAT; Alibaba's metadata, EKS pods
    (Ipv4Addr::new(127, 0, 0, 0), 8),   // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // Azure's host agent: public by number only
    (Ipv4Addr::new(169, 254, 0, 0), 16), // link-local; the metadata of AWS, Google and Azure, ECS credentials
    (Ipv4Addr::new(172, 16, 0, 0), 12), // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),  // protocol assignments; Oracle's metadata
    (Ipv4Addr::new(192, 0, 2, 0), 24),  // documentation
    (Ipv4Addr::new(192, 31, 196, 0), 24), // AS112
    (Ipv4Addr::new(192, 52, 193, 0), 24), // AMT
    (Ipv4Addr::new(192, 88, 99, 0), 24), // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16), // private
    (Ipv4Addr::new(192, 175, 48, 0), 24), // AS112
    (Ipv4Addr::new(198, 18, 0, 0), 15), // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24), // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),   // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),   // reserved, and broadcast at its end
];

/// What of `2000::/3` isn't the public Internet.
const INSIDE_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocols: Teredo, benchmarking, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: carries an IPv4 address
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16), // 6bone, given back
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// The interface identifiers of ISATAP (RFC 5214), which carry an IPv4 address behind any prefix.
const ISATAP: [u32; 2] = [0x0000_5efe, 0x0200_5efe];

/// Whether this is an address of the public Internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !INSIDE_V4.iter().any(|(network, length)| {
            address.to_bits() >> (32 - length) == network.to_bits() >> (32 - length)
        }),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let is_global = bits >> 125 == 0b001;
            let is_inside = INSIDE_V6
                .iter()
                .any(|(network, length)| bits >> (128 - length) == network.to_bits() >> (128 - length));
            let [.., a, b, _, _] = address.segments();
            let is_isatap = ISATAP.contains(&(u32::from(a) << 16 | u32::from(b)));
            is_global && !is_inside && !is_isatap
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn each_range_is_closed_from_its_first_to_its_last_address() {
        for (first, last) in [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "255.255.255.255"),
        ] {
            let [first, last] = [first, last].map(|text| text.parse::<Ipv4Addr>().unwrap());
            assert!(!is_public(first.into()) && !is_public(last.into()), "{first} to {last}");
            for neighbour in [first.to_bits().checked_sub(1), last.to_bits().checked_add(1)] {
                let neighbour = neighbour.map(Ipv4Addr::from_bits);
                // 126/8 borders on 127/8 and so on; none of these ranges touches another.
                assert!(neighbour.is_none_or(|neighbour| is_public(neighbour.into())), "{neighbour:?}");
            }
        }
    }

    #[test]
    fn the_metadata_of_every_cloud_is_inside() {
        for address in [
            "169.254.169.254", // AWS, Google, Azure, DigitalOcean
            "169.254.170.2",   // ECS
            "169.254.170.23",  // EKS Pod Identity
            "fd00:ec2::254",   // AWS
            "fd00:ec2::23",    // EKS Pod Identity
            "fd20:ce::254",    // Google
            "168.63.129.16",   // Azure
            "100.100.100.200", // Alibaba
            "192.0.0.192",     // Oracle
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn no_form_of_ipv6_carries_an_ipv4_address_inside() {
        for address in [
            "::ffff:10.0.0.1",          // mapped
            "::ffff:8.8.8.8",           // mapped, and public: still another spelling
            "::10.0.0.1",               // compatible
            "::ffff:0:10.0.0.1",        // translated (SIIT)
            "64:ff9b::169.254.169.254", // NAT64, well known
            "64:ff9b:1::10.0.0.1",      // NAT64, local use
            "2002:a9fe:a9fe::1",        // 6to4
            "2001::f5ff:fffe",          // Teredo
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2600:1f00::5efe:10.0.0.1", // ISATAP
            "2600:1f00::200:5efe:a00:1",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn every_special_range_of_ipv6_is_inside() {
        for address in [
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "fc00::1",
            "fdff::1",
            "ff02::1",
            "ff0e::1",
            "100::1",
            "100:0:0:1::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff::1",
            "2001:db8::1",
            "3fff::1",
            "3fff:fff:ffff::1",
            "3ffe::1",
            "5f00::1",
            "4000::1",
            "e000::1",
            "1fff:ffff::1",
            "2620:4f:8000::1",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn the_public_internet_is_open() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "93.184.215.14",
            "52.216.0.1",
            "223.255.255.255",
            "168.63.129.15",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2600:1f18::1",
            "2a00:1450::1",
            "2001:200::1",
            "3000::1",
        ] {
            assert!(public(address), "{address}");
        }
    }
}
