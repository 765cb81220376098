//! Bytes to a message with the few facts every channel needs.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::Phi;
use crate::cda;
use crate::fault::Fault;
use crate::fault::codes::W6015;
use crate::fhir::{Doc, Node, tables};
use crate::hl7v2::{self, Tolerances};
use crate::message::{Content, ContentKind};

/// A parsed message and what identifies it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What it says.
    pub content: Content,
    /// `ADT^A08`, `transaction:Patient`, `Patient`, `cda:34133-9`; empty where it is not a plain word, so
    /// that nothing a peer writes there reaches logs or screens.
    pub message_type: Arc<str>,
    /// HL7 version, such as `2.5.1`; empty where it is not one, and for other content.
    pub version: Arc<str>,
    /// MSH-10, or root and extension of a document's number; none where it is empty and for
    /// other content.
    pub control_id: Option<Phi<String>>,
    /// MSH-3 and MSH-4 as they came.
    pub sender: Phi<String>,
    /// It came in the XML encoding of HL7 v2, and is answered in it.
    pub xml: bool,
}

impl Parsed {
    /// Deviations that were read past.
    #[must_use]
    pub fn tolerances(&self) -> Tolerances {
        match &self.content {
            Content::Hl7(message) => message.tolerances(),
            Content::Fhir(_) | Content::Cda(_) | Content::Raw(_) => Tolerances::NONE,
        }
    }
}

impl Parsed {
    /// With the type that the message gives itself, where the channel names it in `accept`:
    /// sites have types of their own, and what stands in the configuration may be shown.
    #[must_use]
    pub fn named_by(mut self, accept: &super::Accept) -> Self {
        if let (true, Content::Hl7(message)) = (self.message_type.is_empty(), &self.content) {
            let own = message.header().message_type();
            if accept.0.iter().any(|row| **row == *own) {
                self.message_type = own.into();
            }
        }
        self
    }

    /// With the type that is known from the way a resource came.
    #[must_use]
    pub fn named(mut self, message_type: Option<&Arc<str>>) -> Self {
        if let (Some(message_type), Content::Fhir(_)) = (message_type, &self.content) {
            self.message_type = message_type.clone();
        }
        self
    }

    /// The first thing that is wrong with the character set that a message names.
    #[must_use]
    pub fn charset_fault(&self) -> Option<Fault> {
        match &self.content {
            Content::Hl7(message) => message.check_charset().err(),
            Content::Fhir(_) | Content::Cda(_) | Content::Raw(_) => None,
        }
    }
}

/// Types of a Bundle.
///
/// Source: FHIR R4 valueset-bundle-type.html.
const BUNDLE_TYPES: [&str; 9] = [
    "document",
    "message",
    "transaction",
    "transaction-response",
    "batch",
    "batch-response",
    "history",
    "searchset",
    "collection",
];

/// Longest version that is shown, such as `2.8.2`.
const VERSION_BYTES_MAX: usize = 6;

/// Message codes of all versions.
const MESSAGE_CODES: &str = "\
     ACK ADR ADT ARD BAR BPS BRP BRT BTS CCF CCI CCM CCQ CCU CNQ CQU CRM CSU DBC DBU DEL DEO DER \
     DFT DOC DPR DRC DSR EAC EAN EAR EDR EHC EQQ ERP ERQ ESR ESU INR INU LSR LSU MCF MDM MFD MFK \
     MFN MFQ MFR NMD NMQ NMR OMB OMD OMG OMI OML OMN OMP OMQ OMS OPL OPR OPU ORA ORB ORD ORF ORG \
     ORI ORL ORM ORN ORP ORR ORS ORU ORX OSM OSQ OSR OSU OUL PEX PGL PIN PMU PPG PPP PPR PPT PPV \
     PRR PTR QBP QCK QCN QRY QSB QSX QVR RAR RAS RCI RCL RDE RDR RDS RDY REF RER RGR RGV ROC ROD \
     ROR RPA RPI RPL RPR RQA RQC RQI RQP RQQ RRA RRD RRE RRG RRI RSP RTB SCN SDN SDR SET SIU SLN \
     SLR SMD SPQ SQM SQR SRM SRR SSR SSU STC STI SUR TBR TCR TCU UDM VQQ VXQ VXR VXU VXX";

/// Parses the bytes of a message.
///
/// # Errors
/// The fault of the parser, `W2..`.
pub fn parse(kind: ContentKind, bytes: Bytes) -> Result<Parsed, Fault> {
    parse_as(kind, bytes, None)
}

/// As [`parse`], HL7 v2 in this character set whatever MSH-18 says. A document in the XML
/// encoding says itself how its bytes become text.
///
/// # Errors
/// The fault of the parser, `W2..`; `W6015` for content that was removed.
pub fn parse_as(
    kind: ContentKind,
    bytes: Bytes,
    charset: Option<hl7v2::Charset>,
) -> Result<Parsed, Fault> {
    match kind {
        ContentKind::Hl7 if hl7v2::xml::is_document(&bytes) => {
            hl7v2::xml::read(&bytes).map(|message| Parsed { xml: true, ..hl7(message) })
        }
        ContentKind::Hl7 => hl7v2::Message::parse_as(bytes, charset).map(hl7),
        ContentKind::FhirJson => Doc::parse(bytes).map(fhir),
        ContentKind::Cda => cda::Document::parse(&bytes).map(document),
        ContentKind::Raw => Ok(Parsed {
            content: Content::Raw(bytes),
            message_type: "".into(),
            version: "".into(),
            control_id: None,
            sender: Phi::default(),
            xml: false,
        }),
        ContentKind::Removed => Err(Fault::new(W6015)),
    }
}

fn hl7(message: hl7v2::Message) -> Parsed {
    let header = message.header();
    let control = header.control_id();
    let control_id = control.is_valued().then(|| Phi::new(control.text().into_owned()));
    let sender = [header.sending_application(), header.sending_facility()]
        .map(|value| String::from_utf8_lossy(value.raw()).into_owned())
        .join("|");
    let message_type = v2_type(&header.message_type());
    let version = v2_version(&header.version());
    Parsed {
        message_type,
        version,
        control_id,
        sender: Phi::new(sender),
        xml: false,
        content: Content::Hl7(message),
    }
}

fn fhir(doc: Doc) -> Parsed {
    let root = doc.root();
    let text = |name: &str| root.get(name).and_then(|node| node.text());
    // Only words of the standard: what a peer writes there must not reach logs or screens.
    let own = resource_name(root.get("resourceType"));
    let message_type = match own.as_deref() {
        Some("Bundle") => {
            let first = root.get("entry").and_then(|entries| entries.items().next());
            let resource = first.and_then(|entry| entry.get("resource")?.get("resourceType"));
            let kind = text("type").filter(|kind| BUNDLE_TYPES.contains(&&**kind));
            let kind = kind.unwrap_or_default();
            match resource_name(resource) {
                Some(resource) => format!("{kind}:{resource}"),
                None => kind.into_owned(),
            }
        }
        Some(resource) => resource.to_owned(),
        None => String::new(),
    };
    Parsed {
        message_type: message_type.into(),
        version: "".into(),
        control_id: None,
        sender: Phi::default(),
        xml: false,
        content: Content::Fhir(doc),
    }
}

/// A document, by its kind and its number.
fn document(document: cda::Document) -> Parsed {
    let kind = document.code().filter(|code| is_loinc(code));
    let message_type = match &kind {
        Some(code) => format!("cda:{code}").into(),
        None => "cda".into(),
    };
    let id = document.root().child("id");
    let part = |name| id.and_then(|id| id.attribute(name)).unwrap_or_default();
    let number = [part("root"), part("extension")].join("|");
    let control_id = (number.len() > 1).then(|| Phi::new(number));
    drop(kind);
    Parsed {
        message_type,
        version: "".into(),
        control_id,
        sender: Phi::default(),
        xml: false,
        content: Content::Cda(document),
    }
}

/// Whether a text has the form of a code of LOINC: what a peer writes in its place must not
/// reach logs or screens.
fn is_loinc(text: &str) -> bool {
    let (number, check) = text.split_once('-').unwrap_or_default();
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    (1..=7).contains(&number.len()) && digits(number) && check.len() == 1 && digits(check)
}

/// The name of a type of resource where it is one.
fn resource_name(node: Option<Node<'_>>) -> Option<Cow<'_, str>> {
    node?.text().filter(|name| tables::is_resource(name))
}

/// The type of an HL7 v2 message where it is one of the standard or of a site's own (`Z..`),
/// else nothing: senders with shifted fields put names and numbers there.
///
/// Source: HL7 v2.8.2 tables 0076 and 0003, and those of earlier versions.
fn v2_type(text: &str) -> Arc<str> {
    let (code, event) = text.split_once('^').unwrap_or((text, ""));
    let fits = is_code(code) && (event.is_empty() || is_event(event));
    if fits { text.into() } else { "".into() }
}

fn is_word(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn is_code(text: &str) -> bool {
    is_word(text)
        && (text.starts_with('Z') || MESSAGE_CODES.split_ascii_whitespace().any(|c| c == text))
}

fn is_event(text: &str) -> bool {
    let digits = text.get(1..).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    let letter = text.starts_with(|c: char| c.is_ascii_uppercase());
    // `PC1` to `PCL` of problems and goals, and queries whose event is their own code.
    is_word(text) && (digits && letter || text.starts_with("PC") || text == "R0R" || is_code(text))
}

/// The version of HL7 v2 where it is one, else nothing.
fn v2_version(text: &str) -> Arc<str> {
    let fits = text.len() <= VERSION_BYTES_MAX
        && text.starts_with('2')
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if fits { text.into() } else { "".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_the_standards_are_shown() {
        let check = |text: &str, expected: bool| {
            assert_eq!(&*v2_type(text), if expected { text } else { "" }, "{text}");
        };
        for good in ["ADT^A08", "ACK", "ZLB^Z01", "ADT^ZA1", "RAR^RAR", "PPG^PCG", "ORU^R01"] {
            check(good, true);
        }
        for wrong in [
            "Doe^Jane",
            "Hartmann^Anna",
            "123-45-6789^Q",
            "ANN^LEE",
            "ADT^LEE",
            "123^456",
            "ADT^",
            "ADT^A08<b>",
            "adt^a08",
            "ADT^A08^ADT_A01",
            "A01",
            "",
        ] {
            check(wrong, wrong == "ADT^");
        }
        let check = |text: &str, expected: &str| assert_eq!(&*v2_version(text), expected);
        check("2.5.1", "2.5.1");
        check("2", "2");
        check("123-45-6789", "");
        check("5551234", "");
        let check = |json: &str, expected: &str| {
            let parsed = parse(ContentKind::FhirJson, Bytes::copy_from_slice(json.as_bytes()));
            assert_eq!(&*parsed.unwrap().message_type, expected, "{json}");
        };
        check(r#"{"resourceType":"Patient"}"#, "Patient");
        check(r#"{"resourceType":"Hartmann"}"#, "");
        check(r#"{"resourceType":"Bundle","type":"transaction"}"#, "transaction");
        let entry =
            r#"{"resourceType":"Bundle","type":"T","entry":[{"resource":{"resourceType":"R"}}]}"#;
        check(&entry.replace("\"T\"", "\"batch\"").replace("\"R\"", "\"Group\""), "batch:Group");
        check(&entry.replace("\"T\"", "\"Anna\""), "");
    }
}
