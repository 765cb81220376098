//! Media types: what a body is, and in which form the answer is wanted.
//!
//! Source: FHIR R4 http.html#mime-type, RFC 9110 §12.5.1.

use crate::fault::Fault;
use crate::fault::codes::{W2327, W2328};

/// Longest header of this kind that is read.
const HEADER_BYTES_MAX: usize = 1 << 10;

/// A form of a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::source) enum Form {
    /// JSON.
    #[default]
    Json,
    /// XML.
    Xml,
}

impl Form {
    /// Its media type.
    pub(in crate::source) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/fhir+json; charset=utf-8",
            Self::Xml => "application/fhir+xml; charset=utf-8",
        }
    }
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Media {
    /// A resource.
    Resource(Form),
    /// A resource a line.
    Ndjson,
    /// A JSON Patch.
    JsonPatch,
    /// An XML Patch.
    XmlPatch,
    /// The parameters of a search.
    Query,
}

/// Reads `Content-Type`.
///
/// # Errors
/// `W2327` for a type or character set that is not taken.
pub(in crate::source) fn media(content_type: Option<&str>) -> Result<Media, Fault> {
    let Some(text) = content_type else {
        return Err(Fault::new(W2327).because("the request does not say what its body is"));
    };
    let (name, parameters) = Parameters::of(text);
    for (parameter, value) in parameters {
        let other = match &*parameter {
            "charset" => !matches!(&*value, "utf-8" | "utf8" | "us-ascii"),
            "fhirversion" => !is_r4(&value),
            _ => false,
        };
        if other {
            return Err(Fault::new(W2327).because("only UTF-8 and FHIR 4.0 are taken"));
        }
    }
    match &*name {
        "application/fhir+json" | "application/json" | "text/json" => {
            Ok(Media::Resource(Form::Json))
        }
        "application/fhir+xml" | "application/xml" | "text/xml" => Ok(Media::Resource(Form::Xml)),
        "application/fhir+ndjson" | "application/ndjson" | "application/x-ndjson" => {
            Ok(Media::Ndjson)
        }
        "application/json-patch+json" => Ok(Media::JsonPatch),
        "application/xml-patch+xml" => Ok(Media::XmlPatch),
        "application/x-www-form-urlencoded" => Ok(Media::Query),
        _ => Err(Fault::new(W2327)),
    }
}

/// The form in which an answer is wanted: `_format` before `Accept` before `default`.
///
/// # Errors
/// `W2328` when none of the forms that there are is wanted.
pub(in crate::source) fn wanted(
    format: Option<&str>,
    accept: Option<&str>,
    default: Form,
) -> Result<Form, Fault> {
    if let Some(format) = format {
        // A plus that was not escaped has become a space.
        let format = format.replace(' ', "+");
        return form(&Parameters::of(&format).0).ok_or_else(|| Fault::new(W2328));
    }
    let Some(accept) = accept else { return Ok(default) };
    let accept = accept.get(..accept.len().min(HEADER_BYTES_MAX)).unwrap_or_default();
    let mut best: Option<(u16, Form)> = None;
    let mut any = false;
    for part in accept.split(',').filter(|part| !part.trim().is_empty()) {
        any = true;
        let (name, parameters) = Parameters::of(part);
        let mut weight = 1000;
        let mut fits = true;
        for (parameter, value) in parameters {
            match &*parameter {
                "q" => weight = quality(&value),
                "fhirversion" => fits = is_r4(&value),
                _ => {}
            }
        }
        let form = match &*name {
            "*/*" | "application/*" => Some(default),
            name => form(name),
        };
        let Some(form) = form.filter(|_| fits && weight > 0) else { continue };
        if best.is_none_or(|(least, _)| weight > least) {
            best = Some((weight, form));
        }
    }
    match best {
        Some((_, form)) => Ok(form),
        None if any => Err(Fault::new(W2328)),
        None => Ok(default),
    }
}

fn form(name: &str) -> Option<Form> {
    match name {
        "json" | "application/fhir+json" | "application/json" | "text/json" => Some(Form::Json),
        "xml" | "application/fhir+xml" | "application/xml" | "text/xml" => Some(Form::Xml),
        // Of a capability statement a client asks for `html` in vain.
        _ => None,
    }
}

fn is_r4(version: &str) -> bool {
    version == "4.0" || version.starts_with("4.0.")
}

/// Thousandths: `0.5` is 500.
fn quality(text: &str) -> u16 {
    let weight: f32 = text.parse().unwrap_or(1.0);
    // Between 0 and 1000, so that no digit is lost.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let thousandths = (weight.clamp(0.0, 1.0) * 1000.0) as u16;
    thousandths
}

/// Whether a client reads gzip.
///
/// Source: RFC 9110 §12.5.3.
pub(in crate::source) fn takes_gzip(accept_encoding: Option<&str>) -> bool {
    accept_encoding.unwrap_or_default().split(',').any(|part| {
        let (name, mut parameters) = Parameters::of(part);
        let refused = parameters.any(|(name, value)| &*name == "q" && quality(&value) == 0);
        matches!(&*name, "gzip" | "x-gzip") && !refused
    })
}

/// The parameters of a media type.
struct Parameters<'a>(std::str::Split<'a, char>);

impl<'a> Parameters<'a> {
    /// The name in small letters, and what follows it.
    fn of(text: &'a str) -> (String, Self) {
        let mut parts = text.split(';');
        let name = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        (name, Self(parts))
    }
}

impl Iterator for Parameters<'_> {
    type Item = (String, String);

    fn next(&mut self) -> Option<Self::Item> {
        let part = self.0.next()?;
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        Some((name.trim().to_ascii_lowercase(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_say_what_they_are() {
        let check = |text: &str, expected: Option<Media>| {
            assert_eq!(media(Some(text)).ok(), expected, "{text}");
        };
        check("application/fhir+json", Some(Media::Resource(Form::Json)));
        check("Application/FHIR+JSON; charset=UTF-8", Some(Media::Resource(Form::Json)));
        check("application/fhir+json;fhirVersion=4.0", Some(Media::Resource(Form::Json)));
        check("application/fhir+json; fhirVersion=5.0", None);
        check("application/json; charset=iso-8859-1", None);
        check("text/xml;charset=\"utf-8\"", Some(Media::Resource(Form::Xml)));
        check("application/fhir+ndjson", Some(Media::Ndjson));
        check("application/json-patch+json", Some(Media::JsonPatch));
        check("application/xml-patch+xml", Some(Media::XmlPatch));
        check("application/x-www-form-urlencoded", Some(Media::Query));
        for other in ["", "text/plain", "application/pdf", "json", "multipart/form-data", ";"] {
            check(other, None);
        }
        assert_eq!(media(None).unwrap_err().code(), W2327);
    }

    #[test]
    fn forms_are_negotiated() {
        let check = |format: Option<&str>, accept: Option<&str>, expected: Option<Form>| {
            assert_eq!(wanted(format, accept, Form::Json).ok(), expected, "{format:?} {accept:?}");
        };
        let (json, xml) = (Some(Form::Json), Some(Form::Xml));
        check(None, None, json);
        check(None, Some(""), json);
        check(None, Some("*/*"), json);
        check(None, Some("application/fhir+xml"), xml);
        check(None, Some("application/fhir+xml;q=0.5, application/fhir+json"), json);
        check(None, Some("application/json;q=0.1,application/xml;q=0.2"), xml);
        check(None, Some("text/html, application/xhtml+xml, */*;q=0.8"), json);
        check(None, Some("text/html"), None);
        check(None, Some("application/fhir+json;q=0"), None);
        check(None, Some("application/fhir+json; fhirVersion=3.0"), None);
        check(None, Some("application/fhir+json; fhirVersion=4.0"), json);
        check(Some("xml"), Some("application/fhir+json"), xml);
        check(Some("application/fhir xml"), None, xml);
        check(Some("application/fhir+json;fhirVersion=4.0"), None, json);
        check(Some("html"), None, None);
        assert_eq!(wanted(None, Some("*/*"), Form::Xml).unwrap(), Form::Xml);
    }

    #[test]
    fn gzip_is_asked_for() {
        for (text, expected) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("br, identity", false),
            ("*", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(Some(text)), expected, "{text}");
        }
        assert!(!takes_gzip(None));
    }
}
