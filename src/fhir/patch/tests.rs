//! Tests of the three forms of patches.

use bytes::Bytes;

use super::*;
use crate::fhir::doc::doc;

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p1","active":true,
  "name":[{"family":"Doe","given":["Jo","Ann"],"_given":[null,{"id":"g2"}]}],
  "birthDate":"1970-01-02","_birthDate":{"extension":[{"url":"http://a/t","valueCode":"x"}]},
  "deceasedBoolean":false,"maritalStatus":{"text":"single"},
  "contact":[{"gender":"male"},{"name":{"text":"B"}}]}"##;

/// The outcome without white space, or the code and place of the fault.
fn outcome(result: Result<Doc, Fault>) -> String {
    match result {
        Ok(doc) => {
            let mut copy = crate::fhir::Builder::new();
            copy.node(doc.root());
            String::from_utf8(copy.finish().to_json().to_vec()).unwrap()
        }
        Err(fault) => {
            format!("{} {}: {}", fault.code(), fault.place(), fault.cause().unwrap_or(""))
        }
    }
}

fn json_patch(text: &str, patch: &str) -> String {
    let patch = Patch::json(Bytes::from(patch.to_owned()));
    outcome(patch.and_then(|patch| apply(&doc(text), &patch)))
}

/// Applies operations of FHIRPath Patch, each given by its parts as `name=JSON`.
fn path_patch(text: &str, operations: &[&[(&str, &str)]]) -> String {
    let part = |(name, json): &(&str, &str)| match *name {
        "type" => format!(r#"{{"name":"type","valueCode":"{json}"}}"#),
        "path" | "name" => format!(r#"{{"name":"{name}","valueString":"{json}"}}"#),
        "index" | "source" | "destination" => {
            format!(r#"{{"name":"{name}","valueInteger":{json}}}"#)
        }
        _ => format!(r#"{{"name":"{name}",{json}}}"#),
    };
    let operation = |parts: &&[(&str, &str)]| {
        let parts: Vec<String> = parts.iter().map(part).collect();
        format!(r#"{{"name":"operation","part":[{}]}}"#, parts.join(","))
    };
    let all: Vec<String> = operations.iter().map(operation).collect();
    let text_of = format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, all.join(","));
    let patch = Patch::parameters(doc(&text_of)).unwrap();
    outcome(apply(&doc(text), &patch))
}

#[test]
fn json_operations_are_done_in_order() {
    let check = |text: &str, patch: &str, expected: &str| {
        assert_eq!(json_patch(text, patch), expected, "{patch}");
    };
    check(r#"{"a":1}"#, "[]", r#"{"a":1}"#);
    check(r#"{"a":1}"#, r#"[{"op":"add","path":"","value":[2]}]"#, "[2]");
    check(r#"{"a":1}"#, r#"[{"op":"add","path":"/a","value":{"b":null}}]"#, r#"{"a":{"b":null}}"#);
    check(r#"{"a":[1,2]}"#, r#"[{"op":"add","path":"/a/2","value":3}]"#, r#"{"a":[1,2,3]}"#);
    check(r#"{"a":[1,2]}"#, r#"[{"op":"copy","from":"/a","path":"/a/-"}]"#, r#"{"a":[1,2,[1,2]]}"#);
    check(
        r#"{"a":{"b":1},"c":2}"#,
        r#"[{"op":"move","from":"/a/b","path":"/c"},{"op":"test","path":"/c","value":1.0}]"#,
        r#"{"c":1}"#,
    );
    check(
        r#"{"":1,"m~n":{"a/b":2}}"#,
        r#"[{"op":"remove","path":"/"},
        {"op":"replace","path":"/m~0n/a~1b","value":"é"}]"#,
        r#"{"m~n":{"a/b":"é"}}"#,
    );
    check(r#"{"a":1,"a":2,"b":3}"#, r#"[{"op":"remove","path":"/a"}]"#, r#"{"b":3}"#);
    check(r#"{"a":[0]}"#, r#"[{"op":"move","from":"/a","path":"/a"}]"#, r#"{"a":[0]}"#);
}

#[test]
fn bad_json_patches_change_nothing() {
    let check = |patch: &str, expected: &str| {
        assert_eq!(json_patch(r#"{"a":[1,{"b":2}],"c":"x"}"#, patch), expected, "{patch}");
    };
    check("{}", "W2780 : a JSON Patch is an array of operations");
    check("[", "W2701 JSON:1:2: the text ends where a value is expected");
    check("[1]", "W2780 operation[0]: `op` is none of add, remove, replace, move, copy and test");
    check(
        r#"[{"op":"ADD","path":"/x","value":1}]"#,
        "W2780 operation[0]: `op` is none of add, remove, replace, move, copy and test",
    );
    check(
        r#"[{"op":"test","op":"add","path":"/x","value":1}]"#,
        "W2780 operation[0]: a member stands twice in an operation",
    );
    check(r#"[{"op":"add","value":1}]"#, "W2780 operation[0]: an operation has no `path`");
    check(r#"[{"op":"add","path":"/x"}]"#, "W2780 operation[0]: an operation has no `value`");
    check(
        r#"[{"op":"add","path":"x","value":1}]"#,
        "W2780 operation[0]: `path` is no JSON pointer",
    );
    check(
        r#"[{"op":"add","path":"/~2","value":1}]"#,
        "W2780 operation[0]: `path` is no JSON pointer",
    );
    check(
        r#"[{"op":"copy","path":"/x"}]"#,
        "W2780 operation[0]: `from` is missing or no JSON pointer",
    );
    check(
        r#"[{"op":"add","path":"/d","value":1},{"op":"remove","path":"/e"}]"#,
        "W2781 operation[1] /e: nothing stands where `path` or `from` points to",
    );
    check(
        r#"[{"op":"add","path":"/a/3","value":1}]"#,
        "W2781 operation[0] /a/3: the array has no such place to add to",
    );
    check(
        r#"[{"op":"add","path":"/a/01","value":1}]"#,
        "W2781 operation[0] /a/01: the array has no such place to add to",
    );
    check(
        r#"[{"op":"replace","path":"/a/-","value":1}]"#,
        "W2781 operation[0] /a/-: nothing stands where `path` or `from` points to",
    );
    check(
        r#"[{"op":"add","path":"/c/x","value":1}]"#,
        "W2781 operation[0] /c/x: what `path` points into is neither object nor array",
    );
    check(
        r#"[{"op":"test","path":"/c","value":"y"}]"#,
        "W2784 operation[0] /c: the value is another",
    );
    check(
        r#"[{"op":"remove","path":""}]"#,
        "W2783 operation[0]: the whole document cannot be removed",
    );
    check(
        r#"[{"op":"move","from":"/a","path":"/a/1/b"}]"#,
        "W2783 operation[0] /a/1/b: a value cannot move into itself",
    );
    check(
        r#"[{"op":"test","path":"/Jo Doe","value":1}]"#,
        "W2781 operation[0] /Jo..: nothing stands where `path` or `from` points to",
    );
}

#[test]
fn the_resource_stays_the_one_it_is() {
    let check = |patch: &str, expected: &str| {
        let found = json_patch(r#"{"resourceType":"Patient","id":"p1"}"#, patch);
        assert!(found.starts_with(expected), "{patch} {found}");
    };
    check(r#"[{"op":"replace","path":"/id","value":"p2"}]"#, "W2786 id");
    check(r#"[{"op":"remove","path":"/id"}]"#, "W2786 id");
    check(r#"[{"op":"replace","path":"/resourceType","value":"Basic"}]"#, "W2786 resourceType");
    check(r#"[{"op":"replace","path":"","value":{"resourceType":"Patient","id":"p1"}}]"#, "{");
}

#[test]
fn what_comes_out_has_the_structure_of_r4() {
    let check = |text: &str, patch: &str, expected: &str| {
        let found = json_patch(text, patch);
        assert!(found.starts_with(expected), "{patch} {found}");
    };
    let text = r#"{"resourceType":"Patient","name":[{"family":"a"}]}"#;
    check(text, r#"[{"op":"remove","path":"/name/0"}]"#, "W2783 Patient.name: ");
    check(text, r#"[{"op":"add","path":"/gender","value":"x"}]"#, "W2783 Patient.gender: ");
    check(text, r#"[{"op":"add","path":"/zip","value":"x"}]"#, "W2783 Patient.zip: ");
    check(text, r#"[{"op":"add","path":"/active","value":true}]"#, "{");
    // What was wrong before may stay.
    let text = r#"{"resourceType":"Patient","zip":1,"gender":"x"}"#;
    check(text, r#"[{"op":"add","path":"/active","value":true}]"#, "{");
    check(text, r#"[{"op":"replace","path":"/gender","value":"male"}]"#, "{");
    check(text, r#"[{"op":"add","path":"/zap","value":1}]"#, "W2783 Patient.zap: ");
}

#[test]
fn short_patches_do_not_grow_large() {
    let copies = r#"{"op":"copy","from":"/a","path":"/a/-"},"#.repeat(60);
    let patch = format!("[{}]", copies.trim_end_matches(','));
    let found = json_patch(r#"{"a":["0123456789"]}"#, &patch);
    assert!(found.starts_with("W2785 operation[") || found.starts_with("W2702"), "{found}");
    let strings = r#"{"op":"copy","from":"/a","path":"/b"},"#.repeat(900);
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(20_000));
    let found = json_patch(&large, &format!("[{}]", strings.trim_end_matches(',')));
    assert!(found.starts_with("W2785 operation["), "{found}");
    let many = r#"{"op":"test","path":"","value":1},"#.repeat(OPERATIONS_MAX + 1);
    let found = json_patch("1", &format!("[{}]", many.trim_end_matches(',')));
    assert_eq!(found, "W2785 : it has more than 1000 operations");
    let item = r#"{"op":"test","path":"/a/99999","value":0},"#.repeat(OPERATIONS_MAX);
    let wide = format!(r#"{{"a":[{}0]}}"#, "0,".repeat(100_000));
    let found = json_patch(&wide, &format!("[{}]", item.trim_end_matches(',')));
    assert!(found.starts_with("W2785 operation["), "{found}");
}

#[test]
fn elements_change_with_what_stands_beside_them() {
    let check = |operation: &[(&str, &str)], path: &str, expected: &str| {
        let found = path_patch(PATIENT, &[operation]);
        let Ok(patched) = Doc::parse_json(Bytes::from(found.clone())) else {
            panic!("{operation:?}: {found}")
        };
        let value = path.split('.').try_fold(patched.root(), |node, name| {
            name.parse().map_or_else(|_| node.get(name), |at| node.items().nth(at))
        });
        let value = value.map_or_else(
            || "nothing".to_owned(),
            |node| String::from_utf8_lossy(&node.json()).into_owned(),
        );
        assert_eq!(value, expected, "{operation:?} {found}");
    };
    let delete = |path| [("type", "delete"), ("path", path)];
    check(&delete("Patient.birthDate"), "birthDate", "nothing");
    check(&delete("Patient.birthDate"), "_birthDate", "nothing");
    check(&delete("Patient.birthDate.extension"), "_birthDate", "nothing");
    check(&delete("Patient.birthDate.extension"), "birthDate", "\"1970-01-02\"");
    check(&delete("Patient.name.given[0]"), "name.0.given", r#"["Ann"]"#);
    check(&delete("Patient.name.given[0]"), "name.0._given", r#"[{"id":"g2"}]"#);
    check(&delete("Patient.name.given[1]"), "name.0._given", "nothing");
    check(&delete("Patient.contact[1].name.text"), "contact", r#"[{"gender":"male"}]"#);
    check(&delete("Patient.photo"), "active", "true");
    check(&delete("Patient.deceased"), "deceasedBoolean", "nothing");
    let replace = |path, value| [("type", "replace"), ("path", path), ("value", value)];
    let deceased = replace("Patient.deceased", r#""valueDateTime":"2020-01""#);
    check(&deceased, "deceasedDateTime", "\"2020-01\"");
    check(&deceased, "deceasedBoolean", "nothing");
    let birth = replace("Patient.birthDate", r#""valueDate":"1971","_valueDate":{"id":"b"}"#);
    check(&birth, "_birthDate", r#"{"id":"b"}"#);
    check(&replace("Patient.birthDate", r#""valueString":"1971""#), "_birthDate", "nothing");
    check(
        &replace("Patient.name.given[0]", r#""valueString":"Al""#),
        "name.0.given",
        r#"["Al","Ann"]"#,
    );
    check(&replace("Patient.active", r#""valueString":"false""#), "active", "false");
    let insert = |index, value| {
        [("type", "insert"), ("path", "Patient.name.given"), ("index", index), ("value", value)]
    };
    check(&insert("1", r#""valueString":"Bo""#), "name.0.given", r#"["Jo","Bo","Ann"]"#);
    check(&insert("1", r#""valueString":"Bo""#), "name.0._given", r#"[null,null,{"id":"g2"}]"#);
    let shift =
        [("type", "move"), ("path", "Patient.name.given"), ("source", "1"), ("destination", "0")];
    check(&shift, "name.0._given", r#"[{"id":"g2"},null]"#);
    let add =
        |path, name, value| [("type", "add"), ("path", path), ("name", name), ("value", value)];
    let given = add("Patient.name", "given", r#""_valueString":{"id":"g3"}"#);
    check(&given, "name.0.given", r#"["Jo","Ann",null]"#);
    let extension = add(
        "Patient.birthDate",
        "extension",
        r#""part":[{"name":"url","valueUri":"http://b"},{"name":"value","valueCode":"y"}]"#,
    );
    check(&extension, "_birthDate.extension.1", r#"{"url":"http://b","valueCode":"y"}"#);
    let contained =
        add("Patient", "contained", r#""resource":{"resourceType":"Organization","id":"c"}"#);
    check(&contained, "contained.0.id", "\"c\"");
    check(&add("Patient", "multipleBirth", r#""valueInteger":2"#), "multipleBirthInteger", "2");
    check(
        &add("Patient.contact[0]", "telecom", r#""part":[{"name":"rank","valueInteger":1}]"#),
        "contact.0.telecom",
        r#"[{"rank":1}]"#,
    );
}

#[test]
fn bad_path_patches_change_nothing() {
    let check = |operation: &[(&str, &str)], expected: &str| {
        assert_eq!(path_patch(PATIENT, &[operation]), expected, "{operation:?}");
    };
    let add =
        |path, name, value| [("type", "add"), ("path", path), ("name", name), ("value", value)];
    check(
        &add("Patient.photo", "title", r#""valueString":"x""#),
        "W2781 operation[0] Patient.photo: `path` finds nothing",
    );
    check(
        &add("Patient.contact", "gender", r#""valueCode":"male""#),
        "W2782 operation[0] Patient.contact: `path` finds several elements",
    );
    check(
        &add("Patient", "birthDate", r#""valueDate":"1970""#),
        "W2783 operation[0] Patient: the element is there already, and may be there once",
    );
    check(
        &add("Patient", "deceased", r#""valueDateTime":"1970""#),
        "W2783 operation[0] Patient: the element is there already, and may be there once",
    );
    check(
        &add("Patient", "zip", r#""valueString":"x""#),
        "W2783 operation[0] Patient: the element has no child of that name",
    );
    check(
        &add("Patient", "gender", r#""valueQuantity":{"value":1}"#),
        "W2783 operation[0] Patient: the element cannot be of the type of `value`",
    );
    check(
        &add("Patient", "multipleBirth", r#""valueDecimal":1.5"#),
        "W2783 operation[0] Patient: the element cannot be of the type of `value`",
    );
    check(
        &add("Patient.name.where(family = 'Doe')", "period", r#""valueString":"x""#),
        "W2783 operation[0] Patient.name.where(family..: the element cannot be of the type of `value`",
    );
    check(
        &[("type", "replace"), ("path", "Patient.active"), ("value", r#""valueString":"x""#)],
        "W2783 operation[0] Patient.active: `value` does not have the form of the type",
    );
    check(
        &[("type", "replace"), ("path", "Patient"), ("value", r#""valueString":"x""#)],
        "W2783 operation[0] Patient: `path` finds the resource itself, not one of its elements",
    );
    check(
        &[("type", "delete"), ("path", "Patient.name.count()")],
        "W2780 operation[0] Patient.name.count(): `path` computes a value",
    );
    check(
        &[("type", "delete"), ("path", "Patient..name")],
        "W2780 operation[0] Patient..name: `path` is no FHIRPath",
    );
    check(
        &[("type", "delete"), ("path", "Patient.contact")],
        "W2782 operation[0] Patient.contact: `path` finds several elements",
    );
    check(
        &[("type", "merge"), ("path", "Patient")],
        "W2780 operation[0] Patient: `type` is none of add, insert, delete, replace and move",
    );
    check(&[("type", "delete")], "W2780 operation[0]: an operation has no `path`");
    check(
        &[("type", "delete"), ("type", "add")],
        "W2780 operation[0]: a part stands twice in an operation",
    );
    check(
        &[("type", "delete"), ("from", r#""valueString":"x""#)],
        "W2780 operation[0]: a part is none that an operation has",
    );
    check(
        &[("type", "insert"), ("path", "Patient.contact"), ("index", "-1")],
        "W2780 operation[0]: `index`, `source` and `destination` are counted from 0",
    );
    let insert = |index| {
        let value = r#""part":[{"name":"gender","valueCode":"male"}]"#;
        [("type", "insert"), ("path", "Patient.contact"), ("index", index), ("value", value)]
    };
    check(
        &insert("3"),
        "W2781 operation[0] Patient.contact: the list has no such place to insert at",
    );
    let shift = |path, to| [("type", "move"), ("path", path), ("source", "0"), ("destination", to)];
    check(
        &shift("Patient.contact", "2"),
        "W2781 operation[0] Patient.contact: the list has no such place to move from or to",
    );
    check(
        &shift("Patient.maritalStatus", "0"),
        "W2783 operation[0] Patient.maritalStatus: `path` finds no list",
    );
    check(
        &shift("Patient.contact[0]", "0"),
        "W2782 operation[0] Patient.contact[0]: `path` finds elements of several lists, or some of one",
    );
    // The second operation is bad: the first is not done either.
    let both: [&[(&str, &str)]; 2] =
        [&[("type", "delete"), ("path", "Patient.active")], &[("type", "x"), ("path", "Patient")]];
    assert!(path_patch(PATIENT, &both).starts_with("W2780 operation[1]"));
}

#[test]
fn paths_share_one_allowance() {
    let wide = format!(
        r#"{{"resourceType":"Patient","contact":[{}{{"gender":"male"}}]}}"#,
        r#"{"gender":"male"},"#.repeat(20_000)
    );
    let path = "Patient.contact.where(gender = 'none').gender.where($this = 'x')";
    let slow: &[(&str, &str)] = &[("type", "delete"), ("path", path)];
    let found = path_patch(&wide, &vec![slow; OPERATIONS_MAX]);
    assert!(found.starts_with("W2785 operation["), "{found}");
}

#[test]
fn what_stands_beside_a_primitive_is_paid_for() {
    let long = format!(
        r#"{{"resourceType":"Patient","birthDate":"1970","_birthDate":{{"id":"a","extension":[{{"url":"u","valueString":"{}"}}]}}}}"#,
        "x".repeat(3_000_000)
    );
    let url = r#""part":[{"name":"url","valueUri":"u"},{"name":"value","valueString":"x"}]"#;
    let add: &[(&str, &str)] =
        &[("type", "add"), ("path", "Patient.birthDate"), ("name", "extension"), ("value", url)];
    assert!(path_patch(&long, &[add]).contains("\"x\""));
    let found = path_patch(&long, &vec![add; 20]);
    assert!(found.starts_with("W2785 operation["), "{}", &found[..60.min(found.len())]);
}

#[test]
fn a_question_about_much_text_is_paid_by_the_node() {
    let wide = format!("<a>{}</a>", "<b/>".repeat(20_000));
    let empty = format!("<replace sel=\"a{}/b[1]\"><b/></replace>", "[.='']".repeat(40));
    let patch = format!("<diff>{}</diff>", empty.repeat(30));
    let fault = apply_to_xml(wide.as_bytes(), patch.as_bytes()).unwrap_err();
    assert_eq!(fault.code().as_str(), "W2785", "{fault}");
}

#[test]
fn xml_of_a_resource_is_patched() {
    let check = |operations: &str, expected: &str| {
        let patch = format!(r#"<diff xmlns:f="http://hl7.org/fhir">{operations}</diff>"#);
        let patch = Patch::xml(patch.as_bytes());
        let text = r#"{"resourceType":"Patient","id":"p1","active":true,"birthDate":"1970"}"#;
        let found = outcome(patch.and_then(|patch| apply(&doc(text), &patch)));
        assert_eq!(found, expected, "{operations}");
    };
    check(
        r#"<replace sel="f:Patient/f:active/@value">false</replace>"#,
        r#"{"resourceType":"Patient","id":"p1","active":false,"birthDate":"1970"}"#,
    );
    check(
        r#"<add sel="f:Patient/f:active" pos="after"><gender xmlns="http://hl7.org/fhir"
            value="male"/></add><remove sel="/f:Patient/f:birthDate[@value='1970']"/>"#,
        r#"{"resourceType":"Patient","id":"p1","active":true,"gender":"male"}"#,
    );
    check(
        r#"<add sel="f:Patient/f:id" pos="after"><f:text><f:status value="empty"/><div
            xmlns="http://www.w3.org/1999/xhtml">A &amp; B</div></f:text></add>"#,
        "{\"resourceType\":\"Patient\",\"id\":\"p1\",\"text\":{\"status\":\"empty\",\"div\":\"<div \
         xmlns=\\\"http://www.w3.org/1999/xhtml\\\">A &amp; B</div>\"},\"active\":true,\"birthDate\":\"1970\"}",
    );
    check(
        r#"<add sel="f:Patient" type="@value">x</add>"#,
        "W2783 Patient: an attribute that FHIR has not here",
    );
    check(r#"<remove sel="f:Patient/f:id"/>"#, "W2786 id: ");
    check("", "W2780 : the patch has no operation");
    check(
        r#"<remove sel="f:Patient/f:gender"/>"#,
        "W2781 operation[0] f:Patient/f:gender: `sel` finds nothing",
    );
    check(
        r#"<remove sel="f:Patient/*"/>"#,
        "W2782 operation[0] f:Patient/..: `sel` finds several nodes",
    );
    check(
        r#"<remove sel="Patient/active"/>"#,
        "W2781 operation[0] Patient/active: `sel` finds nothing",
    );
    check(
        r#"<remove sel="f:Patient"/>"#,
        "W2783 operation[0] f:Patient: the outermost element cannot be removed",
    );
    check(r#"<remove/>"#, "W2780 operation[0]: an operation has no `sel`");
    check(
        r#"<merge sel="f:Patient"/>"#,
        "W2780 operation[0] f:Patient: an operation is none of `add`, `replace` and `remove`",
    );
    check(
        r#"<remove sel="//f:active"/>"#,
        "W2780 operation[0] //f:active: `sel` is no selector that \
        is read here, as with `//` or a function",
    );
    check(
        r#"<remove sel="x:Patient"/>"#,
        "W2780 operation[0] x:Patient: `sel` has a prefix that the patch does not declare",
    );
    check(
        r#"<remove sel="f:Patient/f:active[@value=true]"/>"#,
        "W2780 operation[0] f:Patient/f:active[@value..: `sel` lacks a text in quotes",
    );
}

#[test]
fn any_xml_is_patched() {
    let check = |text: &str, operations: &str, expected: &str| {
        let patch = format!("<diff>{operations}</diff>");
        let found = apply_to_xml(text.as_bytes(), patch.as_bytes());
        let found = found.unwrap_or_else(|fault| {
            format!("{} {}", fault.code(), fault.cause().unwrap_or_default())
        });
        assert_eq!(found, expected, "{operations}");
    };
    check(
        "<a>x<b/>y</a>",
        r#"<remove sel="a/b"/><replace sel="a/text()[1]">z</replace>"#,
        "<a>z</a>",
    );
    check("<a>x<b/>y</a>", r#"<remove sel="a/text()[2]"/>"#, "<a>x<b/></a>");
    check("<a> <b/> <c/></a>", r#"<remove sel="a/b" ws="both"/>"#, "<a><c/></a>");
    check(
        "<a> <b/><c/></a>",
        r#"<remove sel="a/b" ws="after"/>"#,
        "W2781 no white space stands where `ws` says",
    );
    check("<a><b>1</b><b>2</b></a>", r#"<remove sel="a/b[.='2']"/>"#, "<a><b>1</b></a>");
    check("<a><b><c i='1'/></b><b/></a>", r#"<remove sel="a/b[c/@i='1']"/>"#, "<a><b/></a>");
    check("<a><b><c/></b><b/></a>", r#"<remove sel="a/b[c]/c"/>"#, "<a><b/><b/></a>");
    check(
        "<a b='1'/>",
        r#"<replace sel="a/@b">"2" &lt; '3'</replace>"#,
        "<a b=\"&quot;2&quot; &lt; &apos;3&apos;\"/>",
    );
    check("<a b='\"'/>", r#"<add sel="a" type="@c">x</add>"#, "<a b='\"' c=\"x\"/>");
    check(
        "<a b='1'/>",
        r#"<add sel="a" type="@b">x</add>"#,
        "W2783 the attribute is there already",
    );
    check("<a/>", r#"<add sel="a" type="namespace::p">urn:x</add>"#, "<a xmlns:p=\"urn:x\"/>");
    check("<a xmlns:p='urn:x'/>", r#"<remove sel="a/namespace::p"/>"#, "<a/>");
    check(
        "<a xmlns:p='urn:x'><p:b/></a>",
        r#"<remove sel="a/namespace::p"/>"#,
        "W2783 the namespace is in use",
    );
    check(
        "<a><?x 1?></a>",
        r#"<replace sel="a/processing-instruction('x')"><?x 2?></replace>"#,
        "<a><?x 2?></a>",
    );
    check(
        "<a xmlns='urn:x'/>",
        r#"<add sel="*"><b/></add>"#,
        "<a xmlns=\"urn:x\"><b xmlns=\"\"/></a>",
    );
    check("<a/>", r#"<add sel="a" pos="before"><!--x--></add>"#, "<!--x--><a/>");
    check(
        "<a/>",
        r#"<add sel="a" pos="after"><b/></add>"#,
        "W2783 only comments can stand beside the outermost element",
    );
    check("<a><b/></a>", r#"<add sel="a" pos="prepend"><c/>t</add>"#, "<a><c/>t<b/></a>");
    check(
        "<a><b/></a>",
        r#"<replace sel="a/b"><c/><d/></replace>"#,
        "W2780 `replace` holds not one node but none or several",
    );
    check(
        "<a><b/></a>",
        r#"<replace sel="a/b"><!--c--></replace>"#,
        "W2783 `replace` holds a node of another kind",
    );
    check("<a>", "<x/>", "W2705 the text ends where an element is expected or open");
    check("<!DOCTYPE a><a/>", "<x/>", "W2706 a document type is declared");
    let deep = "<b>".repeat(100) + &"</b>".repeat(100);
    check(
        &format!("<a>{deep}</a>"),
        &format!(r#"<add sel="a{}">{deep}</add>"#, "/b".repeat(60)),
        "W2785 elements would be nested deeper than 128 levels",
    );
}

#[test]
fn patches_are_read_by_their_media_type() {
    let check = |media: &str, text: &str, expected: &str| {
        let patch = Patch::read(media, Bytes::from(text.to_owned()));
        let found = patch.map_or_else(|f| f.code().to_string(), |patch| format!("{patch:?}"));
        assert_eq!(found, expected, "{media}");
    };
    check("application/json-patch+json; charset=utf-8", "[]", "Patch(JSON(<phi>))");
    check("application/xml-patch+xml", "<diff/>", "Patch(XML(<phi>))");
    check("application/fhir+json", r#"{"resourceType":"Parameters"}"#, "Patch(FHIRPath(<phi>))");
    check(
        "application/fhir+xml",
        "<Parameters xmlns='http://hl7.org/fhir'/>",
        "Patch(FHIRPath(<phi>))",
    );
    check("application/fhir+json", r#"{"resourceType":"Patient"}"#, "W2780");
    check("text/plain", "[]", "W2780");
    let entry = |text: &str| {
        let patch = Patch::of_resource(doc(text).root());
        patch.map_or_else(|f| f.code().to_string(), |patch| patch.kind().to_owned())
    };
    assert_eq!(entry(r#"{"resourceType":"Parameters"}"#), "FHIRPath");
    assert_eq!(entry(r#"{"resourceType":"Patient"}"#), "W2780");
    let binary = |media: &str, data: &str| {
        entry(&format!(r#"{{"resourceType":"Binary","contentType":"{media}","data":"{data}"}}"#))
    };
    assert_eq!(binary(JSON_PATCH, "W10="), "JSON");
    assert_eq!(binary(XML_PATCH[0], "PGRpZmYvPg=="), "XML");
    assert_eq!(binary(JSON_PATCH, "?"), "W2780");
    assert_eq!(binary("text/plain", "W10="), "W2780");
}
