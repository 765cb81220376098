//! Words, and texts with a form of their own, that settings of the server and of channels
//! take.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::plan::{LogFormat, LogLevel, OnFull, ReloadMode, Role, TestConsent};
use crate::channel::{OnDeny, OnFail, OnReject, OnUnknown};
use crate::fault::codes::{W1011, W1013};
use crate::fault::{Code, Fault, Severity, codes};
use crate::hl7v2::check::Grade;
use crate::mapping::{Condition, ValuePath};
use crate::seal::How;
use crate::settings::{Key, Setting, Spanned, Table, Value, Word, Wrong, nearest};

macro_rules! words {
    ($($kind:ty { $($word:literal => $value:expr),* $(,)? })*) => {$(
        impl Word for $kind {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $value)),*];
        }
    )*};
}

words! {
    ReloadMode { "signal" => Self::Signal, "watch" => Self::Watch }
    Role {
        "viewer" => Self::Viewer, "analyst" => Self::Analyst, "operator" => Self::Operator,
        "privacy" => Self::Privacy, "security" => Self::Security, "admin" => Self::Admin,
    }
    LogLevel {
        "error" => Self::Error, "warn" => Self::Warn, "info" => Self::Info,
        "debug" => Self::Debug, "trace" => Self::Trace,
    }
    LogFormat { "json" => Self::Json, "text" => Self::Text }
    OnFull { "slow" => Self::Slow, "nak" => Self::Nak }
    TestConsent {
        "permit" => Self::Permit, "deny" => Self::Deny, "unknown" => Self::Unknown,
    }
    OnDeny { "record" => Self::Record, "hold" => Self::Hold, "nak" => Self::Nak }
    OnFail { "nak" => Self::Nak, "hold" => Self::Hold, "record" => Self::Record }
    OnUnknown { "deny" => Self::Deny, "permit" => Self::Permit }
    OnReject { "dead-letter" => Self::DeadLetter, "block" => Self::Block }
    How { "seal" => Self::Seal, "token" => Self::Token, "drop" => Self::Drop }
}

/// `commit` of `[store]`: whether each message is synced by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Commit {
    Group,
    Each,
}

/// `type` of `[notify.NAME]`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NotifyType {
    Webhook,
    Email,
    Exec,
}

/// `type` of `[admin] auth`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthType {
    Oidc,
}

/// Acknowledgment code that a test expects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ack(pub &'static str);

words! {
    Commit { "group" => Self::Group, "each" => Self::Each }
    NotifyType { "webhook" => Self::Webhook, "email" => Self::Email, "exec" => Self::Exec }
    AuthType { "oidc" => Self::Oidc }
    Grade {
        "error" => Self::Count(Severity::Error),
        "warning" => Self::Count(Severity::Warning),
        "note" => Self::Count(Severity::Note),
        "ignore" => Self::Ignore,
    }
    Ack {
        "AA" => Self("AA"), "AE" => Self("AE"), "AR" => Self("AR"),
        "CA" => Self("CA"), "CE" => Self("CE"), "CR" => Self("CR"),
    }
}

impl Setting for Code {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^W[1-9][0-9]{3}$" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        let text = value.as_str().ok_or_else(Wrong::kind)?;
        Self::find(text).ok_or_else(|| {
            let wrong = Wrong::new(W1013, "no fault has this code");
            match nearest(text, codes::all().map(|row| row.code.as_str())) {
                Some(near) => wrong.remedy(format!("did you mean `{near}`?")),
                None => wrong,
            }
        })
    }
}

/// A part of the day, in minutes from midnight: `06:00-22:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hours(pub u16, pub u16);

impl Setting for Hours {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        let text = value.as_str().ok_or_else(Wrong::kind)?;
        let minutes = |text: &str| -> Option<u16> {
            let (hour, minute) = text.trim().split_once(':')?;
            let digits = |t: &str| t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit());
            let (h, m): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            let last = h == 24 && m == 0;
            (digits(hour) && digits(minute) && (h < 24 || last) && m < 60).then_some(h * 60 + m)
        };
        let hours = text.split_once('-').and_then(|(a, b)| Some(Self(minutes(a)?, minutes(b)?)));
        hours.ok_or_else(|| Wrong::new(W1011, "hours look like `06:00-22:00`"))
    }
}

/// Reads a text and what it stands for; a fault gets the place of the text.
pub(super) fn parsed<T>(
    table: &mut Table<'_>,
    key: &Key<Arc<str>>,
    parse: impl Fn(&str) -> Result<T, Fault>,
) -> Option<Spanned<T>> {
    let text = table.spanned(key)?;
    match parse(&text.value) {
        Ok(value) => {
            doubt(table, &text);
            Some(Spanned::new(value, text.span))
        }
        Err(fault) => {
            table.error(fault, &text.span);
            None
        }
    }
}

/// Warns of a path that names what no version of HL7 v2 has.
pub(super) fn doubt(table: &mut Table<'_>, text: &Spanned<Arc<str>>) {
    if let Some(cause) = super::places::unknown(&text.value) {
        table.warning(Fault::new(codes::W1066).because(cause), &text.span);
    }
}

/// A path on messages, such as `PID-3.1`.
pub(super) fn path(table: &mut Table<'_>, key: &Key<Arc<str>>) -> Option<ValuePath> {
    parsed(table, key, ValuePath::parse).map(|found| found.value)
}

/// A condition of the sentence language, with its place for the ledger.
pub(super) fn condition(
    table: &mut Table<'_>,
    key: &Key<Arc<str>>,
) -> Option<crate::channel::FilterRule> {
    let found = parsed(table, key, Condition::parse)?;
    let place = table.place(&found.span);
    let place = format!("{}:{}", place.file, place.line).into();
    Some(crate::channel::FilterRule { condition: found.value, place })
}
