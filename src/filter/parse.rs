//! The grammar of filters.
//!
//! ```text
//! filter = { space } [ term { space term } ]
//! term   = [ "-" ] name ":" value { "," value }
//! value  = '"' text '"' | text without space, comma and quote
//! ```

use jiff::tz::TimeZone;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, multispace0};
use nom::combinator::{consumed, opt};
use nom::multi::separated_list1;
use nom::sequence::delimited;
use nom::{IResult, Parser};

use super::{Field, Filter, Term, time};
use crate::base::{MessageId, Timestamp};
use crate::fault::{Fault, FilePlace, codes};
use crate::message::State;

/// Fields of the language, with what their values are.
pub const FIELDS: &[(&str, &str)] = &[
    ("channel", "names of channels, `adt-*`"),
    ("dest", "names of destinations"),
    ("state", "states: waiting, held, delivered, filtered, denied, skipped, dead"),
    ("type", "message types, `ADT^A08` or `ADT`"),
    ("code", "fault codes, `W7102` or `W71*`"),
    ("since", "a duration `2h`, a time `06:00`, a date, `today`, or RFC 3339"),
    ("until", "as for `since`"),
    ("tag", "tags of channels"),
    ("id", "message ids or their beginnings"),
    ("control", "control IDs of senders"),
    ("patient", "patient identifiers"),
];

/// Most bytes of a filter: beyond what a person types, and a bound for the API.
const FILTER_BYTES_MAX: usize = 4096;

impl Filter {
    /// Parses a filter. `now` resolves `since:2h`, times of day are UTC, and any name that
    /// is no field and close to none is taken for a name of a channel's `index`.
    ///
    /// # Errors
    /// `W6030` with the column of the word that is wrong.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, Fault> {
        Self::parse_in(text, now, &TimeZone::UTC, None)
    }

    /// Parses a filter with times of day in `zone`; given the names of all channels'
    /// `index`, any other name is a fault.
    ///
    /// # Errors
    /// `W6030` with the column of the word that is wrong.
    pub fn parse_in(
        text: &str,
        now: Timestamp,
        zone: &TimeZone,
        index_names: Option<&[&str]>,
    ) -> Result<Self, Fault> {
        if text.len() > FILTER_BYTES_MAX {
            let end = text.len();
            return Err(wrong(text, 0..end, "longer than 4096 bytes".to_owned()));
        }
        let mut terms = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let start = text.len() - rest.len();
            let Ok((after, (negated, name, raw))) = term(rest) else {
                let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
                let word = start..start + length;
                return Err(unreadable(text, word));
            };
            let name_at = start + usize::from(negated);
            let field = Place { text, name_at, name, now, zone };
            terms.push(field.term(negated, &raw, index_names)?);
            let trimmed = after.trim_start();
            if !trimmed.is_empty() && trimmed.len() == after.len() {
                let at = text.len() - after.len();
                let end = at + after.find(char::is_whitespace).unwrap_or(after.len());
                let cause = "a space is missing before this, or a quote is open";
                return Err(wrong(text, at..end, cause.to_owned()));
            }
            rest = trimmed;
        }
        Ok(Self { terms })
    }
}

type RawTerm<'a> = (bool, &'a str, Vec<(&'a str, &'a str)>);

fn term(input: &str) -> IResult<&str, RawTerm<'_>> {
    let name = take_while1(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let quoted = delimited(char('"'), take_while(|c| c != '"'), char('"'));
    let bare = take_while1(|c: char| !c.is_whitespace() && c != ',' && c != '"');
    let values = separated_list1(char(','), consumed(alt((quoted, bare))));
    let (rest, (negated, name, _, values)) =
        (opt(tag("-")), name, char(':'), values).parse(input)?;
    let (_, _) = multispace0::<&str, nom::error::Error<&str>>(rest)?;
    Ok((rest, (negated.is_some(), name, values)))
}

struct Place<'a> {
    text: &'a str,
    name_at: usize,
    name: &'a str,
    now: Timestamp,
    zone: &'a TimeZone,
}

impl Place<'_> {
    fn term(
        &self,
        negated: bool,
        raw: &[(&str, &str)],
        index_names: Option<&[&str]>,
    ) -> Result<Term, Fault> {
        let field = match self.name {
            "channel" => Field::Channel,
            "dest" => Field::Destination,
            "state" => Field::State,
            "type" => Field::Type,
            "code" => Field::Code,
            "since" => Field::Since(self.time(raw, true)?),
            "until" => Field::Until(self.time(raw, false)?),
            "tag" => Field::Tag,
            "id" => Field::Id,
            "control" => Field::Control,
            "patient" => Field::Patient,
            name => self.key(name, index_names)?,
        };
        for (seen, value) in raw {
            self.check(&field, seen, value)?;
        }
        let any = match field {
            Field::Since(_) | Field::Until(_) => Vec::new(),
            _ => raw.iter().map(|(_, value)| (*value).to_owned()).collect(),
        };
        Ok(Term { negated, field, any })
    }

    fn span(&self, seen: &str) -> std::ops::Range<usize> {
        // Both are parts of one text; the difference of their addresses is the offset.
        let at = (seen.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        at..at + seen.len()
    }

    fn time(&self, raw: &[(&str, &str)], past: bool) -> Result<Timestamp, Fault> {
        let [(seen, value)] = raw else {
            let end = raw.last().map_or(self.name_at, |(seen, _)| self.span(seen).end);
            let cause = format!("`{}` takes one time", self.name);
            return Err(wrong(self.text, self.name_at..end, cause));
        };
        time::read(value, self.now, self.zone, past).ok_or_else(|| {
            wrong(self.text, self.span(seen), "not a time".to_owned()).remedy(
                "Write a duration such as `2h`, a time such as `06:00`, a date, `today`, \
                 `yesterday`, or RFC 3339.",
            )
        })
    }

    fn key(&self, name: &str, index_names: Option<&[&str]>) -> Result<Field, Fault> {
        let fields = FIELDS.iter().map(|(field, _)| *field);
        let known = match index_names {
            Some(names) => names.contains(&name),
            None => nearest(name, fields.clone()).is_none(),
        };
        if known {
            return Ok(Field::Key(name.to_owned()));
        }
        let span = self.name_at..self.name_at + name.len();
        let names = fields.chain(index_names.unwrap_or_default().iter().copied());
        let near = nearest(name, names.clone());
        let fault = wrong(self.text, span, format!("`{name}` is not a field"));
        Err(match near {
            Some(near) => fault.remedy(format!("Did you mean `{near}`?")),
            None => {
                let all: Vec<_> = names.map(|name| format!("`{name}`")).collect();
                fault.remedy(format!("Fields are {}.", all.join(", ")))
            }
        })
    }

    fn check(&self, field: &Field, seen: &str, value: &str) -> Result<(), Fault> {
        match field {
            Field::State if !State::ALL.iter().any(|s| s.name() == value) => {
                let fault = wrong(self.text, self.span(seen), "not a state".to_owned());
                let states = State::ALL.map(State::name);
                Err(match nearest(value, states.into_iter()) {
                    Some(near) => fault.remedy(format!("Did you mean `{near}`?")),
                    None => fault.remedy(format!("States are {}.", states.join(", "))),
                })
            }
            Field::Id
                if value.parse::<MessageId>().is_err()
                    && MessageId::range_of_prefix(value).is_none() =>
            {
                let fault = wrong(self.text, self.span(seen), "not a message id".to_owned());
                Err(fault.remedy("Write an id such as `01JD8Z4M7QF8B6R3S0K2T4V6WX` or its start."))
            }
            _ => Ok(()),
        }
    }
}

fn wrong(text: &str, span: std::ops::Range<usize>, cause: String) -> Fault {
    Fault::new(codes::W6030).at(FilePlace::find("filter", text, span)).because(cause)
}

fn unreadable(text: &str, word: std::ops::Range<usize>) -> Fault {
    let seen = text.get(word.clone()).unwrap_or_default();
    let cause = match seen.split_once(':') {
        None => "not a term: a field, `:` and a value".to_owned(),
        Some((_, "")) => "a value is missing after `:`".to_owned(),
        Some(_) => "not a term: a quote is open, or a value is empty".to_owned(),
    };
    let name = seen.trim_start_matches('-').split(':').next().unwrap_or_default();
    let fault = wrong(text, word, cause);
    match nearest(name, FIELDS.iter().map(|(field, _)| *field)) {
        Some(field) => fault.remedy(format!("Write `{field}:VALUE`.")),
        None if FIELDS.iter().any(|(field, _)| *field == name) => {
            fault.remedy(format!("Write `{name}:VALUE`."))
        }
        None => fault,
    }
}

/// The name that is one slip away, or two for a longer word.
fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = if word.chars().count() > 5 { 2 } else { 1 };
    // Words that people use for these fields.
    let alias = match word {
        "destination" | "to" => Some("dest"),
        "status" => Some("state"),
        "after" | "from" => Some("since"),
        "before" => Some("until"),
        "error" | "fault" => Some("code"),
        "mrn" => Some("patient"),
        _ => None,
    };
    let mut near: Option<(usize, &'a str)> = None;
    for name in names {
        if Some(name) == alias {
            return Some(name);
        }
        let slips = distance(word, name);
        if slips > 0 && slips <= most && near.is_none_or(|(best, _)| slips < best) {
            near = Some((slips, name));
        }
    }
    near.map(|(_, name)| name)
}

/// Insertions, removals, replacements and swaps of neighbors from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&last, j) + usize::from(ca != cb))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(cb) && b.get(j - 1) == Some(ca);
            if swapped {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Filter, Fault> {
        Filter::parse(text, Timestamp::from_millis(1_767_000_000_000))
    }

    #[test]
    fn reads_terms() {
        let term = |negated, field, any: &[&str]| Term {
            negated,
            field,
            any: any.iter().map(|v| (*v).to_owned()).collect(),
        };
        let check = |text: &str, terms: Vec<Term>| {
            assert_eq!(parse(text), Ok(Filter { terms }), "{text}");
        };
        check("", vec![]);
        check("   ", vec![]);
        check("channel:adt-*", vec![term(false, Field::Channel, &["adt-*"])]);
        check(
            "  -state:dead,held   dest:ehr ",
            vec![
                term(true, Field::State, &["dead", "held"]),
                term(false, Field::Destination, &["ehr"]),
            ],
        );
        check("type:ADT^A08", vec![term(false, Field::Type, &["ADT^A08"])]);
        check("control:\"a b,c\",d", vec![term(false, Field::Control, &["a b,c", "d"])]);
        check("accession:A123", vec![term(false, Field::Key("accession".into()), &["A123"])]);
        check("patient:a:b", vec![term(false, Field::Patient, &["a:b"])]);
    }

    #[test]
    fn points_at_the_word_and_suggests() {
        let check = |text: &str, column: u32, help: &str| {
            let fault = parse(text).unwrap_err();
            let place = fault.place().file.clone().unwrap();
            assert_eq!(place.column, column, "{text}: {fault}");
            assert!(fault.help().contains(help), "{text}: {}", fault.help());
        };
        check("chanel:adt", 1, "`channel`");
        check("state:dead stat:held", 12, "`state`");
        check("-destination:ehr", 2, "`dest`");
        check("state:ded", 7, "`dead`");
        check("state:dead,waitng", 12, "`waiting`");
        check("state:blue", 7, "States are");
        check("since:soon", 7, "a duration");
        check("since:2h,3h", 1, "");
        check("id:hello!", 4, "01JD");
        check("dead", 1, "");
        check("state", 1, "`state:VALUE`");
        check("state:", 1, "");
        check("control:\"open", 1, "");
        check("channel:a dest:,", 11, "");
        check("control:\"a\"b", 12, "");
        check(&"x".repeat(5000), 1, "");
    }

    #[test]
    fn with_index_names_anything_else_is_a_fault() {
        let zone = TimeZone::UTC;
        let parse = |text| {
            Filter::parse_in(text, Timestamp::default(), &zone, Some(&["accession", "order"]))
        };
        assert!(parse("accession:A1 order:7").is_ok());
        let fault = parse("acession:A1").unwrap_err();
        assert_eq!(fault.help(), "Did you mean `accession`?");
        assert!(parse("bench:A1").unwrap_err().help().contains("`order`"));
    }

    #[test]
    fn faults_hold_no_values_of_keys() {
        let fault = parse("patient:Doe^Jo since:Doe^Jo").unwrap_err();
        assert!(!fault.line().contains("Doe"), "{fault}");
    }
}
