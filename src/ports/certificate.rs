//! The two facts weir reads from a certificate: whose it is and when it ends.
//!
//! A walk over DER that knows no more of X.509 than it needs; verification is rustls's.
//! Whatever does not look as expected gives `None`, never a panic.

use crate::base::Timestamp;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Longest subject shown, in bytes: a table cell.
const SUBJECT_BYTES_MAX: usize = 128;

/// One element: its tag and content; the rest stays in the reader.
struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    fn next(&mut self) -> Option<(u8, &'d [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let (digits, rest) = rest.split_at_checked(count)?;
            (digits.iter().fold(0, |n, d| (n << 8) | usize::from(*d)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn expect(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

/// Content of validity and subject.
fn walk(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let certificate = Reader(der).expect(SEQUENCE)?;
    let mut signed = Reader(Reader(certificate).expect(SEQUENCE)?);
    if signed.0.first() == Some(&VERSION) {
        signed.next()?;
    }
    signed.next()?; // serial number
    signed.expect(SEQUENCE)?; // algorithm
    signed.expect(SEQUENCE)?; // issuer
    let validity = signed.expect(SEQUENCE)?;
    let subject = signed.expect(SEQUENCE)?;
    Some((validity, subject))
}

fn short_name(oid: &[u8]) -> Option<&'static str> {
    Some(match oid {
        [0x55, 4, 3] => "CN",
        [0x55, 4, 6] => "C",
        [0x55, 4, 7] => "L",
        [0x55, 4, 8] => "ST",
        [0x55, 4, 10] => "O",
        [0x55, 4, 11] => "OU",
        _ => return None,
    })
}

/// Ends a subject that does not say all: it is no name to know anybody by.
pub const AND_MORE: &str = "\u{2026}";

/// The subject of a certificate: `CN=emr, O=Hospital`. Characters that could upset a log
/// or a page are replaced, attributes without a short name left out, and it is cut at 128
/// bytes; then it ends in [`AND_MORE`], so that two certificates share no name by that.
#[must_use]
pub fn subject(der: &[u8]) -> Option<String> {
    let (_, subject) = walk(der)?;
    let (mut text, mut whole) = (String::new(), true);
    let mut sets = Reader(subject);
    while let Some(set) = sets.expect(SET) {
        let mut set = Reader(set);
        let mut pair = Reader(set.expect(SEQUENCE)?);
        // Several attributes at once are told apart by nobody.
        whole &= set.0.is_empty();
        let oid = pair.expect(OID)?;
        let (_, value) = pair.next()?;
        let Some(name) = short_name(oid) else {
            whole = false;
            continue;
        };
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(name);
        text.push('=');
        for c in String::from_utf8_lossy(value).chars() {
            let is_plain = c.is_alphanumeric() || " .-_@:/".contains(c);
            whole &= is_plain;
            text.push(if is_plain { c } else { '?' });
        }
        if text.len() > SUBJECT_BYTES_MAX {
            let mut end = SUBJECT_BYTES_MAX;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            whole = false;
            break;
        }
    }
    if text.is_empty() {
        return None;
    }
    if !whole {
        text.push_str(AND_MORE);
    }
    Some(text)
}

/// The moment after which a certificate is no longer valid.
#[must_use]
pub fn not_after(der: &[u8]) -> Option<Timestamp> {
    let mut validity = Reader(walk(der)?.0);
    validity.next()?;
    let (tag, text) = validity.next()?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    // Source: RFC 5280 §4.1.2.5: years from 50 on are 19xx in the short form.
    let long = match tag {
        GENERALIZED_TIME => text.to_owned(),
        UTC_TIME if text.get(..2)? >= "50" => format!("19{text}"),
        UTC_TIME => format!("20{text}"),
        _ => return None,
    };
    let part = |from: usize, to: usize| long.get(from..to);
    Timestamp::parse(&format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Hospital");
        params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn reads_subject_and_end() {
        let der = certificate("emr\n<b>");
        assert_eq!(subject(&der).as_deref(), Some("CN=emr??b?, O=Hospital\u{2026}"));
        assert_eq!(not_after(&der), Timestamp::parse("2031-02-03T00:00:00Z"));
        assert_eq!(subject(&certificate(&"x".repeat(300))).map(|s| s.len()), Some(131));
    }

    #[test]
    fn a_name_that_does_not_say_all_is_nobody_s() {
        assert_eq!(subject(&certificate("emr")).as_deref(), Some("CN=emr, O=Hospital"));
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "lab");
        let serial = rcgen::DnType::CustomDnType(vec![2, 5, 4, 5]);
        params.distinguished_name.push(serial, "9");
        let key = rcgen::KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        assert_eq!(subject(&der).as_deref(), Some("CN=lab\u{2026}"));
    }

    #[test]
    fn broken_certificates_say_nothing() {
        let der = certificate("emr");
        for end in 0..der.len().min(200) {
            assert_eq!(subject(&der[..end]), None, "{end}");
            assert_eq!(not_after(&der[..end]), None, "{end}");
        }
        for bad in [&b"\x30\x80"[..], b"\x30\x84\xff\xff\xff\xff", b"\x30\x00", b"\x02\x01\x00"] {
            assert_eq!(subject(bad), None);
        }
    }
}
