//! Published consent cases, where they are at hand (`../shared` beside the repository, or
//! `WEIR_SHARED`): LEAP, IHE Privacy Consent on FHIR, and the vote tables of HAPI FHIR.
//! Passes quietly without.
//!
//! Where our answer differs it may only be the narrower one, and each case where it does
//! is named here with its reason. Agreement: LEAP R4 20 of 20, IHE 171 of 172 answers,
//! HAPI parallel votes all.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;
use weir::base::Timestamp;
use weir::consent::{Directive, Facts, Policy, Question, decide};
use weir::fault::Problems;
use weir::fhir::Doc;
use weir::message::{Content, Verdict};
use weir::settings::{Document, SourceFile};

fn cases(folder: &str) -> Vec<Value> {
    let root = std::env::var_os("WEIR_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let Ok(list) = std::fs::read_dir(root.join("corpus/consent").join(folder)) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = list.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let json = paths.into_iter().filter(|path| path.extension().is_some_and(|e| e == "json"));
    json.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
}

fn policy(text: &str) -> Policy {
    let text = format!("[policy]\nname = \"corpus\"\n{text}");
    let mut problems = Problems::new();
    let file = Document::parse(SourceFile::new("policies/corpus.toml", text), &mut problems);
    Policy::read(&file, &mut problems).unwrap()
}

fn directives(case: &Value) -> Vec<Directive> {
    let consents = case["consents"].as_array().unwrap().iter();
    let compile = |consent: &Value| {
        let doc = Doc::parse_json(Bytes::from(consent.to_string())).unwrap();
        Directive::compile(&doc, consent["id"].as_str().unwrap_or("c"), 1).unwrap().0
    };
    consents.map(compile).collect()
}

fn now(case: &Value) -> Timestamp {
    Timestamp::parse(case["evaluatedAt"].as_str().unwrap()).unwrap()
}

/// The reference in the case's directory that has the identifier of the asking actor.
fn leap_recipient(case: &Value) -> String {
    let actor = match &case["request"]["actor"] {
        Value::Array(list) => list[0].clone(),
        one => one.clone(),
    };
    let has = |resource: &Value| {
        let list = resource["identifier"].as_array().cloned().unwrap_or_default();
        list.iter().any(|id| id["system"] == actor["system"] && id["value"] == actor["value"])
    };
    let known = case["directory"].as_object().and_then(|all| all.iter().find(|(_, r)| has(r)));
    known.map_or_else(|| "unknown".to_owned(), |(reference, _)| reference.clone())
}

#[test]
fn leap_cases_of_r4_agree() {
    let policy = policy("");
    let (mut count, mut wrong) = (0, Vec::new());
    for case in cases("leap-cds/cases") {
        // Other layers and R5 ask the same questions in other clothes.
        if case["fhirVersion"] != "R4" || case["expected"]["decision"].is_null() {
            continue;
        }
        let class = case["request"]["class"][0]["code"].as_str().unwrap_or("Patient").to_owned();
        let facts = Facts::from_classes(&[&class], &[]);
        let recipient = leap_recipient(&case);
        let question = Question {
            recipient: &recipient,
            purpose: case["request"]["purposeOfUse"].as_str().unwrap_or("TREAT"),
            now: now(&case),
            ..Question::new(&facts)
        };
        let expected = match case["expected"]["decision"].as_str().unwrap() {
            "CONSENT_PERMIT" => "permit",
            "CONSENT_DENY" => "deny",
            _ => "unknown",
        };
        let said = decide(&policy, &directives(&case), &question).verdict;
        count += 1;
        if said.name() != expected {
            wrong.push(format!("{}: {} not {expected}", case["id"], said.name()));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "of {count}");
    assert!(count == 0 || count >= 20, "only {count} cases were understood");
}

/// Cases of IHE PCF where we are narrower.
const NARROWER: &[(&str, &str)] =
    &[("break-glass-restricted--privileged-BTG", "groups of people are not resolved")];

#[test]
fn ihe_cases_agree_or_are_narrower() {
    let policy = policy("");
    let all = cases("ihe-pcf/cases");
    let directory = cases("ihe-pcf").into_iter().find(|json| json.get("count").is_none());
    let (mut agreed, mut narrower, mut wider) = (0, Vec::new(), Vec::new());
    for case in &all {
        let resources = case["expected"]["resources"].as_object().cloned().unwrap_or_default();
        // Policies for patients without consent are those of the facility.
        if case.get("implicitPolicy").is_some() {
            continue;
        }
        let rejected = case["expected"]["token"] == "REJECT";
        let asked: Vec<(Facts, bool, String)> = if rejected {
            vec![(Facts::from_classes(&["Observation"], &[]), false, "any".to_owned())]
        } else {
            let facts = |name: &str| {
                let json = directory.as_ref().unwrap()[name].to_string();
                Facts::of(&Content::Fhir(Doc::parse_json(Bytes::from(json)).unwrap()))
            };
            let each =
                resources.iter().map(|(name, said)| (facts(name), said == "permit", name.clone()));
            each.collect()
        };
        for (facts, expected, name) in asked {
            let question = Question {
                recipient: case["request"]["actor"].as_str().unwrap_or(""),
                purpose: case["request"]["purposeOfUse"]["code"].as_str().unwrap(),
                now: now(case),
                ..Question::new(&facts)
            };
            let said = decide(&policy, &directives(case), &question);
            let line = format!("{} {name}", case["id"]);
            match (said.verdict == Verdict::Permit, expected) {
                (said, expected) if said == expected => agreed += 1,
                (true, _) => wider.push(line),
                (false, _) => narrower.push(line),
            }
        }
    }
    assert_eq!(wider, Vec::<String>::new(), "agreed on {agreed}");
    assert!(all.is_empty() || agreed >= 171, "only {agreed} agree: {narrower:#?}");
    narrower.retain(|line| !NARROWER.iter().any(|(part, _)| line.contains(part)));
    assert_eq!(narrower, Vec::<String>::new(), "agreed on {agreed}");
}

#[test]
fn parallel_votes_of_hapi_agree() {
    let consent = |kind: &str| {
        let text = format!(
            r#"{{"resourceType":"Consent","status":"active","patient":{{"reference":"Patient/1"}},
            "provision":{{"type":"{kind}"}}}}"#
        );
        let doc = Doc::parse_json(Bytes::from(text)).unwrap();
        Directive::compile(&doc, "c", 1).unwrap().0
    };
    let policy = policy("");
    for file in cases("hapi-votes") {
        // The serial tables are of voters in an order, which consents do not have.
        let parallel = file["cases"].as_array().unwrap().iter().filter(|c| c["mode"] == "parallel");
        for case in parallel {
            let votes = case["votes"].as_array().unwrap().iter();
            let directives: Vec<Directive> = votes
                .filter_map(|vote| match vote.as_str().unwrap() {
                    "REJECT" => Some(consent("deny")),
                    "AUTHORIZED" => Some(consent("permit")),
                    _ => None,
                })
                .collect();
            let facts = Facts::from_classes(&["Patient"], &[]);
            let said = decide(&policy, &directives, &Question::new(&facts)).verdict;
            let expected = match case["expected"].as_str().unwrap() {
                "REJECT" => Verdict::Deny,
                "AUTHORIZED" => Verdict::Permit,
                _ => Verdict::Unknown,
            };
            assert_eq!(said, expected, "{}", case["id"]);
        }
    }
}
