//! Times of FHIR as ranges of moments.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::base::Timestamp;

/// A range of moments: start inclusive, end exclusive; open where none is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Range {
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
}

fn midnight(date: Date) -> Option<Timestamp> {
    let zoned = date.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
}

/// The range that a FHIR `date`, `dateTime` or `instant` stands for: a day, month or year
/// in UTC, or one second or less.
pub(super) fn moment(text: &str) -> Option<Range> {
    let digits = |part: &str, count: usize| {
        let fits = part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| part.parse::<i16>().ok()).flatten()
    };
    if text.contains('T') {
        let start = Timestamp::parse(text)?;
        let second = std::time::Duration::from_secs(1);
        return Some(Range { start: Some(start), end: Some(start.after(second)) });
    }
    let mut parts = text.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map(|part| digits(part, 2)).map_or(Some(None), |m| m.map(Some))?;
    let day = parts.next().map(|part| digits(part, 2)).map_or(Some(None), |d| d.map(Some))?;
    if parts.next().is_some() {
        return None;
    }
    let small = |n: i16| i8::try_from(n).ok();
    let first = Date::new(year, small(month.unwrap_or(1))?, small(day.unwrap_or(1))?).ok()?;
    let last = match (month, day) {
        (None, _) => first.last_of_year(),
        (Some(_), None) => first.last_of_month(),
        (Some(_), Some(_)) => first,
    };
    Some(Range { start: midnight(first), end: last.tomorrow().ok().and_then(midnight) })
}

impl Range {
    /// Whether a moment lies in it.
    pub fn has(&self, at: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= at) && self.end.is_none_or(|end| at < end)
    }

    /// Whether all of `other` lies in it.
    pub fn covers(&self, other: &Self) -> bool {
        let from = self.start.is_none_or(|own| other.start.is_some_and(|start| own <= start));
        let to = self.end.is_none_or(|own| other.end.is_some_and(|end| end <= own));
        from && to
    }

    /// Whether they share a moment.
    pub fn meets(&self, other: &Self) -> bool {
        let before = |end: Option<Timestamp>, start: Option<Timestamp>| {
            end.zip(start).is_some_and(|(end, start)| end <= start)
        };
        !before(self.end, other.start) && !before(other.end, self.start)
    }

    /// The next moment after `now` at which it begins or ends.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        [self.start, self.end].into_iter().flatten().filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn dates_stand_for_all_of_their_time() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let range =
                expected.map(|(start, end)| Range { start: Some(at(start)), end: Some(at(end)) });
            assert_eq!(moment(text), range, "{text}");
        };
        check("2026", Some(("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")));
        check("2026-02", Some(("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z")));
        check("2026-12-31", Some(("2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z")));
        check("2026-01-02T03:04:05Z", Some(("2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z")));
        check("2026-01-02T03:04:05+02:00", Some(("2026-01-02T01:04:05Z", "2026-01-02T01:04:06Z")));
        for bad in [
            "",
            "26",
            "2026-13",
            "2026-02-30",
            "2026-1-2",
            "2026-01-02-03",
            "2026-",
            "2026-01-02T03:04",
            "20x6",
            "tomorrow",
        ] {
            check(bad, None);
        }
        assert_eq!(moment("9999-12-31").unwrap().end, None);
    }

    #[test]
    fn ranges_compare() {
        let range = |start: Option<i64>, end: Option<i64>| Range {
            start: start.map(Timestamp::from_micros),
            end: end.map(Timestamp::from_micros),
        };
        let (open, ten) = (range(None, None), range(Some(10), Some(20)));
        let now = Timestamp::from_micros;
        assert!(open.has(now(0)) && ten.has(now(10)) && !ten.has(now(20)) && !ten.has(now(9)));
        assert!(open.covers(&ten) && ten.covers(&ten) && !ten.covers(&open));
        assert!(!ten.covers(&range(Some(10), Some(21))) && !ten.covers(&range(Some(9), Some(15))));
        assert!(open.meets(&ten) && ten.meets(&range(Some(19), None)));
        assert!(!ten.meets(&range(Some(20), None)) && !ten.meets(&range(None, Some(10))));
        assert_eq!(ten.next_change(now(5)), Some(now(10)));
        assert_eq!(ten.next_change(now(10)), Some(now(20)));
        assert_eq!(ten.next_change(now(20)), None);
        assert_eq!(open.next_change(now(0)), None);
    }
}
