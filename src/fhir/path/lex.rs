//! Words and signs of a path.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, digit1, satisfy};
use nom::combinator::{map, opt, recognize};
use nom::sequence::{pair, preceded};
use nom::{IResult, Parser};

use super::PathError;

/// A word or sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name, plain or in backticks.
    Name(String),
    /// `$this`
    This,
    /// A text in quotes.
    Text(String),
    /// A number as written.
    Number(String),
    /// A date or time literal without its `@`.
    Date(String),
    /// A sign.
    Sign(&'static str),
}

/// A token and the byte where it starts.
pub(super) type Placed = (usize, Token);

/// Signs, longer ones first.
const SIGNS: [&str; 14] = ["!=", "<=", ">=", "=", "<", ">", "|", ".", ",", "(", ")", "[", "]", "{"];

/// Cuts a path into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, PathError> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(out) };
        if let quote @ ('\'' | '"' | '`') = first {
            let (inside, len) = quoted(rest, quote, at)?;
            let name = quote == '`';
            out.push((at, if name { Token::Name(inside) } else { Token::Text(inside) }));
            rest = rest.get(len..).unwrap_or_default();
            continue;
        }
        let Ok((after, token)) = token(rest) else {
            let what = match first {
                '+' | '-' | '*' | '/' | '&' | '~' => "arithmetic is not supported".to_owned(),
                sign => format!("`{sign}` has no meaning here"),
            };
            return Err(PathError { at, what });
        };
        out.push((at, token));
        rest = after;
    }
}

fn token(text: &str) -> IResult<&str, Token> {
    let name = recognize(pair(
        satisfy(|c| c.is_ascii_alphabetic() || c == '_'),
        take_while(|c: char| c.is_ascii_alphanumeric() || c == '_'),
    ));
    let number = recognize(pair(digit1, opt(pair(char('.'), digit1))));
    let date = preceded(
        char('@'),
        take_while1(|c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | 'T' | 'Z' | '+' | '.')),
    );
    alt((
        map(tag("$this"), |_| Token::This),
        map(number, |n: &str| Token::Number(n.to_owned())),
        map(name, |n: &str| Token::Name(n.to_owned())),
        map(date, |d: &str| Token::Date(d.to_owned())),
        map(tag("}"), |_| Token::Sign("}")),
        sign,
    ))
    .parse(text)
}

fn sign(text: &str) -> IResult<&str, Token> {
    let found = SIGNS.into_iter().find_map(|sign| Some((text.strip_prefix(sign)?, sign)));
    match found {
        Some((rest, sign)) => Ok((rest, Token::Sign(sign))),
        None => Err(nom::Err::Error(nom::error::Error::new(text, nom::error::ErrorKind::Tag))),
    }
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
        out.push(match chars.next().map(|(_, c)| c) {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('f') => '\u{c}',
            Some(c @ ('\'' | '"' | '`' | '\\' | '/')) => c,
            Some('u') => {
                let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                let point = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                point.and_then(char::from_u32).ok_or_else(unknown)?
            }
            _ => return Err(unknown()),
        });
    }
    Err(PathError { at, what: format!("the text is not closed by `{quote}`") })
}
