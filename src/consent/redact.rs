//! Applies a redacting verdict: takes paths out of a content.

use std::sync::Arc;

use crate::fault::codes::{W3006, W3020};
use crate::fault::{Fault, Place};
use crate::fhir::requests::{self, Secrets};
use crate::fhir::{Doc, FhirPath, NodeId, NodeKind};
use crate::hl7v2::{Message, Path};
use crate::message::Content;

/// A path of either form.
enum AnyPath {
    Hl7(Path),
    Fhir(FhirPath),
}

/// Fields of MSH without which a message can be neither read nor answered.
const MSH_NEEDED: [usize; 5] = [1, 2, 9, 10, 12];

fn parse(text: &str) -> Result<AnyPath, Fault> {
    let bad = |cause: &'static str| Fault::new(W3006).at(Place::path(text)).because(cause);
    if let Ok(path) = Path::parse(text) {
        return match path.field() {
            None => Err(bad("a whole segment cannot be redacted, name its fields")),
            Some(field) if path.segment() == "MSH" && MSH_NEEDED.contains(&field) => {
                Err(bad("no message can be read or answered without it"))
            }
            Some(_) => Ok(AnyPath::Hl7(path)),
        };
    }
    let path = FhirPath::parse(text).map_err(|_| bad("neither an HL7 v2 nor a FHIR path"))?;
    if let Err(error) = path.check(None) {
        return Err(Fault::new(W3006).at(Place::path(text)).because(error.what));
    }
    match path.root_type() {
        None => Err(bad("neither an HL7 v2 path nor one that starts with a resource type")),
        Some(root) if root == text => {
            Err(bad("a whole resource cannot be redacted, name its elements"))
        }
        Some(_) => Ok(AnyPath::Fhir(path)),
    }
}

/// Checks a path when a policy is read.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    parse(text).map(|_| ())
}

/// Takes the paths of a redacting verdict out of a content: fields become empty, elements
/// go with what is empty without them.
///
/// Paths of the other form are passed over, so that one rule serves channels of both; but
/// one of the content's own form there must be. A path that finds nothing is done.
///
/// # Errors
/// `W3020` when the content cannot be redacted; it may not be sent then.
pub fn redact(content: Content, paths: &[Arc<str>]) -> Result<Content, Fault> {
    let parsed: Result<Vec<AnyPath>, Fault> = paths.iter().map(|path| parse(path)).collect();
    let parsed = parsed.map_err(|fault| refused(fault.place().clone()))?;
    let of_hl7 = parsed.iter().any(|path| matches!(path, AnyPath::Hl7(_)));
    let of_fhir = parsed.iter().any(|path| matches!(path, AnyPath::Fhir(_)));
    match content {
        Content::Hl7(message) if of_hl7 => redact_hl7(message, &parsed).map(Content::Hl7),
        Content::Fhir(doc) if of_fhir => redact_fhir(doc, &parsed).map(Content::Fhir),
        Content::Hl7(_) | Content::Fhir(_) | Content::Cda(_) | Content::Raw(_) => {
            Err(refused(Place::default()).because("no path is of its form"))
        }
    }
}

fn refused(place: Place) -> Fault {
    Fault::new(W3020).at(place)
}

fn redact_hl7(mut message: Message, paths: &[AnyPath]) -> Result<Message, Fault> {
    for path in paths {
        let AnyPath::Hl7(path) = path else { continue };
        let cleared = message.clear_all(path);
        cleared.map_err(|_| refused(Place::path(path.to_string())))?;
        // Trust, but look: what is still there would be sent.
        if message.read_all(path).iter().any(crate::hl7v2::Value::is_valued) {
            return Err(refused(Place::path(path.to_string())));
        }
    }
    Ok(message)
}

fn redact_fhir(mut doc: Doc, paths: &[AnyPath]) -> Result<Doc, Fault> {
    for path in paths {
        let AnyPath::Fhir(path) = path else { continue };
        let bad = || refused(Place::path(path.source()));
        let found: Vec<NodeId> = path
            .try_select(doc.root())
            .map_err(|_| bad())?
            .iter()
            .map(crate::fhir::Node::id)
            .collect();
        let secrets = Secrets::of(&doc, &found, |_, _| None);
        let echoes: Vec<NodeId> =
            secrets.echoes(&doc, &found).into_iter().map(|(id, _)| id).collect();
        for id in found.into_iter().chain(echoes) {
            remove(&mut doc, id).map_err(|_| bad())?;
        }
        requests::close(&mut doc, &secrets).map_err(|_| bad())?;
        if !path.try_select(doc.root()).map_err(|_| bad())?.is_empty() {
            return Err(bad());
        }
    }
    Ok(doc)
}

/// Removes a node with the twin that holds its extensions.
fn remove(doc: &mut Doc, id: NodeId) -> Result<(), Fault> {
    let Some(node) = doc.node(id) else { return Ok(()) };
    let twin = match (node.name(), node.parent()) {
        (Some(name), Some(object)) => object.get(&format!("_{name}")),
        (None, Some(list)) => {
            let name = list.name().map(|name| format!("_{name}"));
            let twins = name.and_then(|name| list.parent()?.get(&name));
            twins.and_then(|twins| twins.items().nth(node.index()?))
        }
        _ => None,
    };
    let list = twin.and_then(|twin| twin.parent()).filter(|list| list.kind() == NodeKind::Array);
    let (twin, list) = (twin.map(|twin| twin.id()), list.map(|list| list.id()));
    if let Some(twin) = twin {
        doc.remove(twin)?;
    }
    let idle = list
        .and_then(|list| doc.node(list))
        .filter(|list| list.items().all(|item| item.kind() == NodeKind::Null));
    if let Some(list) = idle.map(|list| list.id()) {
        doc.remove(list)?;
    }
    doc.remove_with_empty(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const ADT: &str = "MSH|^~\\&|A|B|C|D|1||ADT^A08|4|P|2.5\r\
        PID|1||5^^^RL~6^^^US||Doe^Jo\rNK1|1|Roe\rNK1|2|Poe\r";
    const BUNDLE: &str = r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient",
        "gender":"male","_gender":{"id":"g"},
        "name":[{"given":["Jo","Al"],"_given":[null,{"id":"a"}]}],
        "address":[{"city":"X"}]}}]}"#;

    fn hl7() -> Content {
        Content::Hl7(Message::parse(Bytes::from_static(ADT.as_bytes())).unwrap())
    }

    fn fhir() -> Content {
        Content::Fhir(Doc::parse_json(Bytes::from_static(BUNDLE.as_bytes())).unwrap())
    }

    fn run(content: Content, paths: &[&str]) -> Result<String, Fault> {
        let paths: Vec<Arc<str>> = paths.iter().map(|path| (*path).into()).collect();
        let out = redact(content, &paths)?;
        Ok(String::from_utf8(out.to_body().bytes.to_vec()).unwrap())
    }

    #[test]
    fn every_value_at_a_path_goes() {
        let out = run(hl7(), &["PID-3.1", "NK1-2", "ZPI-3", "Patient.gender"]).unwrap();
        for gone in ["5^", "6^", "Roe", "Poe"] {
            assert!(!out.contains(gone), "{gone} in {out}");
        }
        assert!(out.contains("Doe^Jo") && out.contains("^^^US"));
        let out = run(hl7(), &["NK1[2]-2"]).unwrap();
        assert!(out.contains("Roe") && !out.contains("Poe"));
    }

    #[test]
    fn elements_go_with_what_is_empty_without_them() {
        let check = |path: &str, gone: &[&str], kept: &[&str]| {
            let out = run(fhir(), &[path, "PID-3"]).unwrap();
            gone.iter().for_each(|text| assert!(!out.contains(text), "{path}: {text} in {out}"));
            kept.iter().for_each(|text| assert!(out.contains(text), "{path}: no {text} in {out}"));
        };
        check("Patient.gender", &["male", "_gender"], &["Jo"]);
        check("Patient.address.city", &["address"], &["Jo"]);
        check("Patient.name.given[1]", &["Al", "_given"], &["Jo"]);
        check("Patient.name.given", &["Jo", "name"], &["male"]);
        check("Patient.photo", &[], &["Jo"]);
    }

    #[test]
    fn what_repeats_it_goes_with_it() {
        let bundle = r#"{"resourceType":"Bundle","entry":[
            {"resource":{"resourceType":"Patient","text":{"status":"generated","div":"<p>hi</p>"},
              "identifier":[{"value":"740021"}],"name":[{"family":"Doe"}]},
             "request":{"method":"PUT","url":"Patient?identifier=740021"}},
            {"resource":{"resourceType":"Encounter","status":"planned",
              "text":{"status":"generated","div":"<p>of 740021</p>"},
              "subject":{"identifier":{"value":"740021"}}}}]}"#;
        let parsed = |text: &'static str| {
            Content::Fhir(Doc::parse_json(Bytes::from_static(text.as_bytes())).unwrap())
        };
        let out = run(parsed(bundle), &["Patient.identifier.value"]).unwrap();
        assert!(!out.contains("740021") && !out.contains("div") && out.contains("Doe"), "{out}");
        let by_id = r#"{"resourceType":"Bundle","entry":[{"fullUrl":"http://x/Patient/740021",
            "resource":{"resourceType":"Patient","identifier":[{"value":"740021"}]}}]}"#;
        let fault = run(parsed(by_id), &["Patient.identifier.value"]).unwrap_err();
        assert_eq!(fault.code(), W3020);
    }

    #[test]
    fn what_cannot_be_redacted_is_not_sent() {
        let check = |content: Content, paths: &[&str]| {
            assert_eq!(run(content, paths).unwrap_err().code(), W3020, "{paths:?}");
        };
        check(hl7(), &["Patient.gender"]);
        check(fhir(), &["PID-3"]);
        check(hl7(), &[]);
        check(hl7(), &["PID-3", "??"]);
        check(Content::Raw(Bytes::from_static(b"x")), &["PID-3", "Patient.gender"]);
    }

    #[test]
    fn paths_are_checked_when_a_policy_is_read() {
        let ok = |text: &str, expected: bool| {
            let found = check(text).map_err(|fault| fault.code());
            assert_eq!(found, if expected { Ok(()) } else { Err(W3006) }, "{text}");
        };
        ok("PID-19", true);
        ok("PID-3[2].1", true);
        ok("Patient.address", true);
        ok("Patient.identifier.where(system = 'urn:x').value", true);
        for bad in ["PID", "MSH-9", "MSH-1", "Patient", "Patient.adress", "address", "pid 3", ""] {
            ok(bad, false);
        }
    }
}
