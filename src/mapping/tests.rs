//! Mappings loaded, run and explained as a whole.

use bytes::Bytes;

use super::*;
use crate::fault::{DrawStyle, draw};
use crate::hl7v2::Message;

/// Files by name.
struct Files(Vec<(&'static str, &'static str)>);

impl Library for Files {
    fn file(&self, path: &str) -> Option<SourceFile> {
        let (name, text) = self.0.iter().find(|(name, _)| *name == path)?;
        Some(SourceFile::new(*name, *text))
    }
}

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        Files(vec![$(($path, include_str!(concat!("../../", $path)))),*])
    };
}

fn shipped() -> Files {
    files![
        "mappings/adt-to-fhir.toml",
        "mappings/oru-to-fhir.toml",
        "codes/sex.csv",
        "codes/marital.csv",
        "codes/patient-class.csv",
        "codes/allergy-category.csv",
        "codes/allergy-criticality.csv",
        "codes/allergy-severity.csv",
        "codes/obs-status.csv",
        "codes/report-status.csv",
        "codes/order-status.csv",
        "codes/interpretation.csv",
    ]
}

fn drawn(problems: &Problems, source: &str) -> String {
    let shown: Vec<_> = problems.iter().map(|p| draw(p, Some(source), DrawStyle::Plain)).collect();
    shown.join("\n")
}

fn load(name: &str) -> Mapping {
    let files = shipped();
    let source = files.file(name).unwrap();
    let mut problems = Problems::new();
    let mapping = Mapping::load(source.clone(), &files, &mut problems);
    assert!(
        problems.iter().all(|p| p.severity == crate::fault::Severity::Note),
        "{}",
        drawn(&problems, &source.text)
    );
    mapping.unwrap()
}

#[allow(dead_code)]
fn message(text: &str) -> Content {
    let text = text.trim().replace('\n', "\r");
    Content::Hl7(Message::parse(Bytes::from(text + "\r")).unwrap())
}

#[allow(dead_code)]
fn json(content: &Content) -> String {
    let Content::Fhir(doc) = content else { panic!("not FHIR") };
    let value: serde_json::Value = serde_json::from_slice(&doc.to_json()).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn shipped_mappings_pass_their_tests() {
    for name in ["mappings/adt-to-fhir.toml", "mappings/oru-to-fhir.toml"] {
        let run = load(name).run_tests();
        let failures: Vec<String> = run
            .outcomes
            .iter()
            .flat_map(|o| o.failures.iter().map(|f| format!("{}: {f}", o.name)))
            .collect();
        assert!(failures.is_empty(), "{name}\n{}", failures.join("\n"));
    }
}
