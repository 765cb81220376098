//! Properties of HL7 v2: messages, paths, framing and answers.

use bytes::{Bytes, BytesMut};
use weir::base::Timestamp;
use weir::hl7v2::ack::{self, AckCode};
use weir::hl7v2::mllp::{Decoder, Event, Framing};
use weir::hl7v2::{Message, Path, batch};

/// Whatever comes in: no panic, what is taken is written byte for byte, every segment
/// stands once in the tree, and there is an answer that can be read.
pub fn message_survives(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let now = Timestamp::from_millis(0);
    let message = match Message::parse(bytes.clone()) {
        Ok(message) => message,
        Err(fault) => {
            let answer = ack::build_unparsed(&bytes, AckCode::AR, &fault, now, "1");
            assert!(ack::read(&answer).is_ok());
            return;
        }
    };
    assert_eq!(message.write(), bytes);
    for segment in message.segments() {
        for field in segment.fields() {
            assert_eq!(&bytes[field.range()], field.raw());
            for component in field.repetitions().flat_map(|repetition| repetition.components()) {
                let _ = component.text();
            }
        }
    }
    assert_eq!(message.tree().root().all_segments().count(), message.segment_count());
    let _ = (ack::plan(&message), message.check_header(), message.check_charset());
    let answer = ack::build(&message, AckCode::AA, None, now, "1");
    let read = ack::read(&answer).unwrap();
    assert_eq!(read.control_id, message.header().control_id().raw());
}

/// Whatever comes in: slices of a batch are whole and in order.
pub fn batch_survives(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let Ok(batch) = batch::split(&bytes) else { return };
    let mut from = 0;
    for message in batch.messages {
        let at = message.as_ptr() as usize - bytes.as_ptr() as usize;
        assert!(
            at >= from && message.starts_with(b"MSH") || message[..3].eq_ignore_ascii_case(b"MSH")
        );
        from = at + message.len();
    }
}

/// Whatever text: a path that is read is written the same, and an edit there is read back.
pub fn path_survives(text: &str) {
    const MESSAGE: &[u8] = b"MSH|^~\\&|A||||||ADT^A01|1|P|2.5\rPID|1||5^^^H~6\rNTE|1\rNTE|2\r";
    let Ok(path) = Path::parse(text) else { return };
    assert_eq!(path.to_string(), text);
    let mut message = Message::parse(Bytes::from_static(MESSAGE)).unwrap();
    let _ = (message.read(&path), message.read_all(&path), message.describe(&path));
    assert!(message.places(&path).iter().all(|place| message.read(place).is_some()));
    if message.set(&path, "v|w").is_ok() && message.read(&path).is_some() {
        let again = Message::parse(message.write()).unwrap();
        assert_eq!(again.read(&path).unwrap().text(), "v|w");
        message.clear_all(&path).unwrap();
        assert!(message.read_all(&path).iter().all(|value| value.text() != "v|w"));
    }
}

/// However the bytes of a connection are cut: the same frames, and bounded memory.
pub fn framing_survives(bytes: &[u8], cut: usize, framing: Framing) {
    const LIMIT: usize = 64;
    let decode = |step: usize| {
        let mut decoder = Decoder::new(framing, LIMIT);
        let mut out = Vec::new();
        for chunk in bytes.chunks(step.max(1)) {
            decoder.push(BytesMut::from(chunk));
            loop {
                match decoder.next() {
                    Ok(None) => break,
                    Ok(Some(Event::Junk(_))) => {}
                    Ok(Some(Event::Frame(frame))) => {
                        assert!(frame.len() <= LIMIT);
                        out.push(Ok(frame));
                    }
                    Err(fault) => {
                        out.push(Err(fault.code()));
                        return out;
                    }
                }
            }
            assert!(decoder.remains().len() <= LIMIT + chunk.len() + 32);
        }
        out
    };
    assert_eq!(decode(bytes.len()), decode(cut));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn messages(tail in proptest::collection::vec(any::<u8>(), 0..120)) {
            for head in [&b""[..], b"MSH", b"MSH|^~\\&|", b"MSH|^~\\&|A||B||||ORU^R01|7|P|2.5\rPID|", b"BHS|^~\\&|\rMSH|^~\\&|"] {
                message_survives(&[head, &tail].concat());
                batch_survives(&[head, &tail].concat());
            }
        }

        #[test]
        fn segments_in_any_order(ids in proptest::collection::vec("MSH|PID|PV1|ORC|OBR|OBX|NTE|SPM|ZZ1|EVN|DSC", 0..40)) {
            for kind in ["ORU^R01", "ADT^A01", "OML^O21^OML_O21", "RDE^O11", "XXX"] {
                let text = format!("MSH|^~\\&|||||||{kind}|1|P|2.5.1\r{}|1\r", ids.join("|1\r"));
                message_survives(text.as_bytes());
            }
        }

        #[test]
        fn paths(text in "[A-Z_]{0,6}\\.?(PID|NTE|MSH|ZZZ)(\\[[0-9*]\\])?-?[0-9]{0,2}(\\[[0-9*]\\])?(\\.[0-9]){0,3}") {
            path_survives(&text);
        }

        #[test]
        fn framing(
            bytes in proptest::collection::vec(
                prop_oneof![Just(0x0bu8), Just(0x1c), Just(b'\r'), Just(b'\n'), Just(b'M'), Just(b'S'), Just(b'H'), any::<u8>()],
                0..200),
            cut in 1usize..40,
        ) {
            framing_survives(&bytes, cut, Framing::Lenient);
            framing_survives(&bytes, cut, Framing::Strict);
        }
    }
}
