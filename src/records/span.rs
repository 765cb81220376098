//! Spans of time: what a date of some precision covers, and how a search compares two.
//!
//! Source: FHIR R4 search.html#date, search.html#prefix.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

/// A span, in microseconds since 1970: from the first moment in it up to the first behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub low: i64,
    pub high: i64,
}

/// How a value of a search compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

impl Prefix {
    /// Splits a prefix off; `eq` where there is none.
    pub fn split(text: &str) -> (Self, &str) {
        let found = match text.get(..2) {
            Some("eq") => Self::Eq,
            Some("ne") => Self::Ne,
            Some("gt") => Self::Gt,
            Some("lt") => Self::Lt,
            Some("ge") => Self::Ge,
            Some("le") => Self::Le,
            Some("sa") => Self::Sa,
            Some("eb") => Self::Eb,
            Some("ap") => Self::Ap,
            _ => return (Self::Eq, text),
        };
        (found, text.get(2..).unwrap_or_default())
    }
}

/// Most months that a span is kept under one by one; a longer one is kept as a wide one.
const MONTHS_MAX: i32 = 24;

/// Years that have a bucket of their own; all others share one.
const YEARS: std::ops::RangeInclusive<i32> = 1890..=2110;

impl Span {
    /// Reads a `date`, `dateTime` or `instant` of any precision; times without a zone count
    /// as UTC.
    ///
    /// Source: FHIR R4 datatypes.html#dateTime.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, clock) = match text.split_once('T') {
            Some((date, clock)) => (date, Some(clock)),
            None => (text, None),
        };
        let mut parts = date.split('-');
        let year: i16 = digits(parts.next()?, 4)?;
        let month: Option<i8> = parts.next().map(|part| digits(part, 2)).unwrap_or(Some(0))?.into();
        let day: Option<i8> = parts.next().map(|part| digits(part, 2)).unwrap_or(Some(0))?.into();
        if parts.next().is_some() {
            return None;
        }
        let (month, day) = (month.filter(|m| *m != 0), day.filter(|d| *d != 0));
        if date.len() > 4 && month.is_none() || date.len() > 7 && day.is_none() {
            return None;
        }
        let first = Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).ok()?;
        let Some(clock) = clock else {
            let next = match (month, day) {
                (None, _) => Date::new(year.checked_add(1)?, 1, 1).ok(),
                (Some(12), None) => Date::new(year.checked_add(1)?, 1, 1).ok(),
                (Some(month), None) => Date::new(year, month + 1, 1).ok(),
                (Some(_), Some(_)) => first.tomorrow().ok(),
            };
            let high = next.map_or(i64::MAX, |next| micros(next, Time::midnight(), 0));
            return Some(Self { low: micros(first, Time::midnight(), 0), high });
        };
        day?;
        let (time, zone) = split_zone(clock)?;
        let (at, width) = clock_of(time)?;
        let low = micros(first, at, zone);
        Some(Self { low, high: low.saturating_add(width) })
    }

    /// The span of a Period, by its bounds.
    pub fn between(start: Option<Self>, end: Option<Self>) -> Self {
        Self {
            low: start.map_or(i64::MIN, |span| span.low),
            high: end.map_or(i64::MAX, |span| span.high),
        }
    }

    fn holds(self, other: Self) -> bool {
        self.low <= other.low && other.high <= self.high
    }

    /// Whether a value fits `self`, the value of a search.
    pub fn fits(self, prefix: Prefix, value: Self, now: i64) -> bool {
        match prefix {
            Prefix::Eq => self.holds(value),
            Prefix::Ne => !self.holds(value),
            Prefix::Gt => value.high > self.high,
            Prefix::Lt => value.low < self.low,
            Prefix::Ge => value.high > self.high || self.holds(value),
            Prefix::Le => value.low < self.low || self.holds(value),
            Prefix::Sa => value.low >= self.high,
            Prefix::Eb => value.high <= self.low,
            Prefix::Ap => {
                let near = self.around(now);
                value.low < near.high && near.low < value.high
            }
        }
    }

    /// The span with a tenth of its distance from now on both sides.
    pub fn around(self, now: i64) -> Self {
        let tenth = now.saturating_sub(self.low).saturating_abs() / 10;
        Self { low: self.low.saturating_sub(tenth), high: self.high.saturating_add(tenth) }
    }

    /// The buckets that a value is kept under: each month and year it touches, or one that
    /// stands for all long and open spans.
    pub fn buckets(self) -> Vec<String> {
        let (Some(from), Some(to)) = (month(self.low), month(self.high.saturating_sub(1))) else {
            return vec![WIDE.to_owned()];
        };
        if to - from > MONTHS_MAX {
            return vec![WIDE.to_owned()];
        }
        let months = (from..=to).map(|month| format!("{month}m"));
        months.chain(years(from.div_euclid(12), to.div_euclid(12))).collect()
    }

    /// The buckets in which every value lies that fits a search; none when no list of
    /// buckets has them all.
    pub fn searched(self, prefix: Prefix, now: i64) -> Option<Vec<String>> {
        let span = match prefix {
            Prefix::Eq => self,
            Prefix::Ne => return None,
            Prefix::Gt | Prefix::Ge | Prefix::Sa => Self { low: self.low, high: i64::MAX },
            Prefix::Lt | Prefix::Le | Prefix::Eb => Self { low: i64::MIN, high: self.high },
            Prefix::Ap => self.around(now),
        };
        let mut all = vec![WIDE.to_owned()];
        match (month(span.low), month(span.high.saturating_sub(1))) {
            (Some(from), Some(to)) if to - from <= MONTHS_MAX => {
                all.extend((from..=to).map(|month| format!("{month}m")));
            }
            (from, to) => {
                // What is open reaches into the bucket of all far years.
                let from = from.map_or(i32::MIN, |month| month.div_euclid(12));
                all.extend(years(from, to.map_or(i32::MAX, |month| month.div_euclid(12))));
            }
        }
        Some(all)
    }
}

/// The bucket of spans that touch too many months.
const WIDE: &str = "w";

/// Year buckets, each once.
fn years(from: i32, to: i32) -> impl Iterator<Item = String> {
    let (first, last) = (*YEARS.start(), *YEARS.end());
    let far = (from < first || to > last).then(|| "f".to_owned());
    (from.max(first)..=to.min(last)).map(|year| format!("{year}y")).chain(far)
}

/// The month of a moment, counted from year 0; none for bounds that are open.
fn month(micros: i64) -> Option<i32> {
    if micros == i64::MIN || micros >= i64::MAX - 1 {
        return None;
    }
    let date = jiff::Timestamp::from_microsecond(micros).ok()?.to_zoned(TimeZone::UTC).date();
    Some(i32::from(date.year()) * 12 + i32::from(date.month()) - 1)
}

fn digits<N: std::str::FromStr>(text: &str, count: usize) -> Option<N> {
    let plain = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A clock text and its offset from UTC in seconds.
fn split_zone(clock: &str) -> Option<(&str, i32)> {
    if let Some(time) = clock.strip_suffix('Z') {
        return Some((time, 0));
    }
    let Some(at) = clock.rfind(['+', '-']) else { return Some((clock, 0)) };
    let (time, zone) = clock.split_at_checked(at)?;
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let seconds = digits::<i32>(hours, 2)? * 3600 + digits::<i32>(minutes, 2)? * 60;
    Some((time, if zone.starts_with('-') { -seconds } else { seconds }))
}

/// The time of day, and how many microseconds it covers.
fn clock_of(text: &str) -> Option<(Time, i64)> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(w, f)| (w, Some(f)));
    let mut parts = whole.split(':');
    let hour: i8 = digits(parts.next()?, 2)?;
    let minute: Option<i8> =
        parts.next().map(|part| digits(part, 2)).map_or(Some(None), |m| m.map(Some))?;
    let second: Option<i8> =
        parts.next().map(|part| digits(part, 2)).map_or(Some(None), |s| s.map(Some))?;
    if parts.next().is_some() || (fraction.is_some() && second.is_none()) {
        return None;
    }
    let mut width = match (minute, second) {
        (None, _) => 3_600_000_000,
        (Some(_), None) => 60_000_000,
        (Some(_), Some(_)) => 1_000_000,
    };
    let mut nanos = 0;
    if let Some(fraction) = fraction {
        let plain = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
        let kept = fraction.get(..fraction.len().min(6)).filter(|_| plain)?;
        nanos = format!("{kept:0<6}").parse::<i32>().ok()? * 1000;
        width = 10_i64.pow(6 - u32::try_from(kept.len()).unwrap_or(6));
    }
    // A leap second lies in the last one of its minute.
    let second = second.unwrap_or(0).min(59);
    let time = Time::new(hour, minute.unwrap_or(0), second, nanos).ok()?;
    Some((time, width))
}

fn micros(date: Date, time: Time, zone: i32) -> i64 {
    let offset = Offset::from_seconds(zone).unwrap_or(Offset::UTC);
    let at = DateTime::from_parts(date, time).to_zoned(TimeZone::fixed(offset));
    at.map_or(i64::MAX, |at| at.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> Span {
        Span::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn a_date_covers_what_it_leaves_open() {
        let check = |text: &str, low: &str, high: &str| {
            let at = |text: &str| crate::base::Timestamp::parse(text).unwrap().micros();
            assert_eq!(span(text), Span { low: at(low), high: at(high) }, "{text}");
        };
        check("2024", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
        check("2024-02", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
        check("2024-12", "2024-12-01T00:00:00Z", "2025-01-01T00:00:00Z");
        check("2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z");
        check("2024-02-29T10", "2024-02-29T10:00:00Z", "2024-02-29T11:00:00Z");
        check("2024-02-29T10:30", "2024-02-29T10:30:00Z", "2024-02-29T10:31:00Z");
        check("2024-02-29T10:30:05+02:00", "2024-02-29T08:30:05Z", "2024-02-29T08:30:06Z");
        check("2024-02-29T10:30:05.25Z", "2024-02-29T10:30:05.25Z", "2024-02-29T10:30:05.26Z");
        check("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z", "2017-01-01T00:00:00Z");
    }

    #[test]
    fn other_texts_are_no_dates() {
        for text in [
            "",
            "24",
            "2024-",
            "2024-2",
            "2024-13",
            "2024-02-30",
            "2024-02-29T",
            "2024T10:00",
            "2024-02-29T1",
            "2024-02-29T10:3",
            "2024-02-29T10:30.5",
            "2024-02-29T10:30:05.",
            "2024-02-29T25:00",
            "2024-02-29-01",
            "x024",
            "2024-02-29T10:30:05+2",
            "-2024",
            "20é4",
            "2024-00",
            "2024-01-00",
        ] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }

    #[test]
    fn prefixes_compare_as_the_standard_says() {
        let now = span("2024-06-01").low;
        let check = |search: &str, value: &str, expected: bool| {
            let (prefix, text) = Prefix::split(search);
            let found = span(text).fits(prefix, span(value), now);
            assert_eq!(found, expected, "{search} {value}");
            let buckets = span(text).searched(prefix, now);
            if let Some(buckets) = buckets.filter(|_| found) {
                let kept = span(value).buckets();
                assert!(kept.iter().any(|b| buckets.contains(b)), "{search} {value} by bucket");
            }
        };
        check("2013-01-14", "2013-01-14T10:00:00Z", true);
        check("2013-01-14", "2013-01", false);
        check("ne2013-01-14", "2013-01-15T00:00:00Z", true);
        check("lt2013-01-14", "2013-01-13T23:59:59Z", true);
        check("lt2013-01-14", "2013-01-14", false);
        check("gt2013-01-14", "2013-01-15", true);
        check("gt2013-01-14", "2013-01-14T23:00:00Z", false);
        check("ge2013-03-14", "2013-03-14", true);
        check("ge2013-03-14", "2013-03-13", false);
        check("le2013-03-14", "2013-03-14T05:00:00Z", true);
        check("sa2013-03-14", "2013-03-15", true);
        check("sa2013-03-14", "2013-03", false);
        check("eb2013-03-14", "2013-03-13", true);
        check("ap2013-03-14", "2013-05-01", true);
        check("ap2024-05-31", "2013-05-01", false);
        check("ge1850", "1860-01-01", true);
        check("lt1850", "1849-01-01", true);
        check("gt2200", "2300-01-01", true);
        check("2024", "2024-05-01", true);
        check("ge2000", "2024-05-01", true);
        check("lt2024-02", "2023", true);
        check("2020", "2020", true);
        check("9999", "9999-12-31", true);
    }

    #[test]
    fn long_spans_have_one_bucket() {
        assert_eq!(Span::between(None, Some(span("2020"))).buckets(), ["w"]);
        assert_eq!(Span::between(Some(span("2020")), None).buckets(), ["w"]);
        assert_eq!(span("2020-05-05").buckets(), ["24244m", "2020y"]);
        assert_eq!(span("2020").buckets().len(), 13);
        assert!(span("2020").searched(Prefix::Ge, 0).unwrap().len() < 300);
    }
}
