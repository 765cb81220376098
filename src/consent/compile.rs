//! FHIR R4 Consent to [`Directive`].
//!
//! The base is `policyRule` (OPTIN, OPTOUT) or the type of the root provision; provisions
//! within another are exceptions to it. With both, the root is an exception to the base,
//! but for an OPTIN with a permit at the root: there the narrower permit is what holds.

use std::sync::Arc;

use super::accept::patients_of;
use super::code::{Code as Coding, concepts};
use super::condition::{Coded, Conditions, DataRef, Meaning, OneOf, Recipient};
use super::directive::{
    Answer, Directive, Inner, PROVISION_DEPTH_MAX, PROVISIONS_MAX, Provision, Scope,
};
use super::facts::period;
use super::purpose::Kinds;
use super::time::{Range, moment};
use crate::fault::codes::{W3010, W3011, W3013, W3014, W3015};
use crate::fault::{Code, Fault, Place};
use crate::fhir::{Doc, Node};
use crate::message::{PatientKey, RuleRef};

const SCOPES: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
const REASONS: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";

/// Members of a Consent in R4.
const CONSENT_MEMBERS: &[&str] = &[
    "resourceType",
    "id",
    "meta",
    "implicitRules",
    "language",
    "text",
    "contained",
    "extension",
    "identifier",
    "status",
    "scope",
    "category",
    "patient",
    "dateTime",
    "performer",
    "organization",
    "sourceAttachment",
    "sourceReference",
    "policy",
    "policyRule",
    "verification",
    "provision",
];

/// Members of a provision in R4.
const PROVISION_MEMBERS: &[&str] = &[
    "id",
    "extension",
    "type",
    "period",
    "actor",
    "action",
    "securityLabel",
    "purpose",
    "class",
    "code",
    "dataPeriod",
    "data",
    "provision",
];

/// Roles of actors that are not the recipient: author, custodian, subject and the like.
const OTHER_ROLES: &[&str] = &[
    "AUT",
    "CST",
    "ENT",
    "INF",
    "SBJ",
    "RCT",
    "LA",
    "PPRF",
    "PRF",
    "CONSENTER",
    "CONSENTOR",
    "GRANTOR",
    "DELEGATOR",
];

fn at(code: Code, node: Node<'_>) -> Fault {
    Fault::new(code).at(Place::path(node.path()))
}

/// Refuses what could change the meaning: modifier extensions anywhere.
fn check_modifiers(node: Node<'_>) -> Result<(), Fault> {
    if node.name() == Some("modifierExtension") {
        return Err(at(W3011, node).because("a modifier extension"));
    }
    let children = node.members().map(|(_, child)| child).chain(node.items());
    children.into_iter().try_for_each(check_modifiers)
}

/// Refuses members that are not known or stand twice.
fn check_members(node: Node<'_>, known: &[&str]) -> Result<(), Fault> {
    let mut seen: Vec<&str> = Vec::new();
    for (name, member) in node.members() {
        if !known.contains(&name.strip_prefix('_').unwrap_or(name)) {
            return Err(at(W3011, member).because("an element that R4 does not have here"));
        }
        if seen.contains(&name) {
            return Err(at(W3011, member).because("an element that stands twice"));
        }
        seen.push(name);
    }
    Ok(())
}

/// Codes of a CodeableConcept, as `system|code` or `code`.
fn codes_of(concept: Node<'_>) -> Vec<Arc<str>> {
    let codings = concept.get("coding");
    codings.iter().flat_map(|list| list.each()).filter_map(coding).collect()
}

/// `system|code` of a coding, or `code`.
fn coding(node: Node<'_>) -> Option<Arc<str>> {
    let code = node.get("code")?.string()?;
    Some(match node.get("system").and_then(|system| system.string()) {
        Some(system) => format!("{system}|{code}").into(),
        None => Arc::from(&*code),
    })
}

fn scope_of(consent: Node<'_>) -> Scope {
    let categories = consent.get("category").into_iter().flat_map(Node::each);
    let own = consent.get("scope").map(codes_of).unwrap_or_default();
    let of_category: Vec<Arc<str>> = categories
        .flat_map(codes_of)
        .filter(|code| code.rsplit_once('|').is_some_and(|(system, _)| system == SCOPES))
        .collect();
    let named = consent.get("scope").is_some() || !of_category.is_empty();
    let codes: Vec<&str> =
        own.iter().chain(&of_category).map(|c| c.rsplit('|').next().unwrap_or_default()).collect();
    match () {
        () if codes.contains(&"patient-privacy") || !named => Scope::Privacy,
        () if codes.contains(&"research") => Scope::Research,
        () if codes.iter().any(|c| matches!(*c, "treatment" | "adr")) => Scope::Care,
        () => Scope::Other,
    }
}

/// The base that `policyRule` gives.
fn base_of(consent: Node<'_>) -> Option<Answer> {
    let codes = consent.get("policyRule").map(codes_of).unwrap_or_default();
    let base = |code: &Arc<str>| match code.rsplit('|').next() {
        Some("OPTIN" | "OPTINR") => Some(Answer::Permit),
        Some("OPTOUT" | "OPTOUTE") => Some(Answer::Deny),
        _ => None,
    };
    let answers: Vec<Answer> = codes.iter().filter_map(base).collect();
    answers.iter().find(|a| **a == Answer::Deny).or(answers.first()).copied()
}

fn answer_of(provision: Node<'_>) -> Result<Option<Answer>, Fault> {
    let Some(kind) = provision.get("type") else { return Ok(None) };
    match kind.string().as_deref() {
        Some("permit") => Ok(Some(Answer::Permit)),
        Some("deny") => Ok(Some(Answer::Deny)),
        _ => Err(at(W3011, kind).because("neither `permit` nor `deny`")),
    }
}

/// A member as a list of which one must fit; none when it is not there.
fn one_of<'d, T>(
    node: Node<'d>,
    name: &str,
    read: impl FnMut(Node<'d>) -> Vec<Option<T>>,
) -> Option<OneOf<T>> {
    let member = node.get(name)?;
    Some(OneOf::new(member.each().flat_map(read)))
}

/// Entries of a concept: its codes, or one that could not be read.
fn coded(concept: Node<'_>) -> Vec<Option<Coding>> {
    let mut codes = Vec::new();
    let unclear = concepts(concept, &mut codes);
    codes.into_iter().map(Some).chain(unclear.then_some(None)).collect()
}

/// Whom an actor stands for: its reference and identifier.
fn actor(node: Node<'_>) -> Vec<Option<Recipient>> {
    let roles = node.get("role").map(codes_of).unwrap_or_default();
    let other = |role: &Arc<str>| OTHER_ROLES.contains(&role.rsplit('|').next().unwrap_or(role));
    let Some(reference) = node.get("reference").filter(|_| !roles.iter().any(other)) else {
        return vec![Some(Recipient::Somebody)];
    };
    let mut names: Vec<Option<Recipient>> = Vec::new();
    if let Some(text) = reference.get("reference").and_then(|text| text.string()) {
        names.push(Some(Recipient::reference(&text)));
    }
    if let Some((value, system)) = reference.get("identifier").and_then(identifier) {
        names.push(Some(Recipient::Exact(value.as_str().into())));
        names.extend(system.map(|s| Some(Recipient::Exact(format!("{s}|{value}").into()))));
    }
    if names.is_empty() {
        names.push(Some(Recipient::Somebody));
    }
    names
}

/// Value and system of an Identifier that has a value.
pub(super) fn identifier(node: Node<'_>) -> Option<(String, Option<String>)> {
    let value = node.get("value")?.string()?.trim().to_owned();
    let system = node.get("system").and_then(|s| s.string()).map(|s| s.into_owned());
    (!value.is_empty()).then_some((value, system))
}

/// A purpose: a code of PurposeOfUse, or something that cannot be compared.
fn purpose(node: Node<'_>) -> Vec<Option<Kinds>> {
    let ours = node.get("system").is_none_or(|s| s.string().as_deref() == Some(REASONS));
    let code = node.get("code").and_then(|code| code.string()).filter(|_| ours);
    vec![code.map(|code| Kinds::of(&code))]
}

fn data(node: Node<'_>) -> Vec<Option<DataRef>> {
    let reference = node.get("reference").and_then(|r| r.get("reference")?.string());
    let meaning = match node.get("meaning").and_then(|meaning| meaning.string()).as_deref() {
        Some("instance") => Meaning::Instance,
        Some("related") => Meaning::Related,
        Some("authoredby") => Meaning::AuthoredBy,
        _ => Meaning::Other,
    };
    vec![reference.map(|reference| DataRef { reference: (*reference).into(), meaning })]
}

fn range(provision: Node<'_>, name: &str) -> Result<Option<Range>, Fault> {
    let Some(node) = provision.get(name) else { return Ok(None) };
    let read = if node.string().is_some() { None } else { period(node) };
    read.map(Some).ok_or_else(|| at(W3015, node))
}

/// Compiles provisions of one Consent.
struct Compiler {
    id: Arc<str>,
    version: Arc<str>,
    left: usize,
}

impl Compiler {
    fn rule(&self, place: &str) -> RuleRef {
        let name = format!("Consent/{}#{place}", self.id);
        RuleRef { name: name.into(), version: self.version.clone() }
    }

    fn provision(&mut self, node: Node<'_>, place: &str, depth: usize) -> Result<Provision, Fault> {
        self.left = self.left.checked_sub(1).ok_or_else(|| at(W3014, node))?;
        if depth == 0 {
            return Err(at(W3014, node));
        }
        check_members(node, PROVISION_MEMBERS)?;
        let mut nested = Vec::new();
        let inner = node.get("provision").into_iter().flat_map(Node::each);
        for (number, inner) in inner.enumerate() {
            let place = format!("{place}.provision[{number}]");
            let provision = self.provision(inner, &place, depth - 1)?;
            if provision.answer.is_none() {
                return Err(at(W3013, inner).because("a provision within another needs a type"));
            }
            nested.push(provision);
        }
        let action = |concept| match codes_of(concept) {
            codes if codes.is_empty() => vec![None],
            codes => codes.iter().map(|c| c.rsplit('|').next().map(Into::into)).collect(),
        };

        Ok(Provision {
            rule: self.rule(place),
            answer: answer_of(node)?,
            period: range(node, "period")?.unwrap_or_default(),
            conditions: Conditions {
                recipients: one_of(node, "actor", actor),
                actions: one_of(node, "action", action),
                purposes: one_of(node, "purpose", purpose),
                classes: one_of(node, "class", |node| vec![Coding::of(node).map(Coded::of)]),
                labels: one_of(node, "securityLabel", |node| vec![Coding::of(node)]),
                codes: one_of(node, "code", coded),
                data: one_of(node, "data", data),
                data_period: range(node, "dataPeriod")?,
            },
            nested,
        })
    }

    fn root(&mut self, consent: Node<'_>) -> Result<Provision, Fault> {
        let base = base_of(consent);
        let empty = |compiler: &Self, place: &str| Provision {
            rule: compiler.rule(place),
            answer: base,
            period: Range::default(),
            conditions: Conditions::default(),
            nested: Vec::new(),
        };
        let Some(node) = consent.get("provision") else {
            return match base {
                Some(_) => Ok(empty(self, "policyRule")),
                None => Err(at(W3013, consent)),
            };
        };
        let mut root = self.provision(node, "provision", PROVISION_DEPTH_MAX)?;
        match (base, root.answer) {
            (None, None) if root.nested.is_empty() => Err(at(W3013, node)),
            (None, _) | (Some(Answer::Permit), Some(Answer::Permit)) => Ok(root),
            (Some(_), None) => {
                root.answer = base;
                Ok(root)
            }
            (Some(_), Some(_)) => Ok(Provision { nested: vec![root], ..empty(self, "policyRule") }),
        }
    }
}

/// Whether a status binds; an unknown one is refused.
fn is_active(consent: Node<'_>) -> Result<bool, Fault> {
    let status = consent.get("status").and_then(|status| status.string());
    match status.as_deref() {
        Some("active") => Ok(true),
        Some("draft" | "proposed" | "rejected" | "inactive" | "entered-in-error") => Ok(false),
        Some(_) => Err(at(W3011, consent).because("a status that R4 does not have")),
        None => Err(at(W3010, consent).because("it has no status")),
    }
}

impl Directive {
    /// Compiles a FHIR R4 Consent; also names the patients it binds, as [`patients_of`].
    ///
    /// Only an active consent binds; of any other nothing is kept but that it is there.
    ///
    /// # Errors
    /// `W3010` when it is no Consent, `W3011` when it holds something that may change its
    /// meaning and is not understood (modifier extensions, implicit rules, members or codes
    /// that R4 does not have), `W3012` without patient, `W3013` when it says nothing,
    /// `W3014` beyond the limits, `W3015` for a period that cannot be read.
    pub fn compile(
        consent: &Doc,
        id: &str,
        version: u64,
    ) -> Result<(Self, Vec<PatientKey>), Fault> {
        let root = consent.root();
        if root.resource_type().as_deref() != Some("Consent") {
            return Err(Fault::new(W3010).because("it is another resource"));
        }
        check_members(root, CONSENT_MEMBERS)?;
        check_modifiers(root)?;
        if let Some(rules) = root.get("implicitRules") {
            return Err(at(W3011, rules).because("implicit rules"));
        }
        let patients = patients_of(root)?;
        let issued = match root.get("dateTime") {
            None => None,
            Some(node) => {
                let read = node.string().and_then(|text| moment(&text));
                read.ok_or_else(|| at(W3015, node))?.start
            }
        };
        let mut compiler =
            Compiler { id: id.into(), version: version.to_string().into(), left: PROVISIONS_MAX };
        let provision = match is_active(root)? {
            true => Some(compiler.root(root)?),
            false => None,
        };
        let inner =
            Inner { id: id.into(), version, scope: scope_of(root), issued, root: provision };
        Ok((Self(Arc::new(inner)), patients))
    }
}
