//! Bytes to a message with the few facts every channel needs.

use std::sync::Arc;

use bytes::Bytes;

use crate::base::Phi;
use crate::fault::Fault;
use crate::fault::codes::W6015;
use crate::fhir::Doc;
use crate::hl7v2::{self, Tolerances};
use crate::message::{Content, ContentKind};

/// A parsed message and what identifies it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What it says.
    pub content: Content,
    /// `ADT^A08`, `transaction:Patient`, `Patient`; empty where it is not a plain word, so
    /// that nothing a peer writes there reaches logs or screens.
    pub message_type: Arc<str>,
    /// HL7 version, such as `2.5.1`; empty where it is not one, and for other content.
    pub version: Arc<str>,
    /// MSH-10; none where it is empty and for other content.
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
            Content::Fhir(_) | Content::Raw(_) => Tolerances::NONE,
        }
    }
}

impl Parsed {
    /// The first thing that is wrong with the character set that a message names.
    #[must_use]
    pub fn charset_fault(&self) -> Option<Fault> {
        match &self.content {
            Content::Hl7(message) => message.check_charset().err(),
            Content::Fhir(_) | Content::Raw(_) => None,
        }
    }
}

/// Longest message type that is shown; the longest in the standards has 15 characters.
const TYPE_BYTES_MAX: usize = 64;

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
        ContentKind::FhirJson => Doc::parse_json(bytes).map(fhir),
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
    let message_type = plain(&header.message_type());
    let version = plain(&header.version());
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
    let message_type = match text("resourceType").as_deref() {
        Some("Bundle") => {
            let first = root.get("entry").and_then(|entries| entries.items().next());
            let resource = first.and_then(|entry| entry.get("resource")?.get("resourceType"));
            let kind = text("type").unwrap_or_default();
            match resource.and_then(|node| node.text()) {
                Some(resource) => format!("{kind}:{resource}"),
                None => kind.into_owned(),
            }
        }
        Some(resource) => resource.to_owned(),
        None => String::new(),
    };
    Parsed {
        message_type: plain(&message_type),
        version: "".into(),
        control_id: None,
        sender: Phi::default(),
        xml: false,
        content: Content::Fhir(doc),
    }
}

/// The text where it is a plain word of a standard, else nothing.
fn plain(text: &str) -> Arc<str> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'^' | b'_' | b':' | b'.' | b'-');
    if text.len() <= TYPE_BYTES_MAX && text.bytes().all(good) { text.into() } else { "".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words_are_shown() {
        let check = |text: &str, expected: &str| assert_eq!(&*plain(text), expected);
        check("ADT^A08", "ADT^A08");
        check("transaction:Patient", "transaction:Patient");
        check("Doe Jane", "");
        check("ADT^A08<script>", "");
        check(&"A".repeat(65), "");
    }
}
