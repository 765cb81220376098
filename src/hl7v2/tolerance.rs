//! Deviations of a message that were read past without losing a byte.
//!
//! Reading notes each; whether a channel takes a message that has one is the channel's to
//! say: its `tolerance` names those it reads past.

use std::fmt;

use super::message::Message;
use super::scan::{Entry, SegmentId};
use crate::fault::codes::W2008;
use crate::fault::{Fault, Place};

/// One kind of deviation that was tolerated while a message was indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tolerance {
    /// A UTF-8 byte order mark stood before MSH.
    ByteOrderMark,
    /// Blank lines or spaces stood before MSH.
    LeadingBlank,
    /// Text that is no segment stood before MSH.
    LeadingText,
    /// Segments ended with LF instead of CR.
    LineFeed,
    /// Segments ended with CR LF.
    CarriageReturnLineFeed,
    /// The last segment had no terminator.
    NoFinalTerminator,
    /// A line feed stood inside a field and was kept as text.
    LineFeedInText,
    /// Blank lines stood between segments or after the last.
    BlankLine,
    /// The name of the header was in lower case: `msh`.
    LowerCaseHeader,
    /// A segment name was in lower case.
    LowerCaseName,
    /// A line between segments had no segment name.
    UnnamedSegment,
    /// Lines without a segment name stood after the last segment.
    TrailingText,
    /// A segment ended with field separators that nothing follows.
    TrailingDelimiters,
    /// MSH-1 or MSH-2 declared other delimiters than `|^~\&`.
    OtherDelimiters,
    /// MSH-2 declared fewer than four encoding characters.
    FewDelimiters,
    /// MSH-2 declared more than five encoding characters.
    ManyDelimiters,
    /// MSH-2 declared a truncation character in a version before 2.7.
    EarlyTruncation,
    /// MSH-2 doubled the backslash: `^~\\&`.
    DoubledEscape,
}

/// What the table says of one kind.
struct Row {
    kind: Tolerance,
    name: &'static str,
    /// Whether a channel reads past it unless told otherwise.
    is_usual: bool,
    /// Whether the operator should hear of it; some are so common that a warning each would
    /// hide the rest.
    is_notable: bool,
    phrase: &'static str,
}

const fn row(
    kind: Tolerance,
    name: &'static str,
    is_usual: bool,
    is_notable: bool,
    phrase: &'static str,
) -> Row {
    Row { kind, name, is_usual, is_notable, phrase }
}

use Tolerance as T;

/// Every kind, in order of their bits.
const ROWS: [Row; 18] = [
    row(T::ByteOrderMark, "byte-order-mark", true, true, "a byte order mark stands before MSH"),
    row(T::LeadingBlank, "leading-blank", true, true, "blanks stand before MSH"),
    row(T::LeadingText, "leading-text", false, true, "text stands before MSH"),
    row(T::LineFeed, "lf", true, true, "segments end with LF"),
    row(T::CarriageReturnLineFeed, "crlf", true, false, "segments end with CR LF"),
    row(T::NoFinalTerminator, "no-final-cr", true, false, "the last segment has no terminator"),
    row(T::LineFeedInText, "lf-in-text", true, true, "a field holds a bare line feed"),
    row(T::BlankLine, "blank-line", true, false, "blank lines stand between segments"),
    row(T::LowerCaseHeader, "lower-case-msh", false, true, "`MSH` is in lower case"),
    row(T::LowerCaseName, "lower-case-name", true, true, "a segment name is in lower case"),
    row(T::UnnamedSegment, "unnamed-segment", true, true, "a line has no segment name"),
    row(T::TrailingText, "trailing-text", true, true, "text follows the last segment"),
    row(
        T::TrailingDelimiters,
        "trailing-delimiters",
        true,
        false,
        "a segment ends with field separators that nothing follows",
    ),
    row(
        T::OtherDelimiters,
        "other-delimiters",
        true,
        false,
        "MSH declares other delimiters than the usual ones",
    ),
    row(
        T::FewDelimiters,
        "few-delimiters",
        true,
        true,
        "MSH-2 declares fewer than four encoding characters",
    ),
    row(
        T::ManyDelimiters,
        "many-delimiters",
        false,
        true,
        "MSH-2 declares more than five encoding characters",
    ),
    row(
        T::EarlyTruncation,
        "early-truncation",
        true,
        true,
        "MSH-2 declares a truncation character, which 2.7 brought, in an earlier version",
    ),
    row(T::DoubledEscape, "doubled-escape", true, true, "MSH-2 doubles the backslash"),
];

impl Tolerance {
    /// All kinds, in order of their bits.
    pub const ALL: [Self; ROWS.len()] = {
        let mut all = [Self::ByteOrderMark; ROWS.len()];
        let mut at = 0;
        while at < ROWS.len() {
            all[at] = ROWS[at].kind;
            // The table is read by place.
            assert!(ROWS[at].kind as usize == at);
            at += 1;
        }
        all
    };

    /// The kind of a name in settings.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.name == name).map(|row| row.kind)
    }

    /// Its name in settings, metrics and trails, such as `no-final-cr`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        ROWS[self as usize].name
    }

    /// Whether a channel reads past it unless its settings say otherwise. The others change
    /// what a message means when the guess is wrong.
    #[must_use]
    pub const fn is_usual(self) -> bool {
        ROWS[self as usize].is_usual
    }

    /// Whether the operator should hear of it; CR LF, a missing last CR and blank lines
    /// are so common that a warning each would hide the rest.
    #[must_use]
    pub const fn is_notable(self) -> bool {
        ROWS[self as usize].is_notable
    }

    /// A phrase for logs and answers: lower case at the begin, no period.
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        ROWS[self as usize].phrase
    }

    /// Its bit.
    const fn bit(self) -> u32 {
        1 << (self as u32)
    }
}

/// A set of deviations: those of one message, or those that a channel reads past.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Tolerances(u32);

impl Tolerances {
    /// None: the letter of the standard.
    pub const NONE: Self = Self(0);

    /// Every kind.
    pub const ALL: Self = Self((1 << ROWS.len()) - 1);

    /// What channels read past unless told otherwise: all but the kinds where reading on is
    /// a guess.
    pub const USUAL: Self = {
        let mut bits = 0;
        let mut at = 0;
        while at < ROWS.len() {
            if ROWS[at].is_usual {
                bits |= ROWS[at].kind.bit();
            }
            at += 1;
        }
        Self(bits)
    };

    /// Adds a kind.
    pub const fn insert(&mut self, kind: Tolerance) {
        self.0 |= kind.bit();
    }

    /// Takes a kind away.
    pub const fn remove(&mut self, kind: Tolerance) {
        self.0 &= !kind.bit();
    }

    /// Whether a kind is in the set.
    #[must_use]
    pub const fn contains(self, kind: Tolerance) -> bool {
        self.0 & kind.bit() != 0
    }

    /// The kinds of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The kinds that are not in the other set.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the message was without deviation.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Tolerance> {
        Tolerance::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

/// The names, separated by `, `.
impl fmt::Display for Tolerances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, kind) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            f.write_str(kind.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Tolerances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Message {
    /// Checks that nothing was read past but what is allowed.
    ///
    /// # Errors
    /// `W2008` with the place of the first deviation that is not, and its name.
    pub fn check_tolerances(&self, allowed: Tolerances) -> Result<(), Fault> {
        let beyond = self.tolerances().without(allowed);
        let Some(kind) = beyond.iter().next() else { return Ok(()) };
        let cause = format!("{} (`{}`)", kind.phrase(), kind.name());
        Err(Fault::new(W2008).at(Place::path(self.place_of(kind))).because(cause))
    }

    /// Path of the segment or field in which a deviation was read past.
    #[must_use]
    pub fn place_of(&self, kind: Tolerance) -> String {
        use Tolerance as T;
        match kind {
            T::ByteOrderMark | T::LeadingBlank | T::LeadingText | T::LowerCaseHeader => {
                return "MSH".to_owned();
            }
            T::OtherDelimiters
            | T::FewDelimiters
            | T::ManyDelimiters
            | T::EarlyTruncation
            | T::DoubledEscape => return "MSH-2".to_owned(),
            T::LineFeed
            | T::CarriageReturnLineFeed
            | T::NoFinalTerminator
            | T::LineFeedInText
            | T::BlankLine
            | T::LowerCaseName
            | T::UnnamedSegment
            | T::TrailingText
            | T::TrailingDelimiters => {}
        }
        let entries = &self.base.entries;
        let bytes = &self.base.bytes;
        let shows = |at: usize, entry: &Entry| {
            let raw = &bytes[entry.start as usize..entry.end as usize];
            let next = entries.get(at + 1).map_or(bytes.len(), |next| next.start as usize);
            let end = &bytes[entry.end as usize..next];
            match kind {
                T::LineFeed => end.first() == Some(&b'\n'),
                T::CarriageReturnLineFeed => end.starts_with(b"\r\n"),
                T::NoFinalTerminator => end.is_empty(),
                T::LineFeedInText => raw.contains(&b'\n'),
                T::BlankLine => end.len() > 1 + usize::from(end.starts_with(b"\r\n")),
                T::LowerCaseName => raw.iter().take(3).any(u8::is_ascii_lowercase),
                T::UnnamedSegment => entry.id == SegmentId::NONE,
                T::TrailingText => entries[at..].iter().all(|e| e.id == SegmentId::NONE),
                _ => raw.last() == Some(&self.base.delimiters.field),
            }
        };
        let found = entries.iter().enumerate().position(|(at, entry)| shows(at, entry));
        // A line without a name is told by the segment before it.
        let named = |at: usize| entries[..=at].iter().rposition(|e| e.id != SegmentId::NONE);
        let Some(at) = found.and_then(named) else { return "MSH".to_owned() };
        let id = entries[at].id;
        let nth = entries[..=at].iter().filter(|e| e.id == id).count();
        if nth > 1 { format!("{}[{nth}]", id.as_str()) } else { id.as_str().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_name_of_its_own_and_a_phrase() {
        for kind in Tolerance::ALL {
            assert_eq!(Tolerance::named(kind.name()), Some(kind));
            let plain = |b: u8| b.is_ascii_lowercase() || b == b'-';
            assert!(kind.name().bytes().all(plain), "{}", kind.name());
            assert!(!kind.phrase().ends_with('.') && kind.phrase().len() < 80, "{kind:?}");
        }
        assert_eq!(Tolerance::named("anything"), None);
    }

    #[test]
    fn the_handbook_lists_each_kind() {
        let handbook = include_str!("../../docs/operators.md");
        for kind in Tolerance::ALL {
            let usual = if kind.is_usual() { "yes" } else { "no" };
            let line = format!("| `{}` | {usual} | {} |", kind.name(), kind.phrase());
            assert!(handbook.contains(&line), "docs/operators.md lacks: {line}");
        }
    }

    #[test]
    fn sets_are_added_and_taken_away() {
        let mut set = Tolerances::NONE;
        set.insert(Tolerance::LineFeed);
        set.insert(Tolerance::DoubledEscape);
        assert_eq!(set.to_string(), "lf, doubled-escape");
        assert_eq!(set.without(Tolerances::ALL), Tolerances::NONE);
        set.remove(Tolerance::LineFeed);
        assert_eq!(set.to_string(), "doubled-escape");
        assert_eq!(set.union(Tolerances::NONE), set);
        assert_eq!(Tolerances::ALL.iter().count(), Tolerance::ALL.len());
        assert_eq!(
            Tolerances::ALL.without(Tolerances::USUAL).to_string(),
            "leading-text, lower-case-msh, many-delimiters"
        );
    }
}
