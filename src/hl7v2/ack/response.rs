//! Responses of their own: which message answers a query or an order, and what of the
//! question it repeats.
//!
//! The standard answers most messages by ACK, but queries and orders by messages of their
//! own, whose structure the event map of the version names. Segments beyond those of the
//! question are not known here: a mapping makes them.
//!
//! Source: HL7 v2.5.1 chapters 3 to 13, the message pairs of each trigger event; §5.3.1 for
//! QBP and RSP; §5.5.2 for QAK.

use super::AckCode;
use crate::hl7v2::Message;
use crate::hl7v2::tables::{self, NodeKind, StructureDef, Version};

/// A message that answers others.
#[derive(Clone, Copy, Debug)]
pub struct Response {
    /// MSH-9.1, such as `RSP`.
    pub code: &'static str,
    /// MSH-9.2, such as `K22`.
    pub event: &'static str,
    /// MSH-9.3, such as `RSP_K21`.
    pub structure: &'static str,
    version: &'static Version,
}

/// Message code, the code of what answers it, and its event: `+1` is the one behind that of
/// the message, `=` the same.
const RULES: &[(&str, &str, &str)] = &[
    ("ORM", "ORR", "+1"),
    ("OMG", "ORG", "+1"),
    ("OML", "ORL", "+1"),
    ("OMD", "ORD", "+1"),
    ("OMS", "ORS", "+1"),
    ("OMN", "ORN", "+1"),
    ("OMP", "ORP", "+1"),
    ("OMI", "ORI", "+1"),
    ("OMB", "ORB", "+1"),
    ("OPL", "OPR", "+1"),
    ("RDE", "RRE", "+1"),
    ("RDS", "RRD", "+1"),
    ("RGV", "RRG", "+1"),
    ("RAS", "RRA", "+1"),
    ("SRM", "SRR", "="),
    ("SQM", "SQR", "="),
    ("REF", "RRI", "="),
    ("RQA", "RPA", "="),
    ("MFN", "MFK", "="),
    ("MFQ", "MFR", "="),
    ("OSQ", "OSR", "="),
    ("NMQ", "NMR", "="),
];

/// Events that follow no rule: message code and event, and those of the answer.
const PAIRS: &[(&str, &str, &str, &str)] = &[
    ("QBP", "Q13", "RTB", "K13"),
    ("QBP", "Q15", "RDY", "K15"),
    ("QBP", "Z73", "RTB", "Z74"),
    ("QRY", "A19", "ADR", "A19"),
    ("QRY", "PC4", "PPR", "PC4"),
    ("QRY", "Q01", "DSR", "Q01"),
    ("QRY", "R02", "ORF", "R04"),
    ("QRY", "R04", "ORF", "R04"),
    ("RQI", "I01", "RPI", "I01"),
    ("RQI", "I02", "RPL", "I02"),
    ("RQI", "I03", "RPR", "I03"),
    ("RQP", "I04", "RPI", "I04"),
    ("RQC", "I05", "RCI", "I05"),
    ("RQC", "I06", "RCL", "I06"),
];

/// The message that answers another, by code, event and structure.
fn named(
    version: &'static Version,
    code: &str,
    event: &str,
) -> Option<(&'static str, &'static str, &'static str)> {
    let known = |name: &str| {
        let own = || version.structures().find(|id| *id == name).map(|id| (id, id));
        let (event, structure) = version.events().find(|(event, _)| *event == name).or_else(own)?;
        event.split_once('_').map(|(code, event)| (code, event, structure))
    };
    if let Some((.., code, event)) = PAIRS.iter().find(|(of, at, ..)| *of == code && *at == event) {
        return known(&format!("{code}_{event}"));
    }
    if code == "QBP" {
        // Q22 is answered by K22; what a site names itself follows no rule.
        return known(&format!("RSP_K{}", event.strip_prefix('Q')?));
    }
    let (_, answer, rule) = RULES.iter().find(|(of, ..)| *of == code)?;
    match *rule {
        "=" => known(&format!("{answer}_{event}")).or_else(|| {
            // One row stands for all events of an answer.
            let (_, event, _) = known(&format!("{code}_{event}"))?;
            let mut rows =
                version.events().filter_map(|(name, of)| Some((name.split_once('_')?, of)));
            let ((code, _), structure) = rows.find(|((code, _), _)| code == answer)?;
            Some((code, event, structure))
        }),
        _ => {
            let (letter, number) = event.split_at_checked(1)?;
            let next = number.parse::<u8>().ok()?.checked_add(1)?;
            known(&format!("{answer}_{letter}{next:02}"))
        }
    }
}

/// The message that answers a message in its version, where it is not ACK.
#[must_use]
pub fn response(message: &Message) -> Option<Response> {
    let header = message.header();
    let (version, _) = tables::version(&header.version());
    answer_to(version, &header.message_code(), &header.trigger_event())
}

/// The message that answers messages of a code and event, where it is not ACK.
#[must_use]
pub fn answer_to(version: &'static Version, code: &str, event: &str) -> Option<Response> {
    let (code, event, structure) = named(version, code, event)?;
    version.structure(structure).map(|_| Response { code, event, structure, version })
}

impl Response {
    fn holds(&self, id: &str) -> bool {
        let has = |def: &StructureDef| {
            def.nodes.iter().any(|node| node.kind == NodeKind::Segment && node.name == id)
        };
        self.version.structure(self.structure).is_some_and(has)
    }

    /// What the answer repeats of the question: QAK with its tag and the state of the query
    /// (`found`: whether the answer brings anything), then QPD, or QRD and QRF, as they came.
    /// Each segment stands without its terminator.
    #[must_use]
    pub fn echo(&self, message: &Message, code: AckCode, found: bool) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let query = |id: &str| message.segments().find(|segment| segment.id() == id);
        let raw = |id: &str, n: usize| {
            query(id).and_then(|segment| segment.field(n)).map_or(&[][..], |value| value.raw())
        };
        if self.holds("QAK") && (query("QPD").is_some() || query("QRD").is_some()) {
            let tag = if query("QPD").is_some() { raw("QPD", 2) } else { raw("QRD", 4) };
            // Table 0208.
            let state: &[u8] = match (code.is_accept(), code) {
                (true, _) if found => b"OK",
                (true, _) => b"NF",
                (false, AckCode::AR | AckCode::CR) => b"AR",
                (false, _) => b"AE",
            };
            let mut fields = vec![&b"QAK"[..], tag, state];
            let named = self.version.segment("QAK").is_some_and(|qak| qak.field(3).is_some());
            if named && !raw("QPD", 1).is_empty() {
                fields.push(raw("QPD", 1));
            }
            out.push(fields.join(&message.delimiters().field));
        }
        let repeated = ["QPD", "QRD", "QRF"].into_iter().filter(|id| self.holds(id));
        out.extend(repeated.filter_map(query).map(|segment| segment.raw().to_vec()));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn message(kind: &str, version: &str, rest: &str) -> Message {
        let text = format!("MSH|^~\\&|A|B|C|D|2026||{kind}|1|P|{version}\r{rest}");
        Message::parse(Bytes::from(text)).unwrap()
    }

    #[test]
    fn questions_have_their_answers() {
        let check = |kind: &str, version: &str, expected: &str| {
            let found = response(&message(kind, version, ""));
            let found = found
                .map_or_else(String::new, |r| format!("{}^{}^{}", r.code, r.event, r.structure));
            assert_eq!(found, expected, "{kind} {version}");
        };
        check("QBP^Q22^QBP_Q21", "2.5.1", "RSP^K22^RSP_K21");
        check("QBP^Q21", "2.5", "RSP^K21^RSP_K21");
        check("QBP^Q23", "2.5.1", "RSP^K23^RSP_K23");
        check("QBP^Q11", "2.5.1", "RSP^K11^RSP_K11");
        check("QBP^Q11", "2.4", "RSP^K11^RSP_K11");
        check("QBP^Q13", "2.5.1", "RTB^K13^RTB_K13");
        check("OMG^O19^OMG_O19", "2.5.1", "ORG^O20^ORG_O20");
        check("OML^O21^OML_O21", "2.5.1", "ORL^O22^ORL_O22");
        check("OML^O33", "2.5.1", "ORL^O34^ORL_O34");
        check("OML^O35", "2.5", "ORL^O36^ORL_O36");
        check("ORM^O01^ORM_O01", "2.3", "ORR^O02^ORR_O02");
        check("ORM^O01", "2.5.1", "ORR^O02^ORR_O02");
        check("RDE^O11", "2.5.1", "RRE^O12^RRE_O12");
        check("RDE^O25", "2.5.1", "RRE^O26^RRE_O12");
        check("SRM^S03", "2.5.1", "SRR^S03^SRR_S01");
        check("MFN^M02", "2.5.1", "MFK^M02^MFK_M01");
        check("QRY^A19", "2.5.1", "ADR^A19^ADR_A19");
        check("REF^I12", "2.5.1", "RRI^I12^RRI_I12");
        check("ADT^A01", "2.5.1", "");
        check("ORU^R01", "2.5.1", "");
        check("QBP^Z99", "2.5.1", "");
        check("OML^O21", "2.1", "");
        check("OML^", "2.5.1", "");
        check("OML^O255", "2.5.1", "");
        check("OML^é1", "2.5.1", "");
        check("", "2.5.1", "");
    }

    #[test]
    fn every_answer_has_its_structure_somewhere() {
        let versions: Vec<_> = tables::versions().collect();
        for (code, event, ..) in PAIRS {
            let known = versions.iter().any(|version| named(version, code, event).is_some());
            assert!(known || *code == "QRY", "{code}^{event}");
        }
        for (code, answer, rule) in RULES {
            let answered = versions.iter().any(|version| {
                let events = version.events().filter_map(|(event, _)| event.split_once('_'));
                events.filter(|(of, _)| of == code).any(|(_, event)| {
                    named(version, code, event).is_some_and(|(code, ..)| code == *answer)
                })
            });
            assert!(answered, "{code} {answer} {rule}");
        }
    }

    #[test]
    fn the_question_is_repeated() {
        let check = |kind: &str, rest: &str, (code, found): (AckCode, bool), expected: &[&str]| {
            let message = message(kind, "2.5.1", rest);
            let echo = response(&message).unwrap().echo(&message, code, found);
            let echo: Vec<_> = echo.into_iter().map(|s| String::from_utf8(s).unwrap()).collect();
            assert_eq!(echo, expected, "{rest}");
        };
        let query = "QPD|Q22^Find|T-1|@PID.5.1^x\rRCP|I\r";
        let qpd = "QPD|Q22^Find|T-1|@PID.5.1^x";
        check("QBP^Q22", query, (AckCode::AA, true), &["QAK|T-1|OK|Q22^Find", qpd]);
        check("QBP^Q22", query, (AckCode::AA, false), &["QAK|T-1|NF|Q22^Find", qpd]);
        check("QBP^Q22", query, (AckCode::AE, false), &["QAK|T-1|AE|Q22^Find", qpd]);
        check("QBP^Q22", query, (AckCode::AR, true), &["QAK|T-1|AR|Q22^Find", qpd]);
        check("QBP^Q22", "", (AckCode::AE, false), &[]);
        let old = "QRD|2026|R|I|7|||1^RD|x|DEM\r";
        check("QRY^A19", old, (AckCode::AA, true), &["QAK|7|OK", old.trim_end()]);
        check("OML^O21", "ORC|NW\r", (AckCode::AA, true), &[]);
    }
}
