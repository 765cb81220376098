//! Facts of HL7 v2: segments that stand for resources, and what labels a message.

use super::{Facts, Item, Labels};
use crate::consent::code::Code;
use crate::fhir::systems::{self, ACT_CODE, CONFIDENTIALITY};
use crate::hl7v2::{Message, Segment, Value};

/// A segment that stands for a resource.
struct Row {
    id: &'static str,
    class: &'static str,
    /// What it may be as well.
    also: &'static [&'static str],
    /// Field of its main code; 0 for none.
    code: usize,
}

const fn row(
    id: &'static str,
    class: &'static str,
    also: &'static [&'static str],
    code: usize,
) -> Row {
    Row { id, class, also, code }
}

/// Segments that stand for a resource.
///
/// Source: HL7 v2-to-FHIR implementation guide, segment maps; where a segment has several
/// targets the usual one is the class and the others are what it may be as well.
const SEGMENTS: &[Row] = &[
    row("PID", "Patient", &["Account", "Person"], 0),
    row("PD1", "Patient", &[], 0),
    row("MRG", "Patient", &["Account", "Encounter"], 0),
    row("NK1", "RelatedPerson", &["Patient"], 0),
    row("GT1", "RelatedPerson", &["Account"], 0),
    row("IN1", "Coverage", &["InsurancePlan"], 0),
    row("IN2", "Coverage", &[], 0),
    row("IN3", "Coverage", &[], 0),
    row("PV1", "Encounter", &["Coverage", "EpisodeOfCare"], 0),
    row("PV2", "Encounter", &["EpisodeOfCare"], 0),
    row("AL1", "AllergyIntolerance", &[], 3),
    row("IAM", "AllergyIntolerance", &[], 3),
    row("DG1", "Condition", &["Encounter", "EpisodeOfCare"], 3),
    row("PRB", "Condition", &[], 3),
    row("PR1", "Procedure", &[], 3),
    row("ACC", "Condition", &["Claim", "Encounter"], 2),
    row("GOL", "Goal", &[], 3),
    row("PTH", "CarePlan", &[], 3),
    row("ORC", "ServiceRequest", ORDERS, 0),
    row("OBR", "DiagnosticReport", &["ImagingStudy", "Observation", "ServiceRequest"], 4),
    row("OBX", "Observation", RESULTS, 3),
    row("SPM", "Specimen", &[], 4),
    row("SAC", "Specimen", &[], 0),
    row("RXO", "MedicationRequest", &["Medication"], 1),
    row("RXE", "MedicationRequest", &["Medication", "MedicationDispense"], 2),
    row("RXD", "MedicationDispense", &["Medication"], 2),
    row("RXG", "MedicationAdministration", &["Medication", "MedicationRequest"], 4),
    row("RXA", "Immunization", &["Medication", "MedicationAdministration"], 5),
    row("SCH", "Appointment", &["AppointmentResponse", "Schedule", "Slot"], 0),
    row("AIS", "Appointment", &["HealthcareService", "ServiceRequest", "Slot"], 3),
    row("ARQ", "Appointment", &["AppointmentResponse"], 0),
    row("TXA", "DocumentReference", &["Binary", "Composition"], 2),
    row("FT1", "ChargeItem", &["Account", "Claim", "Invoice"], 7),
    row("CON", "Consent", &[], 0),
    row("ODS", "NutritionOrder", &[], 3),
    row("ODT", "NutritionOrder", &[], 2),
];

/// What an order may be.
const ORDERS: &[&str] = &[
    "DeviceRequest",
    "DiagnosticReport",
    "Immunization",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "NutritionOrder",
    "SupplyRequest",
    "Task",
];

/// What a result may be.
const RESULTS: &[&str] = &[
    "AllergyIntolerance",
    "Binary",
    "Condition",
    "DiagnosticReport",
    "DocumentReference",
    "Media",
    "QuestionnaireResponse",
];

/// Segments that tell of no patient or only complete the one before them.
const PASSED: &[&str] = &[
    "MSH", "SFT", "UAC", "EVN", "MSA", "ERR", "QAK", "DSC", "ADD", "FHS", "BHS", "BTS", "FTS",
    "NTE", "TQ1", "TQ2", "RXR", "RXC", "CTD", "ROL", "PRT", "AIG", "AIL", "AIP", "RGS", "BLG",
    "ARV",
];

/// Fields that label a message, and the table of their codes.
///
/// Source: HL7 v2.5.1 §4.5.1.28 (ORC-28), §3.4.3.16 (PV1-16), §3.4.10.12 (PD1-12),
/// §9.6.1.18 (TXA-18); v2.7 chapter 3 (ARV-3).
const LABELS: &[(&str, usize, &str)] = &[
    ("ORC", 28, "HL70177"),
    ("PV1", 16, "HL70099"),
    ("PD1", 12, "HL70136"),
    ("TXA", 18, "HL70272"),
    ("ARV", 3, "HL70717"),
];

/// Codes of those tables that have a counterpart among the labels of FHIR.
const SAME_LABEL: &[(&str, &str, &str, &str)] = &[
    ("HL70177", "R", CONFIDENTIALITY, "R"),
    ("HL70177", "V", CONFIDENTIALITY, "V"),
    ("HL70177", "U", CONFIDENTIALITY, "N"),
    ("HL70177", "AID", ACT_CODE, "HIV"),
    ("HL70177", "HIV", ACT_CODE, "HIV"),
    ("HL70177", "ETH", ACT_CODE, "ETH"),
    ("HL70177", "PSY", ACT_CODE, "PSY"),
    ("HL70177", "VIP", ACT_CODE, "CEL"),
    ("HL70177", "EMP", ACT_CODE, "EMP"),
    ("HL70136", "Y", CONFIDENTIALITY, "R"),
    ("HL70272", "R", CONFIDENTIALITY, "R"),
    ("HL70272", "V", CONFIDENTIALITY, "V"),
    ("HL70272", "U", CONFIDENTIALITY, "N"),
    ("HL70717", "HIV", ACT_CODE, "HIV"),
    ("HL70717", "PSY", ACT_CODE, "PSY"),
    ("HL70717", "DRG", ACT_CODE, "ETH"),
    ("HL70717", "STD", ACT_CODE, "STD"),
    ("HL70717", "SMD", ACT_CODE, "PSY"),
];

pub(super) fn read(facts: &mut Facts, message: &Message) {
    let labels = labels(message);
    for segment in message.segments() {
        let id = segment.id();
        if PASSED.contains(&id) {
            continue;
        }
        let Some(row) = SEGMENTS.iter().find(|row| row.id == id) else {
            facts.add(Item { labels: labels.clone(), ..Item::default() });
            continue;
        };
        let mut codes = Vec::new();
        let unclear = row.code > 0 && main_codes(&segment, row.code, &mut codes);
        facts.add(Item {
            class: Some(row.class.into()),
            also: row.also.to_vec(),
            labels: labels.clone(),
            codes: Some(codes),
            inner: inner_codes(&segment, row.code),
            unclear,
            ..Item::default()
        });
    }
}

/// Labels of a message: what one of its segments says holds for all of it.
fn labels(message: &Message) -> Labels {
    let mut labels = Labels::default();
    for segment in message.segments() {
        let name = segment.id();
        let own = LABELS.iter().find(|(id, ..)| *id == name);
        let Some((_, field, table)) = own else { continue };
        let Some(field) = segment.field(*field).filter(Value::is_valued) else { continue };
        for repetition in field.repetitions().filter(Value::is_valued) {
            add_label(&mut labels, repetition, table);
        }
    }
    labels
}

fn add_label(labels: &mut Labels, value: Value<'_>, table: &'static str) {
    let code = value.component(1).map(|code| code.text()).unwrap_or_default();
    let code = code.trim();
    if code.is_empty() {
        labels.unclear = true;
        return;
    }
    if table == "HL70136" && code == "N" {
        return;
    }
    let system = value.component(3).filter(Value::is_valued).map(|system| system.text());
    let mut add = |code: Code| {
        if !labels.codes.contains(&code) {
            labels.codes.push(code);
        }
    };
    add(Code::new(Some(system.as_deref().unwrap_or(table)), code));
    for (own, from, system, to) in SAME_LABEL {
        if *own == table && *from == code {
            add(Code::known(system, to));
        }
    }
    match table {
        // Who is a person of public interest is labeled so, whatever the site's code.
        "HL70099" => add(Code::known(ACT_CODE, "CEL")),
        // A code that a site added may mean any label.
        _ if !SAME_LABEL.iter().any(|(own, from, ..)| *own == table && *from == code) => {
            labels.unclear = true;
        }
        _ => {}
    }
}

/// The triplets of a coded value: code and system, in CE twice, in CWE three times.
const TRIPLETS: [(usize, usize); 3] = [(1, 3), (4, 6), (10, 12)];

/// Codes of the main field of a segment, all triplets; whether it has none that is a code.
fn main_codes(segment: &Segment<'_>, field: usize, codes: &mut Vec<Code>) -> bool {
    let Some(field) = segment.field(field).filter(Value::is_valued) else { return true };
    // Before 2.3.1 the system of DG1-3 and PR1-3 stood in the field before.
    let before = match segment.id() {
        "DG1" | "PR1" => segment.field(2).filter(Value::is_valued).map(|value| value.text()),
        _ => None,
    };
    let mut unclear = false;
    for repetition in field.repetitions() {
        let part = |n| repetition.component(n).filter(|v: &Value<'_>| v.is_valued());
        let known = codes.len();
        for (code, system) in TRIPLETS {
            let Some(code) = part(code) else { continue };
            let system = part(system).map(|system| system.text());
            codes.push(Code::new(system.as_deref().or(before.as_deref()), &code.text()));
        }
        unclear |= codes.len() == known;
    }
    unclear
}

/// Codes of known systems anywhere else in a segment.
fn inner_codes(segment: &Segment<'_>, main: usize) -> Vec<Code> {
    let mut codes = Vec::new();
    for (_, field) in segment.fields().enumerate().filter(|(at, _)| at + 1 != main) {
        if field.raw().len() < 5 {
            continue;
        }
        for repetition in field.repetitions() {
            for (code, system) in TRIPLETS {
                let Some(system) = repetition.component(system).filter(Value::is_valued) else {
                    break;
                };
                let Some(code) = repetition.component(code) else { break };
                if systems::of(&system.text()).is_some() {
                    codes.push(Code::new(Some(&system.text()), &code.text()));
                }
            }
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::tests::shown;
    use super::*;
    use crate::consent::code::Match;
    use crate::message::Content;

    fn hl7(text: &str) -> Facts {
        let text = format!("MSH|^~\\&|A|B|C|D|20260102||ORU^R01|1|P|2.5.1\r{text}");
        Facts::of(&Content::Hl7(Message::parse(Bytes::from(text)).unwrap()))
    }

    #[test]
    fn segments_stand_for_resources() {
        let facts = hl7("PID|1||5\rPV1|1\r\
             OBR|1|||24323-8^CMP^LN\rOBX|1|NM|2345-7^Glucose^LN^GLU^Glucose^L||9\r\
             OBX|2|NM|2345-7^Glucose^LN^GLU^Glucose^L||8\rNTE|1||text\rZLB|1\rDG1|1||E11\r");
        assert_eq!(
            shown(&facts),
            "Patient - - -\nEncounter - - -\nDiagnosticReport - 24323-8 -\n\
             Observation - 2345-7,GLU -\n? - ? -\nCondition - E11 -"
        );
        assert_eq!(facts.classes().len(), 5);
        assert_eq!(format!("{:?}", facts.items()[3]), "Item(Observation <phi>)");
        assert_eq!(facts.items()[2].is_class("ServiceRequest"), Match::Unsure);
        assert_eq!(facts.items()[4].is_class("ServiceRequest"), Match::Unsure, "Z segments");
        assert_eq!(facts.items()[5].is_class("ServiceRequest"), Match::No);
    }

    #[test]
    fn each_segment_stands_once() {
        for (place, row) in SEGMENTS.iter().enumerate() {
            assert!(!SEGMENTS[..place].iter().any(|other| other.id == row.id), "{}", row.id);
            assert!(!PASSED.contains(&row.id), "{}", row.id);
            for class in row.also.iter().chain([&row.class]) {
                assert!(crate::fhir::tables::is_resource(class), "{class}");
            }
        }
    }

    #[test]
    fn texts_are_no_codes() {
        let check = |segments: &str, expected: &str| assert_eq!(shown(&hl7(segments)), expected);
        check("OBX|1|ST|^HIV||x\r", "Observation - ? -");
        check("OBX|1|ST|\"\"||x\r", "Observation - ? -");
        check("DG1|1|||Diabetes\r", "Condition - ? -");
        check("DG1|1|I10|E11.9\r", "Condition - E11.9 -");
        check("SPM|1|||B^^HL70487~^Blood\r", "Specimen - B,? -");
    }

    #[test]
    fn codes_stand_in_other_fields_too() {
        let inner = |segments: &str| {
            let facts = hl7(segments);
            let codes = facts.items()[0].inner.iter();
            codes.map(|code| code.code().to_owned()).collect::<Vec<_>>().join(",")
        };
        assert_eq!(inner("OBX|1|CWE|A^x^LN||165816005^HIV^SCT~B^y^L^C^z^I10\r"), "165816005,C");
        assert_eq!(inner("PV2|1||B20^HIV^I10C\r"), "B20");
        assert_eq!(inner("PID|1||5^^^A^MR||Doe^Jo^Q\r"), "");
    }

    #[test]
    fn fields_label_the_whole_message() {
        let check = |segments: &str, expected: &str| {
            let facts = hl7(&format!("{segments}PID|1\r"));
            let last = shown(&facts).lines().last().map(str::to_owned);
            assert_eq!(last.as_deref(), Some(&*format!("Patient {expected} - -")), "{segments}");
        };
        let field = |id: &str, n: usize, value: &str| format!("{id}{}{value}\r", "|".repeat(n));
        check(&field("ORC", 28, "R"), "R,R");
        check(&field("ORC", 28, "HIV^AIDS^HL70177"), "HIV,HIV");
        check(&field("ORC", 28, "ETH~PSY"), "ETH,ETH,PSY,PSY");
        check(&field("ORC", 28, "^secret"), "?");
        check(&field("ORC", 28, "XYZ"), "XYZ,?");
        check(&field("PV1", 16, "VIP"), "VIP,CEL");
        check(&field("PD1", 12, "Y"), "Y,R");
        check(&field("PD1", 12, "N"), "-");
        check(&field("TXA", 18, "V"), "V,V");
        check(&field("ARV", 3, "DRG"), "DRG,ETH");
        check(&field("ARV", 3, "\"\""), "-");
        check("", "-");
    }
}
