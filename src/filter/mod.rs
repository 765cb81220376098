//! The filter language of CLI, API and search box:
//! `channel:adt-* dest:ehr state:dead type:ADT^A08 code:W7102 since:2h until:06:00 tag:tier1
//! id:01J.. control:.. patient:.. NAME:value`; terms are ANDed, `-` negates, commas are OR.
//!
//! A filter asks about metadata; content is never searched as text. What lives elsewhere:
//! how the store finds what matches (`store::search`), and which channels have a tag.

mod parse;
mod time;

use crate::base::{MessageId, Timestamp};
use crate::message::State;

pub use parse::FIELDS;

/// A parsed filter: terms all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The terms.
    pub terms: Vec<Term>,
}

/// One term: any of its alternatives, or with `negated` none of them.
///
/// `Debug` shows no values of `control`, `patient` and index names: they are patient data.
#[derive(Clone, PartialEq, Eq)]
pub struct Term {
    /// Whether it must not hold.
    pub negated: bool,
    /// What it asks about.
    pub field: Field,
    /// The values; empty for `since` and `until`.
    pub any: Vec<String>,
}

impl std::fmt::Debug for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.negated { "-" } else { "" };
        match &self.field {
            Field::Control | Field::Patient | Field::Key(_) => {
                write!(f, "{sign}{:?}:<phi>", self.field)
            }
            _ => write!(f, "{sign}{:?}:{}", self.field, self.any.join(",")),
        }
    }
}

/// What a term asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Name of the channel; `*` and `?` stand for any text and any character.
    Channel,
    /// Name of the destination, globs as for channels.
    Destination,
    /// State of the delivery.
    State,
    /// Message type: `ADT^A08`, `ADT` for all its events, or a glob.
    Type,
    /// Code of the last fault, or a glob.
    Code,
    /// Arrived at or after.
    Since(Timestamp),
    /// Arrived before.
    Until(Timestamp),
    /// Tag of the channel; see [`Filter::resolve_tags`].
    Tag,
    /// Message id or the beginning of one.
    Id,
    /// The sender's control ID.
    Control,
    /// Patient identifier, as the channel's `patient` path gives it.
    Patient,
    /// A name of the channel's `index`.
    Key(String),
}

impl Field {
    /// Name of the search key this field is looked up by, if it is.
    #[must_use]
    pub fn key_name(&self) -> Option<&str> {
        match self {
            Self::Control => Some("control"),
            Self::Patient => Some("patient"),
            Self::Key(name) => Some(name),
            Self::Channel
            | Self::Destination
            | Self::State
            | Self::Type
            | Self::Code
            | Self::Since(_)
            | Self::Until(_)
            | Self::Tag
            | Self::Id => None,
        }
    }
}

/// What is known of a delivery, or of a message without one, when a filter is asked.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Message id.
    pub id: MessageId,
    /// Channel.
    pub channel: &'a str,
    /// Destination; none for a message that owes nothing.
    pub destination: Option<&'a str>,
    /// State of the delivery.
    pub state: Option<State>,
    /// Message type.
    pub message_type: &'a str,
    /// Code of the last fault.
    pub code: Option<&'a str>,
    /// When it arrived.
    pub received: Timestamp,
}

impl Filter {
    /// The filter that everything matches.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Puts the names of channels in the place of tags; a tag that no channel has matches
    /// nothing.
    #[must_use]
    pub fn resolve_tags(mut self, mut channels: impl FnMut(&str) -> Vec<String>) -> Self {
        for term in self.terms.iter_mut().filter(|term| term.field == Field::Tag) {
            term.any = term.any.iter().flat_map(|tag| channels(tag)).collect();
            term.field = Field::Channel;
        }
        self
    }

    /// Whether a delivery matches. `key` says whether its message is found under a search
    /// key (name, value); it is asked last.
    ///
    /// # Errors
    /// Those of `key`.
    pub fn matches<E>(
        &self,
        facts: &Facts<'_>,
        mut key: impl FnMut(&str, &str) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let plain = |term: &Term| term.field.key_name().is_none();
        if !self.terms.iter().filter(|t| plain(t)).all(|t| t.holds(facts) != t.negated) {
            return Ok(false);
        }
        for term in &self.terms {
            let Some(name) = term.field.key_name() else { continue };
            let mut found = false;
            for value in &term.any {
                found = found || key(name, value)?;
            }
            if found == term.negated {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Latest of the times since when it asks, if it does.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        let times = self.terms.iter().filter_map(|term| match term.field {
            Field::Since(at) if !term.negated => Some(at),
            _ => None,
        });
        times.max()
    }
}

impl Term {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        let any = |text: &str| self.any.iter().any(|pattern| glob(pattern, text));
        match &self.field {
            Field::Channel => any(facts.channel),
            Field::Destination => facts.destination.is_some_and(any),
            Field::State => {
                facts.state.is_some_and(|state| self.any.iter().any(|name| name == state.name()))
            }
            Field::Type => {
                let event = facts.message_type.split('^').next().unwrap_or_default();
                self.any.iter().any(|p| glob(p, facts.message_type) || p == event)
            }
            Field::Code => facts
                .code
                .is_some_and(|code| self.any.iter().any(|p| glob(&p.to_ascii_uppercase(), code))),
            Field::Since(at) => facts.received >= *at,
            Field::Until(at) => facts.received < *at,
            // Resolved before, or there is no such tag.
            Field::Tag => false,
            Field::Id => self.any.iter().any(|prefix| match prefix.parse::<MessageId>() {
                Ok(id) => id == facts.id,
                Err(_) => MessageId::range_of_prefix(prefix)
                    .is_some_and(|(first, last)| (first..=last).contains(&facts.id)),
            }),
            Field::Control | Field::Patient | Field::Key(_) => false,
        }
    }
}

/// Whether a text matches a pattern in which `*` stands for any text and `?` for one
/// character. Linear in practice: on a mismatch it goes back to the last `*` only.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut back: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let (before_pattern, before_text) = (pattern.clone(), text.clone());
        match (pattern.next(), text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                back = Some((pattern.clone(), before_text.clone()));
                text = before_text;
            }
            (Some('?'), Some(_)) => {}
            (Some(p), Some(t)) if p == t => {}
            _ => {
                drop(before_pattern);
                let Some((after_star, mut from)) = back.take() else { return false };
                if from.next().is_none() {
                    return false;
                }
                pattern = after_star.clone();
                text = from.clone();
                back = Some((after_star, from));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let check = |pattern, text, yes| assert_eq!(glob(pattern, text), yes, "{pattern} {text}");
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("adt-*", "adt-main"),
            ("adt-*", "adt-"),
            ("*main", "adt-main"),
            ("a?t*", "adt"),
            ("*a*b*", "xxaxxbxx"),
            ("a*a*a", "aaaa"),
            ("ADT^A0?", "ADT^A08"),
        ] {
            check(pattern, text, true);
        }
        for (pattern, text) in
            [("", "a"), ("adt", "adt-main"), ("?", ""), ("*b", "ba"), ("a*c", "ab"), ("ab*", "a")]
        {
            check(pattern, text, false);
        }
    }

    fn facts<'a>() -> Facts<'a> {
        Facts {
            id: "01JD8Z4M7QF8B6R3S0K2T4V6WX".parse().unwrap(),
            channel: "adt-main",
            destination: Some("ehr"),
            state: Some(State::Dead),
            message_type: "ADT^A08",
            code: Some("W7102"),
            received: Timestamp::parse("2026-01-02T03:00:00Z").unwrap(),
        }
    }

    #[test]
    fn terms_are_anded_commas_are_or_minus_negates() {
        let now = Timestamp::parse("2026-01-02T04:00:00Z").unwrap();
        let check = |text: &str, yes: bool| {
            let filter = Filter::parse(text, now).unwrap();
            let key = |name: &str, value: &str| Ok::<_, ()>(name == "control" && value == "C1");
            assert_eq!(filter.matches(&facts(), key), Ok(yes), "{text}");
        };
        check("", true);
        check("channel:adt-*", true);
        check("channel:lab-*,adt-main dest:ehr", true);
        check("channel:lab-*", false);
        check("-channel:lab-* state:dead", true);
        check("-state:dead,waiting", false);
        check("type:ADT", true);
        check("type:ADT^A08", true);
        check("type:ADT^A01,ORU", false);
        check("code:w71*", true);
        check("since:2h", true);
        check("since:30m", false);
        check("until:03:30", true);
        check("-until:03:30", false);
        check("id:01JD8Z", true);
        check("id:01jd8z4m7qf8b6r3s0k2t4v6wx", true);
        check("id:01JD8Y", false);
        check("control:C1", true);
        check("control:C2,C1", true);
        check("-control:C1", false);
        check("accession:A1", false);
        check("-accession:A1", true);
        check("tag:tier1", false);
    }

    #[test]
    fn tags_become_channels() {
        let filter = Filter::parse("tag:tier1 state:dead", Timestamp::default()).unwrap();
        let resolved = filter.clone().resolve_tags(|tag| match tag {
            "tier1" => vec!["adt-main".into()],
            _ => Vec::new(),
        });
        assert_eq!(resolved.matches(&facts(), |_, _| Ok::<_, ()>(false)), Ok(true));
        let resolved = filter.resolve_tags(|_| Vec::new());
        assert_eq!(resolved.matches(&facts(), |_, _| Ok::<_, ()>(false)), Ok(false));
    }
}
