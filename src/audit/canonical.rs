//! Canonical bytes of a leaf, both ways.
//!
//! They are JSON that any auditor's tool reads: one object, members sorted by name, no
//! white space, absent members left out, strings escaped as RFC 8785 §3.2.2.2 says, the
//! time in whole microseconds since 1970, digests in lower-case hex, and `v` as the version
//! of this form. A length-prefixed binary form was the other choice; it would need our
//! program to be read.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::{ChannelName, DestinationName, Timestamp};
use crate::fault::{Fault, codes::W8002};
use crate::message::Leaf;

/// Version of the canonical form. Readers refuse any other.
pub const CANONICAL_VERSION: u64 = 1;

/// Longest canonical leaf that [`read`] takes, in bytes: all members at their own limits
/// come to a fifth of it, and an export with an endless line must not fill the memory.
pub const LEAF_BYTES_MAX: usize = 64 << 10;

fn member(out: &mut String, name: &str, value: &str) {
    out.push(',');
    raw_member(out, name, &Value::from(value).to_string());
}

fn raw_member(out: &mut String, name: &str, json: &str) {
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
    out.push_str(json);
}

/// Lower-case hex of bytes.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

/// Canonical bytes of a leaf: the same leaf gives the same bytes on every machine.
///
/// Source: RFC 8785 (JSON Canonicalization Scheme).
#[must_use]
pub fn canonical(leaf: &Leaf) -> Vec<u8> {
    let mut out = String::with_capacity(256);
    out.push('{');
    raw_member(&mut out, "action", &Value::from(&*leaf.action).to_string());
    member(&mut out, "actor", &leaf.actor);
    out.push(',');
    raw_member(&mut out, "at", &leaf.at.micros().to_string());
    if let Some(channel) = &leaf.channel {
        member(&mut out, "channel", channel.as_str());
    }
    if let Some(decision) = &leaf.decision {
        member(&mut out, "decision", decision);
    }
    if let Some(destination) = &leaf.destination {
        member(&mut out, "destination", destination.as_str());
    }
    if let Some(digest) = &leaf.digest {
        member(&mut out, "digest", &hex(digest));
    }
    if let Some(message) = &leaf.message {
        member(&mut out, "message", &message.to_string());
    }
    if let Some(reason) = &leaf.reason {
        member(&mut out, "reason", reason);
    }
    out.push(',');
    raw_member(&mut out, "v", &CANONICAL_VERSION.to_string());
    out.push('}');
    out.into_bytes()
}

fn unreadable(cause: &'static str) -> Fault {
    Fault::new(W8002).because(cause)
}

/// Takes a text member out, where there is one.
fn take(map: &mut Map<String, Value>, name: &str) -> Result<Option<Arc<str>>, Fault> {
    match map.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.into())),
        Some(_) => Err(unreadable("a member is not of its type")),
    }
}

/// Reads canonical bytes back, as `weir audit verify` does with an export.
///
/// # Errors
/// `W8002` when the bytes are too long, not JSON, of another version, or not exactly the
/// canonical form of the leaf they describe.
pub fn read(bytes: &[u8]) -> Result<Leaf, Fault> {
    if bytes.len() > LEAF_BYTES_MAX {
        return Err(unreadable("longer than any leaf"));
    }
    let Ok(Value::Object(mut map)) = serde_json::from_slice(bytes) else {
        return Err(unreadable("not a JSON object"));
    };
    if map.remove("v").and_then(|v| v.as_u64()) != Some(CANONICAL_VERSION) {
        return Err(unreadable("of a version that this program does not know"));
    }
    let bad = || unreadable("a member is not of its type");
    let at = map.remove("at").and_then(|at| at.as_i64()).ok_or_else(bad)?;
    let channel = take(&mut map, "channel")?;
    let destination = take(&mut map, "destination")?;
    let message = take(&mut map, "message")?;
    let digest = take(&mut map, "digest")?;
    let leaf = Leaf {
        action: take(&mut map, "action")?.ok_or_else(bad)?,
        at: Timestamp::from_micros(at),
        actor: take(&mut map, "actor")?.ok_or_else(bad)?,
        message: message.map(|m| m.parse().map_err(|_| bad())).transpose()?,
        channel: channel.map(|c| ChannelName::parse(&c).map_err(|_| bad())).transpose()?,
        destination: destination
            .map(|d| DestinationName::parse(&d).map_err(|_| bad()))
            .transpose()?,
        decision: take(&mut map, "decision")?,
        reason: take(&mut map, "reason")?,
        digest: digest.map(|d| unhex(&d).ok_or_else(bad)).transpose()?,
    };
    if canonical(&leaf) != bytes {
        return Err(unreadable("not in canonical form"));
    }
    Ok(leaf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::MessageId;
    use proptest::prelude::*;

    fn full() -> Leaf {
        Leaf {
            action: "consent_decided".into(),
            at: Timestamp::from_millis(1_767_323_045_678),
            actor: "weir".into(),
            message: Some(MessageId::new(Timestamp::from_millis(1_767_323_045_678), 7)),
            channel: Some(ChannelName::parse("adt-main").unwrap()),
            destination: Some(DestinationName::parse("ehr").unwrap()),
            decision: Some("permit hie-default:14@5f3a".into()),
            reason: Some("said \"yes\"\n\u{1} é".into()),
            digest: Some([0xab; 32]),
        }
    }

    fn bare() -> Leaf {
        Leaf {
            action: "engine_started".into(),
            at: Timestamp::from_micros(-5),
            actor: String::new().into(),
            message: None,
            channel: None,
            destination: None,
            decision: None,
            reason: None,
            digest: None,
        }
    }

    #[test]
    fn is_sorted_json_without_white_space() {
        let text = String::from_utf8(canonical(&full())).unwrap();
        assert_eq!(
            text.replace(&"ab".repeat(32), "HEX"),
            "{\"action\":\"consent_decided\",\"actor\":\"weir\",\"at\":1767323045678000,\
             \"channel\":\"adt-main\",\"decision\":\"permit hie-default:14@5f3a\",\
             \"destination\":\"ehr\",\"digest\":\"HEX\",\
             \"message\":\"01KDYDNN5E0000000000000007\",\
             \"reason\":\"said \\\"yes\\\"\\n\\u0001 é\",\"v\":1}"
                .replace("01KDYDNN5E0000000000000007", &full().message.unwrap().to_string())
        );
        assert_eq!(canonical(&bare()), br#"{"action":"engine_started","actor":"","at":-5,"v":1}"#);
    }

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        for leaf in [full(), bare()] {
            assert_eq!(read(&canonical(&leaf)), Ok(leaf));
        }
        let check = |text: &str, cause: &str| {
            let fault = read(text.as_bytes()).unwrap_err();
            assert_eq!((fault.code(), fault.cause()), (W8002, Some(cause)), "{text}");
        };
        check("", "not a JSON object");
        check("[1]", "not a JSON object");
        check("{}", "of a version that this program does not know");
        check(r#"{"v":2}"#, "of a version that this program does not know");
        let kind = "a member is not of its type";
        check(r#"{"v":1}"#, kind);
        check(r#"{"at":"1","v":1}"#, kind);
        check(r#"{"at":1,"v":1}"#, kind);
        check(r#"{"action":"a","at":1,"v":1}"#, kind);
        check(r#"{"action":1,"at":1,"v":1}"#, kind);
        for (name, value) in [
            ("channel", "Ä"),
            ("destination", ""),
            ("message", "1"),
            ("digest", "ab"),
            ("digest", &"AB".repeat(32)),
        ] {
            check(
                &format!(r#"{{"action":"a","actor":"b","at":1,"{name}":"{value}","v":1}}"#),
                kind,
            );
        }
        let form = "not in canonical form";
        check(r#"{"actor":"b","action":"a","at":1,"v":1}"#, form);
        check(r#"{"action":"a","actor":"b","at":1,"v":1} "#, form);
        check(r#"{"action":"a","actor":"b","at":1,"extra":1,"v":1}"#, form);
        check(&" ".repeat(LEAF_BYTES_MAX + 1), "longer than any leaf");
    }

    proptest! {
        #[test]
        fn never_panics_and_round_trips(
            action in ".{0,20}", reason in proptest::option::of(".{0,40}"), at in any::<i64>(),
            junk in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let leaf = Leaf {
                action: action.into(), reason: reason.map(Into::into),
                at: Timestamp::from_micros(at), ..bare()
            };
            prop_assert_eq!(read(&canonical(&leaf)), Ok(leaf));
            let _ = read(&junk);
        }
    }
}
