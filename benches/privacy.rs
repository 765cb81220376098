//! Speed of the gates that keep patient data back: consent decisions and sealed fields.

use bytes::Bytes;
use divan::{Bencher, black_box};
use weir::base::{MessageId, Timestamp};
use weir::consent::{Directive, Facts, Policy, Question, decide};
use weir::fault::Problems;
use weir::fhir::Doc;
use weir::hl7v2::Message;
use weir::message::{Content, ContentKind};
use weir::seal::{How, Keyring, SealRule, apply};
use weir::settings::{Document, SourceFile};

const HL7_FIELDS: [&str; 12] = [
    "PID-3.1", "PID-5", "PID-11", "PID-13", "PID-14", "PID-18", "NK1-2", "NK1-4", "NK1-5", "PV1-7",
    "PV1-8", "PV1-19.1",
];

const FHIR_FIELDS: [&str; 12] = [
    "Patient.identifier.where(type.coding.where(code = 'SS').exists()).value",
    "Patient.name.family",
    "Patient.name.given",
    "Patient.birthDate",
    "Patient.telecom.value",
    "Patient.address.line",
    "Patient.address.city",
    "Patient.address.postalCode",
    "Patient.contact.name.family",
    "Patient.contact.telecom.value",
    "Encounter.identifier.value",
    "Observation.note.text",
];

const BUNDLE: &str = r#"{"resourceType":"Bundle","type":"transaction","entry":[
 {"fullUrl":"urn:uuid:5d0f6b3e-4f0c-4c07-9d53-0a0a0a0a0a01","resource":{"resourceType":"Patient",
  "identifier":[{"system":"urn:mr","value":"5550042"},{"type":{"coding":[{"code":"SS"}]},"value":"999887766"}],
  "name":[{"family":"Sample","given":["Jordan","Quinn"]}],"birthDate":"1980-02-29","gender":"female",
  "telecom":[{"system":"phone","value":"(217)555-0142"}],
  "address":[{"line":["12 Long Street","Apt 4"],"city":"Springfield","postalCode":"62701"}],
  "contact":[{"name":{"family":"Robin"},"telecom":[{"value":"(217)555-0143"}]}]},
  "request":{"method":"PUT","url":"Patient?identifier=urn:mr|5550042"}},
 {"resource":{"resourceType":"Encounter","status":"in-progress","class":{"code":"IMP"},
  "identifier":[{"value":"V000987"}],
  "subject":{"reference":"urn:uuid:5d0f6b3e-4f0c-4c07-9d53-0a0a0a0a0a01"}},
  "request":{"method":"POST","url":"Encounter"}},
 {"resource":{"resourceType":"Observation","status":"final",
  "code":{"coding":[{"system":"http://loinc.org","code":"8302-2"}]},
  "valueQuantity":{"value":172,"unit":"cm"},"note":[{"text":"measured lying"}]},
  "request":{"method":"POST","url":"Observation"}}]}"#;

fn keyring() -> Keyring {
    let mut next = 0u8;
    let text = Keyring::generate(&["ids"], &mut |out| {
        for byte in out {
            next = next.wrapping_mul(5).wrapping_add(113);
            *byte = next;
        }
    });
    Keyring::parse(text.as_bytes()).unwrap()
}

fn rules(kind: ContentKind, how: How) -> Vec<SealRule> {
    let fields = if kind == ContentKind::Hl7 { HL7_FIELDS } else { FHIR_FIELDS };
    let rule = |at: &&str| SealRule::parse(at, how, "ids", kind);
    fields.iter().filter_map(|at| rule(at).ok()).collect()
}

fn content(kind: ContentKind) -> Content {
    match kind {
        ContentKind::Hl7 => Content::Hl7(Message::parse(super::adt()).unwrap()),
        _ => Content::Fhir(Doc::parse_json(Bytes::from_static(BUNDLE.as_bytes())).unwrap()),
    }
}

fn sealing(bencher: Bencher<'_, '_>, kind: ContentKind, how: How) {
    let (rules, keyring, content) = (rules(kind, how), keyring(), content(kind));
    let id = MessageId::from_u128(7);
    bencher.bench(|| {
        let content = black_box(&content).clone();
        apply(&rules, &keyring, id, content, &mut |out| out.fill(7)).unwrap().0.to_body()
    });
}

#[divan::bench]
fn seal_12_fields_of_hl7(bencher: Bencher<'_, '_>) {
    sealing(bencher, ContentKind::Hl7, How::Seal);
}

#[divan::bench]
fn seal_12_fields_of_fhir(bencher: Bencher<'_, '_>) {
    sealing(bencher, ContentKind::FhirJson, How::Seal);
}

#[divan::bench]
fn drop_12_fields_of_fhir(bencher: Bencher<'_, '_>) {
    sealing(bencher, ContentKind::FhirJson, How::Drop);
}

fn consents() -> Vec<Directive> {
    let one = |number: usize, provision: &str| {
        let text = format!(
            r#"{{"resourceType":"Consent","id":"c{number}","status":"active",
            "patient":{{"reference":"Patient/1"}},"dateTime":"2026-01-0{number}",
            "provision":{{"type":"permit","provision":[{provision}]}}}}"#
        );
        let doc = Doc::parse_json(Bytes::from(text)).unwrap();
        Directive::compile(&doc, &format!("c{number}"), 1).unwrap().0
    };
    vec![
        one(1, r#"{"type":"deny","purpose":[{"code":"HRESCH"}]}"#),
        one(2, r#"{"type":"deny","class":[{"code":"MedicationRequest"}]}"#),
        one(
            3,
            r#"{"type":"deny","code":[{"coding":[{"system":"http://loinc.org","code":"75622-1"}]}]}"#,
        ),
    ]
}

fn policy() -> Policy {
    let text = "[policy]\nname = \"p\"\n[[rule]]\nrecipient = [\"Organization/*\"]\n\
        purpose = [\"TREAT\"]\nthen = \"permit\"\n";
    let mut problems = Problems::new();
    let file = Document::parse(SourceFile::new("policies/p.toml", text), &mut problems);
    Policy::read(&file, &mut problems).unwrap()
}

#[divan::bench]
fn decide_adt_with_3_consents(bencher: Bencher<'_, '_>) {
    let (policy, consents) = (policy(), consents());
    let facts = Facts::of(&content(ContentKind::Hl7));
    bencher.bench(|| {
        let question = Question {
            recipient: "Organization/hie",
            purpose: "TREAT",
            now: Timestamp::from_millis(1_800_000_000_000),
            ..Question::new(black_box(&facts))
        };
        decide(&policy, &consents, &question)
    });
}

#[divan::bench]
fn facts_of_adt(bencher: Bencher<'_, '_>) {
    let content = content(ContentKind::Hl7);
    bencher.bench(|| Facts::of(black_box(&content)));
}

#[divan::bench]
fn facts_of_bundle(bencher: Bencher<'_, '_>) {
    let content = content(ContentKind::FhirJson);
    bencher.bench(|| Facts::of(black_box(&content)));
}
