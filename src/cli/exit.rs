//! How a command ends.

use std::process::ExitCode;

use crate::fault::{Class, Fault};

/// Exit codes, as PRODUCT lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Done = 0,
    /// A check said no: problems found, test failed, NAK, chain broken.
    No = 1,
    /// Wrong usage.
    Usage = 2,
    /// Server or peer not reachable.
    Unreachable = 3,
    /// Not allowed, or a reason or second person is missing.
    NotAllowed = 4,
    /// Only a part was done.
    Partly = 5,
    /// Not found.
    NotFound = 6,
    /// Time ran out.
    Timeout = 7,
    /// A bug in weir.
    Bug = 70,
    /// Configuration refused.
    Config = 78,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command stopped before its end.
#[derive(Debug)]
pub enum Stop {
    /// A fault to be explained; the exit code follows from it.
    Fault(Fault, Exit),
    /// A sentence to be said, and the exit code.
    Said(Exit, String),
    /// All was said already.
    Exit(Exit),
    /// The reader of our output went away, which is no mistake: `weir queue ls | head`.
    Pipe,
}

impl Stop {
    /// A fault of reading, writing or connecting on this machine.
    pub fn io(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::Pipe;
        }
        Self::Said(Exit::No, error.to_string())
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        let exit = match fault.class() {
            Class::Bug => Exit::Bug,
            Class::Transient => Exit::Unreachable,
            Class::Permanent | Class::Operator => Exit::No,
        };
        Self::Fault(fault, exit)
    }
}
