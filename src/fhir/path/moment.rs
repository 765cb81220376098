//! Dates and times as far as they are given: order and equality with different precision.

use std::cmp::Ordering;

/// A date, a date with time, or a time; parts that are not given are missing at the end.
struct Moment {
    /// Year, month and day; none for a time of day.
    date: Vec<i64>,
    /// Hour, minute and nanoseconds of the minute.
    time: Vec<i64>,
    /// Offset from UTC in minutes.
    zone: Option<i64>,
}

/// Which of two moments is earlier: `None` inside when that cannot be said because one is
/// less precise or only one has a zone; none at all when one of them is no moment.
///
/// Source: FHIRPath N1 (2.0.0) §6.1.1, §6.2.
pub(super) fn compare(a: &str, b: &str) -> Option<Option<Ordering>> {
    let (a, b) = (read(a)?, read(b)?);
    if a.date.is_empty() != b.date.is_empty() {
        return None;
    }
    if !a.time.is_empty() && !b.time.is_empty() {
        if a.zone.is_some() != b.zone.is_some() {
            return Some(None);
        }
        if a.zone != b.zone {
            let (minutes, others) = (a.minutes(), b.minutes());
            let (rest, other) = (a.time.get(2..)?, b.time.get(2..)?);
            return Some(match minutes.cmp(&others) {
                Ordering::Equal => parts(rest, other),
                decided => Some(decided),
            });
        }
    }
    let whole = |m: &Moment| m.date.iter().chain(&m.time).copied().collect::<Vec<_>>();
    Some(parts(&whole(&a), &whole(&b)))
}

fn parts(a: &[i64], b: &[i64]) -> Option<Ordering> {
    let unequal = a.iter().zip(b).map(|(a, b)| a.cmp(b)).find(|order| order.is_ne());
    unequal.or_else(|| (a.len() == b.len()).then_some(Ordering::Equal))
}

impl Moment {
    /// Minutes since the year 0 in UTC, for moments with hour and minute.
    fn minutes(&self) -> i64 {
        let part = |list: &[i64], at: usize| list.get(at).copied().unwrap_or(0);
        let (year, month, day) = (part(&self.date, 0), part(&self.date, 1), part(&self.date, 2));
        // Years begin in March, so that the leap day is the last of its year.
        let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
        let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        let days = year * 365 + leaps + (month * 153 + 2) / 5 + day;
        let time = part(&self.time, 0) * 60 + part(&self.time, 1);
        days * 1440 + time - self.zone.unwrap_or(0)
    }
}

fn read(text: &str) -> Option<Moment> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time),
        None if text.get(2..3) == Some(":") => ("", text),
        None => (text, ""),
    };
    let digits = |part: &str, len: usize| {
        let fits = part.len() == len && part.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| part.parse::<i64>().ok()).flatten()
    };
    let mut dates = Vec::new();
    for (index, part) in date.split('-').filter(|_| !date.is_empty()).enumerate() {
        dates.push(digits(part, if index == 0 { 4 } else { 2 })?);
    }
    let (clock, zone) = match time.find(['Z', '+', '-']) {
        Some(at) => (time.get(..at)?, time.get(at..)?),
        None => (time, ""),
    };
    let zone = match zone.split_at_checked(1) {
        None => None,
        Some(("Z", "")) => Some(0),
        Some((sign, offset)) => {
            let (hours, minutes) = offset.split_once(':')?;
            let minutes = digits(hours, 2)? * 60 + digits(minutes, 2)?;
            Some(if sign == "-" { -minutes } else { minutes })
        }
    };
    let mut times = Vec::new();
    for (index, part) in clock.split(':').filter(|_| !clock.is_empty()).enumerate() {
        if index < 2 {
            times.push(digits(part, 2)?);
            continue;
        }
        let (seconds, fraction) = part.split_once('.').unwrap_or((part, "0"));
        let nanos = digits(&format!("{fraction:0<9.9}"), 9)?;
        times.push(digits(seconds, 2)? * 1_000_000_000 + nanos);
    }
    let fits = (!dates.is_empty() || !times.is_empty()) && dates.len() <= 3 && times.len() <= 3;
    fits.then_some(Moment { date: dates, time: times, zone })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_ordered_as_far_as_they_are_given() {
        let check = |a: &str, b: &str, expected| assert_eq!(compare(a, b), expected, "{a} {b}");
        use Ordering::{Equal, Greater, Less};
        check("2018-03", "2018-04-01", Some(Some(Less)));
        check("2018-03", "2018-03-01", Some(None));
        check("2018-03-01", "2018-03-01", Some(Some(Equal)));
        check("2012-04-15T15:00:00+02:00", "2012-04-15T16:00:00+03:00", Some(Some(Equal)));
        check("2017-11-05T01:30:00.0-04:00", "2017-11-05T01:15:00.0-05:00", Some(Some(Less)));
        check("2024-03-01T00:30:00+01:00", "2024-02-29T23:30:00Z", Some(Some(Equal)));
        check("2012-04-15T15:00:00Z", "2012-04-15T10:00:00", Some(None));
        check("2018-03-01T10:30:00", "2018-03-01T10:30:00.0", Some(Some(Equal)));
        check("10:30:00", "T10:29", Some(Some(Greater)));
        check("T10:30", "2018", None);
        check("male", "2018", None);
        check("2018-3", "2018", None);
    }
}
