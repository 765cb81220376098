//! Networks of the allow list.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// An address range: `10.20.0.0/16`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpNet {
    base: u128,
    /// Leading bits that count, of 128; an IPv4 range has 96 more than written.
    bits: u32,
    v4: bool,
}

/// A text is not an address range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IpNetError {
    /// Not an address, or the number of bits does not fit it.
    #[error("an address range looks like `10.20.0.0/16`, `2001:db8::/32` or `10.20.0.7`")]
    Shape,
    /// Bits behind the prefix are set: likely a slip.
    #[error("the address has bits set behind its prefix")]
    Host,
}

fn wide(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().to_bits(), true),
        IpAddr::V6(v6) => (v6.to_bits(), v6.to_ipv4_mapped().is_some()),
    }
}

const fn mask(bits: u32) -> u128 {
    if bits == 0 { 0 } else { u128::MAX << (128 - bits) }
}

impl IpNet {
    /// Whether the address lies in the range. An IPv4 address that came over an IPv6
    /// socket (`::ffff:10.0.0.1`) counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (address, v4) = wide(address);
        v4 == self.v4 && address & mask(self.bits) == self.base
    }
}

impl FromStr for IpNet {
    type Err = IpNetError;

    fn from_str(text: &str) -> Result<Self, IpNetError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| IpNetError::Shape)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let written: u32 = match prefix {
            Some(p) if !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()) => {
                p.parse().map_err(|_| IpNetError::Shape)?
            }
            Some(_) => return Err(IpNetError::Shape),
            None => width,
        };
        if written > width {
            return Err(IpNetError::Shape);
        }
        let bits = written + 128 - width;
        let (base, v4) = wide(address);
        // `::ffff:0:0/64` would reach beyond IPv4: such a range counts as IPv6.
        let v4 = v4 && bits >= 96;
        if base & !mask(bits) != 0 {
            return Err(IpNetError::Host);
        }
        Ok(Self { base, bits, v4 })
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v6 = Ipv6Addr::from_bits(self.base);
        match v6.to_ipv4_mapped().filter(|_| self.v4) {
            Some(v4) => write!(f, "{v4}/{}", self.bits - 96),
            None => write!(f, "{v6}/{}", self.bits),
        }
    }
}

impl fmt::Debug for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges() {
        let check = |text: &str, expected: Result<&str, IpNetError>| {
            let read = text.parse::<IpNet>().map(|net| net.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{text}");
        };
        check("10.20.0.0/16", Ok("10.20.0.0/16"));
        check("10.20.0.7", Ok("10.20.0.7/32"));
        check("0.0.0.0/0", Ok("0.0.0.0/0"));
        check("2001:db8::/32", Ok("2001:db8::/32"));
        check("::/0", Ok("::/0"));
        check("10.20.0.7/16", Err(IpNetError::Host));
        for bad in
            ["", "/", "10.20.0.0/", "10.20.0.0/33", "10.20.0/16", "::/129", "a/8", "1.2.3.4/+8"]
        {
            check(bad, Err(IpNetError::Shape));
        }
    }

    #[test]
    fn contains_by_prefix_and_family() {
        let check = |net: &str, address: &str, expected: bool| {
            let net: IpNet = net.parse().unwrap();
            assert_eq!(net.contains(address.parse().unwrap()), expected, "{net} {address}");
        };
        check("10.20.0.0/16", "10.20.255.1", true);
        check("10.20.0.0/16", "10.21.0.1", false);
        check("10.20.0.0/16", "::ffff:10.20.0.1", true);
        check("0.0.0.0/0", "1.2.3.4", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("::/0", "2001:db8::1", true);
        check("::/0", "1.2.3.4", false);
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "127.0.0.2", false);
    }
}
