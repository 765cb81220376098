//! Sealing and opening of whole contents, in both forms.

use bytes::Bytes;
use proptest::prelude::*;

use super::keyring::tests::{counting, keyring};
use super::*;
use crate::base::MessageId;
use crate::fault::codes::{W5003, W5011, W5012, W5020, W5021, W5022, W5023, W5024};
use crate::fault::{Code, Fault};
use crate::fhir::Doc;
use crate::hl7v2::Message;
use crate::message::{Content, ContentKind};

const ADT: &str = "MSH|^~\\&|A|B|C|D|20260102||ADT^A08|42|P|2.5.1\r\
    PID|1||555^^^RL^MR~99-1^^^US^SS||Doe^Jo&von^^Q||19800102|M|||||||||||123-45-6789\r\
    NK1|1|Roe^Al\rNK1|2|Poe^Ed\r";

const BUNDLE: &str = r#"{"resourceType":"Bundle","type":"transaction","entry":[
    {"resource":{"resourceType":"Organization","name":"Lab"}},
    {"resource":{"resourceType":"Patient","birthDate":"1980-01-02",
      "_birthDate":{"extension":[{"url":"urn:t","valueDateTime":"1980-01-02T03:04:05Z"}]},
      "deceasedBoolean":false,"multipleBirthInteger":2,
      "identifier":[{"system":"urn:mr","value":"555"},
        {"type":{"coding":[{"code":"SS"}]},"value":"123-45-6789"}],
      "name":[{"family":"Doe","given":["Jo","von\n\"Q\""],"_given":[null,{"id":"g2"}]}],
      "address":[{"line":["Main St 1"]}]}}]}"#;

fn hl7(text: &str) -> Content {
    Content::Hl7(Message::parse(Bytes::from(text.to_owned())).unwrap())
}

fn fhir(text: &str) -> Content {
    Content::Fhir(Doc::parse_json(Bytes::from(text.to_owned())).unwrap())
}

fn text(content: &Content) -> String {
    String::from_utf8(content.to_body().bytes.to_vec()).unwrap()
}

fn json(content: &Content) -> serde_json::Value {
    serde_json::from_str(&text(content)).unwrap()
}

fn rules(kind: ContentKind, list: &[(&str, How)]) -> Vec<SealRule> {
    list.iter().map(|(at, how)| SealRule::parse(at, *how, "ids", kind).unwrap()).collect()
}

fn message() -> MessageId {
    MessageId::from_u128(7)
}

fn sealed(content: &Content, list: &[(&str, How)]) -> Result<(Content, Vec<String>), Fault> {
    let rules = rules(content.kind(), list);
    apply(&rules, &keyring(&["ids"]), message(), content.clone(), &mut counting())
}

fn opened(content: &Content) -> Result<Content, Code> {
    let opened = open(&keyring(&["ids"]), Some(message()), content);
    opened.map(|opened| opened.content).map_err(|fault| fault.code())
}

const SEAL: How = How::Seal;

#[test]
fn hl7_fields_are_sealed_in_place_and_open_to_the_same_bytes() {
    let check = |rules: &[&str], expected: &[&str], gone: &[&str]| {
        let list: Vec<_> = rules.iter().map(|at| (*at, SEAL)).collect();
        let (out, paths) = sealed(&hl7(ADT), &list).unwrap();
        assert_eq!(paths, expected, "{rules:?}");
        for value in gone {
            assert!(!text(&out).contains(value), "{value} in {}", text(&out));
        }
        assert_eq!(text(&opened(&out).unwrap()), ADT, "{rules:?}");
    };
    check(&["PID-19"], &["PID[1]-19[1]"], &["123-45-6789"]);
    check(&["PID-3.1"], &["PID[1]-3[1].1", "PID[1]-3[2].1"], &["555", "99-1"]);
    check(&["PID-3[*].1"], &["PID[1]-3[1].1", "PID[1]-3[2].1"], &["555", "99-1"]);
    check(&["PID-3[2].1"], &["PID[1]-3[2].1"], &["99-1"]);
    check(&["PID-5"], &["PID[1]-5[1]"], &["Doe", "Jo&von"]);
    check(&["PID-5.2.2"], &["PID[1]-5[1].2.2"], &["von"]);
    check(&["PID-5.2"], &["PID[1]-5[1].2"], &["Jo&von"]);
    check(&["NK1-2"], &["NK1[1]-2[1]", "NK1[2]-2[1]"], &["Roe", "Poe"]);
    check(&["NK1[2]-2"], &["NK1[2]-2[1]"], &["Poe"]);
    check(&["PID-40", "PID-2", "ZPI-1"], &[], &[]);
    // The wider of two places holds, whichever rule comes first.
    check(&["PID-3.1", "PID-3"], &["PID[1]-3[1]", "PID[1]-3[2]"], &["555", "MR"]);
    check(&["PID-3", "PID-3.1"], &["PID[1]-3[1]", "PID[1]-3[2]"], &["555", "MR"]);
    check(&["PID-19", "PID-19"], &["PID[1]-19[1]"], &["123-45"]);
}

#[test]
fn work_grows_with_the_message_and_no_faster() {
    let head = "MSH|^~\\&|A|B|C|D|20260102||ADT^A08|42|P|2.5.1\r";
    for (unit, most, list) in [
        ("OBX|1|ST|1^a^L||x^y~z|||||F\r", 1_000, &[("OBX-5", SEAL), ("OBX-3.1", How::Token)][..]),
        ("NTE|1||555^^^RL^MR\r", 20_000, &[("NTE-3[5='MR'].1", How::Drop)][..]),
        ("5^^^E^MR~", 1_000, &[("PID-3[5='MR'].1", SEAL), ("PID-3.4", How::Token)][..]),
        ("5^^^E^MR~", 20_000, &[("PID-3[5='MR'].1", How::Drop), ("PID-3.4", How::Drop)][..]),
    ] {
        let first = if unit.starts_with('5') { "PID|1||" } else { "" };
        let rules = rules(ContentKind::Hl7, list);
        let ring = keyring(&["ids"]);
        let [few, many] = [most / 20, most].map(|n| {
            let text = [head, first, &unit.repeat(n), "\r"].concat();
            let (bytes, (out, paths)) = crate::hl7v2::worked(|| {
                apply(&rules, &ring, message(), hl7(&text), &mut counting()).unwrap()
            });
            assert!(paths.len() >= n, "{unit}");
            let sealed = self::text(&out).len();
            let (more, opened) = crate::hl7v2::worked(|| opened(&out).unwrap());
            assert_eq!(opened.kind(), ContentKind::Hl7);
            (bytes + more) as f64 / (text.len() + sealed) as f64
        });
        assert!(many < 1.2 * few + 1.0, "{unit}: {few} bytes a byte, then {many}");
    }
}

#[test]
fn unseal_names_path_and_value_behind_the_mask() {
    let (out, _) = sealed(&hl7(ADT), &[("PID-3.1", SEAL), ("PID-5", SEAL)]).unwrap();
    let values = unseal(&keyring(&["ids"]), &out).unwrap();
    let shown: Vec<_> =
        values.iter().map(|(path, v)| (path.as_str(), v.reveal().as_str())).collect();
    assert_eq!(
        shown,
        [("PID[1]-3[1].1", "555"), ("PID[1]-3[2].1", "99-1"), ("PID[1]-5[1]", "Doe^Jo&von^^Q"),]
    );
    assert!(!format!("{values:?}").contains("555"));
    let (out, _) = sealed(&fhir(BUNDLE), &[("Patient.birthDate", SEAL)]).unwrap();
    let values = unseal(&keyring(&["ids"]), &out).unwrap();
    assert_eq!(values[0].0, "Bundle.entry[1].resource.birthDate");
    assert_eq!(values[0].1.reveal(), "1980-01-02");
    let raw = Content::Raw(Bytes::from_static(b"weir1.x"));
    assert!(unseal(&keyring(&["ids"]), &raw).unwrap().is_empty());
}

#[test]
fn hl7_tokens_are_stable_and_drops_are_empty() {
    let list = [("PID-3.1", How::Token), ("PID-19", How::Drop), ("NK1-2", How::Drop)];
    let (out, paths) = sealed(&hl7(ADT), &list).unwrap();
    let again = apply(
        &rules(ContentKind::Hl7, &list),
        &keyring(&["ids"]),
        MessageId::from_u128(99),
        hl7(ADT),
        &mut |_| {},
    );
    assert_eq!(text(&out), text(&again.unwrap().0), "another message, the same token");
    assert_eq!(paths.len(), 5);
    assert!(!text(&out).contains("555") && text(&out).ends_with("NK1|1|\rNK1|2|\r"));
    // Latin-1 and UTF-8 spellings of one name are one value.
    let latin = [&b"MSH|^~\\&|A|B|C|D|1||ADT^A08|4|P|2.5||||||8859/1\rPID|||J\xfc\r"[..]].concat();
    let utf = "MSH|^~\\&|A|B|C|D|1||ADT^A08|4|P|2.5||||||UNICODE UTF-8\rPID|||J\u{fc}\r";
    let token = |bytes: Vec<u8>| {
        let content = Content::Hl7(Message::parse(Bytes::from(bytes)).unwrap());
        let (out, _) = sealed(&content, &[("PID-3", How::Token)]).unwrap();
        text(&out).split("PID|||").nth(1).unwrap().to_owned()
    };
    assert_eq!(token(latin), token(utf.into()));
}

#[test]
fn odd_delimiters_get_other_letters() {
    let with = |delimiters: &str| {
        let c: Vec<char> = delimiters.chars().collect();
        let text = format!(
            "MSH{delimiters}{0}A{0}B{0}C{0}D{0}1{0}{0}ADT{0}4{0}P{0}2.5\rPID{0}{0}{0}secret{1}x\r",
            c[0], c[1]
        );
        hl7(&text)
    };
    for delimiters in ["|^~\\&", "#.~\\&", "|_~\\&", "|^-\\&", "$%*?!", "|^~"] {
        let content = with(delimiters);
        let (out, paths) = sealed(&content, &[("PID-3.1", SEAL)]).unwrap();
        assert_eq!(paths.len(), 1, "{delimiters}");
        assert!(!text(&out).contains("secret"));
        assert_eq!(text(&opened(&out).unwrap()), text(&content), "{delimiters}");
    }
}

#[test]
fn numbers_and_dates_in_obx_are_refused() {
    let oru = |kind: &str| {
        hl7(&format!("MSH|^~\\&|A|B|C|D|1||ORU^R01|4|P|2.5\rOBX|1|ST|A||x\rOBX|2|{kind}|B||7\r"))
    };
    let check = |kind: &str, how, expected: Option<Code>| {
        let out = sealed(&oru(kind), &[("OBX-5", how)]);
        assert_eq!(out.err().map(|fault| fault.code()), expected, "{kind}");
    };
    check("ST", SEAL, None);
    check("NM", SEAL, Some(W5011));
    check("TS", How::Token, Some(W5011));
    check("NM", How::Drop, None);
}

#[test]
fn fhir_values_of_every_kind_are_sealed_and_come_back() {
    let check = |path: &str, expected: &[&str], gone: &[&str]| {
        let (out, paths) = sealed(&fhir(BUNDLE), &[(path, SEAL)]).unwrap();
        assert_eq!(paths, expected, "{path}");
        for value in gone {
            assert!(!text(&out).contains(value), "{value}");
        }
        assert_eq!(json(&opened(&out).unwrap()), json(&fhir(BUNDLE)), "{path}");
    };
    let at = "Bundle.entry[1].resource";
    check(
        "Patient.identifier.where(type.coding.code = 'SS').value",
        &[&format!("{at}.identifier[1].value")],
        &["123-45-6789"],
    );
    check("Patient.birthDate", &[&format!("{at}.birthDate")], &["1980-01-02"]);
    check("Patient.multipleBirth", &[&format!("{at}.multipleBirthInteger")], &[]);
    check("Patient.deceased", &[&format!("{at}.deceasedBoolean")], &["false"]);
    check(
        "Patient.name.given",
        &[&format!("{at}.name[0].given[0]"), &format!("{at}.name[0].given[1]")],
        &["Jo", "von", "g2"],
    );
    check("Patient.name.given[1]", &[&format!("{at}.name[0].given[1]")], &["von", "g2"]);
    check("Patient.address", &[&format!("{at}.address[0].line[0]")], &["Main"]);
    check("Patient.photo", &[], &[]);
}

#[test]
fn a_sealed_primitive_says_why_it_has_no_value() {
    let (out, _) = sealed(&fhir(BUNDLE), &[("Patient.birthDate", SEAL)]).unwrap();
    let patient = &json(&out)["entry"][1]["resource"];
    assert!(patient.get("birthDate").is_none());
    let extensions = &patient["_birthDate"]["extension"];
    assert_eq!(extensions[0]["url"], SEALED_URL);
    assert!(extensions[0]["valueString"].as_str().unwrap().starts_with("weir1."));
    assert_eq!(extensions[1]["valueCode"], "masked");
    let Content::Fhir(doc) = &out else { panic!("still FHIR") };
    let findings = crate::fhir::validate::structure(doc);
    let own = findings.iter().filter(|finding| finding.path.contains("irthDate")).count();
    assert_eq!(own, 0, "{findings:?}");
}

#[test]
fn a_resource_taken_out_of_its_bundle_opens_but_not_in_another_entry() {
    let (out, _) = sealed(&fhir(BUNDLE), &[("Patient.birthDate", SEAL)]).unwrap();
    let mut bundle = json(&out);
    let patient = bundle["entry"][1]["resource"].clone();
    let plain = opened(&fhir(&patient.to_string())).unwrap();
    assert_eq!(json(&plain)["birthDate"], "1980-01-02");
    bundle["entry"].as_array_mut().unwrap().swap(0, 1);
    assert_eq!(opened(&fhir(&bundle.to_string())).err(), Some(W5023));
    bundle["type"] = "searchset".into();
    let plain = opened(&fhir(&bundle.to_string())).unwrap();
    assert_eq!(json(&plain)["entry"][0]["resource"]["birthDate"], "1980-01-02");
}

#[test]
fn entries_of_a_search_result_may_be_of_several_messages() {
    let patient = r#"{"resourceType":"Patient","birthDate":"1980"}"#;
    let ring = keyring(&["ids"]);
    let list = rules(ContentKind::FhirJson, &[("Patient.birthDate", SEAL)]);
    let part = |id: u128| {
        let id = MessageId::from_u128(id);
        text(&apply(&list, &ring, id, fhir(patient), &mut counting()).unwrap().0)
    };
    let bundle = |kind: &str| {
        fhir(&format!(
            r#"{{"resourceType":"Bundle","type":"{kind}",
            "entry":[{{"resource":{}}},{{"resource":{}}}]}}"#,
            part(1),
            part(2)
        ))
    };
    assert_eq!(unseal(&ring, &bundle("searchset")).unwrap().len(), 2);
    let fault = unseal(&ring, &bundle("collection")).unwrap_err();
    assert!(matches!(fault.code(), W5022 | W5023));
}

#[test]
fn fhir_drops_take_what_is_empty_without_them() {
    let check = |list: &[(&str, How)], at: &str, expected: serde_json::Value| {
        let (out, _) = sealed(&fhir(BUNDLE), list).unwrap();
        let patient = json(&out)["entry"][1]["resource"].clone();
        assert_eq!(patient.pointer(at).cloned().unwrap_or_default(), expected, "{list:?}");
    };
    use serde_json::json;
    check(&[("Patient.address.line", How::Drop)], "/address", json!(null));
    check(&[("Patient.birthDate", How::Drop)], "/_birthDate", json!(null));
    check(
        &[("Patient.name.given[1]", How::Drop)],
        "/name/0",
        json!({"family":"Doe","given":["Jo"]}),
    );
    check(&[("Patient.name.given", How::Drop)], "/name/0", json!({"family":"Doe"}));
    check(&[("Patient.name.given[0]", How::Drop)], "/name/0/_given", json!([{"id":"g2"}]));
    check(&[("Patient.name", How::Drop)], "/name", json!(null));
    check(&[("Patient.name", How::Drop), ("Patient.name.family", How::Drop)], "/name", json!(null));
    // A seal within what is dropped goes with it; one behind it is bound to its new place.
    let list = [
        ("Patient.identifier[1].value", SEAL),
        ("Patient.identifier[0]", How::Drop),
        ("Patient.name.family", SEAL),
        ("Patient.name", How::Drop),
    ];
    let (out, paths) = sealed(&fhir(BUNDLE), &list).unwrap();
    assert!(paths.contains(&"Bundle.entry[1].resource.identifier[0].value".to_owned()));
    let plain = super::tests::json(&opened(&out).unwrap());
    assert_eq!(plain["entry"][1]["resource"]["identifier"][0]["value"], "123-45-6789");
}

#[test]
fn conditions_choose_repetitions_of_hl7() {
    let check = |at: &str, expected: &[&str]| {
        let (out, paths) = sealed(&hl7(ADT), &[(at, SEAL)]).unwrap();
        assert_eq!(paths, expected, "{at}");
        assert_eq!(text(&opened(&out).unwrap()), ADT);
    };
    check("PID-3[5='SS'].1", &["PID[1]-3[2].1"]);
    check("PID-3[5='MR'].1", &["PID[1]-3[1].1"]);
    check("PID-3[5='XX'].1", &[]);
    check("PID-3[5='SS']", &["PID[1]-3[2]"]);
}

/// A Bundle that says one identifier in many places.
const ECHOES: &str = r#"{"resourceType":"Bundle","type":"transaction","entry":[
    {"fullUrl":"https://x.org/Patient/A900-44","resource":{"resourceType":"Patient","id":"A900-44",
      "text":{"status":"generated","div":"<div>no name</div>"},
      "identifier":[{"system":"urn:mr","value":"A900-44"}],
      "name":[{"_family":{"extension":[{"url":"urn:x","valueString":"Doe"}]},
        "given":["Jo",null],"_given":[null,{"extension":[{"url":"urn:x","valueString":"Al"}]}]}]},
     "request":{"method":"PUT","url":"Patient/A900-44"}},
    {"resource":{"resourceType":"Encounter","status":"planned",
      "text":{"status":"generated","div":"<div>of A900&#45;44</div>"},
      "subject":{"reference":"Patient/A900-44","identifier":{"value":"A900-44"}}},
     "request":{"method":"POST","url":"Encounter"}}]}"#;

#[test]
fn a_token_stands_wherever_the_value_did() {
    let list = [("Patient.identifier.value", How::Token)];
    let (out, paths) = sealed(&fhir(ECHOES), &list).unwrap();
    let shown = text(&out);
    assert!(!shown.contains("A900") && !shown.contains("div"), "{shown}");
    let bundle = json(&out);
    let token = bundle["entry"][0]["resource"]["identifier"][0]["value"].as_str().unwrap();
    assert_eq!(bundle["entry"][0]["fullUrl"], format!("https://x.org/Patient/{token}"));
    assert_eq!(bundle["entry"][0]["request"]["url"], format!("Patient/{token}"));
    assert_eq!(bundle["entry"][0]["resource"]["id"], token);
    let subject = &bundle["entry"][1]["resource"]["subject"];
    assert_eq!(subject["reference"], format!("Patient/{token}"));
    assert_eq!(subject["identifier"]["value"], token);
    assert!(paths.iter().any(|path| path.contains("subject.identifier")), "{paths:?}");
}

#[test]
fn a_sealed_value_that_is_an_address_is_not_sent() {
    for how in [SEAL, How::Drop] {
        let fault = sealed(&fhir(ECHOES), &[("Patient.identifier.value", how)]).unwrap_err();
        assert_eq!(fault.code(), crate::fault::codes::W5013, "{how:?}");
    }
    // Where no address has it, what repeats it is sealed or goes with it.
    let plain = ECHOES.replace("/A900-44", "/1").replace(r#""id":"A900-44""#, r#""id":"1""#);
    for how in [SEAL, How::Drop] {
        let (out, _) = sealed(&fhir(&plain), &[("Patient.identifier.value", how)]).unwrap();
        assert!(!text(&out).contains("900"), "{how:?} {}", text(&out));
    }
}

#[test]
fn what_stands_beside_a_missing_value_is_protected_too() {
    let plain = ECHOES.replace("A900-44", "1");
    for at in ["Patient.name", "Patient.name.family", "Patient.name.given"] {
        let (out, _) = sealed(&fhir(&plain), &[(at, SEAL)]).unwrap();
        let gone = match at {
            "Patient.name" => &["Doe", "Al", "Jo"][..],
            "Patient.name.family" => &["Doe"],
            _ => &["Al", "Jo"],
        };
        for text_gone in gone {
            assert!(!text(&out).contains(&format!("\"{text_gone}\"")), "{at} {}", text(&out));
        }
        let (back, expected) = (json(&opened(&out).unwrap()), json(&fhir(&plain)));
        let name = "/entry/0/resource/name";
        assert_eq!(back.pointer(name), expected.pointer(name), "{at}");
        for how in [How::Drop, How::Token] {
            let (out, _) = sealed(&fhir(&plain), &[(at, how)]).unwrap();
            for text_gone in gone {
                assert!(
                    !text(&out).contains(&format!("\"{text_gone}\"")),
                    "{how:?} {}",
                    text(&out)
                );
            }
        }
    }
}

#[test]
fn fhir_tokens_stand_as_strings() {
    let list = [("Patient.identifier.value", How::Token), ("Patient.name.given", How::Token)];
    let (out, paths) = sealed(&fhir(BUNDLE), &list).unwrap();
    assert_eq!(paths.len(), 4);
    let patient = json(&out)["entry"][1]["resource"].clone();
    let token = patient["identifier"][0]["value"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 26);
    assert!(patient["name"][0].get("_given").is_none(), "the twin may tell");
    let (hl7, _) = sealed(&hl7(ADT), &[("PID-3[1].1", How::Token)]).unwrap();
    assert!(text(&hl7).contains(&token), "one value, one token in both forms");
    let fault = sealed(&fhir(BUNDLE), &[("Patient.multipleBirth", How::Token)]).unwrap_err();
    assert_eq!(fault.code(), W5011);
    let twin = r#"{"resourceType":"Patient","gender":"male","_gender":{"id":"x"}}"#;
    let (out, _) = sealed(&fhir(twin), &[("Patient.gender", How::Token)]).unwrap();
    assert!(json(&out).get("_gender").is_none());
}

#[test]
fn what_does_not_fit_is_a_fault() {
    let ring = keyring(&["other"]);
    let run = |kind, at: &str, how, content: Content| {
        let rules = vec![SealRule::parse(at, how, "ids", kind).unwrap()];
        apply(&rules, &ring, message(), content, &mut counting()).map_err(|f| f.code())
    };
    let (hl7_kind, fhir_kind) = (ContentKind::Hl7, ContentKind::FhirJson);
    let code = |out: Result<(Content, Vec<String>), Code>| out.err();
    assert_eq!(code(run(hl7_kind, "PID-3", SEAL, hl7(ADT))), Some(W5003));
    assert_eq!(code(run(hl7_kind, "PID-3", How::Token, hl7(ADT))), Some(W5003));
    assert_eq!(code(run(hl7_kind, "PID-3", How::Drop, hl7(ADT))), None);
    assert_eq!(code(run(hl7_kind, "PID-3", SEAL, fhir(BUNDLE))), Some(W5012));
    assert_eq!(code(run(fhir_kind, "Patient.name", SEAL, hl7(ADT))), Some(W5012));
    let raw = Content::Raw(Bytes::from_static(b"x"));
    assert_eq!(code(run(fhir_kind, "Patient.name", SEAL, raw.clone())), Some(W5012));
    let (same, paths) = apply(&[], &ring, message(), raw, &mut counting()).unwrap();
    assert!(paths.is_empty() && same.kind() == ContentKind::Raw);
}

#[test]
fn moved_foreign_and_damaged_values_are_told_apart() {
    let (out, _) = sealed(&hl7(ADT), &[("PID-19", SEAL), ("NK1-2", SEAL)]).unwrap();
    let out = text(&out);
    let check = |text: &str, expected| {
        assert_eq!(opened(&hl7(text)).err(), Some(expected), "{text}");
    };
    let names: Vec<&str> = out.split("NK1|").skip(1).map(|s| &s[2..s.len() - 1]).collect();
    let swapped = out.replace(names[0], "#").replace(names[1], names[0]).replace('#', names[1]);
    check(&swapped, W5023);
    check(&out.replace(names[0], &names[0][..40]), W5020);
    check(&ADT.replace("Doe", "weir1.x"), W5020);
    let last = if names[0].ends_with('A') { "B" } else { "A" };
    let changed = format!("{}{last}AA", &names[0][..names[0].len() - 3]);
    check(&out.replace(names[0], &changed), W5024);
    let ring = keyring(&["ids"]);
    let other = open(&ring, Some(MessageId::from_u128(8)), &hl7(&out)).unwrap_err();
    assert_eq!(other.code(), W5022);
    assert_eq!(unseal(&keyring(&[]), &hl7(&out)).unwrap_err().code(), W5021);
    assert!(opened(&hl7(&ADT.replace("Doe", "weir1 is a name"))).is_ok());
}

#[test]
fn broken_twins_are_faults_not_panics() {
    let sealed_twin = |json: &str| opened(&fhir(json)).err();
    let bad = r#"{"extension":[{"url":"urn:weir:sealed","valueString":"weir1.x.y"}]}"#;
    let patient = |rest: &str| format!(r#"{{"resourceType":"Patient",{rest}}}"#);
    assert_eq!(sealed_twin(&patient(&format!(r#""_birthDate":{bad}"#))), Some(W5020));
    assert_eq!(sealed_twin(&patient(&format!(r#""_given":[null,{bad}]"#))), Some(W5020));
    // Not on the twin of a primitive: an extension like any other.
    assert_eq!(sealed_twin(&patient(&format!(r#""name":[{bad}]"#))), None);
    assert_eq!(sealed_twin(bad), None);
    // The array of values is gone, or a value stands beside its seal.
    let (out, _) = sealed(&fhir(BUNDLE), &[("Patient.name.given", SEAL)]).unwrap();
    let mut broken = json(&out);
    broken["entry"][1]["resource"]["name"][0].as_object_mut().unwrap().remove("given");
    assert_eq!(opened(&fhir(&broken.to_string())).err(), Some(W5020));
    let (out, _) = sealed(&fhir(BUNDLE), &[("Patient.birthDate", SEAL)]).unwrap();
    let mut broken = json(&out);
    broken["entry"][1]["resource"]["birthDate"] = "1999".into();
    assert!(opened(&fhir(&broken.to_string())).is_err());
}

#[test]
fn a_sealed_text_of_another_kind_is_damaged() {
    use super::value::{Letters, NO_ENTRY, Sealer, Spot};
    let ring = keyring(&["ids"]);
    let sealer = Sealer::new(ring.active("ids").unwrap(), message());
    let place = "Patient.birthDate".to_owned();
    let spot = Spot { place: place.clone(), entry: NO_ENTRY, shown: place };
    let check = |plain: &[u8]| {
        let text = sealer.seal(plain, &spot, Letters::Base64, &mut counting()).unwrap();
        let json = format!(
            r#"{{"resourceType":"Patient","_birthDate":{{"extension":[
            {{"url":"urn:weir:sealed","valueString":"{text}"}}]}}}}"#
        );
        opened(&fhir(&json)).err()
    };
    assert_eq!(check(b""), Some(W5020));
    assert_eq!(check(b"j\xff"), Some(W5020));
    assert_eq!(check(b"p{"), Some(W5020));
    assert_eq!(check(b"p[]"), Some(W5020));
    assert!(check(b"j\"x\"").is_none());
}

proptest! {
    #[test]
    fn sealed_then_opened_is_equal_and_hides_the_text(
        name in "[a-zA-Z0-9 ()*+,./:;<=>?@{}_-]{9,30}",
        field in 3usize..12, custom in any::<bool>(),
    ) {
        let marks = if custom { "#!~\\&" } else { "|^~\\&" };
        let bar = &marks[..1];
        let header = "A|B|C|D|1||ADT|4|P|2.5".replace('|', bar);
        let header = format!("MSH{marks}{bar}{header}");
        let content = hl7(&format!("{header}\rZPI{}{name}\r", bar.repeat(field)));
        let at = format!("ZPI-{field}");
        let (out, paths) = sealed(&content, &[(at.as_str(), SEAL)]).unwrap();
        prop_assert_eq!(paths.len(), 1);
        prop_assert!(!text(&out).contains(&name));
        prop_assert_eq!(text(&opened(&out).unwrap()), text(&content));
    }

    #[test]
    fn sealed_fhir_opens_to_the_same_json(value in ".{1,40}", line in ".{1,40}") {
        let patient = serde_json::json!({"resourceType": "Patient",
            "identifier": [{"value": value}], "address": [{"line": [line, "x"]}]});
        let content = fhir(&patient.to_string());
        let list = [("Patient.identifier.value", SEAL), ("Patient.address", SEAL)];
        let (out, _) = sealed(&content, &list).unwrap();
        prop_assert_eq!(json(&opened(&out).unwrap()), patient);
    }

    #[test]
    fn any_content_is_opened_or_refused_without_panic(tail in "[ -~]{0,80}") {
        let tail = tail.replace(['|', '"', '\\'], "");
        let _ = opened(&hl7(&format!("MSH|^~\\&|A\rPID|1||weir1{tail}\r")));
        let twin = format!(r#"{{"resourceType":"Patient","_id":{{"extension":[
            {{"url":"urn:weir:sealed","valueString":"weir1{tail}"}}]}}}}"#);
        let _ = opened(&fhir(&twin));
    }
}
