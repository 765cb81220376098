//! Documents of CDA through the real binary: from a directory to FHIR, explained and tested,
//! and the hostile ones.

#![allow(clippy::disallowed_methods, reason = "tests read real files")]

use std::path::Path;

use super::support::site::{Site, until};

const CHANNEL: &str = r#"
[channel]
name     = "summaries"
order_by = "/recordTarget/patientRole/id/@extension"
[source]
type   = "file"
dir    = "drop"
match  = "*.xml"
ready  = "100ms"
poll   = "50ms"
split  = "cda"
accept = ["cda:34133-9"]
then   = { move = "done" }
[filter]
when = "/confidentialityCode/@code = 'N' and not //patient/name not valued"
[consent]
policy = "none"
why = "synthetic input"
[map]
use = "mappings/ccd-to-fhir.toml"
[destination.out]
type = "file"
dir = "out"
name = "{message_id}.{ext}"
recipient = "Organization/out"
purpose = "TREAT"
[[test]]
name   = "a document becomes a transaction"
input  = "fixtures/ccd.xml"
sent   = ["out"]
expect = { out = { "Bundle.entry.resource.ofType(Patient).name.family" = "Everywoman", "Bundle.entry.resource.ofType(Condition)[0].code.coding[1].code" = "J18.9" } }
[[test]]
name  = "what is confidential stays"
input = """<ClinicalDocument xmlns="urn:hl7-org:v3"><code code="34133-9"/><confidentialityCode code="R"/></ClinicalDocument>"""
sent  = []
[[test]]
name  = "another kind of document is refused"
input = """<ClinicalDocument xmlns="urn:hl7-org:v3"><code code="18842-5"/></ClinicalDocument>"""
sent  = []
"#;

fn site() -> Site {
    let site = Site::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["mappings", "codes", "fixtures"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            let wanted = ["ccd-to-fhir.toml", "ccd.xml"].contains(&&*name) || folder == "codes";
            if wanted {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                site.file(&format!("{folder}/{name}"), &text);
            }
        }
    }
    site.file("channels/summaries.toml", CHANNEL);
    std::fs::create_dir_all(site.root().join("drop")).unwrap();
    site
}

#[test]
fn a_document_goes_from_a_directory_to_fhir() {
    let site = site();
    let text = site.ok(&["check"]);
    assert!(!text.contains("W4"), "{text}");
    site.ok(&["test"]);
    let running = site.start();
    let ccd = std::fs::read_to_string(site.root().join("fixtures/ccd.xml")).unwrap();
    site.file("drop/one.xml", &ccd);
    site.file("drop/other.xml", &ccd.replace("34133-9", "18842-5"));
    site.file("drop/bomb.xml", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>");
    let out = || -> Vec<_> {
        let found = std::fs::read_dir(site.root().join("out")).into_iter().flatten().flatten();
        found
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .collect()
    };
    until("it is delivered", || !out().is_empty());
    let refused = |name: &str| {
        let path = site.root().join("done").join(format!("{name}.errors"));
        std::fs::read_to_string(path).unwrap_or_default()
    };
    until("the others are refused", || refused("bomb.xml").contains("W2706"));
    until("the other kind is refused", || !refused("other.xml").is_empty());
    assert_eq!(out().len(), 1);
    let path = out().pop().unwrap().display().to_string();
    let checked = site.run(&["view", "--check", &path]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{said}");
    drop(running);
}

#[test]
fn what_does_not_go_together_is_told_at_load() {
    let check = |from: &str, to: &str, code: &str, words: &str| {
        let site = site();
        let channel = CHANNEL.replace(from, to);
        assert_ne!(channel, CHANNEL);
        site.file("channels/summaries.toml", &channel);
        let done = site.run(&["check"]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned()
            + &String::from_utf8_lossy(&done.stdout);
        assert!(!done.status.success(), "{said}");
        assert!(said.contains(code) && said.contains(words), "{said}");
    };
    check("split  = \"cda\"", "split = \"whole\"", "W1057", "the channel takes HL7 v2");
    let order_by = "\"/recordTarget/patientRole/id/@extension\"";
    check(order_by, "\"PID-3.1\"", "W1067", "begins with `/`");
    check("patientRole/id/", "patientrole/id/", "W4003", "has no `patientrole`");
    check("//patient/name", "//patient/[", "W4001", "a step of a path");
    check("split  = \"cda\"", "split = \"cda\"\nack_dir = \"acks\"", "W1011", "only HL7 v2");
}

#[test]
fn explain_names_the_path_of_each_value() {
    let site = site();
    let shown = site.json(&["explain", "summaries", "fixtures/ccd.xml"]);
    assert_eq!(shown["type"], "cda:34133-9");
    let values = shown["outputs"][0]["values"].as_array().unwrap();
    let of = |target: &str| {
        let found = values.iter().find(|row| row["target"] == target);
        found.map(|row| row["source"].as_str().unwrap_or_default().to_owned())
    };
    let family = of("Patient[0].name[0].family").unwrap();
    assert_eq!(family, "recordTarget/patientRole/patient/name/family[2] 39:11");
    let dose = of("MedicationStatement[0].dosage[0].doseAndRate[0].doseQuantity.value").unwrap();
    assert!(dose.contains("/doseQuantity/@value "), "{dose}");
    let unused = shown["outputs"][0]["unused"].as_array().unwrap();
    let has = |path: &str| unused.iter().any(|row| row["path"] == path);
    assert!(has("languageCode/@code") && !has("title"), "{unused:#?}");
}

#[test]
fn hostile_documents_are_refused_with_their_place() {
    let site = site();
    let check = |name: &str, text: &str, code: &str| {
        site.file(name, text);
        for command in [&["view", name][..], &["explain", "summaries", name]] {
            let done = site.run(command);
            let said = format!(
                "{}{}",
                String::from_utf8_lossy(&done.stdout),
                String::from_utf8_lossy(&done.stderr)
            );
            assert!(
                said.contains(code),
                "{command:?} {name}: {}",
                said.get(..400).unwrap_or(&said)
            );
            assert_ne!(done.status.code(), Some(101), "{said}");
        }
    };
    let open = "<ClinicalDocument xmlns=\"urn:hl7-org:v3\">";
    check(
        "doctype.xml",
        &format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{open}&b;</ClinicalDocument>"),
        "W2706",
    );
    check("entity.xml", &format!("{open}<title>&lol;</title></ClinicalDocument>"), "W2706");
    let deep = format!("{open}{}{}</ClinicalDocument>", "<a>".repeat(5000), "</a>".repeat(5000));
    check("deep.xml", &deep, "W2702");
    check("cut.xml", &format!("{open}<title>a"), "W2705");
    check("prefix.xml", &format!("{open}<x:a/></ClinicalDocument>"), "W2705");
    let inner = format!("<a xmlns=\"urn:x\">{open}</ClinicalDocument></a>");
    check("root.xml", &inner, "W2770");
    let many = format!("<b {}/>", (0..80).map(|n| format!("a{n}=\"\" ")).collect::<String>());
    check("attributes.xml", &format!("{open}{many}</ClinicalDocument>"), "W2705");
}

#[test]
fn a_document_of_50_mb_ends_well() {
    let site = site();
    let section =
        "<component><section><code code=\"1-8\"/><text>words</text></section></component>";
    let body = section.repeat((50 << 20) / section.len());
    let text = format!(
        "<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><code code=\"34133-9\"/><confidentialityCode \
         code=\"N\"/><component><structuredBody>{body}</structuredBody></component></ClinicalDocument>"
    );
    site.file("large.xml", &text);
    let done = site.run(&["explain", "summaries", "large.xml", "--json"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    assert!(done.status.success() || said.contains("W2"), "{:?} {said}", done.status);
}
