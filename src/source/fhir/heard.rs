//! What a sender hears of its write: refused, kept, or what the destination said.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_LOCATION, ETAG, LAST_MODIFIED, LOCATION};

use super::answer::{Answered, Reply, status_of, status_of_delivery};
use super::route::{Call, Endpoint};
use super::status;
use crate::base::{MessageId, Timestamp};
use crate::fault::Fault;
use crate::fault::codes::W2336;
use crate::fhir::resources::informed;
use crate::fhir::rest::{self, Interaction, Return};
use crate::fhir::{Doc, Node};
use crate::message::Said;
use crate::source::{Answer, Heard, Taken};

/// How long a sender waits whose message could not be kept: a full queue or disk takes time.
const NOT_KEPT_WAIT: Duration = Duration::from_secs(5);

impl Endpoint {
    /// The answer to a write that the intake has answered.
    pub(super) fn answered(
        &self,
        call: &Call,
        interaction: &Interaction,
        answer: Answer,
    ) -> Answered {
        let body = answer.replies.into_iter().next();
        let refusal = |status: u16, fault: Fault, body: Option<Bytes>| match body {
            Some(body) => Box::new(Reply::json(status, body)),
            None => Reply::refusal(status, fault),
        };
        let id = match answer.taken {
            Taken::Committed(id) => id,
            Taken::Refused(fault) => {
                let status = status_of(&fault);
                return Err(refusal(status, fault, body));
            }
            Taken::NotKept(fault) => {
                return Err(Box::new(refusal(503, fault, body).again_after(NOT_KEPT_WAIT)));
            }
        };
        match answer.heard {
            Heard::Nothing | Heard::OnTheWay => Ok(self.kept(call, id)),
            Heard::All(Some(said)) | Heard::Not(_, Some(said)) => {
                self.handed_on(call, interaction, *said)
            }
            Heard::All(None) => {
                let reply = match call.prefer.returns {
                    Some(Return::Minimal) => Reply::empty(200),
                    _ => Reply::doc(200, &informed("The message is where it goes to.")),
                };
                Ok(reply.with(CONTENT_LOCATION, &status::address(&call.base, id)))
            }
            Heard::Not(fault, None) => {
                let reply = refusal(status_of_delivery(&fault), fault, body);
                Err(Box::new(reply.with(CONTENT_LOCATION, &status::address(&call.base, id))))
            }
        }
    }

    /// On disk, and on its way.
    fn kept(&self, call: &Call, id: MessageId) -> Reply {
        let address = status::address(&call.base, id);
        let reply = match (call.prefer.returns, call.prefer.respond_async) {
            (Some(Return::Minimal), _) | (None | Some(Return::Representation), true) => {
                Reply::empty(202)
            }
            _ => {
                let text = format!(
                    "The message is kept and will be delivered. `{address}` tells what became \
                     of it."
                );
                Reply::doc(202, &informed(&text))
            }
        };
        reply.with(CONTENT_LOCATION, &address)
    }

    /// What the destination said.
    fn handed_on(&self, call: &Call, interaction: &Interaction, said: Said) -> Answered {
        let bundled =
            matches!(interaction, Interaction::Bundle | Interaction::ProcessMessage { .. });
        // Who sent one resource hears of one, whatever it became on the way.
        let said = if said.bundled && !bundled { unwrapped(said) } else { said };
        let is_outcome = |body: &Bytes| {
            Doc::parse_json(body.clone())
                .is_ok_and(|doc| doc.resource_type().as_deref() == Some("OperationOutcome"))
        };
        let mut reply = match (said.refuses(), call.prefer.returns) {
            (true, _) if is_outcome(&said.body) => Reply::json(said.status, said.body),
            (true, _) => {
                let cause = format!("the destination answered {}", said.status);
                Reply::outcome(said.status, &[Fault::new(W2336).because(cause)])
            }
            (false, Some(Return::Minimal)) if !bundled => Reply::empty(said.status),
            (false, Some(Return::Outcome)) if !bundled && !is_outcome(&said.body) => {
                Reply::doc(said.status, &informed("Written."))
            }
            (false, _) => Reply::json(said.status, said.body),
        };
        if reply.status == 204 {
            reply = reply.minimal();
        }
        if let Some(location) = &said.location {
            let absolute = location.contains("://");
            let location = match absolute {
                true => location.to_string(),
                false => format!("{}/{location}", call.base),
            };
            reply = reply.with(LOCATION, &location);
        }
        if let Some(etag) = &said.etag {
            reply = reply.with(ETAG, etag);
        }
        if let Some(date) = &said.last_modified {
            reply = reply.with(LAST_MODIFIED, date);
        }
        if said.status >= 400 { Err(Box::new(reply)) } else { Ok(reply) }
    }
}

/// What was said to the one entry of a Bundle, or to the first of several that is refused. A
/// Bundle of several that are all taken stays one answer to all of them.
fn unwrapped(said: Said) -> Said {
    let Ok(doc) = Doc::parse_json(said.body.clone()) else { return said };
    let entries = doc.root().get("entry");
    let status_of = |entry: &Node<'_>| {
        let status = entry.get("response").and_then(|response| response.get("status"));
        status.and_then(|status| status.string()?.get(..3)?.parse::<u16>().ok())
    };
    let all = || entries.iter().flat_map(Node::items);
    let refused = all().find(|entry| status_of(entry).is_some_and(|status| status >= 400));
    let alone = all().next().filter(|_| all().nth(1).is_none());
    let Some((entry, response)) =
        refused.or(alone).and_then(|entry| Some((entry, entry.get("response")?)))
    else {
        return said;
    };
    let text = |name: &str| response.get(name).and_then(|value| value.string());
    let status = status_of(&entry);
    let body = entry.get("resource").or_else(|| response.get("outcome"));
    let date = text("lastModified").and_then(|at| Timestamp::parse(&at)).map(rest::http_date);
    Said {
        status: status.unwrap_or(said.status),
        location: text("location").map(Into::into),
        etag: text("etag").map(Into::into),
        last_modified: date.map(Into::into),
        body: body.map(json).unwrap_or_default(),
        bundled: false,
    }
}

fn json(node: Node<'_>) -> Bytes {
    Bytes::copy_from_slice(&node.json())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sent_one_resource_hears_of_one() {
        let check = |entries: &[&str], status: u16, location: Option<&str>, body: &str| {
            let bundle = format!(
                r#"{{"resourceType":"Bundle","type":"transaction-response","entry":[{}]}}"#,
                entries.join(",")
            );
            let whole = Bytes::from(bundle);
            let said = Said { bundled: true, body: whole.clone(), ..Said::status(200) };
            let found = unwrapped(said);
            let expected = if body == "as it was" { whole } else { Bytes::from(body.to_owned()) };
            assert_eq!(
                (found.status, found.location.as_deref()),
                (status, location),
                "{entries:?}"
            );
            assert_eq!(found.body, expected, "{entries:?}");
        };
        let made = r#"{"response":{"status":"201 Created","location":"Patient/1/_history/1",
            "lastModified":"2026-01-02T03:04:05Z"},"resource":{"resourceType":"Patient"}}"#;
        let bad = r#"{"response":{"status":"422","outcome":{"resourceType":"OperationOutcome"}}}"#;
        let place = Some("Patient/1/_history/1");
        check(&[made], 201, place, r#"{"resourceType":"Patient"}"#);
        check(&[bad], 422, None, r#"{"resourceType":"OperationOutcome"}"#);
        // Of several, the one that is refused; else the answer to all.
        check(&[made, bad, made], 422, None, r#"{"resourceType":"OperationOutcome"}"#);
        check(&[made, made], 200, None, "as it was");
        check(&[], 200, None, "as it was");
        check(&["{}"], 200, None, "as it was");
        check(&[r#"{"response":{"status":"new"}}"#], 200, None, "");
        let said = Said { bundled: true, body: "<html>".into(), ..Said::status(200) };
        assert_eq!(unwrapped(said.clone()), said);
    }
}
