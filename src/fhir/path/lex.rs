//! Words and signs of a path.

use super::PathError;
use super::moment::Moment;

/// A word or sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name, plain or in backticks.
    Name(String),
    /// A name after `$`.
    Special(String),
    /// A name after `%`.
    Variable(String),
    /// A text in quotes.
    Text(String),
    /// A number as written.
    Number(String),
    /// A date or time literal.
    Moment(Moment),
    /// A sign.
    Sign(&'static str),
}

/// A token and the byte where it starts.
pub(super) type Placed = (usize, Token);

/// Signs, longer ones first.
const SIGNS: [&str; 22] = [
    "!=", "!~", "<=", ">=", "=", "~", "<", ">", "|", ".", ",", "(", ")", "[", "]", "{", "}", "+",
    "-", "*", "/", "&",
];

/// Cuts a path into tokens.
///
/// Source: FHIRPath N1 (2.0.0) §grammar.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, PathError> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        rest = blank(rest, text.len())?;
        let at = text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(out) };
        let (token, len) = match first {
            '\'' | '"' => {
                let (inside, len) = quoted(rest, first, at)?;
                (Token::Text(inside), len)
            }
            '`' => {
                let (inside, len) = quoted(rest, first, at)?;
                (Token::Name(inside), len)
            }
            '@' => {
                let Some((moment, len)) = Moment::literal(rest) else {
                    let what =
                        "expected a date or time such as `@2015-02-04T14:34:28Z` or `@T14:34`";
                    return Err(PathError { at, what: what.to_owned() });
                };
                (Token::Moment(moment), len)
            }
            '$' => {
                let name = word(rest.get(1..).unwrap_or_default());
                (Token::Special(name.to_owned()), name.len() + 1)
            }
            '%' => variable(rest, at)?,
            '0'..='9' => {
                let number = number(rest);
                (Token::Number(number.to_owned()), number.len())
            }
            _ if !word(rest).is_empty() => (Token::Name(word(rest).to_owned()), word(rest).len()),
            _ => {
                let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) else {
                    return Err(PathError { at, what: format!("`{first}` has no meaning here") });
                };
                (Token::Sign(sign), sign.len())
            }
        };
        out.push((at, token));
        rest = rest.get(len..).unwrap_or_default();
    }
}

/// What follows spaces and comments.
fn blank(mut rest: &str, whole: usize) -> Result<&str, PathError> {
    loop {
        rest = rest.trim_start();
        if rest.starts_with("//") {
            rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or_default();
        } else if rest.starts_with("/*") {
            let Some(end) = rest.find("*/") else {
                let what = "the comment is not closed by `*/`".to_owned();
                return Err(PathError { at: whole - rest.len(), what });
            };
            rest = rest.get(end + 2..).unwrap_or_default();
        } else {
            return Ok(rest);
        }
    }
}

fn word(text: &str) -> &str {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first {
        return "";
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// Digits, and a fraction when digits follow the point: `1.toString()` has none.
fn number(text: &str) -> &str {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())
    };
    let whole = digits(0);
    let dot = text.get(whole..).is_some_and(|rest| rest.starts_with('.'));
    let fraction = if dot { digits(whole + 1) } else { 0 };
    let end = if fraction > 0 { whole + 1 + fraction } else { whole };
    text.get(..end).unwrap_or_default()
}

fn variable(rest: &str, at: usize) -> Result<(Token, usize), PathError> {
    let after = rest.get(1..).unwrap_or_default();
    if let Some(quote @ ('`' | '\'')) = after.chars().next() {
        let (name, len) = quoted(after, quote, at + 1)?;
        return Ok((Token::Variable(name), len + 1));
    }
    let name = word(after);
    if name.is_empty() {
        let what = "expected the name of a variable after `%`".to_owned();
        return Err(PathError { at, what });
    }
    Ok((Token::Variable(name.to_owned()), name.len() + 1))
}

/// Reads a text in quotes; what it says and its length with the quotes.
fn quoted(text: &str, quote: char, at: usize) -> Result<(String, usize), PathError> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((here, c)) = chars.next() {
        if c == quote {
            return Ok((out, here + 1));
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        let unknown = || PathError {
            at: at + here,
            what: "a backslash starts no escape sequence of FHIRPath".to_owned(),
        };
        let stands_for = match chars.next().map(|(_, c)| c) {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('f') => '\u{c}',
            Some(c @ ('\'' | '"' | '`' | '\\' | '/')) => c,
            Some('u') => {
                let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                let hex = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                let point = u32::from_str_radix(&digits, 16).ok().filter(|_| hex);
                point.and_then(char::from_u32).ok_or_else(unknown)?
            }
            // As published paths have it: a backslash before anything else is a backslash.
            Some(c) if c.is_ascii_punctuation() || "dDsSwWbB".contains(c) => {
                out.push('\\');
                c
            }
            _ => return Err(unknown()),
        };
        out.push(stands_for);
    }
    Err(PathError { at, what: format!("the text is not closed by `{quote}`") })
}
