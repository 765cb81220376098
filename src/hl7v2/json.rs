//! Messages as JSON, for tools: every value by its place, and nothing of the bytes lost.
//!
//! ```json
//! { "schema": "weir.hl7v2.v1", "type": "ADT^A01", "version": "2.5.1", "structure": "ADT_A01",
//!   "segments": [
//!     { "id": "MSH", "fields": { "1": "|", "2": "^~\\&", "3": ["EMR"] } },
//!     { "id": "PID", "group": "PATIENT", "fields": { "3": [["5", "", "", ["H", "1.2", "ISO"]], "6"] } } ] }
//! ```
//!
//! A field is the list of its repetitions. A repetition is a text, or the list of its
//! components; a component is a text, or the list of its subcomponents. `null` is `""` of
//! HL7: the sender says that there is no value. Empty fields are left out, but for the last
//! one of a segment that ends with empty places. `type`, `version`, `structure` and `group`
//! are for readers; reading this form takes no notice of them. What JSON cannot say stands
//! in `before`, `terminator`, `end`, `charset`, `encoding` and `raw`: see `hl7v2::form`.

use serde_json::{Map, Value as Json, json};

use super::charset::{Charset, Wide};
use super::delimiters::Delimiters;
use super::edit::EDIT_NUMBER_MAX;
use super::escape;
use super::form::{Builder, Lines, Parted, Script, of_hex, to_hex};
use super::message::Message;
use super::scan::SegmentId;
use crate::fault::codes::{W2032, W2073};
use crate::fault::{Fault, Place};

/// Version of the form.
const SCHEMA: &str = "weir.hl7v2.v1";

/// Writes a message, with its edits, as JSON.
///
/// # Errors
/// Those of [`Message::parse`] where edits made the message unreadable.
pub fn write(message: &Message) -> Result<Json, Fault> {
    let lines = Lines::of(message)?;
    let message = &lines.message;
    let header = message.header();
    let tree = message.tree();
    let mut out = Map::new();
    out.insert("schema".into(), SCHEMA.into());
    out.insert("type".into(), header.message_type().into());
    out.insert("version".into(), header.version().into());
    if let Some(structure) = tree.structure() {
        out.insert("structure".into(), structure.into());
    }
    if let Some(charset) = lines.charset_hint {
        out.insert("charset".into(), charset.into());
    }
    if let Some(wide) = lines.wide {
        out.insert("encoding".into(), wide.name().into());
    }
    if !lines.before().is_empty() {
        out.insert("before".into(), exact(lines.before(), lines.script.charset));
    }
    if lines.terminator != b"\r" {
        out.insert("terminator".into(), exact(&lines.terminator, Charset::Ascii));
    }
    let mut segments = Vec::with_capacity(message.segment_count());
    for segment in message.segments() {
        let id = SegmentId::new(segment.id().as_bytes()).unwrap_or(SegmentId::NONE);
        let mut json = segment_json(segment.raw(), id, lines.script);
        let group = tree.node(segment.index()).and_then(|node| node.parent());
        if let Some(group) = group.filter(|group| !group.name().is_empty()) {
            json.insert("group".into(), group.name().into());
        }
        let gap = lines.gap(segment.index());
        if gap != lines.terminator {
            json.insert("end".into(), exact(gap, Charset::Ascii));
        }
        segments.push(Json::Object(json));
    }
    out.insert("segments".into(), Json::Array(segments));
    Ok(Json::Object(out))
}

fn segment_json(raw: &[u8], id: SegmentId, script: Script) -> Map<String, Json> {
    let mut out = Map::new();
    if id == SegmentId::NONE {
        out.insert("id".into(), "".into());
        out.insert("line".into(), exact(raw, script.charset));
        return out;
    }
    let name = String::from_utf8_lossy(raw.get(..3).unwrap_or_default()).into_owned();
    out.insert("id".into(), name.into());
    let (mut fields, mut hints) = (Map::new(), Map::new());
    if id.is_header() && raw.len() > 3 {
        let separator = char::from(script.delimiters.field).to_string();
        fields.insert("1".into(), separator.into());
    }
    let mut all = script.fields(raw, id).peekable();
    while let Some((number, field)) = all.next() {
        if id.is_header() && number == 2 {
            fields.insert("2".into(), exact(field, script.charset));
            continue;
        }
        if field.is_empty() && all.peek().is_some() {
            continue;
        }
        let mut list = Vec::new();
        for (at, repetition) in (1..).zip(script.repetitions(field)) {
            list.push(repetition_json(repetition, script));
            if canonical(repetition, script) != (repetition.to_vec(), true) {
                hints.insert(format!("{number}[{at}]"), exact(repetition, script.charset));
            }
        }
        fields.insert(number.to_string(), Json::Array(list));
    }
    out.insert("fields".into(), Json::Object(fields));
    if !hints.is_empty() {
        out.insert("raw".into(), Json::Object(hints));
    }
    out
}

fn repetition_json(raw: &[u8], script: Script) -> Json {
    let mut components: Vec<Json> = script
        .parted(raw, |part| match part {
            b"\"\"" => Json::Null,
            part => escape::text(part, &script.delimiters, script.charset).into(),
        })
        .into_iter()
        .map(|mut parts| if parts.len() == 1 { parts.remove(0) } else { Json::Array(parts) })
        .collect();
    match components.as_slice() {
        [Json::Array(_)] => Json::Array(components),
        [_] => components.remove(0),
        _ => Json::Array(components),
    }
}

/// The bytes that reading the JSON of a repetition makes, and whether they can be written.
fn canonical(raw: &[u8], script: Script) -> (Vec<u8>, bool) {
    let mut fits = true;
    let parted = script.parted(raw, |part| match part {
        b"\"\"" => part.to_vec(),
        part => script.write(&escape::text(part, &script.delimiters, script.charset), &mut fits),
    });
    (script.join(&parted).unwrap_or_default(), fits)
}

/// Bytes that are read back exactly: as text where text is enough, else as digits.
fn exact(bytes: &[u8], charset: Charset) -> Json {
    let text = charset.decode(bytes);
    if charset.encode(&text).is_some_and(|back| *back == *bytes) {
        return text.into();
    }
    json!({ "hex": to_hex(bytes) })
}

fn inexact(json: &Json, charset: Charset) -> Option<Vec<u8>> {
    match json {
        Json::String(text) => charset.encode(text).map(std::borrow::Cow::into_owned),
        Json::Object(_) => of_hex(json.get("hex")?.as_str()?),
        _ => None,
    }
}

/// Reads a message from its JSON.
///
/// # Errors
/// `W2073` where this is not the JSON of a message, with the place; `W2034` where a text
/// cannot be written in the message's character set; else those of [`Message::parse`].
pub fn read(json: &Json) -> Result<Message, Fault> {
    let bad = |cause: &'static str| Fault::new(W2073).because(cause);
    if json.get("schema").is_some_and(|schema| schema != SCHEMA) {
        return Err(bad("it is of another schema than `weir.hl7v2.v1`"));
    }
    let Some(segments) = json.get("segments").and_then(Json::as_array) else {
        return Err(bad("`segments` is missing or no list"));
    };
    let wide = match json.get("encoding") {
        None => None,
        Some(name) => {
            let found = name.as_str().and_then(Wide::named);
            Some(found.ok_or_else(|| bad("`encoding` is not known"))?)
        }
    };
    let script = script(json, segments.first(), wide)?;
    let bytes = |name: &str, charset| json.get(name).map(|json| inexact(json, charset));
    let before = bytes("before", script.charset).unwrap_or_else(|| Some(Vec::new()));
    let terminator = bytes("terminator", Charset::Ascii).unwrap_or_else(|| Some(b"\r".to_vec()));
    let (Some(before), Some(terminator)) = (before, terminator) else {
        return Err(bad("`before` or `terminator` holds no bytes"));
    };
    let mut builder = Builder::new(length(json));
    builder.push(&before)?;
    for (at, segment) in segments.iter().enumerate() {
        let place = |fault: Fault| fault.at(Place::path(format!("segments[{at}]")));
        read_segment(segment, script, &mut builder).map_err(|fault| match fault.place().path {
            Some(_) => fault,
            None => place(fault),
        })?;
        match segment.get("end") {
            None => builder.push(&terminator)?,
            Some(end) => {
                let end = inexact(end, Charset::Ascii);
                let end = end.filter(|end| end.iter().all(|b| matches!(b, b'\r' | b'\n')));
                builder.push(&end.ok_or_else(|| place(bad("`end` holds more than CR and LF")))?)?;
            }
        }
    }
    let charset = json.get("charset").map(|_| script.charset);
    Message::parse_as(builder.finish(wide), charset)
}

/// Delimiters and character set by the first segment.
fn script(json: &Json, header: Option<&Json>, wide: Option<Wide>) -> Result<Script, Fault> {
    let bad = |cause: &'static str| Fault::new(W2073).because(cause);
    let fields = header.and_then(|header| header.get("fields"));
    let field = |number: &str| fields.and_then(|fields| fields.get(number));
    let (Some(separator), Some(marks)) =
        (field("1").and_then(Json::as_str), field("2").and_then(Json::as_str))
    else {
        return Err(bad("the first segment has no fields `1` and `2` with the delimiters"));
    };
    let delimiters = Delimiters::read(format!("MSH{separator}{marks}{separator}").as_bytes())?;
    let charset = match (wide, json.get("charset").and_then(Json::as_str)) {
        (Some(_), _) => Charset::Utf8,
        (None, Some(name)) => Charset::named(name.as_bytes()),
        (None, None) => {
            let names: Vec<&str> = field("18")
                .and_then(Json::as_array)
                .map(|list| list.iter().map(|name| name.as_str().unwrap_or("")).collect())
                .unwrap_or_default();
            Charset::declared(names.join("~").as_bytes(), Some(b'~'))
        }
    };
    Ok(Script { delimiters, charset })
}

/// About how long the JSON is, for a bound on what may come of it.
fn length(json: &Json) -> usize {
    match json {
        Json::String(text) => text.len() + 2,
        Json::Array(list) => list.iter().map(|json| length(json) + 1).sum::<usize>() + 2,
        Json::Object(map) => {
            map.iter().map(|(name, json)| name.len() + length(json) + 4).sum::<usize>() + 2
        }
        _ => 4,
    }
}

fn read_segment(json: &Json, script: Script, builder: &mut Builder) -> Result<(), Fault> {
    let bad = |cause: &'static str| Fault::new(W2073).because(cause);
    let id = json.get("id").and_then(Json::as_str).ok_or_else(|| bad("`id` is missing"))?;
    if id.is_empty() {
        let line = json.get("line").and_then(|line| inexact(line, script.charset));
        let line = line.filter(|line| !line.contains(&b'\r'));
        return builder.push(&line.ok_or_else(|| bad("a line without `id` needs `line`"))?);
    }
    let name = SegmentId::new(id.as_bytes()).ok_or_else(|| bad("`id` is no segment name"))?;
    let empty = Map::new();
    let fields = match json.get("fields") {
        None => &empty,
        Some(fields) => fields.as_object().ok_or_else(|| bad("`fields` is no object"))?,
    };
    let mut list = Vec::with_capacity(fields.len());
    for (key, value) in fields {
        let number = key.parse::<usize>().ok().filter(|n| *n > 0 && !key.starts_with('0'));
        let number = number.ok_or_else(|| bad("a key of `fields` is no field number"))?;
        if number > EDIT_NUMBER_MAX {
            return Err(Fault::new(W2032));
        }
        let at = |fault: Fault| fault.at(Place::path(format!("{id}-{number}")));
        let field = if name.is_header() && number <= 2 {
            inexact(value, script.charset).ok_or_else(|| at(bad("delimiters are a text")))?
        } else {
            read_field(json, number, value, script).map_err(at)?
        };
        list.push((number, field));
    }
    list.sort_by_key(|(number, _)| *number);
    builder.segment(id.as_bytes(), &list, script.delimiters.field)
}

fn read_field(
    segment: &Json,
    number: usize,
    value: &Json,
    script: Script,
) -> Result<Vec<u8>, Fault> {
    let one = std::slice::from_ref(value);
    // A single text is taken for a field of one repetition.
    let list = value.as_array().map_or(one, Vec::as_slice);
    let mut out = Vec::new();
    for (at, repetition) in (1..).zip(list) {
        if at > 1 {
            out.push(script.delimiters.repetition);
        }
        let hint = segment.get("raw").and_then(|raw| raw.get(format!("{number}[{at}]")));
        let hint = hint.and_then(|hint| inexact(hint, script.charset));
        let mut fits = true;
        let parted = read_parts(repetition, script, &mut fits)?;
        let written = script.join(&parted)?;
        let raw = script.settle(written, fits, hint, |hint| canonical(hint, script).0)?;
        out.extend_from_slice(&raw);
    }
    Ok(out)
}

fn read_parts(json: &Json, script: Script, fits: &mut bool) -> Result<Parted<Vec<u8>>, Fault> {
    let mut text = |json: &Json| match json {
        Json::Null => Ok(b"\"\"".to_vec()),
        Json::String(text) => Ok(script.write(text, fits)),
        Json::Number(number) => Ok(number.to_string().into_bytes()),
        _ => Err(Fault::new(W2073).because("a value is a text, a list of texts, or `null`")),
    };
    match json {
        Json::Array(components) => components
            .iter()
            .map(|component| match component {
                Json::Array(parts) => parts.iter().map(&mut text).collect(),
                json => Ok(vec![text(json)?]),
            })
            .collect(),
        json => Ok(vec![vec![text(json)?]]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7v2::testing::{comes_back, odd_bytes};
    use bytes::Bytes;
    use proptest::prelude::*;

    fn message(bytes: &[u8]) -> Message {
        Message::parse(Bytes::copy_from_slice(bytes)).unwrap()
    }

    fn round(bytes: &[u8]) {
        let json = write(&message(bytes)).unwrap();
        // Through text, as tools pass it on.
        let json: Json = serde_json::from_str(&json.to_string()).unwrap();
        let back = read(&json).unwrap();
        assert_eq!(back.write(), bytes, "{json:#}");
    }

    const TEXT: &str = "MSH|^~\\&|EMR|E^1.2^ISO|||20260102||ADT^A01^ADT_A01|7|P|2.5.1\r\
        PID|1||5^^^H&1.2&ISO~6||Doe^Jo|\"\"||\r\
        NTE|1||a\\T\\b \\H\\c\\N\\|^^\r";

    #[test]
    fn values_stand_at_their_places() {
        let json = write(&message(TEXT.as_bytes())).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "schema": "weir.hl7v2.v1", "type": "ADT^A01", "version": "2.5.1",
                "structure": "ADT_A01",
                "segments": [
                    { "id": "MSH", "fields": {
                        "1": "|", "2": "^~\\&", "3": ["EMR"], "4": [["E", "1.2", "ISO"]],
                        "7": ["20260102"], "9": [["ADT", "A01", "ADT_A01"]], "10": ["7"],
                        "11": ["P"], "12": ["2.5.1"] } },
                    { "id": "PID", "fields": {
                        "1": ["1"], "3": [["5", "", "", ["H", "1.2", "ISO"]], "6"],
                        "5": [["Doe", "Jo"]], "6": [null], "8": [""] } },
                    { "id": "NTE", "fields": {
                        "1": ["1"], "3": ["a&b \\H\\c\\N\\"], "4": [["", "", ""]] },
                      "raw": { "3[1]": "a\\T\\b \\H\\c\\N\\" } },
                ],
            })
        );
    }

    #[test]
    fn bytes_come_back() {
        for text in [
            TEXT,
            "MSH|^~\\&|",
            "\u{feff}\r\n MSH|^~\\&|A|\r\n\r\nPID\r\nPID|\npid|x\r\n",
            "MSH#!@%$#A#\r#x\rZB1##!@$!@\r no name\r\r",
            "MSH|^~|A|a\\b&c\r",
            "MSH|^~\\&|A\rNTE|\\|\\\\|\\F|\\X0D\\|\\Z1\\|\\x\ny\\|\"\"^\"\"&\"\"|^~^~&\r",
            "MSH|^~\\&|A\nPID|1\nMSH|^~\\&|B\nBHS|^~\\&\n",
            "msh|^~\\&|A\r",
            "MSH|^~\\&#|A||||||ADT^A01|1|P|2.7\rPID|a\\P\\b#\r",
        ] {
            round(text.as_bytes());
        }
        round(b"MSH|^~\\&|M\xfcller\rPID|\xff\xfe\r");
        round(b"MSH|^~\\&|M\xfc||||||ADT|1|P|2.5||||||UNICODE UTF-8\rPID|\xff|\xc3\xbc\r");
        round(b"MSH|^~\\&|||||||ADT|1|P|2.5||||||GB 18030-2000\rPID|\x83\x7c^\x83\r");
        round(b"MSH|^~\\&|||||||ADT|1|P|2.5||||||~ISO IR87\rPID|\x1b$B;3|^\x1b(B^x\r");
        let wide: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_be_bytes).collect();
        round(&wide);
    }

    #[test]
    fn what_was_edited_counts_more_than_hints() {
        let mut json = write(&message(TEXT.as_bytes())).unwrap();
        json["segments"][2]["fields"]["3"] = serde_json::json!(["new|"]);
        json["segments"][1]["fields"]["8"] = serde_json::json!("F");
        let text = String::from_utf8(read(&json).unwrap().write().to_vec()).unwrap();
        assert_eq!(
            text,
            TEXT.replace("a\\T\\b \\H\\c\\N\\", "new\\F\\").replace("\"\"||\r", "\"\"||F\r")
        );
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let check = |json: Json, code: &str, place: &str| {
            let fault = read(&json).unwrap_err();
            assert_eq!(
                (fault.code().as_str(), &*fault.place().to_string()),
                (code, place),
                "{json}"
            );
        };
        let msh = serde_json::json!({ "id": "MSH", "fields": { "1": "|", "2": "^~\\&" } });
        let with = |segment: Json| serde_json::json!({ "segments": [msh, segment] });
        check(Json::Null, "W2073", "");
        check(serde_json::json!({ "segments": [] }), "W2073", "");
        check(serde_json::json!({ "schema": "x", "segments": [msh] }), "W2073", "");
        check(with(serde_json::json!({ "fields": {} })), "W2073", "segments[1]");
        check(with(serde_json::json!({ "id": "PIDX" })), "W2073", "segments[1]");
        check(
            with(serde_json::json!({ "id": "PID", "fields": { "0": [] } })),
            "W2073",
            "segments[1]",
        );
        check(with(serde_json::json!({ "id": "PID", "fields": { "3": [{}] } })), "W2073", "PID-3");
        check(
            with(serde_json::json!({ "id": "PID", "fields": { "99999": [] } })),
            "W2032",
            "segments[1]",
        );
        check(with(serde_json::json!({ "id": "", "line": "a\rb" })), "W2073", "segments[1]");
        check(with(serde_json::json!({ "id": "PID", "end": "x" })), "W2073", "segments[1]");
        let mut latin = with(serde_json::json!({ "id": "PID", "fields": { "5": ["\u{20ac}"] } }));
        latin["segments"][0]["fields"]["18"] = serde_json::json!(["8859/1"]);
        check(latin, "W2034", "PID-5");
    }

    proptest! {
        #[test]
        fn any_message_comes_back(tail in odd_bytes()) {
            comes_back(&tail, |message| read(&write(message).unwrap()).unwrap())?;
        }
    }
}
