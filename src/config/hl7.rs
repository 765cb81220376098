//! `hl7/*.toml`: segments of a site, fields it uses otherwise, codes it adds.

use std::sync::Arc;

use super::server;
use super::tree::Tree;
use crate::fault::Fault;
use crate::fault::codes::W1011;
use crate::hl7v2::Path;
use crate::hl7v2::tables::{
    self, FieldChange, Site, SiteField, SiteParts, SiteSegment, SiteTable, Usage,
};
use crate::settings::{Key, KeyRow, Setting, Shape, Table};

const SEGMENT_NAME: Key<Arc<str>> =
    Key::new("name", "a text such as `Lab Bench`", "What the segment is called.").required();
const AFTER: Key<Arc<str>> =
    Key::new("after", "a segment such as `OBX`", "The segment it follows in messages.");
const FIELDS: Key<Vec<String>> = Key::new(
    "fields",
    "a list such as `[\"Set ID:SI required\", \"Bench:IS table=BENCH repeat=3 length=20\"]`",
    "Name and data type of each field, in order, and what more is known of it.",
)
.required();

const NAME: Key<Arc<str>> = Key::new("name", "a text", "What the field is called.");
const TYPE: Key<Arc<str>> = Key::new("type", "a data type such as `CWE`", "Its data type.");
const USAGE: Key<Arc<str>> = Key::new(
    "usage",
    "`\"required\"`, `\"optional\"` or `\"withdrawn\"`",
    "Whether it has to be there.",
);
const REPEAT: Key<u32> =
    Key::new("repeat", "a whole number", "Most repetitions; 0 for any number.");
const LENGTH: Key<u32> = Key::new("length", "a whole number", "Most characters; 0 for any number.");
const TABLE: Key<Arc<str>> =
    Key::new("table", "a table such as `0001`", "The table of its codes; empty for none.");
const REPLACES: Key<bool> = Key::new(
    "replaces",
    "`true` or `false`",
    "Whether only these codes count, and those of the standard do not.",
)
.default("`false`");

/// The keys of the files.
pub(super) const KEYS: &[KeyRow] = &[
    KeyRow::of(
        "segment",
        "A segment of this site, such as `[segment.ZLB]`.",
        Shape::Named(&[SEGMENT_NAME.row(), AFTER.row(), FIELDS.row()]),
    ),
    KeyRow::of(
        "field",
        "A field this site uses otherwise than the standard, such as `[field.PID-18]`.",
        Shape::Named(&[
            NAME.row(),
            TYPE.row(),
            USAGE.row(),
            REPEAT.row(),
            LENGTH.row(),
            TABLE.row(),
        ]),
    ),
    KeyRow::of(
        "table",
        "Codes this site adds to a table, such as `[table.0001]`, or a table of its own.",
        Shape::Named(&[
            KeyRow::of(
                "codes",
                "Codes and what they are called, such as `{ X = \"Diverse\" }`.",
                Shape::Map(<String as Setting>::schema),
            ),
            REPLACES.row(),
        ]),
    ),
];

/// Reads the files that a key's patterns match.
pub(super) fn read(tree: &Tree, table: &mut Table<'_>, key: &Key<Vec<String>>) -> Site {
    let mut parts = SiteParts::default();
    for path in server::matching(tree, table, key) {
        table.with_problems(|problems| {
            let Some(file) = problems.take(tree.open(&path)) else { return };
            let document = tree.document(file, problems);
            let mut root = document.root(problems);
            for (id, mut segment) in root.tables("segment") {
                let z = id.value.len() == 3
                    && id.value.starts_with('Z')
                    && id.value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
                if !z {
                    let cause = "a segment of a site has three letters and begins with Z";
                    segment.error(Fault::new(W1011).because(cause), &id.span);
                }
                let name = segment.required(&SEGMENT_NAME);
                let after = segment.optional(&AFTER);
                let fields = fields(&mut segment);
                segment.finish();
                if let (true, Some(name), Some(fields)) = (z, name, fields) {
                    parts.segments.push(SiteSegment { id: id.value.into(), name, after, fields });
                }
            }
            for (path, mut field) in root.tables("field") {
                let place = Path::parse(&path.value).ok();
                let place = place.and_then(|p| Some((p.segment().to_owned(), p.field()?)));
                if place.is_none() {
                    let cause = "a field is named by its path, such as `[field.PID-18]`";
                    field.error(Fault::new(W1011).because(cause), &path.span);
                }
                let change = FieldChange {
                    name: field.optional(&NAME),
                    datatype: field.optional(&TYPE),
                    usage: field.spanned(&USAGE).and_then(|word| {
                        let usage = usage(&word.value);
                        if usage.is_none() {
                            let fault = Fault::new(W1011).because("no such usage");
                            let help = "Write `required`, `optional` or `withdrawn`.";
                            field.error(fault.remedy(help), &word.span);
                        }
                        usage
                    }),
                    max: field.optional(&REPEAT),
                    length: field.optional(&LENGTH),
                    table: field.optional(&TABLE),
                    ..FieldChange::default()
                };
                field.finish();
                if let Some((segment, number)) = place {
                    parts.fields.push(FieldChange {
                        segment: segment.into(),
                        field: number,
                        ..change
                    });
                }
            }
            for (id, mut table) in root.tables("table") {
                let codes = table.table("codes").map(|mut codes| {
                    let pairs = codes.pairs::<Arc<str>>("what the code is called");
                    pairs.into_iter().map(|(code, name)| (code.value.into(), name.value)).collect()
                });
                let replaces = table.or(&REPLACES, false);
                table.finish();
                let id = id.value.into();
                parts.tables.push(SiteTable { id, codes: codes.unwrap_or_default(), replaces });
            }
            root.finish();
        });
    }
    Site::new(parts)
}

fn usage(word: &str) -> Option<Usage> {
    match word {
        "required" => Some(Usage::Required),
        "optional" => Some(Usage::Optional),
        "withdrawn" => Some(Usage::Withdrawn),
        _ => None,
    }
}

fn fields(table: &mut Table<'_>) -> Option<Vec<SiteField>> {
    table.required(&FIELDS)?;
    let items = table.value(FIELDS.name).and_then(|value| value.items()).unwrap_or_default();
    let mut fields = Vec::new();
    for item in items {
        match item.as_str().map(field) {
            Some(Ok(field)) => fields.push(field),
            wrong => {
                let usual = "a field is a name and a data type, such as `Bench:ST`";
                let cause = match wrong {
                    Some(Err(cause)) => cause,
                    _ => usual.to_owned(),
                };
                item.error(Fault::new(W1011).because(cause), &item.span());
            }
        }
    }
    Some(fields)
}

/// `Bench:IS required table=BENCH repeat=3 length=20`.
fn field(text: &str) -> Result<SiteField, String> {
    let usual = || "a field is a name and a data type, such as `Bench:ST`".to_owned();
    let (name, rest) = text.rsplit_once(':').ok_or_else(usual)?;
    let mut words = rest.split_whitespace();
    let datatype = words.next().ok_or_else(usual)?;
    if !(2..=3).contains(&datatype.len()) || !datatype.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(usual());
    }
    if !tables::versions().any(|version| version.datatype(datatype).is_some()) {
        return Err(format!("no version of HL7 v2 has the data type `{datatype}`"));
    }
    let mut field = SiteField {
        name: name.trim().into(),
        datatype: datatype.into(),
        usage: Usage::Optional,
        max: 1,
        length: None,
        table: "".into(),
    };
    for word in words {
        let number =
            |text: &str| text.parse::<u32>().map_err(|_| format!("`{word}` has no whole number"));
        match word.split_once('=') {
            None if word == "required" => field.usage = Usage::Required,
            None if word == "repeat" => field.max = 0,
            Some(("repeat", n)) => field.max = number(n)?,
            Some(("length", n)) => field.length = Some(number(n)?),
            Some(("table", id)) => field.table = id.into(),
            _ => {
                return Err(format!(
                    "`{word}` is none of `required`, `repeat`, `repeat=3`, `length=20`, `table=BENCH`"
                ));
            }
        }
    }
    Ok(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_site() {
        let check = |text: &str, expected: Option<(&str, Usage, u32, Option<u32>, &str)>| {
            let read = field(text).ok();
            let read = read.as_ref().map(|f| (&*f.name, f.usage, f.max, f.length, &*f.table));
            assert_eq!(read, expected, "{text}");
        };
        check("Set ID:SI", Some(("Set ID", Usage::Optional, 1, None, "")));
        check(
            "A: b:IS required repeat=3 length=20 table=BENCH",
            Some(("A: b", Usage::Required, 3, Some(20), "BENCH")),
        );
        check("Note:TX repeat", Some(("Note", Usage::Optional, 0, None, "")));
        for wrong in ["Set ID", "Set ID:", "x:st", "x:QQ", "x:ST twice", "x:ST length=long"] {
            check(wrong, None);
        }
    }
}
