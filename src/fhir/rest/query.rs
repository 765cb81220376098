//! The search of a request: its parameters, decoded once.

use std::fmt;

use crate::fault::Fault;
use crate::fault::codes::W2325;

/// Longest search, in bytes as it came: twice what common servers take in an address, and
/// what a form needs that lists a thousand ids.
pub const QUERY_BYTES_MAX: usize = 64 << 10;

/// Most parameters of a search: people ask for ten, programs for a few dozen.
pub const PARAMETERS_MAX: usize = 256;

/// Longest name of a parameter with its modifiers: the longest chain of R4 stays far below.
const NAME_BYTES_MAX: usize = 256;

/// Parameters about the form of an answer, which say nothing about what is searched.
const FORM: [&str; 4] = ["_format", "_pretty", "_summary", "_elements"];

/// One parameter of a search. `Debug` masks the value.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// Its name: `identifier`, `_id`, `_has`.
    pub name: String,
    /// What follows the first `:` of the name, or the first `.`: `exact`,
    /// `Patient.name`, `Observation:patient:code`.
    pub modifier: Option<String>,
    /// Its value, decoded; commas, `|` and `\` within it stay as they are.
    pub value: String,
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=<phi>", self.name)
    }
}

/// The search of a request: its parameters in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Query(Vec<Parameter>);

impl Query {
    /// Reads what follows the `?` of an address, or a form.
    ///
    /// # Errors
    /// `W2325` for text that is not percent-encoded UTF-8, names that are none, control
    /// characters, and more than [`QUERY_BYTES_MAX`] bytes or [`PARAMETERS_MAX`] parameters.
    ///
    /// Source: RFC 3986 §2.1; HTML `application/x-www-form-urlencoded` for `+`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(wrong("it is too long"));
        }
        let mut all = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if all.len() == PARAMETERS_MAX {
                return Err(wrong("it has too many parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            all.push(Parameter::read(&decoded(name)?, decoded(value)?)?);
        }
        Ok(Self(all))
    }

    /// Adds the parameters of another, behind its own.
    ///
    /// # Errors
    /// `W2325` when that makes too many.
    pub fn and(mut self, other: Self) -> Result<Self, Fault> {
        self.0.extend(other.0);
        if self.0.len() > PARAMETERS_MAX {
            return Err(wrong("it has too many parameters"));
        }
        Ok(self)
    }

    /// The parameters, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Parameter> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The value of the first parameter of that name without a modifier.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        let own = |p: &&Parameter| p.name == name && p.modifier.is_none();
        self.0.iter().find(own).map(|parameter| parameter.value.as_str())
    }

    /// Without the parameters that only say in what form an answer is wanted (`_format`,
    /// `_pretty`, `_summary`, `_elements`): what a condition consists of.
    #[must_use]
    pub fn criteria(mut self) -> Self {
        self.0.retain(|parameter| !FORM.contains(&parameter.name.as_str()));
        self
    }

    /// Without the parameters of these names.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|parameter| !names.contains(&parameter.name.as_str()));
        self
    }

    /// Writes it for an address, everything but unreserved characters escaped; reading it
    /// gives the same parameters.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = String::new();
        for parameter in &self.0 {
            if !out.is_empty() {
                out.push('&');
            }
            out.push_str(&parameter.encode());
        }
        out
    }
}

impl<'q> IntoIterator for &'q Query {
    type Item = &'q Parameter;
    type IntoIter = std::slice::Iter<'q, Parameter>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Parameter {
    /// It as it stands in an address, escaped as [`Query::encode`] does.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = String::new();
        encode(&mut out, &self.written_name());
        out.push('=');
        encode(&mut out, &self.value);
        out
    }

    fn read(name: &str, value: String) -> Result<Self, Fault> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':');
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins || name.len() > NAME_BYTES_MAX || !name.bytes().all(plain) {
            return Err(wrong("the name of a parameter is none"));
        }
        // `subject.name` is a chain without a type; `subject:Patient.name` one with it.
        let (own, modifier) = match name.find([':', '.']) {
            None => (name, None),
            Some(at) if name.as_bytes().get(at) == Some(&b':') => {
                (name.get(..at).unwrap_or(name), name.get(at + 1..))
            }
            Some(at) => (name.get(..at).unwrap_or(name), name.get(at..)),
        };
        if modifier.is_some_and(|text| text.is_empty() || text.ends_with([':', '.'])) {
            return Err(wrong("a parameter ends where a modifier is expected"));
        }
        Ok(Self { name: own.to_owned(), modifier: modifier.map(str::to_owned), value })
    }

    /// The name as it stands in an address: `subject:Patient.name`, `subject.name`.
    #[must_use]
    pub fn written_name(&self) -> String {
        match &self.modifier {
            None => self.name.clone(),
            Some(chain) if chain.starts_with('.') => format!("{}{chain}", self.name),
            Some(modifier) => format!("{}:{modifier}", self.name),
        }
    }
}

fn wrong(why: &'static str) -> Fault {
    Fault::new(W2325).because(why)
}

/// Undoes the percent-encoding of a name or value; `+` is a space.
fn decoded(text: &str) -> Result<String, Fault> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
                let (high, low) = (digit(bytes.next()), digit(bytes.next()));
                let (Some(high), Some(low)) = (high, low) else {
                    return Err(wrong("a percent sign is not followed by two hexadecimal digits"));
                };
                u8::try_from(high << 4 | low).unwrap_or_default()
            }
            byte => byte,
        });
    }
    let text = String::from_utf8(out).map_err(|_| wrong("it is not UTF-8"))?;
    if text.chars().any(char::is_control) {
        return Err(wrong("it holds control characters"));
    }
    Ok(text)
}

/// Percent-encodes all but unreserved characters and the colon of modifiers.
///
/// Source: RFC 3986 §2.3 and §3.4, which allows the colon in a query.
fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let check = |text: &str, expected: &[(&str, Option<&str>, &str)]| {
            let query = Query::parse(text).unwrap();
            let found: Vec<_> = query
                .iter()
                .map(|p| (p.name.as_str(), p.modifier.as_deref(), p.value.as_str()))
                .collect();
            assert_eq!(found, expected, "{text}");
            assert_eq!(Query::parse(&query.encode()).unwrap(), query, "{text}");
        };
        check("", &[]);
        check("&&", &[]);
        check("identifier=urn:x|1", &[("identifier", None, "urn:x|1")]);
        check(
            "identifier=urn%3Ax%7C1&_count=5",
            &[("identifier", None, "urn:x|1"), ("_count", None, "5")],
        );
        check("name:exact=J%C3%B6rg+M%20X", &[("name", Some("exact"), "Jörg M X")]);
        check("subject:Patient.name=a%2Bb", &[("subject", Some("Patient.name"), "a+b")]);
        check("subject.name=x", &[("subject", Some(".name"), "x")]);
        check(
            "_has:Observation:patient:code=1",
            &[("_has", Some("Observation:patient:code"), "1")],
        );
        check("family", &[("family", None, "")]);
        check("a=b=c", &[("a", None, "b=c")]);
        assert_eq!(format!("{:?}", Query::parse("name=Doe").unwrap()), "Query([name=<phi>])");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let check =
            |text: &str| assert_eq!(Query::parse(text).unwrap_err().code(), W2325, "{text}");
        for text in [
            "=x", "1=x", "a b=x", "a%ZZ=x", "a=%", "a=%4", "a=%ff", "a=%00", "a=%0A", "a:=x",
            "a.=x", "../a=x", "a/b=x", "%24x=1", "a:b:=1",
        ] {
            check(text);
        }
        check(&"a=b&".repeat(PARAMETERS_MAX + 1));
        check(&format!("a={}", "x".repeat(QUERY_BYTES_MAX)));
        check(&format!("a{}=", "x".repeat(NAME_BYTES_MAX)));
    }

    #[test]
    fn conditions_leave_the_form_of_the_answer_out() {
        let query = Query::parse("_format=json&identifier=1&_pretty=true").unwrap();
        assert_eq!(query.first("_format"), Some("json"));
        assert_eq!(query.criteria().encode(), "identifier=1");
        let one = || Query::parse("a=1").unwrap();
        assert_eq!(one().and(Query::parse("b=2").unwrap()).unwrap().encode(), "a=1&b=2");
        let many = Query::parse(&"a=b&".repeat(PARAMETERS_MAX)).unwrap();
        assert!(many.and(one()).is_err());
    }
}
