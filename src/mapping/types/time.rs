//! Dates and times of v2 to those of FHIR, precision and offset kept.
//!
//! Nothing here knows the time of the machine: a missing offset comes from the mapping's
//! `zone`, and without one the time of day is left out rather than guessed.
//!
//! Source: HL7 v2.5.1 §2.A.77 (TS), §2.A.22 (DTM); FHIR R4 datatypes.html#dateTime.

use jiff::civil;
use jiff::tz::TimeZone;

/// What a text is not.
pub(crate) type Wrong = &'static str;

const NOT_A_DATE: Wrong = "not a date or time";

/// A moment as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment<'t> {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
    /// Hour, minute, second; what was not said is 0.
    clock: Option<(i8, i8, i8)>,
    /// Digits of the fraction.
    fraction: &'t str,
    /// Minutes east of UTC.
    offset: Option<i32>,
}

/// Room for a moment to the millisecond with its offset.
const LENGTH: usize = 32;

/// Writes a number below 100 as two digits. Times are the most frequent values of all, and
/// `format!` costs ten times as much.
fn digits(n: i16, out: &mut String) {
    for digit in [n / 10 % 10, n % 10] {
        out.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
    }
}

fn write_clock((hour, minute, second): (i8, i8, i8), fraction: &str, out: &mut String) {
    digits(hour.into(), out);
    for part in [minute, second] {
        out.push(':');
        digits(part.into(), out);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
}

fn two(text: &str, at: usize) -> Result<i8, Wrong> {
    text.get(at..at + 2)
        .filter(|d| d.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|d| d.parse().ok())
        .ok_or(NOT_A_DATE)
}

fn offset(text: &str) -> Result<i32, Wrong> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.get(1..).unwrap_or_default();
    let (hours, minutes) = match digits.len() {
        4 => (i32::from(two(digits, 0)?), i32::from(two(digits, 2)?)),
        // `+01:00` is no v2, but seen.
        5 if digits.as_bytes().get(2) == Some(&b':') => {
            (i32::from(two(digits, 0)?), i32::from(two(digits, 3)?))
        }
        2 => (i32::from(two(digits, 0)?), 0),
        _ => return Err("not an offset from UTC"),
    };
    // FHIR knows offsets up to 14:00.
    if hours > 14 || minutes > 59 || (hours == 14 && minutes > 0) {
        return Err("not an offset from UTC");
    }
    Ok(sign * (hours * 60 + minutes))
}

fn clock(text: &str) -> Result<((i8, i8, i8), &str), Wrong> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) || fraction.len() > 9 {
        return Err(NOT_A_DATE);
    }
    let clock = match whole.len() {
        2 => (two(whole, 0)?, 0, 0),
        4 => (two(whole, 0)?, two(whole, 2)?, 0),
        6 => (two(whole, 0)?, two(whole, 2)?, two(whole, 4)?),
        _ => return Err(NOT_A_DATE),
    };
    let real = clock.0 < 24 && clock.1 < 60 && clock.2 < 60;
    if real { Ok((clock, fraction)) } else { Err("not a time of day") }
}

impl<'t> Moment<'t> {
    /// Reads `YYYY[MM[DD[HH[MM[SS[.S+]]]]]][+/-ZZZZ]`; months and days written as `00` are
    /// unknown.
    pub(crate) fn read(text: &'t str) -> Result<Self, Wrong> {
        let (body, zone) = match text.find(['+', '-']) {
            Some(at) if at >= 8 => text.split_at(at),
            Some(_) => return Err(NOT_A_DATE),
            None => (text, ""),
        };
        let (body, zone) = match body.strip_suffix('Z') {
            Some(body) if zone.is_empty() => (body, "+0000"),
            _ => (body, zone),
        };
        if !body.is_ascii() {
            return Err(NOT_A_DATE);
        }
        let year = i16::from(two(body, 0)?) * 100 + i16::from(two(body, 2)?);
        if year == 0 {
            return Err(NOT_A_DATE);
        }
        let known = |at: usize| match body.len() > at {
            true => two(body, at).map(|n| Some(n).filter(|n| *n > 0)),
            false => Ok(None),
        };
        let month = known(4)?;
        let day = if month.is_some() { known(6)? } else { None };
        let end = |day| civil::Date::new(year, month.unwrap_or(1), day).is_ok();
        if !end(day.unwrap_or(1)) {
            return Err("not a day of the calendar");
        }
        let (clock, fraction) = match (day, body.get(8..)) {
            (Some(_), Some(rest)) if !rest.is_empty() => {
                let (clock, fraction) = clock(rest)?;
                (Some(clock), fraction)
            }
            _ => (None, ""),
        };
        let offset = if zone.is_empty() { None } else { Some(offset(zone)?) };
        Ok(Self { year, month, day, clock, fraction, offset })
    }

    /// A FHIR `date`.
    pub(crate) fn date(&self) -> String {
        let mut out = String::with_capacity(LENGTH);
        self.write_date(&mut out);
        out
    }

    fn write_date(&self, out: &mut String) {
        // Four digits: years are read from so many.
        digits(self.year / 100, out);
        digits(self.year % 100, out);
        for part in [self.month, self.month.and(self.day)].into_iter().flatten() {
            out.push('-');
            digits(part.into(), out);
        }
    }

    /// A FHIR `dateTime`: of day precision where time of day or offset are not known.
    pub(crate) fn date_time(&self, zone: Option<&Zone>) -> String {
        self.instant(zone).unwrap_or_else(|| self.date())
    }

    /// A FHIR `instant`, where time of day and offset are known.
    pub(crate) fn instant(&self, zone: Option<&Zone>) -> Option<String> {
        let (hour, minute, second) = self.clock?;
        let date = civil::Date::new(self.year, self.month?, self.day?).ok()?;
        let offset = match self.offset {
            Some(minutes) => minutes,
            None => zone?.offset_at(date.at(hour, minute, second, 0))?,
        };
        let mut out = String::with_capacity(LENGTH);
        self.write_date(&mut out);
        out.push('T');
        write_clock((hour, minute, second), self.fraction, &mut out);
        out.push(if offset < 0 { '-' } else { '+' });
        let offset = i16::try_from(offset.abs()).ok()?;
        digits(offset / 60, &mut out);
        out.push(':');
        digits(offset % 60, &mut out);
        Some(out)
    }

    /// Whether the time of day is known and no offset was sent.
    pub(crate) fn needs_zone(&self) -> bool {
        self.clock.is_some() && self.offset.is_none()
    }

    /// A FHIR `time` of this moment.
    pub(crate) fn time(&self) -> Option<String> {
        let mut out = String::with_capacity(LENGTH);
        write_clock(self.clock?, self.fraction, &mut out);
        Some(out)
    }
}

const NOT_A_WIDTH: Wrong = "its width is no length of time";
const NOT_EXACT: Wrong = "its width is finer than the time it is counted from";

/// Seconds of the units of UCUM that are always as long.
const SECONDS: [(&str, i64); 5] =
    [("wk", 604_800), ("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];

/// A moment so much later, or with -1 earlier, with the precision and the offset it has.
///
/// Source: UCUM §31, units of time.
pub(crate) fn shift(text: &str, amount: &str, unit: (&str, i64)) -> Result<String, Wrong> {
    let moment = Moment::read(text)?;
    let (unit, sign) = unit;
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let digits = [whole, fraction].concat();
    // What is longer is no length of time that a calendar has.
    if digits.len() > 12 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NOT_A_WIDTH);
    }
    let n = digits.parse::<i64>().map_err(|_| NOT_A_WIDTH)?;
    let places = u32::try_from(fraction.len()).map_err(|_| NOT_A_WIDTH)?;
    let scale = 10i64.checked_pow(places).ok_or(NOT_A_WIDTH)?;
    let times = |factor: i64| match n.checked_mul(factor) {
        Some(n) if n % scale == 0 => Ok(sign * (n / scale)),
        _ => Err(NOT_A_WIDTH),
    };
    let date = civil::Date::new(moment.year, moment.month.unwrap_or(1), moment.day.unwrap_or(1));
    let (hour, minute, second) = moment.clock.unwrap_or_default();
    let at = date.map_err(|_| NOT_A_DATE)?.at(hour, minute, second, 0);
    let months = match unit {
        "a" => Some(times(12)?),
        "mo" => Some(times(1)?),
        _ => None,
    };
    let span = jiff::Span::new();
    let (span, is_exact) = if let Some(months) = months {
        (span.try_months(months), months % 12 == 0 || moment.month.is_some())
    } else {
        let known = SECONDS.iter().find(|(name, _)| *name == unit);
        let seconds = times(known.ok_or(NOT_A_WIDTH)?.1)?;
        let is_days = seconds % 86_400 == 0 && moment.month.and(moment.day).is_some();
        (span.try_seconds(seconds), is_days || moment.clock.is_some())
    };
    if !is_exact {
        return Err(NOT_EXACT);
    }
    let at = span.and_then(|span| at.checked_add(span)).map_err(|_| NOT_A_WIDTH)?;
    if at.year() < 1 {
        return Err(NOT_A_WIDTH);
    }
    Ok(moment.moved(at))
}

impl Moment<'_> {
    /// Another moment written as this one is, in the form of HL7.
    fn moved(&self, at: civil::DateTime) -> String {
        let mut out = String::with_capacity(LENGTH);
        digits(at.year() / 100, &mut out);
        digits(at.year() % 100, &mut out);
        let date = [self.month.map(|_| at.month()), self.month.and(self.day).map(|_| at.day())];
        for part in date.into_iter().flatten() {
            digits(part.into(), &mut out);
        }
        if self.clock.is_some() {
            for part in [at.hour(), at.minute(), at.second()] {
                digits(part.into(), &mut out);
            }
            if !self.fraction.is_empty() {
                out.push('.');
                out.push_str(self.fraction);
            }
            if let Some(offset) = self.offset {
                let sign = if offset < 0 { '-' } else { '+' };
                out.push_str(&format!("{sign}{:02}{:02}", offset.abs() / 60, offset.abs() % 60));
            }
        }
        out
    }
}

/// A v2 TM (`HH[MM[SS[.S+]]][+/-ZZZZ]`) as a FHIR `time`, which has no offset.
pub(crate) fn time(text: &str) -> Result<String, Wrong> {
    let body = text.split(['+', '-']).next().unwrap_or(text);
    if !body.is_ascii() {
        return Err(NOT_A_DATE);
    }
    let (clock, fraction) = clock(body)?;
    let mut out = String::with_capacity(LENGTH);
    write_clock(clock, fraction, &mut out);
    Ok(out)
}

/// The zone of a mapping: times without an offset are meant in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// Reads `+01:00`, `Z` or a name of the time zone database (`Europe/Amsterdam`).
    ///
    /// Names are looked up once, at load; what the database says of them is part of the
    /// configuration from then on.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text == "Z" || text == "UTC" {
            return Some(Self(TimeZone::UTC));
        }
        if text.starts_with(['+', '-']) {
            let seconds = offset(text).ok()? * 60;
            return jiff::tz::Offset::from_seconds(seconds)
                .ok()
                .map(|offset| Self(TimeZone::fixed(offset)));
        }
        TimeZone::get(text).ok().map(Self)
    }

    /// Minutes east of UTC; an hour that happens twice means its first time.
    fn offset_at(&self, at: civil::DateTime) -> Option<i32> {
        let zoned = self.0.to_ambiguous_zoned(at).compatible().ok()?;
        Some(zoned.offset().seconds() / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_precision_and_offset() {
        let check = |text: &str, date: &str, date_time: &str| {
            let moment = Moment::read(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
            assert_eq!(
                (moment.date().as_str(), moment.date_time(None).as_str()),
                (date, date_time)
            );
        };
        check("1980", "1980", "1980");
        check("198002", "1980-02", "1980-02");
        check("19800229", "1980-02-29", "1980-02-29");
        check("19800000", "1980", "1980");
        check("19800200", "1980-02", "1980-02");
        check("198002291530", "1980-02-29", "1980-02-29");
        check("198002291530+0100", "1980-02-29", "1980-02-29T15:30:00+01:00");
        check("1980022915-0530", "1980-02-29", "1980-02-29T15:00:00-05:30");
        check("19800229153045.1200+0000", "1980-02-29", "1980-02-29T15:30:45.1200+00:00");
        check("20260102030405Z", "2026-01-02", "2026-01-02T03:04:05+00:00");
    }

    #[test]
    fn takes_the_zone_of_the_mapping() {
        let zone = Zone::read("-05:00").unwrap();
        let moment = Moment::read("20260102030405").unwrap();
        assert_eq!(moment.date_time(Some(&zone)), "2026-01-02T03:04:05-05:00");
        assert!(Zone::read("+25:00").is_none() && Zone::read("Nowhere/Else").is_none());
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in [
            "",
            "80",
            "1980-02-29",
            "19801301",
            "19800230",
            "198002292460",
            "1980022",
            "x",
            "00000000",
            "2026010203+9999",
            "é980",
            "1980022915304",
            "19800229153099",
        ] {
            assert!(Moment::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_move_by_widths() {
        let check = |text: &str, amount: &str, unit: (&str, i64), expected: Result<&str, Wrong>| {
            let made = shift(text, amount, unit);
            assert_eq!(made.as_deref().map_err(|wrong| *wrong), expected, "{text} {amount}");
        };
        check("20200101", "10", ("d", 1), Ok("20200111"));
        check("20200111", "10", ("d", -1), Ok("20200101"));
        check("20200101", "2", ("wk", 1), Ok("20200115"));
        check("20200101", "48", ("h", 1), Ok("20200103"));
        check("20200101", "12", ("h", 1), Err(NOT_EXACT));
        check("20200131", "1", ("mo", 1), Ok("20200229"));
        check("202001", "1.0", ("a", 1), Ok("202101"));
        check("2020", "1", ("a", -1), Ok("2019"));
        check("2020", "1", ("mo", 1), Err(NOT_EXACT));
        check("202001", "1", ("d", 1), Err(NOT_EXACT));
        check("2020010122.5+0130", "1.5", ("h", 1), Ok("20200101233000.5+0130"));
        check("202001012230-0500", "90", ("min", 1), Ok("20200102000000-0500"));
        check("20200101000000", "1", ("s", -1), Ok("20191231235959"));
        for (amount, unit) in [("1", "fortnight"), ("-1", "d"), ("", "d"), ("0.5", "s"), ("1", "")]
        {
            check("20200101000000", amount, (unit, 1), Err(NOT_A_WIDTH));
        }
        check("20200101", "999999999", ("a", 1), Err(NOT_A_WIDTH));
        check("x", "1", ("d", 1), Err(NOT_A_DATE));
    }

    #[test]
    fn reads_times_of_day() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(time(text).ok().as_deref(), expected, "{text}");
        };
        check("15", Some("15:00:00"));
        check("1530", Some("15:30:00"));
        check("153045.5+0100", Some("15:30:45.5"));
        check("2500", None);
        check("", None);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[-+0-9.Z\u{e9}]{0,30}") {
            if let Ok(moment) = Moment::read(&text) {
                let _ = moment.date_time(None);
            }
            let _ = time(&text);
        }
    }
}
