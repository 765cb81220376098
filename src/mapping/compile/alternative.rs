//! Alternatives of a line, read alike whatever they make: values of FHIR or of HL7 v2.

use std::ops::Range;

use super::super::file::Text;
use super::super::pick::Pick;
use super::super::sentence::{self, Alternative as Written, Condition, Guard};
use super::path::Inside;
use super::{Compiler, Scope};
use crate::fault::codes as w;

/// An alternative where it stands.
pub(super) struct Place<'t> {
    pub text: &'t Text,
    /// Of the alternative, in the file.
    pub span: Range<usize>,
    /// Number of its line.
    pub number: u32,
}

/// `when` and `where` of an alternative, each where it was written.
#[derive(Default)]
pub(super) struct Guards {
    pub when: Option<Condition<Pick>>,
    pub filter: Option<Condition<Pick>>,
}

impl Compiler<'_> {
    /// Compiles sentences whose alternatives follow each other, by `compile` one by one; one
    /// behind another that always gives a value is a mistake.
    #[expect(clippy::type_complexity, reason = "named, it would be read in two places")]
    pub(super) fn each_alternative<T>(
        &mut self,
        texts: &[Text],
        is_certain: fn(&T) -> bool,
        compile: &mut dyn FnMut(&mut Self, &Written, Place<'_>, &[T]) -> Option<T>,
    ) -> Vec<T> {
        let mut all: Vec<T> = Vec::new();
        for text in texts {
            let sentence = match sentence::sentence(&text.text, self.form()) {
                Ok(sentence) => sentence,
                Err(wrong) => {
                    self.syntax(text, wrong);
                    continue;
                }
            };
            let number = self.line(text.span.clone());
            for written in &sentence.alternatives {
                let span = text.inside(&written.span);
                if all.last().is_some_and(is_certain) {
                    let cause = "the one before it is a fixed value without a condition";
                    self.report.error(w::W4013, &span, cause);
                }
                let one = compile(self, written, Place { text, span, number }, &all);
                all.extend(one);
            }
        }
        all
    }

    /// The conditions of an alternative; nothing where one is wrong.
    pub(super) fn guards(
        &mut self,
        written: &Written,
        text: &Text,
        scope: &Scope,
    ) -> Option<Guards> {
        let none = Guards::default();
        Some(match &written.condition {
            None => none,
            Some(Guard::When(condition)) => {
                let when = self.resolve_condition(condition, text, scope, Inside::Rule)?;
                Guards { when: Some(when), ..none }
            }
            Some(Guard::Where(condition)) => {
                let filter = self.resolve_condition(condition, text, scope, Inside::Field)?;
                Guards { filter: Some(filter), ..none }
            }
        })
    }
}
