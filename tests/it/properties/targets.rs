//! The targets: plain functions over bytes, one for each reader of what strangers write.
//!
//! `tests/fuzz` calls them with libFuzzer; `fuzz` calls them in every test run with seeds
//! that it mutates. A target returns when all is well and panics when a promise is broken:
//! no panic inside, what is taken is written back, what is written is read again.

use bytes::Bytes;
use weir::base::Timestamp;
use weir::fault::{DrawStyle, Fault, Problems, codes, draw};
use weir::filter::Filter;
use weir::hl7v2::ack::{self, AckCode};
use weir::hl7v2::mllp::Framing;
use weir::hl7v2::{self as v2, Charset, Delimiters, Message, Path, Tolerances, escape};
use weir::mapping::{Condition, Library, Mapping, ValuePath};
use weir::message::Content;
use weir::settings::{Document, SourceFile};

use super::{cda, fhir, hl7v2, hl7v2_text as text, patch, rest, token};

/// One target.
pub struct Target {
    /// Its name: that of its file in `tests/fuzz/fuzz_targets/`.
    pub name: &'static str,
    /// The function.
    pub run: fn(&[u8]),
    /// Ending of fixtures that are seeds.
    pub fixtures: &'static str,
    /// More seeds.
    pub seeds: &'static [&'static str],
    /// Words that inputs are made of.
    pub words: &'static [&'static str],
}

const V2_WORDS: &[&str] = &[
    "MSH|^~\\&|",
    "MSH$%~",
    "MSH",
    "PID|",
    "\rOBX|1|ST|",
    "\rpid|",
    "\rNTE|",
    "\rZZ1",
    "|",
    "^",
    "~",
    "&",
    "\\",
    "\\F\\",
    "\\X0D\\",
    "\\.br\\",
    "\\Z",
    "\"\"",
    "\r",
    "\n",
    "\r\n",
    "\0",
    "\x0b",
    "\x1c",
    "#",
    "|UNICODE UTF-8\r",
    "|GB 18030-2000\r",
    "|8859/1~ISO IR87\r",
    "\u{feff}",
    "2.5.1",
    "2.8",
    "ADT^A01^ADT_A01",
    "ORU^R01",
    "OBR|1\r",
    "ACK",
    "\rMSA|AA|",
    "\rERR|PID^1^3|",
];
const BATCH_WORDS: &[&str] = &[
    "FHS|^~\\&|",
    "BHS|^~\\&|",
    "\rBTS|2",
    "\rFTS|1",
    "\rMSH|^~\\&|",
    "\rBHS|",
    "\rDSC|",
    "\r",
    "\n",
    "|",
];
const PATH_WORDS: &[&str] = &[
    "PID",
    "-3",
    "[2]",
    "[*]",
    ".4",
    ".1",
    "MSH-2",
    "ORDER_OBSERVATION",
    "[",
    "]",
    ".",
    "-",
    "0",
    "99999999999999999999",
    "*",
    "pid",
];
const TEXT_WORDS: &[&str] = &[
    "PID-3[5 = 'MR'].1",
    " else ",
    " when ",
    " valued",
    " not valued",
    "each ",
    "first ",
    " via sex",
    " as date",
    " and ",
    " or ",
    "(",
    ")",
    "'",
    "''",
    "length(PID-7)",
    " = ",
    " != ",
    " in ",
    "code ",
    "v2-0203#SS",
    " with ",
    ",",
    "ref pcp",
    "OBX",
    "-5",
    "[",
    "]",
    ".",
    "\u{e9}",
    "Patient.name",
    ".where(",
    "ofType(Quantity)",
    "descendants()",
    "resolve()",
    "|",
    "not(",
    "0",
    "\\",
    "\"",
];
const TOML_WORDS: &[&str] = &[
    "[",
    "]",
    "[[",
    "]]",
    "=",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "\n",
    "\r\n",
    "{",
    "}",
    ",",
    ".",
    "#",
    "\\u00e9",
    "1979-05-27T07:32:00Z",
    "1e5",
    "0x1F",
    "true",
    "a",
    "[a.b]",
    "a.b.c = 1",
    "\u{e9}",
    "\\",
    "inf",
];
const JSON_WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\"resourceType\":",
    "\"Bundle\"",
    "null",
    "true",
    "1.50",
    "-0",
    "1e400",
    "\\u0000",
    "\\ud800",
    "\\",
    "\n",
    "\"entry\":[",
    "{\"resource\":",
    "\"_birthDate\":",
];
const TOKEN_WORDS: &[&str] = &[
    ".",
    "e30",
    "\0",
    "{\"alg\":\"RS256\"}",
    "\"crit\":[]",
    "\"exp\":",
    "1e400",
    "\"aud\":",
    "system/",
    "patient/*",
    ".cruds",
    ".read",
    "?a=b",
    " ",
];

const FILTER_WORDS: &[&str] = &[
    "channel:",
    "dest:",
    "state:dead",
    "type:ADT^A08",
    "code:W7*",
    "since:2h",
    "until:06:00",
    "tag:",
    "id:",
    "control:",
    "patient:",
    "-",
    ",",
    " ",
    "\"",
    "*",
    "?",
    "visit:V1",
    "since:2026-01-02",
];

const XML_WORDS: &[&str] = &[
    "<",
    "</",
    "/>",
    ">",
    "<MSH>",
    "<MSH.1>|</MSH.1>",
    "<PID.3>",
    "<CX.1>",
    "<PID.3.1>",
    "<escape V=\".br\"/>",
    "&amp;",
    "&lt;",
    "&#x1;",
    "&x;",
    "<!DOCTYPE a [<!ENTITY x \"y\">]>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?xml version=\"1.0\"?>",
    " xmlns=\"urn:hl7-org:v2xml\"",
    "\"",
    "ADT_A01",
    "<OBX.5>",
    "<ZZZ.1>",
    "\u{e9}",
    "\0",
];

const PATCH_WORDS: &[&str] = &[
    "{\"op\":\"copy\",\"from\":\"\",\"path\":\"/a\"},",
    "{\"op\":\"move\",\"from\":\"/name\",\"path\":\"/-\"},",
    "\"op\":\"test\"",
    "\"remove\"",
    "~1",
    "/0",
    "{\"name\":\"value\",\"_valueString\":{\"id\":\"i\"}},",
    "\"valueCode\":\"delete\"",
    "Patient.name",
    "[0]",
    "<remove sel=\"f:Patient/*[1]\"/>",
    "<replace sel=\"f:Patient/@id\">x</replace>",
    "text()",
    "<!--x-->",
    "&lt;",
    "null",
];

const FHIR_XML_WORDS: &[&str] = &[
    "<",
    "</",
    "/>",
    ">",
    "<given value=\"a\"/>",
    "<extension url=\"u\">",
    "</extension>",
    "<contained>",
    "<Basic>",
    "<valueDecimal value=\"1.50\"/>",
    "<x>",
    "<y:z>",
    " id=\"i\"",
    " value='v'",
    " xmlns=\"\"",
    " xmlns:y=\"http://hl7.org/fhir\"",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\">",
    "</div>",
    "&amp;",
    "&#10;",
    "&#x1;",
    "&x;",
    "<!DOCTYPE a [<!ENTITY x \"y\">]>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?a b?>",
    "\"",
    "\u{e9}",
    "\0",
    "{\"resourceType\":\"Patient\",\"a\":[",
    "]}",
    ",\"_a\":[null]",
];

/// Every target.
pub const TARGETS: &[Target] = &[
    super::records::TARGET,
    Target {
        name: "xml",
        run: xml,
        fixtures: "hl7",
        seeds: &[
            "<ADT_A01 xmlns=\"urn:hl7-org:v2xml\"><MSH><MSH.1>|</MSH.1><MSH.2>^~\\&amp;</MSH.2></MSH><PID><PID.3><CX.1>5</CX.1></PID.3></PID></ADT_A01>",
        ],
        words: XML_WORDS,
    },
    Target {
        name: "json",
        run: json,
        fixtures: "hl7",
        seeds: &[
            "{\"schema\":\"weir.hl7v2.v1\",\"segments\":[{\"id\":\"MSH\",\"fields\":{\"1\":\"|\",\"2\":\"^~\\\\&\"}}]}",
        ],
        words: JSON_WORDS,
    },
    Target {
        name: "codec",
        run: codec,
        fixtures: "hl7",
        seeds: &["\x03\x0bMSH|\x1c\r\x0bMSH|\x1c\n"],
        words: V2_WORDS,
    },
    Target {
        name: "hl7v2_text",
        run: hl7v2_text,
        fixtures: "",
        seeds: &["a\\F\\b\\X414\\ \\.sp 3\\\\Z", "\x1b$B;3ED\x1b(B", "\u{fc}\u{5c71}\u{20ac}"],
        words: V2_WORDS,
    },
    Target {
        name: "hl7v2_forms",
        run: hl7v2_forms,
        fixtures: "hl7",
        seeds: &[
            "<A><MSH><MSH.1>|</MSH.1><MSH.2>^~\\&amp;</MSH.2></MSH><NTE><NTE.3>a<escape V=\".br\"/></NTE.3></NTE></A>",
            "{\"segments\":[{\"id\":\"MSH\",\"fields\":{\"1\":\"|\",\"2\":\"^~\\\\&\"}}]}",
            "FHS|^~\\&|\rBHS|^~\\&|\rMSH|^~\\&|A\rBTS|1\rFTS|1\r",
        ],
        words: V2_WORDS,
    },
    Target { name: "message", run: message, fixtures: "hl7", seeds: &[], words: V2_WORDS },
    Target { name: "batch", run: batch, fixtures: "hl7", seeds: &[], words: BATCH_WORDS },
    Target {
        name: "path",
        run: path,
        fixtures: "",
        seeds: &["ORDER_OBSERVATION[2].OBX[1]-5[*].2.1"],
        words: PATH_WORDS,
    },
    Target {
        name: "escapes",
        run: escapes,
        fixtures: "",
        seeds: &["\0\x01a\\F\\b\\X414\\ \\.sp 3\\\\Z"],
        words: V2_WORDS,
    },
    Target {
        name: "charset",
        run: charset,
        fixtures: "",
        seeds: &["GB 18030-2000\0\u{e9}"],
        words: V2_WORDS,
    },
    Target {
        name: "acknowledgment",
        run: acknowledgment,
        fixtures: "hl7",
        seeds: &["MSH|^~\\&|||||||ACK|1|P|2.5\rMSA|AE|7\rERR||PID^1^3^1^2|101|E|W2104\r"],
        words: V2_WORDS,
    },
    Target {
        name: "edit",
        run: edit,
        fixtures: "hl7",
        seeds: &["MSH|^~\\&|A\rPID|1\0PID-5.1=Doe|\nPID-3[2].4.1=\n-OBX\n+ZZ1|1"],
        words: V2_WORDS,
    },
    Target {
        name: "settings",
        run: settings,
        fixtures: "toml",
        seeds: &["a = 1\n[b]\nc = [1, 'x', { d = 2 }]\n"],
        words: TOML_WORDS,
    },
    Target {
        name: "fhir_json",
        run: fhir_json,
        fixtures: "json",
        seeds: &["{\"resourceType\":\"Patient\",\"birthDate\":\"2020\"}"],
        words: JSON_WORDS,
    },
    Target {
        name: "fhir_xml",
        run: fhir_xml,
        fixtures: "json",
        seeds: &[
            "<Patient xmlns=\"http://hl7.org/fhir\"><text><status value=\"empty\"/><div xmlns=\"http://www.w3.org/1999/xhtml\">a</div></text><contained><Basic/></contained><name><given value=\"a\"/><given><extension url=\"u\"/></given></name><birthDate id=\"x\" value=\"2020\"/></Patient>",
        ],
        words: FHIR_XML_WORDS,
    },
    Target {
        name: "cda",
        run: cda::survives,
        fixtures: "",
        seeds: &[
            "//a[b/@c = 'd']/text()\0<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><component><structuredBody><component><section><code code=\"1\"/><title>a</title><entry><act/></entry></section></component></structuredBody></component></ClinicalDocument>",
        ],
        words: FHIR_XML_WORDS,
    },
    Target {
        name: "cda_mapping",
        run: cda::mapping_survives,
        fixtures: "",
        seeds: &[
            "first value\0<ClinicalDocument xmlns=\"urn:hl7-org:v3\" xmlns:xsi=\"x\"><component><observation><code code=\"1\"><originalText><reference value=\"#a\"/></originalText></code><value xsi:type=\"PQ\" value=\"1\" unit=\"mg\"/></observation></component></ClinicalDocument>",
            "first value as Quantity else .//low[@value != 'x' and not(@unit)]/@value as string\0<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><observation><value><low value=\"1\"/></value></observation></ClinicalDocument>",
        ],
        words: FHIR_XML_WORDS,
    },
    Target {
        name: "fhir_rest",
        run: rest::rest,
        fixtures: "",
        seeds: &["PUT Patient/1?identifier=a%7Cb\nW/\"3\"", "GET Patient/1/_history/2\n"],
        words: TEXT_WORDS,
    },
    Target {
        name: "fhir_path",
        run: fhir::fhir_path,
        fixtures: "",
        seeds: &[
            "Bundle.entry.resource.ofType(Patient).name.where(use = 'official').given.first()",
        ],
        words: TEXT_WORDS,
    },
    Target {
        name: "fhir_patch",
        run: fhir_patch,
        fixtures: "",
        seeds: &[
            "{\"resourceType\":\"Patient\",\"name\":[{\"given\":[\"a\"]}]}\n[{\"op\":\"add\",\"path\":\"/name/0/given/-\",\"value\":1},{\"op\":\"copy\",\"from\":\"/name\",\"path\":\"/name/0\"}]",
            "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"operation\",\"part\":[{\"name\":\"type\",\"valueCode\":\"add\"},{\"name\":\"path\",\"valueString\":\"Patient.name[0]\"},{\"name\":\"name\",\"valueString\":\"given\"},{\"name\":\"value\",\"valueString\":\"x\"}]}]}",
            "<diff xmlns:f=\"http://hl7.org/fhir\"><add sel=\"f:Patient/f:name[1]\" pos=\"after\"><f:gender value=\"male\"/></add><remove sel=\"f:Patient/f:active[@value='true']\"/></diff>",
        ],
        words: PATCH_WORDS,
    },
    Target {
        name: "sentence",
        run: sentence,
        fixtures: "",
        seeds: &["PID-3[5 = 'MR'].1 else PID-3.1 when PID-8 valued"],
        words: TEXT_WORDS,
    },
    Target {
        name: "condition",
        run: condition,
        fixtures: "",
        seeds: &["PV1-2 = 'I' and (PID-19 valued or PID-8 in 'M', 'F')"],
        words: TEXT_WORDS,
    },
    Target {
        name: "filter",
        run: filter,
        fixtures: "",
        seeds: &["channel:adt-* -state:dead,held since:2h type:ADT^A08"],
        words: FILTER_WORDS,
    },
    Target {
        name: "token",
        run: token::token,
        fixtures: "",
        seeds: &[
            "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJodHRwczovL2EiLCJhdWQiOlsidyJdLCJleHAiOjE3NjcyMjU2MDAsInNjb3BlIjoic3lzdGVtLyouY3J1ZHMifQ.c2ln",
            "{\"alg\":\"ES384\",\"typ\":\"at+jwt\"}\0{\"exp\":1.5,\"scp\":[\"patient/Patient.read\"]}",
            "system/Patient.rs user/*.* patient/Observation.write launch/patient",
        ],
        words: TOKEN_WORDS,
    },
];

/// Bytes on a connection, cut where the first byte says.
pub fn codec(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    for framing in [Framing::Lenient, Framing::Strict] {
        hl7v2::framing_survives(bytes, usize::from(*cut), framing);
    }
}

/// Any bytes as a message: see [`hl7v2::message_survives`]; and each deviation has a place.
pub fn message(data: &[u8]) {
    hl7v2::message_survives(data);
    let Ok(message) = Message::parse(Bytes::copy_from_slice(data)) else { return };
    for kind in message.tolerances().iter() {
        let mut allowed = Tolerances::ALL;
        allowed.remove(kind);
        let fault = message.check_tolerances(allowed).unwrap_err();
        let place = fault.place().path.as_deref().unwrap();
        assert!(Path::parse(place).is_ok(), "{place}");
    }
}

/// Any bytes as the XML encoding; and any message in it and back, byte for byte.
pub fn xml(data: &[u8]) {
    if let Ok(message) = v2::xml::read(data) {
        let again = v2::xml::read(v2::xml::write(&message).unwrap().as_bytes()).unwrap();
        assert_eq!(again.write(), message.write());
    }
    let Ok(message) = Message::parse(Bytes::copy_from_slice(data)) else { return };
    if let Ok(text) = v2::xml::write(&message) {
        match v2::xml::read(text.as_bytes()) {
            Ok(again) => assert_eq!(again.write(), message.write()),
            // Thousands of parts in a few bytes grow past what a reader takes.
            Err(fault) => assert!(matches!(fault.code().as_str(), "W2032" | "W2071"), "{fault}"),
        }
    }
}

/// Any bytes as the JSON form; and any message in it and back, byte for byte.
pub fn json(data: &[u8]) {
    if let Ok(json) = serde_json::from_slice(data)
        && let Ok(message) = v2::json::read(&json)
    {
        let again = v2::json::read(&v2::json::write(&message).unwrap()).unwrap();
        assert_eq!(again.write(), message.write());
    }
    let Ok(message) = Message::parse(Bytes::copy_from_slice(data)) else { return };
    if let Ok(json) = v2::json::write(&message) {
        assert_eq!(v2::json::read(&json).unwrap().write(), message.write());
    }
}

/// Longest input that is tried in every character set: there are some thirty.
const TEXT_BYTES_MAX: usize = 2 << 10;

/// Longest input that is tried in every form: each takes many times its bytes.
const FORM_BYTES_MAX: usize = 16 << 10;

/// Any bytes as a value of a message, and as text put into one, in every character set.
pub fn hl7v2_text(data: &[u8]) {
    let data = data.get(..TEXT_BYTES_MAX).unwrap_or(data);
    text::bytes_survive(data);
    text::text_survives(&String::from_utf8_lossy(data));
}

/// Any bytes as a message in XML and JSON, as XML and JSON of one, and as a batch that is
/// read piece by piece.
pub fn hl7v2_forms(data: &[u8]) {
    let data = data.get(..FORM_BYTES_MAX).unwrap_or(data);
    text::forms_survive(data);
    text::xml_survives(data);
    text::json_survives(data);
    text::stream_survives(data);
}

/// Any bytes as a batch.
pub fn batch(data: &[u8]) {
    hl7v2::batch_survives(data);
}

/// Any text as a path.
pub fn path(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        hl7v2::path_survives(text);
    }
}

const NAMES: [&str; 9] = [
    "",
    "ASCII",
    "UNICODE UTF-8",
    "8859/1",
    "8859/2",
    "GB 18030-2000",
    "BIG-5",
    "KS X 1001",
    "no such set",
];

/// Any bytes as a value: reading it never fails, and the text it has can be written and read.
pub fn escapes(data: &[u8]) {
    let [set, marks, raw @ ..] = data else { return };
    let charset = Charset::named(NAMES[usize::from(*set) % NAMES.len()].as_bytes());
    let mut delimiters = Delimiters::STANDARD;
    if marks & 1 != 0 {
        delimiters.truncation = Some(b'#');
    }
    if marks & 2 != 0 {
        delimiters.subcomponent = None;
    }
    let read = escape::unescape(raw, &delimiters, charset);
    assert!(read.len() <= raw.len());
    let text = charset.decode(&read).into_owned();
    let Ok(written) = escape::escape(&text, &delimiters, charset) else { return };
    let again = escape::unescape(&written, &delimiters, charset);
    assert_eq!(charset.decode(&again), text);
}

/// The name of a set, NUL, and bytes in it.
pub fn charset(data: &[u8]) {
    let mut parts = data.splitn(2, |b| *b == 0);
    let set = Charset::named(parts.next().unwrap_or_default());
    let bytes = parts.next().unwrap_or_default();
    let text = set.decode(bytes).into_owned();
    let misfit = set.misfit(bytes);
    assert!(misfit.is_none_or(|at| at < bytes.len()));
    if let Some(encoded) = set.encode(&text) {
        assert_eq!(set.decode(&encoded), text);
    }
}

/// Any bytes as an answer; and an answer to any message, for any reason, can be read.
pub fn acknowledgment(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(read) = ack::read(&bytes) {
        assert!(read.control_id.len() <= data.len() && read.errors.len() <= 64);
    }
    let now = Timestamp::from_millis(0);
    let Ok(message) = Message::parse(bytes.clone()) else { return };
    for code in [AckCode::AA, AckCode::AE, AckCode::CR] {
        let fault = Fault::new(codes::W2104).because("x|y^z\r\u{e9}");
        let answer = ack::build(&message, code, Some(&fault), now, "W1");
        let read = ack::read(&answer).unwrap();
        assert_eq!((read.code, &read.control_id[..]), (code, message.header().control_id().raw()));
        let whole = Message::parse(answer).unwrap();
        assert!(whole.is_acknowledgment() && whole.segment_count() <= 3);
    }
}

/// A message, NUL, and lines of edits: `PATH=TEXT`, `+SEGMENT` and `-N`.
pub fn edit(data: &[u8]) {
    let mut parts = data.splitn(2, |b| *b == 0);
    let original = Bytes::copy_from_slice(parts.next().unwrap_or_default());
    let Ok(mut message) = Message::parse(original.clone()) else { return };
    let edits = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    for line in edits.lines().take(16) {
        let count = message.segment_count();
        if let Some(raw) = line.strip_prefix('+') {
            let done = message.insert_segment(1, raw.as_bytes()).is_ok();
            assert_eq!(message.segment_count(), count + usize::from(done));
        } else if let Some(n) = line.strip_prefix('-') {
            let at = n.parse().unwrap_or(count);
            let done = message.remove_segment(at).is_ok();
            assert_eq!(message.segment_count(), count - usize::from(done));
        } else if let Some((path, text)) = line.split_once('=')
            && let Ok(path) = Path::parse(path)
        {
            set(&mut message, &path, text);
        }
        let written = message.write();
        let again = Message::parse(written.clone()).unwrap();
        assert_eq!(again.write(), written);
        for (a, b) in again.segments().zip(message.segments()) {
            assert_eq!(a.raw(), b.raw());
        }
        assert_eq!(again.segment_count(), message.segment_count());
        assert_eq!(message.bytes(), &original);
    }
}

fn set(message: &mut Message, path: &Path, text: &str) {
    let before = message.write();
    if message.set(path, text).is_err() {
        assert_eq!(message.write(), before, "what fails changes nothing");
        return;
    }
    let header = matches!(path.segment(), "MSH" | "FHS" | "BHS");
    if text.is_empty() || path.field().is_none() || header {
        return;
    }
    let value = message.read(path).unwrap();
    assert_eq!(value.text(), text);
}

/// Any text as a settings file.
pub fn settings(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut problems = Problems::new();
    let document = Document::parse(SourceFile::new("any.toml", text), &mut problems);
    let mut root = document.root(&mut problems);
    let _ = root.entries();
    root.finish();
    let _ = document.canonical(&[]);
    for problem in problems.iter().take(20) {
        let _ = draw(problem, Some(text), DrawStyle::Plain);
    }
}

/// Any bytes as a FHIR document.
pub fn fhir_json(data: &[u8]) {
    fhir::json_survives(data);
}

/// Any bytes as FHIR XML, and any document in both forms.
pub fn fhir_xml(data: &[u8]) {
    fhir::xml_survives(data);
}

/// Any bytes as a patch of a FHIR document.
pub fn fhir_patch(data: &[u8]) {
    patch::patch_survives(data);
}

pub(super) struct NoFiles;

impl Library for NoFiles {
    fn file(&self, _path: &str) -> Option<SourceFile> {
        None
    }
}

const ADT: &[u8] = b"MSH|^~\\&|A|B|C|D|20260102||ADT^A01^ADT_A01|1|P|2.5.1\rEVN||2026\r\
    PID|1||5^^^H&1.2&ISO^MR~6^^^S^SS||Doe^Jane||19700102|F\rPV1|1|I\rOBX|1|NM|1^a^LN||5\r";

fn adt() -> Content {
    Content::Hl7(Message::parse(Bytes::from_static(ADT)).unwrap())
}

/// Any text as the sentence of a rule, run where it is one.
pub fn sentence(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(quoted) = serde_json::to_string(text) else { return };
    let file = format!(
        "[mapping]\nfrom = \"hl7v2:2.5.1:ADT_A01\"\nto = \"fhir-r4\"\n[rule.patient]\n\
         make = \"Patient\"\neach = \"PID\"\n[rule.patient.set]\n\"name[].family\" = {quoted}\n"
    );
    let mut problems = Problems::new();
    let file = SourceFile::new("mappings/any.toml", file.as_str());
    let mapping = Mapping::load(file.clone(), &NoFiles, &mut problems);
    for problem in problems.iter().take(20) {
        let _ = draw(problem, Some(&file.text), DrawStyle::Plain);
    }
    if let Some(mapping) = mapping
        && let Ok(mapped) = mapping.run(&adt(), "site")
    {
        let again = mapping.run(&adt(), "site").unwrap();
        let (Content::Fhir(a), Content::Fhir(b)) = (&mapped.content, &again.content) else {
            return;
        };
        assert_eq!(a.to_json(), b.to_json());
        fhir::json_survives(&a.to_json());
    }
}

/// Any text as a condition and as a path of values, asked of a message.
pub fn condition(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(condition) = Condition::parse(text) {
        assert_eq!(condition.test(&adt()), condition.test(&adt()));
    }
    if let Ok(path) = ValuePath::parse(text) {
        let all = path.read_all(&adt());
        assert_eq!(path.read(&adt()).is_some(), !all.is_empty());
    }
}

/// Any text as a filter.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let now = Timestamp::from_millis(1_767_323_045_678);
    match Filter::parse(text, now) {
        Ok(filter) => assert!(filter.terms.len() <= text.len()),
        Err(fault) => assert_eq!(fault.code().as_str(), "W6030"),
    }
}
