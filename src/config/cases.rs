//! `[[test]]`: what a channel does with one message.

use std::sync::Arc;

use super::plan::{Expectation, TestCase, TestConsent};
use super::server::suggest;
use super::tree::Tree;
use super::words::Ack;
use crate::base::DestinationName;
use crate::fault::codes::{W1011, W1043, W1051, W1052};
use crate::fault::{Code, Fault, FilePlace};
use crate::mapping::ValuePath;
use crate::settings::{Key, KeyRow, Shape, Table, Value};

const NAME: Key<Arc<str>> = Key::new("name", "a sentence", "What the test shows.").required();
const INPUT: Key<Arc<str>> = Key::new(
    "input",
    "a file such as `fixtures/adt-a08.hl7`, or the message itself",
    "The message that comes in.",
)
.required();
const CONSENT: Key<TestConsent> = Key::new(
    "consent",
    "`\"permit\"`, `\"deny\"` or `\"unknown\"`",
    "What consent says instead of the policy.",
)
.default("what the policy says");
const ACK: Key<Ack> =
    Key::new("ack", "a code such as `\"AA\"`", "Acknowledgment code of the answer.");
const SENT: Key<Vec<DestinationName>> = Key::new(
    "sent",
    "a list of destinations",
    "Destinations the message goes to, and no others; `[]` for none.",
);
const CODE: Key<Code> =
    Key::new("code", "a code such as `\"W4107\"`", "Code of the fault it ends with.");

fn anything() -> serde_json::Value {
    serde_json::json!({ "type": "object" })
}

fn paths() -> serde_json::Value {
    serde_json::json!({ "type": "array", "items": { "type": "string" } })
}

fn file() -> serde_json::Value {
    serde_json::json!({ "type": "string" })
}

/// The keys of a test.
pub(super) const KEYS: &[KeyRow] = &[
    NAME.row(),
    INPUT.row(),
    CONSENT.row(),
    ACK.row(),
    KeyRow::of(
        "answer",
        "Values of the answer: `{ \"MSH-9\" = \"ORL^O22^ORL_O22\", \"ORC-1\" = \"OK\" }`.",
        Shape::Map(anything),
    ),
    SENT.row(),
    KeyRow::of(
        "expect",
        "Values of what is sent: `{ ehr = { \"OBX-5\" = \"98\" } }`.",
        Shape::Map(anything),
    ),
    KeyRow::of("absent", "Paths without a value: `{ ehr = [\"PID-19\"] }`.", Shape::Map(paths)),
    KeyRow::of("sealed", "Paths that are sealed: `{ ehr = [\"PID-19\"] }`.", Shape::Map(paths)),
    KeyRow::of(
        "golden",
        "Files that what is sent must equal: `{ lis = \"fixtures/report.expected.hl7\" }`.",
        Shape::Map(file),
    ),
    CODE.row(),
];

/// Reads the tests of a channel whose destinations have these names.
pub(super) fn read(
    tree: &Tree,
    root: &mut Table<'_>,
    destinations: &[DestinationName],
) -> Vec<TestCase> {
    let mut cases = Vec::new();
    for mut table in root.array("test") {
        let place = table.place(&table.span());
        let name = table.required(&NAME);
        let input = input(tree, &mut table);
        let consent = table.optional(&CONSENT);
        let ack = table.optional(&ACK).map(|ack| Arc::from(ack.0));
        let answer = table.value("answer").map_or_else(Vec::new, |value| values(&value));
        let sent = table.spanned(&SENT).map(|sent| {
            for name in &sent.value {
                known(&mut table, name.as_str(), &sent.span, destinations);
            }
            sent.value
        });
        let expect = expect(&mut table, destinations);
        let absent = path_lists(&mut table, "absent", destinations);
        let sealed = path_lists(&mut table, "sealed", destinations);
        let golden = golden(tree, &mut table, destinations);
        let code = table.optional(&CODE);
        let keys = ["ack", "answer", "sent", "expect", "absent", "sealed", "golden", "code"];
        if !keys.iter().any(|key| table.has(key)) {
            let span = table.span();
            table.error(Fault::new(W1051), &span);
        }
        table.finish();
        let (Some(name), Some((input_file, input))) = (name, input) else { continue };
        cases.push(TestCase {
            name,
            input_file,
            input,
            consent,
            ack,
            answer,
            sent,
            expect,
            absent,
            sealed,
            golden,
            code,
            place,
        });
    }
    cases
}

/// The input: a file's bytes, or the text itself where it is a message.
fn input(tree: &Tree, table: &mut Table<'_>) -> Option<(Option<Arc<str>>, bytes::Bytes)> {
    let text = table.required_spanned(&INPUT)?;
    let message = text.value.contains(['\n', '\r', '|', '{', '<']);
    if message {
        return Some((None, bytes::Bytes::copy_from_slice(text.value.as_bytes())));
    }
    let bytes = tree.bytes(&text.value);
    if bytes.is_none() {
        table.error(Fault::new(W1043).because("no such message"), &text.span);
    }
    Some((Some(text.value), bytes?))
}

fn known(
    table: &mut Table<'_>,
    name: &str,
    span: &std::ops::Range<usize>,
    destinations: &[DestinationName],
) -> Option<DestinationName> {
    let found = destinations.iter().find(|known| known.as_str() == name).cloned();
    // Where a destination is wrong itself its tests are not wrong too.
    if found.is_none() && !destinations.is_empty() {
        let names = destinations.iter().map(DestinationName::as_str);
        table.error(suggest(Fault::new(W1052), name, names), span);
    }
    found
}

/// Entries of a table by destination.
fn by_destination<'d>(
    table: &mut Table<'d>,
    key: &str,
    destinations: &[DestinationName],
) -> Vec<(DestinationName, Value<'d>)> {
    let Some(mut inner) = table.table(key) else { return Vec::new() };
    let entries = inner.entries().into_iter();
    entries
        .filter_map(|(name, value)| {
            Some((known(&mut inner, &name.value, &name.span, destinations)?, value))
        })
        .collect()
}

fn path(value: &Value<'_>, text: &str, span: &std::ops::Range<usize>) -> Option<ValuePath> {
    match ValuePath::parse(text) {
        Ok(path) => Some(path),
        Err(fault) => {
            value.error(fault, span);
            None
        }
    }
}

fn expect(table: &mut Table<'_>, destinations: &[DestinationName]) -> Vec<Expectation> {
    let mut all = Vec::new();
    for (destination, value) in by_destination(table, "expect", destinations) {
        let one = |(path, value, place)| Expectation {
            destination: destination.clone(),
            path,
            value,
            place,
        };
        all.extend(values(&value).into_iter().map(one));
    }
    all
}

/// Paths and the values they should have.
fn values(value: &Value<'_>) -> Vec<(ValuePath, Arc<str>, FilePlace)> {
    let Some(mut paths) = value.clone().into_table() else {
        let cause = format!("expected a table of paths, found {}", value.kind_name());
        value.error(Fault::new(W1011).because(cause), &value.span());
        return Vec::new();
    };
    let mut all = Vec::new();
    for (key, expected) in paths.entries() {
        let text = scalar(&expected);
        if text.is_none() {
            let cause = format!("expected a text, found {}", expected.kind_name());
            expected.error(Fault::new(W1011).because(cause), &expected.span());
        }
        let path = path(&expected, &key.value, &key.span);
        if let (Some(path), Some(value)) = (path, text) {
            all.push((path, value, expected.place()));
        }
    }
    all
}

/// A value as a message would hold it.
fn scalar(value: &Value<'_>) -> Option<Arc<str>> {
    let text = value.as_str().map(str::to_owned);
    let text = text.or_else(|| value.as_bool().map(|b| b.to_string()));
    let text = text.or_else(|| value.as_integer().map(|n| n.to_string()));
    text.map(Into::into)
}

fn path_lists(
    table: &mut Table<'_>,
    key: &str,
    destinations: &[DestinationName],
) -> Vec<(DestinationName, ValuePath)> {
    let mut all = Vec::new();
    for (destination, value) in by_destination(table, key, destinations) {
        let texts: Option<Vec<Arc<str>>> = value.read("a list of paths");
        let items = value.items().unwrap_or_default();
        for (text, item) in texts.iter().flatten().zip(&items) {
            all.extend(path(item, text, &item.span()).map(|path| (destination.clone(), path)));
        }
    }
    all
}

fn golden(
    tree: &Tree,
    table: &mut Table<'_>,
    destinations: &[DestinationName],
) -> Vec<(DestinationName, Arc<str>)> {
    let mut all = Vec::new();
    for (destination, value) in by_destination(table, "golden", destinations) {
        let Some(path) = value.read::<Arc<str>>("a path") else { continue };
        if tree.bytes(&path).is_none() {
            // No more than a test that fails: the channel runs without it, and the command
            // that writes the file has to read this one first.
            let fault = Fault::new(W1043).because("no such file");
            table.warning(fault.remedy("Write it with `weir test --bless`."), &value.span());
        }
        all.push((destination, path));
    }
    all
}
