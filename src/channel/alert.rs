//! Alert conditions: what is compared with what, for how long, and when a notice is due.
//!
//! Pure: the engine measures ([`Fact`]s), [`Watch::step`] says which notices are due, the
//! engine sends them. A notice names channel, destination, value and threshold: all of the
//! configuration or counted, never anything of a message.
//!
//! Invariant: for each rule and subject there is one notice when it opens and one when it
//! ends, however often it is looked at; repeats come between them only.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{ByteSize, Timestamp, format_duration, parse_duration};
use crate::fault::{Fault, codes::W1053};
use crate::settings::nearest;

/// In what a measure is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number.
    Count,
    /// Seconds, written as a duration.
    Time,
    /// From 0 to 1, written in percent.
    Share,
    /// Bytes, written as a size.
    Size,
    /// Days, written as a number.
    Days,
}

/// One thing that alerts can compare.
#[derive(Debug, PartialEq, Eq)]
pub struct Measure {
    /// `queue.oldest`.
    pub name: &'static str,
    /// In what it is counted.
    pub unit: Unit,
    /// Whether this version measures it.
    pub available: bool,
    /// One sentence.
    pub about: &'static str,
}

const fn measure(name: &'static str, unit: Unit, about: &'static str) -> Measure {
    Measure { name, unit, available: true, about }
}

const fn later(name: &'static str, unit: Unit, about: &'static str) -> Measure {
    Measure { name, unit, available: false, about }
}

/// Everything that alerts can compare.
pub static MEASURES: &[Measure] = &[
    measure("queue.messages", Unit::Count, "Messages waiting for a destination."),
    measure("queue.oldest", Unit::Time, "Age of the oldest message waiting for a destination."),
    measure("dead.new", Unit::Count, "Dead letters of a destination in the last 5 minutes."),
    measure("source.silent", Unit::Time, "Time since the last message of a channel."),
    measure("destination.down", Unit::Time, "Time since a destination stopped to answer."),
    measure("error.rate", Unit::Share, "Failed attempts of the last 5 minutes, of all."),
    measure("latency.p99", Unit::Time, "99th percentile of delivery in the last 5 minutes."),
    measure("ledger.unaccounted", Unit::Count, "Messages of a channel without an end state."),
    measure("cert.days", Unit::Days, "Days until a certificate ends."),
    measure("disk.free", Unit::Size, "Free bytes on the disk of the store."),
    later("backup.age", Unit::Time, "Time since the last backup."),
    later("breakglass.unreviewed", Unit::Count, "Emergency looks that nobody reviewed."),
    measure("reload.failed", Unit::Count, "1 when the last reload was refused, else 0."),
    measure("audit.invalid", Unit::Count, "1 when the audit chain was found broken, else 0."),
];

/// `queue.oldest > 5m`.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What is compared.
    pub measure: &'static Measure,
    /// Whether it holds above (else below) the threshold.
    pub above: bool,
    /// In the measure's unit: seconds, bytes, a share of 1, days, or a number.
    pub threshold: f64,
    /// The threshold as it was written.
    pub written: Arc<str>,
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// `W1053` for an unknown measure or a threshold that is not in its unit.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let wrong = || {
            Fault::new(W1053)
                .because("a condition of an alert looks like `queue.oldest > 5m`")
                .remedy("Write a measure, `>` or `<`, and a threshold with its unit.")
        };
        let at = text.find(['<', '>']).ok_or_else(wrong)?;
        let (name, rest) = text.split_at(at);
        let (name, written) = (name.trim(), rest.get(1..).unwrap_or_default().trim());
        let Some(measure) = MEASURES.iter().find(|known| known.name == name) else {
            let names = || MEASURES.iter().map(|known| known.name);
            let fault = Fault::new(W1053).because(format!("nothing is measured as `{name}`"));
            return Err(match nearest(name, names()) {
                Some(near) => fault.remedy(format!("did you mean `{near}`?")),
                None => {
                    fault.remedy(format!("Use one of {}.", names().collect::<Vec<_>>().join(", ")))
                }
            });
        };
        if written.is_empty() || written.starts_with('=') {
            return Err(wrong());
        }
        let threshold = measure.unit.read(written).ok_or_else(|| {
            let cause = format!("`{name}` is compared with {}", measure.unit.looks_like());
            Fault::new(W1053).because(cause)
        })?;
        Ok(Self { measure, above: rest.starts_with('>'), threshold, written: written.into() })
    }

    /// Whether it holds for a value.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        if self.above { value > self.threshold } else { value < self.threshold }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.above { '>' } else { '<' };
        write!(f, "{} {sign} {}", self.measure.name, self.written)
    }
}

impl Unit {
    const fn looks_like(self) -> &'static str {
        match self {
            Self::Count | Self::Days => "a number such as `21`",
            Self::Time => "a duration such as `5m`",
            Self::Share => "a share such as `5%`",
            Self::Size => "a size such as `5 GiB`",
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "thresholds need no exact byte above 2^53")]
    fn read(self, text: &str) -> Option<f64> {
        let number = |text: &str| {
            text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
        };
        match self {
            Self::Count => number(text),
            Self::Days => number(text.strip_suffix('d').unwrap_or(text)),
            Self::Time => parse_duration(text).ok().map(|time| time.as_secs_f64()),
            Self::Share => number(text.strip_suffix('%')?).map(|percent| percent / 100.0),
            Self::Size => ByteSize::parse(text).ok().map(|size| size.0 as f64),
        }
    }

    /// A value for people.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bytes are whole and not negative"
    )]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Count => format!("{value:.0}"),
            Self::Days => format!("{value:.0} days"),
            Self::Time if value < 1.0 => format!("{:.0}ms", value * 1e3),
            Self::Time => format_duration(Duration::from_secs(value as u64)),
            Self::Share => format!("{:.1}%", value * 100.0),
            Self::Size => ByteSize(value as u64).to_string(),
        }
    }
}

/// A rule: a condition, how long it must hold, how often it is repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRule {
    /// Its name.
    pub name: Arc<str>,
    /// When.
    pub condition: Condition,
    /// How long the condition must hold.
    pub hold: Duration,
    /// Time between notices while it lasts.
    pub repeat: Duration,
}

/// What a fact is about: names of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Channel.
    pub channel: Option<Arc<str>>,
    /// Destination.
    pub destination: Option<Arc<str>>,
    /// Something else, such as the use of a certificate.
    pub other: Option<Arc<str>>,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.channel, &self.destination, &self.other];
        let parts: Vec<&str> = parts.into_iter().flatten().map(|part| &**part).collect();
        f.write_str(if parts.is_empty() { "the server" } else { "" })?;
        f.write_str(&parts.join("/"))
    }
}

/// One measured value.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What it is about.
    pub subject: Subject,
    /// Its value in the measure's unit.
    pub value: f64,
    /// Code of the fault behind it, where one is known.
    pub code: Option<Arc<str>>,
}

/// What a notice says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// It began.
    Opened,
    /// It lasts.
    Lasts,
    /// It is over.
    Ended,
}

impl NoticeKind {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Lasts => "lasts",
            Self::Ended => "ended",
        }
    }
}

/// A notice that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What it says.
    pub kind: NoticeKind,
    /// Name of the rule.
    pub alert: Arc<str>,
    /// What it is about.
    pub subject: Subject,
    /// The condition.
    pub condition: Condition,
    /// The value now; the last one that was measured, when it ended.
    pub value: f64,
    /// Since when the condition holds.
    pub since: Timestamp,
    /// Code of the fault behind it, where one is known.
    pub code: Option<Arc<str>>,
}

/// An alert that is pending or open.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertState {
    /// Since when the condition holds.
    pub since: Timestamp,
    /// The last value.
    pub value: f64,
    /// Whether it held long enough.
    pub open: bool,
    /// When somebody was told last; none: nobody yet.
    pub told: Option<Timestamp>,
    /// Who took it up; then it is not repeated.
    pub acked: Option<Arc<str>>,
    /// Code of the fault behind it, where one is known.
    pub code: Option<Arc<str>>,
}

type Key = (Arc<str>, Subject);

/// The states of all alerts.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    states: BTreeMap<Key, AlertState>,
    muted: BTreeMap<Arc<str>, Timestamp>,
}

impl Watch {
    /// Looks at the facts of one rule; gives the notices that are due.
    ///
    /// A subject without a fact any more, such as a channel that went, has ended.
    pub fn step(&mut self, rule: &AlertRule, facts: &[Fact], now: Timestamp) -> Vec<Notice> {
        let mut notices = Vec::new();
        let muted = self.is_muted(&rule.name, now);
        let notice = |kind, subject: &Subject, state: &AlertState| Notice {
            kind,
            alert: rule.name.clone(),
            subject: subject.clone(),
            condition: rule.condition.clone(),
            value: state.value,
            since: state.since,
            code: state.code.clone(),
        };
        for fact in facts.iter().filter(|fact| rule.condition.holds(fact.value)) {
            let key = (rule.name.clone(), fact.subject.clone());
            let state = self.states.entry(key).or_insert(AlertState {
                since: now,
                value: fact.value,
                open: false,
                told: None,
                acked: None,
                code: None,
            });
            state.value = fact.value;
            state.code = fact.code.clone();
            state.open |= now.since(state.since) >= rule.hold;
            if !state.open || muted {
                continue;
            }
            let kind = match state.told {
                None => NoticeKind::Opened,
                Some(last) if state.acked.is_none() && now.since(last) >= rule.repeat => {
                    NoticeKind::Lasts
                }
                Some(_) => continue,
            };
            state.told = Some(now);
            notices.push(notice(kind, &fact.subject, state));
        }
        self.states.retain(|(name, subject), state| {
            let fact = facts.iter().find(|fact| fact.subject == *subject);
            let holds = fact.is_some_and(|fact| rule.condition.holds(fact.value));
            if *name != rule.name || holds {
                return true;
            }
            state.value = fact.map_or(state.value, |fact| fact.value);
            // Who was not told that it began need not hear that it ended.
            if state.told.is_some() {
                notices.push(notice(NoticeKind::Ended, subject, state));
            }
            false
        });
        notices
    }

    /// Forgets rules that are not in the configuration any more.
    pub fn keep(&mut self, names: &[Arc<str>]) {
        self.states.retain(|(name, _), _| names.contains(name));
        self.muted.retain(|name, _| names.contains(name));
    }

    /// The alerts that are pending or open, by rule and subject.
    pub fn states(&self) -> impl Iterator<Item = (&Arc<str>, &Subject, &AlertState)> {
        self.states.iter().map(|((name, subject), state)| (name, subject, state))
    }

    /// How many of a rule are open.
    #[must_use]
    pub fn firing(&self, name: &str) -> usize {
        self.states.iter().filter(|((rule, _), state)| **rule == *name && state.open).count()
    }

    /// Notes who takes up the open alerts of a rule. How many.
    pub fn acknowledge(&mut self, name: &str, by: &Arc<str>) -> usize {
        let open = self.states.iter_mut().filter(|((rule, _), s)| **rule == *name && s.open);
        open.map(|(_, state)| state.acked = Some(by.clone())).count()
    }

    /// Tells nobody about a rule until a moment.
    pub fn mute(&mut self, name: &Arc<str>, until: Timestamp) {
        self.muted.insert(name.clone(), until);
    }

    /// Until when a rule is muted.
    #[must_use]
    pub fn muted(&self, name: &str, now: Timestamp) -> Option<Timestamp> {
        self.muted.get(name).copied().filter(|until| *until > now)
    }

    fn is_muted(&self, name: &str, now: Timestamp) -> bool {
        self.muted(name, now).is_some()
    }
}

/// Whether a minute of the local day lies between two; the first may be after the last,
/// across midnight.
#[must_use]
pub const fn within(minute: u16, between: Option<(u16, u16)>) -> bool {
    match between {
        None => true,
        Some((from, to)) if from <= to => from <= minute && minute < to,
        Some((from, to)) => from <= minute || minute < to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_in_their_units() {
        let check = |text: &str, expected: Option<(&str, bool, f64)>| {
            let read = Condition::parse(text).ok();
            let read = read.map(|c| (c.measure.name, c.above, c.threshold));
            assert_eq!(read, expected, "{text}");
        };
        check("queue.oldest > 5m", Some(("queue.oldest", true, 300.0)));
        check("disk.free<5 GiB", Some(("disk.free", false, 5.0 * 1024.0 * 1024.0 * 1024.0)));
        check("error.rate > 5%", Some(("error.rate", true, 0.05)));
        check("cert.days < 21", Some(("cert.days", false, 21.0)));
        check("cert.days < 21d", Some(("cert.days", false, 21.0)));
        check("dead.new > 0", Some(("dead.new", true, 0.0)));
        for bad in [
            "queue.odlest > 5m",
            "queue.oldest >= 5m",
            "queue.oldest > m",
            "queue.oldest > 5",
            "queue.messages > 5m",
            "error.rate > 0.05",
            "queue.oldest",
            "queue.oldest >",
            "",
        ] {
            check(bad, None);
        }
    }

    fn rule(hold: u64) -> AlertRule {
        AlertRule {
            name: "old".into(),
            condition: Condition::parse("queue.oldest > 5m").unwrap(),
            hold: Duration::from_secs(hold),
            repeat: Duration::from_secs(3600),
        }
    }

    fn fact(name: &str, value: f64) -> Fact {
        let subject = Subject { channel: Some(name.into()), ..Subject::default() };
        Fact { subject, value, code: None }
    }

    /// Steps at these seconds with these values of one subject; the notices as `second kind`.
    fn told(hold: u64, steps: &[(i64, Option<f64>)], act: impl Fn(i64, &mut Watch)) -> Vec<String> {
        let mut watch = Watch::default();
        let mut all = Vec::new();
        for (second, value) in steps {
            act(*second, &mut watch);
            let facts: Vec<Fact> = value.iter().map(|value| fact("adt", *value)).collect();
            let now = Timestamp::from_millis(second * 1000);
            for notice in watch.step(&rule(hold), &facts, now) {
                all.push(format!("{second} {} {}", notice.kind.name(), notice.subject));
            }
        }
        all
    }

    #[test]
    fn one_notice_opens_and_one_ends() {
        let steps = [(0, Some(400.0)), (60, Some(460.0)), (120, Some(500.0)), (180, Some(10.0))];
        let none = |_: i64, _: &mut Watch| {};
        assert_eq!(told(0, &steps, none), ["0 opened adt", "180 ended adt"]);
        assert_eq!(told(100, &steps, none), ["120 opened adt", "180 ended adt"]);
        assert_eq!(told(1000, &steps, none), [""; 0], "it did not hold long enough");
        let gap = [(0, Some(400.0)), (60, Some(1.0)), (120, Some(400.0))];
        assert_eq!(told(100, &gap, none), [""; 0], "the time starts anew");
        let gone = [(0, Some(400.0)), (60, None)];
        assert_eq!(told(0, &gone, none), ["0 opened adt", "60 ended adt"]);
    }

    #[test]
    fn it_is_repeated_until_somebody_takes_it_up() {
        let steps = [(0, Some(400.0)), (3600, Some(400.0)), (7200, Some(400.0)), (7300, None)];
        let none = |_: i64, _: &mut Watch| {};
        let all = ["0 opened adt", "3600 lasts adt", "7200 lasts adt", "7300 ended adt"];
        assert_eq!(told(0, &steps, none), all);
        let taken = |second: i64, watch: &mut Watch| {
            if second == 3600 {
                assert_eq!(watch.acknowledge("old", &"kim".into()), 1);
            }
        };
        assert_eq!(told(0, &steps, taken), ["0 opened adt", "7300 ended adt"]);
    }

    #[test]
    fn a_muted_alert_tells_when_the_mute_ends() {
        let steps = [(0, Some(400.0)), (60, Some(400.0)), (120, Some(400.0)), (180, None)];
        let mute = |until: i64| {
            move |second: i64, watch: &mut Watch| {
                if second == 0 {
                    watch.mute(&"old".into(), Timestamp::from_millis(until * 1000));
                }
            }
        };
        assert_eq!(told(0, &steps, mute(100)), ["120 opened adt", "180 ended adt"]);
        assert_eq!(told(0, &steps, mute(1000)), [""; 0]);
    }

    #[test]
    fn each_subject_has_an_alert_of_its_own() {
        let mut watch = Watch::default();
        let now = Timestamp::from_millis(0);
        let both = [fact("adt", 400.0), fact("lab", 500.0)];
        assert_eq!(watch.step(&rule(0), &both, now).len(), 2);
        assert_eq!(watch.firing("old"), 2);
        assert_eq!(watch.step(&rule(0), &both[..1], now).len(), 1);
        assert_eq!(watch.firing("old"), 1);
        watch.keep(&[]);
        assert_eq!(watch.states().count(), 0);
    }

    #[test]
    fn hours_may_go_across_midnight() {
        let check = |minute, between, expected| assert_eq!(within(minute, between), expected);
        check(0, None, true);
        check(360, Some((360, 1320)), true);
        check(1320, Some((360, 1320)), false);
        check(100, Some((1320, 360)), true);
        check(720, Some((1320, 360)), false);
    }

    #[test]
    fn values_are_shown_in_their_units() {
        let check = |unit: Unit, value: f64, expected: &str| assert_eq!(unit.show(value), expected);
        check(Unit::Count, 3.0, "3");
        check(Unit::Time, 300.0, "5m");
        check(Unit::Time, 0.25, "250ms");
        check(Unit::Share, 0.051, "5.1%");
        check(Unit::Days, 20.4, "20 days");
    }
}
