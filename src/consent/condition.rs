//! Conditions of rules and provisions, and whether they hold for an item.

use super::code::{Code, Match};
use super::decide::Question;
use super::facts::{Item, Links, refs_type, same_reference};
use super::purpose::Kinds;
use super::time::Range;
use crate::fhir::tables;

/// A list of which one must fit; entries that could not be read may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OneOf<T> {
    pub of: Vec<T>,
    /// Whether an entry could not be read.
    pub unclear: bool,
}

impl<T> OneOf<T> {
    pub fn new(entries: impl Iterator<Item = Option<T>>) -> Self {
        let mut list = Self { of: Vec::new(), unclear: false };
        for entry in entries {
            match entry {
                Some(entry) => list.of.push(entry),
                None => list.unclear = true,
            }
        }
        list
    }

    fn best(&self, fits: impl Fn(&T) -> Match) -> Match {
        let floor = if self.unclear { Match::Unsure } else { Match::No };
        self.of.iter().map(fits).max().unwrap_or(Match::No).max(floor)
    }
}

/// What a class of a provision names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A resource type.
    Type,
    /// Every resource type.
    Any,
    /// A profile, by its URL.
    Profile,
    /// A form of documents, such as CDA.
    Form,
    /// A code of a code system.
    Code,
}

/// A class or code that a rule or provision names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Coded {
    code: Code,
    /// Looked up once, when it is made.
    kind: Kind,
}

/// Where profiles and types of FHIR have their addresses.
const DEFINITION: &str = "/StructureDefinition/";

/// The code system of forms.
const FORMS: &str = "urn:ietf:bcp:13";

/// Resources that may hold a document of any form.
const HOLDERS: [&str; 6] =
    ["Binary", "Bundle", "Composition", "DocumentReference", "Media", "Observation"];

impl Coded {
    /// Reads `system|code` or `code`.
    pub fn new(text: &str) -> Self {
        Self::of(Code::parse(text))
    }

    /// A code as a class.
    pub fn of(code: Code) -> Self {
        let text = code.code();
        let name = text.strip_prefix("http://hl7.org/fhir/StructureDefinition/").unwrap_or(text);
        let kind = match name {
            "Resource" | "DomainResource" => Kind::Any,
            name if tables::is_resource(name) => Kind::Type,
            _ if text.contains(DEFINITION) => Kind::Profile,
            _ if code.is_of(FORMS) || name.starts_with("application/") => Kind::Form,
            _ => Kind::Code,
        };
        let named = if kind == Kind::Type && name.len() < text.len() {
            Code::parse(name)
        } else {
            code.clone()
        };
        Self { code: named, kind }
    }
}

/// One recipient that a condition names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Recipient {
    /// A text with `*` for any letters, in the pieces between them.
    Glob(Vec<Box<str>>),
    /// A reference or identifier.
    Exact(Box<str>),
    /// A reference on some server: it may be the recipient of the same type and id.
    Elsewhere {
        /// The address.
        url: Box<str>,
        /// `Organization/hie`.
        tail: Box<str>,
    },
    /// Somebody who cannot be told.
    Somebody,
}

impl Recipient {
    /// A pattern of a policy.
    pub fn pattern(text: &str) -> Self {
        if text.contains('*') {
            Self::Glob(text.split('*').map(Into::into).collect())
        } else {
            Self::Exact(text.into())
        }
    }

    /// A reference of FHIR, without its version.
    pub fn reference(text: &str) -> Self {
        let text = text.split("/_history/").next().unwrap_or_default();
        // Within the resource, by UUID, or a group: who is behind it is not told here.
        let hidden = ["#", "urn:", "Group/", "CareTeam/"];
        if hidden.iter().any(|start| text.starts_with(start)) {
            return Self::Somebody;
        }
        if !text.contains("://") {
            return Self::Exact(text.into());
        }
        let start = text.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
        Self::Elsewhere { url: text.into(), tail: text.get(start..).unwrap_or(text).into() }
    }

    fn is(&self, recipient: &str) -> Match {
        match self {
            Self::Exact(text) => Match::from(**text == *recipient),
            Self::Glob(pieces) => Match::from(glob(pieces, recipient)),
            Self::Elsewhere { url, .. } if **url == *recipient => Match::Yes,
            Self::Elsewhere { tail, .. } if **tail == *recipient => Match::Unsure,
            Self::Elsewhere { .. } => Match::No,
            Self::Somebody => Match::Unsure,
        }
    }

    /// Whether everybody that `other` names is named by this, as far as texts tell.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Glob(pieces), Self::Exact(text)) => glob(pieces, text),
            (Self::Glob(pieces), _) if pieces.iter().all(|piece| piece.is_empty()) => true,
            _ => self == other,
        }
    }
}

/// Whether a text has the pieces in order, the first at its start, the last at its end.
fn glob(pieces: &[Box<str>], text: &str) -> bool {
    let (Some((first, rest)), last) = (pieces.split_first(), pieces.last()) else { return false };
    let Some(mut text) = text.strip_prefix(&**first) else { return false };
    let Some((last, middle)) = last.zip(rest.split_last()).map(|(last, (_, mid))| (last, mid))
    else {
        return text.is_empty();
    };
    for piece in middle {
        let Some(at) = text.find(&**piece) else { return false };
        text = text.get(at + piece.len()..).unwrap_or_default();
    }
    text.ends_with(&**last)
}

/// How a provision means a piece of data that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// This one.
    Instance,
    /// This one and what refers to it.
    Related,
    /// What this one made.
    AuthoredBy,
    /// Anything else, which cannot be told.
    Other,
}

/// A piece of data that a provision names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DataRef {
    /// `Observation/42`.
    pub reference: Box<str>,
    pub meaning: Meaning,
}

/// What must hold for a rule or provision to apply; what is none holds always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    pub recipients: Option<OneOf<Recipient>>,
    pub actions: Option<OneOf<Box<str>>>,
    pub purposes: Option<OneOf<Kinds>>,
    pub classes: Option<OneOf<Coded>>,
    pub labels: Option<OneOf<Code>>,
    pub codes: Option<OneOf<Code>>,
    pub data: Option<OneOf<DataRef>>,
    pub data_period: Option<Range>,
}

/// Actions that sending is: disclosing for us, access for the recipient.
const SENDING: [&str; 2] = ["access", "disclose"];

fn action(own: &str, asked: &str) -> Match {
    let sending = SENDING.contains(&own);
    match asked {
        _ if own == asked => Match::Yes,
        "" if sending => Match::Yes,
        "" => Match::Unsure,
        asked => Match::from(sending && SENDING.contains(&asked)),
    }
}

fn class(own: &Coded, item: &Item) -> Match {
    match own.kind {
        Kind::Any => Match::Yes,
        Kind::Type => item.is_class(own.code.code()),
        // A resource may be as a profile wants it without saying so.
        Kind::Profile => {
            let text = own.code.code();
            let says = item.profiles.iter().any(|p| p.split('|').next() == text.split('|').next());
            if says { Match::Yes } else { Match::Unsure }
        }
        Kind::Form => {
            let holds = HOLDERS.iter().any(|holder| item.is_class(holder) != Match::No);
            if holds { Match::Unsure } else { Match::No }
        }
        Kind::Code => codes(&own.code, item),
    }
}

/// Codes: sure when the item is about one that is listed; possible when one stands
/// elsewhere in it, or when nothing it is about can be compared.
fn codes(own: &Code, item: &Item) -> Match {
    let Some(main) = &item.codes else { return Match::Unsure };
    let best = main.iter().map(|code| own.is(code)).max().unwrap_or(Match::No);
    let vague = item.unclear || !main.is_empty() && !main.iter().any(|code| own.compares(code));
    let within = || item.inner.iter().any(|code| own.is(code) != Match::No);
    if best == Match::No && (vague || within()) { Match::Unsure } else { best }
}

/// Labels: sure when all labels of the systems spoken of are listed; possible when one is,
/// or a milder confidentiality than the item has.
fn labels(list: &OneOf<Code>, item: &Item) -> Match {
    let labels = &item.labels.codes;
    let best = |label: &Code| list.of.iter().map(|own| own.is(label)).max();
    let listed = |label: &Code| best(label) == Some(Match::Yes);
    let maybe = |label: &Code| {
        best(label) > Some(Match::No) || list.of.iter().any(|own| own.milder_than(label))
    };
    let spoken = |label: &Code| list.of.iter().any(|own| own.speaks_of(label));
    let all = labels.iter().all(|label| listed(label) || !spoken(label));
    let unclear = list.unclear || item.labels.unclear;
    if labels.iter().any(listed) && all && !item.labels.unclear {
        Match::Yes
    } else if unclear || labels.iter().any(maybe) {
        Match::Unsure
    } else {
        Match::No
    }
}

fn data(own: &DataRef, item: &Item) -> Match {
    let among = |list: &Option<Links>| {
        list.as_ref().map_or(Match::Unsure, |links| links.mean(&own.reference))
    };
    match own.meaning {
        Meaning::Instance => itself(own, item),
        Meaning::Related => itself(own, item).max(among(&item.links)),
        Meaning::AuthoredBy => among(&item.authors),
        Meaning::Other => Match::Unsure,
    }
}

/// Whether the piece of data is the item itself.
fn itself(own: &DataRef, item: &Item) -> Match {
    let names: Vec<Match> = [&item.reference, &item.full_url]
        .into_iter()
        .flatten()
        .map(|name| same_reference(&own.reference, name))
        .collect();
    match (names.iter().max(), refs_type(&own.reference)) {
        (Some(Match::Yes), _) => Match::Yes,
        (_, Some(class)) if item.is_class(class) == Match::No => Match::No,
        // An id of its own that is another one settles it; a `urn:` of the Bundle does not.
        (Some(_), Some(_)) if item.reference.is_some() => {
            let own_name = item.reference.as_deref().unwrap_or_default();
            same_reference(&own.reference, own_name)
        }
        _ => Match::Unsure,
    }
}

fn when(own: &Range, item: &Item) -> Match {
    match &item.period {
        Some(period) if own.covers(period) => Match::Yes,
        Some(period) if !own.meets(period) => Match::No,
        _ => Match::Unsure,
    }
}

impl Conditions {
    /// Whether all of them hold for one item of a content.
    pub fn hold(&self, question: &Question<'_>, item: &Item) -> Match {
        fn of<T>(list: Option<&T>, check: impl FnOnce(&T) -> Match) -> Match {
            list.map_or(Match::Yes, check)
        }
        let asked = of(self.recipients.as_ref(), |l| l.best(|r| r.is(question.recipient)))
            .and(of(self.purposes.as_ref(), |l| {
                l.best(|purpose| Match::from(purpose.has(question.purpose)))
            }))
            .and(of(self.actions.as_ref(), |l| l.best(|own| action(own, question.action))));
        if asked == Match::No {
            return Match::No;
        }
        asked
            .and(of(self.classes.as_ref(), |l| l.best(|own| class(own, item))))
            .and(of(self.labels.as_ref(), |l| labels(l, item)))
            .and(of(self.codes.as_ref(), |l| l.best(|own| codes(own, item))))
            .and(of(self.data.as_ref(), |l| l.best(|own| data(own, item))))
            .and(of(self.data_period.as_ref(), |own| when(own, item)))
    }

    /// Whether they hold wherever those of `other` do, as far as texts tell: only what a
    /// policy's rule can say is compared.
    pub fn covers(&self, other: &Self) -> bool {
        fn wider<T>(
            own: Option<&OneOf<T>>,
            other: Option<&OneOf<T>>,
            covers: impl Fn(&T, &T) -> bool,
        ) -> bool {
            match (own, other) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(own), Some(other)) => {
                    other.of.iter().all(|o| own.of.iter().any(|own| covers(own, o)))
                }
            }
        }
        wider(self.recipients.as_ref(), other.recipients.as_ref(), Recipient::covers)
            && wider(self.purposes.as_ref(), other.purposes.as_ref(), Kinds::covers)
            && wider(self.classes.as_ref(), other.classes.as_ref(), |a, b| a == b)
            && wider(self.labels.as_ref(), other.labels.as_ref(), |a, b| a == b)
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::{Facts, Labels};
    use super::*;
    use Match::{No, Unsure, Yes};

    fn one<T>(of: Vec<T>) -> Option<OneOf<T>> {
        Some(OneOf { of, unclear: false })
    }

    #[test]
    fn recipients_match_by_text_glob_and_reference() {
        let check = |own: Recipient, recipient: &str, expected| {
            assert_eq!(own.is(recipient), expected, "{own:?} {recipient}");
        };
        let pattern = Recipient::pattern;
        check(pattern("Organization/hie"), "Organization/hie", Yes);
        check(pattern("Organization/hie"), "Organization/hie2", No);
        check(pattern("Organization/*"), "Organization/hie", Yes);
        check(pattern("*"), "", Yes);
        check(pattern("*-lab"), "north-lab", Yes);
        check(pattern("*-lab"), "north-lab-2", No);
        check(pattern("a*b*c"), "a-b-c", Yes);
        check(pattern("a*b*c"), "a-c-b", No);
        check(pattern("a*a"), "a", No);
        check(pattern("a*"), "b", No);
        let reference = Recipient::reference;
        check(reference("Organization/hie/_history/3"), "Organization/hie", Yes);
        check(reference("https://x.org/fhir/Organization/1"), "Organization/1", Unsure);
        check(
            reference("https://x.org/fhir/Organization/1"),
            "https://x.org/fhir/Organization/1",
            Yes,
        );
        check(reference("https://x.org/fhir/Organization/1"), "Organization/2", No);
        check(Recipient::Somebody, "Organization/2", Unsure);
        assert!(!glob(&[], "x"));
        assert!(glob(&["x".into()], "x") && !glob(&["x".into()], "xy"));
        assert!(pattern("*").covers(&pattern("a*")) && !pattern("a*").covers(&pattern("*")));
        assert!(pattern("a*").covers(&pattern("ab")) && pattern("a").covers(&pattern("a")));
    }

    #[test]
    fn actions_of_sending_are_one() {
        let check = |own, asked, expected| assert_eq!(action(own, asked), expected, "{own}");
        check("access", "disclose", Yes);
        check("disclose", "access", Yes);
        check("use", "use", Yes);
        check("use", "disclose", No);
        check("access", "use", No);
        check("access", "", Yes);
        check("collect", "", Unsure);
    }

    fn item() -> Item {
        let mut item = Facts::from_classes(&["Observation"], &["urn:c|N", "urn:s|HIV", "X"])
            .items()[0]
            .clone();
        item.codes = Some(vec![Code::parse("urn:l|1")]);
        item
    }

    fn patient() -> Item {
        Facts::from_classes(&["Patient"], &[]).items()[0].clone()
    }

    #[test]
    fn classes_codes_and_labels() {
        let item = item();
        let none = Item::default();
        let check = |own: &str, item: &Item, expected| {
            assert_eq!(class(&Coded::new(own), item), expected, "{own}");
        };
        check("Observation", &item, Yes);
        check("http://hl7.org/fhir/resource-types|Observation", &item, Yes);
        check("Patient", &item, No);
        check("Patient", &none, Unsure);
        check("urn:l|1", &item, Yes);
        check("1", &item, Yes);
        check("urn:m|1", &item, Unsure);
        check("urn:m|1", &none, Unsure);
        check("http://hl7.org/fhir/StructureDefinition/Observation", &item, Yes);
        check("http://hl7.org/fhir/StructureDefinition/Patient", &item, No);
        check("http://hl7.org/fhir/StructureDefinition/lipidprofile", &item, Unsure);
        check("Resource", &none, Yes);
        check("urn:ietf:bcp:13|application/hl7-cda+xml", &item, Unsure);
        check("urn:ietf:bcp:13|application/hl7-cda+xml", &patient(), No);
        let mut profiled = item.clone();
        profiled.profiles = vec!["http://x.org/StructureDefinition/a|1".into()];
        check("http://x.org/StructureDefinition/a", &profiled, Yes);
        check("http://x.org/StructureDefinition/b", &profiled, Unsure);
        let check = |list: &[&str], unclear, expected| {
            let of = list.iter().map(|text| Code::parse(text)).collect();
            assert_eq!(labels(&OneOf { of, unclear }, &item), expected, "{list:?}");
        };
        check(&["urn:c|N", "X"], false, Unsure);
        check(&["urn:c|N", "urn:c|R", "X", "HIV"], false, Yes);
        check(&["urn:s|HIV"], false, Unsure);
        check(&["urn:c|R"], false, No);
        check(&["urn:c|R"], true, Unsure);
        let mut plain = item.clone();
        plain.labels.codes = vec![Code::parse("urn:c|N"), Code::parse("urn:s|HIV")];
        let normal = OneOf { of: vec![Code::parse("urn:c|N")], unclear: false };
        assert_eq!(labels(&normal, &plain), Yes, "other systems are not spoken of");
        assert_eq!(labels(&normal, &none), No);
        plain.labels.unclear = true;
        assert_eq!(labels(&normal, &plain), Unsure);
        plain.labels = Labels { codes: vec![Code::parse("V")], unclear: false };
        let restricted = OneOf { of: vec![Code::parse("R")], unclear: false };
        assert_eq!(labels(&restricted, &plain), Unsure, "what is stricter is meant, too");
    }

    #[test]
    fn codes_that_cannot_be_compared_may_be_meant() {
        let check = |own: &str, main: &[&str], inner: &[&str], unclear, expected| {
            let all = |list: &[&str]| list.iter().map(|text| Code::parse(text)).collect();
            let item =
                Item { codes: Some(all(main)), inner: all(inner), unclear, ..Item::default() };
            assert_eq!(codes(&Code::parse(own), &item), expected, "{own} {main:?} {inner:?}");
        };
        check("http://loinc.org|1", &["LN|1"], &[], true, Yes);
        check("http://loinc.org|1", &["LN|2"], &[], false, No);
        check("http://loinc.org|1", &["LN|2", "L|x"], &[], false, No);
        check("http://loinc.org|1", &["L|x"], &[], false, Unsure);
        check("http://loinc.org|1", &["x"], &[], false, Unsure);
        check("http://loinc.org|1", &[], &[], false, No);
        check("http://loinc.org|1", &[], &[], true, Unsure);
        check("http://loinc.org|1", &["LN|2"], &["LN|1"], false, Unsure);
        check("http://loinc.org|1", &["LN|2"], &["LN|3"], false, No);
        check("http://loinc.org|1", &["LN|2"], &[], true, Unsure);
    }

    #[test]
    fn data_is_named_by_reference_and_time() {
        let own = |reference: &str, exact: bool| DataRef {
            reference: reference.into(),
            meaning: if exact { Meaning::Instance } else { Meaning::Other },
        };
        let meant = |meaning| DataRef { reference: "Encounter/1".into(), meaning };
        let mut item = item();
        assert_eq!(data(&own("Observation/1", true), &item), Unsure);
        assert_eq!(data(&own("Encounter/1", true), &item), No);
        assert_eq!(data(&own("Encounter/1", false), &item), Unsure);
        assert_eq!(data(&own("Encounter/1", true), &Item::default()), Unsure);
        item.reference = Some("Observation/1".into());
        assert_eq!(data(&meant(Meaning::Related), &item), Unsure);
        assert_eq!(data(&meant(Meaning::AuthoredBy), &item), Unsure);
        item.links = Some(Links { refs: vec!["Encounter/1".into()], ..Links::default() });
        item.authors = Some(Links::default());
        assert_eq!(data(&meant(Meaning::Related), &item), Yes);
        assert_eq!(data(&meant(Meaning::AuthoredBy), &item), No);
        assert_eq!(data(&own("Observation/1", true), &item), Yes);
        assert_eq!(data(&own("Observation/2", true), &item), No);
        let check = |reference: &str, own_id: Option<&str>, url: Option<&str>, expected| {
            let mut item = item.clone();
            (item.reference, item.full_url) = (own_id.map(Into::into), url.map(Into::into));
            assert_eq!(data(&own(reference, true), &item), expected, "{reference} {url:?}");
        };
        check("Observation/1/_history/2", Some("Observation/1"), None, Yes);
        check("https://x.org/Observation/1", Some("Observation/1"), None, Unsure);
        let url = Some("https://x.org/Observation/1");
        check("https://x.org/Observation/1", None, url, Yes);
        check("Observation/1", None, url, Unsure);
        check("https://x.org/Observation/2", Some("Observation/1"), url, No);
        check("urn:uuid:a", Some("Observation/1"), Some("urn:uuid:a"), Yes);
        check("urn:uuid:b", Some("Observation/1"), Some("urn:uuid:a"), Unsure);
        check("Observation/2", Some("Observation/1"), Some("urn:uuid:a"), No);
        check("Observation/2", None, Some("urn:uuid:a"), Unsure);
        check("Encounter/2", None, Some("urn:uuid:a"), No);
        check("#x", Some("Observation/1"), None, Unsure);
        let year = super::super::time::moment("2026").unwrap();
        assert_eq!(when(&year, &item), Unsure);
        for (text, expected) in [("2026-02", Yes), ("2025", No)] {
            item.period = super::super::time::moment(text);
            assert_eq!(when(&year, &item), expected, "{text}");
        }
        item.period = Some(Range { start: year.start, end: None });
        assert_eq!(when(&year, &item), Unsure);
    }

    #[test]
    fn all_conditions_must_hold() {
        let facts = Facts::default();
        let question = Question {
            recipient: "Organization/hie",
            purpose: "ETREAT",
            content: &facts,
            ..Question::new(&facts)
        };
        let hold = |conditions: &Conditions| conditions.hold(&question, &item());
        let mut conditions = Conditions::default();
        assert_eq!(hold(&conditions), Yes);
        conditions.purposes = one(vec![Kinds::of("TREAT")]);
        conditions.classes = one(vec![Coded::new("Observation")]);
        conditions.codes = one(vec![Code::parse("1")]);
        assert_eq!(hold(&conditions), Yes);
        conditions.data = one(vec![DataRef { reference: "a".into(), meaning: Meaning::Other }]);
        conditions.data_period = Some(Range::default());
        assert_eq!(hold(&conditions), Unsure);
        conditions.actions = Some(OneOf::new([None].into_iter()));
        conditions.labels = one(vec![Code::parse("X")]);
        assert_eq!(hold(&conditions), Unsure);
        conditions.recipients = one(vec![Recipient::pattern("other")]);
        assert_eq!(hold(&conditions), No);
    }

    #[test]
    fn wider_conditions_cover_narrower_ones() {
        let wide = Conditions {
            purposes: one(vec![Kinds::of("TREAT")]),
            recipients: one(vec![Recipient::pattern("Organization/*")]),
            ..Conditions::default()
        };
        let narrow = Conditions {
            purposes: one(vec![Kinds::of("ETREAT")]),
            recipients: one(vec![Recipient::pattern("Organization/hie")]),
            classes: one(vec![Coded::new("Patient")]),
            labels: one(vec![Code::parse("R")]),
            ..Conditions::default()
        };
        assert!(wide.covers(&narrow) && !narrow.covers(&wide) && narrow.covers(&narrow));
        assert!(Conditions::default().covers(&wide) && !wide.covers(&Conditions::default()));
    }
}
