//! JSON Patch over a document.
//!
//! Source: RFC 6902, with the pointers of RFC 6901.

use std::borrow::Cow;

use super::super::{Doc, Node, NodeId, NodeKind};
use super::value::same;
use super::{Budget, counted, fault, unread, within};
use crate::fault::Fault;
use crate::fault::codes::{W2780, W2781, W2783, W2784};

/// An operation as it was read.
struct Operation<'p> {
    op: Op,
    path: Pointer,
    from: Option<Pointer>,
    value: Option<Node<'p>>,
    /// The path as it was written.
    shown: Cow<'p, str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

const OPS: [(&str, Op); 6] = [
    ("add", Op::Add),
    ("remove", Op::Remove),
    ("replace", Op::Replace),
    ("move", Op::Move),
    ("copy", Op::Copy),
    ("test", Op::Test),
];

/// The tokens of a pointer, freed of their escapes.
#[derive(PartialEq, Eq)]
struct Pointer(Vec<String>);

impl Pointer {
    fn read(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(Vec::new()));
        }
        let tokens = text.strip_prefix('/')?.split('/');
        tokens.map(unescaped).collect::<Option<_>>().map(Self)
    }

    fn split(&self) -> Option<(&str, &[String])> {
        self.0.split_last().map(|(last, before)| (last.as_str(), before))
    }
}

/// Source: RFC 6901 §3 and §4.
fn unescaped(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push(match part.bytes().next()? {
            b'0' => '~',
            b'1' => '/',
            _ => return None,
        });
        out.push_str(part.get(1..)?);
    }
    Some(out)
}

/// Applies the operations one after the other to a copy.
pub(super) fn apply(doc: &Doc, patch: &Doc) -> Result<Doc, Fault> {
    let operations = patch.root().items();
    counted(operations.clone().take(super::OPERATIONS_MAX + 1).count())?;
    // All are read before the first is done.
    let mut read = Vec::new();
    for (number, node) in operations.enumerate() {
        read.push(operation(node).map_err(|fault| within(fault, number, ""))?);
    }
    let mut patched = Patched { doc: doc.clone(), budget: Budget::new(doc.to_json().len()) };
    for (number, operation) in read.iter().enumerate() {
        patched.run(operation).map_err(|fault| within(fault, number, &operation.shown))?;
    }
    Ok(patched.doc)
}

fn operation(node: Node<'_>) -> Result<Operation<'_>, Fault> {
    let (mut op, mut path, mut from, mut value) = (None, None, None, None);
    for (name, member) in node.members() {
        let place = match name {
            "op" => &mut op,
            "path" => &mut path,
            "from" => &mut from,
            "value" => &mut value,
            // RFC 6902 §4: what is not defined is ignored.
            _ => continue,
        };
        if place.replace(member).is_some() {
            return Err(unread("a member stands twice in an operation"));
        }
    }
    let text = |node: Option<Node<'_>>| node.and_then(|node| node.string().map(Cow::into_owned));
    let op = text(op).and_then(|op| OPS.iter().find(|(name, _)| *name == op));
    let Some((_, op)) = op else {
        return Err(unread("`op` is none of add, remove, replace, move, copy and test"));
    };
    let path = path.and_then(|node| node.string());
    let path = path.ok_or_else(|| unread("an operation has no `path`"))?;
    let pointer = Pointer::read(&path);
    let pointer = pointer.ok_or_else(|| unread("`path` is no JSON pointer"))?;
    let from = match op {
        Op::Move | Op::Copy => {
            let from = text(from).and_then(|from| Pointer::read(&from));
            Some(from.ok_or_else(|| unread("`from` is missing or no JSON pointer"))?)
        }
        _ => None,
    };
    if matches!(op, Op::Add | Op::Replace | Op::Test) && value.is_none() {
        return Err(unread("an operation has no `value`"));
    }
    Ok(Operation { op: *op, path: pointer, from, value, shown: path })
}

struct Patched {
    doc: Doc,
    budget: Budget,
}

impl Patched {
    fn run(&mut self, operation: &Operation<'_>) -> Result<(), Fault> {
        let path = &operation.path;
        let value = || operation.value.map(|value| value.json()).unwrap_or_default();
        match (operation.op, &operation.from) {
            (Op::Add, _) => self.add(path, &value()),
            (Op::Remove, _) => self.remove(path),
            (Op::Replace, _) => {
                let id = self.find(&path.0)?;
                self.set(id, &value())
            }
            (Op::Test, _) => {
                let id = self.find(&path.0)?;
                let found = self.doc.node(id).zip(operation.value);
                match found {
                    Some((found, value)) if same(found, value) => Ok(()),
                    _ => Err(Fault::new(W2784).because("the value is another")),
                }
            }
            (Op::Copy, Some(from)) => {
                let text = self.copy(from)?;
                self.add(path, &text)
            }
            (Op::Move, Some(from)) => {
                let inside = path.0.len() > from.0.len() && path.0.starts_with(&from.0);
                if inside {
                    return Err(fault(W2783, "a value cannot move into itself"));
                }
                let text = self.copy(from)?;
                if path == from {
                    return Ok(());
                }
                self.remove(from)?;
                self.add(path, &text)
            }
            (Op::Copy | Op::Move, None) => Err(unread("`from` is missing or no JSON pointer")),
        }
    }

    /// Follows the tokens of a pointer.
    fn find(&mut self, tokens: &[String]) -> Result<NodeId, Fault> {
        let mut at = self.doc.root();
        for token in tokens {
            let found = match at.kind() {
                NodeKind::Object => {
                    at.children().enumerate().find(|(_, n)| n.is_named(token.as_bytes()))
                }
                NodeKind::Array => index(token).and_then(|i| Some((i, at.items().nth(i)?))),
                _ => None,
            };
            let Some((steps, next)) = found else {
                return Err(fault(W2781, "nothing stands where `path` or `from` points to"));
            };
            self.budget.spend(steps)?;
            at = next;
        }
        Ok(at.id())
    }

    fn copy(&mut self, from: &Pointer) -> Result<Vec<u8>, Fault> {
        let id = self.find(&from.0)?;
        let text = self.doc.node(id).map(|node| node.json().into_owned()).unwrap_or_default();
        self.budget.copy(text.len())?;
        Ok(text)
    }

    fn set(&mut self, id: NodeId, json: &[u8]) -> Result<(), Fault> {
        self.doc.set_json(id, text(json)?)
    }

    fn add(&mut self, path: &Pointer, json: &[u8]) -> Result<(), Fault> {
        let Some((last, before)) = path.split() else { return self.set(NodeId(0), json) };
        let holder = self.find(before)?;
        let Some(node) = self.doc.node(holder) else {
            return Err(fault(W2781, "nothing stands where `path` points to"));
        };
        let count = node.children().count();
        self.budget.spend(count)?;
        match node.kind() {
            NodeKind::Object => match node.get(last).map(|node| node.id()) {
                Some(id) => self.set(id, json),
                None => self.doc.insert_member(holder, last, text(json)?),
            },
            NodeKind::Array => {
                let place = if last == "-" { Some(count) } else { index(last) };
                let place = place.filter(|place| *place <= count);
                let place =
                    place.ok_or_else(|| fault(W2781, "the array has no such place to add to"))?;
                self.doc.insert_item(holder, place, text(json)?)
            }
            _ => Err(fault(W2781, "what `path` points into is neither object nor array")),
        }
    }

    fn remove(&mut self, path: &Pointer) -> Result<(), Fault> {
        let Some((last, before)) = path.split() else {
            return Err(fault(W2783, "the whole document cannot be removed"));
        };
        let id = self.find(&path.0)?;
        self.doc.remove(id)?;
        let holder = self.find(before)?;
        // A second member of the name would come to light.
        if let Some(node) = self.doc.node(holder).filter(|n| n.kind() == NodeKind::Object) {
            let named = node.children().filter(|n| n.is_named(last.as_bytes()));
            let twins: Vec<NodeId> = named.map(|twin| twin.id()).collect();
            for twin in twins {
                self.doc.remove(twin)?;
            }
        }
        Ok(())
    }
}

/// A place in an array: digits without leading zeros.
///
/// Source: RFC 6901 §4.
fn index(token: &str) -> Option<usize> {
    let plain =
        token.bytes().all(|b| b.is_ascii_digit()) && (token.len() == 1 || !token.starts_with('0'));
    if plain { token.parse().ok() } else { None }
}

fn text(json: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(json).map_err(|_| Fault::new(W2780))
}
