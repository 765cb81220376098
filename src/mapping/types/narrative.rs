//! The narrative block of CDA as XHTML of FHIR.
//!
//! What marks a text up in CDA has its like in XHTML; what has none leaves its words. No
//! attribute is carried over but those of cells and the address of a link.
//!
//! Source: CDA R2 §4.3.5; FHIR R4 narrative.html.

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesStart, Event};

use crate::cda::Element;
use crate::xml;

/// Most bytes of a narrative: those of a long section with its tables.
const DIV_BYTES_MAX: usize = 4 << 20;

/// Elements of CDA with those of XHTML; an empty one keeps the words alone.
const ELEMENTS: &[(&str, &str)] = &[
    ("br", "br"),
    ("caption", "b"),
    ("col", "col"),
    ("colgroup", "colgroup"),
    ("content", "span"),
    ("footnote", "span"),
    ("item", "li"),
    ("linkHtml", "a"),
    ("list", "ul"),
    ("paragraph", "p"),
    ("sub", "sub"),
    ("sup", "sup"),
    ("table", "table"),
    ("tbody", "tbody"),
    ("td", "td"),
    ("tfoot", "tfoot"),
    ("th", "th"),
    ("thead", "thead"),
    ("tr", "tr"),
];

/// The narrative as a `div`; nothing where it has no words.
pub(super) fn div(element: Element<'_>) -> Option<String> {
    if element.text().is_empty() {
        return None;
    }
    let inside = element.document().text().get(element.inside())?;
    let mut out = format!("<div xmlns=\"{}\">", xml::XHTML);
    let mut reader = Reader::from_str(inside);
    let mut open: Vec<&'static str> = Vec::new();
    // What is malformed was refused when the document was read.
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(tag) => open.push(start(&tag, open.last().copied(), &mut out, false)),
            Event::Empty(tag) => {
                start(&tag, open.last().copied(), &mut out, true);
            }
            Event::End(_) => {
                if let Some(name) = open.pop().filter(|name| !name.is_empty()) {
                    out.push_str(&format!("</{name}>"));
                }
            }
            Event::Text(text) => words(&escape(&*text), &open, &mut out),
            Event::CData(text) => words(&escape(&*text), &open, &mut out),
            Event::GeneralRef(name) => match name.resolve_char_ref() {
                Ok(Some(c)) => words(&escape(&*c.to_string()), &open, &mut out),
                _ => {
                    let text = resolve_predefined_entity(&name).unwrap_or_default();
                    words(&escape(text), &open, &mut out);
                }
            },
            Event::Eof => break,
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => {}
        }
        if out.len() > DIV_BYTES_MAX {
            return None;
        }
    }
    while let Some(name) = open.pop() {
        if !name.is_empty() {
            out.push_str(&format!("</{name}>"));
        }
    }
    out.push_str("</div>");
    Some(out)
}

/// Elements between whose children no words stand.
fn holds_no_words(name: Option<&&str>) -> bool {
    name.is_some_and(|name| {
        matches!(*name, "table" | "thead" | "tbody" | "tfoot" | "tr" | "colgroup" | "ul" | "ol")
    })
}

fn words(text: &str, open: &[&'static str], out: &mut String) {
    if !holds_no_words(open.last()) {
        out.push_str(text);
    }
}

/// Opens the element that stands for one of CDA; gives its name, empty where there is none.
fn start(
    tag: &BytesStart<'_>,
    around: Option<&'static str>,
    out: &mut String,
    is_empty: bool,
) -> &'static str {
    let local = tag.local_name();
    let found = ELEMENTS.iter().find(|(from, _)| *from == local.as_ref());
    let mut name = found.map_or("", |(_, to)| *to);
    let value = |wanted: &str| {
        let mut all = tag.attributes().flatten();
        let raw = all.find(|attribute| attribute.key.local_name().as_ref() == wanted)?.value;
        xml::value(&raw, 0).ok().map(|value| value.into_owned())
    };
    let style = value("styleCode").unwrap_or_default();
    name = match name {
        "ul" if value("listType").as_deref() == Some("ordered") => "ol",
        "span" if style.split_ascii_whitespace().any(|one| one == "Bold") => "b",
        "span" if style.split_ascii_whitespace().any(|one| one == "Italics") => "i",
        // Of a table it has the name that it has in CDA.
        "b" if around == Some("table") => "caption",
        // A paragraph within one would end it.
        "p" if around == Some("p") => "span",
        "b" if holds_no_words(around.as_ref()) => "li",
        other => other,
    };
    // What stands between rows and cells without being one has no place there.
    let is_part = matches!(
        name,
        "caption" | "colgroup" | "col" | "thead" | "tbody" | "tfoot" | "tr" | "td" | "th" | "li"
    );
    if holds_no_words(around.as_ref()) && !is_part {
        name = "";
    }
    if name.is_empty() {
        return name;
    }
    out.push_str(&format!("<{name}"));
    let carried: &[&str] = match name {
        "td" | "th" => &["colspan", "rowspan"],
        "a" => &["href"],
        _ => &[],
    };
    for attribute in carried {
        let Some(text) = value(attribute) else { continue };
        let is_good = match *attribute {
            "href" => ["http://", "https://", "mailto:"].iter().any(|s| text.starts_with(s)),
            _ => !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()),
        };
        if is_good {
            out.push_str(&format!(" {attribute}=\"{}\"", escape(&*text)));
        }
    }
    out.push_str(if is_empty || name == "br" || name == "col" { "/>" } else { ">" });
    if name == "br" || name == "col" { "" } else { name }
}
