//! `weir view --check`: what is wrong in messages, of one file or of whole directories.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone, progress};
use super::table::Table;
use super::{check, read_file, shown};
use crate::channel::{OnFail, ValidateRules};
use crate::fault::codes::W2001;
use crate::fault::{Code, Severity};
use crate::hl7v2::check::{Checker, Finding, Findings, Profile};
use crate::hl7v2::tables::Site;
use crate::hl7v2::{Message, batch};

/// Most messages whose findings are shown one by one without `--verbose`: a screen of a
/// thousand hides what they have in common.
const SHOWN_MAX: usize = 20;

/// How far into a file of a directory a header is looked for.
const HEAD: usize = 64;

/// What was found in one message, or why it is none.
struct Checked {
    file: String,
    /// Which of its file, from 1.
    number: usize,
    kind: String,
    stated: String,
    findings: Findings,
}

pub fn run(files: &[PathBuf], channel: Option<&str>, shell: &mut Shell) -> Result<Exit, Stop> {
    let rules = rules(channel, shell)?;
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
        if many && !is_hl7(&bytes) {
            others += 1;
        } else {
            look(&rules, &shown(path), Bytes::from(bytes), &mut checked);
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
    let wrong = checked.iter().any(|one| one.findings.count(Severity::Error) > 0);
    Ok(if wrong { Exit::No } else { Exit::Done })
}

fn input() -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(Stop::io)?;
    Ok(bytes)
}

/// The rules of a channel; else those of the standard, with the definitions of the site
/// where there is a configuration.
fn rules(channel: Option<&str>, shell: &mut Shell) -> Result<ValidateRules, Stop> {
    let plain = |site: Site| ValidateRules {
        checker: Checker::new(site, Profile::default()),
        rules: Vec::new().into(),
        on_fail: OnFail::Record,
    };
    let Some(name) = channel else {
        return Ok(plain(super::definitions(shell)));
    };
    let (plan, _) = check::load_or_stop(shell, Exit::No)?;
    let Some(found) = plan.channel(name) else {
        return Err(Stop::Said(Exit::NotFound, format!("no channel `{name}`")));
    };
    Ok(found.rules.validate.clone().unwrap_or_else(|| plain(plan.server.hl7.clone())))
}

/// The files below a path, in order of their names.
fn gather(path: &Path, out: &mut Vec<PathBuf>) -> Result<(), Stop> {
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

/// Checks every message of one file.
fn look(rules: &ValidateRules, file: &str, bytes: Bytes, out: &mut Vec<Checked>) {
    let broken = |number, fault: &crate::fault::Fault| {
        let place = fault.place().path.as_deref().unwrap_or("MSH").to_owned();
        let cause = fault.cause().unwrap_or(fault.code().row().phrase).to_owned();
        let (level, severity) = (crate::hl7v2::check::Level::Syntax, Severity::Error);
        let finding = Finding {
            code: fault.code(),
            level,
            severity,
            segment: None,
            path: place,
            group: String::new(),
            name: String::new(),
            cause: cause.into(),
        };
        let findings = Findings { list: vec![finding], ..Findings::default() };
        let (kind, stated) = (String::new(), String::new());
        Checked { file: file.to_owned(), number, kind, stated, findings }
    };
    // Files as they come over the wire begin with a start block.
    let bytes = match bytes.first() {
        Some(0x0b) => bytes.slice(1..),
        _ => bytes,
    };
    let messages = match batch::split(&bytes) {
        Ok(batch) => batch.messages,
        Err(fault) if fault.code() == W2001 => return out.push(broken(1, &fault)),
        // What cannot be divided may still be one message.
        Err(_) => vec![bytes],
    };
    for (at, bytes) in messages.into_iter().enumerate() {
        let number = at + 1;
        match Message::parse(bytes) {
            Err(fault) => out.push(broken(number, &fault)),
            Ok(message) => {
                let header = message.header();
                let (kind, stated) = (header.message_type(), header.version().into_owned());
                let findings = rules.check(&message);
                out.push(Checked { file: file.to_owned(), number, kind, stated, findings });
            }
        }
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
    let findings = &one.findings;
    let structure = findings.structure.as_deref().unwrap_or("no structure");
    let name =
        if one.number > 1 { format!("{}[{}]", one.file, one.number) } else { one.file.clone() };
    let head = shell.paint(Tone::Strong, name);
    let facts = [one.kind.as_str(), &one.stated, structure].join("  ");
    let tally = tally(findings);
    shell.line(format!("{head}  {facts}  {tally}"))?;
    let list = findings.list.iter();
    let shown: Vec<&Finding> =
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
        shell.line(format!(
            "  {severity}  {}  {:<width$}  {}{gap}{}",
            found.code, found.path, found.name, found.cause
        ))?;
    }
    if findings.unlisted > 0 {
        shell.line(format!("  and {} more", findings.unlisted))?;
    }
    Ok(())
}

/// `2 errors, 1 warning`, or that there is nothing.
fn tally(findings: &Findings) -> String {
    let count = |severity, word: &str| match findings.count(severity) {
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
            let is_wrong = one.findings.count(Severity::Error) > 0;
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
            for found in &one.findings.list {
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
        1 => "; 1 file is not HL7 v2".to_owned(),
        n => format!("; {n} files are not HL7 v2"),
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
    let findings: Vec<Json> = one
        .findings
        .list
        .iter()
        .map(|found| {
            json!({
                "severity": found.severity.name(), "code": found.code.as_str(),
                "level": found.level.name(), "path": found.path, "group": found.group,
                "name": found.name, "cause": found.cause,
            })
        })
        .collect();
    json!({
        "file": one.file, "number": one.number, "type": one.kind, "version": one.stated,
        "checkedBy": one.findings.version, "structure": one.findings.structure.as_deref(),
        "findings": findings, "unlisted": one.findings.unlisted,
    })
}
