//! Runs an expression over a document.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use rust_decimal::Decimal;

use super::ast::{Expression, Operator, Start, Step, TypeName};
use super::quantity::Quantity;
use super::value::{Item, UCUM, matched};
use super::{Context, STEPS_MAX, convert, types};
use crate::fhir::doc::{Node, NodeKind};
use crate::fhir::tables;

/// Why a run ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// It looked at more than [`STEPS_MAX`] items.
    CutOff,
    /// The values do not fit the expression: a phrase without a value of the document.
    Wrong(String),
}

pub(super) type Found<'d> = Result<Vec<Item<'d>>, Stop>;

/// Ends a run.
pub(super) fn wrong<T>(what: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Wrong(what.into()))
}

/// Truth of a collection: none for nothing, `true` for a single value that is no Boolean.
///
/// Source: FHIRPath N1 (2.0.0) §singleton-evaluation-of-collections.
pub(super) fn truth(items: &[Item<'_>]) -> Result<Option<bool>, Stop> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(!matches!(item.plain(), Item::Bool(false)))),
        _ => wrong("several values stand where one Boolean is needed"),
    }
}

/// What `$this`, `$index` and `$total` mean.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 'd> {
    pub this: &'s [Item<'d>],
    pub index: Option<usize>,
    pub total: Option<&'s [Item<'d>]>,
}

/// One run of one expression.
pub(super) struct Run<'d, 'c> {
    node: Node<'d>,
    pub context: &'c Context,
    steps: u64,
    /// Resources of the Bundle by `fullUrl` and by `Type/id`.
    targets: OnceCell<HashMap<Cow<'d, str>, Node<'d>>>,
}

impl<'d, 'c> Run<'d, 'c> {
    pub fn new(node: Node<'d>, context: &'c Context) -> Self {
        Self { node, context, steps: 0, targets: OnceCell::new() }
    }

    pub fn start(mut self, expression: &Expression) -> Found<'d> {
        let this = [Item::Node(self.node)];
        self.expression(expression, Scope { this: &this, index: None, total: None })
    }

    /// As [`Run::start`], with the steps of several runs counted together.
    pub fn start_counted(mut self, expression: &Expression, steps: &mut u64) -> Found<'d> {
        self.steps = *steps;
        let this = [Item::Node(self.node)];
        let found = self.expression(expression, Scope { this: &this, index: None, total: None });
        *steps = self.steps;
        found
    }

    pub fn spend(&mut self, items: usize) -> Result<(), Stop> {
        self.steps += items as u64 + 1;
        if self.steps > STEPS_MAX { Err(Stop::CutOff) } else { Ok(()) }
    }

    pub fn expression(&mut self, expression: &Expression, scope: Scope<'_, 'd>) -> Found<'d> {
        match expression {
            Expression::Path { start, steps } => {
                let mut items = self.begin(start, scope)?;
                for step in steps {
                    self.spend(items.len())?;
                    items = self.step(step, items, scope)?;
                }
                Ok(items)
            }
            Expression::Is { value, ty } => {
                let items = self.expression(value, scope)?;
                is(&items, *ty)
            }
            Expression::As { value, ty } => {
                let items = self.expression(value, scope)?;
                cast(items, *ty)
            }
            Expression::Sign { minus, value } => {
                let items = self.expression(value, scope)?;
                signed(&items, *minus)
            }
            Expression::Binary { left, operator, right } => {
                let left = self.expression(left, scope)?;
                if let Some(decided) = short(&left, *operator)? {
                    return Ok(vec![Item::Bool(decided)]);
                }
                let right = self.expression(right, scope)?;
                self.spend(left.len() + right.len())?;
                self.binary(left, *operator, right)
            }
        }
    }

    fn begin(&mut self, start: &Start, scope: Scope<'_, 'd>) -> Found<'d> {
        Ok(match start {
            Start::This | Start::Named => scope.this.to_vec(),
            Start::Index => {
                let index = scope.index.and_then(|index| i64::try_from(index).ok());
                index.map(Item::Integer).into_iter().collect()
            }
            Start::Total => scope.total.map(<[_]>::to_vec).unwrap_or_default(),
            Start::Type(name) => self.of_type(name, scope.this)?,
            Start::Variable(name, _) => self.variable(name)?,
            Start::Text(text) => vec![Item::Text(Cow::Owned(text.clone()))],
            Start::Moment(moment) => vec![Item::Moment(*moment)],
            Start::Number(number) => vec![Item::Decimal(*number)],
            Start::Integer(number) => vec![Item::Integer(*number)],
            Start::Quantity(quantity) => vec![Item::quantity(quantity.clone())],
            Start::Bool(value) => vec![Item::Bool(*value)],
            Start::Empty => Vec::new(),
            Start::Group(inner) => self.expression(inner, scope)?,
        })
    }

    /// Source: FHIR R4 fhirpath.html#vars.
    fn variable(&self, name: &str) -> Found<'d> {
        let text = |text: String| Ok(vec![Item::Text(Cow::Owned(text))]);
        let around = || std::iter::successors(Some(self.node), |n| n.parent());
        match name {
            "ucum" => text(UCUM.to_owned()),
            "sct" => text("http://snomed.info/sct".to_owned()),
            "loinc" => text("http://loinc.org".to_owned()),
            "context" => Ok(vec![Item::Node(self.node)]),
            "resource" => {
                let found = around().find(|n| n.resource_type().is_some());
                Ok(found.map(Item::Node).into_iter().collect())
            }
            "rootResource" => {
                let mut resources = around().filter(|n| n.resource_type().is_some());
                let inner = resources.next();
                let held = inner.is_some_and(|n| {
                    let holder = n.parent().filter(|p| p.kind() == NodeKind::Array).unwrap_or(n);
                    holder.name() == Some("contained")
                });
                let root = if held { resources.next().or(inner) } else { inner };
                Ok(root.map(Item::Node).into_iter().collect())
            }
            _ => {
                if let Some(set) = name.strip_prefix("vs-") {
                    return text(format!("http://hl7.org/fhir/ValueSet/{set}"));
                }
                if let Some(extension) = name.strip_prefix("ext-") {
                    return text(format!("http://hl7.org/fhir/StructureDefinition/{extension}"));
                }
                wrong(format!("there is no variable `%{name}`"))
            }
        }
    }

    /// Resources of a type: the items themselves, or entries of a Bundle.
    fn of_type(&mut self, name: &str, this: &[Item<'d>]) -> Found<'d> {
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

    fn step(&mut self, step: &Step, items: Vec<Item<'d>>, scope: Scope<'_, 'd>) -> Found<'d> {
        Ok(match step {
            Step::Member(name, _) => {
                let mut out = Vec::new();
                for item in items {
                    match item {
                        Item::Node(node) => collect(node, name, &mut out),
                        Item::Type(space, _) if name == "namespace" => {
                            out.push(Item::Text(Cow::Borrowed(space)));
                        }
                        Item::Type(_, ty) if name == "name" => out.push(Item::Text(ty)),
                        _ => {}
                    }
                }
                self.spend(out.len())?;
                out
            }
            Step::Index(index) => {
                let index = self.expression(index, scope)?;
                let number = match index.as_slice() {
                    [] => return Ok(Vec::new()),
                    [one] => one.integer(),
                    _ => return wrong("several values stand where one index is needed"),
                };
                let Some(number) = number else { return wrong("the index is no whole number") };
                let Ok(index) = usize::try_from(number) else { return Ok(Vec::new()) };
                items.into_iter().nth(index).into_iter().collect()
            }
            Step::OfType(ty) => items.into_iter().filter(|i| i.has_type(*ty, true)).collect(),
            Step::As(ty) => cast(items, *ty)?,
            Step::Is(ty) => is(&items, *ty)?,
            Step::Each(inner) => {
                let mut out = Vec::new();
                for (index, item) in items.into_iter().enumerate() {
                    out.extend(self.on(inner, &item, index, scope)?);
                }
                out
            }
            Step::Call(call) => self.call(call, items, scope)?,
        })
    }

    /// An expression applied to one item.
    pub fn on(
        &mut self,
        expression: &Expression,
        item: &Item<'d>,
        index: usize,
        scope: Scope<'_, 'd>,
    ) -> Found<'d> {
        let this = std::slice::from_ref(item);
        self.expression(expression, Scope { this, index: Some(index), total: scope.total })
    }

    /// The children of items, or all below them.
    pub fn below(&mut self, items: Vec<Item<'d>>, deep: bool) -> Found<'d> {
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
    pub fn resolve(&self, items: &[Item<'d>]) -> Vec<Item<'d>> {
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
            Operator::Equivalent => Some(matched(&left, &right, Item::equivalent)),
            Operator::NotEquivalent => Some(!matched(&left, &right, Item::equivalent)),
            Operator::Less => order(&left, &right)?.map(Ordering::is_lt),
            Operator::LessOrEqual => order(&left, &right)?.map(Ordering::is_le),
            Operator::Greater => order(&left, &right)?.map(Ordering::is_gt),
            Operator::GreaterOrEqual => order(&left, &right)?.map(Ordering::is_ge),
            Operator::In => one_of(&left, &right)?,
            Operator::Contains => one_of(&right, &left)?,
            Operator::And => match (truth(&left)?, truth(&right)?) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Operator::Or => match (truth(&left)?, truth(&right)?) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Operator::Xor => truth(&left)?.zip(truth(&right)?).map(|(a, b)| a != b),
            Operator::Implies => match (truth(&left)?, truth(&right)?) {
                (Some(false), _) | (_, Some(true)) => Some(true),
                (Some(true), Some(false)) => Some(false),
                _ => None,
            },
            Operator::Plus
            | Operator::Minus
            | Operator::Times
            | Operator::Divided
            | Operator::Div
            | Operator::Mod
            | Operator::Joined => return arithmetic(&left, operator, &right),
        };
        Ok(decided.map(Item::Bool).into_iter().collect())
    }
}

/// What the left side alone decides, so that the right is not run.
fn short(left: &[Item<'_>], operator: Operator) -> Result<Option<bool>, Stop> {
    Ok(match operator {
        Operator::And => truth(left)?.filter(|held| !held),
        Operator::Or => truth(left)?.filter(|held| *held),
        Operator::Implies => truth(left)?.filter(|held| !held).map(|_| true),
        _ => None,
    })
}

fn arithmetic<'d>(left: &[Item<'d>], operator: Operator, right: &[Item<'d>]) -> Found<'d> {
    if left.len() > 1 || right.len() > 1 {
        return wrong("several values stand where one is needed to reckon with");
    }
    if operator == Operator::Joined {
        let text = |side: &[Item<'d>]| match side.first() {
            None => Ok(String::new()),
            Some(item) => match item.string() {
                Some(text) => Ok(text.into_owned()),
                None => wrong("`&` joins texts only"),
            },
        };
        return Ok(vec![Item::Text(Cow::Owned(text(left)? + &text(right)?))]);
    }
    let (Some(a), Some(b)) = (left.first(), right.first()) else { return Ok(Vec::new()) };
    convert::reckon(&a.typed(), operator, &b.typed())
}

fn signed<'d>(items: &[Item<'d>], minus: bool) -> Found<'d> {
    let item = match items {
        [] => return Ok(Vec::new()),
        [item] => item.typed(),
        _ => return wrong("several values stand where one number is needed"),
    };
    let negative = match item {
        Item::Integer(number) => Item::Integer(if minus { -number } else { number }),
        Item::Decimal(number) => {
            Item::Decimal(if minus && !number.is_zero() { -number } else { number })
        }
        Item::Quantity(quantity) => {
            let value: Decimal = if minus { -quantity.value } else { quantity.value };
            Item::quantity(Quantity { value, ..*quantity })
        }
        _ => return wrong("a sign stands before what is no number"),
    };
    Ok(vec![negative])
}

/// The children of a name, arrays taken apart and nulls left out; all of them when a peer
/// sent the name twice.
pub(super) fn members<'d>(node: Node<'d>, name: &str) -> Vec<Node<'d>> {
    let named = node.children().filter(|child| child.is_named(name.as_bytes()));
    named.flat_map(Node::each).filter(|n| n.kind() != NodeKind::Null).collect()
}

/// A member by its name in FHIRPath: also `value` for `valueQuantity`, and the extensions
/// and id of a primitive.
pub(in crate::fhir) fn find<'d>(node: Node<'d>, name: &str) -> Vec<Node<'d>> {
    let mut out = Vec::new();
    collect(node, name, &mut out);
    out.into_iter().filter_map(Item::node).collect()
}

fn collect<'d>(node: Node<'d>, name: &str, out: &mut Vec<Item<'d>>) {
    if node.kind() != NodeKind::Object {
        let shadow = if matches!(name, "extension" | "id") { shadow(node) } else { None };
        if let Some(shadow) = shadow {
            out.extend(members(shadow, name).into_iter().map(Item::Node));
        }
        return;
    }
    let before = out.len();
    let full = |n: &Node<'d>| n.kind() != NodeKind::Null;
    let mut twin = false;
    for child in node.children() {
        if child.is_named(name.as_bytes()) {
            if child.kind() == NodeKind::Array {
                out.extend(child.items().map(Item::Node));
                let gaps = out.iter().skip(before).any(|i| !matches!(i, Item::Node(n) if full(n)));
                if gaps {
                    fill(child, before, out);
                }
            } else if full(&child) {
                out.push(Item::Node(child));
            }
        }
        twin |= child.name().and_then(|n| n.strip_prefix('_')) == Some(name);
    }
    if out.len() > before {
        return;
    }
    // A primitive without value is there by its extensions alone.
    if twin {
        let alone = members(node, &format!("_{name}"));
        out.extend(alone.into_iter().map(Item::Node));
        return;
    }
    if !tables::is_choice(name) {
        return;
    }
    let choice = |child: &Node<'d>| child.name().is_some_and(|n| types::choice(n, name).is_some());
    let found = node.children().filter(choice).flat_map(Node::each).filter(full);
    out.extend(found.map(Item::Node));
}

/// Puts what stands beside a null, its extensions, in its place.
fn fill<'d>(array: Node<'d>, before: usize, out: &mut Vec<Item<'d>>) {
    let twins = array.name().zip(array.parent()).and_then(|(name, parent)| {
        Some(parent.get(&format!("_{name}"))?.items().collect::<Vec<_>>())
    });
    let twins = twins.unwrap_or_default();
    let items: Vec<Item<'d>> = out.drain(before..).collect();
    for (index, item) in items.into_iter().enumerate() {
        match item {
            Item::Node(node) if node.kind() == NodeKind::Null => {
                let twin = twins.get(index).filter(|twin| twin.kind() == NodeKind::Object);
                out.extend(twin.copied().map(Item::Node));
            }
            item => out.push(item),
        }
    }
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
    let scalar = !matches!(node.kind(), NodeKind::Object | NodeKind::Array);
    let beside = if scalar { shadow(node) } else { None };
    let has = move |name: &str| node.get(name).is_some_and(|n| n.kind() != NodeKind::Null);
    let element = move |child: &Node<'d>| match child.name() {
        Some("resourceType") => false,
        // The extensions of a primitive hang from it, not from what holds it.
        Some(name) => !name.strip_prefix('_').is_some_and(has),
        None => true,
    };
    let own = node.children().filter(element);
    own.chain(beside.into_iter().flat_map(|b| b.children()))
        .flat_map(Node::each)
        .filter(|n| n.kind() != NodeKind::Null)
}

/// The contained resource of that id in the resource around a node.
fn contained<'d>(node: Node<'d>, id: &str) -> Option<Node<'d>> {
    let around = std::iter::successors(Some(node), |n| n.parent());
    let mut holders = around.filter(|n| n.get("contained").is_some());
    let all = members(holders.next()?, "contained");
    all.into_iter().find(|r| r.get("id").and_then(|i| i.string()).is_some_and(|i| i == id))
}

fn is<'d>(items: &[Item<'d>], ty: TypeName) -> Found<'d> {
    match items {
        [] => Ok(Vec::new()),
        [item] => Ok(vec![Item::Bool(item.has_type(ty, false))]),
        _ => wrong("several values stand before `is`"),
    }
}

fn cast(items: Vec<Item<'_>>, ty: TypeName) -> Found<'_> {
    if items.len() > 1 {
        return wrong("several values stand before `as`; `ofType` takes them");
    }
    Ok(items.into_iter().filter(|item| item.has_type(ty, true)).collect())
}

pub(super) fn equal<'d>(left: &[Item<'d>], right: &[Item<'d>]) -> Option<bool> {
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

fn order(left: &[Item<'_>], right: &[Item<'_>]) -> Result<Option<Ordering>, Stop> {
    match (left, right) {
        ([], _) | (_, []) => Ok(None),
        ([a], [b]) => match a.order(b) {
            Ok(order) => Ok(order),
            Err(()) => wrong("values of these kinds have no order"),
        },
        _ => wrong("several values stand where one is compared"),
    }
}

fn one_of<'d>(left: &[Item<'d>], right: &[Item<'d>]) -> Result<Option<bool>, Stop> {
    match left {
        [] => Ok(None),
        [item] => Ok(Some(right.iter().any(|other| item.equals(other) == Some(true)))),
        _ => wrong("several values stand where one is looked for"),
    }
}

/// Each node once, in order, and each computed value once. Nodes of equal content stay
/// apart, so that a rule about privacy that names both reaches both.
pub(super) fn once(items: Vec<Item<'_>>) -> Vec<Item<'_>> {
    keep(items, |item| match item {
        Item::Node(node) => (u8::MAX, node.id().0.to_le_bytes().to_vec()),
        computed => computed.content(),
    })
}

/// Each value once, in order. Values are told apart by their text, so that this stays
/// linear; objects that differ only in the order of members count as different.
pub(super) fn distinct(items: Vec<Item<'_>>) -> Vec<Item<'_>> {
    keep(items, |item| item.plain().content())
}

fn keep<'d>(items: Vec<Item<'d>>, key: impl Fn(&Item<'d>) -> (u8, Vec<u8>)) -> Vec<Item<'d>> {
    let mut seen = HashSet::new();
    items.into_iter().filter(|item| seen.insert(key(item))).collect()
}
