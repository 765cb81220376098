//! `weir view`: messages as trees, as JSON or as a page.

use std::io::Read;
use std::path::Path as FilePath;

use bytes::Bytes;
use serde_json::Value as Json;

use super::args::{Format, ViewArgs};
use super::client::{Server, escaped};
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::{block_on, read_file, shown, view_cda};
use crate::cda::{self, Document};
use crate::fault::codes::W2073;
use crate::fault::{Fault, Problem, Severity};
use crate::fhir::{Doc, Node, NodeKind};
use crate::hl7v2::{self, Charset, Message, Path, batch};
use crate::mapping::ValuePath;
use crate::message::Content;
use crate::tool::outline;
use crate::tool::view::{self, Look, MASK};

/// Bytes in which the schema of a JSON form is looked for: it is written first.
const JSON_HEAD: usize = 256;

/// Bytes in which the namespace of XML is looked for, comments before it included.
const XML_HEAD: usize = 4096;

/// What the files held, and how the command ends.
#[derive(Default)]
pub struct Sum {
    pub shown: usize,
    pub found: bool,
    pub refused: bool,
}

pub fn run(args: &ViewArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    if args.check {
        return super::view_check::run(args, shell);
    }
    let mut inputs = Vec::new();
    for file in &args.files {
        inputs.push(read(file, args, shell)?);
    }
    let site = super::definitions(shell);
    let look = Look {
        site: &site,
        values: !args.mask && inputs.iter().all(|input| input.reveal),
        raw: args.raw,
        offsets: args.offsets || shell.verbose,
        color: shell.color,
    };
    let whole = args.lossless || matches!(shell.format, Format::Xml | Format::Hl7);
    if whole && !look.values {
        let text = "this form holds every value: leave out `--mask`, or add `--reveal`".to_owned();
        return Err(Stop::Said(Exit::NotAllowed, text));
    }
    if let Some(page) = &args.html {
        let mut out = std::io::BufWriter::new(std::fs::File::create(page).map_err(|error| {
            Stop::Said(Exit::No, format!("cannot write `{}`: {error}", shown(page)))
        })?);
        return html((&inputs, args.charset), look, shell, &mut out);
    }
    if shell.format == Format::Html {
        let mut page = Vec::new();
        let exit = html((&inputs, args.charset), look, shell, &mut page)?;
        shell.raw(&page)?;
        return Ok(exit);
    }
    let mut sum = Sum::default();
    let several =
        inputs.len() > 1 || inputs.iter().any(|input| pieces(input, args.charset).len() > 1);
    let list = several && shell.format == Format::Json && args.path.is_none();
    if list {
        shell.raw(b"{\"schema\":\"weir.view.v1\",\"messages\":[")?;
    }
    for input in &inputs {
        one_input(input, args, look, (several, list), &mut sum, shell)?;
    }
    if list {
        shell.line("]}")?;
    }
    Ok(match (&args.path, &sum) {
        (_, Sum { refused: true, .. }) => Exit::No,
        (Some(path), Sum { found: false, .. }) => {
            shell.note(format!("nothing has a value at `{path}`"));
            Exit::NotFound
        }
        _ => Exit::Done,
    })
}

/// One file, standard input, or a message of a server.
pub struct Input {
    pub name: String,
    pub bytes: Bytes,
    /// Whether its values may be shown.
    reveal: bool,
}

fn read(file: &FilePath, args: &ViewArgs, shell: &mut Shell) -> Result<Input, Stop> {
    if let Some(id) = file.to_str().and_then(|name| name.strip_prefix("id:")) {
        return stored(id, args, shell);
    }
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes).map_err(Stop::io)?;
    } else {
        bytes = read_file(file)?;
    }
    Ok(Input { name: shown(file), bytes: Bytes::from(bytes), reveal: true })
}

/// A message that a server keeps. The look is audited there before anything is shown.
fn stored(id: &str, args: &ViewArgs, shell: &Shell) -> Result<Input, Stop> {
    let reason = shell.reason_needed("a look at a stored message")?;
    let query = format!(
        "which={}&purpose={}&reason={}",
        escaped(args.of.as_deref().unwrap_or("original")),
        escaped(&args.purpose),
        escaped(&reason)
    );
    let server = Server::find(shell)?;
    let path = format!("/api/v1/messages/{}/content?{query}", escaped(id));
    let answer = block_on(server.get(&path))?;
    let bytes = match (answer["text"].as_str(), answer["base64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(text)) => {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default()
        }
        (None, None) => Vec::new(),
    };
    Ok(Input { name: format!("id:{id}"), bytes: Bytes::from(bytes), reveal: args.reveal })
}

/// The messages of an input: one, or those of a batch.
fn pieces(input: &Input, charset: Option<Charset>) -> Vec<Bytes> {
    let bytes = &input.bytes;
    let one = || vec![bytes.clone()];
    let headers = memchr::memmem::find_iter(bytes, b"MSH").take(2).count();
    if headers < 2 && !hl7v2::is_batch(bytes) {
        return one();
    }
    match Message::parse_as(bytes.clone(), charset) {
        Ok(message) if message.header_count() < 2 => one(),
        _ => batch::split(bytes)
            .map(|batch| batch.messages)
            .ok()
            .filter(|m| !m.is_empty())
            .unwrap_or_else(one),
    }
}

fn one_input(
    input: &Input,
    args: &ViewArgs,
    look: Look<'_>,
    (several, list): (bool, bool),
    sum: &mut Sum,
    shell: &mut Shell,
) -> Result<(), Stop> {
    if cda::is_cda(&input.bytes) {
        return view_cda::one(input, args, look, (several, list), sum, shell);
    }
    let pieces = pieces(input, args.charset);
    let count = pieces.len();
    if hl7v2::is_batch(&input.bytes)
        && let Ok(batch) = batch::split(&input.bytes)
    {
        tell(&input.name, batch.warnings, Severity::Warning, shell);
    }
    for (at, bytes) in pieces.into_iter().enumerate() {
        let content = match parse_as(bytes, args.charset) {
            Ok(content) => content,
            Err(fault) => {
                tell(&input.name, vec![fault], Severity::Error, shell);
                sum.refused = true;
                continue;
            }
        };
        if several && shell.is_text() {
            let gap = if sum.shown > 0 { "\n" } else { "" };
            let number =
                if count > 1 { format!(" message {} of {count}", at + 1) } else { String::new() };
            let head = shell.paint(Tone::Strong, format!("{}{number}", input.name));
            shell.line(format!("{gap}{head}"))?;
        }
        if list && sum.shown > 0 {
            shell.raw(b",\n")?;
        }
        sum.shown += 1;
        if let Some(path) = &args.path {
            sum.found |= at_path(&content, path, look, shell)?;
            continue;
        }
        match &content {
            Content::Hl7(message) => tree(message, (look, args.lossless), list, shell)?,
            Content::Fhir(doc) => document(doc, look, shell)?,
            Content::Cda(_) | Content::Raw(_) => {}
        }
    }
    Ok(())
}

pub fn tell(name: &str, faults: Vec<Fault>, severity: Severity, shell: &mut Shell) {
    let problems: Vec<Problem> =
        faults.into_iter().map(|fault| Problem { severity, fault: fault.in_file(name) }).collect();
    shell.problems(problems.iter(), |_| None);
}

/// Parses HL7 v2 with delimiters, its XML encoding and its JSON form, or FHIR in JSON or
/// XML: the first bytes say which.
pub fn parse(bytes: Bytes) -> Result<Content, Fault> {
    parse_as(bytes, None)
}

/// As [`parse`], HL7 v2 with delimiters in this character set whatever MSH-18 says.
pub fn parse_as(bytes: Bytes, charset: Option<Charset>) -> Result<Content, Fault> {
    let bare = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let first = bare.trim_ascii_start().first();
    let head = bytes.get(..JSON_HEAD).unwrap_or(&bytes);
    match first {
        Some(b'<') if cda::is_cda(&bytes) => Document::parse(&bytes).map(Content::Cda),
        Some(b'<') if is_fhir_xml(&bytes) => Doc::parse_xml(bytes).map(Content::Fhir),
        Some(b'<') => hl7v2::xml::read(&bytes).map(Content::Hl7),
        Some(b'{') if memchr::memmem::find(head, b"\"weir.hl7v2.v1\"").is_some() => {
            let json = serde_json::from_slice(&bytes)
                .map_err(|error| Fault::new(W2073).because(error.to_string()))?;
            hl7v2::json::read(&json).map(Content::Hl7)
        }
        Some(b'{') => Doc::parse_json(bytes).map(Content::Fhir),
        _ => Message::parse_as(bytes, charset).map(Content::Hl7),
    }
}

/// Whether XML names the namespace of FHIR where the outermost element begins.
pub fn is_fhir_xml(bytes: &[u8]) -> bool {
    let head = bytes.get(..XML_HEAD).unwrap_or(bytes);
    let bare = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bare.trim_ascii_start().starts_with(b"<")
        && memchr::memmem::find(head, b"http://hl7.org/fhir").is_some()
}

fn at_path(content: &Content, path: &str, look: Look<'_>, shell: &mut Shell) -> Result<bool, Stop> {
    let values = match content {
        Content::Hl7(message) => outline::values(message, &Path::parse(path)?),
        _ => ValuePath::parse(path)?.read_all(content),
    };
    let shown = |value: &String| if look.values { value.clone() } else { MASK.to_owned() };
    let values: Vec<String> = values.iter().map(|value| shown(value.reveal())).collect();
    say(&values, path, shell)
}

/// Writes the values at a path; whether there are any.
pub fn say(values: &[String], path: &str, shell: &mut Shell) -> Result<bool, Stop> {
    if shell.is_text() {
        for value in values {
            shell.line(view::visible(value))?;
        }
    } else {
        let answer =
            serde_json::json!({ "schema": "weir.view.v1", "path": path, "values": values });
        shell.json(&answer)?;
    }
    Ok(!values.is_empty())
}

fn tree(
    message: &Message,
    (look, lossless): (Look<'_>, bool),
    list: bool,
    shell: &mut Shell,
) -> Result<(), Stop> {
    match shell.format {
        Format::Xml => shell.raw(hl7v2::xml::write(message)?.as_bytes()),
        Format::Hl7 => shell.raw(&message.write()),
        Format::Json | Format::Jsonl if lossless => {
            shell.raw(hl7v2::json::write(message)?.to_string().as_bytes())?;
            if list { Ok(()) } else { shell.line("") }
        }
        Format::Text => view::text(message, look, shell.out()).map_err(Stop::io),
        _ => {
            view::json(message, look, shell.out()).map_err(Stop::io)?;
            if list { Ok(()) } else { shell.line("") }
        }
    }
}

/// Writes every HL7 v2 message of the inputs as one page.
fn html(
    (inputs, charset): (&[Input], Option<Charset>),
    look: Look<'_>,
    shell: &mut Shell,
    out: &mut dyn std::io::Write,
) -> Result<Exit, Stop> {
    let mut refused = false;
    let title = inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>().join(", ");
    let pieces = inputs.iter().flat_map(|input| {
        pieces(input, charset).into_iter().map(|bytes| (input.name.as_str(), bytes))
    });
    let mut messages = pieces.filter_map(|(name, bytes)| match Message::parse_as(bytes, charset) {
        Ok(message) => Some(message),
        Err(fault) => {
            refused = true;
            tell(name, vec![fault], Severity::Error, shell);
            None
        }
    });
    view::html(&title, &mut messages, look, out).map_err(Stop::io)?;
    drop(messages);
    out.flush().map_err(Stop::io)?;
    Ok(if refused { Exit::No } else { Exit::Done })
}

fn document(doc: &Doc, look: Look<'_>, shell: &mut Shell) -> Result<(), Stop> {
    if shell.format == Format::Xml {
        shell.raw(&doc.to_xml()?)?;
        return shell.line("");
    }
    if !shell.is_text() {
        if look.values {
            shell.raw(&doc.to_json())?;
        } else {
            let answer = serde_json::json!({ "schema": "weir.view.v1", "values": Json::Null });
            shell.json(&answer)?;
        }
        return shell.line("");
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
                let value = if look.values { view::visible(&value) } else { MASK.into() };
                shell.line(format!("{}  {value}", shell.paint(Tone::Dim, node.path())))?;
            }
        }
    }
    Ok(())
}
