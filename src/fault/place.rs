//! Where a fault happened.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A place in a text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlace {
    /// Path as the user would type it, relative to the configuration root.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Byte range in the file, end exclusive; may be empty.
    pub span: Range<usize>,
}

impl FilePlace {
    /// Finds line and column of a byte range in the text of a file.
    #[must_use]
    pub fn find(file: impl Into<Arc<str>>, text: &str, span: Range<usize>) -> Self {
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &text[..start];
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        Self {
            file: file.into(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            span,
        }
    }
}

/// Where a fault happened: any of a file, a path in a message, a channel and a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// File, line and column.
    pub file: Option<FilePlace>,
    /// HL7 or FHIR path, such as `PID-3` or `Patient.birthDate`.
    pub path: Option<Arc<str>>,
    /// Channel name.
    pub channel: Option<Arc<str>>,
    /// Destination name.
    pub destination: Option<Arc<str>>,
}

impl Place {
    /// A path in a message.
    #[must_use]
    pub fn path(path: impl Into<Arc<str>>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// A channel.
    #[must_use]
    pub fn channel(name: impl Into<Arc<str>>) -> Self {
        Self { channel: Some(name.into()), ..Self::default() }
    }

    /// A destination of a channel.
    #[must_use]
    pub fn destination(channel: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { channel: Some(channel.into()), destination: Some(name.into()), ..Self::default() }
    }

    /// A file as a whole, where no line is known.
    #[must_use]
    pub fn file(file: impl Into<Arc<str>>) -> Self {
        let file = FilePlace { file: file.into(), line: 1, column: 1, span: 0..0 };
        Self { file: Some(file), ..Self::default() }
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Fills in what is not known yet from `other`.
    pub fn merge(&mut self, other: Self) {
        self.file = self.file.take().or(other.file);
        self.path = self.path.take().or(other.path);
        self.channel = self.channel.take().or(other.channel);
        self.destination = self.destination.take().or(other.destination);
    }
}

impl From<FilePlace> for Place {
    fn from(file: FilePlace) -> Self {
        Self { file: Some(file), ..Self::default() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        if let Some(file) = &self.file {
            write!(f, "{}:{}:{}", file.file, file.line, file.column)?;
            gap = ": ";
        }
        if let Some(channel) = &self.channel {
            write!(f, "{gap}{channel}")?;
            gap = ": ";
        }
        if let Some(destination) = &self.destination {
            write!(f, "{}{destination}", if self.channel.is_some() { "/" } else { gap })?;
            gap = ": ";
        }
        if let Some(path) = &self.path {
            write!(f, "{gap}{path}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_and_column_count_characters_from_one() {
        let check = |text: &str, at: usize, line: u32, column: u32| {
            let place = FilePlace::find("f", text, at..at);
            assert_eq!((place.line, place.column), (line, column), "{text:?} at {at}");
        };
        check("", 0, 1, 1);
        check("ab\ncd", 0, 1, 1);
        check("ab\ncd", 4, 2, 2);
        check("é=1", 3, 1, 3);
        check("ab", 99, 1, 3);
    }
}
