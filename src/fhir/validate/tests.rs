//! Checks of whole resources.

use super::*;
use crate::fault::codes::W2733;
use crate::fhir::doc::doc;
use crate::fhir::tables;

/// Findings of a text as lines: code, path, what.
fn found(text: &str) -> Vec<String> {
    let lines = structure(&doc(text));
    lines.iter().map(|f| format!("{} {} {}", f.code, f.path, f.what)).collect()
}

#[test]
fn good_resources_are_accepted() {
    for text in [
        r#"{"resourceType":"Patient"}"#,
        r#"{"resourceType":"Patient","gender":"male","birthDate":"1970","deceasedBoolean":false,
            "_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime",
            "valueDateTime":"1970-01-01T01:02:03Z"}]},"name":[{"given":["a",null],
            "_given":[null,{"id":"x"}]}],"contact":[{"name":{"family":"x"}}]}"#,
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
            "valueQuantity":{"value":1.50},"component":[{"code":{"text":"y"},"valueString":"z",
            "referenceRange":[{"low":{"value":1}}]}],"subject":{"reference":"Patient/1"}}"#,
        r##"{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"p"}],
            "_status":{"extension":[{"url":"u","valueCode":"unknown"}]},"code":{"text":"x"},
            "subject":{"reference":"#p"}}"##,
        r#"{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:1",
            "resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}]}"#,
        r#"{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b",
            "valueDate":"2020-01-01"}]}]}"#,
    ] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
}

#[test]
fn faults_of_structure_are_found() {
    let patient = |inside: &str, expected: &str| {
        let text = format!(r#"{{"resourceType":"Patient",{inside}}}"#);
        assert_eq!(found(&text).join("\n"), expected, "{inside}");
    };
    let set = "http://hl7.org/fhir/ValueSet/administrative-gender";
    patient(
        r#""gendr":"male""#,
        "W2721 Patient.gendr no element of this name here, did you mean `gender`?",
    );
    patient(r#""Jo Doe":1"#, "W2721 Patient.? no element of this name here");
    patient(
        r#""gender":"M""#,
        &format!("W2726 Patient.gender the code is not in the value set {set}"),
    );
    patient(r#""gender":["male"]"#, "W2723 Patient.gender takes one value, not an array");
    patient(r#""gender":1"#, "W2724 Patient.gender expected a text");
    patient(r#""gender":null"#, "W2730 Patient.gender null stands only in arrays");
    patient(r#""gender":"""#, "W2730 Patient.gender a text without characters");
    patient(
        r#""gender":"male","gender":"male""#,
        "W2731 Patient.gender the object has two members of this name",
    );
    patient(r#""active":"true""#, "W2724 Patient.active expected `true` or `false`");
    patient(r#""birthDate":"1970-02-30""#, "W2725 Patient.birthDate not a value of type `date`");
    patient(r#""id":"a b""#, "W2725 Patient.id not a value of type `id`");
    patient(r#""name":{"family":"x"}"#, "W2724 Patient.name expected an array");
    patient(r#""name":[]"#, "W2730 Patient.name an array without items");
    patient(r#""name":[{}]"#, "W2730 Patient.name[0] an object without members");
    patient(r#""name":["x"]"#, "W2724 Patient.name[0] expected an object");
    patient(
        r#""name":[{"given":["a",null]}]"#,
        "W2730 Patient.name[0].given[1] null without an extension in its place",
    );
    patient(
        r#""name":[{"given":["a"],"_given":[null,{"id":"x"}]}]"#,
        "W2732 Patient.name[0]._given the array is not as long as that of the values",
    );
    patient(
        r#""deceasedBoolean":true,"deceasedDateTime":"2020""#,
        "W2727 Patient.deceasedDateTime only one of `Patient.deceased[x]` may be given",
    );
    patient(
        r#""multipleBirthInteger":1.5"#,
        "W2725 Patient.multipleBirthInteger not a value of type `integer`",
    );
    patient(r#""_name":[{}]"#, "W2721 Patient._name only primitives have a member with `_`");
    patient(
        r#""extension":[{"valueString":"x"}]"#,
        "W2722 Patient.extension[0].url R4 requires a value here",
    );
    patient(
        r#""extension":[{"url":"u"}]"#,
        "W2728 Patient.extension[0] has neither value nor extensions",
    );
    patient(
        r#""extension":[{"url":"u","valueCode":"x","extension":[{"url":"v","valueCode":"y"}]}]"#,
        "W2728 Patient.extension[0] has both a value and extensions of its own",
    );
    patient(
        r#""extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-religion","valueCode":"x"}]"#,
        "W2728 Patient.extension[0] the value of `patient-religion` has type CodeableConcept",
    );
    patient(
        r#""generalPractitioner":[{"reference":"http://a/Patient/1/_history/2"}]"#,
        "W2729 Patient.generalPractitioner[0] the target is none of Organization, Practitioner, PractitionerRole",
    );
    patient(
        r#""contact":[{"gender":"x","nme":1}]"#,
        &format!(
            "W2726 Patient.contact[0].gender the code is not in the value set {set}\nW2721 Patient.contact[0].nme no element of this name here, did you mean `name`?"
        ),
    );
    patient(
        r#""communication":[{"preferred":true}]"#,
        "W2722 Patient.communication[0].language R4 requires a value here",
    );
    patient(r#""contained":[{"id":"x"}]"#, "W2720 Patient.contained[0] `resourceType` is missing");
    let check = |text: &str, expected: &str| assert_eq!(found(text).join("\n"), expected, "{text}");
    check("[]", "W2724 $this a resource is an object");
    check("{}", "W2720 $this `resourceType` is missing");
    check(r#"{"resourceType":"Jo"}"#, "W2720 $this `resourceType` names no resource of R4");
    check(
        r#"{"resourceType":"DomainResource"}"#,
        "W2720 $this `resourceType` names no resource of R4",
    );
    check(
        r#"{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":"urn:uuid:1","resource":
           {"resourceType":"Group","type":"person","actual":true}},{"resource":{"resourceType":"Encounter",
           "status":"x","class":{"code":"AMB"},"subject":{"reference":"urn:uuid:1"},
           "serviceProvider":{"reference":"urn:uuid:1"}}}]}"#,
        "W2726 Bundle.entry[1].resource.status the code is not in the value set http://hl7.org/fhir/ValueSet/encounter-status\n\
         W2729 Bundle.entry[1].resource.serviceProvider the target is none of Organization",
    );
}

#[test]
fn findings_end() {
    let many = r#"{"x":1},"#.repeat(2000);
    let found =
        structure(&doc(&format!(r#"{{"resourceType":"Patient","name":[{many}{{"y":1}}]}}"#)));
    assert_eq!(found.len(), FINDINGS_MAX);
    assert_eq!(found.last().unwrap().code, W2733);
}

#[test]
fn every_type_fits_the_limits_of_the_walk() {
    for name in tables::resources() {
        let container = tables::container(name).unwrap();
        assert!(container.elements.len() <= walk::ELEMENTS_MAX);
    }
    assert!(tables::container("ElementDefinition").unwrap().names().count() > 0);
}

/// Findings of the whole check as lines: severity, code, path, what.
fn told(text: &str) -> Vec<String> {
    let lines = resource(&doc(text), &Options::default());
    let line = |f: &Finding| format!("{} {} {} {}", f.severity.code(), f.code, f.path, f.what);
    lines.iter().filter(|f| f.key != Some("dom-6")).map(line).collect()
}

#[track_caller]
fn tells(text: &str, expected: &str) {
    assert_eq!(told(text).join("\n"), expected, "{text}");
}

#[test]
fn invariants_are_checked() {
    tells(
        "{\"resourceType\":\"Patient\",\n\"contact\":[{\"gender\":\"male\"}]}",
        "error W2750 Patient.contact[0] pat-1: SHALL at least contain a contact's details or a reference to an organization",
    );
    tells(
        r#"{"resourceType":"Patient","telecom":[{"value":"x"}],"name":[{"id":"a"}]}"#,
        "error W2750 Patient.telecom[0] cpt-2: A system is required if a value is provided.\n\
         error W2750 Patient.name[0] ele-1: All FHIR elements must have a @value or children",
    );
    tells(
        r#"{"resourceType":"Organization","name":"x","telecom":[{"use":"home","system":"phone"}]}"#,
        "error W2750 Organization.telecom[0] org-3: The telecom of an organization can never be of use 'home'",
    );
    tells(
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
          "referenceRange":[{"low":{"value":1,"comparator":"<"}}]}"#,
        "error W2750 Observation.referenceRange[0].low sqty-1: The comparator is not used on a SimpleQuantity",
    );
    // What a published rule gets wrong is mended.
    tells(
        r#"{"resourceType":"Appointment","status":"noshow","cancelationReason":{"text":"x"},
          "start":"2026-01-02T03:04:05Z","end":"2026-01-02T04:04:05Z","participant":[{"type":
          [{"text":"x"}],"status":"accepted"}]}"#,
        "",
    );
    // Nothing found is nothing broken.
    tells(
        r#"{"resourceType":"RiskAssessment","status":"final","subject":{"display":"x"},
          "prediction":[{"outcome":{"text":"x"}}]}"#,
        "",
    );
}

#[test]
fn references_within_a_resource_are_checked() {
    let observation = |inside: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{inside}}}"#
        )
    };
    let patient = r##""contained":[{"resourceType":"Patient","id":"p"}]"##;
    tells(&observation(&format!(r##"{patient},"subject":{{"reference":"#p"}}"##)), "");
    tells(
        &observation(patient),
        "error W2750 Observation.contained[0] dom-3: the contained resource is not referred to from elsewhere in the resource",
    );
    tells(
        &observation(r##""subject":{"reference":"#q"}"##),
        "error W2750 Observation.subject ref-1: SHALL have a contained resource if a local reference is provided",
    );
    // A contained resource may point to the one around it instead.
    tells(
        &observation(
            r##""contained":[{"resourceType":"Provenance","target":[{"reference":"#"}],
          "recorded":"2026-01-02T03:04:05Z","agent":[{"who":{"display":"x"}}]}]"##,
        ),
        "",
    );
    tells(
        &observation(
            r##""subject":{"reference":"Jo Doe"},"encounter":{"reference":"12"},
          "focus":[{"reference":"Chicken/1"},{"reference":"Patient?identifier=a|b"}]"##,
        ),
        "error W2725 Observation.subject.reference a reference holds no white space\n\
         error W2725 Observation.encounter.reference a relative reference names type and id, as `Patient/1`\n\
         error W2725 Observation.focus[0].reference the reference names no type of resource of R4",
    );
}

#[test]
fn bundles_are_checked() {
    let bundle = |kind: &str, entries: &str| {
        format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{entries}]}}"#)
    };
    let codes = |kind: &str, entries: &str| {
        let found = told(&bundle(kind, entries));
        let words = |line: &String| line.split(' ').take(3).collect::<Vec<_>>().join(" ");
        found.iter().map(words).collect::<Vec<_>>().join("; ")
    };
    let patient = r#""resource":{"resourceType":"Patient","id":"p"}"#;
    let check = |kind: &str, entries: &str, expected: &str| {
        assert_eq!(codes(kind, entries), expected, "{kind} {entries}");
    };
    check("collection", &format!("{{{patient}}}"), "error W2752 Bundle.entry[0]");
    check(
        "collection",
        &format!(r#"{{"fullUrl":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a",{patient}}}"#),
        "",
    );
    check("collection", &format!(r#"{{"fullUrl":"http://a/Patient/p",{patient}}}"#), "");
    check(
        "collection",
        &format!(r#"{{"fullUrl":"http://a/Patient/q",{patient}}}"#),
        "error W2752 Bundle.entry[0].fullUrl",
    );
    check(
        "collection",
        &format!(r#"{{"fullUrl":"Patient/p",{patient}}}"#),
        "error W2752 Bundle.entry[0].fullUrl",
    );
    let twice = format!(
        r#"{{"fullUrl":"http://a/Patient/p",{patient}}},{{"fullUrl":"http://a/Patient/p",{patient}}}"#
    );
    check("collection", &twice, "error W2750 Bundle");
    check("transaction", &format!("{{{patient}}}"), "error W2750 Bundle");
    check(
        "transaction",
        r#"{"request":{"method":"POST","url":"Patient"}}"#,
        "error W2752 Bundle.entry[0]",
    );
    check("batch", r#"{"request":{"method":"GET","url":"Patient/1"}}"#, "");
    // The same address with two versions: which is meant cannot be told.
    let versions = r#"{"fullUrl":"http://a/Patient/p","resource":{"resourceType":"Patient","id":"p","meta":
      {"versionId":"1"}}},{"fullUrl":"http://a/Patient/p","resource":{"resourceType":"Patient","id":"p",
      "meta":{"versionId":"2"}}},{"fullUrl":"http://a/Basic/b","resource":{"resourceType":"Basic",
      "id":"b","code":{"text":"x"},"subject":{"reference":"Patient/p"}}}"#;
    check("collection", versions, "error W2751 Bundle.entry[2].resource.subject");
    let exact = versions.replace("\"Patient/p\"", "\"Patient/p/_history/2\"");
    check("collection", &exact, "");
}

#[test]
fn extensions_stand_where_they_may() {
    let at = |url: &str| format!(r#""extension":[{{"url":"{url}","valueDateTime":"2020"}}]"#);
    let birth = "http://hl7.org/fhir/StructureDefinition/patient-birthTime";
    tells(
        &format!(
            r#"{{"resourceType":"Patient","birthDate":"2020","_birthDate":{{{}}}}}"#,
            at(birth)
        ),
        "",
    );
    tells(
        &format!(r#"{{"resourceType":"Patient",{}}}"#, at(birth)),
        "error W2754 Patient.extension[0] `patient-birthTime` stands on Patient.birthDate",
    );
    tells(
        &format!(r#"{{"resourceType":"Patient",{}}}"#, at("birthTime")),
        "error W2725 Patient.extension[0].url the URL of an extension is absolute",
    );
}

#[test]
fn findings_become_an_outcome() {
    let found = resource(
        &doc(
            "{\"resourceType\":\"Patient\",\"gender\":\"x\",\n \"contact\":[{\"gender\":\"male\"}]}",
        ),
        &Options::default(),
    );
    let places: Vec<_> = found.iter().map(|f| f.line_column).collect();
    assert_eq!(places, [Some((1, 36)), Some((2, 13)), Some((1, 1))]);
    let made = outcome(&found);
    assert_eq!(structure(&made), []);
    let path =
        crate::fhir::FhirPath::parse("issue.select(severity & ' ' & code & ' ' & expression)");
    let lines = path.unwrap().evaluate(made.root(), &crate::fhir::Context::default()).unwrap();
    let lines: Vec<_> = lines.iter().filter_map(super::super::Value::text).collect();
    assert_eq!(
        lines,
        [
            "error code-invalid Patient.gender",
            "error invariant Patient.contact[0]",
            "warning invariant Patient"
        ]
    );
}

#[test]
fn many_references_are_checked_in_one_pass() {
    let entry = |n: usize| {
        format!(
            r#"{{"fullUrl":"http://a/Basic/{n}","resource":{{"resourceType":"Basic","id":"{n}",
            "code":{{"text":"x"}},"subject":{{"reference":"Basic/{}"}}}}}}"#,
            (n + 1) % 10_000
        )
    };
    let entries: Vec<String> = (0..10_000).map(entry).collect();
    let text = format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#,
        entries.join(",")
    );
    let found = resource(&doc(&text), &Options::default());
    assert!(found.iter().all(|f| !f.is_error()), "{:?}", found.first());
}

const QUESTIONNAIRE: &str = r#"{"resourceType":"Questionnaire","url":"http://a/q","status":"active","item":[
  {"linkId":"g","type":"group","item":[
    {"linkId":"smokes","type":"boolean","required":true},
    {"linkId":"packs","type":"integer","required":true,"extension":[
      {"url":"http://hl7.org/fhir/StructureDefinition/maxValue","valueInteger":9}],
      "enableWhen":[{"question":"smokes","operator":"=","answerBoolean":true}]}]},
  {"linkId":"color","type":"choice","repeats":true,"answerOption":[
    {"valueCoding":{"system":"urn:c","code":"red"}},{"valueCoding":{"system":"urn:c","code":"blue"}}]}]}"#;

#[test]
fn answers_are_checked_against_their_questionnaire() {
    let mut knowledge = Knowledge::default();
    knowledge.add(doc(QUESTIONNAIRE));
    let check = |items: &str, expected: &[&str]| {
        let text = format!(
            r#"{{"resourceType":"QuestionnaireResponse","questionnaire":"http://a/q|1","status":"completed","item":[{items}]}}"#
        );
        let options = Options { knowledge: Some(&knowledge), ..Options::default() };
        let found = resource(&doc(&text), &options);
        let errors = found.iter().filter(|f| f.is_error());
        let lines: Vec<_> = errors.map(|f| format!("{} {}", f.path, f.what)).collect();
        assert_eq!(lines, expected, "{items}");
    };
    let group = |smokes: &str, packs: &str| {
        format!(r#"{{"linkId":"g","item":[{{"linkId":"smokes","answer":[{{{smokes}}}]}}{packs}]}}"#)
    };
    let packs = |n: &str| format!(r#",{{"linkId":"packs","answer":[{{"valueInteger":{n}}}]}}"#);
    let (yes, no) = (r#""valueBoolean":true"#, r#""valueBoolean":false"#);
    let first = "QuestionnaireResponse.item[0]";
    check(&group(yes, &packs("2")), &[]);
    check(&group(no, ""), &[]);
    check(&group(yes, ""), &[&format!("{first} a required item has no answer")]);
    check(
        &group(no, &packs("2")),
        &[&format!("{first}.item[1] the item has an answer although it is not enabled")],
    );
    check(
        &group(yes, &packs("10")),
        &[&format!("{first}.item[1].answer[0].valueInteger the answer is outside of its limits")],
    );
    check(
        &group(r#""valueString":"x""#, ""),
        &[&format!(
            "{first}.item[0].answer[0].valueString the answer to a `boolean` has another type"
        )],
    );
    check(
        &format!(
            r#"{},{{"linkId":"color","answer":[{{"valueCoding":{{"system":"urn:c","code":"green"}}}}]}}"#,
            group(no, "")
        ),
        &[
            "QuestionnaireResponse.item[1].answer[0].valueCoding the answer is none of those that may be chosen",
        ],
    );
    check(
        &format!(r#"{},{{"linkId":"other"}}"#, group(no, "")),
        &["QuestionnaireResponse.item[1] the questionnaire has no item of this `linkId`"],
    );
    check(
        &format!(r#"{},{{"linkId":"packs"}}"#, group(no, "")),
        &["QuestionnaireResponse.item[1] the questionnaire has this item in another place"],
    );
}

const PROFILES: [&str; 2] = [
    r#"{"resourceType":"StructureDefinition","url":"http://a/base","type":"Patient","derivation":"constraint",
      "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","differential":{"element":[
      {"id":"Patient.identifier","path":"Patient.identifier","min":1,"slicing":{"rules":"closed",
        "discriminator":[{"type":"value","path":"system"}]}},
      {"id":"Patient.identifier:mrn","path":"Patient.identifier","sliceName":"mrn","min":1,"max":"1"},
      {"id":"Patient.identifier:mrn.system","path":"Patient.identifier.system","fixedUri":"urn:mrn"}]}}"#,
    r#"{"resourceType":"StructureDefinition","url":"http://a/child","type":"Patient","derivation":"constraint",
      "baseDefinition":"http://a/base","differential":{"element":[
      {"path":"Patient.birthDate","min":1},{"path":"Patient.photo","max":"0"},
      {"path":"Patient.maritalStatus","patternCodeableConcept":{"coding":[{"code":"M"}]}},
      {"path":"Patient.name","constraint":[{"key":"n-1","severity":"error","human":"a family name",
        "expression":"family.exists()"}]}]}}"#,
];

#[test]
fn profiles_are_checked_with_their_bases() {
    let mut knowledge = Knowledge::default();
    PROFILES.iter().for_each(|text| knowledge.add(doc(text)));
    let told = |profile: &str, inside: &str| {
        let text = format!(r#"{{"resourceType":"Patient",{inside}}}"#);
        let options =
            Options { knowledge: Some(&knowledge), profile: Some(profile), ..Options::default() };
        let found = resource(&doc(&text), &options);
        let errors = found.iter().filter(|f| f.is_error());
        errors.map(|f| format!("{} {}", f.path, f.what)).collect::<Vec<_>>().join("; ")
    };
    let mrn = r#""identifier":[{"system":"urn:mrn","value":"1"}]"#;
    let check = |profile: &str, inside: &str, expected: &str| {
        assert_eq!(told(profile, inside), expected, "{profile} {inside}");
    };
    check("http://a/base|1.0", mrn, "");
    check(
        "http://a/child",
        &format!(
            r#"{mrn},"birthDate":"2020","maritalStatus":{{"text":"x","coding":[{{"code":"M"}}]}}"#
        ),
        "",
    );
    check(
        "http://a/base",
        r#""active":true"#,
        "Patient the profile requires `identifier`; Patient the profile requires `identifier:mrn`",
    );
    check(
        "http://a/base",
        r#""identifier":[{"system":"urn:mrn"},{"system":"urn:x"}]"#,
        "Patient.identifier[1] the profile allows none beside its slices",
    );
    check("http://a/child", mrn, "Patient the profile requires `birthDate`");
    check(
        "http://a/child",
        &format!(
            r#"{mrn},"birthDate":"2020","photo":[{{"title":"x"}}],"maritalStatus":{{"text":"x"}},"name":[{{"text":"x"}}]"#
        ),
        "Patient the profile allows fewer of `photo`; Patient.maritalStatus the value lacks what the profile's pattern has; Patient.name[0] n-1: a family name",
    );
    check("http://a/unknown", mrn, "Patient the profile that is asked for is not loaded");
    let claim = format!(r#""meta":{{"profile":["http://a/child"]}},{mrn}"#);
    check("http://a/base", &claim, "Patient the profile requires `birthDate`");
}

#[test]
fn packages_of_profile_facts_are_loaded() {
    let mut knowledge = Knowledge::default();
    let rows = r#"{"id":"p","url":"http://hl7.org/fhir/us/core/StructureDefinition/p","type":"Patient","base":"Patient","elements":[{"id":"Patient.name","min":1},{"id":"Patient.extension:e","max":"1","slice":"e","types":["Extension"],"profiles":["uscore:e"]}]}
{"id":"e","url":"http://hl7.org/fhir/us/core/StructureDefinition/e","type":"Extension","base":"Extension","elements":[{"id":"Extension.value[x]","min":1,"types":["code"]}]}"#;
    assert_eq!(knowledge.add_package(rows), 2);
    let profile = "http://hl7.org/fhir/us/core/StructureDefinition/p";
    let options =
        Options { knowledge: Some(&knowledge), profile: Some(profile), ..Options::default() };
    let text = r#"{"resourceType":"Patient","extension":[
      {"url":"http://hl7.org/fhir/us/core/StructureDefinition/e","valueString":"x"}]}"#;
    let found = resource(&doc(text), &options);
    let lines: Vec<_> = found.iter().filter(|f| f.is_error()).map(|f| f.path.as_str()).collect();
    assert_eq!(lines, ["Patient", "Patient.extension[0].valueString"]);
}

#[test]
fn limits_of_values_are_checked() {
    let mut knowledge = Knowledge::default();
    knowledge.add(doc(
        r#"{"resourceType":"StructureDefinition","url":"http://a/o","type":"Observation",
      "derivation":"constraint","differential":{"element":[
      {"path":"Observation.valueInteger","minValueInteger":1,"maxValueInteger":10},
      {"path":"Observation.issued","minValueInstant":"2020-01-01T00:00:00Z"},
      {"path":"Observation.referenceRange.low","maxValueQuantity":{"value":5.0,"unit":"mg"}},
      {"path":"Observation.note.text","maxLength":3}]}}"#,
    ));
    let check = |inside: &str, expected: &str| {
        let text = format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{inside}}}"#
        );
        let options = Options {
            knowledge: Some(&knowledge),
            profile: Some("http://a/o"),
            ..Options::default()
        };
        let found = resource(&doc(&text), &options);
        let told: Vec<_> = found.iter().filter(|f| f.is_error()).map(|f| f.what.as_ref()).collect();
        assert_eq!(told.join("; "), expected, "{inside}");
    };
    let (below, above) = (
        "the value is below the least that the profile allows",
        "the value is above the most that the profile allows",
    );
    check(r#""valueInteger":1"#, "");
    check(r#""valueInteger":0"#, below);
    check(r#""valueInteger":11"#, above);
    check(r#""issued":"2019-12-31T23:59:59Z""#, below);
    check(r#""issued":"2020-01-01T01:00:00Z""#, "");
    let low = |low: &str| format!(r#""referenceRange":[{{"low":{low}}}]"#);
    check(&low(r#"{"value":5.01,"unit":"mg"}"#), above);
    check(&low(r#"{"value":5,"unit":"mg"}"#), "");
    check(&low(r#"{"value":7,"unit":"g"}"#), "");
    check(r#""note":[{"text":"abcd"}]"#, "the text is longer than the profile allows");
}

#[test]
fn value_sets_of_packages_tell_what_they_know() {
    let mut knowledge = Knowledge::default();
    knowledge.add_package(concat!(
        r#"{"valueSet":"http://a/own","parts":[{"system":"urn:a","codes":["x","y"]},{"system":"urn:b"}]}"#,
        "\n",
        r#"{"valueSet":"http://a/both","parts":[{"sets":["http://a/own"]},{"sets":["http://a/unknown"]}]}"#,
        "\n",
        r#"{"valueSet":"http://a/round","parts":[{"sets":["http://a/round"]}]}"#,
        "\n",
        r#"{"valueSet":"http://a/r4","parts":[{"system":"http://hl7.org/fhir/administrative-gender","sets":["http://hl7.org/fhir/ValueSet/administrative-gender"]}]}"#,
    ));
    let check = |set: &str, system: Option<&str>, code: &str, expected: Option<bool>| {
        let found = super::knowledge::in_value_set(Some(&knowledge), set, system, code);
        assert_eq!(found, expected, "{set} {system:?} {code}");
    };
    check("http://a/own", Some("urn:a"), "x", Some(true));
    check("http://a/own|1", None, "y", Some(true));
    check("http://a/own", Some("urn:a"), "z", Some(false));
    check("http://a/own", Some("urn:b"), "z", None);
    check("http://a/own", Some("urn:c"), "x", Some(false));
    check("http://a/both", Some("urn:a"), "x", Some(true));
    check("http://a/both", Some("urn:a"), "z", None);
    check("http://a/round", Some("urn:a"), "z", None);
    let gender = Some("http://hl7.org/fhir/administrative-gender");
    check("http://a/r4", gender, "male", Some(true));
    check("http://a/r4", gender, "x", Some(false));
}

#[test]
fn us_core_knows_the_codes_of_its_own_systems() {
    let mut knowledge = Knowledge::default();
    knowledge.ask("us-core|6.1.0").unwrap();
    let check = |set: &str, system: &str, code: &str, expected: Option<bool>| {
        let url = format!("http://hl7.org/fhir/us/core/ValueSet/{set}");
        let found = super::knowledge::in_value_set(Some(&knowledge), &url, Some(system), code);
        assert_eq!(found, expected, "{set} {code}");
    };
    let category = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category";
    check("us-core-screening-assessment-condition-category", category, "sdoh", Some(true));
    check("us-core-screening-assessment-condition-category", category, "x", Some(false));
    check("us-core-documentreference-type", "http://loinc.org", "x", None);
    check("us-core-documentreference-type", "http://snomed.info/sct", "x", Some(false));
}
