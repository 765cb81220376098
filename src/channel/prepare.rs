//! What one message owes one destination: `when`, consent, mapping, sealing.

use std::sync::Arc;
use std::time::Duration;

use super::process::Left;
use super::redecide::Whose;
use super::{
    Arrival, ChannelRules, DestinationRules, OnDeny, Parsed, Redecision, Surroundings, redecide,
};
use crate::audit;
use crate::base::ChannelName;
use crate::consent::{self, Facts};
use crate::fault::codes::{W2052, W9001};
use crate::fault::{Fault, Place};
use crate::hl7v2::{Recode, batch};
use crate::mapping::{Mapped, Mapping};
use crate::message::{
    Body, Content, ContentKind, Decision, Fate, FaultRecord, Leaf, MessageRecord, Stage, Step,
    Trail, Verdict,
};
use crate::seal::{self, SealRule};

/// What the destinations of one message share: parts are made once.
pub(super) struct Shared<'m> {
    pub(super) arrival: &'m Arrival,
    pub(super) parsed: &'m Parsed,
    pub(super) trail: Trail,
    pub(super) leaves: Vec<Leaf>,
    pub(super) left: Left,
    whose: Option<Whose>,
    facts: Option<Facts>,
    made: Vec<Made>,
}

/// A body made before, and from what.
struct Made {
    mapping: Option<Arc<Mapping>>,
    seal: Arc<[SealRule]>,
    recode: Option<Recode>,
    redacted: Vec<Arc<str>>,
    result: Result<Body, FaultRecord>,
}

impl<'m> Shared<'m> {
    pub(super) const fn new(arrival: &'m Arrival, parsed: &'m Parsed) -> Self {
        Self {
            arrival,
            parsed,
            trail: Trail { steps: Vec::new() },
            leaves: Vec::new(),
            left: Left { unused: 0, unmapped: Vec::new() },
            whose: None,
            facts: None,
            made: Vec::new(),
        }
    }

    pub(super) fn step(&mut self, stage: Stage, to: Option<&DestinationRules>, took: Duration) {
        self.trail.steps.push(Step {
            stage,
            destination: to.map(|rules| rules.name.shared()),
            micros: u32::try_from(took.as_micros()).unwrap_or(u32::MAX),
            note: None,
            warnings: Vec::new(),
        });
    }

    pub(super) fn warn(&mut self, warnings: Vec<Arc<str>>) {
        if let Some(step) = self.trail.steps.last_mut() {
            step.warnings = warnings;
        }
    }

    pub(super) fn note(&mut self, note: impl Into<Arc<str>>) {
        if let Some(step) = self.trail.steps.last_mut() {
            step.note = Some(note.into());
        }
    }
}

/// Decides what the message owes one destination.
///
/// # Errors
/// When the consents of the patient cannot be read: nothing can be decided then, and the
/// message is refused as a whole.
pub(super) fn prepare(
    rules: &ChannelRules,
    to: &DestinationRules,
    shared: &mut Shared<'_>,
    around: &mut Surroundings<'_>,
) -> Result<Fate, Fault> {
    if let Some(when) = &to.when {
        let begin = (around.monotonic)();
        let passed = when.condition.test(&shared.parsed.content);
        shared.step(Stage::Filter, Some(to), (around.monotonic)().saturating_sub(begin));
        if !passed {
            return Ok(Fate::Filtered(when.place.clone()));
        }
    }
    let redacted = match ask_consent(rules, to, shared, around)? {
        None | Some(Decision { verdict: Verdict::Permit | Verdict::Unknown, .. }) => Vec::new(),
        Some(Decision { verdict: Verdict::Redact(paths), .. }) => paths,
        Some(decision) => {
            return Ok(match rules.consent.on_deny {
                OnDeny::Hold => Fate::Held(decision),
                OnDeny::Record | OnDeny::Nak => Fate::Denied(decision),
            });
        }
    };
    let known = shared.made.iter().find(|made| {
        same(made.mapping.as_ref(), to.mapping.as_ref())
            && Arc::ptr_eq(&made.seal, &to.seal)
            && made.recode == to.recode
            && made.redacted == redacted
    });
    let result = match known {
        Some(made) => made.result.clone(),
        None => {
            let result = make(rules, to, &redacted, shared, around).map_err(|fault| {
                let place = Place::destination(rules.name.shared(), to.name.shared());
                FaultRecord::from(&fault.at(place))
            });
            shared.made.push(Made {
                mapping: to.mapping.clone(),
                seal: to.seal.clone(),
                recode: to.recode.clone(),
                redacted,
                result: result.clone(),
            });
            result
        }
    };
    Ok(match result {
        Ok(body) => Fate::Deliver(body),
        Err(fault) => Fate::Dead(fault),
    })
}

fn same(one: Option<&Arc<Mapping>>, other: Option<&Arc<Mapping>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}

/// The decision for this destination; none where the channel has no policy. A verdict
/// that counts as denied comes out as [`Verdict::Deny`] or as unknown made permit.
fn ask_consent(
    rules: &ChannelRules,
    to: &DestinationRules,
    shared: &mut Shared<'_>,
    around: &mut Surroundings<'_>,
) -> Result<Option<Decision>, Fault> {
    if rules.consent.policy.is_none() {
        return Ok(None);
    }
    let begin = (around.monotonic)();
    let whose = match &shared.whose {
        Some(whose) => whose.clone(),
        None => Whose::of(rules, &shared.parsed.content, around.consents)?,
    };
    let facts = shared.facts.get_or_insert_with(|| Facts::of(&shared.parsed.content));
    let decided = redecide::decide(rules, to, &whose, facts, around.now);
    shared.whose = Some(whose);
    shared.step(Stage::Consent, Some(to), (around.monotonic)().saturating_sub(begin));
    let Some((decision, outcome)) = decided else { return Ok(None) };
    let subject = audit::Subject::delivery(shared.arrival.id, &rules.name, &to.name);
    let leaf = audit::consent_decided(around.now, subject, &decision);
    if let Some(text) = &leaf.decision {
        shared.note(text.clone());
    }
    shared.leaves.push(leaf);
    Ok(Some(match outcome {
        Redecision::Denied(decision) | Redecision::Held(decision) => {
            Decision { verdict: denied(decision.verdict), ..decision }
        }
        Redecision::Go | Redecision::Redact(_) => decision,
    }))
}

/// An unknown that counts as denied is kept as a denial: the rule tells that none bound.
fn denied(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Unknown | Verdict::Deny => Verdict::Deny,
        Verdict::Permit => Verdict::Permit,
        Verdict::Redact(paths) => Verdict::Redact(paths),
    }
}

/// Redacts, maps and seals.
fn make(
    rules: &ChannelRules,
    to: &DestinationRules,
    redacted: &[Arc<str>],
    shared: &mut Shared<'_>,
    around: &mut Surroundings<'_>,
) -> Result<Body, Fault> {
    let mut content = shared.parsed.content.clone();
    if !redacted.is_empty() {
        content = consent::redact(content, redacted)?;
    }
    if let Some(mapping) = &to.mapping {
        let begin = (around.monotonic)();
        if to.seal.is_empty() {
            // Nobody looks into it again: it is written as it leaves.
            let mapped = mapping.write(&content, &rules.site);
            let took = (around.monotonic)().saturating_sub(begin);
            return note_mapped(mapped, to, took, shared);
        }
        let mapped = mapping.run(&content, &rules.site);
        let took = (around.monotonic)().saturating_sub(begin);
        content = note_mapped(mapped, to, took, shared)?;
    }
    if !to.seal.is_empty() {
        content = encrypt((&rules.name, to), content, shared, around)?;
    }
    match (&to.recode, &content) {
        (Some(recode), Content::Hl7(message)) => {
            Ok(Body { kind: ContentKind::Hl7, bytes: recode.write(message)? })
        }
        _ => Ok(content.to_body()),
    }
}

/// Tells the trail of a mapping run, and gives what it made.
fn note_mapped<C>(
    mapped: Result<Mapped<C>, Fault>,
    to: &DestinationRules,
    took: Duration,
    shared: &mut Shared<'_>,
) -> Result<C, Fault> {
    shared.step(Stage::Map, Some(to), took);
    let mapped = mapped?;
    shared.note(format!("{} values, {} fields unused", mapped.values, mapped.unused));
    shared.left.unused += mapped.unused as u64;
    shared.left.unmapped.extend(mapped.unmapped);
    if let Some(step) = shared.trail.steps.last_mut() {
        step.warnings = mapped.warnings.iter().take(WARNINGS_MAX).map(warning).collect();
    }
    Ok(mapped.content)
}

/// Most warnings kept of one mapping run: a message with a thousand results that all lack
/// a code says the same thing a thousand times.
const WARNINGS_MAX: usize = 32;

fn warning(fault: &Fault) -> Arc<str> {
    match &fault.place().path {
        Some(path) => format!("{} {path}", fault.code()).into(),
        None => fault.code().as_str().into(),
    }
}

fn encrypt(
    (channel, to): (&ChannelName, &DestinationRules),
    content: Content,
    shared: &mut Shared<'_>,
    around: &mut Surroundings<'_>,
) -> Result<Content, Fault> {
    let Some(keyring) = around.keyring else {
        return Err(Fault::new(W9001).because("a channel with `[[encrypt]]` runs without keys"));
    };
    let begin = (around.monotonic)();
    let sealed = seal::apply(&to.seal, keyring, shared.arrival.id, content, around.entropy);
    shared.step(Stage::Encrypt, Some(to), (around.monotonic)().saturating_sub(begin));
    let (content, paths) = sealed?;
    shared.note(format!("{} values sealed", paths.len()));
    let subject = audit::Subject::delivery(shared.arrival.id, channel, &to.name);
    shared.leaves.push(audit::message_sealed(around.now, subject, &paths));
    Ok(content)
}

/// Makes the body for one destination anew from the original, with the rules of now: for
/// a release, a replay through the mapping of now, or a redaction that came later.
///
/// Gives the fate and the leaves of the decision. The condition `when` is asked again.
///
/// # Errors
/// The parser's fault, or that of reading consents.
pub fn remake(
    rules: &ChannelRules,
    to: &DestinationRules,
    record: &MessageRecord,
    around: &mut Surroundings<'_>,
) -> Result<(Fate, Vec<Leaf>), Fault> {
    let original = &record.original;
    if record.fault.as_ref().is_some_and(|fault| *fault.code == *W2052.as_str()) {
        // Half of a message would look like a whole one.
        return Err(batch::incomplete());
    }
    let parsed = super::parse_as(original.kind, original.bytes.clone(), rules.charset)?;
    let arrival = Arrival {
        id: record.id,
        received: record.received,
        peer: record.peer.clone(),
        parent: record.parent,
        bytes: record.original.bytes.clone(),
        message_type: None,
    };
    let mut shared = Shared::new(&arrival, &parsed);
    let fate = prepare(rules, to, &mut shared, around)?;
    Ok((fate, shared.leaves))
}
