//! Ids that weir gives.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// The id weir gives a message on arrival: a UUID v7, which sorts by time of arrival.
///
/// Written in 26 characters of Crockford base 32, such as `01JD8Z4M7QF8B6R3S0K2T4V6WX`;
/// the hyphenated UUID is read too.
///
/// Source: RFC 9562 §5.7.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(u128);

/// A text is not a message id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message id: 26 characters such as `01JD8Z4M7QF8B6R3S0K2T4V6WX`, or a UUID")]
pub struct ParseIdError;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl MessageId {
    /// Makes one from the time of arrival and 74 random bits (the rest is ignored).
    #[must_use]
    pub fn new(now: Timestamp, random: u128) -> Self {
        let millis = u128::try_from(now.millis()).unwrap_or(0) & ((1 << 48) - 1);
        let rand_a = (random >> 62) & 0xfff;
        let rand_b = random & ((1 << 62) - 1);
        Self((millis << 80) | (0x7 << 76) | (rand_a << 64) | (0b10 << 62) | rand_b)
    }

    /// Makes one from its 128 bits.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }

    /// Its 128 bits.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// Its 16 bytes, which sort as the ids do.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// When the message arrived, to the millisecond.
    #[must_use]
    pub fn arrived(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0 >> 80).unwrap_or(0))
    }

    /// The hyphenated UUID, as FHIR wants it after `urn:uuid:`.
    #[must_use]
    pub fn to_uuid(self) -> uuid::Uuid {
        uuid::Uuid::from_u128(self.0)
    }

    /// First and last id whose text starts with `prefix`, for searches by a part.
    #[must_use]
    pub fn range_of_prefix(prefix: &str) -> Option<(Self, Self)> {
        if prefix.is_empty() || prefix.len() > 26 {
            return None;
        }
        let fill = |c: char| -> Option<Self> {
            let mut text = prefix.to_owned();
            text.extend(std::iter::repeat_n(c, 26 - prefix.len()));
            text.parse().ok()
        };
        Some((fill('0')?, fill('Z')?))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 26];
        for (place, byte) in text.iter_mut().enumerate() {
            let digit = (self.0 >> (5 * (25 - place))) & 0x1f;
            *byte = ALPHABET[usize::try_from(digit).unwrap_or(0)];
        }
        f.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MessageId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if text.len() == 36 {
            return uuid::Uuid::try_parse(text)
                .map(|u| Self(u.as_u128()))
                .map_err(|_| ParseIdError);
        }
        if text.len() != 26 || text.as_bytes()[0] > b'7' {
            return Err(ParseIdError);
        }
        text.bytes()
            .try_fold(0u128, |bits, byte| {
                let digit = ALPHABET.iter().position(|c| *c == byte.to_ascii_uppercase())?;
                Some((bits << 5) | digit as u128)
            })
            .map(Self)
            .ok_or(ParseIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_uuid_v7_that_sorts_by_time() {
        let early = MessageId::new(Timestamp::from_millis(1_700_000_000_000), u128::MAX);
        let late = MessageId::new(Timestamp::from_millis(1_700_000_000_001), 0);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(early.to_uuid().get_version_num(), 7);
        assert_eq!(late.arrived(), Timestamp::from_millis(1_700_000_000_001));
    }

    #[test]
    fn reads_what_it_prints_and_uuids() {
        let id = MessageId::new(Timestamp::from_millis(1_700_000_000_000), 42);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_lowercase().parse(), Ok(id));
        assert_eq!(id.to_uuid().to_string().parse(), Ok(id));
        for bad in ["", "01", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "0000000000000000000000000U"] {
            assert_eq!(bad.parse::<MessageId>(), Err(ParseIdError), "{bad}");
        }
    }

    #[test]
    fn a_prefix_spans_its_ids() {
        let id = MessageId::new(Timestamp::from_millis(1_700_000_000_000), 42);
        let (first, last) = MessageId::range_of_prefix(&id.to_string()[..9]).unwrap();
        assert!(first <= id && id <= last);
        assert_eq!(MessageId::range_of_prefix(""), None);
    }
}
