//! A mapping file as it was read: texts with their places, nothing resolved.

use std::ops::Range;

use super::sentence::Span;
use crate::settings::{Spanned, Table, Value};

/// Most rules of a mapping and most targets of a rule.
const RULES_MAX: usize = 1000;

/// A text of the file and where its content stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub text: String,
    pub span: Range<usize>,
    /// Where the content begins, unless escapes keep it from being told.
    start: Option<usize>,
}

impl Text {
    fn of(value: &Value<'_>) -> Option<Self> {
        let text = value.as_str()?.to_owned();
        let inside = value.inside(0..text.len());
        let start = (inside.len() == text.len()).then_some(inside.start);
        Some(Self { text, span: value.span(), start })
    }

    /// A key of the file.
    fn of_key(key: &Spanned<String>) -> Self {
        let text = key.value.clone();
        // Bare keys and quoted ones without escapes.
        let quote = key.span.len().checked_sub(text.len());
        let start = match quote {
            Some(0) => Some(key.span.start),
            Some(2) => Some(key.span.start + 1),
            _ => None,
        };
        Self { text, span: key.span.clone(), start }
    }

    /// Where bytes of the text stand in the file.
    pub(crate) fn inside(&self, span: &Span) -> Range<usize> {
        match self.start {
            Some(start) if span.end <= self.text.len() => start + span.start..start + span.end,
            _ => self.span.clone(),
        }
    }
}

/// A mapping file.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawMapping {
    pub from: Option<Text>,
    pub to: Option<Text>,
    pub zone: Option<Text>,
    pub on_null: Option<Text>,
    pub codes: Vec<RawCodes>,
    pub extensions: Vec<RawExtension>,
    pub rules: Vec<RawRule>,
    pub tests: Vec<RawTest>,
}

/// `[codes.NAME]`.
#[derive(Clone, Debug)]
pub(crate) struct RawCodes {
    pub name: Text,
    pub file: Option<Text>,
    pub rows: Vec<(Text, Text)>,
    pub system: Option<Text>,
    pub unmapped: Option<Text>,
}

/// `[extension.NAME]`, an extension of a site.
#[derive(Clone, Debug)]
pub(crate) struct RawExtension {
    pub name: Text,
    pub url: Option<Text>,
    pub kind: Option<Text>,
}

/// `[rule.NAME]`.
#[derive(Clone, Debug)]
pub(crate) struct RawRule {
    pub name: Text,
    pub make: Option<Text>,
    pub each: Option<Text>,
    pub when: Option<Text>,
    pub key: Vec<Text>,
    pub write: Option<Text>,
    pub on_null: Option<Text>,
    pub todo: Option<Text>,
    pub set: Vec<(Text, RawValue)>,
}

/// What stands right of a target.
#[derive(Clone, Debug)]
pub(crate) enum RawValue {
    Sentences(Vec<Text>),
    Table(Vec<(Text, RawValue)>),
    /// `false`: the target of the base is removed.
    Removed,
}

/// `[[test]]`.
#[derive(Clone, Debug)]
pub(crate) struct RawTest {
    pub name: Option<Text>,
    pub input: Option<Text>,
    pub valid: bool,
    pub unused: Option<Vec<Text>>,
    pub warnings: Option<Vec<Text>>,
    pub span: Range<usize>,
}

fn wrong(value: &Value<'_>, looks_like: &str) {
    let fault = crate::fault::Fault::new(crate::fault::codes::W4002)
        .because(format!("expected {looks_like}, found {}", value.kind_name()));
    value.error(fault, &value.span());
}

fn text(table: &mut Table<'_>, name: &str) -> Option<Text> {
    let value = table.value(name)?;
    let text = Text::of(&value);
    if text.is_none() {
        wrong(&value, "a text");
    }
    text
}

fn texts(value: &Value<'_>) -> Vec<Text> {
    match (Text::of(value), value.items()) {
        (Some(text), _) => vec![text],
        (None, Some(items)) => items
            .iter()
            .filter_map(|item| {
                let text = Text::of(item);
                if text.is_none() {
                    wrong(item, "a sentence");
                }
                text
            })
            .collect(),
        (None, None) => {
            wrong(value, "a sentence or a list of them");
            Vec::new()
        }
    }
}

fn list(table: &mut Table<'_>, name: &str) -> Option<Vec<Text>> {
    table.value(name).map(|value| texts(&value))
}

/// Reads the tables of a mapping file.
pub(crate) fn read(root: &mut Table<'_>) -> RawMapping {
    let mut raw = RawMapping::default();
    if let Some(mut mapping) = root.table("mapping") {
        raw.from = text(&mut mapping, "from");
        raw.to = text(&mut mapping, "to");
        raw.zone = text(&mut mapping, "zone");
        raw.on_null = text(&mut mapping, "on_null");
        mapping.finish();
    }
    if let Some(mut codes) = root.table("codes") {
        for (name, value) in codes.entries() {
            raw.codes.extend(read_codes(&name, value));
        }
    }
    for (name, mut table) in root.tables("extension") {
        let name = Text::of_key(&name);
        let (url, kind) = (text(&mut table, "url"), text(&mut table, "type"));
        raw.extensions.push(RawExtension { name, url, kind });
        table.finish();
    }
    for (name, table) in root.tables("rule").into_iter().take(RULES_MAX) {
        raw.rules.push(read_rule(&name, table));
    }
    for table in root.array("test") {
        raw.tests.push(read_test(table));
    }
    raw
}

fn read_codes(name: &Spanned<String>, value: Value<'_>) -> Option<RawCodes> {
    let name = Text::of_key(name);
    if let Some(file) = Text::of(&value) {
        let (rows, system, unmapped) = (Vec::new(), None, None);
        return Some(RawCodes { name, file: Some(file), rows, system, unmapped });
    }
    if !value.is_table() {
        wrong(&value, "a file of codes or a table");
        return None;
    }
    let mut table = value.into_table()?;
    let rows = table.table("rows").map_or_else(Vec::new, |mut rows| {
        rows.entries()
            .into_iter()
            .filter_map(|(key, value)| {
                let to = Text::of(&value);
                if to.is_none() {
                    wrong(&value, "a code");
                }
                Some((Text::of_key(&key), to?))
            })
            .collect()
    });
    let codes = RawCodes {
        name,
        file: text(&mut table, "file"),
        rows,
        system: text(&mut table, "system"),
        unmapped: text(&mut table, "unmapped"),
    };
    table.finish();
    Some(codes)
}

fn read_rule(name: &Spanned<String>, mut table: Table<'_>) -> RawRule {
    let set = table.table("set").map_or_else(Vec::new, |mut set| {
        set.entries()
            .into_iter()
            .take(RULES_MAX)
            .filter_map(|(key, value)| Some((Text::of_key(&key), read_value(value)?)))
            .collect()
    });
    let rule = RawRule {
        name: Text::of_key(name),
        make: text(&mut table, "make"),
        each: text(&mut table, "each"),
        when: text(&mut table, "when"),
        key: list(&mut table, "key").unwrap_or_default(),
        write: text(&mut table, "write"),
        on_null: text(&mut table, "on_null"),
        todo: text(&mut table, "todo"),
        set,
    };
    table.finish();
    rule
}

fn read_value(value: Value<'_>) -> Option<RawValue> {
    match value.as_bool() {
        Some(false) => return Some(RawValue::Removed),
        Some(true) => {
            wrong(&value, "a sentence (`'true'` for the value)");
            return None;
        }
        None => {}
    }
    if !value.is_table() {
        return Some(RawValue::Sentences(texts(&value)));
    }
    let mut table = value.into_table()?;
    let entries = table
        .entries()
        .into_iter()
        .filter_map(|(key, value)| Some((Text::of_key(&key), read_value(value)?)))
        .collect();
    Some(RawValue::Table(entries))
}

fn read_test(mut table: Table<'_>) -> RawTest {
    let valid = table.value("valid").and_then(|value| {
        if value.as_bool().is_none() {
            wrong(&value, "`true` or `false`");
        }
        value.as_bool()
    });
    let test = RawTest {
        name: text(&mut table, "name"),
        input: text(&mut table, "input"),
        valid: valid.unwrap_or(true),
        unused: list(&mut table, "unused"),
        warnings: list(&mut table, "warnings"),
        span: table.span(),
    };
    table.finish();
    test
}
