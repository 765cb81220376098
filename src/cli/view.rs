//! `weir view`: a message as a tree.

use std::io::Read;

use bytes::Bytes;

use super::args::ViewArgs;
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::{read_file, shown};
use crate::fault::Fault;
use crate::fhir::{Doc, Node, NodeKind};
use crate::hl7v2::{Message, Path};
use crate::mapping::ValuePath;
use crate::message::Content;
use crate::tool::outline;

pub fn run(args: &ViewArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let bytes = if args.file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map_err(Stop::io)?;
        bytes
    } else {
        read_file(&args.file)?
    };
    let content = parse(Bytes::from(bytes)).map_err(|fault| {
        let fault = fault.at(crate::fault::Place::file(shown(&args.file)));
        Stop::Fault(fault, Exit::No)
    })?;
    if let Some(path) = &args.path {
        return at_path(&content, path, shell);
    }
    match &content {
        Content::Hl7(message) => tree(message, shell),
        Content::Fhir(doc) => document(doc, shell),
        Content::Raw(_) => Ok(Exit::No),
    }
}

/// Parses HL7 v2, or FHIR JSON where the first byte says so.
pub fn parse(bytes: Bytes) -> Result<Content, Fault> {
    let first = bytes.iter().find(|b| !b.is_ascii_whitespace());
    if first == Some(&b'{') {
        return Doc::parse_json(bytes).map(Content::Fhir);
    }
    Message::parse(bytes).map(Content::Hl7)
}

fn at_path(content: &Content, path: &str, shell: &mut Shell) -> Result<Exit, Stop> {
    let values = match content {
        Content::Hl7(message) => outline::values(message, &Path::parse(path)?),
        _ => ValuePath::parse(path)?.read_all(content),
    };
    if shell.is_text() {
        for value in &values {
            shell.line(value.reveal())?;
        }
    } else {
        let values: Vec<&String> = values.iter().map(|v| v.reveal()).collect();
        shell.json(&serde_json::json!({
            "schema": "weir.view.v1", "path": path, "values": values,
        }))?;
    }
    Ok(if values.is_empty() { Exit::NotFound } else { Exit::Done })
}

fn tree(message: &Message, shell: &mut Shell) -> Result<Exit, Stop> {
    let branches = outline::outline(message);
    if !shell.is_text() {
        shell.json(&outline::to_json(&branches, true))?;
        return Ok(Exit::Done);
    }
    for branch in &branches {
        let head = shell.paint(Tone::Strong, &branch.segment);
        shell.line(format!("{head}  {}", shell.paint(Tone::Dim, &branch.name)))?;
        let width = branch.leaves.iter().map(|l| l.path.len()).max().unwrap_or(0);
        let names = branch.leaves.iter().map(|l| l.name.chars().count()).max().unwrap_or(0);
        for leaf in &branch.leaves {
            let name = format!("{:<names$}", leaf.name);
            let value = leaf.value.reveal().replace(['\r', '\n'], " / ");
            let name = shell.paint(Tone::Dim, name);
            shell.line(format!("  {:<width$}  {name}  {value}", leaf.path))?;
        }
    }
    Ok(Exit::Done)
}

fn document(doc: &Doc, shell: &mut Shell) -> Result<Exit, Stop> {
    if !shell.is_text() {
        shell.raw(&doc.to_json())?;
        shell.line("")?;
        return Ok(Exit::Done);
    }
    let mut stack = vec![doc.root()];
    while let Some(node) = stack.pop() {
        match node.kind() {
            NodeKind::Object => {
                let mut below: Vec<Node<'_>> = node.members().map(|(_, n)| n).collect();
                below.reverse();
                stack.extend(below);
            }
            NodeKind::Array => {
                let mut below: Vec<Node<'_>> = node.items().collect();
                below.reverse();
                stack.extend(below);
            }
            _ => {
                let value = node.text().unwrap_or_default();
                shell.line(format!("{}  {value}", shell.paint(Tone::Dim, node.path())))?;
            }
        }
    }
    Ok(Exit::Done)
}
