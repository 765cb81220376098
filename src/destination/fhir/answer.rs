//! What a FHIR server's answer means.
//!
//! Of an OperationOutcome only codes and element paths are kept: its texts may quote what
//! was sent.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{ETAG, HeaderName, LAST_MODIFIED, LOCATION};

use crate::base::Timestamp;
use crate::destination::{Delivered, DeliveryError};
use crate::fault::{Class, Fault, Place, codes::*};
use crate::fhir::{self, Doc, Node};
use crate::message::{Receipt, Said};
use crate::ports::fhir::issue_of;
use crate::ports::http::{Answer, Url};

/// Longest location or path kept, in bytes.
const TEXT_BYTES_MAX: usize = 200;

/// The receipt and what a waiting sender may hear, or why there is none. Causes begin with
/// the status.
pub(super) fn judge(
    answer: &Answer,
    has_entries: bool,
    base: &Url,
    now: Timestamp,
) -> Result<Delivered, DeliveryError> {
    let status = answer.status;
    let json = answer.body.as_ref().and_then(in_json);
    let said = Box::new(Said { bundled: has_entries, ..said(answer, json.clone(), base) });
    let fail = |code| {
        let outcome = json.as_ref().and_then(|doc| issue_of(doc.root())).unwrap_or_default();
        let fault = Fault::new(code).because(outcome.cause(status));
        let fault = match outcome.path {
            Some(path) => fault.at(Place::path(path)),
            None => fault,
        };
        // What is wrong between weir and the server is not for the sender to hear of.
        let said = (code == W7102).then(|| said.clone());
        Err(DeliveryError { fault, retry_after: answer.retry_after(now), said })
    };
    match status {
        200..=299 if has_entries => {
            // Who waits hears of refused entries what the server says of each.
            let partly = |error: DeliveryError| match error.fault.code() {
                W7305 => DeliveryError { said: Some(said.clone()), ..error },
                _ => error,
            };
            let receipt = entries(answer, json, base).map_err(partly)?;
            Ok(Delivered { receipt, said: Some(said) })
        }
        200..=299 => {
            let receipt = Receipt::Http { status, locations: location(answer, base) };
            Ok(Delivered { receipt, said: Some(said) })
        }
        400 | 404 | 409 | 410 | 412 | 422 => fail(W7102),
        401 | 403 => fail(W7301),
        429 => fail(W7303),
        408 | 425 | 500..=599 => fail(W7302),
        _ => fail(W7304),
    }
}

/// A body as JSON, where it is FHIR in JSON or XML.
fn in_json(body: &Bytes) -> Option<Doc> {
    if fhir::is_xml(body) {
        return Doc::parse_xml(body.clone()).ok();
    }
    Doc::parse_json(body.clone()).ok()
}

fn said(answer: &Answer, json: Option<Doc>, base: &Url) -> Said {
    let header = |name: HeaderName| answer.headers.get(name).and_then(|v| v.to_str().ok());
    let kept = |name: HeaderName| {
        header(name).filter(|text| text.len() <= TEXT_BYTES_MAX).map(Arc::<str>::from)
    };
    Said {
        status: answer.status,
        location: header(LOCATION).and_then(|text| shorten(text, base)),
        etag: kept(ETAG),
        last_modified: kept(LAST_MODIFIED),
        body: json.map(|doc| doc.to_json()).unwrap_or_default(),
        bundled: false,
    }
}

fn location(answer: &Answer, base: &Url) -> Vec<Arc<str>> {
    let header = |name| answer.headers.get(name).and_then(|v| v.to_str().ok());
    let found = header(LOCATION).or_else(|| header(ETAG));
    found.and_then(|text| shorten(text, base)).into_iter().collect()
}

/// A location without the base of the server, or its path; `None` for what does not look like
/// one.
fn shorten(text: &str, base: &Url) -> Option<Arc<str>> {
    let below = text.strip_prefix(&base.to_string()).or_else(|| text.strip_prefix(&*base.path));
    let text = below.unwrap_or(text).trim_start_matches('/');
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/:\"".contains(&b);
    let fits = !text.is_empty() && text.len() <= TEXT_BYTES_MAX && text.bytes().all(plain);
    fits.then(|| text.into())
}

/// Looks at each entry of the answer to a transaction or batch: a batch may have refused
/// some of them. One that may be taken later counts before one that is refused for good, so
/// that it is not set aside with it.
///
/// Source: FHIR R4 http.html#transaction-response.
fn entries(answer: &Answer, json: Option<Doc>, base: &Url) -> Result<Receipt, DeliveryError> {
    let status = answer.status;
    let Some(body) = &answer.body else { return Err(Fault::new(W7308).into()) };
    let mut locations = Vec::new();
    if body.iter().all(u8::is_ascii_whitespace) {
        // Some servers answer a transaction with `return=minimal` by a bare 200.
        return Ok(Receipt::Http { status, locations });
    }
    let unreadable = || Fault::new(W7109).because(format!("{status}, but no FHIR"));
    let doc = json.ok_or_else(unreadable)?;
    let entries = doc.root().get("entry");
    let mut refused: Option<Fault> = None;
    for (index, entry) in entries.iter().flat_map(Node::items).enumerate() {
        let Some(response) = entry.get("response") else { continue };
        let code =
            response.get("status").and_then(|s| s.text()).and_then(|s| s.get(..3)?.parse().ok());
        match code {
            None | Some(200..=399) => {}
            Some(status) => {
                let fault = entry_fault(index, status, &response);
                let later = |fault: &Fault| fault.class() != Class::Permanent;
                if refused.as_ref().is_none_or(|first| later(&fault) && !later(first)) {
                    refused = Some(fault);
                }
                continue;
            }
        }
        let place = response.get("location").or_else(|| response.get("etag"));
        let place = place.and_then(|node| node.text()).and_then(|text| shorten(&text, base));
        if locations.len() < Receipt::LOCATIONS_MAX {
            locations.extend(place);
        }
    }
    match refused {
        Some(fault) => Err(fault.into()),
        None => Ok(Receipt::Http { status, locations }),
    }
}

fn entry_fault(index: usize, status: u16, response: &Node<'_>) -> Fault {
    let code = match status {
        401 | 403 => W7301,
        429 => W7303,
        408 | 425 | 500..=599 => W7302,
        _ => W7305,
    };
    let outcome = response.get("outcome").and_then(|node| issue_of(node)).unwrap_or_default();
    let place = match &outcome.path {
        Some(path) => format!("Bundle.entry[{index}]: {path}"),
        None => format!("Bundle.entry[{index}]"),
    };
    Fault::new(code).because(outcome.cause(status)).at(Place::path(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderMap, HeaderValue, RETRY_AFTER};
    use std::time::Duration;

    fn judged(status: u16, headers: HeaderMap, body: &str, entries: bool) -> String {
        let base = Url::parse("https://fhir.example/r4").unwrap();
        let body = Some(Bytes::copy_from_slice(body.as_bytes()));
        let answer = Answer { status, headers, body };
        match judge(&answer, entries, &base, Timestamp::default()).map(|done| done.receipt) {
            Ok(Receipt::Http { status, locations }) => format!("{status} {locations:?}"),
            Ok(_) => "another receipt".to_owned(),
            Err(error) => format!(
                "{} {}{}",
                error.fault.class().name(),
                error.fault,
                error.retry_after.map(|wait| format!(" after {wait:?}")).unwrap_or_default()
            ),
        }
    }

    #[test]
    fn statuses_have_classes() {
        let check = |status: u16, class: &str, code: &str| {
            let found = judged(status, HeaderMap::new(), "", false);
            assert!(found.starts_with(&format!("{class} {code}")), "{status}: {found}");
        };
        for status in [400, 404, 409, 410, 412, 422] {
            check(status, "permanent", "W7102");
        }
        for status in [401, 403] {
            check(status, "operator", "W7301");
        }
        for status in [408, 500, 502, 503, 504] {
            check(status, "transient", "W7302");
        }
        check(429, "transient", "W7303");
        for status in [301, 302, 304, 405, 415] {
            check(status, "permanent", "W7304");
        }
    }

    #[test]
    fn retry_after_and_location_are_kept() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        assert!(
            judged(503, headers, "", false)
                .ends_with(&format!("after {:?}", Duration::from_secs(7)))
        );
        let mut headers = HeaderMap::new();
        let place = HeaderValue::from_static("https://fhir.example/r4/Patient/9/_history/1");
        headers.insert(LOCATION, place);
        assert_eq!(judged(201, headers.clone(), "", false), r#"201 ["Patient/9/_history/1"]"#);
        headers.insert(LOCATION, HeaderValue::from_static("/r4/Patient/9/_history/1"));
        assert_eq!(judged(201, headers, "", false), r#"201 ["Patient/9/_history/1"]"#);
    }

    #[test]
    fn outcomes_give_codes_and_places_never_texts() {
        let outcome = r#"{"resourceType":"OperationOutcome","issue":[
            {"severity":"information","code":"informational","diagnostics":"Doe"},
            {"severity":"error","code":"invalid","diagnostics":"bad value Doe",
             "details":{"coding":[{"code":"W2104"}],"text":"Doe"},
             "expression":["Patient.birthDate"]}]}"#;
        assert_eq!(
            judged(422, HeaderMap::new(), outcome, false),
            "permanent W7102: the peer refused the content (Patient.birthDate): 422 invalid W2104"
        );
        let quoting = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error",
            "code":"has a Doe in it","expression":["Patient.name.where(family='Doe')"]}]}"#;
        let found = judged(400, HeaderMap::new(), quoting, false);
        assert!(!found.contains("Doe"), "{found}");
        for other in ["", "<html>Doe</html>", "[]", r#"{"resourceType":"Patient"}"#] {
            let found = judged(400, HeaderMap::new(), other, false);
            assert_eq!(found, "permanent W7102: the peer refused the content: 400");
        }
    }

    #[test]
    fn each_entry_of_a_bundle_counts() {
        let check = |entries: &str, expected: &str| {
            let body = format!(
                r#"{{"resourceType":"Bundle","type":"batch-response","entry":[{entries}]}}"#
            );
            assert_eq!(judged(200, HeaderMap::new(), &body, true), expected);
        };
        check("", "200 []");
        check(
            r#"{"response":{"status":"201 Created","location":"Patient/1/_history/1"}},
               {"response":{"status":"200","etag":"W/\"2\""}}"#,
            r#"200 ["Patient/1/_history/1", "W/\"2\""]"#,
        );
        check(
            r#"{"response":{"status":"201"}},{"response":{"status":"422 Doe","outcome":
               {"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"value",
               "expression":["Observation.value"]}]}}}"#,
            "permanent W7305: the server refused an entry of the bundle \
             (Bundle.entry[1]: Observation.value): 422 value",
        );
        check(
            r#"{"response":{"status":"503"}}"#,
            "transient W7302: the server has trouble of its own (Bundle.entry[0]): 503",
        );
        assert_eq!(judged(200, HeaderMap::new(), "", true), "200 []");
        assert!(judged(200, HeaderMap::new(), "<html>", true).starts_with("transient W7109"));
    }
}
