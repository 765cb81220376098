//! `weir view` as its users meet it.

use std::io::Write;
use std::process::Stdio;

use super::super::support::site::{Site, weir};
use super::exit;

const ADT: &str = "MSH|^~\\&|A|B|C|D|20260101||ADT^A01^ADT_A01|1|P|2.5.1\rEVN||2026\r\
    PID|1||7^^^H||Doe^Jane\rPV1|1|I\r";

fn site() -> Site {
    let site = Site::new();
    site.file("a.hl7", ADT);
    site.file("two.hl7", &format!("{ADT}{}", ADT.replace("|1|P", "|2|P")));
    site.file("batch.hl7", &format!("BHS|^~\\&|\r{ADT}BTS|2\r"));
    site.file("bad.hl7", "hello");
    site.file("patient.json", "{\"resourceType\":\"Patient\",\"id\":\"p\"}");
    site
}

#[test]
fn files_batches_and_standard_input_are_shown() {
    let site = site();
    let (out, _) = exit(&site, &["view", "a.hl7"], 0);
    assert!(out.contains("PID-5.1  FN  Patient Name, Family Name"), "{out}");
    let (out, _) = exit(&site, &["view", "a.hl7", "two.hl7"], 0);
    for head in ["a.hl7\n", "two.hl7 message 1 of 2", "two.hl7 message 2 of 2"] {
        assert!(out.contains(head), "{head}: {out}");
    }
    let (out, err) = exit(&site, &["view", "batch.hl7"], 0);
    assert!(out.contains("Doe") && err.contains("W2051"), "{out}{err}");
    let (out, err) = exit(&site, &["view", "bad.hl7", "a.hl7"], 1);
    assert!(out.contains("Doe") && err.contains("W2002") && err.contains("bad.hl7"), "{err}");
    let (out, _) = exit(&site, &["view", "two.hl7", "a.hl7", "--path", "MSH-10"], 0);
    assert_eq!(out.lines().filter(|line| ["1", "2"].contains(line)).count(), 3, "{out}");
    exit(&site, &["view"], 2);

    let mut child = weir(site.root(), &["view", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(ADT.as_bytes()).unwrap();
    let out = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(out.contains("Doe") && !out.contains('\x1b'), "{out}");
}

#[test]
fn json_is_one_document_and_jsonl_one_a_line() {
    let site = site();
    let one = site.json(&["view", "a.hl7"]);
    assert_eq!((&one["schema"], &one["structure"]), (&"weir.view.v1".into(), &"ADT_A01".into()));
    let several = site.json(&["view", "a.hl7", "two.hl7"]);
    assert_eq!(several["messages"].as_array().unwrap().len(), 3);
    let lines = site.ok(&["view", "a.hl7", "two.hl7", "-o", "jsonl"]);
    for line in lines.lines() {
        let one: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(one["type"], "ADT^A01^ADT_A01");
    }
    assert_eq!(lines.lines().count(), 3);
    assert_eq!(site.json(&["view", "patient.json"])["id"], "p");
}

#[test]
fn other_forms_are_written_and_read_again() {
    let site = site();
    for (form, name) in [(&["-o", "xml"][..], "a.xml"), (&["-o", "json", "--lossless"], "a.json")] {
        let text = site.ok(&[&["view", "a.hl7"], form].concat());
        site.file(name, &text);
        assert_eq!(site.ok(&["view", name, "-o", "hl7"]), ADT, "{text}");
        assert_eq!(site.ok(&["view", name, "--path", "PID-5.1"]), "Doe\n");
        exit(&site, &[&["view", "a.hl7", "--mask"], form].concat(), 4);
    }
    exit(&site, &["status", "-o", "xml"], 2);
}

#[test]
fn fhir_is_shown_in_both_forms() {
    let site = site();
    let xml = site.ok(&["view", "patient.json", "-o", "xml"]);
    assert!(xml.contains("<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"p\"/>"), "{xml}");
    site.file("patient.xml", &xml);
    assert_eq!(site.json(&["view", "patient.xml"])["id"], "p");
    assert_eq!(site.ok(&["view", "patient.xml", "--path", "Patient.id"]), "p\n");
    assert!(site.ok(&["view", "patient.xml"]).contains("Patient.id  p"));
    exit(&site, &["view", "patient.json", "-o", "xml", "--mask"], 4);
    site.file("bomb.xml", "<!DOCTYPE a [<!ENTITY x 'y'>]>\n<a xmlns='http://hl7.org/fhir'/>");
    let (_, err) = exit(&site, &["view", "bomb.xml"], 1);
    assert!(err.contains("W2706"), "{err}");
}

#[test]
fn fhir_is_checked() {
    let site = site();
    let (out, _) = exit(&site, &["view", "--check", "patient.json"], 0);
    assert!(out.contains("patient.json  Patient  R4  JSON  1 warning"), "{out}");
    site.file(
        "bad.xml",
        "<Patient xmlns=\"http://hl7.org/fhir\">\n  <gender value=\"Doe\"/>\n  <x/>\n</Patient>",
    );
    let (out, _) = exit(&site, &["view", "--check", "bad.xml"], 1);
    assert!(out.contains("error    W2726  Patient.gender  2:3  the code is not in"), "{out}");
    assert!(!out.contains("Doe"), "{out}");
    let (out, _) = exit(&site, &["view", "--check", "bad.xml", "-o", "json"], 1);
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    let findings = found["messages"][0]["findings"].as_array().unwrap();
    let gender = findings.iter().find(|f| f["path"] == "Patient.gender").unwrap();
    assert_eq!((&gender["severity"], &gender["line"]), (&"error".into(), &2.into()));
    assert_eq!(found["messages"][0]["structure"], "XML");

    for profile in ["us-core", "us-core-patient", "us-core-patient|8.0.0"] {
        let (out, _) = exit(&site, &["view", "--check", "patient.json", "--profile", profile], 1);
        assert!(out.contains("W2757"), "{profile}: {out}");
    }
    let (_, err) = exit(&site, &["view", "--check", "patient.json", "--profile", "urn:x"], 1);
    assert!(err.contains("W2760"), "{err}");
    site.file(
        "own.json",
        r#"{"resourceType":"StructureDefinition","url":"urn:x","type":"Patient",
            "derivation":"constraint","differential":{"element":[
            {"id":"Patient.birthDate","path":"Patient.birthDate","min":1}]}}"#,
    );
    let asks =
        ["view", "--check", "patient.json", "--definitions", "own.json", "--profile", "urn:x"];
    let (out, _) = exit(&site, &asks, 1);
    assert!(out.contains("the profile requires `birthDate`"), "{out}");

    let lines = "{\"resourceType\":\"Basic\"}\n{\"resourceType\":\"Patient\",\"y\":1}\n";
    site.file("all.ndjson", lines);
    let (out, _) = exit(&site, &["view", "--check", "all.ndjson"], 1);
    assert!(out.contains("all.ndjson[2]") && out.contains("Patient.y"), "{out}");
}

#[test]
fn a_page_is_written_and_masks_hide_values() {
    let site = site();
    let page = site.ok(&["view", "two.hl7", "-o", "html"]);
    assert_eq!(page.matches("<h1>").count(), 2);
    assert!(page.contains("Doe") && !page.contains("<script"));
    site.ok(&["view", "a.hl7", "--html", "page.html", "--mask"]);
    let page = std::fs::read_to_string(site.root().join("page.html")).unwrap();
    assert!(page.ends_with("</body></html>\n") && !page.contains("Doe"));
    for format in ["text", "json", "jsonl", "html"] {
        let out = site.ok(&["view", "a.hl7", "--mask", "--raw", "-o", format]);
        assert!(!out.contains("Doe"), "{format}: {out}");
    }
    let out = site.ok(&["view", "a.hl7", "--mask", "--path", "PID-5"]);
    assert_eq!(out, "****\n");
    let out = site.ok(&["view", "patient.json", "--mask"]);
    assert!(out.contains("****") && !out.contains("\"p\""), "{out}");
    exit(&site, &["errors", "-o", "html"], 2);
    exit(&site, &["view", "id:01J", "--reveal"], 4);
}

const CDA: &str = "<?xml version=\"1.0\"?>\n<ClinicalDocument xmlns=\"urn:hl7-org:v3\">\
    <title>Summary</title><recordTarget><patientRole><id root=\"1.2\" extension=\"555\"/>\
    </patientRole></recordTarget><component><structuredBody><component><section>\
    <templateId root=\"2.16.840.1.113883.10.20.22.2.5.1\"/>\
    <code code=\"11450-4\" codeSystem=\"2.16.840.1.113883.6.1\"/><title>Problems</title>\
    <text>None <b>known</b></text><entry><act/></entry><entry><act/></entry>\
    </section></component></structuredBody></component></ClinicalDocument>";

#[test]
fn cda_documents_are_shown_by_section_and_path() {
    let site = site();
    site.file("summary.xml", CDA);
    let (out, _) = exit(&site, &["view", "summary.xml"], 0);
    let section = "component/structuredBody/component/section";
    for line in [
        "recordTarget/patientRole/id/@extension  555".to_owned(),
        "11450-4  Problems".to_owned(),
        format!("{section}/text  None known"),
    ] {
        assert!(out.lines().any(|known| known == line), "{line}: {out}");
    }
    let (out, _) = exit(&site, &["view", "summary.xml", "--mask"], 0);
    assert!(out.contains("****") && !out.contains("555") && !out.contains("known"), "{out}");
    let path = "//section[code/@code = '11450-4']/title";
    let (out, _) = exit(&site, &["view", "summary.xml", "--path", path], 0);
    assert_eq!(out, "Problems\n");
    exit(&site, &["view", "summary.xml", "--path", "//nothing"], 6);
    let (_, err) = exit(&site, &["view", "summary.xml", "--path", "//["], 1);
    assert!(err.contains("W2771"), "{err}");
    let json = site.json(&["view", "summary.xml"]);
    assert_eq!(
        (&json["sections"][0]["entries"], &json["sections"][0]["code"]),
        (&2.into(), &"11450-4".into())
    );
    assert_eq!(site.ok(&["view", "summary.xml", "-o", "xml"]), CDA);
    site.file("broken.xml", &CDA.replace("</entry>", ""));
    let (_, err) = exit(&site, &["view", "broken.xml"], 1);
    assert!(err.contains("W2705") && err.contains("broken.xml"), "{err}");
}
