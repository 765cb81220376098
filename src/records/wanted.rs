//! One value of a condition: how it is read, what it fits, and the keys it is found by.
//!
//! Source: FHIR R4 search.html#prefix, search.html#modifiers, search.html#ptypes.

use std::cell::OnceCell;
use std::collections::HashSet;

use super::measure::Measure;
use super::parameter::{Kind, Parameter};
use super::references;
use super::span::{Prefix, Span};
use super::term::{Here, NoSuchModifier, VALUES_MAX, split, wrong};
use super::values::{BEGINNINGS, Found, Quantity, Reference, Token, UCUM, measure_key, plain};
use super::words::words;
use crate::fault::Fault;
use crate::fhir::{rest, tables};

/// A value that is asked for. Patient data: it is never shown.
#[derive(Clone)]
pub(super) enum Wanted {
    /// A text that begins so; plain.
    Begins(String),
    /// This very text.
    Exactly(String),
    /// A text with this in it; plain.
    Contains(String),
    /// A text with all of these words.
    Words(Vec<String>),
    Token(System, Option<String>),
    /// What people read of a token has a word that begins so; plain.
    Text(String),
    /// A code of a value set, which can be listed.
    In(String),
    /// An identifier of a type: system and code of the type, and the value.
    OfType(String, String, String),
    Date(Prefix, Span),
    Number(Prefix, Measure),
    Quantity(Prefix, Measure, System, Option<String>),
    /// Type, and id or a text as it is.
    Reference(Option<String>, String),
    Identifier(System, Option<String>),
    Uri(String),
    UriBelow(String),
    UriAbove(String),
    /// Values of the parts of a composite.
    Group(Vec<Wanted>),
}

/// The system that a token is asked of.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum System {
    Any,
    None,
    Is(String),
}

/// A value of a resource, and how it reads when it is compared: worked out once, however many
/// values are asked for.
pub(super) struct Seen<'a> {
    found: &'a Found,
    plain: OnceCell<String>,
    words: OnceCell<HashSet<String>>,
}

impl<'a> Seen<'a> {
    pub const fn of(found: &'a Found) -> Self {
        Self { found, plain: OnceCell::new(), words: OnceCell::new() }
    }

    /// The one text of the value as it is compared.
    fn plain(&self, text: &str) -> &str {
        self.plain.get_or_init(|| plain(text))
    }

    fn words(&self, text: &str) -> &HashSet<String> {
        self.words.get_or_init(|| words(text).into_iter().collect())
    }
}

/// Why a value is none: a modifier that the parameter does not have, or what is wrong with it.
type Misfit = Result<NoSuchModifier, Fault>;

/// Without the backslashes that keep `,`, `|` and `$` from having a meaning.
pub(super) fn unescaped(text: &str) -> String {
    let (mut out, mut letters) = (String::with_capacity(text.len()), text.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => out.extend(letters.next()),
            letter => out.push(letter),
        }
    }
    out
}

/// Every text begins with nothing: such a condition would fit whoever has a value.
fn filled(parameter: &Parameter, text: String) -> Result<String, Misfit> {
    match text.is_empty() {
        true => Err(Err(wrong(parameter, "there is nothing in it to compare with"))),
        false => Ok(text),
    }
}

impl Wanted {
    /// Reads a value.
    pub fn read(
        parameter: &'static Parameter,
        modifier: Option<&str>,
        part: &str,
    ) -> Result<Self, Misfit> {
        let misfit = |why| Err(wrong(parameter, why));
        let text = || filled(parameter, plain(&unescaped(part)));
        let prefixed = || Prefix::split(part);
        Ok(match (parameter.kind, modifier) {
            (Kind::String, None) => Self::Begins(text()?),
            (Kind::String, Some("exact")) => Self::Exactly(unescaped(part)),
            (Kind::String, Some("contains")) => Self::Contains(text()?),
            (Kind::Words, None) => {
                let words = words(&unescaped(part));
                if words.is_empty() {
                    return Err(misfit("there is no word in it"));
                }
                Self::Words(words)
            }
            (Kind::Token, modifier) => token_wanted(parameter, modifier, part)?,
            (Kind::Date, None) => {
                let (prefix, text) = prefixed();
                let span = Span::parse(text).ok_or_else(|| misfit("it is not a date"))?;
                Self::Date(prefix, span)
            }
            (Kind::Number, None) => {
                let (prefix, text) = prefixed();
                let measure = Measure::parse(text).ok_or_else(|| misfit("it is not a number"))?;
                Self::Number(prefix, measure)
            }
            (Kind::Quantity, None) => {
                let (prefix, text) = prefixed();
                let mut parts = split(text, '|').into_iter();
                let number = parts.next().and_then(Measure::parse);
                let number = number.ok_or_else(|| misfit("it does not begin with a number"))?;
                let (system, code) = match (parts.next(), parts.next()) {
                    (None, _) => (System::Any, None),
                    (Some(""), code) => (System::Any, code.map(unescaped)),
                    (Some(system), code) => (System::Is(unescaped(system)), code.map(unescaped)),
                };
                Self::Quantity(prefix, number, system, code.filter(|code| !code.is_empty()))
            }
            (Kind::Reference, modifier) => reference_wanted(parameter, modifier, part)?,
            (Kind::Uri, None) => Self::Uri(unescaped(part)),
            (Kind::Uri, Some("below")) => Self::UriBelow(filled(parameter, unescaped(part))?),
            (Kind::Uri, Some("above")) => Self::UriAbove(filled(parameter, unescaped(part))?),
            (Kind::Composite, None) => {
                let parts = split(part, '$');
                if parts.len() != parameter.parts.len() {
                    return Err(misfit(
                        "a composite has a value for each of its parts, `$` between",
                    ));
                }
                let both = parameter.parts.iter().zip(parts);
                let read = |(own, part): (&'static Parameter, &str)| match part.is_empty() {
                    true => Err(misfit("a part of it is empty")),
                    false => Self::read(own, None, part),
                };
                Self::Group(both.map(read).collect::<Result<_, _>>()?)
            }
            _ => return Err(Ok(NoSuchModifier)),
        })
    }

    /// The value for a part of a composite.
    pub fn part(&self, at: usize) -> Option<&Self> {
        match self {
            Self::Group(parts) => parts.get(at),
            _ => None,
        }
    }

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

    /// Whether a value of a resource fits.
    pub fn fits(&self, seen: &Seen<'_>, here: Here<'_>) -> bool {
        match (self, seen.found) {
            (Self::Begins(wanted), Found::Text(text)) => seen.plain(text).starts_with(wanted),
            (Self::Exactly(wanted), Found::Text(text)) => text == wanted,
            (Self::Contains(wanted), Found::Text(text)) => seen.plain(text).contains(wanted),
            (Self::Words(wanted), Found::Text(text)) => {
                let own = seen.words(text);
                wanted.iter().all(|word| own.contains(word))
            }
            (Self::Token(system, code), Found::Token(token)) => {
                token_fits(system, code.as_deref(), token)
                    && (token.code.is_some() || token.system.is_some())
            }
            (Self::Text(wanted), Found::Token(token)) => token.text.as_ref().is_some_and(|text| {
                let text = seen.plain(text);
                text.starts_with(wanted) || text.contains(&format!(" {wanted}"))
            }),
            (Self::In(set), Found::Token(Token { system: Some(system), code: Some(code), .. })) => {
                tables::has_coding(set, Some(system), code) == Some(true)
            }
            (Self::OfType(system, code, value), Found::Token(token)) => {
                let of = (Some(system.clone()), Some(code.clone()));
                token.code.as_ref() == Some(value) && token.types.contains(&of)
            }
            (Self::Date(prefix, wanted), Found::Date(span)) => {
                wanted.fits(*prefix, *span, here.now)
            }
            (Self::Number(prefix, wanted), Found::Number(value)) => wanted.fits(*prefix, *value),
            (Self::Quantity(prefix, wanted, system, code), Found::Quantity(own)) => {
                quantity_fits((*prefix, *wanted), (system, code.as_deref()), own)
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
            (Self::UriAbove(wanted), Found::Uri(uri)) => above(wanted).any(|own| own == uri),
            (Self::Group(wanted), Found::Group(parts)) => {
                let fits = |(wanted, found): (&Self, &Vec<Found>)| {
                    found.iter().any(|found| wanted.fits(&Seen::of(found), here))
                };
                wanted.len() == parts.len() && wanted.iter().zip(parts).all(fits)
            }
            _ => false,
        }
    }

    /// Keys, without the parameter's name, of which every value that fits has one.
    pub fn keys(&self, here: Here<'_>) -> Option<Vec<String>> {
        let begins = |text: &str| {
            let count = text.chars().count();
            let length = BEGINNINGS.into_iter().rfind(|length| *length <= count)?;
            Some(vec![format!("s{}", text.chars().take(length).collect::<String>())])
        };
        match self {
            Self::Begins(text) => begins(text),
            Self::Exactly(text) => begins(&plain(text)),
            Self::Token(system, Some(code)) => Some(vec![token_key(system, code)]),
            Self::In(set) => {
                let codes = tables::codes(set).filter(|codes| codes.len() <= VALUES_MAX)?;
                let key =
                    |(system, code): (&str, &str)| format!("t{system}|{}", code.to_lowercase());
                Some(codes.into_iter().map(key).collect())
            }
            Self::OfType(.., value) => Some(vec![token_key(&System::Any, value)]),
            Self::Identifier(system, Some(code)) => {
                Some(vec![format!("n{}", token_key(system, code))])
            }
            Self::Date(prefix, span) => {
                let buckets = span.searched(*prefix, here.now)?;
                Some(buckets.into_iter().map(|bucket| format!("d{bucket}")).collect())
            }
            Self::Number(prefix, wanted) => {
                let buckets = wanted.searched(*prefix)?;
                Some(buckets.into_iter().map(|bucket| format!("q{bucket}")).collect())
            }
            Self::Quantity(prefix, wanted, system, code) => {
                let buckets = wanted.searched(*prefix)?.into_iter();
                let mut keys: Vec<String> = buckets.map(|bucket| format!("q{bucket}")).collect();
                if let Some((wanted, measured)) = in_base_units(*wanted, system, code.as_deref()) {
                    let buckets = wanted.searched(*prefix)?;
                    keys.extend(buckets.iter().map(|bucket| measure_key(&measured, bucket)));
                }
                Some(keys)
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
            Self::UriAbove(uri) => Some(above(uri).map(|own| format!("u{own}")).collect()),
            Self::Contains(_)
            | Self::Words(_)
            | Self::Token(_, None)
            | Self::Identifier(_, None)
            | Self::Text(_)
            | Self::UriBelow(_)
            | Self::Group(_) => None,
        }
    }
}

fn token_wanted(
    parameter: &'static Parameter,
    modifier: Option<&str>,
    part: &str,
) -> Result<Wanted, Misfit> {
    let misfit = |why| Err(wrong(parameter, why));
    match modifier {
        None | Some("not") => {
            let (system, code) = token(part);
            if !matches!(system, System::Is(_)) && code.is_none() {
                return Err(misfit("it has neither system nor code"));
            }
            Ok(Wanted::Token(system, code))
        }
        Some("text") => Ok(Wanted::Text(filled(parameter, plain(&unescaped(part)))?)),
        Some("in" | "not-in") => {
            let set = unescaped(part);
            if tables::codes(&set).is_none() {
                return Err(misfit("the codes of this value set cannot be listed here"));
            }
            Ok(Wanted::In(set))
        }
        Some("of-type") => {
            let parts: Vec<String> = split(part, '|').into_iter().map(unescaped).collect();
            match <[String; 3]>::try_from(parts) {
                Ok([system, code, value])
                    if ![&system, &code, &value].iter().any(|t| t.is_empty()) =>
                {
                    Ok(Wanted::OfType(system, code, value))
                }
                _ => {
                    Err(misfit("`:of-type` is `system|code|value`, of the type and the identifier"))
                }
            }
        }
        Some("above" | "below") => {
            Err(misfit("no order of the codes of this system is known here; name each of them"))
        }
        Some(_) => Err(Ok(NoSuchModifier)),
    }
}

fn reference_wanted(
    parameter: &'static Parameter,
    modifier: Option<&str>,
    part: &str,
) -> Result<Wanted, Misfit> {
    let misfit = |why| Err(wrong(parameter, why));
    let ty = match modifier {
        None => None,
        Some("identifier") => {
            let (system, code) = token(part);
            if !matches!(system, System::Is(_)) && code.is_none() {
                return Err(misfit("it has neither system nor code"));
            }
            return Ok(Wanted::Identifier(system, code));
        }
        Some(ty) if tables::is_resource(ty) => Some(ty),
        Some(_) => return Err(Ok(NoSuchModifier)),
    };
    let found = Wanted::reference(ty, &unescaped(part));
    found.ok_or_else(|| misfit("it names another type than its modifier"))
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

/// A number that is asked for in base units, where its unit is one of UCUM.
fn in_base_units(
    wanted: Measure,
    system: &System,
    code: Option<&str>,
) -> Option<(Measure, String)> {
    let is_ucum = matches!(system, System::Is(system) if system == UCUM);
    wanted.canonical(code.filter(|_| is_ucum)?)
}

fn quantity_fits(
    (prefix, wanted): (Prefix, Measure),
    (asked, asked_code): (&System, Option<&str>),
    own: &Quantity,
) -> bool {
    let same_unit = match asked_code {
        None => true,
        // Without a system the code or the unit that people read may be meant.
        Some(wanted) if *asked == System::Any => {
            [&own.code, &own.unit].into_iter().flatten().any(|own| own == wanted)
        }
        Some(wanted) => own.code.as_deref() == Some(wanted),
    };
    if same_unit && asked.fits(own.system.as_deref()) {
        return wanted.fits(prefix, own.value);
    }
    match (&own.canonical, in_base_units(wanted, asked, asked_code)) {
        (Some((value, measured)), Some((wanted, asked))) => {
            *measured == asked && wanted.fits(prefix, *value)
        }
        _ => false,
    }
}

/// An address and those above it: all that it begins with up to a slash.
fn above(uri: &str) -> impl Iterator<Item = &str> {
    let steps = uri.match_indices('/').filter_map(|(at, _)| uri.get(..at));
    // `http:/` is no address.
    let whole = steps.filter(|step| !step.is_empty() && !step.ends_with([':', '/']));
    // One may be written with a slash at its end.
    let with_slash = uri.match_indices('/').filter_map(|(at, _)| uri.get(..=at));
    let with_slash = with_slash.filter(|step| step.len() > 1 && !step.ends_with("//"));
    let with_slash = with_slash.filter(move |step| !step.ends_with(":/") && *step != uri);
    [uri].into_iter().chain(whole).chain(with_slash)
}
