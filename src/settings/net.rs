//! Networks of IP addresses, for allow lists.

use std::fmt;
use std::net::IpAddr;

/// A network such as `10.20.0.0/16`; a bare address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpNet {
    address: IpAddr,
    prefix: u8,
}

impl IpNet {
    /// Reads `10.20.0.0/16`, `2001:db8::/32` or `10.1.2.3`; none for anything else, also
    /// when bits are set behind the prefix, which is nearly always a mistake.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => {
                let digits = prefix.len() <= 3 && prefix.bytes().all(|b| b.is_ascii_digit());
                (address, Some(prefix).filter(|_| digits)?.parse().ok()?)
            }
            None => (text, u8::MAX),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = if prefix == u8::MAX { width } else { prefix };
        let net = Self { address, prefix };
        (prefix <= width && bits(address) & !net.mask() == 0).then_some(net)
    }

    /// Whether an address belongs to it; an IPv4 address within IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && bits(address) & self.mask() == bits(self.address)
    }

    /// The bits of the prefix, at the high end of the address's width.
    fn mask(&self) -> u128 {
        let width: u32 = if self.address.is_ipv4() { 32 } else { 128 };
        let all = u128::MAX >> (128 - width);
        all & all.checked_shl(width - u32::from(self.prefix).min(width)).unwrap_or(0)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_its_addresses_only() {
        let check = |net: &str, address: &str, expected: bool| {
            let net = IpNet::parse(net).unwrap();
            assert_eq!(net.contains(address.parse().unwrap()), expected, "{net} {address}");
        };
        check("10.20.0.0/16", "10.20.3.4", true);
        check("10.20.0.0/16", "10.21.0.1", false);
        check("10.20.0.0/16", "::ffff:10.20.3.4", true);
        check("10.20.0.0/16", "::1", false);
        check("0.0.0.0/0", "255.1.2.3", true);
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "127.0.0.2", false);
        check("2001:db8::/32", "2001:db8:1::1", true);
        check("::/0", "2001:db8:1::1", true);
        check("::1/128", "::1", true);
    }

    #[test]
    fn refuses_what_is_no_network() {
        for bad in ["", "10.20.0.0/33", "10.20.0.1/16", "10.20/16", "::/129", "a/8", "1.2.3.4/+8"] {
            assert_eq!(IpNet::parse(bad), None, "{bad}");
        }
    }
}
