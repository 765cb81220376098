//! Answering a batch with a batch: BHS, the acknowledgments of its messages, BTS.

use bytes::Bytes;

use super::build::{Writer, moment};
use crate::base::Timestamp;
use crate::fault::Fault;
use crate::hl7v2::batch::Batch;
use crate::hl7v2::delimiters::Delimiters;
use crate::hl7v2::scan;
use crate::hl7v2::tables;

/// Longest comment in a trailer: its length in the versions before 2.7.
const COMMENT_MAX: usize = 80;

/// Builds the answer to a batch: one BHS for each of its own, with the acknowledgments of
/// its messages, within FHS and FTS where the batch came as a file.
///
/// `answers` are those of each message of the batch in order; messages to which no answer
/// is due have none. BHS-12 and FHS-12 refer to the control IDs of the batch and file that
/// are answered. Messages that stand in no batch are answered in one of their own. What is
/// wrong with the envelope stands in the comment of the last trailer.
///
/// Source: HL7 v2.5.1 §2.10.3, §2.15.2 (BHS-12 reference batch control ID).
#[must_use]
pub fn build_batch(
    batch: &Batch,
    answers: &[Vec<Bytes>],
    now: Timestamp,
    control_id: &str,
) -> Bytes {
    let mut writer = BatchWriter::new(now, control_id);
    if let Some(file) = &batch.file_header {
        writer.segment(file);
    }
    let mut done = 0;
    let answer = |range: std::ops::Range<usize>, writer: &mut BatchWriter| {
        for answers in answers.get(range).unwrap_or_default() {
            writer.answers(answers);
        }
    };
    for (head, messages) in &batch.batches {
        answer(done..messages.start, &mut writer);
        writer.segment(head);
        answer(messages.clone(), &mut writer);
        writer.segment(b"BTS");
        done = messages.end.max(done);
    }
    answer(done..answers.len(), &mut writer);
    writer.finish(&batch.warnings);
    Bytes::from(writer.take())
}

/// The answer to a batch under construction, for batches that are read piece by piece.
///
/// Segments of the envelope that is answered and the answers are given in their order; what
/// is written is taken out whenever there is enough of it.
pub struct BatchWriter {
    now: Timestamp,
    control_id: String,
    out: Vec<u8>,
    /// FHS that is answered, and the batches within it so far.
    file: Option<Bytes>,
    batches: usize,
    /// The open batch: what it answers, and the answers in it.
    open: Option<(Bytes, usize)>,
    /// Its trailer came: nothing more belongs to it.
    has_ended: bool,
    /// The trailer of the file came.
    file_ended: bool,
    /// Number of the last batch of all, for its control ID.
    number: usize,
}

impl BatchWriter {
    /// Begins an answer; `control_id` is that of the whole, each batch has a number behind it.
    #[must_use]
    pub fn new(now: Timestamp, control_id: &str) -> Self {
        Self {
            now,
            control_id: control_id.to_owned(),
            out: Vec::new(),
            file: None,
            batches: 0,
            open: None,
            has_ended: false,
            file_ended: false,
            number: 0,
        }
    }

    /// Takes FHS, BHS, BTS or FTS of what is answered, without its terminator.
    pub fn segment(&mut self, raw: &[u8]) {
        match raw.get(..3) {
            Some(b"FHS") => {
                self.close_file("");
                let stamp = (self.now, self.control_id.as_str());
                header(b"FHS", raw, stamp, &mut self.out);
                self.file = Some(Bytes::copy_from_slice(raw));
            }
            Some(b"BHS") => self.begin(raw),
            // Written with the next segment: the last trailer has a comment.
            Some(b"BTS") => self.has_ended = true,
            Some(b"FTS") => (self.has_ended, self.file_ended) = (true, true),
            _ => {}
        }
    }

    /// Takes the answers to the next message: none where none is due.
    pub fn answers(&mut self, answers: &[Bytes]) {
        if self.open.is_none() || self.has_ended {
            self.begin_own();
        }
        for answer in answers {
            self.out.extend_from_slice(answer);
            if !answer.ends_with(b"\r") {
                self.out.push(b'\r');
            }
        }
        if let Some((_, count)) = &mut self.open {
            *count += answers.len();
        }
    }

    /// Writes the trailers, with what is wrong with the envelope that is answered.
    pub fn finish(&mut self, findings: &[Fault]) {
        if self.number == 0 {
            self.file_ended = false;
            self.begin_own();
        }
        self.close_file(&comment(findings));
    }

    /// Takes out what was written so far.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Bytes written and not taken out.
    #[must_use]
    pub fn written(&self) -> usize {
        self.out.len()
    }

    /// Begins a batch for messages that stand in none.
    fn begin_own(&mut self) {
        let file = self.file.clone().filter(|_| !self.file_ended).unwrap_or_default();
        self.begin(&file);
    }

    fn begin(&mut self, asked: &[u8]) {
        if std::mem::take(&mut self.file_ended) {
            self.close_file("");
        }
        self.close_batch("");
        self.batches += 1;
        self.number += 1;
        let control_id = format!("{}.{}", self.control_id, self.number);
        header(b"BHS", asked, (self.now, &control_id), &mut self.out);
        self.open = Some((Bytes::copy_from_slice(asked), 0));
        self.has_ended = false;
    }

    fn close_batch(&mut self, comment: &str) {
        if let Some((head, count)) = self.open.take() {
            trailer(b"BTS", &head, (count, comment), &mut self.out);
        }
    }

    fn close_file(&mut self, comment: &str) {
        let Some(file) = self.file.take() else { return self.close_batch(comment) };
        self.close_batch("");
        trailer(b"FTS", &file, (self.batches, comment), &mut self.out);
        (self.batches, self.file_ended) = (0, false);
    }
}

/// Codes and places of findings, in few words.
fn comment(findings: &[Fault]) -> String {
    let mut out = String::new();
    for fault in findings {
        let next = format!("{} {}", fault.code(), fault.place());
        if out.len() + next.len() + 2 > COMMENT_MAX {
            break;
        }
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(&next);
    }
    out
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

fn trailer(id: &[u8; 3], asked: &[u8], (count, comment): (usize, &str), out: &mut Vec<u8>) {
    let delimiters = Delimiters::read(asked).unwrap_or(Delimiters::STANDARD);
    out.extend_from_slice(id);
    let mut writer = Writer::new(delimiters, std::mem::take(out));
    writer.field(count.to_string().as_bytes());
    if !comment.is_empty() {
        writer.text(comment);
    }
    *out = writer.into_bytes();
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
    fn what_is_wrong_with_the_envelope_is_told_in_the_last_trailer() {
        insta::assert_snapshot!(
            answered("BHS|^~\\&|LAB\rMSH|^~\\&|LAB||||||ADT|1|P|2.3\rBTS|1\rMSH|^~\\&|LAB||||||ADT|2|P|2.3\rBTS|3\r"),
            @r"
        BHS|^~\&|||LAB||20260102030405.678+0000||||W1.1|
        MSH|^~\&|||LAB||20260102030405.678+0000||ACK|a|P|2.3
        MSA|AA|1
        BTS|1
        BHS|^~\&|||||20260102030405.678+0000||||W1.2|
        MSH|^~\&|||LAB||20260102030405.678+0000||ACK|a|P|2.3
        MSA|AA|2
        BTS|1|W2050 BTS, W2051 BTS-1
        ");
        let text = answered("FHS|^~\\&|LAB\rMSH|^~\\&|LAB||||||ADT|1|P|2.3\rFTS|7\r");
        assert!(text.ends_with("BTS|1\nFTS|1|W2051 FTS-1\n"), "{text}");
    }

    #[test]
    fn files_behind_each_other_are_answered_piece_by_piece() {
        let mut writer = BatchWriter::new(NOW, "W");
        let mut out = Vec::new();
        for segment in ["FHS|^~\\&|A", "BHS|^~\\&|A", "BTS|0", "FTS|1", "FHS|^~\\&|B"] {
            writer.segment(segment.as_bytes());
            out.extend(writer.take());
        }
        writer.answers(&[]);
        writer.finish(&[]);
        out.extend(writer.take());
        let text = String::from_utf8(out).unwrap();
        let names: Vec<&str> = text.split('\r').map(|line| line.get(..3).unwrap_or("")).collect();
        assert_eq!(names, ["FHS", "BHS", "BTS", "FTS", "FHS", "BHS", "BTS", "FTS", ""]);
        assert!(text.contains("W.2") && text.ends_with("BTS|0\rFTS|1\r"), "{text}");
    }

    #[test]
    fn messages_without_an_envelope_get_one() {
        let text = answered("MSH|^~\\&|A||||||ADT|1|P|2.3\rMSH|^~\\&|A||||||ADT|2|P|2.3\r");
        assert!(text.starts_with("BHS|^~\\&|||||2026") && text.ends_with("BTS|2\n"), "{text}");
    }
}
