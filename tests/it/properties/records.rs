//! Properties of searches over records, as strangers write them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use weir::base::{ChannelName, MessageId, Timestamp};
use weir::fault::Fault;
use weir::fhir::Doc;
use weir::fhir::rest::Query;
use weir::records::{self, Key, Look, Method, Page, Place, Reader, Scope, Search, Version, Visit};

use super::targets::Target;

/// The target of the fuzzer.
pub const TARGET: Target = Target {
    name: "search",
    run: search,
    fixtures: "",
    seeds: &[
        "Patient?family=doe&birthdate=ge1970-01-02&_sort=-birthdate&_count=2",
        "Observation?patient.identifier=urn:mrn|1&code:not=http://loinc.org|1234-5&date=lt2024-02",
        "Patient?_has:Observation:patient:value-quantity=gt5.4||mg&_revinclude=Observation:subject",
        "Observation?_include:iterate=Observation:*&_total=accurate&subject:identifier=a|b",
        "Observation?combo-code-value-quantity=http://loinc.org|1234-5$5.40|http://unitsofmeasure.org|mg&_summary=data",
        "?_type=Patient,Observation&_sort=_id&_count=2&_content=jo",
    ],
    words: &[
        "Patient?",
        "Observation?",
        "Encounter?",
        "&",
        "=",
        ",",
        "|",
        "\\,",
        ":not",
        ":exact",
        ":missing=true",
        ":text",
        ":contains",
        ":identifier",
        ":Patient",
        ".family",
        ".name",
        "family",
        "identifier",
        "birthdate",
        "date",
        "code",
        "subject",
        "patient",
        "encounter",
        "value-quantity",
        "_id",
        "_lastUpdated",
        "_sort",
        "_count",
        "_include",
        "_revinclude",
        "_page=a~1",
        "_page=a~v1",
        "_type=Patient,Observation",
        "_summary=true",
        "_content=jo",
        "code-value-quantity=1234-5$gt5|http://unitsofmeasure.org|ug",
        "$",
        ":of-type",
        ":in=http://hl7.org/fhir/ValueSet/administrative-gender",
        ":above",
        "_has:Observation:patient:code",
        "_total=accurate",
        "_summary=count",
        "gt",
        "le",
        "ap",
        "sa",
        "ne",
        "2024-02-29T10:30:05.25+02:00",
        "1970",
        "9999-12-31",
        "0001",
        "5.40",
        "1e9",
        "-1e-9",
        "Patient/a",
        "http://x/Patient/a",
        "%20",
        "%C3%BC",
        "urn:mrn|1",
    ],
};

/// Resources of a small ward, with what searches stumble over.
const WARD: &[&str] = &[
    r#"{"resourceType":"Patient","id":"a","active":true,"gender":"male","birthDate":"1970-01-02",
       "identifier":[{"system":"urn:mrn","value":"1"},{"value":"a,b|c"}],
       "name":[{"family":"Müller","given":["Jo","Ann"]},{"text":""}],
       "managingOrganization":{"reference":"Organization/o"},"deceasedDateTime":"2020"}"#,
    r#"{"resourceType":"Patient","id":"b","gender":"female","birthDate":"1980",
       "name":[{"family":"Doe"}],"telecom":[{"system":"phone","value":"555"}],
       "link":[{"other":{"reference":"Patient/a"},"type":"seealso"}]}"#,
    r#"{"resourceType":"Patient","id":"c","name":7,"birthDate":{"a":1},"identifier":"x"}"#,
    r##"{"resourceType":"Organization","id":"o","name":"General","partOf":{"reference":"#x"}}"##,
    r#"{"resourceType":"Encounter","id":"e","status":"finished","subject":{"reference":"Patient/a"},
       "period":{"start":"2024-01-01","end":"2024-03-01T10:00:00Z"},"class":{"code":"IMP"}}"#,
    r#"{"resourceType":"Observation","id":"p","status":"final","code":{"coding":[
       {"system":"http://loinc.org","code":"1234-5","display":"Glucose"}],"text":"Sugar"},
       "subject":{"reference":"Patient/a/_history/3"},"encounter":{"reference":"Encounter/e"},
       "effectiveDateTime":"2024-02-03T10:00:00+02:00","valueQuantity":{"value":5.40,
       "unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}}"#,
    r#"{"resourceType":"Observation","id":"q","status":"final","code":{"text":"x"},
       "subject":{"identifier":{"system":"a","value":"b"}},"effectivePeriod":{"end":"2024"},
       "valueQuantity":{"value":1e9}}"#,
];

/// Type and id.
type Address = (Arc<str>, Arc<str>);

/// Versions in memory; with an index, or without one.
struct Ward {
    all: BTreeMap<Address, (Version, Vec<Key>)>,
    indexed: bool,
}

impl Ward {
    fn new(indexed: bool) -> Self {
        let mut all = BTreeMap::new();
        for json in WARD {
            let doc = Doc::parse_json((*json).into()).unwrap();
            let kind: Arc<str> = doc.resource_type().unwrap().into_owned().into();
            let id = doc.root().get("id").unwrap().text().unwrap().into_owned();
            let id: Arc<str> = id.into();
            let version = Version {
                kind: kind.clone(),
                id: id.clone(),
                number: 1,
                at: Timestamp::from_millis(1_700_000_000_000),
                deleted: false,
                method: Method::Put,
                body: doc.to_json(),
                message: MessageId::from_u128(1),
                channel: ChannelName::parse("adt").unwrap(),
                revision: "r".into(),
            };
            all.insert((kind, id), (version, records::keys(&doc)));
        }
        Self { all, indexed }
    }
}

impl Look for Ward {
    fn latest(&self, kind: &str, id: &str) -> Result<Option<Version>, Fault> {
        Ok(self.all.get(&(kind.into(), id.into())).map(|(version, _)| version.clone()))
    }

    fn version(&self, kind: &str, id: &str, number: u64) -> Result<Option<Version>, Fault> {
        Ok(self.latest(kind, id)?.filter(|version| version.number == number))
    }

    fn visit(
        &self,
        kind: &str,
        keys: &[Vec<Key>],
        after: Option<&str>,
        visit: Visit<'_>,
    ) -> Result<(), Fault> {
        for ((own, id), (version, kept)) in &self.all {
            let narrowed = keys.iter().all(|any| any.iter().any(|key| kept.contains(key)));
            if **own == *kind
                && after.is_none_or(|after| **id > *after)
                && (narrowed || !self.indexed)
                && visit(version.clone())?.is_break()
            {
                break;
            }
        }
        Ok(())
    }

    fn log(
        &self,
        _scope: Scope<'_>,
        _before: Option<Place>,
        _visit: &mut dyn FnMut(Place, Version) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault> {
        Ok(())
    }

    fn counts(&self) -> Result<Vec<(Arc<str>, u64)>, Fault> {
        let kinds: std::collections::BTreeSet<_> = self.all.keys().map(|(kind, _)| kind).collect();
        let count = |kind| self.all.keys().filter(|(own, _)| own == kind).count() as u64;
        Ok(kinds.into_iter().map(|kind| (kind.clone(), count(kind))).collect())
    }
}

/// The type of a search; none for all of them.
fn of(kind: &str) -> Option<&str> {
    Some(kind).filter(|kind| !kind.is_empty())
}

fn addresses(page: &Page) -> Vec<String> {
    page.entries.iter().map(|(_, version)| version.address()).collect()
}

/// Any search is answered or refused for a reason; an index changes nothing of what it
/// finds; its links are searches again, and pages follow each other without gaps.
pub fn search(data: &[u8]) {
    static WARDS: OnceLock<(Ward, Ward)> = OnceLock::new();
    let (indexed, plain) = WARDS.get_or_init(|| (Ward::new(true), Ward::new(false)));
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (kind, query) = text.split_once('?').unwrap_or(("Patient", text));
    let Ok(query) = Query::parse(query) else { return };
    let now = Timestamp::from_millis(1_717_200_000_000);
    let run = |ward: &Ward, query: &Query| {
        ward.search(&Search { base: "http://x", kind: of(kind), ..Search::of_all(query, now) })
    };
    match (run(indexed, &query), run(plain, &query)) {
        (Ok(narrowed), Ok(whole)) => {
            assert_eq!(addresses(&narrowed), addresses(&whole), "{text}");
            assert_eq!(narrowed.total, whole.total, "{text}");
            let this = Query::parse(&narrowed.this).expect("a search that is read again");
            assert_eq!(addresses(&run(indexed, &this).unwrap()), addresses(&narrowed), "{text}");
            follow(indexed, kind, &narrowed, now);
            records::searchset(&narrowed, kind, "http://x").unwrap();
        }
        (Err(one), Err(other)) => {
            assert_eq!(one.code(), other.code(), "{text}");
            assert!(["W7611", "W7612", "W7613"].contains(&one.code().as_str()), "{text}: {one}");
        }
        (one, other) => panic!("{text}: {:?} {:?}", one.err(), other.err()),
    }
}

fn follow(ward: &Ward, kind: &str, first: &Page, now: Timestamp) {
    let matches = |page: &Page| {
        let own = page.entries.iter().filter(|(mode, _)| *mode == records::Mode::Match);
        own.map(|(_, version)| version.address()).collect::<Vec<_>>()
    };
    let (mut seen, mut next) = (matches(first), first.next.clone());
    for _ in 0..WARD.len() + 1 {
        let Some(link) = next else { break };
        let query = Query::parse(&link).expect("a link that is read again");
        let page = ward.search(&Search {
            base: "http://x",
            kind: of(kind),
            ..Search::of_all(&query, now)
        });
        let page = page.unwrap_or_else(|fault| panic!("{link}: {fault}"));
        for address in matches(&page) {
            assert!(!seen.contains(&address), "{link}: twice");
            seen.push(address);
        }
        next = page.next;
    }
}
