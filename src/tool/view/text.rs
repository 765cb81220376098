//! The view for a terminal: one line a valued part, aligned within its segment.

use std::io::{self, Write};

use super::{Item, Leaf, Look, MASK, summary, visible, walk};
use crate::hl7v2::Message;

/// Longest name that others are aligned to.
const NAME_WIDTH_MAX: usize = 48;

/// Longest path that others are aligned to.
const PATH_WIDTH_MAX: usize = 24;

/// Longest text of a code: some tables hold paragraphs.
const MEANING_WIDTH_MAX: usize = 60;

const BOLD: &str = "1";
const DIM: &str = "2";
const BLUE: &str = "34";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// Writes a message as a tree.
///
/// # Errors
/// What `out` fails with.
pub fn text(message: &Message, look: Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    head(message, look, out)?;
    let widths = widths(message, look);
    let mut segment = 0;
    walk(message, look.site, &mut |item| match item {
        Item::Group { depth, label } => {
            writeln!(out, "{}{}", indent(*depth), paint(look, BLUE, label))
        }
        Item::Segment { depth, label, name, segment: of } => {
            segment += 1;
            let label = if label.is_empty() { "???" } else { label };
            let start = of.range().start;
            let offset = if look.offsets { format!("  @{start}") } else { String::new() };
            writeln!(
                out,
                "{}{}  {}",
                indent(*depth),
                paint(look, BOLD, label),
                paint(look, DIM, &format!("{name}{offset}"))
            )?;
            if look.raw {
                let raw = match look.values {
                    true => visible(&message.charset().decode(of.raw())).into_owned(),
                    false => MASK.to_owned(),
                };
                writeln!(out, "{}  {}", indent(*depth), paint(look, YELLOW, &raw))?;
            }
            Ok(())
        }
        Item::Leaf(leaf) => {
            let width = widths.get(segment - 1).copied().unwrap_or_default();
            line(leaf, width, look, out)
        }
    })
}

fn head(message: &Message, look: Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let all = summary(message);
    let structure = all.structure.map(|name| format!("  structure {name}")).unwrap_or_default();
    let charset = match all.charset {
        "" => String::new(),
        name => format!("  {name}"),
    };
    let facts = format!(
        "{}{structure}{charset}  {} segments, {} bytes",
        visible(&all.version),
        all.segments,
        all.bytes
    );
    let title = visible(&all.message_type).into_owned();
    writeln!(out, "{}  {}", paint(look, BOLD, &title), paint(look, DIM, &facts))?;
    for note in &all.notes {
        let text = format!("note: {}: {} ({})", note.place, note.phrase, note.name);
        writeln!(out, "{}", paint(look, YELLOW, &text))?;
    }
    Ok(())
}

/// Widths of path, data type and name in each segment.
fn widths(message: &Message, look: Look<'_>) -> Vec<[usize; 3]> {
    let mut all: Vec<[usize; 3]> = Vec::new();
    let _ = walk(message, look.site, &mut |item| {
        match item {
            Item::Group { .. } => {}
            Item::Segment { .. } => all.push([0; 3]),
            Item::Leaf(leaf) => {
                if let Some([path, datatype, name]) = all.last_mut() {
                    *path = (*path).max(leaf.path.len().min(PATH_WIDTH_MAX));
                    *datatype = (*datatype).max(leaf.datatype.len());
                    *name = (*name).max(leaf.name.chars().count().min(NAME_WIDTH_MAX));
                }
            }
        }
        Ok(())
    });
    all
}

fn line(leaf: &Leaf<'_>, width: [usize; 3], look: Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let [path, datatype, name] = width;
    let value = match (look.values, leaf.is_null) {
        (_, true) => "\"\" (null)".to_owned(),
        (false, false) => MASK.to_owned(),
        (true, false) => {
            visible(&leaf.text.replace("\r\n", " / ").replace(['\r', '\n'], " / ")).into_owned()
        }
    };
    let meaning = match leaf.meaning {
        Some(meaning) if look.values => match meaning.char_indices().nth(MEANING_WIDTH_MAX) {
            Some((end, _)) => format!("  ({}..)", meaning.get(..end).unwrap_or_default()),
            None => format!("  ({meaning})"),
        },
        _ => String::new(),
    };
    let range = match look.offsets {
        true => format!("{:>11}  ", format!("{}..{}", leaf.range.start, leaf.range.end)),
        false => String::new(),
    };
    writeln!(
        out,
        "{}  {}{:<path$}  {}  {}  {}{}",
        indent(leaf.depth),
        paint(look, DIM, &range),
        leaf.path,
        paint(look, GREEN, &format!("{:<datatype$}", leaf.datatype)),
        paint(look, DIM, &format!("{:<name$}", leaf.name)),
        value,
        paint(look, DIM, &meaning),
    )
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}

fn paint(look: Look<'_>, code: &str, text: &str) -> String {
    match look.color && !text.is_empty() {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text.to_owned(),
    }
}
