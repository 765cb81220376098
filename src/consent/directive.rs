//! A Consent resource as a small decision program.

use std::fmt;
use std::sync::Arc;

use super::code::Match;
use super::condition::Conditions;
use super::decide::Question;
use super::facts::Item;
use super::purpose::is_kind_of;
use super::time::Range;
use crate::base::Timestamp;
use crate::message::RuleRef;

/// Deepest nesting of provisions: published examples reach 3.
pub const PROVISION_DEPTH_MAX: usize = 8;

/// Most provisions of one Consent: a form that lists every organization of a region stays
/// below, and deciding walks them all.
pub const PROVISIONS_MAX: usize = 1000;

/// What a patient says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Permit,
    Deny,
}

/// What a consent is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Who may see what.
    Privacy,
    /// Taking part in research: speaks for purposes of research only.
    Research,
    /// Treatment or advance care: says nothing about sending.
    Care,
    /// Not known: a permit by it is not taken for one.
    Other,
}

/// A rule of a consent with its exceptions.
#[derive(Clone, Debug)]
pub(super) struct Provision {
    pub rule: RuleRef,
    /// None for a root that only holds exceptions.
    pub answer: Option<Answer>,
    pub period: Range,
    pub conditions: Conditions,
    pub nested: Vec<Self>,
}

/// One Consent resource compiled to a small decision program. Cheap to clone.
#[derive(Clone)]
pub struct Directive(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub id: Arc<str>,
    pub version: u64,
    pub scope: Scope,
    /// When it was given; a permit does not hold before.
    pub issued: Option<Timestamp>,
    /// None when it does not bind: not active.
    pub root: Option<Provision>,
}

/// Shows id and version: what a patient decided is patient data.
impl fmt::Debug for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consent/{}@{} <phi>", self.0.id, self.0.version)
    }
}

/// An answer and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vote<'d> {
    pub answer: Answer,
    pub rule: &'d RuleRef,
}

/// Keeps the earliest moment at which an answer may change.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Horizon(pub Option<Timestamp>);

impl Horizon {
    fn note(&mut self, at: Option<Timestamp>) {
        self.0 = match (self.0, at) {
            (Some(own), Some(at)) => Some(own.min(at)),
            (own, at) => own.or(at),
        };
    }
}

impl Directive {
    /// `Consent.id`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// Whether it binds at all: only active consents do.
    #[must_use]
    pub fn binds(&self) -> bool {
        self.0.root.is_some()
    }

    /// Whether a newer one of the same scope speaks in its place: both bind, both say when
    /// they were given, and that moment has come. Of two of the same moment both speak.
    pub(super) fn is_superseded(
        &self,
        all: &[Self],
        now: Timestamp,
        horizon: &mut Horizon,
    ) -> bool {
        let Some(own) = self.0.issued.filter(|_| self.binds()) else { return false };
        let mut superseded = false;
        for other in all.iter().filter(|other| other.binds() && other.0.scope == self.0.scope) {
            match other.0.issued {
                Some(later) if later > now => horizon.note(Some(later)),
                Some(later) => superseded |= later > own,
                None => {}
            }
        }
        superseded
    }

    /// What it says about one item, if anything.
    pub(super) fn vote<'d>(
        &'d self,
        question: &Question<'_>,
        item: &Item,
        horizon: &mut Horizon,
    ) -> Option<Vote<'d>> {
        let root = self.0.root.as_ref()?;
        let research = || is_kind_of(question.purpose, "HRESCH");
        if self.0.scope == Scope::Care || self.0.scope == Scope::Research && !research() {
            return None;
        }
        let vote = root.vote(question, item, Match::Yes, horizon)?;
        if vote.answer == Answer::Permit {
            if self.0.scope == Scope::Other {
                return None;
            }
            if let Some(issued) = self.0.issued.filter(|issued| *issued > question.now) {
                horizon.note(Some(issued));
                return None;
            }
        }
        Some(vote)
    }
}

impl Provision {
    /// The answer of the deepest exception that applies, denials first; else its own.
    ///
    /// A permit must surely apply, a denial only possibly. Recursion is bounded by
    /// [`PROVISION_DEPTH_MAX`].
    fn vote<'d>(
        &'d self,
        question: &Question<'_>,
        item: &Item,
        outer: Match,
        horizon: &mut Horizon,
    ) -> Option<Vote<'d>> {
        let applies = outer.and(self.conditions.hold(question, item));
        if applies == Match::No {
            return None;
        }
        horizon.note(self.period.next_change(question.now));
        if !self.period.has(question.now) {
            return None;
        }
        let mut best = None;
        for nested in &self.nested {
            match nested.vote(question, item, applies, horizon) {
                Some(vote) if vote.answer == Answer::Deny => return Some(vote),
                vote => best = best.or(vote),
            }
        }
        let own = match (self.answer?, applies) {
            (Answer::Permit, Match::Unsure) => None,
            (answer, _) => Some(Vote { answer, rule: &self.rule }),
        };
        best.or(own)
    }
}
