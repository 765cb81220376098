//! Searches over a small ward, and what they refuse.

use super::*;
use crate::fault::codes::W7610;
use crate::records::memory::{Memory, put};
use crate::records::{Shown, Within};

/// Deletes a resource.
fn delete(all: &mut Memory, id: &str) {
    let before = all.all.iter().rfind(|version| *version.id == *id).unwrap().clone();
    let at = Timestamp::from_micros(all.all.last().unwrap().at.micros() + 500);
    let (number, body) = (before.number + 1, Default::default());
    let method = Method::Delete;
    all.all.push(Version { number, body, at, method, deleted: true, ..before });
}

fn ask(look: &Memory, kind: &str, query: &str) -> Page {
    try_ask(look, kind, query, false).unwrap_or_else(|fault| panic!("{kind}?{query}: {fault}"))
}

fn try_ask(look: &Memory, kind: &str, query: &str, strict: bool) -> Result<Page, Fault> {
    let query = Query::parse(query).unwrap();
    let now = Timestamp::parse("2024-06-01T00:00:00Z").unwrap();
    let base = "https://x/fhir";
    look.search(&Search { strict, base, ..Search::of(kind, &query, now) })
}

fn ids(page: &Page) -> String {
    let mark = |mode: Mode| if mode == Mode::Match { "" } else { "+" };
    let all: Vec<String> =
        page.entries.iter().map(|(mode, v)| format!("{}{}", mark(*mode), v.id)).collect();
    all.join(" ")
}

fn wards() -> Memory {
    let mut all = Memory::default();
    put(&mut all, r#"{"resourceType":"Organization","id":"org","name":"General"}"#);
    put(
        &mut all,
        r#"{"resourceType":"Patient","id":"a","name":[{"family":"Doe","given":["Jo"]}],
        "gender":"male","birthDate":"1970-01-02","managingOrganization":{"reference":"Organization/org"},
        "identifier":[{"system":"mrn","value":"1"}]}"#,
    );
    put(
        &mut all,
        r#"{"resourceType":"Patient","id":"b","name":[{"family":"Poe"}],
        "gender":"female","birthDate":"1980","identifier":[{"system":"mrn","value":"2"}]}"#,
    );
    put(
        &mut all,
        r#"{"resourceType":"Patient","id":"c","name":[{"family":"Doering"}],
        "gender":"female"}"#,
    );
    put(
        &mut all,
        r#"{"resourceType":"Encounter","id":"e1","status":"finished",
        "subject":{"reference":"Patient/a"},"period":{"start":"2024-01-01","end":"2024-01-05"}}"#,
    );
    put(
        &mut all,
        r#"{"resourceType":"Observation","id":"o1","status":"final",
        "code":{"coding":[{"system":"http://loinc.org","code":"1"}]},
        "subject":{"reference":"Patient/a"},"encounter":{"reference":"Encounter/e1"},
        "effectiveDateTime":"2024-01-02"}"#,
    );
    put(
        &mut all,
        r#"{"resourceType":"Observation","id":"o2","status":"final",
        "code":{"coding":[{"system":"http://loinc.org","code":"2"}]},
        "subject":{"reference":"Patient/b"},"effectiveDateTime":"2024-01-03"}"#,
    );
    all
}

#[test]
fn resources_are_found() {
    let all = wards();
    let check = |kind: &str, query: &str, expected: &str| {
        assert_eq!(ids(&ask(&all, kind, query)), expected, "{kind}?{query}");
    };
    check("Patient", "", "a b c");
    check("Patient", "family=doe", "a c");
    check("Patient", "family=doe&gender=female", "c");
    check("Patient", "family:exact=Doe", "a");
    check("Patient", "_id=b", "b");
    check("Patient", "_id=c,a,zz,../x", "a c");
    check("Patient", "_id=c&_id=a", "");
    check("Patient", "_id=a,b&gender=female", "b");
    check("Patient", "birthdate=lt1975", "a");
    check("Patient", "birthdate:missing=true", "c");
    check("Patient", "gender:not=male", "b c");
    check("Patient", "identifier=mrn|2", "b");
    check("Observation", "patient=a", "o1");
    check("Observation", "subject=Patient/b", "o2");
    check("Observation", "date=ge2024-01-03", "o2");
    check("Observation", "code=http://loinc.org|1,http://loinc.org|2&patient=Patient/a", "o1");
    check("Device", "", "");
}

#[test]
fn chains_lead_to_other_resources() {
    let all = wards();
    let check = |kind: &str, query: &str, expected: &str| {
        assert_eq!(ids(&ask(&all, kind, query)), expected, "{kind}?{query}");
    };
    check("Observation", "subject:Patient.family=doe", "o1");
    check("Observation", "patient.identifier=mrn|2", "o2");
    check("Observation", "patient.family=nobody", "");
    check("Observation", "patient.organization.name=gen", "o1");
    check("Observation", "encounter.patient.family=doe", "o1");
    check("Patient", "_has:Observation:patient:code=2", "b");
    check("Patient", "_has:Observation:patient:code=2&gender=male", "");
    let refused = |kind: &str, query: &str| {
        assert_eq!(try_ask(&all, kind, query, false).unwrap_err().code(), W7611, "{query}");
    };
    refused("Observation", "patient.nothing=1");
    refused("Observation", "code.text=1");
    refused("Observation", "subject:Medication.code=1");
    refused("Patient", "_has:Observation:code:code=1");
    refused("Patient", "_has:Observation=1");
    refused("Observation", "patient.link.link.link.link.family=x");
}

#[test]
fn an_absolute_reference_to_our_own_base_is_a_relative_one() {
    let mut all = wards();
    put(
        &mut all,
        r#"{"resourceType":"Observation","id":"o3","status":"final","code":{"text":"x"},
        "subject":{"reference":"https://x/fhir/Patient/b"},
        "performer":[{"reference":"https://y/fhir/Patient/a"}]}"#,
    );
    let check = |kind: &str, query: &str, expected: &str| {
        assert_eq!(ids(&ask(&all, kind, query)), expected, "{kind}?{query}");
    };
    for patient in ["Patient/b", "b", "https://x/fhir/Patient/b"] {
        check("Observation", &format!("subject={patient}"), "o2 o3");
        check("Observation", &format!("patient={patient}"), "o2 o3");
    }
    check("Observation", "subject:Patient.family=poe", "o2 o3");
    check("Patient", "_has:Observation:patient:status=final", "a b");
    check("Observation", "_id=o3&_include=Observation:subject", "o3 +b");
    check("Observation", "_id=o3&_include=Observation:performer", "o3");
    check("Patient", "_id=b&_revinclude=Observation:subject", "b +o2 +o3");
    check("Observation", "performer=Patient/a", "");
    check("Observation", "performer=https://y/fhir/Patient/a", "o3");
    check("Observation", "subject=https://y/fhir/Patient/b", "");
}

fn ask_all(look: &Memory, within: Option<Within<'_>>, query: &str) -> Result<Page, Fault> {
    let query = Query::parse(query).unwrap();
    let now = Timestamp::parse("2024-06-01T00:00:00Z").unwrap();
    look.search(&Search { within, ..Search::of_all(&query, now) })
}

#[test]
fn all_types_are_searched_at_once() {
    let all = wards();
    let check = |query: &str, expected: &str| {
        let page = ask_all(&all, None, query).unwrap_or_else(|fault| panic!("{query}: {fault}"));
        assert_eq!(ids(&page), expected, "{query}");
    };
    check("", "e1 o1 o2 org a b c");
    check("_type=Patient,Organization", "org a b c");
    check("_type=Patient,Observation&_id=a,o2", "o2 a");
    check("_id=a", "a");
    check("_type=Observation,Encounter&patient=Patient/a", "e1 o1");
    check("_type=Device", "");
    check("_type=Patient&_type=Patient,Observation&family=doe", "a c");
    check("_type=Patient,Observation&_sort=-_id&_count=3", "o2 o1 c");
    check("_type=Observation&_include=*&_id=o1", "o1 +e1 +a");
    check("_content=general", "org");
    // One that not all types have would find too much in those that have it not.
    let page = ask_all(&all, None, "family=doe&patient=Patient/a").unwrap();
    assert_eq!((page.entries.len(), page.passed_over.join(" ").as_str()), (7, "family patient"));
    assert_eq!(ask_all(&all, None, "_summary=count").unwrap().total, Some(7));
    assert_eq!(ask_all(&all, None, "_summary=count&_type=Patient").unwrap().total, Some(3));
    for (query, code) in [
        ("_type=patient", W7611),
        ("_type=Nothing", W7611),
        ("_page=a~1", W7613),
        ("_type=Patient&_sort=date", W7611),
    ] {
        assert_eq!(ask_all(&all, None, query).unwrap_err().code(), code, "{query}");
    }
    for order in ["", "&_sort=_lastUpdated", "&_sort=-_id"] {
        let (mut query, mut seen) = (format!("_count=2{order}"), Vec::new());
        for _ in 0..4 {
            let page = ask_all(&all, None, &query).unwrap();
            seen.extend(page.entries.iter().map(|(_, v)| v.id.to_string()));
            let Some(next) = page.next else { break };
            query = next;
        }
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (7, 7), "{order} {seen:?}");
    }
    assert_eq!(try_ask(&all, "Patient", "_page=Patient~a~1", false).unwrap_err().code(), W7613);
    assert_eq!(ask(&all, "Patient", "_type=Observation").passed_over, ["_type"]);
}

#[test]
fn what_belongs_to_a_compartment_is_found() {
    let mut all = wards();
    put(
        &mut all,
        r#"{"resourceType":"Observation","id":"o3","status":"final","code":{"text":"x"},
        "subject":{"reference":"Patient/b"},"performer":[{"reference":"Patient/a"}]}"#,
    );
    let of = |kind, narrow| Some(Within { kind, id: "a", narrow });
    let check = |within, query: &str, expected: &str| {
        let page = ask_all(&all, within, query).unwrap_or_else(|fault| panic!("{query}: {fault}"));
        assert_eq!(ids(&page), expected, "{query}");
    };
    check(of("Patient", false), "", "e1 o1 o3 a");
    check(of("Patient", true), "", "e1 o1 a");
    check(of("Patient", false), "_type=Observation", "o1 o3");
    check(of("Patient", false), "_type=Observation&code=1", "o1");
    check(of("Patient", false), "_include=*&_type=Observation,Patient", "o1 o3 a +e1 +b +org");
    check(Some(Within { kind: "Encounter", id: "e1", narrow: false }), "", "e1 o1");
    let query = Query::default();
    let now = Timestamp::default();
    let within = of("Patient", false);
    let one = |kind| all.search(&Search { within, ..Search::of(kind, &query, now) });
    assert_eq!(ids(&one("Observation").unwrap()), "o1 o3");
    assert_eq!(ids(&one("Patient").unwrap()), "a");
    assert_eq!(one("Organization").unwrap_err().code(), W7611);
    assert_eq!(ask_all(&all, of("Organization", false), "").unwrap_err().code(), W7611);
    // Whoever is linked belongs to it, too.
    put(
        &mut all,
        r#"{"resourceType":"Patient","id":"d",
        "link":[{"other":{"reference":"Patient/a"},"type":"refer"}]}"#,
    );
    let page = ask_all(&all, of("Patient", false), "_type=Patient").unwrap();
    assert_eq!(ids(&page), "a d");
    assert_eq!(ids(&ask_all(&all, of("Patient", true), "_type=Patient").unwrap()), "a");
}

#[test]
fn pages_show_what_is_asked_for() {
    let all = wards();
    let check = |query: &str, expected: Shown| {
        assert_eq!(ask(&all, "Patient", query).shown, expected, "{query}");
    };
    check("", Shown::Whole);
    check("_summary=false", Shown::Whole);
    check("_summary=true", Shown::Summary);
    check("_summary=text", Shown::Text);
    check("_summary=data", Shown::Data);
    check("_summary=true&_elements=name", Shown::Elements(vec!["name".into()]));
    let refused = try_ask(&all, "Patient", "_summary=text&_include=Patient:organization", false);
    assert_eq!(refused.unwrap_err().code(), W7611);
}

#[test]
fn pages_follow_each_other_without_gaps() {
    let mut all = Memory::default();
    for n in 0..25 {
        put(
            &mut all,
            &format!(
                r#"{{"resourceType":"Patient","id":"p{n}","gender":"male",
            "birthDate":"19{:02}"}}"#,
                99 - n
            ),
        );
    }
    for order in ["", "&_sort=birthdate", "&_sort=-birthdate,_id", "&_sort=gender"] {
        let (mut query, mut seen) = (format!("gender=male&_count=7{order}"), Vec::new());
        for _ in 0..5 {
            let page = ask(&all, "Patient", &query);
            seen.extend(page.entries.iter().map(|(_, v)| v.id.to_string()));
            assert_eq!(page.entries.len(), if page.next.is_some() { 7 } else { 4 });
            match page.next {
                Some(next) => query = next,
                None => break,
            }
        }
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (25, 25), "{order}");
        if order.contains("=birthdate") {
            assert_eq!((&*seen[0], &*seen[24]), ("p24", "p0"));
        }
    }
    let total = |query: &str| ask(&all, "Patient", query).total;
    assert_eq!(total("_count=7"), Some(25));
    assert_eq!(total("_summary=count"), Some(25));
    assert_eq!(total("_count=0"), Some(25));
    assert_eq!(total("_count=7&_total=none"), None);
    let second = ask(&all, "Patient", "_count=7&_total=accurate").next.unwrap();
    assert_eq!(total(&second), Some(25));
    assert!(ask(&all, "Patient", "_summary=count").entries.is_empty());
    for page in ["x", "a b~1", "..~1", "~1", "a~"] {
        let query = format!("_page={}", page.replace(' ', "%20"));
        assert_eq!(try_ask(&all, "Patient", &query, false).unwrap_err().code(), W7613, "{page}");
    }
}

/// Where a resource stands among others says what it holds: a page begins at matches only.
#[test]
fn pages_begin_at_matches_only() {
    let all = wards();
    let refused = |query: &str| {
        let code = try_ask(&all, "Patient", query, false).unwrap_err().code();
        assert_eq!(code, W7613, "{query}");
    };
    assert_eq!(ids(&ask(&all, "Patient", "family=doe&_sort=birthdate&_page=a~v1")), "c");
    for asked in ["_id=a", "family=doe", "_has:Observation:patient:code=1"] {
        refused(&format!("{asked}&_sort=birthdate&_page=b~v1"));
        refused(&format!("{asked}&_sort=birthdate&_page=none~v1"));
    }
}

#[test]
fn sorted_pages_have_no_gaps_when_resources_change_between() {
    let patient = |id: &str, born: &str| {
        format!(r#"{{"resourceType":"Patient","id":"{id}","birthDate":"{born}"}}"#)
    };
    let check = |change: &dyn Fn(&mut Memory), expected: &[&str]| {
        let mut all = Memory::default();
        for (id, born) in [("e", "1951"), ("d", "1952"), ("c", "1953"), ("b", "1954")] {
            put(&mut all, &patient(id, born));
        }
        put(&mut all, r#"{"resourceType":"Patient","id":"a"}"#);
        let mut page = ask(&all, "Patient", "_sort=birthdate&_count=2");
        assert_eq!(ids(&page), "e d");
        change(&mut all);
        for expected in expected {
            page = ask(&all, "Patient", &page.next.unwrap());
            assert_eq!(ids(&page), *expected);
        }
        assert_eq!(page.next, None);
    };
    check(&|_| {}, &["c b", "a"]);
    check(&|all| delete(all, "d"), &["c b", "a"]);
    check(&|all| put(all, &patient("d", "1999")), &["c b", "d a"]);
    check(&|all| put(all, &patient("d", "1900")), &["c b", "a"]);
    check(&|all| put(all, &patient("x", "1900")), &["c b", "a"]);
    // A link names no value: proxies write links down.
    let mut all = Memory::default();
    for (id, family) in [("a", "Abel"), ("b", "Baker")] {
        put(
            &mut all,
            &format!(
                r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"{family}"}}]}}"#
            ),
        );
    }
    let page = ask(&all, "Patient", "_sort=family&_count=1");
    assert_eq!(page.next.as_deref(), Some("_sort=family&_count=1&_page=a~v1"));
    let all = Memory::default();
    for page in ["a~1", "a~v1", "a~vx", "a~s~-"] {
        let query = format!("_sort=birthdate&_page={page}");
        assert_eq!(try_ask(&all, "Patient", &query, false).unwrap_err().code(), W7613, "{page}");
    }
}

#[test]
fn what_many_refer_to_is_included_once() {
    let mut all = Memory::default();
    for id in ["x", "y"] {
        put(&mut all, &format!(r#"{{"resourceType":"Practitioner","id":"{id}"}}"#));
    }
    for n in 0..400 {
        let own = if n == 399 { "y" } else { "x" };
        let one = format!(r#"{{"reference":"Practitioner/{own}"}}"#);
        put(
            &mut all,
            &format!(
                r#"{{"resourceType":"Observation","id":"o{n:03}","performer":[{one},{one},{one}]}}"#
            ),
        );
    }
    let page = ask(&all, "Observation", "_count=1000&_include=Observation:performer");
    assert!(ids(&page).ends_with("o399 +x +y"), "{}", page.entries.len());
}

#[test]
fn resources_are_included() {
    let all = wards();
    let check = |kind: &str, query: &str, expected: &str| {
        assert_eq!(ids(&ask(&all, kind, query)), expected, "{kind}?{query}");
    };
    check("Observation", "_id=o1&_include=Observation:patient", "o1 +a");
    check("Observation", "_id=o1&_include=Observation:subject:Group", "o1");
    check("Observation", "_id=o1&_include=Observation:*", "o1 +e1 +a");
    check(
        "Observation",
        "_id=o1&_include=Observation:patient&_include:iterate=Patient:organization",
        "o1 +a +org",
    );
    check("Patient", "_id=a&_revinclude=Observation:patient", "a +o1");
    check(
        "Patient",
        "_id=a&_revinclude=Observation:patient&_revinclude=Encounter:patient",
        "a +o1 +e1",
    );
    for bad in ["Observation", "Nothing:x", "Observation:code", ""] {
        let query = format!("_include={bad}");
        assert_eq!(try_ask(&all, "Observation", &query, false).unwrap_err().code(), W7611, "{bad}");
    }
}

#[test]
fn what_is_not_known_is_passed_over_or_refused() {
    let all = wards();
    let page = ask(&all, "Patient", "color=blue&family=poe&_format=json");
    assert_eq!((ids(&page), page.passed_over.as_slice()), ("b".into(), &["color".to_owned()][..]));
    assert_eq!(page.this, "family=poe&_format=json");
    assert_eq!(try_ask(&all, "Patient", "color=blue", true).unwrap_err().code(), W7610);
    for bad in
        ["family:wrong=x", "birthdate=x", "_count=x", "_sort=color", "_total=x", "_summary=x"]
    {
        assert_eq!(try_ask(&all, "Patient", bad, false).unwrap_err().code(), W7611, "{bad}");
    }
}

#[test]
fn a_search_that_looks_at_too_much_is_refused() {
    let mut all = Memory::default();
    put(&mut all, r#"{"resourceType":"Patient","id":"a","gender":"male"}"#);
    all.repeat = LOOKS_MAX + 1;
    let refused = try_ask(&all, "Patient", "gender:not=female&_total=accurate", false);
    assert_eq!(refused.unwrap_err().code(), W7612);
    // The index knows how many there are in all.
    assert_eq!(ask(&all, "Patient", "_summary=count").total, Some(1));
    // Chains share what a search may look at, and are few.
    put(&mut all, r#"{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/a"}}"#);
    all.repeat = LOOKS_MAX / 2 + 1;
    let has = "_has:Observation:patient:code:text=x";
    assert_eq!(ids(&ask(&all, "Patient", has)), "");
    let twice = try_ask(&all, "Patient", &format!("{has}&{has}"), false);
    assert_eq!(twice.unwrap_err().code(), W7612);
    let many = try_ask(&all, "Patient", &[has; 17].join("&"), false);
    assert_eq!(many.unwrap_err().code(), W7611);
    all.repeat = LOOKS_MAX + 1;
    // A page that is full ends the search.
    assert_eq!(ask(&all, "Patient", "gender=male&_count=3").entries.len(), 3);
}

#[test]
fn histories_are_read_backwards() {
    let mut all = wards();
    put(&mut all, r#"{"resourceType":"Patient","id":"a","gender":"other"}"#);
    let page = |scope, query: &str| all.history(scope, &Query::parse(query).unwrap()).unwrap();
    let shown = |page: &HistoryPage| {
        let all: Vec<String> =
            page.versions.iter().map(|v| format!("{}{}", v.id, v.number)).collect();
        all.join(" ")
    };
    let own = page(Scope::Instance("Patient", "a"), "");
    assert_eq!((shown(&own), own.total), ("a2 a1".into(), Some(2)));
    assert_eq!(shown(&page(Scope::Type("Patient"), "")), "a2 c1 b1 a1");
    let first = page(Scope::Type("Patient"), "_count=3");
    assert_eq!(shown(&first), "a2 c1 b1");
    assert_eq!(shown(&page(Scope::Type("Patient"), &first.next.unwrap())), "a1");
    assert_eq!(page(Scope::System, "").versions.len(), 8);
    let at = all.latest("Patient", "a").unwrap().unwrap().at;
    assert_eq!(shown(&page(Scope::System, &format!("_since={at}"))), "a2");
    // What was current at a time, and only that.
    assert_eq!(shown(&page(Scope::Type("Patient"), &format!("_at={at}"))), "a2 c1 b1");
    assert_eq!(shown(&page(Scope::Type("Patient"), "_at=2020")), "");
    assert!(all.history(Scope::System, &Query::parse("_at=x").unwrap()).is_err());
    // An update after a deletion makes the resource anew.
    delete(&mut all, "a");
    put(&mut all, r#"{"resourceType":"Patient","id":"a","gender":"male"}"#);
    let own = all.history(Scope::Instance("Patient", "a"), &Query::default()).unwrap();
    assert_eq!(own.anew, BTreeSet::from([0]));
    let json = crate::records::history(&own, "Patient/a/_history", "").unwrap().to_json();
    let json = String::from_utf8_lossy(&json).into_owned();
    let statuses: Vec<&str> =
        json.split(r#""status":""#).skip(1).map(|rest| rest.get(..3).unwrap()).collect();
    assert_eq!(statuses, ["201", "204", "200", "201"]);
    assert_eq!(format!("{own:?}"), "HistoryPage(4 <phi>)");
    assert!(all.history(Scope::System, &Query::parse("_page=1").unwrap()).is_err());
    assert!(all.history(Scope::System, &Query::parse("_since=x").unwrap()).is_err());
}
