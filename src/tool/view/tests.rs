//! What a view shows, hides and keeps apart.

use super::*;
use crate::hl7v2::tables::{FieldChange, SiteField, SiteParts, SiteSegment, SiteTable, Usage};
use bytes::Bytes;

const ORU: &str = "MSH|^~\\&|LAB|SE|EMR|SE|20260102||ORU^R01^ORU_R01|C1|T|2.5.1\r\
    PID|1||5^^^H&1.2&ISO^MR~6^^^^SS||Doe^Jane\\T\\Co|\"\"||F\r\
    OBR|1||7|24320-4^Panel^LN\rOBX|1|NM|2345-7^Glucose^LN||98|mg/dL^^UCUM\r\
    OBX|2|CE|1^a^L||N^normal^L\rZB1|x\r";

const LOOK: Look<'_> =
    Look { site: &Site::NONE, values: true, raw: false, offsets: false, color: false };

fn message(text: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn drawn(text: &str, look: Look<'_>) -> String {
    let mut out = Vec::new();
    super::text(&message(text), look, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn page(text: &str, look: Look<'_>) -> String {
    let mut out = Vec::new();
    html("a <b>.hl7", &mut std::iter::once(message(text)), look, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn told(text: &str, look: Look<'_>) -> serde_json::Value {
    let mut out = Vec::new();
    json(&message(text), look, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn a_tree_has_groups_names_types_and_meanings() {
    insta::assert_snapshot!(drawn(ORU, LOOK));
}

#[test]
fn a_tree_shows_bytes_and_their_places() {
    let look = Look { raw: true, offsets: true, ..LOOK };
    insta::assert_snapshot!(drawn("MSH|^~\\&|A\nPID|1||5^^^H\n", look));
}

#[test]
fn masked_views_hold_no_value() {
    let look = Look { values: false, raw: true, offsets: true, color: true, ..LOOK };
    let all = [drawn(ORU, look), page(ORU, look), told(ORU, look).to_string()];
    for view in all {
        for value in ["Doe", "Jane", "2345-7", "Glucose", "mg/dL"] {
            assert!(!view.contains(value), "{value}: {view}");
        }
    }
}

#[test]
fn a_site_names_its_own() {
    let field = |name: &str, datatype: &str, table: &str| SiteField {
        name: name.into(),
        datatype: datatype.into(),
        usage: Usage::Optional,
        max: 1,
        length: None,
        table: table.into(),
    };
    let site = Site::new(SiteParts {
        segments: vec![SiteSegment {
            id: "ZB1".into(),
            name: "Bench".into(),
            after: None,
            fields: vec![field("Instrument", "IS", "BENCH"), field("Operator", "XCN", "")],
        }],
        fields: vec![FieldChange {
            segment: "PID".into(),
            field: 8,
            name: Some("Gender Marker".into()),
            ..FieldChange::default()
        }],
        tables: vec![SiteTable {
            id: "BENCH".into(),
            codes: vec![("x".into(), "The big one".into())],
            replaces: false,
        }],
    });
    let text = ORU.replace("ZB1|x", "ZB1|x|7^Doe");
    let view = drawn(&text, Look { site: &site, ..LOOK });
    for line in [
        "ZB1  Bench",
        "ZB1-1    IS  Instrument             x  (The big one)",
        "ZB1-2.2  FN  Operator, Family Name  Doe",
        "Gender Marker",
    ] {
        assert!(view.contains(line), "{line}: {view}");
    }
    assert!(page(&text, Look { site: &site, ..LOOK }).contains("The big one"));
}

#[test]
fn ranges_are_those_of_the_bytes() {
    let view = told(ORU, LOOK);
    let mut leaves = 0;
    for segment in view["segments"].as_array().unwrap() {
        let at = usize::try_from(segment["offset"].as_u64().unwrap()).unwrap();
        assert_eq!(&ORU[at..at + 3], &segment["segment"].as_str().unwrap()[..3]);
        for leaf in segment["fields"].as_array().unwrap() {
            let number = |key: &str| usize::try_from(leaf[key].as_u64().unwrap()).unwrap();
            let raw = &ORU[number("offset")..number("offset") + number("length")];
            let value = leaf["value"].as_str().unwrap();
            assert_eq!(raw.replace("\\T\\", "&"), value, "{leaf}");
            leaves += 1;
        }
    }
    assert_eq!(leaves, 47);
    assert_eq!(view["segments"][3]["groups"][0], "PATIENT_RESULT");
    let pid = view["segments"][1]["fields"].as_array().unwrap();
    let null: Vec<_> = pid.iter().filter(|leaf| leaf["null"] == true).collect();
    assert!(null.len() == 1 && null[0]["path"] == "PID-6.1", "{null:?}");
}

#[test]
fn a_page_is_whole_and_escaped() {
    let view = page("MSH|^~\\&|<script>alert(1)</script>|\"'&\rPID|1||<b>\r", LOOK);
    insta::assert_snapshot!(view);
    assert!(!view.contains("<script") && !view.contains("<b>"));
    for link in view.split("href=\"#").skip(1) {
        let target = link.split('"').next().unwrap();
        assert!(view.contains(&format!("id=\"{target}\"")), "{target}");
    }
}

#[test]
fn a_terminal_is_not_spoken_to() {
    let check = |text: &str, expected: &str| assert_eq!(visible(text), expected);
    check("plain \u{e9}", "plain \u{e9}");
    check("\x1b[31mred", "\u{241b}[31mred");
    check("a\rb\x7f\u{9b}\u{202e}", "a\u{240d}b\u{2421}\u{fffd}\u{fffd}");
    let view = drawn(
        "MSH|^~\\&|\x1b]0;title\x07|\rPID|1||\\X1B\\[2J\r\x1bXX\r",
        Look { raw: true, ..LOOK },
    );
    assert!(!view.contains('\x1b') && !view.contains('\x07'), "{view}");
}

#[test]
fn odd_messages_are_shown_with_notes() {
    let names = |text: &str| -> Vec<String> {
        summary(&message(text)).notes.into_iter().map(|note| note.name).collect()
    };
    assert_eq!(names("MSH|^~\\&|||||||ZZZ|1|P|2.5.1\r"), [""; 0]);
    assert_eq!(
        names("\u{feff}MSH|^~\\&|||||||ZZZ|1|P|2.9"),
        ["byte-order-mark", "no-final-cr", "version"]
    );
    assert_eq!(
        names("MSH|^~\\&|||||||ADT^A01|1|P|2.5.1\r").first().map(String::as_str),
        Some("W2101")
    );
    let view = drawn("MSH|^~\\&|A\rhello|x\rZZ1\r", LOOK);
    assert!(view.contains("???  no segment name") && view.contains("ZZ1  site segment"), "{view}");
}

#[test]
fn what_is_told_takes_time_like_the_message() {
    let parts = "a&".repeat(40_000);
    let segments = "OBR|1\rOBX|1|ST|1||x\r".repeat(8_000);
    let fields = "|".repeat(40_000);
    let text =
        format!("MSH|^~\\&|||||||ORU^R01|1|P|2.5.1\rPID|1||{parts}\r{segments}ZZ1{fields}x\r");
    let mut leaves = 0;
    walk(&message(&text), &Site::NONE, &mut |item| {
        leaves += usize::from(matches!(item, Item::Leaf(_)));
        Ok(())
    })
    .unwrap();
    assert_eq!(leaves, 7 + 40_001 + 8_000 * 5 + 1);
}
