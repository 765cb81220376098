//! Answering a batch with a batch: BHS, the acknowledgments of its messages, BTS.

use bytes::Bytes;

use super::build::{Writer, moment};
use crate::base::Timestamp;
use crate::hl7v2::batch::Batch;
use crate::hl7v2::delimiters::Delimiters;
use crate::hl7v2::scan;
use crate::hl7v2::tables;

/// Builds the answer to a batch: one BHS for each of its own, with the acknowledgments of
/// its messages, within FHS and FTS where the batch came as a file.
///
/// `answers` are those of each message of the batch in order; messages to which no answer
/// is due have none. BHS-12 and FHS-12 refer to the control IDs of the batch and file that
/// are answered. Messages that stand in no batch are answered in one of their own.
///
/// Source: HL7 v2.5.1 §2.10.3, §2.15.2 (BHS-12 reference batch control ID).
#[must_use]
pub fn build_batch(
    batch: &Batch,
    answers: &[Vec<Bytes>],
    now: Timestamp,
    control_id: &str,
) -> Bytes {
    let mut out = Vec::new();
    if let Some(file) = &batch.file_header {
        header(b"FHS", file, (now, control_id), &mut out);
    }
    let mut done = 0;
    let mut batches = 0;
    let mut part = |head: &[u8], messages: std::ops::Range<usize>, out: &mut Vec<u8>| {
        let answers: Vec<&Bytes> =
            answers.get(messages).unwrap_or_default().iter().flatten().collect();
        batches += 1;
        header(b"BHS", head, (now, &format!("{control_id}.{batches}")), out);
        for answer in &answers {
            out.extend_from_slice(answer);
            if !answer.ends_with(b"\r") {
                out.push(b'\r');
            }
        }
        trailer(b"BTS", head, answers.len(), out);
    };
    let outer = batch.file_header.clone().unwrap_or_default();
    for (head, messages) in &batch.batches {
        if messages.start > done {
            part(&outer, done..messages.start, &mut out);
        }
        part(head, messages.clone(), &mut out);
        done = messages.end.max(done);
    }
    if done < answers.len() || batch.batches.is_empty() {
        part(&outer, done..answers.len(), &mut out);
    }
    if let Some(file) = &batch.file_header {
        trailer(b"FTS", file, batches, &mut out);
    }
    Bytes::from(out)
}

/// FHS or BHS that answers another: the parties swapped, the control ID referred to.
fn header(id: &[u8; 3], asked: &[u8], (now, control_id): (Timestamp, &str), out: &mut Vec<u8>) {
    let delimiters = Delimiters::read(asked).unwrap_or(Delimiters::STANDARD);
    let field = |n: usize| {
        let range = scan::part(asked, delimiters.field, n - 1, crate::hl7v2::Charset::Latin1);
        range.and_then(|range| asked.get(range)).unwrap_or_default()
    };
    let mut writer = Writer::new(delimiters, std::mem::take(out));
    writer.header(id);
    for n in [5, 6, 3, 4] {
        writer.field(field(n));
    }
    writer.field(moment(now, tables::rank("2.5.1")).as_bytes());
    for _ in 8..=10 {
        writer.field(b"");
    }
    writer.text(control_id);
    writer.field(field(11));
    *out = writer.into_bytes();
    out.push(b'\r');
}

fn trailer(id: &[u8; 3], asked: &[u8], count: usize, out: &mut Vec<u8>) {
    let delimiters = Delimiters::read(asked).unwrap_or(Delimiters::STANDARD);
    out.extend_from_slice(id);
    out.push(delimiters.field);
    out.extend_from_slice(count.to_string().as_bytes());
    out.push(b'\r');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7v2::ack::{AckCode, build};
    use crate::hl7v2::{Message, batch};

    const NOW: Timestamp = Timestamp::from_millis(1_767_323_045_678);

    fn answered(text: &str) -> String {
        let batch = batch::split(&Bytes::copy_from_slice(text.as_bytes())).unwrap();
        let answers: Vec<Vec<Bytes>> = batch
            .messages
            .iter()
            .map(|bytes| {
                let message = Message::parse(bytes.clone()).unwrap();
                vec![build(&message, AckCode::AA, None, NOW, "a")]
            })
            .collect();
        let bytes = build_batch(&batch, &answers, NOW, "W1");
        let again = batch::split(&bytes).unwrap();
        assert_eq!(again.messages.len(), batch.messages.len());
        assert!(again.warnings.is_empty(), "{:?}", again.warnings);
        String::from_utf8(bytes.to_vec()).unwrap().replace('\r', "\n")
    }

    #[test]
    fn a_batch_is_answered_by_a_batch() {
        insta::assert_snapshot!(
            answered("BHS|^~\\&|LAB|E^1.2|EHR|F|2026||||B7\rMSH|^~\\&|LAB||||||ADT|1|P|2.3\rMSH|^~\\&|LAB||||||ADT|2|P|2.3\rBTS|2\r"),
            @r"
        BHS|^~\&|EHR|F|LAB|E^1.2|20260102030405.678+0000||||W1.1|B7
        MSH|^~\&|||LAB||20260102030405.678+0000||ACK|a|P|2.3
        MSA|AA|1
        MSH|^~\&|||LAB||20260102030405.678+0000||ACK|a|P|2.3
        MSA|AA|2
        BTS|2
        ");
    }

    #[test]
    fn a_file_is_answered_by_a_file() {
        insta::assert_snapshot!(
            answered("FHS#!@%$#LAB###E#2026####F7\rBHS#!@%$#LAB######n##B1\rMSH#!@%$#L######ADT#1#P#2.3\rBTS#1\rBHS#!@%$#######\rBTS#0\rFTS#2\r"),
            @r"
        FHS#!@%$##E#LAB##20260102030405.678+0000####W1#F7
        BHS#!@%$###LAB##20260102030405.678+0000####W1.1#B1
        MSH#!@%$###L##20260102030405.678+0000##ACK#a#P#2.3
        MSA#AA#1
        BTS#1
        BHS#!@%$#####20260102030405.678+0000####W1.2#
        BTS#0
        FTS#2
        ");
    }

    #[test]
    fn messages_without_an_envelope_get_one() {
        let text = answered("MSH|^~\\&|A||||||ADT|1|P|2.3\rMSH|^~\\&|A||||||ADT|2|P|2.3\r");
        assert!(text.starts_with("BHS|^~\\&|||||2026") && text.ends_with("BTS|2\n"), "{text}");
    }
}
