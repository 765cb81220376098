//! A caller who was let in, and the answer to one who was not.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use crate::fault::{Fault, codes::*};
use crate::fhir::Node;
use crate::fhir::rest::{Interaction, Kind, Parameter, Query};
use crate::fhir::smart::{Permission, Reach, Scopes, belongs_to};
use crate::fhir::tables;
use crate::records;

/// Wait that callers are told while the issuer's keys cannot be had.
const KEYS_WAIT: Duration = Duration::from_secs(10);

/// Bytes of a digest that tell one person from others.
const PERSON_BYTES: usize = 8;

/// A caller who was let in. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    name: Arc<str>,
    /// What tells it from every other sender; none for one that nothing tells apart.
    sender: Option<Arc<str>>,
    scopes: Scopes,
    patient: Option<Arc<str>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.0.name)
    }
}

impl Client {
    /// A client by name, what it may do, and the patient of its launch context.
    #[must_use]
    pub fn new(name: Arc<str>, scopes: Scopes, patient: Option<Arc<str>>) -> Self {
        let sender = Some(name.clone());
        Self(Arc::new(Inner { name, sender, scopes, patient }))
    }

    /// The same for one person of many: what tells them apart is a digest of who they are.
    #[must_use]
    pub fn of(self, person: &[u8; 32]) -> Self {
        use std::fmt::Write as _;
        let mut sender = format!("{}#", self.0.name);
        for byte in person.iter().take(PERSON_BYTES) {
            // Writing to a text does not fail.
            let _ = write!(sender, "{byte:02x}");
        }
        Self(Arc::new(Inner { sender: Some(sender.into()), ..(*self.0).clone() }))
    }

    /// The same where nothing tells who it is.
    #[must_use]
    pub fn nobody(self) -> Self {
        Self(Arc::new(Inner { sender: None, ..(*self.0).clone() }))
    }

    /// What tells it from every other sender of messages; none where nothing does.
    #[must_use]
    pub fn sender(&self) -> Option<&Arc<str>> {
        self.0.sender.as_ref()
    }

    /// Its name, for audit and logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The patient of its launch context, where it has one.
    #[must_use]
    pub fn patient(&self) -> Option<&str> {
        self.0.patient.as_deref()
    }

    /// How far a permission on a resource type goes; `None`: on all types at once.
    ///
    /// # Errors
    /// 403 with `W2358`, which names the scope that is missing.
    pub fn reach(&self, resource: Option<&str>, permission: Permission) -> Result<Reach, Denied> {
        match self.0.scopes.reach(resource, permission) {
            Reach::All => Ok(Reach::All),
            Reach::Patient if self.0.patient.is_some() => Ok(Reach::Patient),
            Reach::Patient | Reach::Nothing => Err(Denied::missing(resource, permission)),
        }
    }
}

/// What an interaction needs.
struct Need {
    kind: Option<Kind>,
    permission: Permission,
    /// Whether the address itself stays with this patient.
    within: bool,
}

impl Client {
    /// Whether its scopes cover an interaction, as far as the address tells. A Bundle is
    /// always covered: each of its entries is asked.
    ///
    /// What each scope covers is said in SMART's table; a conditional update, which may
    /// create, needs `u` and `c`; `$process-message` needs `c` on MessageHeader; `$validate`
    /// `c` on the type; `$export` and `$everything` `r` and `s` on all types; every other
    /// operation `u` on its type. A condition needs `s` on its type besides, as it tells
    /// whether something is there. A search that follows references, or brings in what they
    /// point to, needs the scope of the type there, and of all types when it names none.
    ///
    /// # Errors
    /// 403: `W2358`, which names the scope that is missing, or `W2359` when the scopes cover
    /// one patient only and the address does not stay with it.
    ///
    /// Source: SMART App Launch 2.2, scopes for requesting FHIR resources.
    pub fn may(&self, interaction: &Interaction) -> Result<(), Denied> {
        self.allow(interaction, false)
    }

    /// Whether its scopes cover an interaction about a resource that is the patient's own,
    /// or is not.
    fn allow(&self, interaction: &Interaction, is_theirs: bool) -> Result<(), Denied> {
        for need in &self.needs(interaction) {
            // Whose a resource is says nothing of what a search beside it would find.
            let within = need.within || (is_theirs && need.permission != Permission::Search);
            if self.reach(need.kind, need.permission)? == Reach::Patient && !within {
                return Err(Denied::beyond(
                    "its address does not say that it is about the patient",
                ));
            }
        }
        match searched(interaction) {
            Some(query) => self.may_follow(query),
            None => Ok(()),
        }
    }

    /// Whether it may send a message whose resources are written one by one.
    ///
    /// # Errors
    /// As [`Client::may`]: it needs `c` and `u` on the type of each resource, of all patients.
    pub fn may_write_all<'d>(
        &self,
        resources: impl Iterator<Item = Node<'d>>,
    ) -> Result<(), Denied> {
        for resource in resources {
            let kind = resource.resource_type();
            for permission in [Permission::Create, Permission::Update] {
                if self.reach(kind.as_deref(), permission)? != Reach::All {
                    return Err(Denied::beyond("a message may be about any patient"));
                }
            }
        }
        Ok(())
    }

    /// As [`Client::may`] where the resource is at hand: the one sent with a create, or the
    /// one found by a read. It may also say itself that it is the patient's. What an update
    /// sends says nothing of whose the resource was before, so there the address decides.
    ///
    /// # Errors
    /// As [`Client::may`].
    pub fn may_with(&self, interaction: &Interaction, resource: Node<'_>) -> Result<(), Denied> {
        let by_content = matches!(
            interaction,
            Interaction::Create { .. } | Interaction::Read { .. } | Interaction::Vread { .. }
        );
        let theirs = || self.patient().is_some_and(|patient| belongs_to(resource, patient));
        self.allow(interaction, by_content && theirs())
    }

    fn needs(&self, interaction: &Interaction) -> Vec<Need> {
        use Permission::{Create, Delete, Read, Search, Update};
        let kind = interaction.kind();
        let own =
            kind == Some("Patient") && interaction.id().map(|id| id.as_str()) == self.patient();
        let own = own && self.patient().is_some();
        let need = |permission| Need { kind, permission, within: own };
        let all = |permission| Need { kind: None, permission, within: false };
        let found = |query: &Query| {
            let within = names_patient(kind, query, self.patient().unwrap_or_default());
            Need { kind, permission: Search, within }
        };
        match interaction {
            Interaction::Capabilities | Interaction::Bundle => vec![],
            Interaction::Read { .. } | Interaction::Vread { .. } => vec![need(Read)],
            Interaction::History { id: Some(_), .. } => vec![need(Read)],
            Interaction::History { .. } => vec![need(Search)],
            Interaction::Search { compartment, query, .. } => {
                let patient = self.patient().unwrap_or_default();
                let inside = compartment
                    .as_ref()
                    .is_some_and(|(kind, id)| *kind == "Patient" && id.as_str() == patient);
                let within = inside || names_patient(kind, query, patient);
                vec![Need { kind, permission: Search, within }]
            }
            Interaction::Create { if_none_exist: None, .. } => vec![need(Create)],
            Interaction::Create { if_none_exist: Some(search), .. } => {
                vec![need(Create), found(search)]
            }
            Interaction::ConditionalUpdate { search, .. } => {
                vec![need(Update), need(Create), found(search)]
            }
            Interaction::ConditionalPatch { search, .. } => vec![need(Update), found(search)],
            Interaction::ConditionalDelete { search, .. } => vec![need(Delete), found(search)],
            Interaction::Update { .. } | Interaction::Patch { .. } => vec![need(Update)],
            Interaction::Delete { .. } => vec![need(Delete)],
            Interaction::ProcessMessage { .. } => {
                vec![Need { kind: Some("MessageHeader"), permission: Create, within: false }]
            }
            Interaction::Operation { name, .. } => match &**name {
                "validate" => vec![Need { within: true, ..need(Create) }],
                "export" | "everything" => vec![all(Read), all(Search)],
                _ => vec![need(Update)],
            },
        }
    }

    /// Whether the types that a search follows references to are covered.
    fn may_follow(&self, query: &Query) -> Result<(), Denied> {
        let hops = query.iter().flat_map(hops);
        for kind in hops.map(|kind| kind.filter(|kind| tables::is_resource(kind))) {
            if self.reach(kind, Permission::Search)? != Reach::All {
                return Err(Denied::beyond("it follows references to others"));
            }
        }
        Ok(())
    }
}

/// The search of an interaction: its own, or that of its condition.
const fn searched(interaction: &Interaction) -> Option<&Query> {
    match interaction {
        Interaction::Search { query, .. } => Some(query),
        Interaction::ConditionalUpdate { search, .. }
        | Interaction::ConditionalPatch { search, .. }
        | Interaction::ConditionalDelete { search, .. }
        | Interaction::Create { if_none_exist: Some(search), .. } => Some(search),
        _ => None,
    }
}

/// The types that a parameter of a search looks at besides the one searched; `None` for one
/// that is not named.
///
/// Source: FHIR R4 search.html#chaining, search.html#has, search.html#include.
fn hops(parameter: &Parameter) -> Vec<Option<&str>> {
    let modifier = parameter.modifier.as_deref().unwrap_or_default();
    match parameter.name.as_str() {
        // `_include=Observation:subject:Patient`: the third part is what comes in.
        "_include" => vec![parameter.value.split(':').nth(2)],
        // `_revinclude=Provenance:target`: the first one is.
        "_revinclude" => vec![parameter.value.split(':').next()],
        // `_has:Observation:patient:code`; what follows may be chained in its turn.
        "_has" => {
            let chained = modifier.contains('.') || modifier.contains(":_has");
            [modifier.split(':').next()].into_iter().chain(chained.then_some(None)).collect()
        }
        // `subject:Patient.name`, `subject:Patient.organization:Organization.name`.
        _ => {
            let steps = modifier.split('.').collect::<Vec<_>>();
            let hops = steps.split_last().map_or(&[][..], |(_, hops)| hops);
            hops.iter().map(|hop| hop.rsplit(':').next()).collect()
        }
    }
}

/// Whether a search finds nothing but what belongs to the patient. A parameter that the type
/// does not have would be passed over, and counts for nothing.
fn names_patient(kind: Option<Kind>, query: &Query, patient: &str) -> bool {
    let Some(searched) = kind.filter(|_| !patient.is_empty()) else { return false };
    let leads = |name: &str| {
        records::parameter(searched, name).is_some_and(|parameter| {
            parameter.kind == records::Kind::Reference && parameter.targets.contains(&"Patient")
        })
    };
    query.iter().any(|parameter| {
        let value = parameter.value.as_str();
        let named = value.strip_prefix("Patient/").unwrap_or(value) == patient;
        let typed = value.starts_with("Patient/");
        named
            && match (parameter.name.as_str(), parameter.modifier.as_deref()) {
                ("_id", None) => kind == Some("Patient") && !typed,
                ("patient", None | Some("Patient")) => leads("patient"),
                ("subject", None) => typed && leads("subject"),
                ("subject", Some("Patient")) => leads("subject"),
                _ => false,
            }
    })
}

/// How a caller may show who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// By nothing that a header could ask for.
    None,
    /// A bearer token or key.
    Bearer,
    /// Name and password.
    Basic,
}

/// Why a caller was not let in, or may not do what they asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// 401, 403, 429 or 503.
    pub status: u16,
    /// Why; its code gives the code of the OperationOutcome: `login`, `forbidden`,
    /// `throttled` or `transient`. Holds nothing of what the caller showed.
    pub fault: Fault,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// Value of `WWW-Authenticate`.
    pub challenge: Option<HeaderValue>,
}

impl Denied {
    pub(super) fn throttled(fault: Fault, wait: Duration) -> Self {
        Self { status: 429, fault, retry_after: Some(wait), challenge: None }
    }

    /// Source: RFC 6750 §3, RFC 7617 §2.
    pub(super) fn unknown(fault: Fault, challenge: Challenge) -> Self {
        if fault.code() == W2356 {
            return Self { status: 503, fault, retry_after: Some(KEYS_WAIT), challenge: None };
        }
        let shown = fault.code() != W2350;
        let challenge = match challenge {
            Challenge::None => None,
            Challenge::Basic => Some("Basic realm=\"weir\", charset=\"UTF-8\""),
            Challenge::Bearer if shown => Some("Bearer realm=\"weir\", error=\"invalid_token\""),
            Challenge::Bearer => Some("Bearer realm=\"weir\""),
        };
        let challenge = challenge.map(HeaderValue::from_static);
        Self { status: 401, fault, retry_after: None, challenge }
    }

    fn missing(resource: Option<&str>, permission: Permission) -> Self {
        let scope = format!("system/{}.{}", resource.unwrap_or("*"), permission.letter());
        let challenge =
            format!("Bearer realm=\"weir\", error=\"insufficient_scope\", scope=\"{scope}\"");
        Self {
            status: 403,
            fault: Fault::new(W2358).because(format!("it needs `{scope}`")),
            retry_after: None,
            challenge: HeaderValue::from_str(&challenge).ok(),
        }
    }

    /// One whose scopes cover its own patient only.
    #[must_use]
    pub(super) fn beyond(cause: &'static str) -> Self {
        let fault = Fault::new(W2359).because(cause);
        Self { status: 403, fault, retry_after: None, challenge: None }
    }

    /// The headers of the answer.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        // Rounded up: a caller who comes at the second told is not early.
        let wait = self.retry_after.map(|wait| wait.as_millis().div_ceil(1000).max(1));
        let wait = wait.and_then(|seconds| HeaderValue::from_str(&seconds.to_string()).ok());
        let challenge = self.challenge.clone().map(|value| (WWW_AUTHENTICATE, value));
        wait.map(|value| (RETRY_AFTER, value)).into_iter().chain(challenge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::Doc;
    use crate::fhir::rest::{Request, parse};

    fn client(scopes: &str, patient: Option<&str>) -> Client {
        Client::new("lab".into(), Scopes::parse(scopes), patient.map(Into::into))
    }

    fn asked(request: &str) -> crate::fhir::rest::Interaction {
        let (method, address) = request.split_once(' ').unwrap();
        let (path, query) = match address.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (address, None),
        };
        parse(&Request { method, path, query, ..Request::default() }).unwrap()
    }

    fn tell(may: Result<(), Denied>) -> String {
        match may {
            Ok(()) => "yes".to_owned(),
            Err(denied) => {
                assert_eq!(denied.status, 403);
                match denied.fault.code() {
                    W2358 => denied.fault.cause().unwrap().replace("it needs ", ""),
                    code => code.as_str().to_owned(),
                }
            }
        }
    }

    #[test]
    fn every_interaction_has_its_scope() {
        let check = |request: &str, scope: &str| {
            let interaction = asked(request);
            assert_eq!(tell(client("", None).may(&interaction)), format!("`{scope}`"), "{request}");
            assert_eq!(tell(client(scope, None).may(&interaction)), "yes", "{request}");
        };
        check("GET Patient/1", "system/Patient.r");
        check("GET Patient/1/_history/2", "system/Patient.r");
        check("GET Patient/1/_history", "system/Patient.r");
        check("GET Patient/_history", "system/Patient.s");
        check("GET _history", "system/*.s");
        check("GET Patient?name=x", "system/Patient.s");
        check("GET ?_type=Patient", "system/*.s");
        check("GET Patient/1/Observation", "system/Observation.s");
        check("POST Patient", "system/Patient.c");
        check("PUT Patient/1", "system/Patient.u");
        check("PATCH Patient/1", "system/Patient.u");
        check("DELETE Patient/1", "system/Patient.d");
        check("POST $process-message", "system/MessageHeader.c");
        check("POST Patient/$validate", "system/Patient.c");
        check("POST Patient/1/$other", "system/Patient.u");
        for open in ["GET metadata", "POST "] {
            assert_eq!(tell(client("", None).may(&asked(open))), "yes", "{open}");
        }
        let both = asked("PUT Patient?identifier=x");
        assert_eq!(tell(client("system/Patient.u", None).may(&both)), "`system/Patient.c`");
        assert_eq!(tell(client("system/Patient.cu", None).may(&both)), "`system/Patient.s`");
        assert_eq!(tell(client("system/Patient.cus", None).may(&both)), "yes");
        let export = asked("GET $export");
        assert_eq!(tell(client("system/*.r", None).may(&export)), "`system/*.s`");
        assert_eq!(tell(client("system/*.rs", None).may(&export)), "yes");
        assert_eq!(tell(client("user/*.read", None).may(&asked("GET Patient/1"))), "yes");
    }

    #[test]
    fn a_search_reaches_no_further_than_its_scopes() {
        let check = |query: &str, expected: &str| {
            let lab = client("system/Observation.rs system/Provenance.s", None);
            let asked = asked(&format!("GET Observation?{query}"));
            assert_eq!(tell(lab.may(&asked)), expected, "{query}");
        };
        check("code=x&subject=Patient/1&_count=5", "yes");
        check("_include=Observation:subject:Patient", "`system/Patient.s`");
        check("_include=Observation:subject", "`system/*.s`");
        check("_include=*", "`system/*.s`");
        check("_include=Observation:has-member:Observation", "yes");
        check("_revinclude=Provenance:target", "yes");
        check("_revinclude=AuditEvent:entity", "`system/AuditEvent.s`");
        check("_include:iterate=Observation:subject:Patient", "`system/Patient.s`");
        check("subject:Patient.name=x", "`system/Patient.s`");
        check("subject:Observation.name=x", "yes");
        check("subject:Observation.organization.name=x", "`system/*.s`");
        check("subject:Observation.organization:Organization.name=x", "`system/Organization.s`");
        check("_has:Provenance:target:_has:AuditEvent:entity:agent=x", "`system/*.s`");
        check("_has:Provenance:target:agent.name=x", "`system/*.s`");
        check("patient.name=x", "`system/*.s`");
        check("_has:Provenance:target:agent=x", "yes");
        check("_has:AuditEvent:entity:agent=x", "`system/AuditEvent.s`");
    }

    #[test]
    fn scopes_of_a_patient_stay_with_the_patient() {
        let own = client("patient/*.cruds", Some("p1"));
        let check = |request: &str, expected: &str| {
            assert_eq!(tell(own.may(&asked(request))), expected, "{request}");
        };
        check("GET Patient/p1", "yes");
        check("GET Patient/p1/_history", "yes");
        check("PUT Patient/p1", "yes");
        check("GET Patient/p1/Observation?code=x", "yes");
        check("GET Observation?patient=p1", "yes");
        check("GET Observation?patient=Patient/p1", "yes");
        check("GET Observation?patient:Patient=p1", "yes");
        check("GET Observation?subject=Patient/p1", "yes");
        check("GET Observation?subject:Patient=p1", "yes");
        check("GET Patient?_id=p1", "yes");
        check("POST Observation/$validate", "yes");
        for beyond in [
            "GET Patient/p2",
            "GET Patient/p2/Observation",
            "GET Practitioner/p1",
            "GET Practitioner/p1/Observation",
            "GET Observation/p1",
            "GET Observation",
            "GET Observation?patient=p2",
            "GET Observation?patient=p1,p2",
            "GET Observation?patient:not=p1",
            "GET Observation?subject=p1",
            "GET Observation?_id=p1",
            "GET Patient?_id=p1,p2",
            "GET Patient?_id:not=p1",
            "GET Patient?patient=p1",
            // These types have no such parameter: it would be passed over.
            "GET Patient?subject=Patient/p1",
            "GET Immunization?subject=Patient/p1",
            "GET Appointment?subject=Patient/p1",
            "GET Practitioner?patient=p1",
            "GET ?patient=p1",
            "GET Patient?name=x",
            "GET Patient/_history",
            "GET Observation?patient=p1&_include=Observation:performer:Practitioner",
            "POST Patient",
            "PATCH Observation/1",
            "DELETE Observation/1",
            "DELETE Observation?patient=p2",
            "GET Patient/$everything",
            "POST $process-message",
        ] {
            check(beyond, "W2359");
        }
        // Without a patient such a scope is worth nothing.
        let none = client("patient/*.cruds", None);
        assert_eq!(tell(none.may(&asked("GET Patient/p1"))), "`system/Patient.r`");
        assert_eq!(tell(none.may(&asked("GET Observation?patient=p1"))), "`system/Observation.s`");
    }

    #[test]
    fn a_condition_needs_what_its_search_needs() {
        let check = |interaction: &Interaction, scopes: &str, expected: &str| {
            assert_eq!(tell(client(scopes, None).may(interaction)), expected, "{scopes}");
        };
        for (request, permission) in
            [("PATCH Patient?identifier=x", "u"), ("DELETE Patient?identifier=x", "d")]
        {
            let interaction = asked(request);
            let own = format!("system/Patient.{permission}");
            check(&interaction, "system/Patient.s", &format!("`{own}`"));
            check(&interaction, &own, "`system/Patient.s`");
            check(&interaction, &format!("{own}s"), "yes");
        }
        let create = |query: &str| Interaction::Create {
            kind: "Observation",
            if_none_exist: Some(Query::parse(query).unwrap()),
        };
        let chained = create("subject:Patient.name=x");
        check(&chained, "system/Observation.c", "`system/Observation.s`");
        check(&chained, "system/Observation.cs", "`system/Patient.s`");
        check(&chained, "system/Observation.cs system/Patient.s", "yes");
        // What is sent is the patient's own; what the condition finds need not be.
        let own = client("patient/*.cruds", Some("p1"));
        let json = r#"{"resourceType":"Observation","subject":{"reference":"Patient/p1"}}"#;
        let doc = Doc::parse_json(json.into()).unwrap();
        let may = |query| tell(own.may_with(&create(query), doc.root()));
        assert_eq!(may("subject=Patient/p2&code=x"), "W2359");
        assert_eq!(may("subject=Patient/p1&code=x"), "yes");
    }

    #[test]
    fn a_message_that_is_written_one_by_one_needs_every_type() {
        let json = r#"{"resourceType":"Bundle","type":"message","entry":[
            {"resource":{"resourceType":"MessageHeader"}},
            {"resource":{"resourceType":"Patient"}}]}"#;
        let doc = Doc::parse_json(json.into()).unwrap();
        let check = |scopes: &str, patient, expected: &str| {
            let resources = crate::fhir::rest::entries(doc.root()).filter_map(|e| e.resource);
            let may = client(scopes, patient).may_write_all(resources);
            assert_eq!(tell(may), expected, "{scopes}");
        };
        check("system/MessageHeader.cu", None, "`system/Patient.c`");
        check("system/MessageHeader.cu system/Patient.c", None, "`system/Patient.u`");
        check("system/MessageHeader.cu system/Patient.cu", None, "yes");
        check("patient/*.cruds", Some("p1"), "W2359");
    }

    #[test]
    fn content_may_say_that_it_is_the_patients() {
        let own = client("patient/*.cruds", Some("p1"));
        let check = |request: &str, subject: &str, expected: &str| {
            let json = format!(
                r#"{{"resourceType":"Observation","subject":{{"reference":"Patient/{subject}"}}}}"#
            );
            let doc = Doc::parse_json(json.into()).unwrap();
            assert_eq!(tell(own.may_with(&asked(request), doc.root())), expected, "{request}");
        };
        check("POST Observation", "p1", "yes");
        check("POST Observation", "p2", "W2359");
        check("GET Observation/1", "p1", "yes");
        check("GET Observation/1/_history/1", "p1", "yes");
        check("GET Observation/1", "p2", "W2359");
        // Whose it was before cannot be told from what is sent.
        check("PUT Observation/1", "p1", "W2359");
        let reader = client("patient/*.rs", Some("p1"));
        let doc = Doc::parse_json(r#"{"resourceType":"Patient","id":"p1"}"#.into()).unwrap();
        let found = reader.may_with(&asked("POST Patient"), doc.root());
        assert_eq!(tell(found), "`system/Patient.c`");
    }

    #[test]
    fn a_missing_scope_is_named_in_the_challenge() {
        let denied = client("", None).may(&asked("POST Patient")).unwrap_err();
        let told: Vec<String> = denied.headers().map(|(n, v)| format!("{n}: {v:?}")).collect();
        assert_eq!(
            told,
            [
                r#"www-authenticate: "Bearer realm=\"weir\", error=\"insufficient_scope\", scope=\"system/Patient.c\"""#
            ]
        );
        let doc = crate::fhir::resources::outcome(&[denied.fault]);
        let code = doc.root().get("issue").unwrap().items().next().unwrap().get("code").unwrap();
        assert_eq!(code.text().as_deref(), Some("forbidden"));
    }
}
