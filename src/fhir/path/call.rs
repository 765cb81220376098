//! The functions over collections; those over single values are in [`super::text`] and
//! [`super::convert`].

use std::borrow::Cow;
use std::cmp::Ordering;

use super::ast::{Call, Expression, Function};
use super::eval::{Found, Run, Scope, Stop, distinct, find, once, truth, wrong};
use super::moment::Moment;
use super::value::Item;
use super::{convert, text, types};
use crate::fhir::doc::NodeKind;
use crate::fhir::tables;

/// Source: HL7 FHIR R4 structuredefinition.html: canonical URLs of the types begin so.
const DEFINITIONS: &str = "http://hl7.org/fhir/StructureDefinition/";

impl<'d> Run<'d, '_> {
    pub(super) fn call(
        &mut self,
        call: &Call,
        items: Vec<Item<'d>>,
        scope: Scope<'_, 'd>,
    ) -> Found<'d> {
        let count = items.len();
        let yes = |value: bool| Ok(vec![Item::Bool(value)]);
        match call.function {
            Function::Count => Ok(vec![Item::Integer(i64::try_from(count).unwrap_or(i64::MAX))]),
            Function::Empty => yes(items.is_empty()),
            Function::Not => Ok(truth(&items)?.map(|t| Item::Bool(!t)).into_iter().collect()),
            Function::AllTrue => yes(bools(&items)?.all(|b| b)),
            Function::AnyTrue => yes(bools(&items)?.any(|b| b)),
            Function::AllFalse => yes(bools(&items)?.all(|b| !b)),
            Function::AnyFalse => yes(bools(&items)?.any(|b| !b)),
            Function::HasValue => {
                yes(count == 1 && items.iter().all(|i| !matches!(i.plain(), Item::Node(_))))
            }
            Function::First => Ok(items.into_iter().take(1).collect()),
            Function::Last => Ok(items.into_iter().skip(count.saturating_sub(1)).collect()),
            Function::Tail => Ok(items.into_iter().skip(1).collect()),
            Function::Single if count > 1 => wrong("`single` found several values"),
            Function::Single => Ok(items),
            Function::Distinct => Ok(distinct(items)),
            Function::IsDistinct => yes(distinct(items).len() == count),
            Function::Resolve => Ok(self.resolve(&items)),
            Function::Children => self.below(items, false),
            Function::Descendants => self.below(items, true),
            Function::Exists if call.with.is_empty() => yes(count > 0),
            Function::Exists => yes(!self.filter(call, items, scope)?.is_empty()),
            Function::Where => self.filter(call, items, scope),
            Function::All => yes(self.filter(call, items, scope)?.len() == count),
            Function::Select => self.select(call, items, scope),
            Function::Repeat => self.repeat(call, items, scope),
            Function::Aggregate => self.aggregate(call, items, scope),
            Function::Sort => self.sort(call, items, scope),
            Function::Iif => self.iif(call, &items, scope),
            Function::Skip | Function::Take => self.part(call, items, scope),
            Function::Trace => Ok(items),
            Function::Extension => self.extension(call, items, scope),
            Function::Type => Ok(items.iter().filter_map(type_of).collect()),
            Function::ConformsTo => self.conforms(call, &items, scope),
            Function::MemberOf => self.member_of(call, &items, scope),
            Function::HtmlChecks => yes(items.iter().all(|item| item.string().is_some())),
            Function::Now | Function::Today | Function::TimeOfDay => self.clock(call.function),
            Function::Union
            | Function::Combine
            | Function::Intersect
            | Function::Exclude
            | Function::SubsetOf
            | Function::SupersetOf => self.together(call, items, scope),
            _ => {
                let mut with = Vec::with_capacity(call.with.len());
                for argument in &call.with {
                    with.push(self.expression(argument, scope)?);
                }
                single(call, &items, &with)
            }
        }
    }

    /// The one value of an argument.
    fn argument(&mut self, call: &Call, scope: Scope<'_, 'd>) -> Result<Option<Item<'d>>, Stop> {
        let Some(expression) = call.with.first() else { return Ok(None) };
        let found = self.expression(expression, scope)?;
        if found.len() > 1 {
            return wrong(format!("`{}` takes one value, there are several", call.name));
        }
        Ok(found.into_iter().next())
    }

    fn filter(&mut self, call: &Call, items: Vec<Item<'d>>, scope: Scope<'_, 'd>) -> Found<'d> {
        let mut out = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let mut holds = true;
            for condition in &call.with {
                holds &= truth(&self.on(condition, &item, index, scope)?)? == Some(true);
            }
            if holds {
                out.push(item);
            }
        }
        Ok(out)
    }

    fn select(&mut self, call: &Call, items: Vec<Item<'d>>, scope: Scope<'_, 'd>) -> Found<'d> {
        let mut out = Vec::new();
        for (index, item) in items.iter().enumerate() {
            for expression in &call.with {
                out.extend(self.on(expression, item, index, scope)?);
            }
        }
        Ok(out)
    }

    fn repeat(&mut self, call: &Call, items: Vec<Item<'d>>, scope: Scope<'_, 'd>) -> Found<'d> {
        let mut out: Vec<Item<'d>> = Vec::new();
        let mut open = items;
        while !open.is_empty() {
            self.spend(open.len())?;
            let found = self.select(call, open, scope)?;
            let before = out.len();
            out.extend(found);
            out = once(out);
            open = out.get(before..).unwrap_or_default().to_vec();
        }
        Ok(out)
    }

    fn aggregate(&mut self, call: &Call, items: Vec<Item<'d>>, scope: Scope<'_, 'd>) -> Found<'d> {
        let mut total = match call.with.get(1) {
            Some(initial) => self.expression(initial, scope)?,
            None => Vec::new(),
        };
        let Some(step) = call.with.first() else { return Ok(total) };
        for (index, item) in items.iter().enumerate() {
            self.spend(1)?;
            let this = std::slice::from_ref(item);
            let inner = Scope { this, index: Some(index), total: Some(&total) };
            total = self.expression(step, inner)?;
        }
        Ok(total)
    }

    /// Orders by keys; a sign before a key turns its order around, and nothing comes first.
    fn sort(&mut self, call: &Call, items: Vec<Item<'d>>, scope: Scope<'_, 'd>) -> Found<'d> {
        let mut keys = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let mut row = Vec::new();
            for key in &call.with {
                let (down, key) = match key {
                    Expression::Sign { minus: true, value } => (true, value.as_ref()),
                    other => (false, other),
                };
                let mut found = self.on(key, item, index, scope)?;
                if found.len() > 1 {
                    return wrong("a key to sort by gave several values");
                }
                row.push((down, found.pop()));
            }
            if call.with.is_empty() {
                row.push((false, Some(item.clone())));
            }
            keys.push((row, item.clone()));
        }
        let mut mixed = false;
        keys.sort_by(|(a, _), (b, _)| {
            let pairs = a.iter().zip(b).map(|((down, a), (_, b))| match (a, b) {
                (Some(a), Some(b)) => {
                    let order = a.order(b).unwrap_or_else(|()| {
                        mixed = true;
                        None
                    });
                    let order = order.unwrap_or(Ordering::Equal);
                    if *down { order.reverse() } else { order }
                }
                (a, b) => a.is_some().cmp(&b.is_some()),
            });
            pairs.fold(Ordering::Equal, Ordering::then)
        });
        if mixed {
            return wrong("values of different kinds have no order to sort by");
        }
        Ok(keys.into_iter().map(|(_, item)| item).collect())
    }

    fn iif(&mut self, call: &Call, items: &[Item<'d>], scope: Scope<'_, 'd>) -> Found<'d> {
        if items.len() > 1 {
            return wrong("`iif` is applied to one value, there are several");
        }
        let scope = if items.is_empty() { scope } else { Scope { this: items, ..scope } };
        let mut branches = call.with.iter();
        let held = match branches.next() {
            Some(condition) => self.expression(condition, scope)?,
            None => Vec::new(),
        };
        let holds = match held.as_slice() {
            [] => false,
            [item] => match item.plain() {
                Item::Bool(held) => held,
                _ => return wrong("the condition of `iif` is no Boolean"),
            },
            _ => return wrong("the condition of `iif` gives several values"),
        };
        let branch = if holds { branches.next() } else { branches.nth(1) };
        branch.map_or(Ok(Vec::new()), |branch| self.expression(branch, scope))
    }

    fn part(&mut self, call: &Call, items: Vec<Item<'d>>, scope: Scope<'_, 'd>) -> Found<'d> {
        let Some(number) = self.argument(call, scope)? else { return Ok(Vec::new()) };
        let Some(number) = number.integer() else {
            return wrong(format!("`{}` takes a whole number", call.name));
        };
        let number = usize::try_from(number).unwrap_or(0);
        Ok(if call.function == Function::Skip {
            items.into_iter().skip(number).collect()
        } else {
            items.into_iter().take(number).collect()
        })
    }

    fn extension(&mut self, call: &Call, items: Vec<Item<'d>>, scope: Scope<'_, 'd>) -> Found<'d> {
        let Some(url) = self.argument(call, scope)?.and_then(Item::into_text) else {
            return Ok(Vec::new());
        };
        let nodes = items.into_iter().filter_map(Item::node);
        let all = nodes.flat_map(|node| find(node, "extension"));
        let fits = |e: &crate::fhir::Node<'d>| {
            e.get("url").and_then(|u| u.string()).is_some_and(|u| u == url)
        };
        Ok(all.filter(fits).map(Item::Node).collect())
    }

    fn together(&mut self, call: &Call, items: Vec<Item<'d>>, scope: Scope<'_, 'd>) -> Found<'d> {
        let other = match call.with.first() {
            Some(argument) => self.expression(argument, scope)?,
            None => Vec::new(),
        };
        self.spend(items.len() + other.len())?;
        let has = |set: &[Item<'d>], item: &Item<'d>| {
            set.iter().any(|other| item.equals(other) == Some(true))
        };
        // Compared pair by pair: the bound on steps holds for the product.
        let pairs = items.len().saturating_mul(other.len());
        match call.function {
            Function::Union | Function::Combine => {
                let mut all = items;
                all.extend(other);
                Ok(if call.function == Function::Union { once(all) } else { all })
            }
            Function::Intersect => {
                self.spend(pairs)?;
                Ok(distinct(items.into_iter().filter(|item| has(&other, item)).collect()))
            }
            Function::Exclude => {
                self.spend(pairs)?;
                Ok(items.into_iter().filter(|item| !has(&other, item)).collect())
            }
            Function::SubsetOf => {
                self.spend(pairs)?;
                Ok(vec![Item::Bool(items.iter().all(|item| has(&other, item)))])
            }
            _ => {
                self.spend(pairs)?;
                Ok(vec![Item::Bool(other.iter().all(|item| has(&items, item)))])
            }
        }
    }

    /// Source: FHIR R4 fhirpath.html#functions. Profiles beyond the types themselves are
    /// checked by the validator.
    fn conforms(&mut self, call: &Call, items: &[Item<'d>], scope: Scope<'_, 'd>) -> Found<'d> {
        let url = self.argument(call, scope)?.and_then(Item::into_text);
        let (Some(url), [Item::Node(node)]) = (url, items) else { return Ok(Vec::new()) };
        let Some(ty) = url.strip_prefix(DEFINITIONS).and_then(tables::type_name) else {
            return wrong("`conformsTo` names a profile that is not known here");
        };
        let fits = types::type_of(*node).is_some_and(|found| tables::is_a(found, ty));
        Ok(vec![Item::Bool(fits)])
    }

    /// Whether a code is in a value set; nothing when the set is not known here.
    fn member_of(&mut self, call: &Call, items: &[Item<'d>], scope: Scope<'_, 'd>) -> Found<'d> {
        let url = self.argument(call, scope)?.and_then(Item::into_text);
        let (Some(url), [item]) = (url, items) else { return Ok(Vec::new()) };
        let codes: Vec<Cow<'d, str>> = match item {
            Item::Node(node) if node.kind() == NodeKind::Object => {
                let codings = find(*node, "coding");
                let holders = if codings.is_empty() { vec![*node] } else { codings };
                holders.iter().filter_map(|coding| coding.get("code")?.string()).collect()
            }
            other => other.string().into_iter().collect(),
        };
        let known: Vec<bool> =
            codes.iter().filter_map(|code| tables::has_code(&url, code)).collect();
        if known.is_empty() && !codes.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![Item::Bool(known.contains(&true))])
    }

    fn clock(&self, function: Function) -> Found<'d> {
        let Some(now) = self.context.now else {
            return wrong("the time is not known where this path runs");
        };
        let micros = now.micros();
        let nanos = micros.rem_euclid(1_000_000) * 1000;
        let now = Moment::of_unix(micros.div_euclid(1_000_000), nanos);
        Ok(vec![Item::Moment(match function {
            Function::Today => now.date(),
            Function::TimeOfDay => now.time(),
            _ => now,
        })])
    }
}

/// Functions of one value.
fn single<'d>(call: &Call, items: &[Item<'d>], with: &[Vec<Item<'d>>]) -> Found<'d> {
    if call.function == Function::Join {
        return text::join(items, with);
    }
    let item = match items {
        [] => return Ok(Vec::new()),
        [item] => item,
        _ => return wrong(format!("`{}` is applied to one value, there are several", call.name)),
    };
    let mut given = Vec::with_capacity(with.len());
    for argument in with {
        match argument.as_slice() {
            [] => return Ok(Vec::new()),
            [one] => given.push(one),
            _ => return wrong(format!("`{}` takes one value, there are several", call.name)),
        }
    }
    match convert::call(call, item, &given)? {
        Some(done) => Ok(done),
        None => text::call(call, item, &given),
    }
}

/// The items as Booleans.
fn bools(items: &[Item<'_>]) -> Result<std::vec::IntoIter<bool>, Stop> {
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        match item.plain() {
            Item::Bool(value) => out.push(value),
            _ => return wrong("a value that is no Boolean stands among Booleans"),
        }
    }
    Ok(out.into_iter())
}

/// Namespace and name of the type of an item.
fn type_of<'d>(item: &Item<'d>) -> Option<Item<'d>> {
    match item {
        Item::Node(node) => {
            types::type_of(*node).map(|name| Item::Type("FHIR", Cow::Borrowed(name)))
        }
        computed => computed.system_type().map(|ty| Item::Type("System", Cow::Borrowed(ty.name()))),
    }
}
