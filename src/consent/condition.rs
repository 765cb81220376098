//! Conditions of rules and provisions, and the three answers they give.

use super::decide::Question;
use super::facts::Item;
use super::purpose::Kinds;
use super::time::Range;
use crate::fhir::tables;

/// Whether something applies. What cannot be checked is not taken for either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    /// It does not.
    No,
    /// It may.
    Unsure,
    /// It does.
    Yes,
}

impl Match {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }

    /// Both.
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }
}

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

/// A code, with its system where one was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Coded {
    system: Option<Box<str>>,
    code: Box<str>,
    /// Whether the code is the name of a resource type: looked up once, when it is made.
    is_class: bool,
}

impl Coded {
    /// Reads `system|code` or `code`.
    pub fn new(text: &str) -> Self {
        let (system, code) = split(text);
        let is_class = tables::is_resource(code);
        Self { system: system.map(Into::into), code: code.into(), is_class }
    }

    /// Whether `system|code` or `code` is it; a missing system fits every other.
    fn is(&self, text: &str) -> bool {
        let (system, code) = split(text);
        *self.code == *code && self.same_system(system)
    }

    fn same_system(&self, system: Option<&str>) -> bool {
        match (&self.system, system) {
            (Some(own), Some(other)) => **own == *other,
            _ => true,
        }
    }
}

fn split(text: &str) -> (Option<&str>, &str) {
    text.rsplit_once('|').map_or((None, text), |(system, code)| (Some(system), code))
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
    pub labels: Option<OneOf<Coded>>,
    pub codes: Option<OneOf<Coded>>,
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
    if own.is_class {
        return item.class.as_deref().map_or(Match::Unsure, |class| Match::from(own.is(class)));
    }
    codes(own, item)
}

fn codes(own: &Coded, item: &Item) -> Match {
    let codes = item.codes.as_ref();
    codes.map_or(Match::Unsure, |codes| Match::from(codes.iter().any(|code| own.is(code))))
}

/// Labels: sure when all labels of the systems spoken of are listed, possible when one is.
fn labels(list: &OneOf<Coded>, item: &Item) -> Match {
    let listed = |label: &str| list.of.iter().any(|own| own.is(label));
    let spoken = |label: &str| list.of.iter().any(|own| own.same_system(split(label).0));
    let any = item.labels.iter().any(|label| listed(label));
    let all = item.labels.iter().all(|label| listed(label) || !spoken(label));
    match (any, all) {
        (true, true) => Match::Yes,
        (true, false) => Match::Unsure,
        (false, _) if list.unclear => Match::Unsure,
        (false, _) => Match::No,
    }
}

fn data(own: &DataRef, item: &Item) -> Match {
    let among = |list: &Option<Vec<std::sync::Arc<str>>>| {
        let has = |list: &Vec<std::sync::Arc<str>>| list.iter().any(|r| **r == *own.reference);
        list.as_ref().map_or(Match::Unsure, |list| Match::from(has(list)))
    };
    let itself = || match (&item.reference, &item.class) {
        (Some(reference), _) => Match::from(*own.reference == **reference),
        (None, Some(class)) if own.reference.split('/').next() != Some(&**class) => Match::No,
        (None, _) => Match::Unsure,
    };
    match own.meaning {
        Meaning::Instance => itself(),
        Meaning::Related => itself().max(among(&item.links)),
        Meaning::AuthoredBy => among(&item.authors),
        Meaning::Other => Match::Unsure,
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
    use super::super::facts::Facts;
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
        item.codes = Some(vec!["urn:l|1".into()]);
        item
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
        check("urn:m|1", &item, No);
        check("urn:m|1", &none, Unsure);
        let check = |list: &[&str], unclear, expected| {
            let of = list.iter().map(|text| Coded::new(text)).collect();
            assert_eq!(labels(&OneOf { of, unclear }, &item), expected, "{list:?}");
        };
        check(&["urn:c|N", "X"], false, Unsure);
        check(&["urn:c|N", "urn:c|R", "X", "HIV"], false, Yes);
        check(&["urn:s|HIV"], false, Unsure);
        check(&["urn:c|R"], false, No);
        check(&["urn:c|R"], true, Unsure);
        let mut plain = item.clone();
        plain.labels = vec!["urn:c|N".into(), "urn:s|HIV".into()];
        let normal = OneOf { of: vec![Coded::new("urn:c|N")], unclear: false };
        assert_eq!(labels(&normal, &plain), Yes, "other systems are not spoken of");
        assert_eq!(labels(&normal, &none), No);
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
        item.links = Some(vec!["Encounter/1".into()]);
        item.authors = Some(vec![]);
        assert_eq!(data(&meant(Meaning::Related), &item), Yes);
        assert_eq!(data(&meant(Meaning::AuthoredBy), &item), No);
        assert_eq!(data(&own("Observation/1", true), &item), Yes);
        assert_eq!(data(&own("Observation/2", true), &item), No);
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
        conditions.codes = one(vec![Coded::new("1")]);
        assert_eq!(hold(&conditions), Yes);
        conditions.data = one(vec![DataRef { reference: "a".into(), meaning: Meaning::Other }]);
        conditions.data_period = Some(Range::default());
        assert_eq!(hold(&conditions), Unsure);
        conditions.actions = Some(OneOf::new([None].into_iter()));
        conditions.labels = one(vec![Coded::new("X")]);
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
            labels: one(vec![Coded::new("R")]),
            ..Conditions::default()
        };
        assert!(wide.covers(&narrow) && !narrow.covers(&wide) && narrow.covers(&narrow));
        assert!(Conditions::default().covers(&wide) && !wide.covers(&Conditions::default()));
    }
}
