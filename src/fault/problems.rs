//! Every problem of a run, reported at once.

use super::Fault;
use super::codes::{W1001, W1004, W1005};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// Works, but likely not as meant; `--deny warnings` makes it an error.
    Warning,
    /// Refused.
    Error,
}

impl Severity {
    /// The word for it in diagnostics and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A fault found while checking, and how bad it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// What and where.
    pub fault: Fault,
}

/// Collects the problems of a run, so that one mistake does not hide the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Starts with none.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an error.
    pub fn error(&mut self, fault: Fault) {
        self.0.push(Problem { severity: Severity::Error, fault });
    }

    /// Adds a warning.
    pub fn warning(&mut self, fault: Fault) {
        self.0.push(Problem { severity: Severity::Warning, fault });
    }

    /// Adds a note.
    pub fn note(&mut self, fault: Fault) {
        self.0.push(Problem { severity: Severity::Note, fault });
    }

    /// Adds the error of a result and keeps its value.
    pub fn take<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.error(fault)).ok()
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Leaves out those that do not count.
    pub fn retain(&mut self, counts: impl FnMut(&Problem) -> bool) {
        self.0.retain(counts);
    }

    /// Those found so far, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// Number found so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any is at least this bad.
    #[must_use]
    pub fn any(&self, least: Severity) -> bool {
        self.0.iter().any(|problem| problem.severity >= least)
    }

    /// Puts them in order of file and position, those without a file first. Mistakes that
    /// keep a file from being read come before what else is wrong in it, since they may be
    /// the cause.
    pub fn sort(&mut self) {
        self.0.sort_by_key(|problem| {
            let later = ![W1001, W1004, W1005].contains(&problem.fault.code());
            let file = problem.fault.place().file.as_ref();
            file.map(|f| (f.file.clone(), later, f.span.start))
        });
    }
}
