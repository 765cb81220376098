//! Codes of faults: `W1001` to `W9999`, each with one row of facts.

use std::fmt;

use super::{Class, codes};

/// A code of a fault. Only those with a row in [`codes`] exist; none is ever reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub(super) &'static str);

/// What is known of a code.
#[derive(Debug)]
pub struct Row {
    /// The code.
    pub code: Code,
    /// What happens because of it, unless the fault knows better.
    pub class: Class,
    /// What is wrong: one lower-case phrase without a period.
    pub phrase: &'static str,
    /// Why it matters: one or two sentences.
    pub why: &'static str,
    /// What to type or change: one sentence.
    pub remedy: &'static str,
}

impl Code {
    /// Its text, such as `W2104`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// Its row.
    #[must_use]
    pub fn row(self) -> &'static Row {
        codes::all().find(|row| row.code == self).unwrap_or(&codes::UNKNOWN)
    }

    /// Finds a code by its text, in any case: `w2104` is `W2104`.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        codes::all().map(|row| row.code).find(|code| code.0.eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
