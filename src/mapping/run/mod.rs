//! Runs a program over a message: first which resources there are and their ids, then their
//! values, so that references never depend on the order of rules.

mod bundle;
mod instance;
mod object;
mod refer;
mod value;

use std::sync::Arc;

use super::arena::{Arena, At};
use super::datum::Input;
use super::group::Groups;
use super::lineage::{self, Lineage};
use super::pick::{Here, Item};
use super::program::Program;
use super::types::{LEFT_MAX, Make, TOLD_BYTES_MAX};
use super::used::Used;
use crate::fault::{Fault, FilePlace, Place, codes as w};
use crate::fhir::Sink;
use instance::Instance;

#[cfg(test)]
pub(crate) use refer::worked;

/// Most resources one message may become: a bound on what a receiver is asked to take in
/// one transaction, and on our memory.
const ENTRIES_MAX: usize = 50_000;

/// What a run gives.
pub(crate) struct Output<D> {
    /// What was written.
    pub done: D,
    pub warnings: Vec<Fault>,
    pub values: usize,
    pub unused: usize,
    /// Names of code maps that had no row for a code, one a code.
    pub unmapped: Vec<Arc<str>>,
    pub lineage: Option<Lineage>,
    /// Which rules made something.
    pub made: Vec<bool>,
}

/// A run under way.
struct Run<'r> {
    program: &'r Program,
    input: Input<'r>,
    groups: &'r Groups,
    used: &'r Used,
    site: &'r str,
    make: Make<'r>,
    /// Instances of all rules, in order of the rules.
    instances: Vec<Instance<'r>>,
    /// Where the instances of each rule begin; one more at the end.
    starts: Vec<usize>,
    warnings: Vec<Fault>,
    /// Memory to be used again: instances of one rule, a key, yields.
    found: Vec<Instance<'r>>,
    key: String,
    spare: Vec<Vec<(At, &'r str)>>,
    /// A code that must not pass.
    dead: Option<Fault>,
    /// Where references find what they mean.
    references: refer::References,
    trace: Trace,
}

/// What lineage needs to know of the resource being made; empty unless asked for.
#[derive(Default)]
struct Trace {
    on: bool,
    /// From this node on, values come from this line.
    lines: Vec<(At, u32)>,
    /// Nodes that a row of a code map gave.
    rows: Vec<(At, u16, u32)>,
}

/// Runs a program.
///
/// # Errors
/// `W4301` when a code must not pass unmapped, `W4302` when the program reads another form,
/// `W4303` when the bundle would be too large, `W2772` when a path looks at too much,
/// `W2773` when references ask for too much of the narrative.
pub(crate) fn run<'r, S: Sink>(
    program: &'r Program,
    input: Input<'r>,
    site: &'r str,
    trace: bool,
    mut out: S,
) -> Result<Output<S::Done>, Fault> {
    let (used, groups) = match (input, &program.structure) {
        (Input::Hl7(message), Some(structure)) => {
            let used = Used::new(message.bytes().len());
            read_by_engine(message, &used);
            (used, Groups::read(message, structure))
        }
        (Input::Cda(tree), None) => {
            let used = Used::new(tree.document.text().len());
            lineage::read_by_engine(tree.document, &used);
            (used, Groups::default())
        }
        (Input::Hl7(_), None) => {
            return Err(Fault::new(w::W4302).because("HL7 v2, where it reads documents of CDA"));
        }
        (Input::Cda(_), Some(_)) => {
            return Err(Fault::new(w::W4302).because("a document of CDA, where it reads HL7 v2"));
        }
    };
    let make = Make {
        arena: Arena::new(trace),
        used: &used,
        zone: program.zone.as_ref(),
        left: Vec::new(),
        unmapped: Vec::new(),
        says_null: false,
        told: TOLD_BYTES_MAX,
        is_told_out: false,
    };
    let mut run = Run {
        program,
        input,
        groups: &groups,
        used: &used,
        site,
        make,
        instances: Vec::new(),
        starts: Vec::new(),
        warnings: Vec::new(),
        found: Vec::new(),
        key: String::with_capacity(128),
        spare: Vec::new(),
        dead: None,
        references: refer::References::default(),
        trace: Trace { on: trace, ..Trace::default() },
    };
    run.find_instances()?;
    run.give_ids();
    let (values, rows) = run.bundle(&mut out);
    run.finish(out, values, rows)
}

/// What the engine itself reads of every message is not unused.
fn read_by_engine(message: &crate::hl7v2::Message, used: &Used) {
    let Some(header) = message.segment(0) else { return };
    for n in [1, 2, 9, 10, 12] {
        if let Some(field) = header.field(n) {
            used.mark(field.range());
        }
    }
}

impl<'r> Run<'r> {
    fn here(&self, instance: &Instance<'r>) -> Here<'r> {
        Here {
            input: self.input,
            groups: Some(self.groups),
            used: Some(self.used),
            group: instance.group,
            segment: instance.segment,
            element: instance.element,
            own: instance.own,
            item: Item::None,
            position: instance.position,
        }
    }

    /// Notes a warning of a rule.
    fn warn(&mut self, fault: Fault) {
        if self.warnings.len() < LEFT_MAX {
            self.warnings.push(fault);
        }
    }

    fn place_of(&self, line: u32) -> Option<FilePlace> {
        self.program.lines.get(line as usize).cloned()
    }

    /// Warnings of conversions know bytes; people want paths.
    fn finish<S: Sink>(
        mut self,
        out: S,
        values: usize,
        rows: Vec<lineage::Leaf>,
    ) -> Result<Output<S::Done>, Fault> {
        if let Some(dead) = self.dead {
            return Err(dead);
        }
        if let Input::Cda(tree) = self.input
            && tree.is_spent.get()
        {
            return Err(Fault::new(w::W2772));
        }
        if self.make.is_told_out {
            return Err(Fault::new(w::W2773));
        }
        let left = std::mem::take(&mut self.make.left);
        let mut index = match self.input {
            Input::Cda(tree) => lineage::Places::Cda(tree.document),
            Input::Hl7(message) => lineage::Places::Hl7(match self.trace.on {
                true => lineage::Index::of(message),
                false => lineage::Index::around(message, left.iter().map(|left| &left.range)),
            }),
        };
        for left in left {
            let fault = Fault::new(left.code).because(left.cause);
            self.warnings.push(match index.path(&left.range) {
                Some(path) => fault.at(Place::path(path)),
                None => fault,
            });
        }
        let (unused, version) = match self.input {
            Input::Hl7(message) => {
                (lineage::count_unused(message, self.used), message.header().version().into_owned())
            }
            Input::Cda(tree) => (lineage::count_unread(tree.document, self.used), String::new()),
        };
        let lineage = self
            .trace
            .on
            .then(|| lineage::assemble(&mut index, rows, self.program, self.used, &version));
        let made = self.starts.windows(2).map(|pair| pair.first() < pair.last()).collect();
        let done = out.done();
        let (warnings, unmapped) = (self.warnings, self.make.unmapped);
        Ok(Output { done, warnings, values, unused, unmapped, lineage, made })
    }

    fn too_many() -> Fault {
        Fault::new(w::W4303).because(format!("more than {ENTRIES_MAX} resources"))
    }
}
