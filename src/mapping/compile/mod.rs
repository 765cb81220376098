//! Turns a mapping file into a program, checking everything that can be known at load.
//!
//! Checking goes on after each mistake, so that one run shows all of them; a program is made
//! only when there was none.
//!
//! Source: `MAPPING.md` §4.

mod alternative;
mod codes;
mod line;
mod object;
mod path;
mod segments;
mod tree;

use std::ops::Range;

use super::codes::{CodeMap, Unmapped};
use super::file::{RawMapping, RawRule, Text};
use super::pick::Pick;
use super::program::{Alternatives, Each, Program, Rule, Write};
use super::sentence::{self, Condition, Form, Syntax};
use super::structure::Structure;
use super::types::time::Zone;
use super::{Library, NEAR};
use crate::fault::{Code, Fault, Problems, codes as w};
use crate::fhir::tables;
use crate::hl7v2;
use crate::hl7v2::tables::Site;
use crate::settings::{Document, nearest};

/// Notes mistakes where they stand.
pub(crate) struct Report<'a> {
    pub document: &'a Document,
    pub problems: &'a mut Problems,
    pub errors: usize,
}

impl Report<'_> {
    pub(crate) fn error(&mut self, code: Code, span: &Range<usize>, cause: impl Into<String>) {
        self.fault(Fault::new(code).because(cause.into()), span);
    }

    pub(crate) fn fault(&mut self, fault: Fault, span: &Range<usize>) {
        self.errors += 1;
        self.problems.error(fault.at(self.document.place(span)));
    }

    pub(crate) fn warning(&mut self, fault: Fault, span: &Range<usize>) {
        self.problems.warning(fault.at(self.document.place(span)));
    }

    /// A wrong name, with the nearest right one.
    pub(crate) fn unknown<'n>(
        &mut self,
        code: Code,
        span: &Range<usize>,
        cause: String,
        (name, known): (&str, impl IntoIterator<Item = &'n str>),
    ) {
        let fault = Fault::new(code).because(cause);
        let fault = match nearest(name, known) {
            Some(near) => fault.remedy(format!("{NEAR}`{near}`?")),
            None => fault,
        };
        self.fault(fault, span);
    }
}

/// Where a rule stands in the structure: what its paths are resolved against.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Innermost group around the anchor.
    pub group: u16,
    /// Place of the anchor segment.
    pub leaf: Option<u16>,
    /// Field whose repetitions the rule is made for.
    pub own: Option<u16>,
    pub each: Each,
    /// Whether several instances may stand in one group instance of the anchor.
    pub repeats: bool,
    /// The element it is made for, where it reads documents.
    pub tree: Option<Box<tree::Place>>,
}

/// What is known of a rule before its lines are compiled.
pub(crate) struct Head {
    pub name: String,
    pub make: Option<&'static str>,
    pub scope: Option<Scope>,
}

/// The compiler.
pub(crate) struct Compiler<'a> {
    pub report: Report<'a>,
    /// None where documents are read.
    pub structure: Option<Structure>,
    pub maps: Vec<CodeMap>,
    pub heads: Vec<Head>,
    pub extensions: Vec<(String, Box<str>, &'static str)>,
    /// Places of sentences.
    pub lines: Vec<Range<usize>>,
    /// Rules each key refers to.
    pub key_refs: Vec<Vec<u16>>,
    /// Whether the rule being compiled says so where the sender has no value (`""`).
    pub keeps_null: bool,
}

/// Compiles a mapping; nothing when an error was noted.
pub(crate) fn compile(
    raw: &RawMapping,
    library: &dyn Library,
    mut report: Report<'_>,
) -> Option<Program> {
    let structure = read_from(raw, library.site(), &mut report);
    let to = read_to(raw, library.site(), &mut report);
    let zone = read_zone(raw, &mut report);
    let maps = codes::read(raw, library, &mut report);
    let extensions = read_extensions(raw, &mut report);
    let (structure, to) = (structure?, to?);
    let mut compiler = Compiler {
        report,
        structure,
        maps,
        heads: Vec::new(),
        extensions,
        lines: Vec::new(),
        key_refs: Vec::new(),
        keeps_null: false,
    };
    let keeps_null = compiler.keeps_null(raw.on_null.as_ref()).unwrap_or(false);
    let (rules, target) = match to {
        To::Fhir => (compiler.rules(raw, keeps_null), None),
        To::Hl7(structure) => (Vec::new(), Some(compiler.segments(raw, *structure, keeps_null))),
    };
    if compiler.report.errors > 0 {
        return None;
    }
    let document = compiler.report.document;
    Some(Program {
        file: document.file().path.clone(),
        structure: compiler.structure,
        zone,
        rules: rules.into_iter().collect::<Option<Vec<_>>>()?.into(),
        target: match target {
            Some(target) => Some(target?),
            None => None,
        },
        maps: compiler.maps.into(),
        lines: compiler.lines.iter().map(|span| document.place(span)).collect(),
    })
}

/// What a mapping makes.
enum To {
    Fhir,
    Hl7(Box<Structure>),
}

/// What is read: messages of a structure, or documents.
#[expect(clippy::option_option, reason = "no structure and a wrong one are two things")]
fn read_from(raw: &RawMapping, site: Site, report: &mut Report<'_>) -> Option<Option<Structure>> {
    let Some(from) = &raw.from else {
        report.error(w::W4017, &(0..0), "no `from` under `[mapping]`");
        return None;
    };
    if from.text != "cda" {
        return read_structure(from, site, "`hl7v2:VERSION:STRUCTURE` or `cda`", report).map(Some);
    }
    if let Some(to) = raw.to.as_ref().filter(|to| to.text.starts_with("hl7v2")) {
        let cause = "documents become `fhir-r4`; HL7 v2 is made of HL7 v2";
        report.error(w::W4017, &to.span, cause);
    }
    Some(None)
}

/// `hl7v2:VERSION:STRUCTURE`.
fn read_structure(
    text: &Text,
    site: Site,
    expected: &str,
    report: &mut Report<'_>,
) -> Option<Structure> {
    let mut parts = text.text.split(':');
    let shape = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some("hl7v2"), Some(version), Some(id), None) = shape else {
        report.error(w::W4017, &text.span, format!("expected {expected}"));
        return None;
    };
    if let Some(structure) = Structure::find(version, id, site) {
        return Some(structure);
    }
    let (known, exact) = hl7v2::tables::version(version);
    if exact {
        let cause = format!("{version} has no structure {id}");
        report.unknown(w::W4017, &text.span, cause, (id, known.structures()));
    } else {
        let names: Vec<_> = hl7v2::tables::versions().map(|v| v.name).collect();
        let cause = format!("{version} is none of the versions {}", names.join(", "));
        report.error(w::W4017, &text.span, cause);
    }
    None
}

fn read_to(raw: &RawMapping, site: Site, report: &mut Report<'_>) -> Option<To> {
    match &raw.to {
        Some(to) if to.text == "fhir-r4" => Some(To::Fhir),
        Some(to) if to.text.starts_with("hl7v2") => {
            let expected = "`hl7v2:VERSION:STRUCTURE`";
            let read = read_structure(to, site, expected, report);
            read.map(|structure| To::Hl7(Box::new(structure)))
        }
        Some(to) => {
            let cause = "expected `fhir-r4` or `hl7v2:VERSION:STRUCTURE`";
            report.error(w::W4017, &to.span, cause);
            None
        }
        None => {
            report.error(w::W4017, &(0..0), "no `to` under `[mapping]`");
            None
        }
    }
}

fn read_zone(raw: &RawMapping, report: &mut Report<'_>) -> Option<Zone> {
    let text = raw.zone.as_ref()?;
    let zone = Zone::read(&text.text);
    if zone.is_none() {
        report.error(w::W4020, &text.span, "neither an offset nor a known name");
    }
    zone
}

fn read_extensions(
    raw: &RawMapping,
    report: &mut Report<'_>,
) -> Vec<(String, Box<str>, &'static str)> {
    let mut read = Vec::new();
    for extension in &raw.extensions {
        let span = &extension.name.span;
        let (Some(url), Some(kind)) = (&extension.url, &extension.kind) else {
            report.error(w::W4002, span, "an extension needs `url` and `type`");
            continue;
        };
        match tables::type_name(&kind.text) {
            Some(name) if tables::resolve("Extension", &value_member(name)).is_some() => {
                read.push((extension.name.text.clone(), url.text.as_str().into(), name));
            }
            _ => report.error(w::W4005, &kind.span, "not a type an extension may have"),
        }
    }
    read
}

/// `valueDateTime` for `dateTime`.
pub(super) fn value_member(ty: &str) -> String {
    tables::element("Extension.value[x]").map_or_else(String::new, |value| value.member(ty))
}

impl Compiler<'_> {
    /// All rules of a mapping to FHIR.
    fn rules(&mut self, raw: &RawMapping, keeps_null: bool) -> Vec<Option<Rule>> {
        for rule in &raw.rules {
            let head = self.head(rule);
            self.heads.push(head);
        }
        let numbered = (0u16..).zip(&raw.rules);
        let rules = numbered.map(|(at, rule)| self.rule(at, rule, keeps_null)).collect();
        self.check_key_circles(raw);
        rules
    }

    /// The form of the paths of this mapping.
    fn form(&self) -> Form {
        if self.structure.is_some() { Form::Hl7 } else { Form::Cda }
    }

    /// Finds a code map by its name.
    fn map_named(&mut self, name: &str, span: &Range<usize>) -> Option<usize> {
        let found = self.maps.iter().position(|map| *map.name == *name);
        if found.is_none() {
            let names: Vec<String> = self.maps.iter().map(|m| m.name.to_string()).collect();
            let known = names.iter().map(String::as_str);
            let cause = format!("there is no code map `{name}` under `[codes]`");
            self.report.unknown(w::W4002, span, cause, (name, known));
        }
        found
    }

    /// Notes a syntax mistake of a text of the file.
    fn syntax(&mut self, text: &Text, wrong: Syntax) {
        self.report.error(w::W4001, &text.inside(&wrong.span), wrong.cause);
    }

    /// Gives a sentence a number and remembers its place.
    fn line(&mut self, span: Range<usize>) -> u32 {
        self.lines.push(span);
        u32::try_from(self.lines.len() - 1).unwrap_or(0)
    }

    /// What a rule makes and of what.
    fn head(&mut self, rule: &RawRule) -> Head {
        let make = rule.make.as_ref().and_then(|make| {
            let name = tables::type_name(&make.text).filter(|name| tables::is_resource(name));
            if name.is_none() {
                let cause = format!("`{}` is not a resource", make.text);
                self.report.unknown(w::W4005, &make.span, cause, (&make.text, tables::resources()));
            }
            name
        });
        if rule.make.is_none() {
            self.report.error(w::W4002, &rule.name.span, "a rule needs `make`");
        }
        if let Some(todo) = &rule.todo {
            self.report.error(w::W4900, &todo.span, format!("see {}", todo.text));
        }
        let scope = self.scope(rule.each.as_ref());
        Head { name: rule.name.text.clone(), make, scope }
    }

    /// Reads what becomes of `""`; nothing where that is not said.
    fn keeps_null(&mut self, text: Option<&Text>) -> Option<bool> {
        let text = text?;
        match text.text.as_str() {
            "omit" => Some(false),
            "remove" => Some(true),
            _ => {
                self.report.error(w::W4002, &text.span, "expected `omit` or `remove`");
                None
            }
        }
    }

    fn rule(&mut self, at: u16, rule: &RawRule, keeps_null: bool) -> Option<Rule> {
        self.keeps_null = self.keeps_null(rule.on_null.as_ref()).unwrap_or(keeps_null);
        let head = self.heads.get(usize::from(at))?;
        let (make, scope) = (head.make, head.scope.clone());
        self.key_refs.push(Vec::new());
        let scope = scope?;
        let when = rule.when.as_ref().map(|text| self.condition(text, &scope));
        let key = self.key(rule, &scope);
        let write = self.write(rule, make);
        let make = make?;
        let object = self.object(rule, make, &scope);
        let line = self.line(rule.name.span.clone());
        Some(Rule {
            name: rule.name.text.as_str().into(),
            make,
            each: scope.each,
            when: match when {
                Some(when) => Some(when?),
                None => None,
            },
            key: key.into(),
            write,
            object: object.unwrap_or_default(),
            line,
        })
    }

    /// A condition that stands alone.
    fn condition(&mut self, text: &Text, scope: &Scope) -> Option<Condition<Pick>> {
        match sentence::condition(&text.text, self.form()) {
            Ok(condition) => self.resolve_condition(&condition, text, scope, path::Inside::Rule),
            Err(wrong) => {
                self.syntax(text, wrong);
                None
            }
        }
    }

    fn key(&mut self, rule: &RawRule, scope: &Scope) -> Vec<Alternatives> {
        let mut parts = Vec::new();
        for text in &rule.key {
            match sentence::sentence(&text.text, self.form()) {
                Ok(sentence) => parts.extend(self.key_part(&sentence, text, scope)),
                Err(wrong) => self.syntax(text, wrong),
            }
        }
        parts
    }

    fn write(&mut self, rule: &RawRule, make: Option<&'static str>) -> Write {
        let Some(text) = &rule.write else { return Write::Create };
        let write = match text.text.as_str() {
            "create" => return Write::Create,
            "create-if-none(identifier)" => Write::CreateIfNone,
            "update(identifier)" => Write::Update,
            _ => {
                let cause = "expected `create`, `create-if-none(identifier)` or \
                             `update(identifier)`";
                self.report.error(w::W4002, &text.span, cause);
                return Write::Create;
            }
        };
        let identified = make.is_none_or(|make| tables::resolve(make, "identifier").is_some());
        if !identified {
            self.report.error(w::W4005, &text.span, "what the rule makes has no `identifier`");
        }
        write
    }

    /// Keys may refer to other rules' ids, but not in a circle.
    fn check_key_circles(&mut self, raw: &RawMapping) {
        for (at, rule) in raw.rules.iter().enumerate() {
            let mut seen = vec![false; self.key_refs.len()];
            let mut next: Vec<u16> = self.key_refs.get(at).cloned().unwrap_or_default();
            while let Some(to) = next.pop() {
                if usize::from(to) == at {
                    let cause = format!("the key of `{}` leads back to itself", rule.name.text);
                    self.report.error(w::W4019, &rule.name.span, cause);
                    break;
                }
                if let Some(seen) = seen.get_mut(usize::from(to))
                    && !*seen
                {
                    *seen = true;
                    next.extend(self.key_refs.get(usize::from(to)).into_iter().flatten());
                }
            }
        }
    }
}

/// Reads what happens to codes without a row.
pub(super) fn unmapped(text: Option<&Text>) -> Unmapped {
    match text.map(|t| t.text.as_str()) {
        None => Unmapped::Unsaid,
        Some("keep") => Unmapped::Keep,
        Some("drop") => Unmapped::Drop,
        Some("dead-letter") => Unmapped::DeadLetter,
        Some(code) => Unmapped::Fixed(code.into()),
    }
}
