//! What is answered: a status, headers and a body, in the form that was asked for.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    VARY,
};
use hyper::{Response, StatusCode};

use super::content::Form;
use super::gzip;
use crate::fault::Fault;
use crate::fhir::resources::outcome;
use crate::fhir::rest::Refused;
use crate::fhir::{Doc, is_xml};

/// Smallest body that is compressed: below, gzip saves less than a packet.
const GZIP_BYTES_MIN: usize = 1 << 10;

/// An answer to a request.
#[derive(Debug)]
pub(in crate::source) struct Reply {
    pub status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// FHIR JSON; empty where there is none. Patient data: masked by [`Bytes`] being inside.
    body: Body,
}

/// A body that `Debug` shows the length of.
struct Body(Bytes);

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<phi {} B>", self.0.len())
    }
}

/// An answer, or one that says why not.
pub(in crate::source) type Answered = Result<Reply, Box<Reply>>;

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::source) struct Manner {
    pub form: Form,
    /// Whether the client reads gzip.
    pub gzip: bool,
    /// Whether only the head is asked for.
    pub head: bool,
}

impl Reply {
    /// A status without a body.
    pub(in crate::source) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body(Bytes::new()) }
    }

    /// A resource.
    pub(in crate::source) fn doc(status: u16, doc: &Doc) -> Self {
        Self::json(status, doc.to_json())
    }

    /// A resource that is JSON already.
    pub(in crate::source) fn json(status: u16, body: Bytes) -> Self {
        Self { body: Body(body), ..Self::empty(status) }
    }

    /// An OperationOutcome that tells of faults.
    pub(in crate::source) fn outcome(status: u16, faults: &[Fault]) -> Self {
        Self::doc(status, &outcome(faults))
    }

    /// An OperationOutcome that tells of one fault, as a refusal.
    pub(in crate::source) fn refusal(status: u16, fault: Fault) -> Box<Self> {
        Box::new(Self::outcome(status, &[fault]))
    }

    /// Adds a header; a value that cannot be one is left out.
    #[must_use]
    pub(in crate::source) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Adds headers.
    #[must_use]
    pub(in crate::source) fn with_all(
        mut self,
        headers: impl Iterator<Item = (HeaderName, HeaderValue)>,
    ) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Asks the client to come again.
    #[must_use]
    pub(in crate::source) fn again_after(self, wait: Duration) -> Self {
        self.with(RETRY_AFTER, &wait.as_secs().max(1).to_string())
    }

    /// The resource in its body.
    pub(in crate::source) fn resource(&self) -> Option<Doc> {
        Doc::parse_json(self.body.0.clone()).ok()
    }

    /// The value of a header.
    pub(in crate::source) fn header(&self, name: &HeaderName) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.and_then(|(_, value)| value.to_str().ok())
    }

    /// With a resource in place of its body.
    #[must_use]
    pub(in crate::source) fn saying(self, doc: &Doc) -> Self {
        Self { body: Body(doc.to_json()), ..self }
    }

    /// Without its body.
    #[must_use]
    pub(in crate::source) fn minimal(self) -> Self {
        Self { body: Body(Bytes::new()), ..self }
    }

    /// Writes it.
    pub(in crate::source) fn write(self, manner: Manner) -> Response<Full<Bytes>> {
        let Self { status, headers, body: Body(json) } = self;
        let (body, form) = match (manner.form, json.is_empty()) {
            (Form::Json, _) | (_, true) => (json, Form::Json),
            (Form::Xml, false) => in_xml(json),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Full::new(Bytes::new()));
        *response.status_mut() = status;
        let out = response.headers_mut();
        for (name, value) in headers {
            out.append(name, value);
        }
        let body = match manner.gzip && body.len() >= GZIP_BYTES_MIN {
            true => {
                out.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                gzip::compress(&body)
            }
            false => body,
        };
        if !body.is_empty() {
            out.insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
            out.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
        }
        if status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED {
            out.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        if !manner.head {
            *response.body_mut() = Full::new(body);
        }
        response
    }
}

/// A resource in XML; one that has no form in XML stays JSON.
fn in_xml(json: Bytes) -> (Bytes, Form) {
    if is_xml(&json) {
        return (json, Form::Xml);
    }
    match Doc::parse_json(json.clone()).and_then(|doc| doc.to_xml()) {
        Ok(xml) => (xml, Form::Xml),
        Err(_) => (json, Form::Json),
    }
}

impl From<Refused> for Box<Reply> {
    fn from(refused: Refused) -> Self {
        let reply = Reply::outcome(refused.status, &[refused.fault]);
        Box::new(match refused.allow {
            "" => reply,
            allow => reply.with(ALLOW, allow),
        })
    }
}

/// The status for a message that the intake refused.
pub(in crate::source) fn status_of(fault: &Fault) -> u16 {
    use crate::fault::Class;
    match (fault.code().as_str(), fault.class()) {
        ("W2703", _) => 413,
        // The form of the text is wrong, or what it is at all.
        ("W2700" | "W2701" | "W2702" | "W2705" | "W2706" | "W2707" | "W2720" | "W2734", _) => 400,
        ("W2322" | "W2323" | "W2324" | "W2325" | "W2326" | "W2320" | "W2321" | "W2740", _) => 400,
        (code, _) if code.starts_with("W3") => 403,
        (_, Class::Permanent) => 422,
        (_, Class::Transient | Class::Operator) => 503,
        (_, Class::Bug) => 500,
    }
}

/// The status for a message that was taken and is given up at its destination: of content that
/// is refused there 422, as of content that is refused here; else that of a gateway.
///
/// Source: RFC 9110 §15.6.3 to §15.6.5.
pub(in crate::source) fn status_of_delivery(fault: &Fault) -> u16 {
    use crate::fault::Class;
    match (fault.code().as_str(), fault.class()) {
        // It did not answer in time.
        ("W7105" | "W7108" | "W7901", _) => 504,
        // What it answered cannot be used: a redirect, no FHIR, too much.
        ("W7109" | "W7110" | "W7304" | "W7308", _) => 502,
        // It is there and has trouble of its own, or calls come too fast.
        ("W7111" | "W7202" | "W7302" | "W7303", _) => 503,
        (_, Class::Permanent) => 422,
        // It cannot be reached, or does not let weir in.
        (code, Class::Transient | Class::Operator) if code.starts_with("W7") => 502,
        (_, Class::Transient | Class::Operator) => 503,
        (_, Class::Bug) => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::codes::*;

    #[test]
    fn who_waits_is_told_whose_fault_it_is() {
        let check = |status: u16, codes: &[crate::fault::Code]| {
            for code in codes {
                assert_eq!(status_of_delivery(&Fault::new(*code)), status, "{code}");
            }
        };
        check(422, &[W4101, W7102, W7201, W7203, W7205, W7305, W7600, W2336]);
        check(502, &[W7101, W7103, W7104, W7106, W7107, W7109, W7301, W7304, W7306, W7308]);
        check(503, &[W7302, W7303, W7202, W6902]);
        check(504, &[W7105, W7108, W7901]);
        check(500, &[W9001, W9002]);
    }
}
