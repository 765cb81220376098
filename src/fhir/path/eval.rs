//! Runs an expression over a document.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::parse::{Expression, Function, Operator, Start, Step};
use super::{STEPS_MAX, moment, types};
use crate::fhir::doc::{Node, NodeKind};
use crate::fhir::tables;

/// A value found or computed.
#[derive(Clone)]
pub(super) enum Item<'d> {
    Node(Node<'d>),
    Text(Cow<'d, str>),
    /// A date or time literal.
    Date(Cow<'d, str>),
    Number(Cow<'d, str>),
    Bool(bool),
}

/// The run looked at more than [`STEPS_MAX`] items.
pub(super) struct CutOff;

type Found<'d> = Result<Vec<Item<'d>>, CutOff>;

impl<'d> Item<'d> {
    pub fn node(self) -> Option<Node<'d>> {
        if let Item::Node(node) = self { Some(node) } else { None }
    }

    pub fn into_text(self) -> Option<Cow<'d, str>> {
        match self {
            Item::Node(node) => node.text(),
            Item::Text(text) | Item::Date(text) | Item::Number(text) => Some(text),
            Item::Bool(value) => Some(Cow::Borrowed(if value { "true" } else { "false" })),
        }
    }

    /// A scalar node as the value it holds.
    fn plain(&self) -> Item<'d> {
        match self {
            Item::Node(node) => match node.kind() {
                NodeKind::Bool => Item::Bool(node.bool() == Some(true)),
                NodeKind::Number => Item::Number(node.text().unwrap_or_default()),
                NodeKind::String => Item::Text(node.text().unwrap_or_default()),
                NodeKind::Object | NodeKind::Array | NodeKind::Null => self.clone(),
            },
            other => other.clone(),
        }
    }

    fn string(&self) -> Option<Cow<'d, str>> {
        if let Item::Text(text) = self.plain() { Some(text) } else { None }
    }

    /// Whether two values are equal; none when dates leave that open.
    fn equals(&self, other: &Item<'d>) -> Option<bool> {
        match (self.plain(), other.plain()) {
            (Item::Text(a), Item::Text(b)) => Some(a == b),
            (Item::Date(a), Item::Date(b) | Item::Text(b)) | (Item::Text(a), Item::Date(b)) => {
                match moment::compare(&a, &b) {
                    Some(order) => order.map(std::cmp::Ordering::is_eq),
                    None => Some(false),
                }
            }
            (Item::Bool(a), Item::Bool(b)) => Some(a == b),
            (Item::Number(a), Item::Number(b)) => Some(same_number(&a, &b)),
            (Item::Node(a), Item::Node(b)) => Some(same(a, b)),
            _ => Some(false),
        }
    }
}

/// Numbers are equal by value: `7.10` is `7.1`.
fn same_number(a: &str, b: &str) -> bool {
    if a.contains(['e', 'E']) || b.contains(['e', 'E']) {
        return a.parse::<f64>().is_ok_and(|a| b.parse() == Ok(a));
    }
    fn bare(text: &str) -> &str {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
    }
    let zero = |text: &str| matches!(text, "0" | "-0");
    bare(a) == bare(b) || (zero(bare(a)) && zero(bare(b)))
}

/// Same members in any order, same items in the same order. Depth is that of documents.
fn same(a: Node<'_>, b: Node<'_>) -> bool {
    match (a.kind(), b.kind()) {
        (NodeKind::Object, NodeKind::Object) => {
            a.members().count() == b.members().count()
                && a.members()
                    .all(|(name, value)| b.get(name).is_some_and(|other| same(value, other)))
        }
        (NodeKind::Array, NodeKind::Array) => {
            a.items().count() == b.items().count()
                && a.items().zip(b.items()).all(|(a, b)| same(a, b))
        }
        (NodeKind::Number, NodeKind::Number) => {
            same_number(a.number().unwrap_or_default(), b.number().unwrap_or_default())
        }
        (x, y) => x == y && a.text() == b.text(),
    }
}

/// Truth of what was found: none for nothing and for several values.
pub(super) fn truth(items: &[Item<'_>]) -> Option<bool> {
    match items {
        [item] => Some(!matches!(item.plain(), Item::Bool(false))),
        _ => None,
    }
}

/// One run of one expression.
pub(super) struct Run<'d> {
    node: Node<'d>,
    steps: u64,
    /// Resources of the Bundle by `fullUrl` and by `Type/id`.
    targets: OnceCell<HashMap<Cow<'d, str>, Node<'d>>>,
}

impl<'d> Run<'d> {
    pub fn new(node: Node<'d>) -> Self {
        Self { node, steps: 0, targets: OnceCell::new() }
    }

    pub fn start(mut self, expression: &Expression) -> Found<'d> {
        let this = [Item::Node(self.node)];
        self.expression(expression, &this)
    }

    fn spend(&mut self, items: usize) -> Result<(), CutOff> {
        self.steps += items as u64 + 1;
        if self.steps > STEPS_MAX { Err(CutOff) } else { Ok(()) }
    }

    fn expression(&mut self, expression: &Expression, this: &[Item<'d>]) -> Found<'d> {
        match expression {
            Expression::Path { start, steps } => {
                let mut items = match start {
                    Start::This => this.to_vec(),
                    Start::Type(name) => self.typed(name, this)?,
                    Start::Text(text) => vec![Item::Text(Cow::Owned(text.clone()))],
                    Start::Date(text) => vec![Item::Date(Cow::Owned(text.clone()))],
                    Start::Number(text) => vec![Item::Number(Cow::Owned(text.clone()))],
                    Start::Bool(value) => vec![Item::Bool(*value)],
                    Start::Empty => Vec::new(),
                    Start::Group(inner) => self.expression(inner, this)?,
                };
                for step in steps {
                    self.spend(items.len())?;
                    items = self.step(step, items)?;
                }
                Ok(items)
            }
            Expression::Is { value, ty } => {
                let items = self.expression(value, this)?;
                Ok(is(&items, ty))
            }
            Expression::Binary { left, operator, right } => {
                let left = self.expression(left, this)?;
                let right = self.expression(right, this)?;
                self.spend(left.len() + right.len())?;
                self.binary(left, *operator, right)
            }
        }
    }

    /// Resources of a type: the items themselves, or entries of a Bundle.
    fn typed(&mut self, name: &str, this: &[Item<'d>]) -> Found<'d> {
        let mut out = Vec::new();
        let any = matches!(name, "Resource" | "DomainResource");
        for item in this {
            let Item::Node(node) = item else { continue };
            let Some(ty) = node.resource_type() else { continue };
            if ty == name || any {
                out.push(item.clone());
            } else if ty == "Bundle" {
                let entries = members(*node, "entry");
                self.spend(entries.len())?;
                let resources = entries.into_iter().flat_map(|entry| members(entry, "resource"));
                let fits = |r: &Node<'d>| r.resource_type().is_some_and(|ty| ty == name);
                out.extend(resources.filter(fits).map(Item::Node));
            }
        }
        Ok(out)
    }

    fn step(&mut self, step: &Step, items: Vec<Item<'d>>) -> Found<'d> {
        Ok(match step {
            Step::Member(name, _) => {
                let mut out = Vec::new();
                for node in items.into_iter().filter_map(Item::node) {
                    out.extend(find(node, name).into_iter().map(Item::Node));
                }
                self.spend(out.len())?;
                out
            }
            Step::Index(index) => items.into_iter().nth(*index).into_iter().collect(),
            Step::OfType(ty) => items.into_iter().filter(|item| has_type(item, ty, true)).collect(),
            Step::Is(ty) => is(&items, ty),
            Step::Each(inner) => {
                let mut out = Vec::new();
                for item in items {
                    out.extend(self.expression(inner, &[item])?);
                }
                out
            }
            Step::Call(function, arguments) => self.call(*function, arguments, items)?,
        })
    }

    fn call(&mut self, function: Function, with: &[Expression], items: Vec<Item<'d>>) -> Found<'d> {
        let count = items.len();
        let yes = |value: bool| Ok(vec![Item::Bool(value)]);
        match function {
            Function::Count => Ok(vec![Item::Number(Cow::Owned(count.to_string()))]),
            Function::Empty => yes(items.is_empty()),
            Function::Not => Ok(truth(&items).map(|t| Item::Bool(!t)).into_iter().collect()),
            Function::AllTrue => yes(items.iter().all(|i| matches!(i.plain(), Item::Bool(true)))),
            Function::AnyTrue => yes(items.iter().any(|i| matches!(i.plain(), Item::Bool(true)))),
            Function::HasValue => {
                yes(count == 1 && items.iter().all(|i| !matches!(i.plain(), Item::Node(_))))
            }
            Function::First => Ok(items.into_iter().take(1).collect()),
            Function::Last => Ok(items.into_iter().skip(count.saturating_sub(1)).collect()),
            Function::Tail => Ok(items.into_iter().skip(1).collect()),
            Function::Single => Ok(if count == 1 { items } else { Vec::new() }),
            Function::Distinct => Ok(distinct(items)),
            Function::IsDistinct => yes(distinct(items).len() == count),
            Function::Resolve => Ok(self.resolve(&items)),
            Function::Children => self.below(items, false),
            Function::Descendants => self.below(items, true),
            Function::Exists if with.is_empty() => yes(count > 0),
            Function::Exists => yes(!self.filter(with, items)?.is_empty()),
            Function::Where => self.filter(with, items),
            Function::All => yes(self.filter(with, items)?.len() == count),
            Function::Select => {
                let mut out = Vec::new();
                for item in items {
                    for expression in with {
                        out.extend(self.expression(expression, std::slice::from_ref(&item))?);
                    }
                }
                Ok(out)
            }
            Function::Iif => {
                let mut branches = with.iter();
                let mut holds = None;
                if let Some(condition) = branches.next() {
                    holds = truth(&self.expression(condition, &items)?);
                }
                let branch = if holds == Some(true) { branches.next() } else { branches.nth(1) };
                branch.map_or(Ok(Vec::new()), |branch| self.expression(branch, &items))
            }
            Function::Skip | Function::Take => {
                let Some(number) = self.argument(with)?.and_then(|n| n.parse().ok()) else {
                    return Ok(Vec::new());
                };
                Ok(if function == Function::Skip {
                    items.into_iter().skip(number).collect()
                } else {
                    items.into_iter().take(number).collect()
                })
            }
            Function::Length | Function::Lower | Function::Upper => Ok(text(function, &items)),
            Function::Contains | Function::StartsWith | Function::EndsWith => {
                let (Some(part), [item]) = (self.argument(with)?, items.as_slice()) else {
                    return Ok(Vec::new());
                };
                let Some(text) = item.string() else { return Ok(Vec::new()) };
                yes(match function {
                    Function::StartsWith => text.starts_with(part.as_ref()),
                    Function::EndsWith => text.ends_with(part.as_ref()),
                    _ => text.contains(part.as_ref()),
                })
            }
            Function::Extension => {
                let Some(url) = self.argument(with)? else { return Ok(Vec::new()) };
                let nodes = items.into_iter().filter_map(Item::node);
                let all = nodes.flat_map(|node| find(node, "extension"));
                let fits =
                    |e: &Node<'d>| e.get("url").and_then(|u| u.string()).is_some_and(|u| u == url);
                Ok(all.filter(fits).map(Item::Node).collect())
            }
        }
    }

    /// The one value of an argument that does not depend on the items.
    fn argument(&mut self, with: &[Expression]) -> Result<Option<Cow<'d, str>>, CutOff> {
        let this = [Item::Node(self.node)];
        let Some(expression) = with.first() else { return Ok(None) };
        Ok(self.expression(expression, &this)?.into_iter().next().and_then(Item::into_text))
    }

    fn filter(&mut self, with: &[Expression], items: Vec<Item<'d>>) -> Found<'d> {
        let mut out = Vec::new();
        for item in items {
            let mut holds = true;
            for condition in with {
                let found = self.expression(condition, std::slice::from_ref(&item))?;
                holds &= truth(&found) == Some(true);
            }
            if holds {
                out.push(item);
            }
        }
        Ok(out)
    }

    fn below(&mut self, items: Vec<Item<'d>>, deep: bool) -> Found<'d> {
        let mut out = Vec::new();
        let mut open: Vec<Node<'d>> = items.into_iter().filter_map(Item::node).collect();
        open.reverse();
        while let Some(node) = open.pop() {
            let inner: Vec<Node<'d>> = values(node).collect();
            self.spend(inner.len())?;
            out.extend(inner.iter().copied().map(Item::Node));
            if deep {
                open.extend(inner.into_iter().rev());
            }
        }
        // Items may lie within each other; each node counts once.
        Ok(if deep { once(out) } else { out })
    }

    /// The resources that references point to, each once: within the resource for `#id`,
    /// else in the Bundle.
    fn resolve(&self, items: &[Item<'d>]) -> Vec<Item<'d>> {
        let mut out = Vec::new();
        for item in items {
            let Item::Node(node) = item else { continue };
            let reference = match node.kind() {
                NodeKind::Object => node.get("reference").and_then(|r| r.string()),
                _ => node.string(),
            };
            let Some(reference) = reference else { continue };
            let target = match reference.strip_prefix('#') {
                Some(id) => contained(*node, id),
                None => self.targets().get(reference.as_ref()).copied(),
            };
            out.extend(target.map(Item::Node));
        }
        once(out)
    }

    fn targets(&self) -> &HashMap<Cow<'d, str>, Node<'d>> {
        self.targets.get_or_init(|| {
            let mut targets = HashMap::new();
            for entry in members(self.node.root(), "entry") {
                let Some(resource) = entry.get("resource") else { continue };
                let ty = resource.resource_type();
                let id = resource.get("id").and_then(|id| id.string());
                if let (Some(ty), Some(id)) = (ty, id) {
                    targets.entry(Cow::Owned(format!("{ty}/{id}"))).or_insert(resource);
                }
                if let Some(url) = entry.get("fullUrl").and_then(|url| url.string()) {
                    targets.insert(url, resource);
                }
            }
            targets
        })
    }

    fn binary(
        &mut self,
        left: Vec<Item<'d>>,
        operator: Operator,
        right: Vec<Item<'d>>,
    ) -> Found<'d> {
        let decided = match operator {
            Operator::Union => {
                let mut all = left;
                all.extend(right);
                return Ok(once(all));
            }
            Operator::Equal => equal(&left, &right),
            Operator::NotEqual => equal(&left, &right).map(|same| !same),
            Operator::Less => order(&left, &right).map(std::cmp::Ordering::is_lt),
            Operator::LessOrEqual => order(&left, &right).map(std::cmp::Ordering::is_le),
            Operator::Greater => order(&left, &right).map(std::cmp::Ordering::is_gt),
            Operator::GreaterOrEqual => order(&left, &right).map(std::cmp::Ordering::is_ge),
            Operator::In => one_of(&left, &right),
            Operator::Contains => one_of(&right, &left),
            Operator::And => match (truth(&left), truth(&right)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Operator::Or => match (truth(&left), truth(&right)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Operator::Xor => truth(&left).zip(truth(&right)).map(|(a, b)| a != b),
            Operator::Implies => match (truth(&left), truth(&right)) {
                (Some(false), _) | (_, Some(true)) => Some(true),
                (Some(true), Some(false)) => Some(false),
                _ => None,
            },
        };
        Ok(decided.map(Item::Bool).into_iter().collect())
    }
}

/// The children of a name, arrays taken apart and nulls left out; all of them when a peer
/// sent the name twice.
fn members<'d>(node: Node<'d>, name: &str) -> Vec<Node<'d>> {
    let named = node.children().filter(|child| child.is_named(name.as_bytes()));
    named.flat_map(Node::each).filter(|n| n.kind() != NodeKind::Null).collect()
}

/// A member by its name in FHIRPath: also `value` for `valueQuantity`, and the extensions
/// and id of a primitive.
fn find<'d>(node: Node<'d>, name: &str) -> Vec<Node<'d>> {
    if node.kind() != NodeKind::Object {
        let shadow = if matches!(name, "extension" | "id") { shadow(node) } else { None };
        return shadow.map(|shadow| members(shadow, name)).unwrap_or_default();
    }
    let found = members(node, name);
    if !found.is_empty() {
        return found;
    }
    let choice = |child: &Node<'d>| child.name().is_some_and(|n| types::choice(n, name).is_some());
    node.children().filter(choice).flat_map(Node::each).collect()
}

/// The object beside a primitive that holds its id and extensions: `_birthDate`.
fn shadow<'d>(node: Node<'d>) -> Option<Node<'d>> {
    let parent = node.parent()?;
    if parent.kind() == NodeKind::Array {
        let name = format!("_{}", parent.name()?);
        return parent.parent()?.get(&name)?.items().nth(node.index()?);
    }
    parent.get(&format!("_{}", node.name()?))
}

/// Child elements, arrays taken apart.
fn values<'d>(node: Node<'d>) -> impl Iterator<Item = Node<'d>> {
    let element = |child: &Node<'d>| !child.is_named(b"resourceType");
    node.children().filter(element).flat_map(Node::each).filter(|n| n.kind() != NodeKind::Null)
}

/// The contained resource of that id in the resource around a node.
fn contained<'d>(node: Node<'d>, id: &str) -> Option<Node<'d>> {
    let around = std::iter::successors(Some(node), |n| n.parent());
    let mut holders = around.filter(|n| n.get("contained").is_some());
    let all = members(holders.next()?, "contained");
    all.into_iter().find(|r| r.get("id").and_then(|i| i.string()).is_some_and(|i| i == id))
}

/// Whether an item has a type. `ofType` takes primitives of that very type only, as the
/// published suite has it, and types made from a complex one as well.
fn has_type(item: &Item<'_>, ty: &str, exact: bool) -> bool {
    match item {
        Item::Node(node) => match types::type_of(*node) {
            Some(found) if exact && tables::is_primitive(ty) => found == ty,
            Some(found) => tables::is_a(found, ty),
            None => {
                let name = node.name().or_else(|| node.parent().and_then(|p| p.name()));
                let known = name.and_then(|name| {
                    (1..name.len()).find_map(|at| types::choice(name, name.get(..at)?))
                });
                known == Some(ty)
            }
        },
        Item::Text(_) => ty == "string",
        Item::Date(text) if text.starts_with('T') => ty == "time",
        Item::Date(text) => ty == if text.contains('T') { "dateTime" } else { "date" },
        Item::Number(text) => ty == if text.contains('.') { "decimal" } else { "integer" },
        Item::Bool(_) => ty == "boolean",
    }
}

fn is<'d>(items: &[Item<'d>], ty: &str) -> Vec<Item<'d>> {
    match items {
        [item] => vec![Item::Bool(has_type(item, ty, false))],
        _ => Vec::new(),
    }
}

fn text<'d>(function: Function, items: &[Item<'d>]) -> Vec<Item<'d>> {
    let [item] = items else { return Vec::new() };
    let Some(text) = item.string() else { return Vec::new() };
    vec![match function {
        Function::Lower => Item::Text(Cow::Owned(text.to_lowercase())),
        Function::Upper => Item::Text(Cow::Owned(text.to_uppercase())),
        _ => Item::Number(Cow::Owned(text.chars().count().to_string())),
    }]
}

fn equal<'d>(left: &[Item<'d>], right: &[Item<'d>]) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    if left.len() != right.len() {
        return Some(false);
    }
    let mut same = Some(true);
    for (a, b) in left.iter().zip(right) {
        match a.equals(b) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => same = None,
        }
    }
    same
}

fn order(left: &[Item<'_>], right: &[Item<'_>]) -> Option<std::cmp::Ordering> {
    let ([a], [b]) = (left, right) else { return None };
    match (a.plain(), b.plain()) {
        (Item::Number(a), Item::Number(b)) => {
            a.parse::<f64>().ok()?.partial_cmp(&b.parse::<f64>().ok()?)
        }
        (Item::Text(a) | Item::Date(a), Item::Text(b) | Item::Date(b)) => {
            moment::compare(&a, &b).unwrap_or_else(|| Some(a.cmp(&b)))
        }
        _ => None,
    }
}

fn one_of<'d>(left: &[Item<'d>], right: &[Item<'d>]) -> Option<bool> {
    let [item] = left else { return None };
    Some(right.iter().any(|other| item.equals(other) == Some(true)))
}

/// Each node once, in order, and each computed value once. Nodes of equal content stay
/// apart, so that a rule about privacy that names both reaches both.
fn once(items: Vec<Item<'_>>) -> Vec<Item<'_>> {
    keep(items, |item| match item {
        Item::Node(node) => (node.id().0.saturating_add(5), Vec::new()),
        computed => content(computed),
    })
}

/// Each value once, in order. Values are told apart by their text, so that this stays
/// linear; objects that differ only in the order of members count as different.
fn distinct(items: Vec<Item<'_>>) -> Vec<Item<'_>> {
    keep(items, |item| content(&item.plain()))
}

fn keep<'d>(items: Vec<Item<'d>>, key: impl Fn(&Item<'d>) -> (u32, Vec<u8>)) -> Vec<Item<'d>> {
    let mut seen = HashSet::new();
    items.into_iter().filter(|item| seen.insert(key(item))).collect()
}

fn content(item: &Item<'_>) -> (u32, Vec<u8>) {
    match item {
        Item::Node(node) => (0, node.json().into_owned()),
        Item::Text(text) => (1, text.as_bytes().to_vec()),
        Item::Number(text) => (2, text.as_bytes().to_vec()),
        Item::Bool(value) => (3, vec![u8::from(*value)]),
        Item::Date(text) => (4, text.as_bytes().to_vec()),
    }
}
