//! Words of a resource: of its narrative (`_text`), or of all that it says (`_content`).
//!
//! Source: FHIR R4 search.html#text.

use super::values::plain;
use crate::fhir::{Node, NodeKind};

/// All texts under a node, tags of narratives left out. Recursion is bounded by the depth of
/// documents.
pub(super) fn text(node: Node<'_>) -> String {
    let mut out = String::new();
    gather(node, &mut out);
    out
}

fn gather(node: Node<'_>, out: &mut String) {
    match node.kind() {
        NodeKind::String => {
            let Some(text) = node.string() else { return };
            if node.name() == Some("div") {
                untagged(&text, out)
            } else {
                out.push_str(&text)
            }
            out.push(' ');
        }
        NodeKind::Object | NodeKind::Array => {
            for child in node.children() {
                gather(child, out);
            }
        }
        NodeKind::Number | NodeKind::Bool | NodeKind::Null => {}
    }
}

/// The text between tags; a character reference parts words, but for letters by number.
fn untagged(html: &str, out: &mut String) {
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        let (before, mark) = rest.split_at(at);
        out.push_str(before);
        let end = if mark.starts_with('<') { '>' } else { ';' };
        let Some(close) = mark.find(end) else { return };
        let name = mark.get(1..close).unwrap_or_default();
        let number = match name.strip_prefix("#x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => name.strip_prefix('#').and_then(|digits| digits.parse().ok()),
        };
        out.push(number.filter(|_| end == ';').and_then(char::from_u32).unwrap_or(' '));
        rest = mark.get(close + 1..).unwrap_or_default();
    }
    out.push_str(rest);
}

/// The words of a text as they are compared.
pub(super) fn words(text: &str) -> Vec<String> {
    let plain = plain(text);
    let words = plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::Doc;

    #[test]
    fn words_are_found_between_tags() {
        let check = |json: &str, expected: &[&str]| {
            let doc = Doc::parse_json(json.to_owned().into()).unwrap();
            assert_eq!(words(&text(doc.root())), expected, "{json}");
        };
        check(r#"{"a":"Müller-X","b":["c d",{"e":1}]}"#, &["muller", "x", "c", "d"]);
        check(
            r#"{"text":{"div":"<div class='no'>Lung&nbsp;CT: <b>nod</b>ule M&#252;ller &#x41;</div>"}}"#,
            &["lung", "ct", "nod", "ule", "muller", "a"],
        );
        check(r#"{"div":"<p unclosed"}"#, &[]);
        check(r#"{"div":"a &amp"}"#, &["a"]);
    }
}
