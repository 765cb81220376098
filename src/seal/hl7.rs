//! Sealing and opening in HL7 v2.
//!
//! What is sealed is the bytes as they stand, so opening gives the same bytes back in any
//! character set. Finer delimiters within the place are sealed with it.

use zeroize::Zeroizing;

use super::apply::{Tools, misfit};
use super::rule::{At, How, Only, SealRule, is_typed};
use super::value::{Letters, MARK, NO_ENTRY, Opener, Spot};
use crate::fault::codes::W5011;
use crate::fault::{Fault, Place};
use crate::hl7v2::{Delimiters, Message, Path, Pick, Value};

/// A place as numbers; 0 for what it leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Numbers {
    segment: usize,
    field: usize,
    repetition: usize,
    component: usize,
    subcomponent: usize,
}

fn nth(pick: Pick) -> usize {
    match pick {
        Pick::Nth(n) => n as usize,
        Pick::Open | Pick::All => 1,
    }
}

impl Numbers {
    fn of(path: &Path) -> Self {
        Self {
            segment: nth(path.occurrence()),
            field: path.field().unwrap_or(0),
            repetition: nth(path.repetition()),
            component: path.component().unwrap_or(0),
            subcomponent: path.subcomponent().unwrap_or(0),
        }
    }

    /// Whether all of `other` lies within this place.
    fn covers(&self, other: &Self) -> bool {
        (self.segment, self.field, self.repetition)
            == (other.segment, other.field, other.repetition)
            && [(self.component, other.component), (self.subcomponent, other.subcomponent)]
                .iter()
                .all(|(own, theirs)| *own == 0 || own == theirs)
    }

    /// The place down to its first subcomponent: that of a value that stands alone.
    fn spot(&self, segment: &str, shown: String) -> Spot {
        let place = format!(
            "{segment}[{}]-{}[{}].{}.{}",
            self.segment,
            self.field,
            self.repetition,
            self.component.max(1),
            self.subcomponent.max(1)
        );
        Spot { place, entry: NO_ENTRY, shown }
    }
}

/// A place to protect and the rule that says so.
struct Target<'r> {
    rule: &'r SealRule,
    path: Path,
    numbers: Numbers,
}

fn targets<'r>(rules: &'r [SealRule], message: &Message) -> Result<Vec<Target<'r>>, Fault> {
    let mut all: Vec<Target<'r>> = Vec::new();
    for rule in rules {
        let At::Hl7(path, only) = &rule.at else { return Err(misfit(Some(rule))) };
        for path in message.places(path) {
            let numbers = Numbers::of(&path);
            if let Some(only) = only
                && !is_of(message, path.segment(), &numbers, only)?
            {
                continue;
            }
            let covered =
                |t: &Target<'_>| t.path.segment() == path.segment() && t.numbers.covers(&numbers);
            if !all.iter().any(covered) {
                all.retain(|t| t.path.segment() != path.segment() || !numbers.covers(&t.numbers));
                all.push(Target { rule, path, numbers });
            }
        }
    }
    Ok(all)
}

/// Whether the repetition that a place stands in is one that a rule covers.
fn is_of(message: &Message, segment: &str, numbers: &Numbers, only: &Only) -> Result<bool, Fault> {
    let repetition = Path::to_field(segment, numbers.field)?
        .in_occurrence(numbers.segment)
        .in_repetition(numbers.repetition);
    let found = message.read(&repetition).and_then(|value| value.component(only.component));
    Ok(found.is_some_and(|found| found.text().trim() == only.value))
}

/// Letters for sealed values in a message with these delimiters.
fn letters(delimiters: &Delimiters) -> Letters {
    let always = [delimiters.field, delimiters.component, delimiters.repetition];
    let maybe = [delimiters.escape, delimiters.subcomponent, delimiters.truncation];
    let all: Vec<u8> = always.into_iter().chain(maybe.into_iter().flatten()).collect();
    Letters::for_delimiters(&all)
}

/// Refuses OBX-5 where OBX-2 says that it is a number or a date.
fn check_value_type(message: &Message, target: &Target<'_>) -> Result<(), Fault> {
    if target.path.segment() != "OBX" || target.numbers.field != 5 {
        return Ok(());
    }
    let kind = Path::to_field("OBX", 2)?.in_occurrence(target.numbers.segment);
    match message.read(&kind).map(|kind| kind.text()) {
        Some(kind) if is_typed(&kind) => Err(Fault::new(W5011)
            .at(Place::path(target.path.to_string()))
            .because("OBX-2 says that it is a number, date or time")),
        _ => Ok(()),
    }
}

/// Applies rules to a message.
pub(super) fn apply(
    rules: &[SealRule],
    tools: &mut Tools<'_>,
    mut message: Message,
) -> Result<(Message, Vec<String>), Fault> {
    let letters = letters(message.delimiters());
    let mut touched = Vec::new();
    for target in targets(rules, &message)? {
        let Some(value) = message.read(&target.path).filter(Value::is_valued) else { continue };
        let shown = target.path.to_string();
        if target.rule.how != How::Drop {
            check_value_type(&message, &target)?;
        }
        match target.rule.how {
            How::Seal => {
                let plain = Zeroizing::new(value.raw().to_vec());
                let spot = target.numbers.spot(target.path.segment(), shown.clone());
                let sealed = tools.seal(target.rule, &plain, &spot, letters)?;
                message.set_raw(&target.path, sealed.as_bytes())?;
            }
            How::Token => {
                let text = Zeroizing::new(value.text().into_owned());
                let token = tools.token(target.rule, &text)?;
                message.set(&target.path, &token)?;
            }
            How::Drop => message.clear(&target.path)?,
        }
        touched.push(shown);
    }
    Ok((message, touched))
}

/// A sealed value found: its path, as wide as it stands alone, and its spot.
struct Found {
    path: String,
    spot: Spot,
    text: String,
}

fn is_sealed(value: &Value<'_>) -> bool {
    let rest = value.raw().strip_prefix(MARK.as_bytes());
    rest.is_some_and(|rest| matches!(rest.first(), Some(b'.' | b'x')))
}

/// Everything that looks like a sealed value.
fn find(message: &Message) -> Vec<Found> {
    let mut found = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for segment in message.segments() {
        seen.push(segment.id());
        if memchr::memmem::find(segment.raw(), MARK.as_bytes()).is_none() {
            continue;
        }
        let occurrence = seen.iter().filter(|id| **id == segment.id()).count();
        for (number, field) in segment.fields().enumerate() {
            for (repetition, value) in field.repetitions().enumerate() {
                let numbers = Numbers {
                    segment: occurrence,
                    field: number + 1,
                    repetition: repetition + 1,
                    component: 0,
                    subcomponent: 0,
                };
                find_within(segment.id(), numbers, value, &mut found);
            }
        }
    }
    found
}

/// Sealed values of one repetition, with the widest place in which each stands alone.
fn find_within(segment: &str, of: Numbers, repetition: Value<'_>, found: &mut Vec<Found>) {
    for (component, part) in repetition.components().enumerate() {
        for (subcomponent, value) in part.subcomponents().enumerate() {
            if !is_sealed(&value) {
                continue;
            }
            let numbers =
                Numbers { component: component + 1, subcomponent: subcomponent + 1, ..of };
            let mut path = format!("{segment}[{}]-{}[{}]", of.segment, of.field, of.repetition);
            if value.raw().len() < repetition.raw().len() {
                path = format!("{path}.{}", numbers.component);
            }
            if value.raw().len() < part.raw().len() {
                path = format!("{path}.{}", numbers.subcomponent);
            }
            let spot = numbers.spot(segment, path.clone());
            found.push(Found { path, spot, text: value.text().into_owned() });
        }
    }
}

/// Opens every sealed value of a message in its place; gives their paths.
pub(super) fn open(
    opener: &mut Opener<'_>,
    message: Message,
) -> Result<(Message, Vec<String>), Fault> {
    let mut open = message.clone();
    let mut paths = Vec::new();
    for found in find(&message) {
        let plain = opener.open(&found.text, &found.spot)?;
        open.set_raw(&Path::parse(&found.path)?, &plain)?;
        paths.push(found.path);
    }
    Ok((open, paths))
}
