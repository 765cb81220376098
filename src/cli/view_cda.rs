//! `weir view` of CDA documents: their sections, with every value at its path.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::args::{Format, ViewArgs};
use super::exit::Stop;
use super::shell::{Shell, Tone};
use super::view::{Input, Sum, say, tell};
use crate::cda::{Document, Element, Path};
use crate::fault::Severity;
use crate::tool::view::{self, Look, MASK};

/// Shows one document.
pub fn one(
    input: &Input,
    args: &ViewArgs,
    look: Look<'_>,
    (several, list): (bool, bool),
    sum: &mut Sum,
    shell: &mut Shell,
) -> Result<(), Stop> {
    let document = match Document::parse(&input.bytes) {
        Ok(document) => document,
        Err(fault) => {
            tell(&input.name, vec![fault], Severity::Error, shell);
            sum.refused = true;
            return Ok(());
        }
    };
    if several && shell.is_text() {
        let gap = if sum.shown > 0 { "\n" } else { "" };
        shell.line(format!("{gap}{}", shell.paint(Tone::Strong, input.name.clone())))?;
    }
    if list && sum.shown > 0 {
        shell.raw(b",\n")?;
    }
    sum.shown += 1;
    if let Some(path) = &args.path {
        let found = Path::parse(path)?.select(document.root())?;
        let shown = |value: &str| if look.values { value.to_owned() } else { MASK.to_owned() };
        let values: Vec<String> = found.iter().map(|found| shown(&found.text())).collect();
        sum.found |= say(&values, path, shell)?;
        return Ok(());
    }
    match shell.format {
        Format::Xml => shell.raw(document.text().as_bytes()),
        Format::Text => tree(document.root(), look, shell),
        _ => {
            let text = sections(&document, look).to_string();
            shell.raw(text.as_bytes())?;
            if list { Ok(()) } else { shell.line("") }
        }
    }
}

/// The sections of a document.
fn sections(document: &Document, look: Look<'_>) -> Json {
    let sections: Vec<Json> = document
        .sections()
        .map(|section| {
            let code = section.code();
            let templates: Vec<_> = section
                .templates()
                .map(|(root, extension)| match extension {
                    Some(extension) => format!("{root}:{extension}"),
                    None => root.into_owned(),
                })
                .collect();
            let (line, column) = section.element().place();
            json!({
                "level": section.level(),
                "code": code.as_ref().map(|code| code.code.to_string()),
                "system": code.as_ref().map(|code| code.system.to_string()),
                "title": look.values.then(|| section.title()),
                "templates": templates,
                "entries": section.entries().count(),
                "line": line,
                "column": column,
            })
        })
        .collect();
    json!({ "schema": "weir.view.v1", "type": "ClinicalDocument", "sections": sections })
}

/// Every value at its path, each section under its heading.
fn tree(root: Element<'_>, look: Look<'_>, shell: &mut Shell) -> Result<(), Stop> {
    let mut open = vec![(root, String::new())];
    while let Some((element, path)) = open.pop() {
        if element.name() == "section" {
            heading(element, look, shell)?;
        }
        for (name, value) in element.attributes() {
            let gap = if path.is_empty() { "" } else { "/" };
            value_line(&format!("{path}{gap}@{name}"), &value, look, shell)?;
        }
        let children: Vec<_> = element.children().collect();
        // What people read is one text, whatever it is marked up with.
        if children.is_empty() || matches!(element.name(), "text" | "title") {
            let text = element.text();
            if !text.is_empty() {
                value_line(&path, &text, look, shell)?;
            }
            continue;
        }
        let mut left: HashMap<&str, (usize, usize)> = HashMap::new();
        for child in &children {
            let (count, next) = left.entry(child.name()).or_default();
            (*count, *next) = (*count + 1, *next + 1);
        }
        for child in children.iter().rev() {
            let Some((count, number)) = left.get_mut(child.name()) else { continue };
            let step = match count {
                1 => child.name().to_owned(),
                _ => format!("{}[{number}]", child.name()),
            };
            *number -= 1;
            let gap = if path.is_empty() { "" } else { "/" };
            open.push((*child, format!("{path}{gap}{step}")));
        }
    }
    Ok(())
}

fn heading(section: Element<'_>, look: Look<'_>, shell: &mut Shell) -> Result<(), Stop> {
    let code = section.child("code").and_then(|code| code.attribute("code"));
    let title = section.child("title").map(|title| title.text()).unwrap_or_default();
    let title = if look.values { view::visible(&title).into_owned() } else { MASK.to_owned() };
    let head = format!("{}  {title}", code.as_deref().unwrap_or("section"));
    shell.line(shell.paint(Tone::Strong, head.trim_end()))
}

fn value_line(path: &str, value: &str, look: Look<'_>, shell: &mut Shell) -> Result<(), Stop> {
    let value = if look.values { view::visible(value) } else { MASK.into() };
    shell.line(format!("{}  {value}", shell.paint(Tone::Dim, path)))
}
