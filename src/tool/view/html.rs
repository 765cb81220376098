//! The view as one page of HTML: everything in the file, no script, nothing from outside.
//!
//! The bytes stand above the tree; each part of one is a link to its row in the other, and
//! the browser marks the target: raw and tree stay in sync without script.

use std::io::{self, Write};

use super::{Item, Leaf, Look, MASK, Summary, summary, visible, walk};
use crate::hl7v2::{Message, Segment};

const STYLE: &str = "\
:root{color-scheme:light dark;--text:#17202a;--back:#fff;--dim:#4a5663;--link:#0b57a4;\
--mark:#fdf1d8;--line:#d5dbe1;--warn:#7a4b00}\
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--back:#171d24;--dim:#a3b1bf;\
--link:#7db8ff;--mark:#33260a;--line:#39434e;--warn:#f0b94a}}\
body{margin:1.5rem;font:15px/1.45 system-ui,sans-serif;color:var(--text);background:var(--back)}\
h1{font-size:1.2rem;margin:0 0 .3rem}p{margin:.2rem 0;color:var(--dim)}.note{color:var(--warn)}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid var(--line);padding:.6rem;\
font:13px/1.6 ui-monospace,monospace}pre a{color:inherit;text-decoration:none}\
a{color:var(--link)}a:hover,a:focus{text-decoration:underline;outline:2px solid var(--link)}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;\
padding:.15rem .7rem .15rem 0;border-bottom:1px solid var(--line)}\
td:first-child{white-space:nowrap;font-family:ui-monospace,monospace}\
.v{overflow-wrap:anywhere;white-space:pre-wrap}.d{color:var(--dim)}\
th{padding-top:.8rem}:target{background:var(--mark)}";

/// Begins a page.
///
/// # Errors
/// What `out` fails with.
fn begin(title: &str, out: &mut dyn Write) -> io::Result<()> {
    let title = escaped(title);
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"referrer\" content=\"no-referrer\">\
         <title>{title}</title><style>{STYLE}</style></head><body>"
    )
}

/// Writes messages as one page.
///
/// # Errors
/// What `out` fails with.
pub fn html(
    title: &str,
    messages: &mut dyn Iterator<Item = Message>,
    look: Look<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    begin(title, out)?;
    for (number, message) in messages.enumerate() {
        one(&message, number + 1, look, out)?;
    }
    writeln!(out, "</body></html>")
}

fn one(message: &Message, number: usize, look: Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let all = summary(message);
    writeln!(out, "<h1>{}</h1>", escaped(&all.message_type))?;
    about(&all, out)?;
    if look.values {
        raw(message, number, look, out)?;
    }
    writeln!(out, "<table>")?;
    walk(message, look.site, &mut |item| match item {
        Item::Group { depth, label } => {
            let pad = pad(*depth);
            writeln!(out, "<tr><th colspan=\"4\"{pad}>{}</th></tr>", escaped(label))
        }
        Item::Segment { depth, label, name, .. } => {
            let label = if label.is_empty() { "???" } else { label };
            let (pad, label, name) = (pad(*depth), escaped(label), escaped(name));
            writeln!(
                out,
                "<tr><th colspan=\"4\"{pad}>{label} <span class=\"d\">{name}</span></th></tr>"
            )
        }
        Item::Leaf(leaf) => row(leaf, number, look, out),
    })?;
    writeln!(out, "</table>")
}

fn about(all: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let structure = all.structure.as_deref().unwrap_or("no known structure");
    writeln!(
        out,
        "<p>version {} &middot; {} &middot; {} segments &middot; {} bytes{}</p>",
        escaped(&all.version),
        escaped(structure),
        all.segments,
        all.bytes,
        match all.charset {
            "" => String::new(),
            name => format!(" &middot; {}", escaped(name)),
        }
    )?;
    for note in &all.notes {
        let (place, phrase) = (escaped(&note.place), escaped(&note.phrase));
        writeln!(out, "<p class=\"note\">{place}: {phrase} ({})</p>", escaped(&note.name))?;
    }
    Ok(())
}

/// The bytes of a message, each valued part a link to its row.
fn raw(message: &Message, number: usize, look: Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "<pre>")?;
    let mut open: Option<(Segment<'_>, usize)> = None;
    let bytes = message.bytes();
    let plain = |from: usize, to: usize| {
        let piece = bytes.get(from..to).unwrap_or_default();
        escaped(&visible(&message.charset().decode(piece)))
    };
    // A segment is looked up again by its place: items live only while they are told.
    walk(message, look.site, &mut |item| match item {
        Item::Group { .. } => Ok(()),
        Item::Segment { segment, .. } => {
            if let Some((before, at)) = open.take() {
                let end = before.range().end;
                writeln!(out, "{}", plain(at, end))?;
            }
            open = message.segment(segment.index()).map(|of| (of, of.range().start));
            Ok(())
        }
        Item::Leaf(leaf) => {
            let Some((_, at)) = &mut open else { return Ok(()) };
            let (start, end) = (leaf.range.start, leaf.range.end);
            write!(
                out,
                "{}<a id=\"r{number}-{start}\" href=\"#t{number}-{start}\" title=\"{}\">{}</a>",
                plain(*at, start),
                escaped(leaf.path),
                plain(start, end)
            )?;
            *at = end;
            Ok(())
        }
    })?;
    if let Some((last, at)) = open {
        write!(out, "{}", plain(at, last.range().end))?;
    }
    writeln!(out, "</pre>")
}

fn row(leaf: &Leaf<'_>, number: usize, look: Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let start = leaf.range.start;
    let value = match (look.values, leaf.is_null) {
        (_, true) => "&quot;&quot; <span class=\"d\">null</span>".to_owned(),
        (false, false) => MASK.to_owned(),
        (true, false) => {
            let text = leaf.text.replace("\r\n", "\n").replace('\r', "\n");
            text.split('\n').map(|line| escaped(&visible(line))).collect::<Vec<_>>().join("\n")
        }
    };
    let meaning = match leaf.meaning {
        Some(meaning) if look.values => {
            format!(" <span class=\"d\">({})</span>", escaped(meaning))
        }
        _ => String::new(),
    };
    let path = match look.values {
        true => format!("<a href=\"#r{number}-{start}\">{}</a>", escaped(leaf.path)),
        false => escaped(leaf.path),
    };
    writeln!(
        out,
        "<tr id=\"t{number}-{start}\"><td{}>{path}</td><td>{}</td><td>{}</td>\
         <td class=\"v\">{value}{meaning}</td></tr>",
        pad(leaf.depth),
        escaped(leaf.datatype),
        escaped(leaf.name),
    )
}

fn pad(depth: usize) -> String {
    // Structures nest a handful of groups.
    if depth == 0 { String::new() } else { format!(" style=\"padding-left:{depth}em\"") }
}

/// Text as it may stand between tags and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
