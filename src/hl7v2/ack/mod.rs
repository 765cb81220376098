//! Acknowledgments: what a message asks for, building an answer, reading a peer's.
//!
//! Invariant: an acknowledgment never holds a value of the message but those of MSH that name
//! the parties and the control ID; MSA-2 is MSH-10 byte for byte. A response of its own holds
//! besides the question, and what a mapping makes of the message.
//! Source: HL7 v2.5.1 §2.9 and §2.15.

mod batch;
mod build;
mod plan;
mod read;
mod response;
mod table;

pub use batch::{BatchWriter, build_batch};
pub use build::{Form, build, build_as, build_unparsed};
pub use plan::{Condition, Mode, Outcome, Plan, Stage, awaited, plan};
pub use read::{Ack, AckError, read};
pub use response::{Response, answer_to, response};
pub use table::{ErrorRow, condition};

use std::fmt;

/// MSA-1, table 0008.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AckCode {
    /// Application accept.
    AA,
    /// Application error: processed and found wanting, or failed here.
    AE,
    /// Application reject: not taken on, by MSH or for a reason of ours.
    AR,
    /// Commit accept: it is on disk here.
    CA,
    /// Commit error.
    CE,
    /// Commit reject.
    CR,
}

impl AckCode {
    /// Its text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AA => "AA",
            Self::AE => "AE",
            Self::AR => "AR",
            Self::CA => "CA",
            Self::CE => "CE",
            Self::CR => "CR",
        }
    }

    /// Finds a code by its text, in any case.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        let text = text.trim();
        [Self::AA, Self::AE, Self::AR, Self::CA, Self::CE, Self::CR]
            .into_iter()
            .find(|code| code.as_str().eq_ignore_ascii_case(text))
    }

    /// Whether the message was taken.
    #[must_use]
    pub const fn is_accept(self) -> bool {
        matches!(self, Self::AA | Self::CA)
    }

    /// Whether it is a commit acknowledgment.
    #[must_use]
    pub const fn is_commit(self) -> bool {
        matches!(self, Self::CA | Self::CE | Self::CR)
    }
}

impl fmt::Display for AckCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
