//! Mappings to HL7 v2, loaded and run as a whole.

use super::super::tests::{message, problems_of};
use super::super::{Content, Mapping};

/// An order is answered: each ORC and OBR with what the filler says.
const ORL: &str = r#"
[mapping]
from = "hl7v2:2.5.1:OML_O21"
to = "hl7v2:2.5.1:ORL_O22"
[codes.control]
unmapped = "UA"
[codes.control.rows]
NW = "OK"
CA = "CR"
[rule.PID]
each = "PID in PATIENT"
[rule.PID.set]
"PID-3[]" = "each PID-3"
"PID-5" = "PID-5[1]"
[rule.ORC]
each = "ORC in ORDER"
[rule.ORC.set]
"ORC-1" = "ORC-1 via control"
"ORC-2" = "ORC-2"
"ORC-3.1" = "join('-', 'F', ORC-2.1)"
"ORC-3.2" = "'WEIR'"
[rule.OBR]
each = "OBR in OBSERVATION_REQUEST"
[rule.OBR.set]
"OBR-1" = "position"
"OBR-2" = "ORC-2 in ORDER"
"OBR-4" = "OBR-4"
[rule.SPM]
each = "SPM"
[rule.SPM.set]
"SPM-4" = "SPM-4"
[rule.ZLB]
make = "ZLB in ORDER"
each = "ORC in ORDER"
when = "ORC-1 = 'CA'"
[rule.ZLB.set]
"ZLB-1" = "'x|y'"
"#;

const ORDER: &str = "MSH|^~\\&|EMR|E|LAB|L|2026||OML^O21^OML_O21|7|P|2.5.1\n\
    PID|1||1^^^A^MR~2^^^B&1.2&ISO^PI||Doe^Jo\n\
    ORC|NW|P1^EMR\nOBR|1|P1||24323-8^CMP\\T\\more^LN\nSPM|1|||BLD^Blood^HL70487\n\
    ORC|CA|P2\nOBR|2|P2||718-7^Hgb^LN\nSPM|1|||SER\n";

fn load(text: &str) -> Mapping {
    let (mapping, shown) = problems_of(text);
    assert_eq!(shown, Vec::<String>::new());
    mapping.unwrap()
}

fn ran(mapping: &Mapping, input: &str) -> String {
    let mapped = mapping.run(&message(input), "site").unwrap();
    let Content::Hl7(made) = mapped.content else { panic!() };
    String::from_utf8(made.write().to_vec()).unwrap().replace('\r', "\n")
}

#[test]
fn segments_stand_in_the_order_of_the_target() {
    insta::assert_snapshot!(ran(&load(ORL), ORDER), @r"
    MSH|^~\&|EMR|E|LAB|L|2026||ORL^O22^ORL_O22|7|P|2.5.1
    PID|||1^^^A^MR~2^^^B&1.2&ISO^PI||Doe^Jo
    ORC|OK|P1^EMR|F-P1^WEIR
    OBR|1|P1^EMR||24323-8^CMP\T\more^LN
    SPM||||BLD^Blood^HL70487
    ORC|CR|P2|F-P2^WEIR
    OBR|1|P2||718-7^Hgb^LN
    SPM||||SER
    ZLB|x\F\y
    ");
    let mapping = load(ORL);
    assert_eq!(mapping.takes(), ("2.5.1", "OML_O21"));
    assert_eq!(mapping.makes(), Some(("2.5.1", "ORL_O22")));
    assert!(mapping.makes_segment("OBR") && !mapping.makes_segment("MSA"));
}

#[test]
fn every_value_says_where_it_came_from() {
    let (_, lineage) = load(ORL).explain(&message(ORDER), "site").unwrap();
    let rows: Vec<String> = lineage
        .rows
        .iter()
        .map(|row| format!("{} <- {} {}", row.target, row.source, row.rule))
        .collect();
    for expected in
        ["PID-3 <- PID-3[1] m.toml:13", "ORC-1 <- ORC[2]-1 m.toml:18", "ORC-3.2 <-  m.toml:21"]
    {
        assert!(rows.contains(&expected.to_owned()), "{expected} {rows:#?}");
    }
    let row = lineage.rows.iter().find(|row| row.target == "ORC-1").unwrap();
    assert_eq!(row.code_row.as_deref(), Some("m.toml:8"));
    let unused: Vec<String> = lineage.unused_summary();
    assert_eq!(unused, ["OBR-1 (2)", "OBR-2 (2)", "PID-1", "SPM-1 (2)"]);
}

#[test]
fn nulls_are_written_where_that_is_asked_for() {
    let text = |on_null: &str| {
        format!(
            "[mapping]\nfrom = 'hl7v2:2.5.1:ADT_A01'\nto = 'hl7v2:2.3:ADT_A01'\n\
             on_null = '{on_null}'\n[rule.EVN.set]\n'EVN-1' = \"'A08'\"\n'EVN-2' = 'EVN-2'\n\
             [rule.PID]\neach = 'PID'\n[rule.PID.set]\n'PID-3[]' = 'each PID-3'\n\
             'PID-5' = 'PID-5[1]'\n\
             'PID-8' = ['PID-8', 'PID-16.1']\n'PID-11[home].5' = 'PID-11[1].5'\n\
             'PID-13[]' = 'each PID-13'\n'PID-19' = 'PID-19'\n\
             [rule.PV1]\neach = 'PV1'\n[rule.PV1.set]\n'PV1-2' = 'PV1-2'\n"
        )
    };
    let input = "MSH|^~\\&|A|B|C|D|2026||ADT^A08^ADT_A01|1|P|2.5.1\nEVN||2026\n\
                 PID|||1||\"\"|||\"\"|||^^^^\"\"||\"\"||||||\"\"\nPV1||I\n";
    assert_eq!(
        ran(&load(&text("remove")), input),
        "MSH|^~\\&|A|B|C|D|2026||ADT^A08^ADT_A01|1|P|2.3\nEVN|A08|2026\n\
         PID|||1||\"\"|||\"\"|||^^^^\"\"||\"\"||||||\"\"\nPV1||I\n"
    );
    assert_eq!(
        ran(&load(&text("omit")), input),
        "MSH|^~\\&|A|B|C|D|2026||ADT^A08^ADT_A01|1|P|2.3\nEVN|A08|2026\nPID|||1\nPV1||I\n"
    );
}

#[test]
fn parts_go_up_and_down_with_their_values() {
    let text = "[mapping]\nfrom = 'hl7v2:2.5.1:ADT_A01'\nto = 'hl7v2:2.5.1:ADT_A01'\n\
         [rule.MSH.set]\n'MSH-4.1' = \"'NEW'\"\n[rule.PID]\neach = 'PID'\n[rule.PID.set]\n\
         'PID-3.1' = 'PID-3[1]'\n'PID-3.4' = 'PID-3[1].4'\n'PID-3.6.2' = 'PID-3[1].4.2'\n\
         'PID-5' = 'PID-5[1]'\n'PID-10' = 'PID-22[1]'\n'PID-15' = 'PID-3[1].4'\n\
         'PID-18.4.1' = \"split(PID-18.1, '-', 2)\"\n'PID-20.1' = 'PID-5[1].1'\n";
    let (mapping, shown) = problems_of(text);
    assert_eq!(shown, ["error W4007 14:13 HD cannot become CE: write its parts"]);
    assert!(mapping.is_none());
    let text = text.replace("'PID-15' = 'PID-3[1].4'\n", "");
    let input = "MSH$%~\\&$A$B%1$C$D$2026$$ADT%A08$1$P$2.5.1\r\
                 PID$$$1%%%AUTH&9.9&ISO$$Doe&van%Jo$$$$$$$$$$$$$a-b-c$$$$W%White\r";
    let input = input.replace('\r', "\n");
    assert_eq!(
        ran(&load(&text), &input),
        "MSH$%~\\&$A$NEW%1$C$D$2026$$ADT%A08%ADT_A01$1$P$2.5.1\n\
         PID$$$1%%%AUTH&9.9&ISO%%&9.9$$Doe&van%Jo$$$$$W%White$$$$$$$$%%%b$$Doe\n"
    );
}

#[test]
fn mistakes_in_targets_are_told_with_their_lines() {
    let check = |rules: &str, expected: &[&str]| {
        let head = "[mapping]\nfrom = 'hl7v2:2.5.1:OML_O21'\nto = 'hl7v2:2.5.1:ORL_O22'\n";
        let (_, shown) = problems_of(&format!("{head}{rules}"));
        assert_eq!(shown, expected, "{rules}");
    };
    check("[rule.EVN]\n", &["error W4003 4:7 EVN does not stand in ORL_O22"]);
    let make = "error W4002 4:7 a rule makes a segment: `make = \"ORC\"`, \
                `make = \"NTE in ORDER\"`";
    check("[rule.patient]\n", &[make]);
    let group = "error W4003 5:16 ORL_O22 has no group `ORDR`";
    check("[rule.ORC]\nmake = 'ORC in ORDR'\neach = 'ORC in ORDER'\n", &[group]);
    let required = "warning W4021 4:7 PID-3 (Patient Identifier List), PID-5 (Patient Name)";
    check("[rule.PID]\neach = 'PID in PATIENT'\n", &[required]);
    let orc = |lines: &str, expected: &[&str]| {
        let head = "[rule.ORC]\neach = 'ORC in ORDER'\n[rule.ORC.set]\n'ORC-1' = \"'OK'\"\n";
        check(&format!("{head}{lines}"), expected);
    };
    orc("", &[]);
    orc("'ORC-99' = \"'x'\"", &["error W4003 8:1 version 2.5.1 has no ORC-99"]);
    let field = "error W4002 8:1 expected a field of ORC, as `ORC-3`, `ORC-3[]`, `ORC-3[home].1`";
    orc("'OBR-2' = \"'x'\"", &[field]);
    orc("'ORC-2.1' = 'ORC-2.1'\n'ORC-2' = 'ORC-2'", &["error W4018 9:1 `ORC-2`"]);
    orc("'ORC-2[]' = 'each ORC-2'", &["error W4006 8:1 ORC-2 does not repeat"]);
    let each = "error W4006 8:13 `each` fills a field that repeats: write `ORC-..[]`";
    orc("'ORC-12' = 'each ORC-12'", &[each]);
    let first =
        "warning W4004 8:13 the field may repeat; the first repetition with a value is taken";
    orc("'ORC-12' = 'ORC-12'", &[first]);
    orc("'ORC-12' = 'ORC-2'", &["error W4007 8:13 EI cannot become XCN: write its parts"]);
    orc("'ORC-5' = \"'ZZZ'\"", &["error W4010 8:12 table 0038 has no code `ZZZ`"]);
    let map = "error W4002 8:22 there is no code map `x` under `[codes]`";
    orc("'ORC-5' = 'ORC-5 via x'", &[map]);
    let cast = "error W4002 8:12 `as` and `with` are for mappings to FHIR: write the parts of \
                the field";
    orc("'ORC-2' = 'ORC-2 as string'", &[cast]);
    orc("'ORC-2' = 'ref x'", &["error W4007 8:12 segments do not refer to each other"]);
    let never = "error W4013 8:20 the one before it is a fixed value without a condition";
    orc("'ORC-2' = [\"'a'\", 'ORC-3']", &[never]);
    check(
        "[rule.ORC]\neach = 'ORC in ORDER'\nwrite = 'create'\nkey = ['ORC-2']\n[rule.ORC.set]\n\
         'ORC-1' = \"'OK'\"\n",
        &[
            "error W4002 6:9 `write` and `key` are for mappings to FHIR",
            "error W4002 7:8 `write` and `key` are for mappings to FHIR",
        ],
    );
}

#[test]
fn a_mapping_tests_itself() {
    let test = "[[test]]\nname = 'both'\nunused = ['PID-1']\ninput = \"\"\"\n\
        MSH|^~\\\\&|EMR|E|LAB|L|2026||OML^O21^OML_O21|7|P|2.5.1\nPID|1||1^^^A^MR||Doe^Jo\n\
        ORC|NW|P1\n@ ORC-1 = 'OK' and count(ORC) = 1\n@ ORC-2 = 'P2'\n\"\"\"\n";
    let run = load(&format!("{ORL}{test}")).run_tests();
    let failures: Vec<String> = run.outcomes[0].failures.iter().map(|f| f.line()).collect();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].contains("`ORC-2 = 'P2'` does not hold"), "{failures:?}");
    assert_eq!(run.unused_rules, ["OBR", "SPM", "ZLB"]);
}

#[test]
fn character_sets_are_kept() {
    let text = "[mapping]\nfrom = 'hl7v2:2.5.1:ADT_A01'\nto = 'hl7v2:2.5.1:ADT_A01'\n\
         [rule.PID]\neach = 'PID'\n[rule.PID.set]\n'PID-3' = 'PID-3[1]'\n\
         'PID-5[]' = 'each PID-5'\n'PID-23' = \"'Z\u{fc}rich'\"\n";
    let mapping = load(text);
    let ran = |bytes: Vec<u8>| {
        let input = crate::hl7v2::Message::parse(bytes::Bytes::from(bytes)).unwrap();
        let mapped = mapping.run(&Content::Hl7(input), "site").unwrap();
        let Content::Hl7(made) = mapped.content else { panic!() };
        made.write().to_vec()
    };
    let input = |set: &str| format!("MSH|^~\\&|A||||||ADT^A08|1|P|2.5.1||||||{set}\rPID|||1||");
    let latin = [input("8859/1").as_bytes(), b"M\xfcller\r"].concat();
    let out = ran(latin);
    assert!(out.ends_with(b"||M\xfcller||||||||||||||||||Z\xfcrich\r"), "{out:?}");
    let text = format!("{}M\u{fc}ller\r", input("UNICODE UTF-16"));
    let units = text.encode_utf16().flat_map(u16::to_be_bytes);
    let out = String::from_utf8(ran([0xfe, 0xff].into_iter().chain(units).collect())).unwrap();
    assert!(out.contains("UNICODE UTF-8\r") && out.ends_with("Z\u{fc}rich\r"), "{out}");
}
