//! What fields of one segment say of each other: a short table of the standard's rules.
//!
//! Most rules ask only which fields are there, so that a segment that meets them costs no
//! reading; those that compare values read the two fields when both are there.

use std::cmp::Ordering;

use super::value::Moment;
use crate::hl7v2::segment::Segment;

/// A rule between fields of one segment.
#[derive(Debug)]
pub(super) struct Relation {
    /// Field the finding stands at.
    pub field: u16,
    pub rule: Rule,
    /// What is wrong where it is not met, in our words.
    pub cause: &'static str,
}

/// Kinds of rules; numbers are those of fields.
#[derive(Debug)]
pub(super) enum Rule {
    /// Where the first is valued, the second has to be.
    Needs(u16, u16),
    /// At least one is valued.
    OneOf(&'static [u16]),
    /// Where the first is valued, the second is not this code.
    Denies(u16, u16, &'static [u8]),
    /// The first is not after the second.
    Order(u16, u16),
}

const fn row(field: u16, rule: Rule, cause: &'static str) -> Relation {
    Relation { field, rule, cause }
}

const fn order(first: u16, then: u16, cause: &'static str) -> Relation {
    row(then, Rule::Order(first, then), cause)
}

/// The rules by segment.
///
/// Source: HL7 v2.5.1, chapters 3, 4, 6 and 7, the definitions of these fields.
const ROWS: &[(&str, &[Relation])] = &[
    ("IN1", &[order(12, 13, "the plan ends before it takes effect")]),
    (
        "OBR",
        &[
            row(3, Rule::OneOf(&[2, 3]), "neither a placer nor a filler order number is given"),
            order(7, 8, "the observation ends before it begins"),
        ],
    ),
    ("OBX", &[row(2, Rule::Needs(5, 2), "a value is given, but not its data type")]),
    ("ORC", &[row(2, Rule::OneOf(&[2, 3, 4]), "no order or group number is given")]),
    (
        "PID",
        &[
            row(30, Rule::Denies(29, 30, b"N"), "a date of death is given, but no death"),
            order(7, 29, "the death is before the birth"),
        ],
    ),
    ("PV1", &[order(44, 45, "the discharge is before the admission")]),
    ("RXA", &[order(3, 4, "the administration ends before it begins")]),
    ("SCH", &[row(2, Rule::OneOf(&[1, 2]), "neither a placer nor a filler appointment is given")]),
];

/// The rules of a segment.
pub(super) fn of(id: &str) -> &'static [Relation] {
    ROWS.iter().find(|(known, _)| *known == id).map_or(&[], |(_, rules)| rules)
}

/// Which fields of a segment hold something, bit 0 for field 1.
pub(super) type Seen = [u64; 2];

fn is_seen(seen: &Seen, field: u16) -> bool {
    let at = usize::from(field) - 1;
    seen.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
}

impl Relation {
    /// Whether a segment breaks the rule.
    pub(super) fn is_broken(&self, seen: &Seen, segment: &Segment<'_>) -> bool {
        match &self.rule {
            Rule::Needs(given, needed) => is_seen(seen, *given) && !is_seen(seen, *needed),
            Rule::OneOf(fields) => !fields.iter().any(|field| is_seen(seen, *field)),
            Rule::Denies(given, other, code) => {
                is_seen(seen, *given)
                    && is_seen(seen, *other)
                    && segment.field(usize::from(*given)).is_some_and(|value| !value.is_null())
                    && segment.field(usize::from(*other)).is_some_and(|value| value.raw() == *code)
            }
            Rule::Order(first, then) => {
                is_seen(seen, *first)
                    && is_seen(seen, *then)
                    && moment(segment, *first)
                        .zip(moment(segment, *then))
                        .is_some_and(|(first, then)| first.order(&then) == Ordering::Greater)
            }
        }
    }

    /// Whether it is about time.
    pub(super) fn is_temporal(&self) -> bool {
        matches!(self.rule, Rule::Order(..))
    }
}

/// The first component of the first repetition as a moment.
fn moment(segment: &Segment<'_>, field: u16) -> Option<Moment> {
    let field = segment.field(usize::from(field))?;
    Moment::read(field.subcomponent(1)?.raw()).ok()
}
