//! Dates and times as far as they are given: order, equality, arithmetic and boundaries.

use std::cmp::Ordering;
use std::fmt;

/// What a moment is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MomentKind {
    Date,
    DateTime,
    Time,
}

/// How far a moment is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Precision {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    /// Seconds with a fraction.
    Fraction,
}

/// Parts of a moment that can be added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

/// A date, a date with time, or a time of day; parts below `precision` are at their lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub kind: MomentKind,
    pub precision: Precision,
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    /// Nanoseconds of the minute.
    nanos: i64,
    /// Digits of the fraction as written.
    digits: u8,
    /// Offset from UTC in minutes.
    zone: Option<i64>,
}

const NANOS: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * NANOS;

impl Moment {
    const fn empty(kind: MomentKind) -> Self {
        Self {
            kind,
            precision: Precision::Year,
            year: 1,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            nanos: 0,
            digits: 0,
            zone: None,
        }
    }

    /// Reads a literal with its `@`; the moment and the bytes it takes.
    pub fn literal(text: &str) -> Option<(Self, usize)> {
        let body = text.strip_prefix('@')?;
        if let Some(clock) = body.strip_prefix('T') {
            let mut moment = Self::empty(MomentKind::Time);
            let len = moment.read_clock(clock)?;
            let rest = clock.get(len..).unwrap_or_default();
            // A time of day has no zone.
            return (!rest.starts_with(['Z', '+'])).then_some((moment, len + 2));
        }
        let mut moment = Self::empty(MomentKind::Date);
        let mut len = moment.read_date(body)?;
        if let Some(clock) = body.get(len..).and_then(|rest| rest.strip_prefix('T')) {
            moment.kind = MomentKind::DateTime;
            len += 1;
            if moment.precision == Precision::Day && clock.starts_with(|c: char| c.is_ascii_digit())
            {
                len += moment.read_clock(clock)?;
                len += moment.read_zone(body.get(len..).unwrap_or_default());
            }
        }
        Some((moment, len + 1))
    }

    /// Reads the text of a value, all of it.
    pub fn parse(text: &str, kind: MomentKind) -> Option<Self> {
        if kind == MomentKind::Time {
            let mut moment = Self::empty(kind);
            let clock = text.strip_prefix('T').unwrap_or(text);
            return (moment.read_clock(clock)? == clock.len()).then_some(moment);
        }
        let mut moment = Self::empty(kind);
        let mut len = moment.read_date(text)?;
        if kind == MomentKind::DateTime
            && let Some(clock) = text.get(len..).and_then(|rest| rest.strip_prefix('T'))
        {
            len += 1;
            if !clock.is_empty() {
                len += moment.read_clock(clock)?;
                len += moment.read_zone(text.get(len..).unwrap_or_default());
            }
        }
        (len == text.len()).then_some(moment)
    }

    /// Reads a text of any kind.
    pub fn guess(text: &str) -> Option<Self> {
        [MomentKind::Date, MomentKind::DateTime, MomentKind::Time]
            .into_iter()
            .find_map(|kind| Self::parse(text, kind))
    }

    /// Makes one of seconds since 1970 and their nanoseconds, in UTC with milliseconds.
    pub fn of_unix(seconds: i64, nanos: i64) -> Self {
        let mut moment = Self::empty(MomentKind::DateTime);
        moment.precision = Precision::Fraction;
        moment.digits = 3;
        moment.zone = Some(0);
        moment.set_days(seconds.div_euclid(86_400));
        let rest = seconds.rem_euclid(86_400);
        (moment.hour, moment.minute) = (rest / 3600, rest / 60 % 60);
        moment.nanos = rest % 60 * NANOS + nanos / 1_000_000 * 1_000_000;
        moment
    }

    /// Its date.
    pub fn date(mut self) -> Self {
        if self.kind == MomentKind::Time {
            return self;
        }
        self.kind = MomentKind::Date;
        self.cut(Precision::Day)
    }

    /// The same as a date with time.
    pub fn date_time(mut self) -> Self {
        self.kind = MomentKind::DateTime;
        self
    }

    /// Its time of day.
    pub fn time(mut self) -> Self {
        self.kind = MomentKind::Time;
        self.zone = None;
        (self.year, self.month, self.day) = (1, 1, 1);
        self
    }

    fn read_date(&mut self, text: &str) -> Option<usize> {
        self.year = digits(text, 0, 4)?;
        let mut len = 4;
        for (precision, max) in [(Precision::Month, 12), (Precision::Day, 31)] {
            let Some(part) = text.get(len..).filter(|rest| rest.starts_with('-')) else { break };
            let Some(value) = digits(part, 1, 2) else { break };
            if !(1..=max).contains(&value) {
                return None;
            }
            match precision {
                Precision::Month => self.month = value,
                _ => self.day = value,
            }
            self.precision = precision;
            len += 3;
        }
        if self.precision == Precision::Day && self.day > month_days(self.year, self.month) {
            return None;
        }
        Some(len)
    }

    fn read_clock(&mut self, text: &str) -> Option<usize> {
        self.hour = digits(text, 0, 2).filter(|hour| *hour < 24)?;
        self.precision = Precision::Hour;
        let mut len = 2;
        if !text.get(len..)?.starts_with(':') {
            return Some(len);
        }
        self.minute = digits(text, len + 1, 2).filter(|minute| *minute < 60)?;
        self.precision = Precision::Minute;
        len += 3;
        if !text.get(len..)?.starts_with(':') {
            return Some(len);
        }
        let seconds = digits(text, len + 1, 2).filter(|second| *second < 61)?;
        self.precision = Precision::Second;
        self.nanos = seconds * NANOS;
        len += 3;
        let fraction = text.get(len..)?.strip_prefix('.').unwrap_or_default();
        let count = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if count > 0 {
            let kept = fraction.get(..count.min(9))?;
            self.nanos += format!("{kept:0<9}").parse::<i64>().ok()?;
            self.precision = Precision::Fraction;
            self.digits = u8::try_from(count.min(9)).unwrap_or(9);
            len += 1 + count;
        }
        Some(len)
    }

    fn read_zone(&mut self, text: &str) -> usize {
        if text.starts_with('Z') {
            self.zone = Some(0);
            return 1;
        }
        let sign = match text.chars().next() {
            Some('+') => 1,
            Some('-') => -1,
            _ => return 0,
        };
        let (Some(hours), Some(":"), Some(minutes)) =
            (digits(text, 1, 2), text.get(3..4), digits(text, 4, 2))
        else {
            return 0;
        };
        self.zone = Some(sign * (hours * 60 + minutes));
        6
    }

    /// The parts as far as they are given, seconds and fraction as one.
    fn parts(&self) -> ([i64; 6], usize) {
        let parts = [self.year, self.month, self.day, self.hour, self.minute, self.nanos];
        (parts, (self.precision as usize + 1).min(6))
    }

    fn in_utc(mut self) -> Self {
        if let Some(zone) = self.zone.filter(|zone| *zone != 0)
            && self.precision >= Precision::Minute
        {
            self.shift(-zone * MINUTE);
            self.zone = Some(0);
        }
        self
    }

    /// Which of two is earlier: `None` inside when that cannot be said because one is less
    /// precise or only one has a zone; none at all for a time of day beside a date.
    ///
    /// Source: FHIRPath N1 (2.0.0) §comparison.
    pub fn compare(&self, other: &Self) -> Option<Option<Ordering>> {
        if (self.kind == MomentKind::Time) != (other.kind == MomentKind::Time) {
            return None;
        }
        let timed = |m: &Self| m.kind == MomentKind::DateTime && m.precision >= Precision::Hour;
        if timed(self) && timed(other) && self.zone.is_some() != other.zone.is_some() {
            return Some(None);
        }
        let (a, b) = if timed(self) && timed(other) {
            (self.in_utc(), other.in_utc())
        } else {
            (*self, *other)
        };
        let ((a, len), (b, others)) = (a.parts(), b.parts());
        let start = if self.kind == MomentKind::Time { 3 } else { 0 };
        let both = a.iter().zip(&b).take(len.min(others)).skip(start);
        let unequal = both.map(|(a, b)| a.cmp(b)).find(|order| order.is_ne());
        Some(unequal.or_else(|| (len == others).then_some(Ordering::Equal)))
    }

    /// Days since 1970-01-01.
    fn days(&self) -> i64 {
        // Years begin in March, so that the leap day is the last of its year.
        let (year, month) = if self.month < 3 {
            (self.year - 1, self.month + 9)
        } else {
            (self.year, self.month - 3)
        };
        let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        year * 365 + leaps + (month * 153 + 2) / 5 + self.day - 1 - 719_468
    }

    fn set_days(&mut self, days: i64) {
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        self.day = of_year - (153 * month + 2) / 5 + 1;
        self.month = if month < 10 { month + 3 } else { month - 9 };
        self.year = year + era * 400 + i64::from(self.month <= 2);
    }

    /// Moves by a time; days follow.
    fn shift(&mut self, nanos: i64) {
        let now = (self.hour * 60 + self.minute) * MINUTE + self.nanos;
        let total = i128::from(now) + i128::from(nanos);
        let day = i128::from(1440 * MINUTE);
        let rest = i64::try_from(total.rem_euclid(day)).unwrap_or(0);
        let days = i64::try_from(total.div_euclid(day)).unwrap_or(0);
        (self.hour, self.minute) = (rest / (60 * MINUTE), rest / MINUTE % 60);
        self.nanos = rest % MINUTE;
        if self.kind != MomentKind::Time {
            self.set_days(self.days() + days);
        }
    }

    /// Adds a number of a part; finer parts than are given count in whole ones of those.
    /// None when the year leaves 1 to 9999, or a date part is added to a time of day.
    ///
    /// Source: FHIRPath N1 (2.0.0) §datetime-arithmetic.
    pub fn add(mut self, number: i64, part: Part) -> Option<Self> {
        let (number, part) = match part {
            Part::Week => (number.checked_mul(7)?, Part::Day),
            part => (number, part),
        };
        if self.kind == MomentKind::Time && part < Part::Hour {
            return None;
        }
        let (number, part) = self.coarse(number, part);
        match part {
            Part::Year | Part::Month => {
                let months = if part == Part::Year { number.checked_mul(12)? } else { number };
                let total = (self.year * 12 + self.month - 1).checked_add(months)?;
                (self.year, self.month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
                self.day = self.day.min(month_days(self.year, self.month));
            }
            Part::Week | Part::Day => {
                let days = self.days().checked_add(number)?;
                if days.abs() > 4_000_000 {
                    return None;
                }
                self.set_days(days);
            }
            Part::Hour => self.shift(number.checked_mul(60 * MINUTE)?),
            Part::Minute => self.shift(number.checked_mul(MINUTE)?),
            Part::Second => self.shift(number.checked_mul(NANOS)?),
            Part::Millisecond => {
                self.shift(number.checked_mul(1_000_000)?);
                if self.precision == Precision::Second && self.nanos % NANOS != 0 {
                    (self.precision, self.digits) = (Precision::Fraction, 3);
                }
            }
        }
        (1..=9999).contains(&self.year).then_some(self)
    }

    /// A number of a part in whole ones of the finest part that is given.
    fn coarse(&self, number: i64, part: Part) -> (i64, Part) {
        let steps = [
            (Precision::Second, Part::Millisecond, 1000, Part::Second),
            (Precision::Minute, Part::Second, 60, Part::Minute),
            (Precision::Hour, Part::Minute, 60, Part::Hour),
            (Precision::Day, Part::Hour, 24, Part::Day),
            (Precision::Month, Part::Day, 30, Part::Month),
            (Precision::Year, Part::Month, 12, Part::Year),
        ];
        let mut at = (number, part);
        for (precision, fine, in_one, next) in steps {
            // Milliseconds may be added to whole seconds.
            let below = self.precision < precision;
            let finer = below || (fine != Part::Millisecond && self.precision == precision);
            if at.1 == fine && finer {
                at = (at.0 / in_one, next);
            }
        }
        at
    }

    fn cut(mut self, precision: Precision) -> Self {
        let least = Self::empty(self.kind);
        if precision < Precision::Month {
            self.month = least.month;
        }
        if precision < Precision::Day {
            self.day = least.day;
        }
        if precision < Precision::Hour {
            (self.hour, self.zone) = (0, None);
        }
        if precision < Precision::Minute {
            self.minute = 0;
        }
        if precision < Precision::Second {
            self.nanos = 0;
        }
        self.precision = self.precision.min(precision);
        self
    }

    /// Digits up to its precision: 4 for a year, 17 for a moment with milliseconds.
    ///
    /// Source: FHIRPath N1 (3.0.0) §precision.
    pub fn precision_digits(&self) -> i64 {
        let digits = match self.precision {
            Precision::Year => 4,
            Precision::Month => 6,
            Precision::Day => 8,
            Precision::Hour => 10,
            Precision::Minute => 12,
            Precision::Second => 14,
            Precision::Fraction => 17,
        };
        if self.kind == MomentKind::Time { digits - 8 } else { digits }
    }

    /// The earliest or latest moment it may stand for, given as far as `digits` says.
    ///
    /// Source: FHIRPath N1 (3.0.0) §lowboundary, §highboundary.
    pub fn boundary(mut self, high: bool, digits: Option<i64>) -> Option<Self> {
        let least = if self.kind == MomentKind::Time { 8 } else { 0 };
        let whole = if self.kind == MomentKind::Date { 8 } else { 17 };
        let to = match digits.map_or(whole, |digits| digits + least) {
            4 => Precision::Year,
            6 => Precision::Month,
            8 => Precision::Day,
            10 => Precision::Hour,
            12 => Precision::Minute,
            14 => Precision::Second,
            17 => Precision::Fraction,
            _ => return None,
        };
        if self.kind == MomentKind::Time && to < Precision::Hour {
            return None;
        }
        let from = self.precision;
        if high {
            if from < Precision::Month {
                self.month = 12;
            }
            if from < Precision::Day {
                self.day = month_days(self.year, self.month);
            }
            if from < Precision::Hour {
                (self.hour, self.minute) = (23, 59);
            }
            if from < Precision::Second {
                self.nanos = 59 * NANOS + 999_000_000;
            } else if from < Precision::Fraction {
                self.nanos += 999_000_000;
            }
        }
        self.precision = to;
        self.digits = if to == Precision::Fraction { 3 } else { 0 };
        if to >= Precision::Hour && self.kind != MomentKind::Time {
            self.kind = MomentKind::DateTime;
            self.zone = self.zone.or(Some(if high { -12 * 60 } else { 14 * 60 }));
        }
        Some(self.cut(to))
    }
}

/// As it is written, without `@`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != MomentKind::Time {
            write!(f, "{:04}", self.year)?;
            if self.precision >= Precision::Month {
                write!(f, "-{:02}", self.month)?;
            }
            if self.precision >= Precision::Day {
                write!(f, "-{:02}", self.day)?;
            }
            if self.precision < Precision::Hour {
                return Ok(());
            }
            f.write_str("T")?;
        }
        write!(f, "{:02}", self.hour)?;
        if self.precision >= Precision::Minute {
            write!(f, ":{:02}", self.minute)?;
        }
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", self.nanos / NANOS)?;
        }
        if self.precision == Precision::Fraction {
            let fraction = format!("{:09}", self.nanos % NANOS);
            write!(f, ".{}", fraction.get(..usize::from(self.digits)).unwrap_or_default())?;
        }
        match self.zone {
            None => Ok(()),
            Some(0) => f.write_str("Z"),
            Some(zone) => {
                let (sign, zone) = if zone < 0 { ('-', -zone) } else { ('+', zone) };
                write!(f, "{sign}{:02}:{:02}", zone / 60, zone % 60)
            }
        }
    }
}

fn digits(text: &str, from: usize, len: usize) -> Option<i64> {
    let part = text.get(from..from + len)?;
    part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten()
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Moment {
        let (moment, len) = Moment::literal(text).unwrap();
        assert_eq!(len, text.len(), "{text}");
        moment
    }

    #[test]
    fn literals_are_read_and_written() {
        let check = |text: &str| assert_eq!(format!("@{}", read(text)), text);
        check("@2015");
        check("@2015-02");
        check("@2015-02-04");
        check("@2015-02-04T14");
        check("@2015-02-04T14:34:28.123+10:00");
        check("@2015-02-04T14:34Z");
        for bad in ["@", "@201", "@2015-13", "@2015-02-30", "@2015-02-04T24", "@T10:30Z", "@T7"] {
            assert!(Moment::literal(bad).is_none(), "{bad}");
        }
        assert_eq!(Moment::literal("@2014.toString()").unwrap().1, 5);
        assert_eq!(Moment::literal("@T10:30").unwrap().0.to_string(), "10:30");
        assert!(Moment::parse("2015-02-04x", MomentKind::Date).is_none());
    }

    #[test]
    fn moments_are_ordered_as_far_as_they_are_given() {
        let check = |a: &str, b: &str, expected| {
            assert_eq!(read(a).compare(&read(b)), expected, "{a} {b}");
        };
        use Ordering::{Equal, Greater, Less};
        check("@2018-03", "@2018-04-01", Some(Some(Less)));
        check("@2018-03", "@2018-03-01", Some(None));
        check("@2018-03-01", "@2018-03-01", Some(Some(Equal)));
        check("@2012-04-15T15:00:00+02:00", "@2012-04-15T16:00:00+03:00", Some(Some(Equal)));
        check("@2017-11-05T01:30:00.0-04:00", "@2017-11-05T01:15:00.0-05:00", Some(Some(Less)));
        check("@2024-03-01T00:30:00+01:00", "@2024-02-29T23:30:00Z", Some(Some(Equal)));
        check("@2012-04-15T15:00:00Z", "@2012-04-15T10:00:00", Some(None));
        check("@2018-03-01T10:30:00", "@2018-03-01T10:30:00.0", Some(Some(Equal)));
        check("@T10:30:00", "@T10:29", Some(Some(Greater)));
        check("@T10:30", "@2018", None);
    }

    #[test]
    fn parts_are_added() {
        let check = |text: &str, number, part, expected: &str| {
            assert_eq!(read(text).add(number, part).unwrap().to_string(), expected, "{text}");
        };
        check("@2024-01-31", 1, Part::Month, "2024-02-29");
        check("@2024-02-29", 1, Part::Year, "2025-02-28");
        check("@2024-02-28", 2, Part::Day, "2024-03-01");
        check("@2024-01-01", -1, Part::Week, "2023-12-25");
        check("@2024-12-31T23:59Z", 1, Part::Minute, "2025-01-01T00:00Z");
        check("@2014", 25, Part::Month, "2016");
        check("@2014-01-01", 49, Part::Hour, "2014-01-03");
        check("@T23:30", 45, Part::Minute, "00:15");
        assert!(read("@9999-12-31").add(1, Part::Day).is_none());
        assert!(read("@T10").add(1, Part::Day).is_none());
    }

    #[test]
    fn unix_time_is_a_moment() {
        let check = |seconds, expected: &str| {
            assert_eq!(Moment::of_unix(seconds, 5_000_000).to_string(), expected);
        };
        check(0, "1970-01-01T00:00:00.005Z");
        check(951_782_400, "2000-02-29T00:00:00.005Z");
        check(-1, "1969-12-31T23:59:59.005Z");
        assert_eq!(Moment::of_unix(0, 0).date().to_string(), "1970-01-01");
        assert_eq!(Moment::of_unix(61, 0).time().to_string(), "00:01:01.000");
    }
}
