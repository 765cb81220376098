//! The two forms of a document, and all that is refused.

use bytes::Bytes;

use super::super::Doc;
use super::super::node::doc;
use crate::fault::codes::{
    W2700, W2702, W2705, W2706, W2707, W2720, W2721, W2724, W2730, W2731, W2734,
};
use crate::fhir::validate;

const DIV: &str =
    "<div xmlns=\"http://www.w3.org/1999/xhtml\">a &amp; <b title='x'>b</b>&#160;</div>";

fn xml(text: &str) -> Doc {
    Doc::parse_xml(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn wrapped(inside: &str) -> String {
    format!("<Patient xmlns=\"http://hl7.org/fhir\">{inside}</Patient>")
}

fn json(doc: &Doc) -> String {
    String::from_utf8(doc.to_json().to_vec()).unwrap()
}

fn written(doc: &Doc) -> String {
    let text = String::from_utf8(doc.to_xml().unwrap().to_vec()).unwrap();
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    text.strip_prefix(head).unwrap_or(&text).to_owned()
}

/// The two forms of a Patient say the same, whichever is read.
fn both(inside: &str, members: &str) {
    let text = format!("{{\"resourceType\":\"Patient\"{members}}}");
    let read = xml(&wrapped(inside));
    assert_eq!(json(&read), text, "{inside}");
    assert!(read.flaws().is_empty(), "{inside} {:?}", read.flaws());
    let back = if inside.is_empty() {
        "<Patient xmlns=\"http://hl7.org/fhir\"/>".to_owned()
    } else {
        wrapped(inside)
    };
    assert_eq!(written(&doc(&text)), back, "{members}");
}

#[test]
fn both_forms_say_the_same() {
    both("", "");
    both("<id value=\"a\"/>", r#","id":"a""#);
    both("<active value=\"true\"/>", r#","active":true"#);
    both("<multipleBirthInteger value=\"2\"/>", r#","multipleBirthInteger":2"#);
    both(
        "<name><given value=\"A\"/><given value=\"B\"/></name><gender value=\"male\"/>",
        r#","name":[{"given":["A","B"]}],"gender":"male""#,
    );
    // What stands beside primitives, alone and in arrays.
    both(
        "<birthDate id=\"x\" value=\"2020\"><extension url=\"u\"><valueCode value=\"c\"/></extension></birthDate>",
        r#","birthDate":"2020","_birthDate":{"id":"x","extension":[{"url":"u","valueCode":"c"}]}"#,
    );
    both(
        "<birthDate><extension url=\"u\"><valueCode value=\"c\"/></extension></birthDate>",
        r#","_birthDate":{"extension":[{"url":"u","valueCode":"c"}]}"#,
    );
    both(
        "<name><given value=\"A\"/><given id=\"g\"/><given id=\"h\" value=\"C\"/></name>",
        r#","name":[{"given":["A",null,"C"],"_given":[null,{"id":"g"},{"id":"h"}]}]"#,
    );
    both(
        "<name id=\"n\"><given id=\"g\"/></name>",
        r#","name":[{"id":"n","_given":[{"id":"g"}]}]"#,
    );
    // Contained resources, and narratives as they stand.
    both(
        &format!("<text><status value=\"empty\"/>{DIV}</text>"),
        &format!(r#","text":{{"status":"empty","div":"{}"}}"#, DIV.replace('"', "\\\"")),
    );
    both(
        "<contained><Organization><id value=\"o\"/></Organization></contained><contained><Basic/></contained>",
        r#","contained":[{"resourceType":"Organization","id":"o"},{"resourceType":"Basic"}]"#,
    );
    // Elements that R4 does not know come last.
    both(
        "<gender value=\"male\"/><pet value=\"cat\"/><toy><of value=\"a\"/><of value=\"b\"/></toy>",
        r#","gender":"male","pet":"cat","toy":{"of":["a","b"]}"#,
    );
    both(
        "<pet id=\"p\" value=\"cat\"/><pet value=\"dog\"/>",
        r#","pet":["cat","dog"],"_pet":[{"id":"p"},null]"#,
    );
    // Every sign that a value may hold.
    both(
        "<language value=\"&amp;&lt;>&quot;'&#10;&#13;&#9;\u{e9}\u{1f600}\u{2028}\"/>",
        ",\"language\":\"&<>\\\"'\\n\\r\\t\u{e9}\u{1f600}\u{2028}\"",
    );
}

#[test]
fn numbers_keep_their_digits() {
    for digits in ["7.10", "0.0", "-1.50e-7", "1E400", "100000000000000000000.000"] {
        let text = format!(
            "<Observation xmlns=\"http://hl7.org/fhir\"><valueQuantity><value value=\"{digits}\"/>\
             </valueQuantity></Observation>"
        );
        let read = xml(&text);
        assert!(json(&read).ends_with(&format!("{{\"value\":{digits}}}}}")), "{digits}");
        assert_eq!(written(&doc(&json(&read))), text);
    }
    // A sign that JSON has not; and what is no number stays for the check to find.
    assert!(json(&xml(&wrapped("<multipleBirthInteger value=\"+5\"/>"))).ends_with(":5}"));
    assert!(json(&xml(&wrapped("<multipleBirthInteger value=\"x\"/>"))).ends_with(":\"x\"}"));
}

#[test]
fn elements_are_written_in_the_order_of_the_specification() {
    let read = doc(
        r#"{"gender":"male","_id":{"extension":[{"valueCode":"c","url":"u"}]},"resourceType":"Patient",
            "name":[{"text":"t","use":"usual"}],"x":1,"id":"a","meta":{"profile":["p"],"id":"m"}}"#,
    );
    let expected = wrapped(
        "<id value=\"a\"><extension url=\"u\"><valueCode value=\"c\"/></extension></id>\
         <meta id=\"m\"><profile value=\"p\"/></meta>\
         <name><use value=\"usual\"/><text value=\"t\"/></name><gender value=\"male\"/>\
         <x value=\"1\"/>",
    );
    assert_eq!(written(&read), expected);
}

#[test]
fn bundles_hold_resources() {
    let text = "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"batch\"/><entry><link>\
        <relation value=\"self\"/></link><resource><Parameters><parameter><name value=\"a\"/>\
        <resource><Basic><id value=\"b\"/></Basic></resource></parameter></Parameters></resource>\
        </entry></Bundle>";
    let expected = r#"{"resourceType":"Bundle","type":"batch","entry":[{"link":[{"relation":"self"}],"resource":{"resourceType":"Parameters","parameter":[{"name":"a","resource":{"resourceType":"Basic","id":"b"}}]}}]}"#;
    assert_eq!(json(&xml(text)), expected);
    assert_eq!(written(&doc(expected)), text);
}

#[test]
fn what_is_no_data_is_passed_over() {
    let text = "\u{feff}<?xml version='1.0' encoding='utf-8'?>\n<?xml-stylesheet href='a'?>\n\
        <!-- a -->\n<f:Patient xmlns:f=\"http://hl7.org/fhir\" xmlns:h=\"http://www.w3.org/1999/xhtml\" \
        xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"a b\">\n\
        <f:text><!-- b --><f:status value='empty'></f:status><h:div>a<h:br/></h:div></f:text>\n\
        <f:active\nvalue = 'true' /></f:Patient>\n<!-- c -->";
    let read = xml(text);
    assert!(read.flaws().is_empty(), "{:?}", read.flaws());
    let div = r#"<div xmlns=\"http://www.w3.org/1999/xhtml\">a<br/></div>"#;
    let expected = format!(
        r#"{{"resourceType":"Patient","text":{{"status":"empty","div":"{div}"}},"active":true}}"#
    );
    assert_eq!(json(&read), expected);
    assert_eq!(read.to_xml().unwrap(), text, "unchanged is written byte for byte");
    let mut edited = read.clone();
    let active = read.root().get("active").unwrap().id();
    edited.set_json(active, "false").unwrap();
    assert!(written(&edited).ends_with("<active value=\"false\"/></Patient>"));
    assert_eq!(read.root().get("active").unwrap().line_column(), Some((6, 1)));
    assert_eq!(edited.root().get("active").unwrap().line_column(), None);
}

#[test]
fn flaws_are_told_with_their_place() {
    let check = |inside: &str, expected: &str| {
        let found = validate::structure(&xml(&wrapped(inside)));
        let shown: Vec<String> = found
            .iter()
            .map(|f| {
                let (line, column) = f.line_column.unwrap();
                format!("{} {line}:{column} {} {}", f.code, f.path, f.what)
            })
            .collect();
        assert_eq!(shown.join("; "), expected, "{inside}");
    };
    let w = |code: crate::fault::Code, rest: &str| format!("{code} {rest}");
    check(
        "\n<gender odd=\"x\" value=\"male\"/>",
        &w(W2734, "2:1 Patient.gender an attribute that FHIR has not here"),
    );
    check(
        "\n\n<name>Doe<family value=\"x\"/></name>",
        &w(W2734, "3:1 Patient.name[0] text stands between the elements"),
    );
    check(
        "<gender value=\"male\"/>\n <active value=\"true\"/>",
        &w(W2734, "2:2 Patient.active stands behind an element that R4 has after it"),
    );
    check(
        "<extension url=\"a\"><valueCode value=\"a\"/></extension>\n<x value=\"1\"/>\n\
         <extension url=\"a\"><valueCode value=\"a\"/></extension>",
        &format!(
            "{}; {}",
            w(W2734, "3:1 Patient.extension stands apart from the others of its name"),
            w(W2721, "2:1 Patient.x no element of this name here"),
        ),
    );
    check("<gender/>", &w(W2730, "1:38 Patient.gender an element without value or content"));
    check("<name/>", &w(W2730, "1:38 Patient.name[0] an element without value or content"));
    check("<gender value=\"\"/>", &w(W2730, "1:38 Patient.gender a text without characters"));
    check(
        "<contained/>",
        &w(W2734, "1:38 Patient.contained[0] holds not one resource but none or several"),
    );
    check("<o:x xmlns:o=\"urn:o\"/>", &w(W2734, "1:38 Patient.x an element of another namespace"));
    check("<name value=\"x\"/>", &w(W2724, "1:38 Patient.name[0] expected an object"));
    check(
        "<gender value=\"male\"/><gender value=\"male\"/>",
        &w(W2731, "1:60 Patient.gender the object has two members of this name"),
    );
    let bare = Doc::parse_xml(Bytes::from_static(b"<Patient><active value='true'/></Patient>"));
    let found = validate::structure(&bare.unwrap());
    assert!(found.iter().all(|f| f.what.contains("namespace")) && found.len() == 1);
    assert!(found[0].fault().place().to_string().starts_with("XML:1:1"));
}

#[test]
fn bad_text_is_refused_with_its_place() {
    let check = |text: &str, code, place: &str, cause: &str| {
        let fault = Doc::parse_xml(Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
        assert_eq!(fault.code(), code, "{text:.200}");
        assert_eq!(fault.place().to_string(), place, "{text:.200}");
        assert!(fault.cause().unwrap().contains(cause), "{text:.200} {:?}", fault.cause());
    };
    check("", W2705, "XML:1:1", "the text ends");
    check("<a", W2705, "XML:1:1", "not closed");
    check("<Patient>\n <active>", W2705, "XML:2:10", "ends where an element");
    check("<a></b>", W2705, "XML:1:4", "closing tag");
    check("<a/><b/>", W2705, "XML:1:5", "second element");
    check("x<a/>", W2705, "XML:1:1", "text stands outside");
    check("<a/>x", W2705, "XML:1:5", "text stands outside");
    check("<a b='1' b='2'/>", W2705, "XML:1:1", "twice");
    check("<a b=1/>", W2705, "XML:1:1", "malformed");
    check("<a b='<'/>", W2705, "XML:1:1", "malformed");
    check("<a>&</a>", W2705, "XML:1:4", "`&` begins no reference");
    check("<a b='&#1;'/>", W2705, "XML:1:1", "means no character");
    check("<a>&#0;</a>", W2705, "XML:1:4", "means no character");
    check("<a>\u{1}</a>", W2705, "XML:1:4", "control character");
    check("<a>\u{fffe}</a>", W2705, "XML:1:4", "control character");
    check("<1/>", W2705, "XML:1:1", "no name");
    check("<a:b/>", W2705, "XML:1:1", "not declared");
    check("<a/><?xml version='1.0'?>", W2705, "XML:1:5", "out of place");
    check("<?xml version='1.0' encoding='latin1'?><a>\u{e9}</a>", W2705, "XML:1:1", "UTF-8");
    check("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a/>", W2706, "XML:1:1", "type");
    check("<a>&x;</a>", W2706, "XML:1:4", "none of the five");
    check("<a b='&nbsp;'/>", W2706, "XML:1:1", "none of the five");
    check(
        &wrapped("<text><div xmlns='http://www.w3.org/1999/xhtml'>&nbsp;</div></text>"),
        W2706,
        "XML:1:86",
        "none",
    );
    check(&"<a>".repeat(100_000), W2702, "XML:1:385", "deeper than 128");
    check(&wrapped(&"<x>".repeat(64)), W2705, "XML:1:230", "closing tag");
    let deep = wrapped(&format!("{}{}", "<x>".repeat(64), "</x>".repeat(64)));
    check(&deep, W2702, "XML:1:227", "deeper than 64");
    check("<a xmlns='urn:hl7-org:v3'/>", W2720, "XML:1:1", "http://hl7.org/fhir");
    let fault = Doc::parse_xml(Bytes::from_static(b"<a>\xff</a>")).unwrap_err();
    assert_eq!((fault.code(), fault.place().to_string()), (W2700, "XML:1:4".to_owned()));
    let many: String = (0..100).map(|n| format!(" a{n}=''")).collect();
    check(&format!("<a{many}/>"), W2705, "XML:1:1", "64 attributes");
}

#[test]
fn what_xml_cannot_hold_is_refused() {
    let check = |text: &str, path: &str, cause: &str| {
        let fault = doc(text).to_xml().unwrap_err();
        assert_eq!((fault.code(), &*fault.place().to_string()), (W2707, path), "{text}");
        assert!(fault.cause().unwrap().contains(cause), "{text} {:?}", fault.cause());
    };
    check("[]", "$this", "without `resourceType`");
    check(r#"{"resourceType":"a b"}"#, "$this", "no name");
    check(r#"{"resourceType":"Patient","a b":1}"#, "Patient.?", "none that an element");
    check(r#"{"resourceType":"Patient","gender":"\u0001"}"#, "Patient.gender", "has not");
    check(r#"{"resourceType":"Patient","x":[[1]]}"#, "Patient.x[0]", "array in an array");
    check(
        r#"{"resourceType":"Patient","contained":[{"id":"a"}]}"#,
        "Patient.contained[0]",
        "without",
    );
    check(r#"{"resourceType":"Patient","name":[{"_id":{}}]}"#, "Patient.name[0]._id", "neither");
    check(r#"{"resourceType":"Patient","_gender":"x"}"#, "Patient._gender", "an object");
    check(
        r#"{"resourceType":"Patient","_gender":[{"id":"a"}],"gender":"x"}"#,
        "Patient.gender",
        "beside",
    );
    check(
        r#"{"resourceType":"Patient","_name":[{"id":"a"}]}"#,
        "Patient._name[0]",
        "only primitives",
    );
    for div in ["x", "<p/>", "<div>&nbsp;</div>", "<div>", "<div/><div/>", "<!DOCTYPE a><div/>"] {
        let text = format!(r#"{{"resourceType":"Patient","text":{{"div":"{div}"}}}}"#);
        check(&text, "Patient.text.div", "narrative");
    }
}
