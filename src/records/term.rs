//! One condition of a search: a parameter, what is asked of it, and whether a resource fits.
//!
//! Source: FHIR R4 search.html.

use rust_decimal::Decimal;

use super::parameter::{Kind, Parameter};
use super::span::{Prefix, Span};
use super::values::{BEGINNINGS, Found, Reference, Token, decimal, is_indexed, many, named, plain};
use super::{Key, references};
use crate::fault::codes::W7611;
use crate::fault::{Fault, Place};
use crate::fhir::{Node, rest, tables};

/// Most values of one condition, apart by commas: what a client asks for that shows a page
/// of patients with their observations.
const VALUES_MAX: usize = 1000;

/// Where and when a search is asked: its time for `ap` of dates, and the base of the endpoint,
/// below which absolute references are ours; empty where it is not known.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    pub now: i64,
    pub base: &'a str,
}

/// A condition. Patient data: it is never shown.
#[derive(Clone)]
pub(super) struct Term {
    pub parameter: &'static Parameter,
    pub asked: Asked,
}

/// What is asked of the values.
#[derive(Clone)]
pub(super) enum Asked {
    /// Whether there is none.
    Missing(bool),
    /// Whether one fits one of these.
    Any(Vec<Wanted>),
    /// Whether none fits any of these (`:not`).
    None(Vec<Wanted>),
}

/// A value that is asked for.
#[derive(Clone)]
pub(super) enum Wanted {
    /// A text that begins so; plain.
    Begins(String),
    /// This very text.
    Exactly(String),
    /// A text with this in it; plain.
    Contains(String),
    Token(System, Option<String>),
    /// What people read of a token has a word that begins so; plain.
    Text(String),
    Date(Prefix, Span),
    Number(Prefix, Measure),
    Quantity(Prefix, Measure, System, Option<String>),
    /// Type, and id or a text as it is.
    Reference(Option<String>, String),
    Identifier(System, Option<String>),
    Uri(String),
    UriBelow(String),
}

/// The system that a token is asked of.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum System {
    Any,
    None,
    Is(String),
}

/// A number with what its precision covers.
#[derive(Clone, Copy)]
pub(super) struct Measure {
    value: Decimal,
    low: Decimal,
    high: Decimal,
}

fn wrong(parameter: &Parameter, why: &'static str) -> Fault {
    Fault::new(W7611).at(Place::path(parameter.code)).because(why)
}

/// A modifier that a parameter does not have.
pub(super) struct NoSuchModifier;

impl Term {
    /// Reads a condition; `Err(Ok(..))` for a modifier that the parameter does not have.
    pub fn read(
        parameter: &'static Parameter,
        modifier: Option<&str>,
        value: &str,
    ) -> Result<Self, Result<NoSuchModifier, Fault>> {
        if modifier == Some("missing") {
            return match value {
                "true" | "false" => Ok(Self { parameter, asked: Asked::Missing(value == "true") }),
                _ => Err(Err(wrong(parameter, "`:missing` is `true` or `false`"))),
            };
        }
        let parts = split(value, ',');
        if parts.len() > VALUES_MAX {
            return Err(Err(wrong(parameter, "it has too many values")));
        }
        let mut all = Vec::with_capacity(parts.len());
        for part in parts {
            if part.is_empty() {
                return Err(Err(wrong(parameter, "a value is empty")));
            }
            all.push(wanted(parameter, modifier, part)?);
        }
        let asked = match (modifier, parameter.kind) {
            (Some("not"), Kind::Token) => Asked::None(all),
            _ => Asked::Any(all),
        };
        Ok(Self { parameter, asked })
    }

    /// A condition that a reference names one of these resources.
    pub fn refers(parameter: &'static Parameter, to: Vec<(String, String)>) -> Self {
        let wanted = to.into_iter().map(|(kind, id)| Wanted::Reference(Some(kind), id));
        Self { parameter, asked: Asked::Any(wanted.collect()) }
    }

    /// Whether a resource fits. One on which the parameter's path fails has no values, as for
    /// the index.
    pub fn fits(&self, resource: Node<'_>, here: Here<'_>) -> bool {
        let values = self.parameter.values(resource).unwrap_or_default();
        let any = |wanted: &[Wanted]| {
            values.iter().any(|found| wanted.iter().any(|wanted| wanted.fits(found, here)))
        };
        match &self.asked {
            Asked::Missing(missing) => values.is_empty() == *missing,
            Asked::Any(wanted) => any(wanted),
            Asked::None(wanted) => !any(wanted),
        }
    }

    /// Keys of which every resource that fits has one; none where no list has them all.
    pub fn keys(&self, here: Here<'_>) -> Option<Vec<Key>> {
        let Asked::Any(wanted) = &self.asked else { return None };
        if !is_indexed(self.parameter) {
            return None;
        }
        let mut keys = vec![many(self.parameter)];
        for wanted in wanted {
            keys.extend(wanted.keys(here)?.iter().map(|key| named(self.parameter, key)));
        }
        Some(keys)
    }
}

/// Splits at a character that no backslash stands before.
pub(super) fn split(text: &str, at: char) -> Vec<&str> {
    let (mut parts, mut begin, mut escaped) = (Vec::new(), 0, false);
    for (place, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            letter if letter == at => {
                parts.push(text.get(begin..place).unwrap_or_default());
                begin = place + at.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(begin..).unwrap_or_default());
    parts
}

/// Without the backslashes that keep `,`, `|` and `$` from having a meaning.
fn unescaped(text: &str) -> String {
    let (mut out, mut letters) = (String::with_capacity(text.len()), text.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => out.extend(letters.next()),
            letter => out.push(letter),
        }
    }
    out
}

fn wanted(
    parameter: &'static Parameter,
    modifier: Option<&str>,
    part: &str,
) -> Result<Wanted, Result<NoSuchModifier, Fault>> {
    let misfit = |why| Err(wrong(parameter, why));
    // Every text begins with nothing: such a condition would fit whoever has a value.
    let filled = |text: String| match text.is_empty() {
        true => Err(misfit("there is nothing in it to compare with")),
        false => Ok(text),
    };
    let reference = |ty: Option<&str>| {
        let found = Wanted::reference(ty, &unescaped(part));
        found.ok_or_else(|| misfit("it names another type than its modifier"))
    };
    Ok(match (parameter.kind, modifier) {
        (Kind::String, None) => Wanted::Begins(filled(plain(&unescaped(part)))?),
        (Kind::String, Some("exact")) => Wanted::Exactly(unescaped(part)),
        (Kind::String, Some("contains")) => Wanted::Contains(filled(plain(&unescaped(part)))?),
        (Kind::Token, None | Some("not")) => {
            let (system, code) = token(part);
            if !matches!(system, System::Is(_)) && code.is_none() {
                return Err(misfit("it has neither system nor code"));
            }
            Wanted::Token(system, code)
        }
        (Kind::Token, Some("text")) => Wanted::Text(filled(plain(&unescaped(part)))?),
        (Kind::Date, None) => {
            let (prefix, text) = Prefix::split(part);
            let span = Span::parse(text).ok_or_else(|| misfit("it is not a date"))?;
            Wanted::Date(prefix, span)
        }
        (Kind::Number, None) => {
            let (prefix, text) = Prefix::split(part);
            let measure = Measure::parse(text).ok_or_else(|| misfit("it is not a number"))?;
            Wanted::Number(prefix, measure)
        }
        (Kind::Quantity, None) => {
            let (prefix, text) = Prefix::split(part);
            let mut parts = split(text, '|').into_iter();
            let number = parts.next().and_then(Measure::parse);
            let number = number.ok_or_else(|| misfit("it does not begin with a number"))?;
            let (system, code) = match (parts.next(), parts.next()) {
                (None, _) => (System::Any, None),
                (Some(""), code) => (System::Any, code.map(unescaped)),
                (Some(system), code) => (System::Is(unescaped(system)), code.map(unescaped)),
            };
            Wanted::Quantity(prefix, number, system, code.filter(|code| !code.is_empty()))
        }
        (Kind::Reference, Some("identifier")) => {
            let (system, code) = token(part);
            if !matches!(system, System::Is(_)) && code.is_none() {
                return Err(misfit("it has neither system nor code"));
            }
            Wanted::Identifier(system, code)
        }
        (Kind::Reference, None) => reference(None)?,
        (Kind::Reference, Some(ty)) if tables::is_resource(ty) => reference(Some(ty))?,
        (Kind::Uri, None) => Wanted::Uri(unescaped(part)),
        (Kind::Uri, Some("below")) => Wanted::UriBelow(filled(unescaped(part))?),
        _ => return Err(Ok(NoSuchModifier)),
    })
}

/// System and code of `system|code`, `|code`, `system|` and `code`.
fn token(part: &str) -> (System, Option<String>) {
    let mut parts = split(part, '|').into_iter();
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let filled = |text: &str| (!text.is_empty()).then(|| unescaped(text));
    match second {
        None => (System::Any, filled(first)),
        Some(code) => (filled(first).map_or(System::None, System::Is), filled(code)),
    }
}

impl System {
    fn fits(&self, system: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::None => system.is_none(),
            Self::Is(wanted) => system == Some(wanted),
        }
    }
}

fn token_fits(system: &System, code: Option<&str>, token: &Token) -> bool {
    let same = |own: &str, code: &str| {
        own == code || (!token.exact && own.to_lowercase() == code.to_lowercase())
    };
    system.fits(token.system.as_deref())
        && match (code, &token.code) {
            (None, _) => true,
            (Some(code), Some(own)) => same(own, code),
            (Some(_), None) => false,
        }
}

impl Wanted {
    /// None where the text names another type than the modifier.
    fn reference(ty: Option<&str>, text: &str) -> Option<Self> {
        let read = references::read(text);
        if ty.zip(read.kind.as_deref()).is_some_and(|(ty, kind)| ty != kind) {
            return None;
        }
        Some(match (read.kind, read.id, read.url) {
            (Some(kind), Some(id), None) => Self::Reference(Some(kind), id),
            (.., Some(url)) if !rest::is_id(&url) => Self::Reference(None, url),
            _ => Self::Reference(ty.map(str::to_owned), text.to_owned()),
        })
    }

    fn fits(&self, found: &Found, here: Here<'_>) -> bool {
        match (self, found) {
            (Self::Begins(wanted), Found::Text(text)) => plain(text).starts_with(wanted),
            (Self::Exactly(wanted), Found::Text(text)) => text == wanted,
            (Self::Contains(wanted), Found::Text(text)) => plain(text).contains(wanted),
            (Self::Token(system, code), Found::Token(token)) => {
                token_fits(system, code.as_deref(), token)
                    && (token.code.is_some() || token.system.is_some())
            }
            (Self::Text(wanted), Found::Token(token)) => token.text.as_ref().is_some_and(|text| {
                let text = plain(text);
                text.starts_with(wanted) || text.contains(&format!(" {wanted}"))
            }),
            (Self::Date(prefix, wanted), Found::Date(span)) => {
                wanted.fits(*prefix, *span, here.now)
            }
            (Self::Number(prefix, wanted), Found::Number(value)) => wanted.fits(*prefix, *value),
            (Self::Quantity(prefix, wanted, system, code), Found::Quantity { .. }) => {
                quantity_fits((*prefix, *wanted), system, code.as_deref(), found)
            }
            (Self::Reference(kind, wanted), Found::Reference(reference)) => {
                reference_fits(kind.as_deref(), wanted, reference, here.base)
            }
            (Self::Identifier(system, code), Found::Reference(reference)) => {
                let own = reference.identifier.as_ref();
                own.is_some_and(|token| token_fits(system, code.as_deref(), token))
            }
            (Self::Uri(wanted), Found::Uri(uri)) => uri == wanted,
            (Self::UriBelow(wanted), Found::Uri(uri)) => uri.starts_with(wanted),
            _ => false,
        }
    }

    /// Keys, without the parameter's name, of which every value that fits has one.
    fn keys(&self, here: Here<'_>) -> Option<Vec<String>> {
        let begins = |text: &str| {
            let count = text.chars().count();
            let length = BEGINNINGS.into_iter().rfind(|length| *length <= count)?;
            Some(vec![format!("s{}", text.chars().take(length).collect::<String>())])
        };
        match self {
            Self::Begins(text) => begins(text),
            Self::Exactly(text) => begins(&plain(text)),
            Self::Token(system, Some(code)) => Some(vec![token_key(system, code)]),
            Self::Identifier(system, Some(code)) => {
                Some(vec![format!("n{}", token_key(system, code))])
            }
            Self::Date(prefix, span) => {
                let buckets = span.searched(*prefix, here.now)?;
                Some(buckets.into_iter().map(|bucket| format!("d{bucket}")).collect())
            }
            Self::Reference(Some(kind), id) => Some(vec![format!("r{kind}/{id}")]),
            Self::Reference(None, text) => {
                let mut keys = vec![format!("u{text}")];
                keys.extend(rest::is_id(text).then(|| format!("i{text}")));
                let own = references::below(text, here.base);
                keys.extend(own.map(|(kind, id)| format!("r{kind}/{id}")));
                Some(keys)
            }
            Self::Uri(uri) => Some(vec![format!("u{uri}")]),
            Self::Contains(_)
            | Self::Token(_, None)
            | Self::Identifier(_, None)
            | Self::Text(_)
            | Self::Number(..)
            | Self::Quantity(..)
            | Self::UriBelow(_) => None,
        }
    }
}

fn token_key(system: &System, code: &str) -> String {
    let code = code.to_lowercase();
    match system {
        System::Is(system) => format!("t{system}|{code}"),
        System::Any | System::None => format!("c{code}"),
    }
}

fn reference_fits(kind: Option<&str>, wanted: &str, reference: &Reference, base: &str) -> bool {
    // What is asked by an absolute address of ours is asked by type and id.
    let (asked, id) = match references::below(wanted, base) {
        Some((asked, id)) if kind.is_none() => (Some(asked), id),
        _ => (kind, wanted),
    };
    match reference.here(base) {
        Some((own, own_id)) if own_id == id => asked.is_none_or(|asked| asked == own),
        _ => kind.is_none() && reference.url.as_deref() == Some(wanted),
    }
}

fn quantity_fits(
    (prefix, wanted): (Prefix, Measure),
    asked: &System,
    asked_code: Option<&str>,
    found: &Found,
) -> bool {
    let Found::Quantity { value, system, code, unit } = found else { return false };
    let same_unit = match asked_code {
        None => true,
        // Without a system the code or the unit that people read may be meant.
        Some(wanted) if *asked == System::Any => {
            [code, unit].into_iter().flatten().any(|own| own == wanted)
        }
        Some(wanted) => code.as_deref() == Some(wanted),
    };
    asked.fits(system.as_deref()) && same_unit && wanted.fits(prefix, *value)
}

impl Measure {
    /// Reads a number; what it covers is half a unit of its last digit on both sides.
    ///
    /// Source: FHIR R4 search.html#number.
    fn parse(text: &str) -> Option<Self> {
        let value = decimal(text)?;
        let exponent =
            text.split_once(['e', 'E']).map_or(Some(0), |(_, e)| e.parse::<i32>().ok())?;
        let places = i32::try_from(value.scale()).ok()?;
        let last = if text.contains(['e', 'E']) {
            let mantissa = text.split(['e', 'E']).next()?;
            let fraction = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len());
            i32::try_from(fraction).ok()? - exponent
        } else {
            places
        };
        let half = match u32::try_from(last) {
            Ok(places) if places < 28 => Decimal::new(5, places + 1),
            Ok(_) => Decimal::ZERO,
            Err(_) => {
                let power = u32::try_from(-last).ok()?;
                Decimal::from(10_u64.checked_pow(power)?).checked_div(Decimal::TWO)?
            }
        };
        let (low, high) = (value.checked_sub(half)?, value.checked_add(half)?);
        Some(Self { value, low, high })
    }

    fn fits(self, prefix: Prefix, value: Decimal) -> bool {
        let within = self.low <= value && value < self.high;
        match prefix {
            Prefix::Eq => within,
            Prefix::Ne => !within,
            Prefix::Gt | Prefix::Sa => value > self.value,
            Prefix::Lt | Prefix::Eb => value < self.value,
            Prefix::Ge => value >= self.value,
            Prefix::Le => value <= self.value,
            Prefix::Ap => {
                let tenth = self.value.abs().checked_div(Decimal::TEN).unwrap_or_default();
                let distance = value.checked_sub(self.value).map(|d| d.abs());
                within || distance.is_some_and(|distance| distance <= tenth)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::Doc;
    use crate::records::parameter::parameter;
    use crate::records::values::keys;

    const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","active":true,"gender":"male",
        "identifier":[{"system":"urn:mrn","value":"A1"},{"value":"B,2"},
                      {"type":{"text":"Member Number"},"system":"urn:x","value":"9"}],
        "name":[{"family":"Müller","given":["Jo","Ann"]}],"birthDate":"1970-05-02",
        "address":[{"city":"Zürich","line":["Main St 5"]}],
        "telecom":[{"system":"email","value":"Jo@X.org"}],
        "managingOrganization":{"reference":"Organization/o1"},
        "generalPractitioner":[{"identifier":{"system":"npi","value":"55"}},
                               {"reference":"http://y/Practitioner/7"},
                               {"reference":"https://x/fhir/Practitioner/8/_history/2"}],
        "meta":{"lastUpdated":"2024-02-03T10:00:00Z","profile":["http://p/a/b"],"tag":[{"system":"t","code":"vip"}]}}"#;

    const OBSERVATION: &str = r#"{"resourceType":"Observation","status":"final",
        "code":{"coding":[{"system":"http://loinc.org","code":"1234-5","display":"Glucose in Blood"}],
        "text":"Sugar"},"valueQuantity":{"value":5.40,"unit":"mmol/l",
        "system":"http://unitsofmeasure.org","code":"mmol/L"},
        "effectiveDateTime":"2024-02-03T10:00:00Z"}"#;

    fn fits(json: &'static str, name: &str, value: &str) -> Option<bool> {
        let doc = Doc::parse_json(json.into()).unwrap();
        let kind = doc.resource_type().unwrap().into_owned();
        let (code, modifier) = name.split_once(':').map_or((name, None), |(c, m)| (c, Some(m)));
        let parameter = parameter(&kind, code).expect(name);
        let here = Here { now: Span::parse("2024-06-01").unwrap().low, base: "https://x/fhir" };
        let term = Term::read(parameter, modifier, value).ok()?;
        let fits = term.fits(doc.root(), here);
        if fits && let Some(wanted) = term.keys(here) {
            let kept = keys(&doc);
            assert!(wanted.iter().any(|key| kept.contains(key)), "{name}={value} by key");
        }
        Some(fits)
    }

    #[test]
    fn a_patient_is_found() {
        let check = |name: &str, value: &str, expected: bool| {
            assert_eq!(fits(PATIENT, name, value), Some(expected), "{name}={value}");
        };
        check("family", "mul", true);
        check("family", "MULLER", true);
        check("family", "ller", false);
        check("family:contains", "LLE", true);
        check("family:exact", "Müller", true);
        check("family:exact", "müller", false);
        check("name", "an", true);
        check("given", "x,jo", true);
        check("address", "main", true);
        check("address-city", "zurich", true);
        check("identifier", "urn:mrn|A1", true);
        check("identifier", "urn:mrn|a1", false);
        check("identifier", "A1", true);
        check("identifier", "|A1", false);
        check("identifier", r"|B\,2", true);
        check("identifier", "urn:mrn|", true);
        check("identifier", "urn:other|A1", false);
        check("identifier:not", "urn:mrn|A1", false);
        check("identifier:not", "urn:mrn|A2", true);
        check("identifier:text", "number", true);
        check("gender", "male", true);
        check("gender", "MALE", true);
        check("gender", "http://hl7.org/fhir/administrative-gender|male", true);
        check("gender", "female,male", true);
        check("gender", "female", false);
        check("gender:missing", "false", true);
        check("death-date:missing", "true", true);
        check("active", "true", true);
        check("deceased", "false", true);
        check("birthdate", "1970", true);
        check("birthdate", "1970-05-02", true);
        check("birthdate", "gt1970-05-02", false);
        check("birthdate", "ge1970-05-02", true);
        check("birthdate", "lt1971,gt2000", true);
        check("email", "jo@x.ORG", true);
        check("organization", "Organization/o1", true);
        check("organization", "o1", true);
        check("organization:Organization", "o1", true);
        check("organization:Patient", "o1", false);
        check("general-practitioner:identifier", "npi|55", true);
        check("general-practitioner:identifier", "npi|56", false);
        check("general-practitioner", "http://y/Practitioner/7", true);
        check("general-practitioner", "Practitioner/7", false);
        check("general-practitioner", "7", false);
        for own in ["Practitioner/8", "8", "https://x/fhir/Practitioner/8"] {
            check("general-practitioner", own, true);
        }
        check("general-practitioner:Practitioner", "https://x/fhir/Practitioner/8", true);
        check("general-practitioner", "https://z/fhir/Practitioner/8", false);
        check("organization", "https://x/fhir/Organization/o1", true);
        check("organization:Organization", "https://x/fhir/Organization/o1", true);
        check("organization", "https://z/fhir/Organization/o1", false);
        check("_profile", "http://p/a/b", true);
        check("_profile:below", "http://p/", true);
        check("_tag", "t|vip", true);
        check("_lastUpdated", "2024-02-03", true);
        check("_lastUpdated", "2024", true);
        check("general-practitioner:Practitioner", "http://y/Practitioner/7", true);
    }

    #[test]
    fn an_observation_is_found() {
        let check = |name: &str, value: &str, expected: bool| {
            assert_eq!(fits(OBSERVATION, name, value), Some(expected), "{name}={value}");
        };
        check("code", "http://loinc.org|1234-5", true);
        check("code:text", "sug", true);
        check("code:text", "blood", true);
        check("code:text", "lood", false);
        check("value-quantity", "5.4", true);
        check("value-quantity", "5.40", true);
        check("value-quantity", "5.41", false);
        check("value-quantity", "5", true);
        check("value-quantity", "ne5.4", false);
        check("value-quantity", "gt5.4", false);
        check("value-quantity", "le5.40|http://unitsofmeasure.org|mmol/L", true);
        check("value-quantity", "5.4||mmol/l", true);
        check("value-quantity", "5.4||mg", false);
        check("value-quantity", "ap5", true);
        check("value-quantity", "54e-1", true);
        check("value-quantity", "5e0", true);
        check("date", "2024-02-03", true);
        check("date", "ap2024-02", true);
        check("date", "sa2024-02-02", true);
        check("status", "final", true);
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        let check = |json, name: &str, value: &str| {
            assert_eq!(fits(json, name, value), None, "{name}={value}");
        };
        check(PATIENT, "birthdate", "yesterday");
        check(PATIENT, "birthdate", "");
        check(PATIENT, "birthdate:exact", "1970");
        check(PATIENT, "gender:missing", "maybe");
        check(PATIENT, "identifier", "|");
        check(PATIENT, "family", "a,,b");
        check(PATIENT, "family:nothing", "a");
        check(PATIENT, "organization:Nothing", "a");
        check(PATIENT, "organization:Organization", "Patient/o1");
        check(PATIENT, "general-practitioner:Practitioner", "http://y/Patient/7");
        check(PATIENT, "general-practitioner:identifier", "|");
        for blank in [" ", " \u{a0}", "a, "] {
            check(PATIENT, "family", blank);
            check(PATIENT, "family:contains", blank);
            check(PATIENT, "identifier:text", blank);
        }
        check(PATIENT, "_profile:below", "\\");
        check(OBSERVATION, "value-quantity", "much");
        check(OBSERVATION, "value-quantity", "1e99");
        check(OBSERVATION, "value-quantity", "|a|b");
        check(PATIENT, "family", &"a,".repeat(2000));
    }

    #[test]
    fn values_are_split_where_no_backslash_stands() {
        let check =
            |text: &str, expected: &[&str]| assert_eq!(split(text, ','), expected, "{text}");
        check("a,b", &["a", "b"]);
        check(r"a\,b", &[r"a\,b"]);
        check(r"a\\,b", &[r"a\\", "b"]);
        check("", &[""]);
        check("é,", &["é", ""]);
        assert_eq!(unescaped(r"a\,b\|c\\d\"), r"a,b|c\d");
    }
}
