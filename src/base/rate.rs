//! How often something may happen in a time.

use std::time::Duration;

/// So many in a time: `50/s`, `600/m`, `10000/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In this time.
    pub per: Duration,
}

impl Rate {
    /// Reads a number, a slash and `s`, `m` or `h`; zero is read, and for the caller to judge.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (count, per) = text.split_once('/')?;
        let seconds = match per.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        Some(Self { count: count.trim().parse().ok()?, per: Duration::from_secs(seconds) })
    }

    /// Takes one out of a bucket that holds `burst` at most and is full again at `full_at`.
    /// Both moments count from the same fixed one.
    ///
    /// # Errors
    /// The wait until there is one; the bucket stays as it is.
    pub fn take(self, burst: u32, full_at: Duration, now: Duration) -> Result<Duration, Duration> {
        let each = self.per / self.count.max(1);
        let taken = full_at.max(now) + each;
        let most = now + each * burst.max(1);
        if taken > most { Err(taken - most) } else { Ok(taken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rates() {
        let check = |text: &str, expected: Option<(u32, u64)>| {
            let expected = expected.map(|(count, s)| Rate { count, per: Duration::from_secs(s) });
            assert_eq!(Rate::parse(text), expected, "{text}");
        };
        check("50/s", Some((50, 1)));
        check("600 / m", Some((600, 60)));
        check("1/h", Some((1, 3600)));
        check("0/s", Some((0, 1)));
        for bad in ["", "50", "/s", "50/", "50/d", "-1/s", "1.5/s", "4294967296/s"] {
            check(bad, None);
        }
    }

    #[test]
    fn a_burst_then_evenly_and_a_refusal_costs_nothing() {
        let rate = Rate { count: 10, per: Duration::from_secs(1) };
        let now = Duration::from_secs(5);
        let mut full_at = Duration::ZERO;
        for _ in 0..3 {
            full_at = rate.take(3, full_at, now).unwrap();
        }
        for _ in 0..5 {
            assert_eq!(rate.take(3, full_at, now), Err(Duration::from_millis(100)));
        }
        let later = now + Duration::from_millis(100);
        full_at = rate.take(3, full_at, later).unwrap();
        assert_eq!(rate.take(3, full_at, later), Err(Duration::from_millis(100)));
        assert!(rate.take(3, full_at, now + Duration::from_secs(9)).is_ok());
    }
}
