//! The selectors of XML Patch: a part of XPath that names one node.
//!
//! Steps by name, `*`, `text()`, `comment()`, `processing-instruction()`, `@name` and
//! `namespace::prefix`, with conditions `[2]`, `[@a='x']`, `[f:b='x']`, `[f:b/@value='x']`,
//! `[.='x']` and `[f:b]`. Not read: `//`, other axes, functions, and `id()`, which needs a
//! document type. A prefix means what the patch declares; `f` and `h` are the namespaces of
//! FHIR and XHTML where it does not. A name without prefix has the namespace that the patch
//! has without prefix there.
//!
//! Source: RFC 5261 §4.1, §4.2.2 and the grammar of its appendix.

use super::dom::{Dom, Id, NodeKind, declared, plain};
use crate::fault::Fault;
use crate::fault::codes::{W2780, W2781, W2782};
use crate::fhir::patch::{Budget, fault};
use crate::xml::{FHIR, XHTML, is_name};

/// Longest selector: as that of a FHIRPath.
const SELECTOR_BYTES_MAX: usize = 4096;

/// What a selector finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An element, text, comment or instruction.
    Node(Id),
    /// An attribute by its name as written, also a declared namespace.
    Attribute(Id, String),
}

struct Step {
    test: Test,
    conditions: Vec<Condition>,
}

enum Test {
    /// Namespace, none for any, and local name, none for any.
    Name(Option<String>, Option<String>),
    Text,
    Comment,
    Instruction(Option<String>),
    /// Local name with its namespace, none where it has none.
    Attribute(Option<String>, String),
    Namespace(String),
}

enum Condition {
    Place(usize),
    /// The steps lead to something, which says the text if one is given; no steps stand for
    /// the node itself.
    Holds(Vec<Step>, Option<String>),
}

struct Parser<'s> {
    rest: &'s str,
    space: &'s dyn Fn(&str) -> Option<String>,
}

fn bad<T>(cause: &'static str) -> Result<T, Fault> {
    Err(fault(W2780, cause))
}

impl Parser<'_> {
    fn eat(&mut self, word: &str) -> bool {
        let trimmed = self.rest.trim_start();
        match trimmed.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.trim_start().chars().next()
    }

    fn path(&mut self) -> Result<Vec<Step>, Fault> {
        let mut steps = vec![self.step()?];
        while self.eat("/") {
            steps.push(self.step()?);
        }
        let last = steps.len() - 1;
        let inner = |step: &Step| matches!(step.test, Test::Name(..));
        if steps.iter().take(last).all(inner) {
            Ok(steps)
        } else {
            bad("`sel` goes on after a leaf")
        }
    }

    fn step(&mut self) -> Result<Step, Fault> {
        let test = if self.eat("@") {
            let (prefix, local) = self.name()?;
            let space = prefix.map(|prefix| self.meaning(&prefix)).transpose()?;
            Test::Attribute(space, local)
        } else if self.eat("*") {
            Test::Name(None, None)
        } else if self.eat("text()") {
            Test::Text
        } else if self.eat("comment()") {
            Test::Comment
        } else if self.eat("processing-instruction(") {
            let target = if self.peek() == Some(')') { None } else { Some(self.literal()?) };
            if !self.eat(")") {
                return bad("`sel` lacks a `)`");
            }
            Test::Instruction(target)
        } else if self.eat("namespace::") {
            let (None, prefix) = self.name()? else { return bad("`sel` has a bad name") };
            Test::Namespace(prefix)
        } else {
            let (prefix, local) = self.name()?;
            let space = match prefix {
                Some(prefix) => self.meaning(&prefix)?,
                None => (self.space)("").unwrap_or_default(),
            };
            Test::Name(Some(space), Some(local))
        };
        let mut conditions = Vec::new();
        while self.eat("[") {
            conditions.push(self.condition()?);
            if !self.eat("]") {
                return bad("`sel` lacks a `]`");
            }
        }
        Ok(Step { test, conditions })
    }

    fn meaning(&self, prefix: &str) -> Result<String, Fault> {
        let known = (self.space)(prefix).or_else(|| {
            let known = [("f", FHIR), ("h", XHTML)];
            known.iter().find(|(name, _)| *name == prefix).map(|(_, uri)| (*uri).to_owned())
        });
        known.ok_or_else(|| fault(W2780, "`sel` has a prefix that the patch does not declare"))
    }

    fn name(&mut self) -> Result<(Option<String>, String), Fault> {
        let text = self.rest.trim_start();
        let inside = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
        let end = text.find(|c| !inside(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let (prefix, local) = name.split_once(':').map_or((None, name), |(p, l)| (Some(p), l));
        if name.contains("::") || !is_name(local) || !prefix.is_none_or(is_name) {
            return bad("`sel` is no selector that is read here, as with `//` or a function");
        }
        self.rest = rest;
        Ok((prefix.map(str::to_owned), local.to_owned()))
    }

    fn literal(&mut self) -> Result<String, Fault> {
        let text = self.rest.trim_start();
        let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let inner = quote.and_then(|quote| text.get(1..)?.split_once(quote));
        let Some((literal, rest)) = inner else { return bad("`sel` lacks a text in quotes") };
        self.rest = rest;
        Ok(literal.to_owned())
    }

    fn condition(&mut self) -> Result<Condition, Fault> {
        if self.peek().is_some_and(|c| c.is_ascii_digit()) {
            let text = self.rest.trim_start();
            let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (digits, rest) = text.split_at(end);
            self.rest = rest;
            return match digits.parse() {
                Ok(place) => Ok(Condition::Place(place)),
                Err(_) => bad("`sel` counts too far"),
            };
        }
        let steps = if self.eat(".") { Vec::new() } else { self.path()? };
        let is_nested = |step: &Step| !step.conditions.is_empty();
        if steps.iter().any(is_nested) {
            return bad("`sel` has a condition within a condition");
        }
        let text = if self.eat("=") { Some(self.literal()?) } else { None };
        Ok(Condition::Holds(steps, text))
    }
}

/// Finds the one node that a selector names. `space` gives the meaning of prefixes.
pub(super) fn select(
    dom: &Dom,
    selector: &str,
    space: &dyn Fn(&str) -> Option<String>,
    budget: &mut Budget,
) -> Result<Found, Fault> {
    if selector.len() > SELECTOR_BYTES_MAX {
        return bad("`sel` is longer than 4096 bytes");
    }
    let mut parser = Parser { rest: selector, space };
    parser.eat("/");
    let steps = parser.path()?;
    if !parser.rest.trim().is_empty() {
        return bad("`sel` is no selector that is read here, as with `//` or a function");
    }
    let mut found = walk(dom, 0, &steps, budget)?;
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => Err(fault(W2781, "`sel` finds nothing")),
        _ => Err(fault(W2782, "`sel` finds several nodes")),
    }
}

fn walk(dom: &Dom, from: Id, steps: &[Step], budget: &mut Budget) -> Result<Vec<Found>, Fault> {
    let mut at = vec![Found::Node(from)];
    for step in steps {
        let mut next = Vec::new();
        for found in at {
            if let Found::Node(id) = found {
                next.extend(one(dom, id, step, budget)?);
            }
        }
        at = next;
    }
    Ok(at)
}

fn one(dom: &Dom, id: Id, step: &Step, budget: &mut Budget) -> Result<Vec<Found>, Fault> {
    let Some(element) = dom.element(id) else { return Ok(Vec::new()) };
    let mut found: Vec<Found> = match &step.test {
        Test::Attribute(space, local) => {
            let named = |name: &str| match (space, name.split_once(':')) {
                (None, None) => name == local,
                (Some(space), Some((prefix, rest))) => {
                    rest == local && dom.meaning(id, prefix).as_ref() == Some(space)
                }
                _ => false,
            };
            budget.spend(element.attributes.len())?;
            let names = element.attributes.iter().map(|(name, _)| name);
            let plain = names.filter(|name| declared(name).is_none() && named(name));
            plain.map(|name| Found::Attribute(id, name.clone())).collect()
        }
        Test::Namespace(prefix) => {
            let names = element.attributes.iter().map(|(name, _)| name);
            let declares = names.filter(|name| declared(name) == Some(prefix));
            declares.map(|name| Found::Attribute(id, name.clone())).collect()
        }
        test => {
            budget.spend(element.children.len())?;
            let children = element.children.iter().copied();
            children.filter(|child| fits(dom, *child, test)).map(Found::Node).collect()
        }
    };
    for condition in &step.conditions {
        match condition {
            Condition::Place(place) => {
                found = place
                    .checked_sub(1)
                    .and_then(|at| found.get(at).cloned())
                    .into_iter()
                    .collect();
            }
            Condition::Holds(steps, text) => {
                let mut kept = Vec::new();
                for item in found {
                    if holds(dom, &item, steps, text.as_deref(), budget)? {
                        kept.push(item);
                    }
                }
                found = kept;
            }
        }
    }
    Ok(found)
}

fn fits(dom: &Dom, id: Id, test: &Test) -> bool {
    match (test, dom.kind(id)) {
        (Test::Name(space, local), Some(NodeKind::Element(element))) => {
            space.as_deref().is_none_or(|space| *space == *element.space)
                && local.as_deref().is_none_or(|local| local == element.local())
        }
        (Test::Text, Some(NodeKind::Text(_))) | (Test::Comment, Some(NodeKind::Comment(_))) => true,
        (Test::Instruction(target), Some(NodeKind::Instruction(raw))) => {
            let name = raw.split_whitespace().next().unwrap_or_default();
            target.as_deref().is_none_or(|target| target == name)
        }
        _ => false,
    }
}

fn holds(
    dom: &Dom,
    item: &Found,
    steps: &[Step],
    text: Option<&str>,
    budget: &mut Budget,
) -> Result<bool, Fault> {
    let found = match item {
        Found::Node(id) if !steps.is_empty() => walk(dom, *id, steps, budget)?,
        item => vec![item.clone()],
    };
    let Some(text) = text else { return Ok(!found.is_empty()) };
    for found in &found {
        let said = match found {
            Found::Node(id) => {
                budget.spend(dom.size(*id))?;
                dom.said(*id)
            }
            Found::Attribute(id, name) => {
                let raw = dom.element(*id).and_then(|element| element.attribute(name));
                plain(raw.unwrap_or_default()).into_owned()
            }
        };
        budget.spend(said.len() / 16)?;
        if said == text {
            return Ok(true);
        }
    }
    Ok(false)
}
