//! HL7 v2 as the world writes it: runs over shared collections of messages where they are
//! at hand (`../shared` beside the repository, or `WEIR_SHARED`), and passes without.

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use weir::hl7v2::mllp::{Decoder, Event, Framing};
use weir::hl7v2::{self, Message, batch, json, xml};

/// Frame limit of the listener that the malformed cases speak of.
const LIMIT: usize = 64 << 20;

fn shared(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("WEIR_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(folder);
    path.is_dir().then_some(path)
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push(path);
        }
    }
}

/// Reads everything that can be read, so that a panic anywhere would show.
fn read_all(message: &Message) {
    for segment in message.segments() {
        for field in segment.fields() {
            for repetition in field.repetitions() {
                for component in repetition.components() {
                    for part in component.subcomponents() {
                        let _ = part.text();
                    }
                }
            }
        }
    }
    let placed = message.tree().root().all_segments().count();
    assert_eq!(placed, message.segment_count());
}

#[test]
fn every_message_of_the_corpus_is_taken_or_refused_and_written_back() {
    let Some(folder) = shared("corpus/hl7v2") else { return };
    let mut all = Vec::new();
    files(&folder, &mut all);
    all.retain(|path| path.extension().is_some_and(|e| e == "hl7" || e == "txt"));
    let (mut taken, mut refused) = (0, Vec::new());
    for path in &all {
        let bytes = Bytes::from(std::fs::read(path).unwrap());
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        let messages = match batch::split(&bytes) {
            Ok(batch) => {
                let read: Vec<Bytes> = batch::Reader::new(&bytes[..], LIMIT)
                    .map(Result::unwrap)
                    .filter(|part| part.fault.is_none())
                    .map(|part| part.bytes)
                    .collect();
                assert_eq!(read, batch.messages, "{name}");
                batch.messages
            }
            Err(fault) => {
                refused.push(format!("{name}: {fault}"));
                continue;
            }
        };
        for message in messages {
            match Message::parse(message.clone()) {
                Ok(parsed) => {
                    taken += 1;
                    read_all(&parsed);
                    assert_eq!(parsed.write(), message, "{name}");
                    let text = xml::write(&parsed).unwrap();
                    assert_eq!(xml::read(text.as_bytes()).unwrap().write(), message, "{name}");
                    let value = json::write(&parsed).unwrap();
                    assert_eq!(json::read(&value).unwrap().write(), message, "{name}");
                    let _ = parsed.charset_findings();
                    let mut edited = parsed.clone();
                    let place = hl7v2::Path::parse("MSH-10").unwrap();
                    edited.set(&place, "changed").unwrap();
                    let again = Message::parse(edited.write()).unwrap();
                    assert_eq!(again.read(&place).unwrap().raw(), b"changed", "{name}");
                    assert_eq!(again.segment_count(), parsed.segment_count(), "{name}");
                    for (a, b) in again.segments().zip(parsed.segments()).skip(1) {
                        assert_eq!(a.raw(), b.raw(), "{name}");
                    }
                }
                Err(fault) => refused.push(format!("{name}: {fault}")),
            }
        }
    }
    assert!(taken > 1000, "{taken} taken, refused: {refused:#?}");
    assert!(refused.len() * 50 < taken, "{taken} taken, refused: {refused:#?}");
    if std::env::var_os("WEIR_SHOW").is_some() {
        panic!("{taken} taken, refused: {refused:#?}");
    }
}

/// The bytes of a malformed case, in pieces of at most 1 MiB.
fn wire(path: &Path) -> Vec<(Vec<u8>, usize)> {
    let raw = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|e| e == "bin") {
        return vec![(raw, 1)];
    }
    let pieces: Vec<serde_json::Value> = serde_json::from_slice(&raw).unwrap();
    let mut out = Vec::new();
    for piece in pieces {
        let text = piece["s"].as_str().unwrap_or_default();
        let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(c).unwrap()).collect();
        let mut times = usize::try_from(piece["n"].as_u64().unwrap_or(1)).unwrap();
        let block = ((1 << 20) / bytes.len().max(1)).clamp(1, times.max(1));
        if times >= block {
            out.push((bytes.repeat(block), times / block));
            times %= block;
        }
        out.push((bytes, times));
    }
    out
}

/// What the decoder makes of a case: frames, or the code of a fault.
fn frames(path: &Path, step: usize) -> Vec<Result<Bytes, String>> {
    let mut decoder = Decoder::new(Framing::Lenient, LIMIT);
    let mut out = Vec::new();
    for (bytes, times) in wire(path) {
        for _ in 0..times {
            for chunk in bytes.chunks(step) {
                decoder.push(BytesMut::from(chunk));
                loop {
                    match decoder.next() {
                        Ok(None) => break,
                        Ok(Some(Event::Junk(_))) => {}
                        Ok(Some(Event::Frame(frame))) => out.push(Ok(frame)),
                        Err(fault) => {
                            out.push(Err(fault.code().to_string()));
                            assert!(decoder.remains().len() <= LIMIT + (2 << 20));
                            return out;
                        }
                    }
                }
            }
        }
    }
    if let Some(Event::Frame(frame)) = decoder.release() {
        out.push(Ok(frame));
    }
    out
}

/// The code with which content would be refused, `batch` for one, else the message.
fn judge(frame: &Bytes) -> Result<Message, String> {
    if hl7v2::is_batch(frame) {
        return Err("batch".to_owned());
    }
    let message = Message::parse(frame.clone()).map_err(|fault| fault.code().to_string())?;
    let usual = hl7v2::Tolerances::USUAL;
    message.check_tolerances(usual).map_err(|fault| fault.code().to_string())?;
    message.check_header().map_err(|fault| fault.code().to_string())?;
    Ok(message)
}

#[test]
fn malformed_frames_meet_their_expectations() {
    let Some(folder) = shared("corpus/malformed") else { return };
    let manifest = std::fs::read_to_string(folder.join("manifest.jsonl")).unwrap();
    for line in manifest.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let (name, expect) = (case["file"].as_str().unwrap(), &case["expect"]);
        let path = folder.join(name);
        let found = frames(&path, 1 << 20);
        if case["bytes"].as_u64().unwrap_or(0) < 100_000 {
            assert_eq!(found, frames(&path, 1), "{name}: cuts must change nothing");
        }
        let messages: Vec<Message> =
            found.iter().flatten().filter_map(|frame| judge(frame).ok()).collect();
        check_case(name, expect, &found, &messages);
    }
}

fn check_case(
    name: &str,
    expect: &serde_json::Value,
    found: &[Result<Bytes, String>],
    messages: &[Message],
) {
    let empty = Vec::new();
    let list = |key: &str| expect[key].as_array().unwrap_or(&empty).clone();
    let is_batch = found.iter().flatten().any(|frame| hl7v2::is_batch(frame));
    let several = messages.iter().any(|message| message.header_count() > 1);
    let is_ack = messages.iter().any(Message::is_acknowledgment);
    if list("never").iter().any(|code| code == "AA") && !is_ack {
        assert!(messages.is_empty(), "{name}: nothing of it may be taken");
    }
    if is_batch {
        let messages = batch::split(found[0].as_ref().unwrap()).unwrap().messages;
        assert_eq!(messages.len(), 2, "{name}");
    } else if !several {
        let wanted =
            list("acks").iter().filter(|codes| **codes == serde_json::json!(["AA"])).count();
        assert!(messages.len() >= wanted, "{name}: {} of {wanted}: {found:?}", messages.len());
        if messages.len() == list("ids").len() {
            for (message, id) in messages.iter().zip(list("ids")) {
                assert_eq!(message.header().control_id().text(), id.as_str().unwrap(), "{name}");
            }
        }
    }
    for check in list("check") {
        let place = hl7v2::Path::parse(check["path"].as_str().unwrap()).unwrap();
        let value = messages[0].read(&place).unwrap();
        assert_eq!(value.text(), check["value"].as_str().unwrap(), "{name} {place}");
    }
    for message in messages {
        assert_eq!(message.write(), *message.bytes(), "{name}");
        read_all(message);
    }
}
