//! Sealing and opening in HL7 v2.
//!
//! What is sealed is the bytes as they stand, so opening gives the same bytes back in any
//! character set. Finer delimiters within the place are sealed with it.
//!
//! Invariant: time is linear in the message for each rule. Places are found in one pass, and
//! each segment is written anew once, however many of its parts are protected.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::apply::{Tools, misfit};
use super::rule::{At, How, Only, SealRule, is_typed};
use super::value::{Letters, MARK, NO_ENTRY, Opener, Spot};
use crate::base::Phi;
use crate::fault::codes::W5011;
use crate::fault::{Fault, Place};
use crate::hl7v2::{Change, Delimiters, Found, Message, Path, Segment, Value};

/// A place as numbers; 0 for what it leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Numbers {
    segment: usize,
    field: usize,
    repetition: usize,
    component: usize,
    subcomponent: usize,
}

impl Numbers {
    fn of(path: &Path, found: &Found<'_>) -> Self {
        Self {
            segment: found.occurrence,
            field: path.field().unwrap_or(0),
            repetition: found.repetition,
            component: path.component().unwrap_or(0),
            subcomponent: path.subcomponent().unwrap_or(0),
        }
    }

    /// Whether all of another place in the same repetition lies within this one.
    fn covers(&self, other: &Self) -> bool {
        [(self.component, other.component), (self.subcomponent, other.subcomponent)]
            .iter()
            .all(|(own, theirs)| *own == 0 || own == theirs)
    }

    /// The path, as people read it.
    fn shown(&self, segment: &str) -> String {
        let mut path = format!("{segment}[{}]-{}[{}]", self.segment, self.field, self.repetition);
        for part in [self.component, self.subcomponent].into_iter().take_while(|part| *part > 0) {
            path.push_str(&format!(".{part}"));
        }
        path
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
struct Target<'r, 'm> {
    rule: &'r SealRule,
    numbers: Numbers,
    segment: Segment<'m>,
    value: Value<'m>,
}

/// What is to be protected, in order of the rules: of places within each other the widest.
fn targets<'r, 'm>(
    rules: &'r [SealRule],
    message: &'m Message,
) -> Result<Vec<Target<'r, 'm>>, Fault> {
    let mut all: Vec<Option<Target<'r, 'm>>> = Vec::new();
    // The targets of each repetition: no more than there are rules.
    let mut known: HashMap<(usize, usize, usize), Vec<usize>> = HashMap::new();
    for rule in rules {
        let At::Hl7(path, only) = &rule.at else { return Err(misfit(Some(rule))) };
        message.each_at(path, &mut |found| {
            if only.as_ref().is_some_and(|only| !is_of(&found.whole, only)) {
                return;
            }
            let numbers = Numbers::of(path, &found);
            let key = (found.segment.index(), numbers.field, numbers.repetition);
            let here = known.entry(key).or_default();
            let numbers_at = |at: &usize| all.get(*at)?.as_ref().map(|target| target.numbers);
            if here.iter().filter_map(numbers_at).any(|known| known.covers(&numbers)) {
                return;
            }
            here.retain(|at| {
                let is_wider = all
                    .get(*at)
                    .and_then(Option::as_ref)
                    .is_some_and(|target| numbers.covers(&target.numbers));
                if let (true, Some(target)) = (is_wider, all.get_mut(*at)) {
                    *target = None;
                }
                !is_wider
            });
            here.push(all.len());
            let (segment, value) = (found.segment, found.value);
            all.push(Some(Target { rule, numbers, segment, value }));
        });
    }
    Ok(all.into_iter().flatten().collect())
}

/// Whether a repetition is one that a rule covers.
fn is_of(repetition: &Value<'_>, only: &Only) -> bool {
    repetition.component(only.component).is_some_and(|found| found.text().trim() == only.value)
}

/// Letters for sealed values in a message with these delimiters.
fn letters(delimiters: &Delimiters) -> Letters {
    let always = [delimiters.field, delimiters.component, delimiters.repetition];
    let maybe = [delimiters.escape, delimiters.subcomponent, delimiters.truncation];
    let all: Vec<u8> = always.into_iter().chain(maybe.into_iter().flatten()).collect();
    Letters::for_delimiters(&all)
}

/// Refuses OBX-5 where OBX-2 says that it is a number or a date.
fn check_value_type(target: &Target<'_, '_>, shown: &str) -> Result<(), Fault> {
    if target.segment.id() != "OBX" || target.numbers.field != 5 {
        return Ok(());
    }
    match target.segment.field(2).map(|kind| kind.text()) {
        Some(kind) if is_typed(&kind) => Err(Fault::new(W5011)
            .at(Place::path(shown))
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
    let mut changes: Vec<Change> = Vec::new();
    for target in targets(rules, &message)? {
        let Target { rule, numbers, segment, value } = &target;
        if !value.is_valued() {
            continue;
        }
        let shown = numbers.shown(segment.id());
        if rule.how != How::Drop {
            check_value_type(&target, &shown)?;
        }
        let new = match rule.how {
            How::Seal => {
                let plain = Zeroizing::new(value.raw().to_vec());
                let spot = numbers.spot(segment.id(), shown.clone());
                Ok(tools.seal(rule, &plain, &spot, letters)?.into_bytes())
            }
            How::Token => {
                let text = Zeroizing::new(value.text().into_owned());
                message.escaped(&tools.token(rule, &text)?)
            }
            How::Drop => Ok(Vec::new()),
        };
        let change = new.and_then(|new| message.change(segment.index(), value, new));
        changes.push(change.map_err(|fault| fault.at(Place::path(shown.as_str())))?);
        touched.push(shown);
    }
    message.change_all(changes)?;
    Ok((message, touched))
}

/// A sealed value found: the change that is due, its path, as wide as it stands alone, and
/// its spot.
struct Sealed<'m> {
    segment: usize,
    value: Value<'m>,
    path: String,
    spot: Spot,
}

fn is_sealed(value: &Value<'_>) -> bool {
    let rest = value.raw().strip_prefix(MARK.as_bytes());
    rest.is_some_and(|rest| matches!(rest.first(), Some(b'.' | b'x')))
}

/// Everything that looks like a sealed value.
fn find(message: &Message) -> Vec<Sealed<'_>> {
    let mut found = Vec::new();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for segment in message.segments() {
        let occurrence = seen.entry(segment.id()).or_default();
        *occurrence += 1;
        if memchr::memmem::find(segment.raw(), MARK.as_bytes()).is_none() {
            continue;
        }
        for (number, field) in segment.fields().enumerate() {
            for (repetition, value) in field.repetitions().enumerate() {
                let numbers = Numbers {
                    segment: *occurrence,
                    field: number + 1,
                    repetition: repetition + 1,
                    component: 0,
                    subcomponent: 0,
                };
                find_within(&segment, numbers, value, &mut found);
            }
        }
    }
    found
}

/// Sealed values of one repetition, with the widest place in which each stands alone.
fn find_within<'m>(
    segment: &Segment<'m>,
    of: Numbers,
    repetition: Value<'m>,
    found: &mut Vec<Sealed<'m>>,
) {
    for (component, part) in repetition.components().enumerate() {
        for (subcomponent, value) in part.subcomponents().enumerate() {
            if !is_sealed(&value) {
                continue;
            }
            let numbers =
                Numbers { component: component + 1, subcomponent: subcomponent + 1, ..of };
            let wide = Numbers {
                component: match value.raw().len() < repetition.raw().len() {
                    true => numbers.component,
                    false => 0,
                },
                subcomponent: match value.raw().len() < part.raw().len() {
                    true => numbers.subcomponent,
                    false => 0,
                },
                ..of
            };
            let path = wide.shown(segment.id());
            let spot = numbers.spot(segment.id(), path.clone());
            found.push(Sealed { segment: segment.index(), value, path, spot });
        }
    }
}

/// A path and the text that stood there.
type Shown = (String, Phi<String>);

/// Opens every sealed value of a message in its place; gives their paths and texts.
pub(super) fn open(
    opener: &mut Opener<'_>,
    message: Message,
) -> Result<(Message, Vec<Shown>), Fault> {
    let mut open = message.clone();
    let mut values = Vec::new();
    let mut changes = Vec::new();
    for found in find(&message) {
        let plain = opener.open(&found.value.text(), &found.spot)?;
        let change = message.change(found.segment, &found.value, plain.to_vec());
        changes.push(change.map_err(|fault| fault.at(Place::path(found.path.as_str())))?);
        values.push((found.path, Phi::new(message.text_of(&plain))));
    }
    open.change_all(changes)?;
    Ok((open, values))
}
