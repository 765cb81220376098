//! The functions over texts.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::ast::{Call, Function};
use super::eval::{Found, Stop, wrong};
use super::parse::pattern;
use super::value::Item;

/// Longest text that a function may make in bytes: a document is no longer.
const TEXT_BYTES_MAX: usize = 64 << 20;

/// Joins texts, with a separator between them.
pub(super) fn join<'d>(items: &[Item<'d>], with: &[Vec<Item<'d>>]) -> Found<'d> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let mut parts = Vec::with_capacity(items.len());
    for item in items {
        match item.string() {
            Some(text) => parts.push(text),
            None => return wrong("`join` is applied to texts only"),
        }
    }
    let separator = with.first().and_then(|given| given.first()).and_then(Item::string);
    made(parts.join(separator.as_deref().unwrap_or_default()))
}

/// Applies a function to one text.
pub(super) fn call<'d>(call: &Call, item: &Item<'d>, given: &[&Item<'d>]) -> Found<'d> {
    let Some(text) = item.string() else {
        return wrong(format!("`{}` is applied to what is no text", call.name));
    };
    let number = |number: Option<usize>| {
        let number = number.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
        Ok(vec![Item::Integer(number)])
    };
    let yes = |value: bool| Ok(vec![Item::Bool(value)]);
    match call.function {
        Function::Lower => made(text.to_lowercase()),
        Function::Upper => made(text.to_uppercase()),
        Function::Trim => made(text.trim().to_owned()),
        Function::Length => number(Some(text.chars().count())),
        Function::ToChars => {
            Ok(text.chars().map(|c| Item::Text(Cow::Owned(c.to_string()))).collect())
        }
        Function::Substring => substring(&text, given),
        _ => {
            let Some(first) = given.first().and_then(|item| item.string()) else {
                return wrong(format!("`{}` takes a text", call.name));
            };
            let characters = |at: usize| text.get(..at).map(|before| before.chars().count());
            match call.function {
                Function::StartsWith => yes(text.starts_with(first.as_ref())),
                Function::EndsWith => yes(text.ends_with(first.as_ref())),
                Function::Contains => yes(text.contains(first.as_ref())),
                Function::IndexOf => number(text.find(first.as_ref()).and_then(characters)),
                Function::LastIndexOf => number(text.rfind(first.as_ref()).and_then(characters)),
                Function::Split if first.is_empty() => {
                    Ok(text.chars().map(|c| Item::Text(Cow::Owned(c.to_string()))).collect())
                }
                Function::Split => Ok(text
                    .split(first.as_ref())
                    .map(|part| Item::Text(Cow::Owned(part.to_owned())))
                    .collect()),
                Function::Encode => made(encode(&text, &first)?),
                Function::Decode => decode(&text, &first),
                Function::Escape => made(escape(&text, &first)?),
                Function::Unescape => made(unescape(&text, &first)?),
                _ => matched(call, &text, &first, given),
            }
        }
    }
}

/// The functions that take a pattern, and `replace`.
fn matched<'d>(call: &Call, text: &str, first: &str, given: &[&Item<'d>]) -> Found<'d> {
    let second = given.get(1).and_then(|item| item.string());
    if call.function == Function::Replace {
        let Some(second) = second else { return wrong("`replace` takes two texts") };
        return made(text.replace(first, &second));
    }
    let fresh = match (&call.pattern, call.function) {
        (Some(_), _) => None,
        (None, Function::MatchesFull) => pattern(&format!("^(?:{first})$")),
        (None, _) => pattern(first),
    };
    let Some(pattern) = call.pattern.as_ref().or(fresh.as_ref()) else {
        return wrong(format!("`{}` takes a regular expression", call.name));
    };
    if call.function != Function::ReplaceMatches {
        return Ok(vec![Item::Bool(pattern.is_match(text))]);
    }
    let Some(second) = second else { return wrong("`replaceMatches` takes two texts") };
    if first.is_empty() {
        return made(text.to_owned());
    }
    made(pattern.replace_all(text, second.as_ref()).into_owned())
}

fn made<'d>(text: String) -> Found<'d> {
    if text.len() > TEXT_BYTES_MAX {
        return wrong("a text grew past the size of a document");
    }
    Ok(vec![Item::Text(Cow::Owned(text))])
}

fn substring<'d>(text: &str, given: &[&Item<'d>]) -> Found<'d> {
    let mut numbers = Vec::with_capacity(2);
    for item in given {
        match item.integer() {
            Some(number) => numbers.push(number),
            None => return wrong("`substring` takes whole numbers"),
        }
    }
    let Some(start) = numbers.first().and_then(|start| usize::try_from(*start).ok()) else {
        return Ok(Vec::new());
    };
    if start >= text.chars().count() {
        return Ok(Vec::new());
    }
    let length = numbers.get(1).map_or(usize::MAX, |l| usize::try_from(*l).unwrap_or(0));
    made(text.chars().skip(start).take(length).collect())
}

fn encode(text: &str, way: &str) -> Result<String, Stop> {
    Ok(match way {
        "base64" => STANDARD.encode(text),
        "urlbase64" => URL_SAFE.encode(text),
        "hex" => text.bytes().map(|b| format!("{b:02x}")).collect(),
        _ => return wrong("`encode` knows `hex`, `base64` and `urlbase64`"),
    })
}

fn decode<'d>(text: &str, way: &str) -> Found<'d> {
    let bytes = match way {
        "base64" => STANDARD.decode(text).ok(),
        "urlbase64" => URL_SAFE.decode(text).ok(),
        "hex" => unhex(text),
        _ => return wrong("`decode` knows `hex`, `base64` and `urlbase64`"),
    };
    match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) => made(text),
        None => Ok(Vec::new()),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

fn escape(text: &str, way: &str) -> Result<String, Stop> {
    match way {
        "html" => {
            let mut out = String::with_capacity(text.len());
            for c in text.chars() {
                match c {
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    '&' => out.push_str("&amp;"),
                    '"' => out.push_str("&quot;"),
                    '\'' => out.push_str("&#39;"),
                    c => out.push(c),
                }
            }
            Ok(out)
        }
        "json" => {
            let quoted = serde_json::to_string(text).unwrap_or_default();
            let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            Ok(inside.unwrap_or_default().to_owned())
        }
        _ => wrong("`escape` knows `html` and `json`"),
    }
}

fn unescape(text: &str, way: &str) -> Result<String, Stop> {
    match way {
        "html" => Ok(text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&apos;", "'")
            .replace("&amp;", "&")),
        "json" => {
            // A quote that stands alone is taken as it is.
            let mut safe = String::with_capacity(text.len());
            let mut escaped = false;
            for c in text.chars() {
                if c == '"' && !escaped {
                    safe.push('\\');
                }
                escaped = c == '\\' && !escaped;
                safe.push(c);
            }
            match serde_json::from_str(&format!("\"{safe}\"")) {
                Ok(text) => Ok(text),
                Err(_) => wrong("`unescape` found no JSON text"),
            }
        }
        _ => wrong("`unescape` knows `html` and `json`"),
    }
}
