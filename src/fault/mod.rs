//! What went wrong, where, why it matters and what to do: [`Fault`], its [`Code`]s and
//! the drawing of diagnostics.
//!
//! A fault names places, never values: cause texts come from our own words or from
//! errors of [`Quiet`] types, whose display holds no message content.

mod class;
mod code;
pub mod codes;
mod draw;
mod place;
mod problems;

use std::borrow::Cow;
use std::fmt;

pub use class::Class;
pub use code::{Code, Row};
pub use draw::{DrawStyle, draw};
pub use place::{FilePlace, Place};
pub use problems::{Problem, Problems, Severity};

/// Error types whose `Display` never holds message content, so that it may be shown.
///
/// Implemented on purpose, type by type; parsers of message content (JSON, XML) are left
/// out because their errors quote what they read.
pub trait Quiet: fmt::Display {}

impl Quiet for std::io::Error {}
impl Quiet for std::num::ParseIntError {}
impl Quiet for std::net::AddrParseError {}
impl Quiet for std::str::Utf8Error {}
#[cfg(feature = "engine")]
impl Quiet for rustls::Error {}
#[cfg(feature = "engine")]
impl Quiet for hyper::Error {}

/// One thing that went wrong: a code, a place, a cause, a class and a remedy.
///
/// Small to move (one pointer), so that `Result<T, Fault>` costs nothing when all is well.
#[derive(Clone, PartialEq, Eq)]
pub struct Fault(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    code: Code,
    class: Class,
    place: Place,
    cause: Option<Cow<'static, str>>,
    remedy: Option<Cow<'static, str>>,
}

impl Fault {
    /// Makes a fault of the code's own class, without place or cause.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self(Box::new(Inner {
            code,
            class: code.row().class,
            place: Place::default(),
            cause: None,
            remedy: None,
        }))
    }

    /// Sets or completes the place; what the fault already knows of it stays.
    #[must_use]
    pub fn at(mut self, place: impl Into<Place>) -> Self {
        self.0.place.merge(place.into());
        self
    }

    /// Gives it another path: the same place as its reader knows it, such as that of an
    /// element in a Bundle.
    #[must_use]
    pub fn seen_at(mut self, path: impl Into<std::sync::Arc<str>>) -> Self {
        self.0.place.path = Some(path.into());
        self
    }

    /// Names the file in which it happened; line and column stay, where a reader that knew
    /// no name has found them.
    #[must_use]
    pub fn in_file(mut self, name: impl Into<std::sync::Arc<str>>) -> Self {
        match &mut self.0.place.file {
            Some(place) => place.file = name.into(),
            none => none.clone_from(&Place::file(name).file),
        }
        self
    }

    /// Gives the cause in our own words: lower case, no period, never a value of a message.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Cow<'static, str>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Takes the cause from an error that is safe to show.
    #[must_use]
    pub fn caused_by<E: Quiet>(mut self, error: E) -> Self {
        self.0.cause = Some(Cow::Owned(error.to_string()));
        self
    }

    /// Says what to type or change, instead of the code's own remedy.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<Cow<'static, str>>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// Changes the class where the circumstances tell more than the code.
    #[must_use]
    pub fn class_of(mut self, class: Class) -> Self {
        self.0.class = class;
        self
    }

    /// The code, such as `W2104`.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What should happen because of it.
    #[must_use]
    pub fn class(&self) -> Class {
        self.0.class
    }

    /// Where it happened.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// The cause, where one is known.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// What to do: the fault's own remedy, else the code's.
    #[must_use]
    pub fn help(&self) -> &str {
        self.0.remedy.as_deref().unwrap_or(self.0.code.row().remedy)
    }

    /// One line for people: `W2104: a required field is empty (PID-3): cause`.
    #[must_use]
    pub fn line(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.code.row().phrase)?;
        if !self.0.place.is_empty() {
            write!(f, " ({})", self.0.place)?;
        }
        if let Some(cause) = &self.0.cause {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;
    use codes::W9001;

    #[test]
    fn shows_code_place_and_cause_in_one_line() {
        let fault = Fault::new(W9001).at(Place::path("PID-3")).because("seen in a test");
        assert_eq!(
            fault.line(),
            "W9001: weir met a condition it holds to be impossible (PID-3): seen in a test"
        );
        assert_eq!(format!("{fault:?}"), fault.line());
    }

    #[test]
    fn place_is_completed_not_replaced() {
        let fault = Fault::new(W9001).at(Place::path("PID-3")).at(Place::channel("adt"));
        assert_eq!(fault.place().to_string(), "adt: PID-3");
    }
}
