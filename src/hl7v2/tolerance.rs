//! Deviations of a message that were read past without losing a byte.

use std::fmt;

/// One kind of deviation that was tolerated while a message was indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tolerance {
    /// A UTF-8 byte order mark stood before MSH.
    ByteOrderMark,
    /// Blank lines or spaces stood before MSH.
    LeadingBlank,
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
    /// A segment name was in lower case.
    LowerCaseName,
    /// A line had no segment name.
    UnnamedSegment,
    /// MSH-2 declared fewer than four encoding characters.
    FewDelimiters,
    /// MSH-2 doubled the backslash: `^~\\&`.
    DoubledEscape,
}

impl Tolerance {
    /// All kinds, in order of their bits.
    pub const ALL: [Self; 11] = [
        Self::ByteOrderMark,
        Self::LeadingBlank,
        Self::LineFeed,
        Self::CarriageReturnLineFeed,
        Self::NoFinalTerminator,
        Self::LineFeedInText,
        Self::BlankLine,
        Self::LowerCaseName,
        Self::UnnamedSegment,
        Self::FewDelimiters,
        Self::DoubledEscape,
    ];

    /// Whether the operator should hear of it; CR LF, a missing last CR and blank lines
    /// are so common that a warning each would hide the rest.
    #[must_use]
    pub const fn is_notable(self) -> bool {
        !matches!(self, Self::CarriageReturnLineFeed | Self::NoFinalTerminator | Self::BlankLine)
    }

    /// A phrase for logs: lower case, no period.
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::ByteOrderMark => "a byte order mark stands before MSH",
            Self::LeadingBlank => "blanks stand before MSH",
            Self::LineFeed => "segments end with LF",
            Self::CarriageReturnLineFeed => "segments end with CR LF",
            Self::NoFinalTerminator => "the last segment has no terminator",
            Self::LineFeedInText => "a field holds a bare line feed",
            Self::BlankLine => "blank lines stand between segments",
            Self::LowerCaseName => "a segment name is in lower case",
            Self::UnnamedSegment => "a line has no segment name",
            Self::FewDelimiters => "MSH-2 declares fewer than four encoding characters",
            Self::DoubledEscape => "MSH-2 doubles the backslash",
        }
    }
}

/// The set of deviations of one message.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Tolerances(u16);

impl Tolerances {
    /// Adds a kind.
    pub fn insert(&mut self, kind: Tolerance) {
        self.0 |= 1 << (kind as u16);
    }

    /// Whether a kind is in the set.
    #[must_use]
    pub const fn contains(self, kind: Tolerance) -> bool {
        self.0 & (1 << (kind as u16)) != 0
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

impl fmt::Debug for Tolerances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
