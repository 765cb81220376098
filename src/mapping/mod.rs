//! Mappings: checked sentences, compiled programs, lineage.
//!
//! A mapping file (`mappings/*.toml`) is read, checked against the tables of v2 and FHIR,
//! and compiled to a [`Mapping`]; running one is pure. It makes a FHIR bundle or an HL7 v2
//! message. The same sentences serve as
//! [`Condition`] and [`ValuePath`] elsewhere. No file is opened here: what a mapping names
//! is handed in by a [`Library`].
//!
//! What a run makes is valid R4 by construction: every leaf has the form of its type, every
//! code of a demanded value set was checked at load, and what is demanded and missing says
//! so.

mod arena;
mod codes;
mod compile;
mod condition;
mod datum;
mod file;
mod group;
mod lineage;
mod pick;
mod program;
mod run;
mod segments;
mod sentence;
mod structure;
mod suite;
mod target;
mod types;
mod used;

use std::fmt;
use std::sync::Arc;

use crate::fault::{Fault, Problems, codes as w};
use crate::fhir::{Builder, Sink, Writer};
use crate::hl7v2::Message;
use crate::hl7v2::tables::Site;
use crate::message::{Body, Content, ContentKind};
use crate::settings::{Document, SourceFile};

use datum::{Input, Tree};

pub use condition::{Condition, ValuePath};
pub use lineage::{Lineage, LineageRow, Unused};
pub use suite::{TestOutcome, TestRun};

/// Most bytes a bundle gets room for before it is known how long it becomes.
const ROOM_MAX: usize = 64 << 10;

/// How a suggestion of a nearest name begins.
const NEAR: &str = "did you mean ";

/// Gives the text of files a mapping names (`codes/*.csv`); the config room implements it
/// over the tree of files.
pub trait Library {
    /// The file of that path, as the mapping writes it.
    fn file(&self, path: &str) -> Option<SourceFile>;

    /// What the site says of HL7 v2 (`hl7/*.toml`): its own segments and fields are checked
    /// and typed like those of the standard.
    fn site(&self) -> Site {
        Site::NONE
    }
}

/// A mapping, checked and compiled. Cheap to clone.
#[derive(Clone)]
pub struct Mapping(Arc<Loaded>);

struct Loaded {
    program: program::Program,
    tests: Vec<suite::Test>,
}

/// What one run made.
#[derive(Clone, Debug)]
pub struct Mapped<C = Content> {
    /// The bundle, message or segments.
    pub content: C,
    /// Values left out and other things an analyst should know, with paths and never values.
    pub warnings: Vec<Fault>,
    /// Values written.
    pub values: usize,
    /// Valued parts of the input that nobody read.
    pub unused: usize,
    /// The name of the code map of each value that was left out for want of a row (W4102).
    pub unmapped: Vec<Arc<str>>,
}

impl Mapping {
    /// Loads, checks and compiles; every problem at once. Nothing when there was an error;
    /// warnings alone do not keep a mapping from running.
    #[must_use]
    pub fn load(file: SourceFile, library: &dyn Library, problems: &mut Problems) -> Option<Self> {
        let mut found = Problems::new();
        let document = Document::parse(file, &mut found);
        let mut root = document.root(&mut found);
        let raw = file::read(&mut root);
        root.finish();
        let errors = usize::from(found.any(crate::fault::Severity::Error));
        let mut report = compile::Report { document: &document, problems: &mut found, errors };
        let tests = suite::read(&raw, library, &mut report);
        let program = compile::compile(&raw, library, report);
        let refused = found.any(crate::fault::Severity::Error);
        if document.is_broken() {
            // What a mistake in the syntax hides is not missing.
            let hidden = [w::W4012, w::W4014, w::W4015, w::W4016, w::W4017];
            found.retain(|problem| !hidden.contains(&problem.fault.code()));
        }
        found.sort();
        problems.extend(found);
        let program = program.filter(|_| !refused)?;
        Some(Self(Arc::new(Loaded { program, tests })))
    }

    /// The path of its file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.0.program.file
    }

    /// The form of what it reads.
    #[must_use]
    pub fn reads(&self) -> ContentKind {
        match self.0.program.structure {
            Some(_) => ContentKind::Hl7,
            None => ContentKind::Cda,
        }
    }

    /// Structure of the messages it takes: version and name, such as `2.5.1` and `OML_O21`.
    #[must_use]
    pub fn takes(&self) -> (&'static str, &str) {
        match &self.0.program.structure {
            Some(structure) => (structure.version.name, &structure.id),
            None => ("cda", "ClinicalDocument"),
        }
    }

    /// Structure of the HL7 v2 messages it makes: version and name; none where it makes FHIR.
    #[must_use]
    pub fn makes(&self) -> Option<(&'static str, &str)> {
        let target = self.0.program.target.as_ref()?;
        Some((target.structure.version.name, &target.structure.id))
    }

    /// Whether a rule makes segments of this name.
    #[must_use]
    pub fn makes_segment(&self, id: &str) -> bool {
        let target = self.0.program.target.as_ref();
        target.is_some_and(|target| target.makes.iter().any(|make| &*make.id == id))
    }

    /// The types of resource it makes, each with the interaction of R4 by which the receiver
    /// is to write it: `create` or `update`.
    pub fn makes_resources(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        self.0.program.rules.iter().map(|rule| match rule.write {
            program::Write::Create | program::Write::CreateIfNone => ("create", rule.make),
            program::Write::Update => ("update", rule.make),
        })
    }

    /// Runs over a message. `site` seeds the UUIDv5 ids: same message, same site, same bytes.
    ///
    /// # Errors
    /// `W4301` when a code must not pass unmapped, `W4302` when the content is not v2,
    /// `W4303` when the result would be too large.
    pub fn run(&self, content: &Content, site: &str) -> Result<Mapped, Fault> {
        self.go(content, site, false).map(|(mapped, _)| mapped)
    }

    /// Runs over a message and writes the result as it is sent; a bundle straight into one
    /// buffer, for what nobody looks at again before it leaves. The same bytes as of
    /// [`Mapping::run`].
    ///
    /// # Errors
    /// As of [`Mapping::run`].
    pub fn write(&self, content: &Content, site: &str) -> Result<Mapped<Body>, Fault> {
        if self.0.program.target.is_some() {
            return self.run(content, site).map(|mapped| Mapped {
                content: mapped.content.to_body(),
                warnings: mapped.warnings,
                values: mapped.values,
                unused: mapped.unused,
                unmapped: mapped.unmapped,
            });
        }
        // A bundle is some five times as long as its message, until a document is in it.
        let length = match content {
            Content::Hl7(message) => message.bytes().len(),
            Content::Cda(_) | Content::Fhir(_) | Content::Raw(_) => ROOM_MAX / 6,
        };
        let out = Writer::with_capacity(length.max(ROOM_MAX.min(length * 6)));
        let output = run_over(&self.0.program, content, site, false, out)?;
        Ok(Mapped {
            content: Body { kind: ContentKind::FhirJson, bytes: output.done },
            warnings: output.warnings,
            values: output.values,
            unused: output.unused,
            unmapped: output.unmapped,
        })
    }

    /// Runs a mapping to HL7 v2 and gives its segments alone, in order, each without its
    /// terminator and in the delimiters and character set of the message: for answers, whose
    /// first segments are not the mapping's.
    ///
    /// # Errors
    /// As of [`Mapping::run`]; `W4302` where it makes FHIR.
    pub fn segments(&self, message: &Message) -> Result<Mapped<Vec<Vec<u8>>>, Fault> {
        let program = &self.0.program;
        let Some(target) = &program.target else {
            return Err(Fault::new(w::W4302).because("the mapping makes FHIR"));
        };
        let made = segments::run(program, target, message, false)?;
        Ok(Mapped {
            content: made.segments,
            warnings: made.warnings,
            values: made.values,
            unused: made.unused,
            unmapped: made.unmapped,
        })
    }

    /// Runs and says where every value came from.
    ///
    /// # Errors
    /// As of [`Mapping::run`].
    pub fn explain(&self, content: &Content, site: &str) -> Result<(Mapped, Lineage), Fault> {
        let (mapped, lineage) = self.go(content, site, true)?;
        let none = || Lineage { rows: Vec::new(), unused: Vec::new() };
        Ok((mapped, lineage.unwrap_or_else(none)))
    }

    /// Runs the tests that stand in its file.
    #[must_use]
    pub fn run_tests(&self) -> TestRun {
        suite::run(&self.0.program, &self.0.tests)
    }

    fn go(
        &self,
        content: &Content,
        site: &str,
        trace: bool,
    ) -> Result<(Mapped, Option<Lineage>), Fault> {
        let program = &self.0.program;
        if let Some(target) = &program.target {
            let message = hl7(content)?;
            let made = segments::run(program, target, message, trace)?;
            let mapped = Mapped {
                content: Content::Hl7(made.message(message, target)?),
                warnings: made.warnings,
                values: made.values,
                unused: made.unused,
                unmapped: made.unmapped,
            };
            return Ok((mapped, made.lineage));
        }
        let output = run_over(&self.0.program, content, site, trace, Builder::new())?;
        let mapped = Mapped {
            content: Content::Fhir(output.done),
            warnings: output.warnings,
            values: output.values,
            unused: output.unused,
            unmapped: output.unmapped,
        };
        Ok((mapped, output.lineage))
    }
}

/// The message, where the content is HL7 v2.
fn hl7(content: &Content) -> Result<&Message, Fault> {
    match content {
        Content::Hl7(message) => Ok(message),
        Content::Fhir(_) | Content::Cda(_) | Content::Raw(_) => {
            Err(Fault::new(w::W4302).because("not HL7 v2"))
        }
    }
}

/// Runs a program to FHIR over content of the form it reads.
fn run_over<S: Sink>(
    program: &program::Program,
    content: &Content,
    site: &str,
    trace: bool,
    out: S,
) -> Result<run::Output<S::Done>, Fault> {
    match content {
        Content::Hl7(message) => run::run(program, Input::Hl7(message), site, trace, out),
        Content::Cda(document) => {
            let tree = Tree::new(document);
            run::run(program, Input::Cda(&tree), site, trace, out)
        }
        Content::Fhir(_) | Content::Raw(_) => {
            let reads = if program.structure.is_some() { "HL7 v2" } else { "a document of CDA" };
            Err(Fault::new(w::W4302).because(format!("not {reads}")))
        }
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapping({})", self.file())
    }
}

#[cfg(test)]
mod cda_tests;
#[cfg(test)]
mod tests;
