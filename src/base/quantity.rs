//! Sizes and durations as people write them in settings: always with a unit.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A number of bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

/// A text is not a quantity of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a size.
    #[error("a size is a number and a unit, such as `512 KiB`, `10 MiB` or `5 GiB`")]
    Size,
    /// Not a duration.
    #[error(
        "a duration is a number and a unit, such as `500ms`, `5s`, `10m`, `24h`, `30d` or `6y`"
    )]
    Duration,
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

impl ByteSize {
    /// Reads `10 MiB`, `5GiB`, `512 KiB` or `100 B`.
    ///
    /// # Errors
    /// [`QuantityError::Size`] for a missing or unknown unit or a number that is too large.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let (number, unit) = split(text.trim()).ok_or(QuantityError::Size)?;
        let shift = match unit.trim() {
            "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            "TiB" => 40,
            _ => return Err(QuantityError::Size),
        };
        number.checked_mul(1 << shift).map(Self).ok_or(QuantityError::Size)
    }

    /// The number of bytes as a length in memory.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 >= 1 << shift {
                let tenths = (u128::from(self.0) * 10) >> shift;
                return match (tenths / 10, tenths % 10) {
                    (whole, 0) => write!(f, "{whole} {unit}"),
                    (whole, tenth) => write!(f, "{whole}.{tenth} {unit}"),
                };
            }
        }
        write!(f, "{} B", self.0)
    }
}

/// Reads `500ms`, `5s`, `10m`, `24h`, `30d` or `6y` (a year has 365 days).
///
/// # Errors
/// [`QuantityError::Duration`] for a missing or unknown unit or a number that is too large.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let (number, unit) = split(text.trim()).ok_or(QuantityError::Duration)?;
    let millis = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "y" => 365 * 86_400_000,
        _ => return Err(QuantityError::Duration),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or(QuantityError::Duration)
}

/// Writes a duration in its two largest units: `4m12s`, `2h`, `350ms`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let seconds = duration.as_secs();
    let first = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(3);
    let (size, unit) = units[first];
    let rest = units.get(first + 1).map_or(0, |(next, _)| seconds % size / next);
    match (rest, units.get(first + 1)) {
        (1.., Some((_, next))) => format!("{}{unit}{rest}{next}", seconds / size),
        _ => format!("{}{unit}", seconds / size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_units() {
        let check = |text, bytes| assert_eq!(ByteSize::parse(text), bytes, "{text}");
        check("10 MiB", Ok(ByteSize(10 << 20)));
        check("5GiB", Ok(ByteSize(5 << 30)));
        check("100 B", Ok(ByteSize(100)));
        for bad in ["", "10", "MiB", "10 MB", "-1 B", "99999999999 TiB"] {
            check(bad, Err(QuantityError::Size));
        }
        assert_eq!(ByteSize(10 << 20).to_string(), "10 MiB");
        assert_eq!(ByteSize(1536).to_string(), "1.5 KiB");
        assert_eq!(ByteSize(u64::MAX).to_string(), "16777215.9 TiB");
    }

    #[test]
    fn durations_need_units() {
        let check = |text, millis: Option<u64>| {
            assert_eq!(parse_duration(text).ok(), millis.map(Duration::from_millis), "{text}");
        };
        check("500ms", Some(500));
        check("5s", Some(5000));
        check("24h", Some(86_400_000));
        check("6y", Some(6 * 365 * 86_400_000));
        for bad in ["", "5", "s", "5 weeks", "1.5s", "99999999999999999y"] {
            check(bad, None);
        }
    }

    #[test]
    fn durations_print_in_two_units() {
        let check = |secs, text| assert_eq!(format_duration(Duration::from_secs(secs)), text);
        check(252, "4m12s");
        check(7200, "2h");
        check(86_400 * 3 + 3601, "3d1h");
        check(0, "0ms");
    }
}
