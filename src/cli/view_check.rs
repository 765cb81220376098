//! `weir view --check`: what is wrong in messages, of one file or of whole directories.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::args::ViewArgs;
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone, progress};
use super::table::Table;
use super::{check, read_file, shown, view};
use crate::channel::{FhirRules, OnFail, ValidateRules, fhir_severity};
use crate::fault::codes::W2001;
use crate::fault::{Code, Fault, Place, Severity};
use crate::fhir::validate::Knowledge;
use crate::fhir::{self, Doc};
use crate::hl7v2::check::{Checker, Finding, Level, Profile};
use crate::hl7v2::tables::Site;
use crate::hl7v2::{Charset, Message, batch};

/// Most messages whose findings are shown one by one without `--verbose`: a screen of a
/// thousand hides what they have in common.
const SHOWN_MAX: usize = 20;

/// How far into a file the name of a resource is looked for.
const FHIR_HEAD: usize = 4096;

/// How far into a file of a directory a header is looked for.
const HEAD: usize = 64;

/// What was found in one message, or why it is none.
#[derive(Default)]
struct Checked {
    file: String,
    /// Which of its file, from 1.
    number: usize,
    kind: String,
    stated: String,
    /// Version and structure it was checked by.
    version: Option<&'static str>,
    structure: Option<String>,
    rows: Vec<Row>,
    /// Findings that are not listed.
    unlisted: usize,
}

/// One finding.
struct Row {
    severity: Severity,
    code: Code,
    level: &'static str,
    path: String,
    /// Line and column, for FHIR.
    at: Option<(u32, u32)>,
    group: String,
    name: String,
    cause: String,
}

impl Checked {
    fn count(&self, severity: Severity) -> usize {
        self.rows.iter().filter(|row| row.severity == severity).count()
    }
}

pub fn run(args: &ViewArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let files = &args.files;
    let (mut rules, own) = rules(args.channel.as_deref(), shell)?;
    let charset = args.charset.or(own);
    know(args, &mut rules)?;
    let mut paths = Vec::new();
    for file in files {
        gather(file, &mut paths)?;
    }
    let many = paths.len() > 1 || files.iter().any(|file| file.is_dir());
    let bar = progress(shell, paths.len() as u64, "files");
    let mut checked = Vec::new();
    let mut others = 0;
    for path in &paths {
        let bytes = if path.as_os_str() == "-" { input()? } else { read_file(path)? };
        if is_fhir(&bytes, many) {
            fhir(&rules, path, Bytes::from(bytes), &mut checked);
        } else if many && !is_hl7(&bytes) {
            others += 1;
        } else {
            look((&rules, charset), &shown(path), Bytes::from(bytes), &mut checked);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let files = paths.len() - others;
    if shell.is_text() {
        text(&checked, (files, others), shell)?;
    } else {
        shell.json(&document(&checked, (files, others)))?;
    }
    let wrong = checked.iter().any(|one| one.count(Severity::Error) > 0);
    Ok(if wrong { Exit::No } else { Exit::Done })
}

fn input() -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(Stop::io)?;
    Ok(bytes)
}

/// The rules of a channel; else those of the standard, with the definitions of the site
/// where there is a configuration. With them the character set of the channel, where it has one.
fn rules(
    channel: Option<&str>,
    shell: &mut Shell,
) -> Result<(ValidateRules, Option<Charset>), Stop> {
    let plain = |site: Site| ValidateRules {
        checker: Checker::new(site, Profile::default()),
        rules: Vec::new().into(),
        on_fail: OnFail::Record,
        fhir: FhirRules::default(),
    };
    let Some(name) = channel else {
        return Ok((plain(super::definitions(shell)), None));
    };
    let (plan, _) = check::load_or_stop(shell, Exit::No)?;
    let Some(found) = plan.channel(name) else {
        return Err(Stop::Said(Exit::NotFound, format!("no channel `{name}`")));
    };
    let rules = found.rules.validate.clone();
    let rules = rules.unwrap_or_else(|| plain(plan.server.hl7.clone()));
    Ok((rules, found.rules.charset))
}

/// The files below a path, in order of their names.
fn gather(path: &Path, out: &mut Vec<PathBuf>) -> Result<(), Stop> {
    if path.to_str().is_some_and(|name| name.starts_with("id:")) {
        let name = shown(path);
        let text = format!(
            "`--check` reads files: write the message to one first, with \
             `weir view {name} --reveal --reason TEXT -o hl7 > FILE`"
        );
        return Err(Stop::Said(Exit::Usage, text));
    }
    if !path.is_dir() {
        out.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path).map_err(Stop::io)?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries {
        // A link could lead back to where it stands.
        if !entry.is_symlink() {
            gather(&entry, out)?;
        }
    }
    Ok(())
}

/// Whether a file of a directory is meant to be HL7 v2.
fn is_hl7(bytes: &[u8]) -> bool {
    let head = bytes.get(..HEAD.min(bytes.len())).unwrap_or_default();
    let at = head.windows(3).position(|id| {
        [b"MSH", b"FHS", b"BHS"].iter().any(|known| id.eq_ignore_ascii_case(*known))
    });
    at.is_some_and(|at| !head[..at].iter().any(u8::is_ascii_alphanumeric))
}

/// Whether a file is meant to be FHIR, by its first bytes; of a directory, not all JSON is.
fn is_fhir(bytes: &[u8], many: bool) -> bool {
    let head = bytes.get(..FHIR_HEAD).unwrap_or(bytes);
    let bare = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let named = || memchr::memmem::find(head, b"\"resourceType\"").is_some();
    let other = || memchr::memmem::find(head, b"\"weir.hl7v2.v1\"").is_some();
    view::is_fhir_xml(bytes) || (bare.starts_with(b"{") && (named() || !(many || other())))
}

/// Loads the definitions and asks for the profiles that the arguments name.
fn know(args: &ViewArgs, rules: &mut ValidateRules) -> Result<(), Stop> {
    if args.profile.is_empty() && args.definitions.is_empty() {
        return Ok(());
    }
    let mut knowledge = Knowledge::clone(&rules.fhir.knowledge);
    for file in &args.definitions {
        let added = knowledge.add_file(Bytes::from(read_file(file)?));
        added.map_err(|fault| fault.at(Place::file(shown(file))))?;
    }
    for profile in &args.profile {
        knowledge.ask(profile)?;
    }
    rules.fhir.knowledge = Arc::new(knowledge);
    Ok(())
}

/// Checks every message of one file.
fn look(
    (rules, charset): (&ValidateRules, Option<Charset>),
    file: &str,
    bytes: Bytes,
    out: &mut Vec<Checked>,
) {
    // Files as they come over the wire begin with a start block.
    let bytes = match bytes.first() {
        Some(0x0b) => bytes.slice(1..),
        _ => bytes,
    };
    let messages = match batch::split(&bytes) {
        Ok(batch) => batch.messages,
        Err(fault) if fault.code() == W2001 => return out.push(broken(file, 1, &fault)),
        // What cannot be divided may still be one message.
        Err(_) => vec![bytes],
    };
    for (at, bytes) in messages.into_iter().enumerate() {
        let number = at + 1;
        match Message::parse_as(bytes, charset) {
            Err(fault) => out.push(broken(file, number, &fault)),
            Ok(message) => {
                let header = message.header();
                let (kind, stated) = (header.message_type(), header.version().into_owned());
                let findings = rules.check(&message);
                let row = |found: Finding| Row {
                    severity: found.severity,
                    code: found.code,
                    level: found.level.name(),
                    path: found.path,
                    at: None,
                    group: found.group,
                    name: found.name,
                    cause: found.cause.into_owned(),
                };
                out.push(Checked {
                    file: file.to_owned(),
                    number,
                    kind,
                    stated,
                    version: Some(findings.version),
                    structure: findings.structure.as_deref().map(str::to_owned),
                    rows: findings.list.into_iter().map(row).collect(),
                    unlisted: findings.unlisted,
                });
            }
        }
    }
}

/// A message that cannot be read.
fn broken(file: &str, number: usize, fault: &Fault) -> Checked {
    let place = fault.place();
    let row = Row {
        severity: Severity::Error,
        code: fault.code(),
        level: Level::Syntax.name(),
        path: place
            .path
            .as_deref()
            .unwrap_or(if place.file.is_some() { "" } else { "MSH" })
            .to_owned(),
        at: place.file.as_ref().map(|file| (file.line, file.column)),
        group: String::new(),
        name: String::new(),
        cause: fault.cause().unwrap_or(fault.code().row().phrase).to_owned(),
    };
    Checked { file: file.to_owned(), number, rows: vec![row], ..Checked::default() }
}

/// Checks the FHIR resource of one file, or those on its lines.
fn fhir(rules: &ValidateRules, path: &Path, bytes: Bytes, out: &mut Vec<Checked>) {
    let file = shown(path);
    let lines = path.extension().is_some_and(|ending| ending == "ndjson");
    let all: Vec<Bytes> = if lines {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        lines.map(|line| bytes.slice_ref(line)).collect()
    } else {
        vec![bytes]
    };
    for (at, bytes) in all.into_iter().enumerate() {
        let number = at + 1;
        let doc = match Doc::parse(bytes) {
            Ok(doc) => doc,
            Err(fault) => {
                out.push(broken(&file, number, &fault));
                continue;
            }
        };
        let row = |found: fhir::validate::Finding| Row {
            severity: fhir_severity(&found),
            level: found.issue_type(),
            code: found.code,
            path: found.path,
            at: found.line_column,
            group: String::new(),
            name: String::new(),
            cause: found.what,
        };
        let kind = doc.resource_type().filter(|name| fhir::tables::is_resource(name));
        out.push(Checked {
            file: file.clone(),
            number,
            kind: kind.map(|name| name.into_owned()).unwrap_or_default(),
            stated: "R4".to_owned(),
            version: Some("R4"),
            structure: Some(doc.form().to_owned()),
            rows: rules.fhir.check(&doc, &rules.rules).into_iter().map(row).collect(),
            unlisted: 0,
        });
    }
}

fn text(
    checked: &[Checked],
    (files, others): (usize, usize),
    shell: &mut Shell,
) -> Result<(), Stop> {
    let is_short = checked.len() <= SHOWN_MAX || shell.verbose;
    for one in checked.iter().filter(|_| is_short) {
        message(one, shell)?;
    }
    if checked.len() > 1 || others > 0 {
        summary(checked, (files, others), shell)?;
    }
    Ok(())
}

fn message(one: &Checked, shell: &mut Shell) -> Result<(), Stop> {
    let structure = one.structure.as_deref().unwrap_or("no structure");
    let name =
        if one.number > 1 { format!("{}[{}]", one.file, one.number) } else { one.file.clone() };
    let head = shell.paint(Tone::Strong, name);
    let facts = [one.kind.as_str(), &one.stated, structure].join("  ");
    let tally = tally(one);
    shell.line(format!("{head}  {facts}  {tally}"))?;
    let list = one.rows.iter();
    let shown: Vec<&Row> =
        list.filter(|found| shell.verbose || found.severity > Severity::Note).collect();
    let width = shown.iter().map(|found| found.path.len()).max().unwrap_or(0);
    let mut group = "";
    for found in shown {
        if found.group != group {
            group = &found.group;
            if !group.is_empty() {
                shell.line(format!("  {}", shell.paint(Tone::Dim, group)))?;
            }
        }
        let tone = match found.severity {
            Severity::Error => Tone::Bad,
            Severity::Warning => Tone::Warn,
            Severity::Note => Tone::Dim,
        };
        let severity = shell.paint(tone, format!("{:<7}", found.severity.name()));
        let gap = if found.name.is_empty() { "" } else { ": " };
        let at = found.at.map_or_else(String::new, |(line, column)| format!("{line}:{column}  "));
        shell.line(format!(
            "  {severity}  {}  {:<width$}  {at}{}{gap}{}",
            found.code, found.path, found.name, found.cause
        ))?;
    }
    if one.unlisted > 0 {
        shell.line(format!("  and {} more", one.unlisted))?;
    }
    Ok(())
}

/// `2 errors, 1 warning`, or that there is nothing.
fn tally(one: &Checked) -> String {
    let count = |severity, word: &str| match one.count(severity) {
        0 => None,
        1 => Some(format!("1 {word}")),
        n => Some(format!("{n} {word}s")),
    };
    let counts = [
        count(Severity::Error, "error"),
        count(Severity::Warning, "warning"),
        count(Severity::Note, "note"),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() { "nothing wrong".to_owned() } else { counts.join(", ") }
}

/// What was found in how many messages, by version, by type and by code.
#[derive(Default)]
struct Sums {
    versions: BTreeMap<String, [usize; 2]>,
    kinds: BTreeMap<String, [usize; 2]>,
    /// Findings, and messages with at least one.
    codes: BTreeMap<(Severity, Code), [usize; 2]>,
    clean: usize,
}

impl Sums {
    fn of(checked: &[Checked]) -> Self {
        let mut sums = Self::default();
        for one in checked {
            let is_wrong = one.count(Severity::Error) > 0;
            sums.clean += usize::from(!is_wrong);
            let word = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
            for counts in [
                sums.versions.entry(word(&one.stated)).or_default(),
                sums.kinds.entry(word(&one.kind)).or_default(),
            ] {
                counts[0] += 1;
                counts[1] += usize::from(is_wrong);
            }
            let mut seen: Vec<(Severity, Code)> = Vec::new();
            for found in &one.rows {
                let key = (found.severity, found.code);
                let counts = sums.codes.entry(key).or_default();
                counts[0] += 1;
                if !seen.contains(&key) {
                    seen.push(key);
                    counts[1] += 1;
                }
            }
        }
        sums
    }
}

fn summary(
    checked: &[Checked],
    (files, others): (usize, usize),
    shell: &mut Shell,
) -> Result<(), Stop> {
    let sums = Sums::of(checked);
    for (title, counts) in [("VERSION", &sums.versions), ("TYPE", &sums.kinds)] {
        let mut table = Table::new(&[title, ">MESSAGES", ">WITH ERRORS"]);
        for (name, [all, wrong]) in counts {
            table.row([name.clone(), all.to_string(), wrong.to_string()]);
        }
        shell.table(&table)?;
        shell.line("")?;
    }
    let mut table = Table::new(&["FINDING", "CODE", ">FOUND", ">MESSAGES", ""]);
    for ((severity, code), [all, messages]) in sums.codes.iter().rev() {
        let row =
            [severity.name().to_owned(), code.to_string(), all.to_string(), messages.to_string()];
        table.row(row.into_iter().chain([code.row().phrase.to_owned()]));
    }
    shell.table(&table)?;
    shell.line("")?;
    let rest = match others {
        0 => String::new(),
        1 => "; 1 file is neither HL7 v2 nor FHIR".to_owned(),
        n => format!("; {n} files are neither HL7 v2 nor FHIR"),
    };
    shell.line(format!(
        "{} messages in {files} files, {} without an error{rest}",
        checked.len(),
        sums.clean
    ))
}

fn document(checked: &[Checked], (files, others): (usize, usize)) -> Json {
    let sums = Sums::of(checked);
    let counts = |map: &BTreeMap<String, [usize; 2]>| -> Json {
        let row = |(name, [all, wrong]): (&String, &[usize; 2])| {
            (name.clone(), json!({ "messages": all, "withErrors": wrong }))
        };
        map.iter().map(row).collect::<serde_json::Map<_, _>>().into()
    };
    let codes: Vec<Json> = sums
        .codes
        .iter()
        .map(|((severity, code), [all, messages])| {
            json!({
                "severity": severity.name(), "code": code.as_str(),
                "found": all, "messages": messages,
            })
        })
        .collect();
    let messages: Vec<Json> = checked.iter().map(entry).collect();
    json!({
        "schema": "weir.check.v1",
        "messages": messages,
        "summary": {
            "files": files, "otherFiles": others, "messages": checked.len(),
            "withoutErrors": sums.clean, "versions": counts(&sums.versions),
            "types": counts(&sums.kinds), "findings": codes,
        },
    })
}

fn entry(one: &Checked) -> Json {
    let finding = |found: &Row| {
        let mut row = json!({
            "severity": found.severity.name(), "code": found.code.as_str(),
            "level": found.level, "path": found.path, "group": found.group,
            "name": found.name, "cause": found.cause,
        });
        if let (Some((line, column)), Some(row)) = (found.at, row.as_object_mut()) {
            row.insert("line".to_owned(), line.into());
            row.insert("column".to_owned(), column.into());
        }
        row
    };
    let findings: Vec<Json> = one.rows.iter().map(finding).collect();
    json!({
        "file": one.file, "number": one.number, "type": one.kind, "version": one.stated,
        "checkedBy": one.version.unwrap_or_default(), "structure": one.structure,
        "findings": findings, "unlisted": one.unlisted,
    })
}
