//! The class of a fault, which drives what the engine does about it.

/// What should happen because of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Worth trying again by itself.
    Transient,
    /// Trying again changes nothing: dead letter or refusal.
    Permanent,
    /// Stops until a person acts, and raises an alert.
    Operator,
    /// A fault of weir itself: keep running; the command line exits with 70.
    Bug,
}

impl Class {
    /// The word for it in logs and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Operator => "operator",
            Self::Bug => "bug",
        }
    }
}
