//! Narratives: the XHTML that R4 allows, and nothing a reader of it could act on.
//!
//! Source: FHIR R4 narrative.html#xhtml: elements of HTML 4.0 chapters 7 to 11 and 15, no
//! scripts, forms, frames, objects or links to styles, no entities but those of XML.

/// Deepest nesting of elements, as of JSON: a renderer recurses too.
const DEPTH_MAX: usize = 64;

const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "area",
    "b",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "map",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
    "var",
];

/// Attributes of every element.
const COMMON: &[&str] = &[
    "abbr",
    "accesskey",
    "align",
    "axis",
    "border",
    "cellpadding",
    "cellspacing",
    "char",
    "charoff",
    "class",
    "clear",
    "colspan",
    "compact",
    "dir",
    "headers",
    "height",
    "id",
    "lang",
    "name",
    "nowrap",
    "rowspan",
    "scope",
    "span",
    "start",
    "style",
    "summary",
    "tabindex",
    "title",
    "type",
    "valign",
    "value",
    "width",
    "xml:lang",
    "xml:space",
    "frame",
    "rules",
    "xmlns",
    "cite",
    "datetime",
    "noshade",
    "size",
    "bgcolor",
];

/// Attributes of single elements.
const OWN: &[(&str, &[&str])] = &[
    ("a", &["charset", "coords", "href", "hreflang", "rel", "rev", "shape", "target"]),
    ("area", &["alt", "coords", "href", "nohref", "shape"]),
    ("img", &["alt", "hspace", "ismap", "longdesc", "src", "usemap", "vspace"]),
];

/// Checks a narrative's `div`.
///
/// # Errors
/// What is wrong, in words without content.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.trim();
    let mut done = false;
    while !rest.is_empty() {
        let Some(at) = rest.find('<') else {
            return Err("text stands after the end of the `div`".to_owned());
        };
        let (before, tag) = rest.split_at(at);
        if open.is_empty() && !before.trim().is_empty() {
            return Err("text stands outside of the `div`".to_owned());
        }
        entities(before)?;
        if let Some(after) = tag.strip_prefix("<!--") {
            let Some((_, after)) = after.split_once("-->") else {
                return Err("a comment is not closed".to_owned());
            };
            rest = after;
            continue;
        }
        if done {
            return Err("more than one element stands at the top".to_owned());
        }
        if let Some(after) = tag.strip_prefix("</") {
            let Some((name, after)) = after.split_once('>') else {
                return Err("a tag is not closed".to_owned());
            };
            if open.pop() != Some(name.trim_end()) {
                return Err("the elements are not closed in the order they opened".to_owned());
            }
            rest = after;
        } else {
            rest = opening(tag, &mut open)?;
        }
        done = open.is_empty();
    }
    if done { Ok(()) } else { Err("the `div` is not closed".to_owned()) }
}

/// Reads an opening tag; what comes after it.
fn opening<'t>(tag: &'t str, open: &mut Vec<&'t str>) -> Result<&'t str, String> {
    let after = tag.strip_prefix('<').unwrap_or(tag);
    let end = after.find(|c: char| c.is_whitespace() || c == '>' || c == '/');
    let Some((name, mut rest)) = end.map(|end| after.split_at(end)) else {
        return Err("a tag is not closed".to_owned());
    };
    if !ELEMENTS.contains(&name) {
        return Err("an element is none of those that R4 allows".to_owned());
    }
    if open.is_empty() && name != "div" {
        return Err("the outermost element is `div`".to_owned());
    }
    let mut space = false;
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("/>") {
            if open.is_empty() && !space {
                return Err(NAMESPACE.to_owned());
            }
            return Ok(after);
        }
        if let Some(after) = rest.strip_prefix('>') {
            if open.is_empty() && !space {
                return Err(NAMESPACE.to_owned());
            }
            if open.len() >= DEPTH_MAX {
                return Err(format!("elements are nested deeper than {DEPTH_MAX} levels"));
            }
            open.push(name);
            return Ok(after);
        }
        let (attribute, value, after) = attribute(rest)?;
        space |= attribute == "xmlns" && value == "http://www.w3.org/1999/xhtml";
        allowed(name, attribute, value)?;
        rest = after;
    }
}

const NAMESPACE: &str = "the `div` has the namespace `http://www.w3.org/1999/xhtml`";

/// Reads `name="value"`; name, value and what comes after.
fn attribute(text: &str) -> Result<(&str, &str, &str), String> {
    let read = || {
        let (name, rest) = text.split_once('=')?;
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, rest) = rest.get(1..)?.split_once(quote)?;
        let name = name.trim_end();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_');
        (!name.is_empty() && name.bytes().all(plain)).then_some((name, value, rest))
    };
    read().ok_or_else(|| "an attribute is not of the form `name=\"value\"`".to_owned())
}

fn allowed(element: &str, attribute: &str, value: &str) -> Result<(), String> {
    let own = OWN.iter().find(|(name, _)| *name == element).map_or(&[][..], |(_, own)| own);
    let prefix = attribute.starts_with("xmlns:");
    if !COMMON.contains(&attribute) && !own.contains(&attribute) && !prefix {
        return Err("an attribute is none of those that R4 allows".to_owned());
    }
    if value.contains('<') {
        return Err("an attribute holds `<`".to_owned());
    }
    entities(value)?;
    if matches!(attribute, "href" | "src" | "longdesc" | "cite") {
        link(value)?;
    }
    Ok(())
}

/// A link leads to a page, a mailbox or a place in the document, and runs nothing.
fn link(value: &str) -> Result<(), String> {
    let Some((scheme, _)) = value.split_once(':') else { return Ok(()) };
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    if scheme.is_empty() || !scheme.bytes().all(name) {
        return Ok(());
    }
    let known = ["http", "https", "mailto", "tel", "ftp", "data", "cid"];
    if known.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        Ok(())
    } else {
        Err("a link has a scheme that leads nowhere".to_owned())
    }
}

/// Of entities XML has five, and numbers.
fn entities(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('&') {
        let Some((name, next)) = after.split_once(';') else {
            return Err("an `&` begins no entity".to_owned());
        };
        let number = name.strip_prefix('#').is_some_and(|number| match number.strip_prefix('x') {
            Some(hex) => !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()),
            None => !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()),
        });
        if !number && !matches!(name, "amp" | "lt" | "gt" | "quot" | "apos") {
            return Err("an entity is none of those of XML".to_owned());
        }
        rest = next;
    }
    Ok(())
}

/// Whether a narrative shows anything: text that is not blank, or an image.
pub(super) fn has_content(text: &str) -> bool {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        if !before.trim_ascii().is_empty() || after.starts_with("img") {
            return true;
        }
        rest = after.split_once('>').map_or("", |(_, rest)| rest);
    }
    !rest.trim_ascii().is_empty()
}

/// Ids that links and images of a narrative name in the same resource.
pub(super) fn anchors(text: &str) -> impl Iterator<Item = &str> {
    let all = ["src=\"#", "href=\"#", "src='#", "href='#"].into_iter();
    all.flat_map(move |mark| {
        text.match_indices(mark).filter_map(move |(at, _)| {
            let rest = text.get(at + mark.len()..)?;
            rest.split(['"', '\'']).next()
        })
    })
}

/// Whether a text holds what a browser could take for a tag.
pub(super) fn looks_like_markup(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| {
        let after = text.get(at + 1..).unwrap_or_default();
        let inside = after.strip_prefix('/').unwrap_or(after);
        inside.starts_with(|c: char| c.is_ascii_alphabetic()) && after.contains('>')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narratives_are_told_from_other_markup() {
        let ns = "xmlns=\"http://www.w3.org/1999/xhtml\"";
        let good = |inside: &str| {
            let text = format!("<div {ns}>{inside}</div>");
            assert_eq!(check(&text), Ok(()), "{inside}");
        };
        good("a &amp; b &#160; &#xA0; <br/> <p class='x'>c</p>");
        good("<table border=\"1\"><tr><td colspan=\"2\">x</td></tr></table><!-- <x> -->");
        good(
            "<a href=\"http://a.example/b?c=d:e\">x</a><a href=\"#y\">z</a><img src=\"#p\" alt=\"\"/>",
        );
        let bad = |inside: &str, expected: &str| {
            let found = check(&format!("<div {ns}>{inside}</div>")).unwrap_err();
            assert!(found.contains(expected), "{inside}: {found}");
        };
        bad("<script>x</script>", "none of those");
        bad("<p onclick=\"x\">a</p>", "attribute is none");
        bad("<form></form>", "none of those");
        bad("<a href=\"javascript:x\">a</a>", "scheme");
        bad("<a href=\"urn:uuid:1\">a</a>", "scheme");
        bad("&nbsp;", "entity");
        bad("a & b", "entity");
        bad("<p>a", "order");
        bad("<b><i>a</b></i>", "order");
        bad("<p title=x>a</p>", "form");
        bad("<!-- a", "comment");
        bad("<p", "none of those");
        bad(&"<b>".repeat(100), "deeper");
        assert!(check("<div>a</div>").unwrap_err().contains("namespace"));
        assert!(check(&format!("<p {ns}>a</p>")).unwrap_err().contains("outermost"));
        assert!(check(&format!("<div {ns}>a</div><div {ns}>a</div>")).is_err());
        assert!(check(&format!("<div {ns}>a</div>b")).is_err());
        assert!(check("<!DOCTYPE x><div/>").is_err());
        assert!(check("").is_err());
    }

    #[test]
    fn blank_narratives_show_nothing() {
        assert!(has_content("<div>a</div>") && has_content("<div><img src='x'/></div>"));
        assert!(!has_content("<div> <p> </p>\n</div>"));
        let linked = "<div><a href=\"#a\">x</a><img alt='' src='#b'/><p title='#c'/></div>";
        assert_eq!(anchors(linked).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn tags_are_seen_in_texts() {
        assert!(looks_like_markup("a <script>b") && looks_like_markup("</b>"));
        assert!(
            !looks_like_markup("a < b > c")
                && !looks_like_markup("x<5")
                && !looks_like_markup("<b")
        );
    }
}
