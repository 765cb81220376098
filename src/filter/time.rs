//! Times in filters.

use jiff::civil;
use jiff::tz::TimeZone;

use crate::base::{Timestamp, parse_duration};

/// Reads a duration back from now (`2h`), a time of day (`06:00`, `06:00:30`), a date
/// (`2026-01-02`), `today`, `yesterday`, or RFC 3339.
///
/// Days and times of day are those of `zone`. A time of day is the last one when `past`,
/// else today's.
pub fn read(text: &str, now: Timestamp, zone: &TimeZone, past: bool) -> Option<Timestamp> {
    if let Ok(ago) = parse_duration(text) {
        return Some(now.before(ago));
    }
    let here = now.to_jiff().to_zoned(zone.clone());
    let moment = |date: civil::Date, time: civil::Time| {
        let zoned = date.to_datetime(time).to_zoned(zone.clone()).ok()?;
        Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
    };
    let midnight = civil::Time::midnight();
    match text {
        "today" => return moment(here.date(), midnight),
        "yesterday" => return moment(here.date().yesterday().ok()?, midnight),
        _ => {}
    }
    if let Some(time) = time_of_day(text) {
        let today = moment(here.date(), time)?;
        if past && today > now {
            return moment(here.date().yesterday().ok()?, time);
        }
        return Some(today);
    }
    if text.len() == 10
        && let Ok(date) = text.parse::<civil::Date>()
    {
        return moment(date, midnight);
    }
    Timestamp::parse(text)
}

fn time_of_day(text: &str) -> Option<civil::Time> {
    let mut parts = text.split(':');
    let mut number = |most: i8| -> Option<i8> {
        let part = parts.next()?;
        let plain = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| part.parse().ok()).flatten().filter(|n| *n <= most)
    };
    let (hour, minute) = (number(23)?, number(59)?);
    let second = if text.len() > 5 { number(59)? } else { 0 };
    match parts.next() {
        None => civil::Time::new(hour, minute, second, 0).ok(),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_times_of_day_dates_and_rfc_3339() {
        let now = Timestamp::parse("2026-01-02T04:00:00Z").unwrap();
        let check = |text: &str, past: bool, expected: Option<&str>| {
            let found = read(text, now, &TimeZone::UTC, past);
            assert_eq!(found, expected.and_then(Timestamp::parse), "{text}");
        };
        check("2h", true, Some("2026-01-02T02:00:00Z"));
        check("1d", true, Some("2026-01-01T04:00:00Z"));
        check("03:30", true, Some("2026-01-02T03:30:00Z"));
        check("06:00", true, Some("2026-01-01T06:00:00Z"));
        check("06:00", false, Some("2026-01-02T06:00:00Z"));
        check("06:00:30", false, Some("2026-01-02T06:00:30Z"));
        check("today", true, Some("2026-01-02T00:00:00Z"));
        check("yesterday", true, Some("2026-01-01T00:00:00Z"));
        check("2025-12-31", true, Some("2025-12-31T00:00:00Z"));
        check("2026-01-02T03:00:00Z", true, Some("2026-01-02T03:00:00Z"));
        check("2026-01-02T03:00:00+01:00", true, Some("2026-01-02T02:00:00Z"));
        for bad in ["", "2", "6:00", "24:00", "06:60", "06:00:00:00", "noon", "2026-13-01", "-1h"] {
            check(bad, true, None);
        }
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let now = Timestamp::parse("2026-01-02T04:00:00Z").unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(-5));
        let found = read("today", now, &zone, true);
        assert_eq!(found, Timestamp::parse("2026-01-01T05:00:00Z"));
        let found = read("06:00", now, &zone, true);
        assert_eq!(found, Timestamp::parse("2026-01-01T11:00:00Z"));
    }
}
