//! For every version and family of messages: what is built from the tables is valid, and
//! each kind of error that is planted is found, by its code and at its path.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::fault::{Code, Severity};
use crate::hl7v2::Path;
use crate::hl7v2::skeleton::{self, Extent};
use crate::hl7v2::tables::{
    FieldChange, FieldDef, NodeKind, SiteField, SiteParts, SiteSegment, SiteTable, Usage,
};

/// Families of messages, by the begin of their structures.
const FAMILIES: [&str; 20] = [
    "ADT_", "ORM_", "OML_", "OMG_", "ORU_", "OUL_", "SIU_", "SRM_", "MDM_", "DFT_", "MFN_", "VXU_",
    "RDE_", "RAS_", "BAR_", "QRY_", "QBP_", "RSP_", "REF_", "PPR_",
];

/// A message as lines of fields, for planting.
#[derive(Clone)]
struct Draft {
    version: &'static Version,
    structure: &'static str,
    lines: Vec<Vec<String>>,
}

impl Draft {
    fn new(version: &'static Version, structure: &'static str) -> Self {
        let message = skeleton::build(version, structure, Extent::Full).unwrap();
        let text = String::from_utf8(message.bytes().to_vec()).unwrap();
        let fields = |line: &str| {
            let mut fields: Vec<String> = line.split('|').map(str::to_owned).collect();
            if line.starts_with("MSH") {
                fields.insert(1, "|".into());
            }
            fields
        };
        Self { version, structure, lines: text.trim_end().split('\r').map(fields).collect() }
    }

    fn message(&self) -> Message {
        let mut text = String::new();
        for line in &self.lines {
            if line[0] == "MSH" {
                text.push_str(&format!("MSH|{}", line[2..].join("|")));
            } else {
                text.push_str(&line.join("|"));
            }
            text.push('\r');
        }
        Message::parse(Bytes::from(text)).unwrap()
    }

    /// A field of a segment that stands once, of those a test wants; MSH is left alone.
    fn find(&self, wanted: impl Fn(&FieldDef) -> bool) -> Option<(usize, usize)> {
        self.lines.iter().enumerate().skip(1).find_map(|(at, line)| {
            let once = self.lines.iter().filter(|other| other[0] == line[0]).count() == 1;
            let def = self.version.segment(&line[0]).filter(|_| once && line[0] != "OBX")?;
            let n = (1..line.len())
                .find(|n| !line[*n].is_empty() && def.field(*n).is_some_and(&wanted))?;
            Some((at, n))
        })
    }

    fn is_primitive(&self, field: &FieldDef, datatype: &str) -> bool {
        field.datatype == datatype
            && self.version.datatype(datatype).is_some_and(|of| of.components.is_empty())
    }

    /// Segments of the message itself that have to be there, after MSH.
    fn required_segments(&self) -> Vec<usize> {
        let def = self.version.structure(self.structure).unwrap();
        let root = def.nodes[0].children.iter().map(|at| &def.nodes[usize::from(*at)]);
        let names = root
            .filter(|node| node.kind == NodeKind::Segment && node.min > 0 && node.max == 1)
            .map(|node| node.name);
        names
            .filter_map(|name| self.lines.iter().skip(1).position(|line| line[0] == name))
            .map(|at| at + 1)
            .collect()
    }
}

/// What was planted: the draft with it, and the finding that has to come.
struct Plant {
    kind: &'static str,
    draft: Draft,
    code: Code,
    path: String,
}

fn plants(clean: &Draft) -> Vec<Plant> {
    let mut out = Vec::new();
    let mut at_field = |kind, code, found: Option<(usize, usize)>, suffix: &str, value: &str| {
        let Some((line, n)) = found else { return };
        let mut draft = clean.clone();
        let path = format!("{}-{n}{suffix}", draft.lines[line][0]);
        draft.lines[line][n] = value.replace("{}", &draft.lines[line][n]);
        out.push(Plant { kind, draft, code, path });
    };
    let fixed = |table: &str| {
        tables::table(table).is_some_and(|table| {
            let mut codes = table.codes().iter();
            let ordinal = clean.version.ordinal();
            table.kind == "hl7"
                && !codes.any(|code| {
                    code.is_in_ordinal(ordinal) && !code.code.is_ascii() || code.code.contains("..")
                })
                && table.codes().iter().any(|code| code.is_in_ordinal(ordinal))
        })
    };
    let required = |f: &FieldDef| f.usage == Usage::Required;
    at_field("required field", w::W2104, clean.find(required), "", "");
    let single = |f: &FieldDef| f.max == 1 && clean.is_primitive(f, "ST");
    at_field("repetition", w::W2106, clean.find(single), "[2]", "{}~{}");
    let short = |f: &FieldDef| f.length.is_some_and(|n| n < 300) && clean.is_primitive(f, "ST");
    at_field("length", w::W2105, clean.find(short), "", &"x".repeat(300));
    let date = |f: &FieldDef| clean.is_primitive(f, "DT");
    at_field("date", w::W2102, clean.find(date), "", "20260230");
    let moment = |f: &FieldDef| clean.is_primitive(f, "DTM");
    at_field("moment", w::W2102, clean.find(moment), "", "202601022561");
    let stamp = |f: &FieldDef| {
        f.datatype == "TS"
            && clean.version.datatype("TS").is_some_and(|of| !of.components.is_empty())
    };
    at_field("time stamp", w::W2102, clean.find(stamp), ".1", "20261301");
    at_field("number", w::W2102, clean.find(|f| clean.is_primitive(f, "NM")), "", "1,5");
    at_field("sequence", w::W2102, clean.find(|f| clean.is_primitive(f, "SI")), "", "one");
    let coded = |f: &FieldDef| f.datatype == "ID" && fixed(f.table);
    at_field("code", w::W2103, clean.find(coded), "", "?!");
    let coded = |f: &FieldDef| matches!(f.datatype, "CE" | "CWE" | "CNE") && fixed(f.table);
    at_field("coded element", w::W2103, clean.find(coded), ".1", "?!^text");
    at_field("component", w::W2107, clean.find(single), ".2", "a^b");
    let composite = |f: &FieldDef| f.datatype == "CX";
    at_field(
        "composite",
        w::W2107,
        clean.find(composite),
        ".40",
        &("x".to_owned() + &"^".repeat(39) + "y"),
    );
    at_field("subcomponent", w::W2107, clean.find(composite), ".1.2", "a&b");
    at_field("escape", w::W2119, clean.find(single), "", r"a\Q\b");
    segments(clean, &mut out);
    out
}

fn segments(clean: &Draft, out: &mut Vec<Plant>) {
    let def = clean.version.structure(clean.structure).unwrap();
    let mut plant = |kind, code, path: &str, change: &dyn Fn(&mut Vec<Vec<String>>)| {
        let mut draft = clean.clone();
        change(&mut draft.lines);
        out.push(Plant { kind, draft, code, path: path.to_owned() });
    };
    let takes_any = def.nodes.iter().any(|n| n.kind == NodeKind::Segment && n.name.len() != 3)
        || def.nodes.iter().any(|n| n.name == "Hxx");
    let stranger = clean.version.segments().map(|(id, _)| id).find(|id| def.places(id).is_empty());
    if let Some(id) = stranger.filter(|_| !takes_any) {
        plant("unexpected segment", w::W2108, id, &|lines| lines.push(vec![id.into(), "1".into()]));
    }
    let required = clean.required_segments();
    let once = |at: &usize| {
        let id = &clean.lines[*at][0];
        clean.lines.iter().filter(|line| line[0] == *id).count() == 1 && def.places(id).len() == 1
    };
    let singles: Vec<usize> = required.into_iter().filter(once).collect();
    if let Some(at) = singles.first().copied() {
        let id = clean.lines[at][0].clone();
        plant("missing segment", w::W2101, &id, &|lines| drop(lines.remove(at)));
        plant("segment too often", w::W2109, &format!("{id}[2]"), &|lines| {
            let line = lines[at].clone();
            lines.insert(at + 1, line);
        });
        let after = at + 1;
        if after < clean.lines.len() && singles.contains(&after) {
            plant("order", w::W2100, &id, &|lines| lines.swap(at, after));
        }
    }
    let first = 1.min(clean.lines.len() - 1);
    let id = clean.lines[first][0].clone();
    let count = clean.version.segment(&id).map_or(0, |def| def.fields.len());
    plant("unknown field", w::W2111, &format!("{id}-{}", count + 1), &|lines| {
        lines[first].resize(count + 1, String::new());
        lines[first].push("x".into());
    });
    plant("line without a name", w::W2121, "line", &|lines| lines.push(vec!["what?".into()]));
    // A group of the message that has to be there: all of its segments go.
    let message = clean.message();
    let tree = message.tree();
    let group = tree.root().children().find(|node| {
        let required = def.nodes[0].children.iter().any(|at| {
            let at = &def.nodes[usize::from(*at)];
            at.kind == NodeKind::Group
                && at.min > 0
                && at.name == node.name()
                && at.children.iter().any(|c| {
                    let c = &def.nodes[usize::from(*c)];
                    c.min > 0 && c.kind == NodeKind::Segment && c.name.len() == 3
                })
        });
        node.is_group() && required
    });
    if let Some(group) = group {
        let inside: Vec<usize> = group.all_segments().collect();
        plant("missing group", w::W2110, group.name(), &|lines| {
            let mut at = 0;
            lines.retain(|_| {
                at += 1;
                !inside.contains(&(at - 1))
            });
        });
    }
}

/// Structures in which the same segments may be two groups, so that the tables alone do
/// not tell where the second begins.
const AMBIGUOUS: [&str; 9] = [
    "CSU_C09", "EHC_E15", "OMD_O01", "OMD_O03", "OML_O21", "OPL_O37", "ORD_O02", "ORD_O04",
    "SUR_P09",
];

#[test]
fn what_is_built_from_the_tables_is_valid() {
    let mut wrong = Vec::new();
    for version in tables::versions() {
        for structure in version.structures() {
            for extent in [Extent::Required, Extent::Full] {
                let message = skeleton::build(version, structure, extent).unwrap();
                let mut findings = Checker::standard().check(&message);
                if AMBIGUOUS.contains(&structure) {
                    findings.list.retain(|finding| finding.level != Level::Structure);
                }
                let name = version.name;
                wrong.extend(
                    findings.list.iter().map(|found| format!("{name} {structure} {found:?}")),
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{}: {:#?}", wrong.len(), &wrong[..wrong.len().min(40)]);
}

#[test]
fn planted_errors_of_every_kind_are_found_at_their_paths() {
    let mut planted: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for version in tables::versions() {
        let mut families = 0;
        for family in FAMILIES {
            let Some(structure) = version
                .structures()
                .find(|name| name.starts_with(family) && !AMBIGUOUS.contains(name))
            else {
                continue;
            };
            families += 1;
            for plant in plants(&Draft::new(version, structure)) {
                let findings = Checker::standard().check(&plant.draft.message());
                let is_found = findings
                    .list
                    .iter()
                    .any(|found| found.code == plant.code && found.path == plant.path);
                *planted.entry((plant.kind, version.ordinal())).or_default() += 1;
                if !is_found {
                    wrong.push(format!(
                        "{} {structure}: {} should be {} at {}, but: {:?}",
                        version.name,
                        plant.kind,
                        plant.code,
                        plant.path,
                        &findings.list[..findings.list.len().min(4)]
                    ));
                }
            }
        }
        assert!(
            families >= if version.name == "2.1" { 4 } else { 7 },
            "{} {families}",
            version.name
        );
    }
    assert!(wrong.is_empty(), "{}: {:#?}", wrong.len(), &wrong[..wrong.len().min(40)]);
    let kinds: std::collections::BTreeSet<&str> = planted.keys().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds.len(), 21, "{kinds:?}");
    // What every version has room for, is planted in every version.
    for kind in [
        "required field",
        "repetition",
        "moment",
        "sequence",
        "code",
        "component",
        "escape",
        "unexpected segment",
        "missing segment",
        "segment too often",
        "unknown field",
    ] {
        for version in tables::versions() {
            let is_there = |kind| planted.contains_key(&(kind, version.ordinal()));
            let has = is_there(kind) || (kind == "moment" && is_there("time stamp"));
            assert!(has, "{kind} in {}", version.name);
        }
    }
}

fn read(text: &str) -> Message {
    Message::parse(Bytes::from(text.replace('\n', "\r"))).unwrap()
}

fn found(checker: &Checker, text: &str) -> Vec<String> {
    let findings = checker.check(&read(text));
    let line = |found: &Finding| {
        let group =
            if found.group.is_empty() { String::new() } else { format!(" in {}", found.group) };
        format!("{} {} {}{group}", found.severity.name(), found.code, found.path)
    };
    findings.list.iter().map(line).collect()
}

const ORU: &str = "MSH|^~\\&|A|B|C|D|202601020304||ORU^R01^ORU_R01|1|P|2.5.1\n\
    PID|1||555^^^A^MR||Doe^Jo||19800229|F\n\
    OBR|1|P1|F1|24323-8^CMP^LN|||202601020304\n\
    OBX|1|NM|2345-7^Glucose^LN||98|mg/dL|70-110|N|||F\n";

#[test]
fn findings_stand_where_they_belong() {
    let check = |from: &str, to: &str, expected: &[&str]| {
        assert!(ORU.contains(from), "{from}");
        let text = ORU.replace(from, to);
        assert_eq!(found(Checker::standard(), &text), expected, "{from} -> {to}");
    };
    check("1", "1", &[]);
    check("|98|", "|<98|", &["error W2102 OBX-5 in PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION"]);
    check(
        "|98|",
        "|98~99~x|",
        &["error W2102 OBX-5[3] in PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION"],
    );
    check(
        "|NM|2345",
        "||2345",
        &["warning W2115 OBX-2 in PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION"],
    );
    check(
        "|NM|2345-7^Glucose^LN||98|",
        "|CE|2345-7^Glucose^LN||A^b&c|",
        &["warning W2107 OBX-5.2.2 in PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION"],
    );
    check(
        "|NM|2345-7^Glucose^LN||98|",
        "|TS|2345-7^Glucose^LN||20260231|",
        &["error W2102 OBX-5.1 in PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION"],
    );
    check("|NM|2345-7^Glucose^LN||98|", "|ST|2345-7^Glucose^LN||\"\"|", &[]);
    check("19800229", "19810229", &["error W2102 PID-7.1 in PATIENT_RESULT.PATIENT"]);
    check("19800229", "\"\"", &[]);
    check("|F\nOBR", "|Q\nOBR", &["warning W2125 PID-8 in PATIENT_RESULT.PATIENT"]);
    check("555^^^A^MR", "", &["error W2104 PID-3 in PATIENT_RESULT.PATIENT"]);
    check("555^^^A^MR", "^^^A^MR", &["warning W2118 PID-3.1 in PATIENT_RESULT.PATIENT"]);
    check("555^^^A^MR", "^~^", &["error W2104 PID-3 in PATIENT_RESULT.PATIENT"]);
    check(
        "555^^^A^MR",
        "555^^^A^MR~6^^^A&1.2&ISO&x^MR",
        &["warning W2107 PID-3[2].4.4 in PATIENT_RESULT.PATIENT"],
    );
    check(
        "202601020304\nOBX",
        "202601020304|202601020303\nOBX",
        &["warning W2117 OBR-8 in PATIENT_RESULT.ORDER_OBSERVATION"],
    );
    check("2.5.1\nPID", "2.9\nPID", &["note W2013 MSH-12"]);
    check("2.5.1\nPID", "2.5.1^USA\nPID", &[]);
    check(
        "ORU_R01",
        "ADT_A01",
        &["warning W2123 MSH-9.3", "warning W2108 OBR", "error W2101 EVN", "error W2101 PV1"],
    );
    check("ORU^R01^ORU_R01", "ORU^Z99", &["note W2120 MSH-9"]);
    let two = ORU.to_owned() + "OBX|2|NM|x||1||||||\nOBX|3|NM|x||1z||||||F\n";
    assert_eq!(
        found(Checker::standard(), &two),
        [
            "error W2104 OBX[2]-11 in PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION[2]",
            "error W2102 OBX[3]-5 in PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION[3]",
        ]
    );
}

#[test]
fn sentences_name_places_and_never_values() {
    let text = ORU.replace("|98|", "|SECRET|").replace("19800229", "SECRET");
    let findings = Checker::standard().check(&read(&text));
    let sentences: Vec<String> = findings.list.iter().map(Finding::sentence).collect();
    assert_eq!(
        sentences,
        [
            "PID-7.1 (Date/Time of Birth, Time): it holds something other than digits.",
            "OBX-5 (Observation Value): it is not a number such as `-1.5`.",
        ]
    );
    assert!(findings.list.iter().all(|found| !format!("{found:?}").contains("SECRET")));
}

#[test]
fn profiles_and_sites_decide_what_counts() {
    let parts = SiteParts {
        segments: vec![SiteSegment {
            id: "ZLB".into(),
            name: "Lab Bench".into(),
            after: None,
            fields: vec![
                SiteField {
                    name: "Set ID".into(),
                    datatype: "SI".into(),
                    usage: Usage::Required,
                    max: 1,
                    length: None,
                    table: "".into(),
                },
                SiteField {
                    name: "Bench".into(),
                    datatype: "IS".into(),
                    usage: Usage::Optional,
                    max: 1,
                    length: None,
                    table: "BENCH".into(),
                },
            ],
        }],
        fields: vec![FieldChange {
            segment: "PID".into(),
            field: 18,
            usage: Some(Usage::Required),
            ..FieldChange::default()
        }],
        tables: vec![
            SiteTable {
                id: "0001".into(),
                codes: vec![("X".into(), "Diverse".into())],
                replaces: false,
            },
            SiteTable {
                id: "BENCH".into(),
                codes: vec![("B1".into(), "One".into())],
                replaces: true,
            },
        ],
    };
    let order = Order {
        first: Path::parse("PID-7").unwrap(),
        then: Path::parse("OBR-7").unwrap(),
        message: "observed before birth".into(),
        severity: Some(Severity::Error),
    };
    let profile = Profile {
        codes: vec![(w::W2118, Grade::Ignore)],
        paths: vec![(Path::parse("OBX-5").unwrap(), Grade::Count(Severity::Note))],
        orders: vec![order],
        ..Profile::default()
    };
    let checker = Checker::new(Site::new(parts), profile);
    let text = ORU
        .replace("|F\nOBR", "|X\nOBR")
        .replace("|98|", "|x|")
        .replace("555^^^A^MR", "^^^A^MR")
        .replace("19800229", "20270101")
        + "ZLB||B2\n";
    assert_eq!(
        found(&checker, &text),
        [
            "error W2104 PID-18 in PATIENT_RESULT.PATIENT",
            "error W2117 OBR-7 in PATIENT_RESULT.ORDER_OBSERVATION",
            "note W2102 OBX-5 in PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION",
            "warning W2125 ZLB-2 in PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION",
            "error W2104 ZLB-1 in PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION",
        ]
    );
    let strict = Checker::new(Site::NONE, Profile { is_strict: true, ..Profile::default() });
    assert_eq!(
        found(&strict, &ORU.replace("555^^^A^MR", "^^^A^MR")),
        ["error W2118 PID-3.1 in PATIENT_RESULT.PATIENT",]
    );
}

#[test]
fn lengths_count_characters_of_the_text() {
    let check = |value: &str, is_long: bool| {
        let text = ORU.replace("|F\nOBR", &format!("|F|||||||||||||||{value}\nOBR"));
        let text = text.replace("|P|2.5.1", "|P|2.5.1||||||UNICODE UTF-8");
        let all = found(Checker::standard(), &text);
        let long = "warning W2105 PID-23 in PATIENT_RESULT.PATIENT";
        assert_eq!(all.contains(&long.to_owned()), is_long, "{value}: {all:?}");
    };
    check(&"x".repeat(250), false);
    check(&"x".repeat(251), true);
    check(&"\u{e9}".repeat(250), false);
    check(&"\\T\\".repeat(250), false);
    check(&"\\T\\".repeat(251), true);
}

#[test]
fn characters_of_two_bytes_hide_no_delimiter() {
    // 0x95 0x5c in Shift JIS: the second byte looks like an escape character, and 0x83
    // 0x7c like a field separator.
    let mut bytes =
        ORU.replace("|P|2.5.1", "|P|2.5.1||||||SHIFT_JIS").replace('\n', "\r").into_bytes();
    let at = bytes.windows(6).position(|w| w == b"Doe^Jo").unwrap();
    bytes.splice(at..at + 6, [0x95, 0x5c, 0x83, 0x7c, b'^', 0x83, 0x5e]);
    let findings = Checker::standard().check(&Message::parse(Bytes::from(bytes)).unwrap());
    let codes: Vec<&str> = findings.list.iter().map(|found| found.code.as_str()).collect();
    assert!(!codes.contains(&"W2107") && !codes.contains(&"W2119"), "{findings:?}");
}

#[test]
fn a_message_of_broken_values_makes_a_list_of_bounded_length() {
    let mut text = ORU.to_owned();
    for n in 0..20_000 {
        text.push_str(&format!("OBX|x{n}|NM|a||z||||||\nXYZ|1\n"));
    }
    let findings = Checker::standard().check(&read(&text));
    assert_eq!(findings.list.len(), FINDINGS_MAX);
    assert!(findings.unlisted > 60_000, "{}", findings.unlisted);
}

proptest! {
    #[test]
    fn any_bytes_are_checked(
        lines in prop::collection::vec(
            (prop::sample::select(vec!["PID", "OBX", "OBR", "PV1", "ZZZ", "XX", "MSH"]),
             "[0-9A-Za-z|^~\\\\&\"\u{e9} ]{0,60}"),
            0..12,
        )
    ) {
        let mut text = "MSH|^~\\&|||||||ORU^R01|1|P|2.5.1".to_owned();
        for (id, rest) in lines {
            text.push_str(&format!("\r{id}|{rest}"));
        }
        let message = Message::parse(Bytes::from(text)).unwrap();
        let findings = Checker::standard().check(&message);
        for found in &findings.list {
            if !found.path.starts_with("line") && found.segment.is_some() {
                prop_assert!(Path::parse(&found.path).is_ok(), "{}", found.path);
            }
        }
        prop_assert_eq!(message.tree().flatten(), (0..message.segment_count()).collect::<Vec<_>>());
    }
}
