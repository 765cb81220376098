//! What headers say that matter to FHIR: versions (ETag), preferences, status names.

use std::fmt;
use std::sync::Arc;

use super::Id;
use crate::base::Timestamp;
use crate::fault::Fault;
use crate::fault::codes::W2324;

/// Most entity tags of one condition: a client holds one version, a cache a few.
const TAGS_MAX: usize = 32;

/// Longest header that is read here.
const HEADER_BYTES_MAX: usize = 4 << 10;

/// The versions that a condition names: `W/"3"`, or `*` for any.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Tags {
    /// Any version: the resource exists.
    Any,
    /// One of these.
    Of(Vec<Id>),
}

impl Tags {
    /// Reads `If-Match` or `If-None-Match`. A strong tag and one without quotes count as
    /// weak ones: clients write all three.
    ///
    /// # Errors
    /// `W2324` for anything else.
    ///
    /// Source: FHIR R4 http.html#versionaware; RFC 9110 §8.8.3.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let wrong = || Fault::new(W2324).because("an entity tag is not like `W/\"3\"`");
        let text = text.trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        if text.len() > HEADER_BYTES_MAX {
            return Err(wrong());
        }
        let mut tags = Vec::new();
        for part in text.split(',') {
            tags.push(version(part.trim()).ok_or_else(wrong)?);
        }
        if tags.len() > TAGS_MAX {
            return Err(wrong());
        }
        Ok(Self::Of(tags))
    }

    /// Whether a version is among them.
    #[must_use]
    pub fn names(&self, version: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Of(versions) => versions.iter().any(|own| own.as_str() == version),
        }
    }
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Of(versions) => {
                for (place, version) in versions.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}{}", etag(version.as_str()))?;
                }
                Ok(())
            }
        }
    }
}

/// The version that an entity tag names: `3` of `W/"3"`.
#[must_use]
pub fn version(tag: &str) -> Option<Id> {
    let text = tag.strip_prefix("W/").unwrap_or(tag);
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match quoted {
        Some(inner) => Id::parse(inner),
        None if tag.starts_with("W/") => None,
        None => Id::parse(text),
    }
}

/// The entity tag of a version: `W/"3"`.
#[must_use]
pub fn etag(version: &str) -> String {
    format!("W/\"{version}\"")
}

/// What an answer to a write holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Return {
    /// Nothing but headers.
    Minimal,
    /// The resource as it stands now.
    Representation,
    /// An OperationOutcome.
    Outcome,
}

/// What a client would like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Prefer {
    /// What the answer to a write holds; `None`: as the server likes.
    pub returns: Option<Return>,
    /// An answer at once, and the result later at an address.
    pub respond_async: bool,
    /// Whether unknown search parameters are an error (`true`) or passed over (`false`);
    /// `None`: as the server likes.
    pub strict: Option<bool>,
}

impl Prefer {
    /// Reads `Prefer`; what is unknown is passed over, as the header asks.
    ///
    /// Source: RFC 7240; FHIR R4 http.html#ops, search.html#errors, async.html.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut prefer = Self::default();
        let text = text.get(..text.len().min(HEADER_BYTES_MAX)).unwrap_or_default();
        for part in text.split([',', ';']) {
            let part = part.trim();
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"');
            match (&*name.trim().to_ascii_lowercase(), &*value.to_ascii_lowercase()) {
                ("return", "minimal") => prefer.returns = Some(Return::Minimal),
                ("return", "representation") => prefer.returns = Some(Return::Representation),
                ("return", "operationoutcome") => prefer.returns = Some(Return::Outcome),
                ("respond-async", _) => prefer.respond_async = true,
                ("handling", "strict") => prefer.strict = Some(true),
                ("handling", "lenient") => prefer.strict = Some(false),
                _ => {}
            }
        }
        prefer
    }
}

/// Reads the date of `If-Modified-Since`, or the instant of a Bundle entry.
///
/// # Errors
/// `W2324` when it is neither.
///
/// Source: RFC 9110 §5.6.7.
pub(super) fn date(text: &str) -> Result<Timestamp, Fault> {
    let http = || jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp());
    let found = Timestamp::parse(text)
        .or_else(|| http().map(|at| Timestamp::from_micros(at.as_microsecond())));
    found.ok_or_else(|| Fault::new(W2324).because("a date cannot be read"))
}

/// A date as HTTP headers have it: `Fri, 02 Jan 2026 03:04:05 GMT`.
///
/// Source: RFC 9110 §5.6.7.
#[must_use]
pub fn http_date(at: Timestamp) -> String {
    at.to_jiff().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The name of a status, empty for those that FHIR has no use for.
#[must_use]
pub const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "",
    }
}

/// A status as `Bundle.entry.response.status` has it: `201 Created`.
#[must_use]
pub fn status_line(status: u16) -> Arc<str> {
    format!("{status} {}", reason(status)).trim_end().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_and_written() {
        let check = |text: &str, expected: Option<&str>| {
            let found = Tags::parse(text).ok().map(|tags| tags.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("W/\"3\"", Some("W/\"3\""));
        check("\"3\"", Some("W/\"3\""));
        check("3", Some("W/\"3\""));
        check(" W/\"a.b-1\" , \"2\"", Some("W/\"a.b-1\", W/\"2\""));
        check("*", Some("*"));
        for bad in ["", "W/3", "W/\"", "\"\"", "W/\"a b\"", "W/\"1\",", "w/\"1\"", "\"..\"", "é"] {
            check(bad, None);
        }
        check(&"1,".repeat(TAGS_MAX + 1), None);
        assert!(Tags::Any.names("1") && Tags::parse("\"2\"").unwrap().names("2"));
        assert!(!Tags::parse("\"2\"").unwrap().names("20"));
    }

    #[test]
    fn preferences_are_read_past_what_is_unknown() {
        let check = |text: &str, returns, respond_async, strict| {
            assert_eq!(Prefer::parse(text), Prefer { returns, respond_async, strict }, "{text}");
        };
        check("", None, false, None);
        check("return=minimal", Some(Return::Minimal), false, None);
        check("RETURN=Representation; x=1", Some(Return::Representation), false, None);
        check("respond-async, handling=strict", None, true, Some(true));
        check(
            "return=\"OperationOutcome\",handling=lenient",
            Some(Return::Outcome),
            false,
            Some(false),
        );
        check("return=all, wait=5, é", None, false, None);
    }

    #[test]
    fn dates_are_those_of_http() {
        let at = date("Fri, 02 Jan 2026 03:04:05 GMT").unwrap();
        assert_eq!(at, date("2026-01-02T03:04:05Z").unwrap());
        assert_eq!(http_date(at), "Fri, 02 Jan 2026 03:04:05 GMT");
        assert_eq!(date("yesterday").unwrap_err().code(), W2324);
        assert_eq!((&*status_line(412), &*status_line(299)), ("412 Precondition Failed", "299"));
    }
}
