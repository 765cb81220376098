//! Properties of HL7 v2 text: character sets, escapes, the XML and JSON forms, batches
//! read piece by piece, edits.

use bytes::Bytes;
use weir::fault::Fault;
use weir::hl7v2::batch::{self, Reader};
use weir::hl7v2::{Charset, Delimiters, Message, Path, escape, json, xml};

/// Character sets as MSH-18 names them: each is read and written.
pub const CHARSETS: &[&str] = &[
    "",
    "ASCII",
    "UNICODE UTF-8",
    "8859/1",
    "8859/2",
    "8859/3",
    "8859/4",
    "8859/5",
    "8859/6",
    "8859/7",
    "8859/8",
    "8859/9",
    "8859/10",
    "8859/11",
    "8859/13",
    "8859/14",
    "8859/15",
    "ISO IR6",
    "ISO IR14",
    "ISO IR14~ISO IR87~ISO IR159",
    "~ISO IR87",
    "ISO IR6~ISO IR87",
    "ASCII~KS X 1001",
    "8859/1~8859/2~8859/7",
    "GB 18030-2000",
    "KS X 1001",
    "BIG-5",
    "windows-1251",
    "windows-1252",
    "SHIFT_JIS",
    "CNS 11643-1992",
];

fn head(charset: &str) -> String {
    format!("MSH|^~\\&|A||||||ADT^A01^ADT_A01|7|P|2.5.1||||||{charset}\r")
}

/// Whatever text: what is put at a place is read there, in memory and from the bytes, or
/// it is refused, and nothing around it changes.
pub fn text_survives(text: &str) {
    let place = Path::parse("PID-5[2].2.2").unwrap();
    for charset in CHARSETS {
        let before = head(charset);
        let bytes = format!("{before}PID|1||5||a~b^c|x\rNTE|1\r");
        let original = Message::parse(Bytes::from(bytes)).unwrap();
        let mut message = original.clone();
        if let Err(fault) = message.set(&place, text) {
            assert_eq!(fault.code().as_str(), "W2034", "{charset}");
            assert_eq!(message.write(), original.write());
            continue;
        }
        let written = message.write();
        let again = Message::parse(written.clone()).unwrap();
        assert_eq!(message.read(&place).unwrap().text(), text, "{charset}");
        // A text may make all of the bytes look like UTF-8 only where MSH-18 says nothing.
        assert_eq!(again.read(&place).unwrap().text(), text, "{charset}");
        assert!(written.starts_with(before.as_bytes()) && written.ends_with(b"|x\rNTE|1\r"));
        assert_eq!(again.segment_count(), 3, "{charset}");
        message.clear(&place).unwrap();
        message.remove(&place).unwrap();
        assert_eq!(message.write(), original.write(), "{charset}");
    }
}

/// Whatever bytes: they are read in every character set without end or panic, and what is
/// read is written and read the same.
pub fn bytes_survive(raw: &[u8]) {
    for charset in CHARSETS {
        let set = Charset::declared(charset.as_bytes(), Some(b'~'));
        for delimiters in [
            Delimiters::STANDARD,
            Delimiters { truncation: Some(b'#'), ..Delimiters::STANDARD },
            Delimiters { escape: None, subcomponent: None, ..Delimiters::STANDARD },
        ] {
            let text = escape::text(raw, &delimiters, set).into_owned();
            let _ = escape::fhir_text(raw, &delimiters, set);
            if let Ok(written) = escape::escape(&text, &delimiters, set) {
                assert_eq!(escape::text(&written, &delimiters, set), text, "{charset}");
            }
        }
    }
}

/// Whatever message: its XML and its JSON give the same bytes back, or one is refused for
/// its size: thousands of parts in a few bytes grow past what a reader takes.
pub fn forms_survive(bytes: &[u8]) {
    let Ok(message) = Message::parse(Bytes::copy_from_slice(bytes)) else { return };
    let check = |again: Result<Message, Fault>, form: &dyn std::fmt::Display| match again {
        Ok(again) => assert_eq!(again.write(), bytes, "{form:#}"),
        Err(fault) => assert!(matches!(fault.code().as_str(), "W2032" | "W2071"), "{fault}"),
    };
    let text = xml::write(&message).map(|text| (xml::read(text.as_bytes()), text));
    match text {
        Ok((again, text)) => check(again, &text),
        Err(fault) => check(Err(fault), &""),
    }
    match json::write(&message) {
        Ok(value) => {
            let told = serde_json::from_str(&value.to_string()).unwrap();
            check(json::read(&told), &value);
        }
        Err(fault) => check(Err(fault), &""),
    }
}

/// Whatever XML: it is refused, or a message whose XML says the same.
pub fn xml_survives(bytes: &[u8]) {
    let Ok(message) = xml::read(bytes) else { return };
    let text = xml::write(&message).unwrap();
    assert_eq!(xml::read(text.as_bytes()).unwrap().write(), message.write());
}

/// Whatever JSON: it is refused, or a message whose JSON says the same.
pub fn json_survives(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice(bytes) else { return };
    let Ok(message) = json::read(&value) else { return };
    let value = json::write(&message).unwrap();
    assert_eq!(json::read(&value).unwrap().write(), message.write());
}

/// However a batch is read: no byte of a message is lost, and the memory is bounded.
pub fn stream_survives(bytes: &[u8]) {
    const LIMIT: usize = 200;
    let parts = |step: usize| -> Vec<batch::Part> {
        let mut splitter = batch::Splitter::new(LIMIT);
        let mut parts = Vec::new();
        for piece in bytes.chunks(step) {
            splitter.push(piece, &mut parts);
            assert!(splitter.held() <= LIMIT + step + 16);
        }
        splitter.finish(&mut parts);
        parts
    };
    let whole: Vec<batch::Part> = Reader::new(bytes, LIMIT).map(Result::unwrap).collect();
    for part in whole.iter().filter(|part| part.fault.is_none()) {
        let at = usize::try_from(part.offset).unwrap();
        assert!(bytes[at..].starts_with(&part.bytes) && part.bytes.starts_with(b"MSH"));
    }
    for step in [1, 3, 64] {
        let cut = parts(step);
        let good = |parts: &[batch::Part]| -> Vec<Bytes> {
            parts.iter().filter(|p| p.fault.is_none()).map(|p| p.bytes.clone()).collect()
        };
        assert_eq!(good(&cut), good(&whole), "pieces of {step}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Odd but legal: read and written as they are, in every form.
    const ODD: &[&str] = &[
        "MSH|^~\\&|A||||||ADT^A01|1|P|2.5|||||||||\rPID|1||||||||\r",
        "MSH|^~\\&|A\rPID|^^^|&&|~~|^&~^&|\"\"|\"\"^\"\"|\"\r",
        "MSH|^~\\&|A\rNTE|\\|\\\\|\\\\\\|\\F|F\\|\\X\\|\\X4\\|\\XZZ\\|\\.br\\|\\.\\|\\Z\\\r",
        "MSH|^~\\&|A\rNTE|C:\\temp\\new\\file|a\\b\\c\r",
        "MSH|^~\\&|A\r\r\rPID\rPID|\r\rPV1\r\r",
        "MSH|^~\\&|A\rPID|1",
        "MSH|^~\\&|A\nPID|1\n\nPV1|2",
        "MSH|^~\\&|A\r\nPID|1\r\n",
        "MSH|^~\\&|A\rNTE|1||one\ntwo\n three\rPID|1\r",
        "MSH|^~\\&|A\rNTE|1||one\\.br\\two\\.sp3\\\\.in+4\\x\\H\\y\\N\\\r",
        "MSH|^~\\&|A\rPID|0001|000|00.10|+5|-0|1e5|20260102030400|202601020304.0000+0000\r",
        "MSH|^~\\&|A\rOBX|1|NM|x||007.500\rZZZ||||\rzz1|lower\rnot a segment\r",
        "MSH|^~\\&#|A||||||ADT^A01|1|P|2.7\rPID|1||cut#|a\\P\\b|#\r",
        "MSH|^~|A\rPID|a\\F\\b&c\r",
        "MSH#!@%$#A\rPID#1##a!b@c$d%F%\r",
        "\u{feff}MSH|^~\\&|A\rPID|1\r",
        "\r\n \tMSH|^~\\&|A\rPID|1\r",
        "MSH|^~\\\\&|A\rPID|a\\T\\b\r",
        "MSH|^~\\&|A\rMSH|^~\\&|B\rBTS|1\r",
        "MSH|^~\\&|A\rPID|\t|\u{b}|\u{1f}|\u{7f}|\u{80}|\u{feff}|\u{fffe}\r",
    ];

    #[test]
    fn odd_messages_are_written_as_they_were_read() {
        for text in ODD {
            let message = Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
            assert_eq!(message.write(), text.as_bytes());
            forms_survive(text.as_bytes());
            stream_survives(text.as_bytes());
            // An edit elsewhere changes nothing of it.
            let mut edited = message.clone();
            let place = Path::parse("ZZ9-1").unwrap();
            edited.set(&place, "v").unwrap();
            edited.remove(&Path::parse("ZZ9").unwrap()).unwrap();
            let written = edited.write();
            assert!(written.starts_with(text.as_bytes()), "{text:?} {written:?}");
        }
        for charset in CHARSETS {
            for name in
                [&b"M\xfcller"[..], b"M\xc3\xbcller", b"\x1b$B;3ED\x1b(B", b"\x83\x7c^\xb1\xe8"]
            {
                let bytes = [head(charset).as_bytes(), b"PID|1||5||", name, b"^|x\r"].concat();
                forms_survive(&bytes);
                let message = Message::parse(Bytes::from(bytes.clone())).unwrap();
                assert_eq!(message.write(), bytes);
                let _ = message.charset_findings();
            }
        }
    }

    #[test]
    fn wide_messages_come_back_in_every_form() {
        let text = format!("{}PID|1||5||M\u{fc}ller^\u{5c71}\u{1f600}\r", head("UNICODE UTF-16"));
        for mark in ["", "\u{feff}"] {
            let text = format!("{mark}{text}");
            let two = |f: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(f).collect::<Vec<u8>>();
            let four = |f: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| f(u32::from(c))).collect();
            let all: [Vec<u8>; 4] = [
                two(u16::to_le_bytes),
                two(u16::to_be_bytes),
                four(u32::to_le_bytes),
                four(u32::to_be_bytes),
            ];
            for bytes in all {
                forms_survive(&bytes);
                let message = Message::parse(Bytes::from(bytes.clone())).unwrap();
                assert_eq!(message.write(), bytes);
                let name = message.read(&Path::parse("PID-5.2").unwrap()).unwrap();
                assert_eq!(name.text(), "\u{5c71}\u{1f600}");
            }
        }
    }

    proptest! {
        #[test]
        fn text(text in "[^\u{0}-\u{1f}]{0,4}([a-z |^~&\\\\#\n\r]|山|ü|я|中|ｱ|€){0,12}") {
            text_survives(&text);
        }

        #[test]
        fn raw_bytes(raw in proptest::collection::vec(prop_oneof![
            Just(b'\\'), Just(0x1b), Just(b'$'), Just(b'B'), Just(b'('), Just(b'.'), Just(b'X'), any::<u8>()], 0..40))
        {
            bytes_survive(&raw);
        }

        #[test]
        fn forms(tail in proptest::collection::vec(any::<u8>(), 0..80), at in 0usize..CHARSETS.len()) {
            forms_survive(&[head(CHARSETS[at]).as_bytes(), b"PID|", &tail].concat());
            forms_survive(&[&b"MSH|^~\\&|"[..], &tail].concat());
        }

        #[test]
        fn streams(parts in proptest::collection::vec(
            "(FHS|BHS|BTS|FTS|MSH|PID|NTE)[|^a-z0-9]{0,60}(\r|\n|\r\n|\rx)|MSH|[a-z ]{0,300}", 0..12))
        {
            stream_survives(parts.concat().as_bytes());
        }

        #[test]
        fn xml_of_others(inside in "(<(PID|OBX|A.B)>|<(PID.[0-9]|CX.[0-9])>|</(PID|OBX|PID.3|CX.1)>|<PID.5><XPN.1>|</XPN.1></PID.5>|&(amp|lt|x|#65);|a b|<escape V=\".br\"/>){0,12}") {
            xml_survives(format!("<A><MSH><MSH.1>|</MSH.1><MSH.2>^~\\&amp;</MSH.2></MSH>{inside}</A>").as_bytes());
        }

        #[test]
        fn json_of_others(inside in "(\\{|\\}|\\[|\\]|:|,|\"id\"|\"PID\"|\"fields\"|\"3\"|null|\"a|b\"|1){0,16}") {
            json_survives(format!(
                "{{\"segments\":[{{\"id\":\"MSH\",\"fields\":{{\"1\":\"|\",\"2\":\"^~\\\\&\"}}}},{inside}]}}").as_bytes());
        }
    }
}
