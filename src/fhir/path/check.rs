//! Names and types of a path against the elements of R4, before any message is seen.
//!
//! A guard narrows what follows it: after `$this is Period implies`, `$this` is a Period.

use super::PathError;
use super::ast::{Call, Expression, Function, Operator, Start, Step, TypeName};
use super::parse::nearest;
use crate::fhir::tables;

/// Paths under which members are looked up; none when the types are not known. An empty
/// list stands for what cannot be reached.
type Within = Option<Vec<&'static str>>;

/// How much is refused.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// Also refuses what weir takes beyond the standard: names of JSON such as
    /// `valueQuantity`, other resources than the root, and places in lists without order.
    pub strict: bool,
}

/// Checks an expression that is applied to a value of one of some types.
pub(super) fn check(
    expression: &Expression,
    roots: &[&str],
    rules: Rules,
) -> Result<(), PathError> {
    let known: Option<Vec<_>> = roots.iter().map(|name| tables::type_name(name)).collect();
    let root = known.filter(|known| !known.is_empty());
    rules.walk(expression, &root).map(|_| ())
}

fn fail<T>(at: usize, what: impl Into<String>) -> Result<T, PathError> {
    Err(PathError { at, what: what.into() })
}

impl Rules {
    fn walk(self, expression: &Expression, this: &Within) -> Result<Within, PathError> {
        match expression {
            Expression::Binary { left, operator, right } => {
                let before = self.walk(left, this)?;
                let guarded = match operator {
                    Operator::And | Operator::Implies => narrow(left, this, true),
                    Operator::Or => narrow(left, this, false),
                    _ => this.clone(),
                };
                let after = self.walk(right, &guarded)?;
                // Of a union either side may come; of all other operators nothing has members.
                if *operator != Operator::Union {
                    return Ok(None);
                }
                Ok(before.zip(after).map(|(mut all, more)| {
                    all.extend(more);
                    all
                }))
            }
            Expression::Is { value, .. } => self.walk(value, this).map(|_| None),
            Expression::Sign { value, .. } => self.walk(value, this).map(|_| None),
            Expression::As { value, ty } => Ok(cast(self.walk(value, this)?, *ty)),
            Expression::Path { start, steps } => {
                let mut within = self.start(start, this)?;
                let mut unordered = None;
                for step in steps {
                    if let (Some(from), true) = (unordered, self.strict) {
                        ordered(step, from)?;
                    }
                    unordered = match step {
                        Step::Call(Call {
                            function: name @ (Function::Children | Function::Descendants),
                            ..
                        }) => Some(*name),
                        Step::Call(Call { function: Function::Sort, .. }) => None,
                        _ => unordered,
                    };
                    within = self.step(step, within, this)?;
                }
                Ok(within)
            }
        }
    }

    fn start(self, start: &Start, this: &Within) -> Result<Within, PathError> {
        Ok(match start {
            Start::This | Start::Named => this.clone(),
            Start::Type("Resource" | "DomainResource") => None,
            Start::Type(name) => {
                let other = |root: &Vec<&'static str>| {
                    self.strict
                        && !root.is_empty()
                        && root.iter().all(|ty| ty != name && tables::is_resource(ty))
                };
                if let Some(root) = this.as_ref().filter(|root| other(root)) {
                    let root = root.first().copied().unwrap_or_default();
                    return fail(
                        0,
                        format!("the path starts at `{name}`, the resource is `{root}`"),
                    );
                }
                Some(vec![*name])
            }
            Start::Group(inner) => self.walk(inner, this)?,
            Start::Variable(name, at) => {
                let known = ["ucum", "sct", "loinc", "context", "resource", "rootResource"];
                let prefixed = name.starts_with("vs-") || name.starts_with("ext-");
                if !prefixed && !known.contains(&name.as_str()) {
                    return fail(*at, format!("there is no variable `%{name}`"));
                }
                None
            }
            Start::Index
            | Start::Total
            | Start::Text(_)
            | Start::Moment(_)
            | Start::Number(_)
            | Start::Integer(_)
            | Start::Quantity(_)
            | Start::Bool(_)
            | Start::Empty => None,
        })
    }

    fn step(self, step: &Step, within: Within, this: &Within) -> Result<Within, PathError> {
        match step {
            Step::Member(name, at) => match within {
                Some(paths) => self.member(&paths, name, *at),
                None => Ok(None),
            },
            Step::Index(index) => {
                self.walk(index, this)?;
                Ok(within)
            }
            Step::OfType(ty) | Step::As(ty) => Ok(cast(within, *ty)),
            Step::Is(_) => Ok(None),
            Step::Each(inner) => self.walk(inner, &within),
            Step::Call(call) => self.call(call, within, this),
        }
    }

    fn call(self, call: &Call, within: Within, this: &Within) -> Result<Within, PathError> {
        if let Some(types) = &within
            && takes_scalar(call.function)
            && !types.is_empty()
            && !types.iter().any(|ty| is_scalar(ty))
        {
            let ty = types.first().copied().unwrap_or_default();
            return fail(
                call.at,
                format!("`{}` is applied to `{ty}`, which has no text", call.name),
            );
        }
        if call.function == Function::Iif {
            return self.iif(call, &within);
        }
        let inner = match call.function {
            Function::Where
            | Function::Select
            | Function::All
            | Function::Exists
            | Function::Repeat
            | Function::Sort
            | Function::Trace => within.clone(),
            Function::Aggregate => None,
            _ => this.clone(),
        };
        let mut last = None;
        for argument in &call.with {
            last = self.walk(argument, &inner)?;
        }
        Ok(match call.function {
            Function::First
            | Function::Last
            | Function::Tail
            | Function::Skip
            | Function::Take
            | Function::Single
            | Function::Distinct
            | Function::Sort
            | Function::Trace
            | Function::Exclude
            | Function::Intersect
            | Function::Where => within,
            Function::Select => last,
            Function::Union | Function::Combine => within.zip(last).map(|(mut all, more)| {
                all.extend(more);
                all
            }),
            Function::Extension => Some(vec!["Extension"]),
            _ => None,
        })
    }

    fn iif(self, call: &Call, this: &Within) -> Result<Within, PathError> {
        let mut branches = call.with.iter();
        let (Some(condition), Some(then)) = (branches.next(), branches.next()) else {
            return Ok(None);
        };
        if matches!(condition, Expression::Path { start: Start::Text(_), steps } if steps.is_empty())
        {
            return fail(call.at, "the condition of `iif` is no Boolean");
        }
        self.walk(condition, this)?;
        let then = self.walk(then, &narrow(condition, this, true))?;
        let Some(other) = branches.next() else { return Ok(then) };
        let other = self.walk(other, &narrow(condition, this, false))?;
        Ok(then.zip(other).map(|(mut all, more)| {
            all.extend(more);
            all
        }))
    }

    fn member(self, paths: &[&'static str], name: &str, at: usize) -> Result<Within, PathError> {
        if paths.is_empty() {
            return Ok(Some(Vec::new()));
        }
        if name == "resourceType" || name == "extension" {
            return Ok((name == "extension").then(|| vec!["Extension"]));
        }
        let mut next = Vec::new();
        let mut known = Vec::new();
        for path in paths {
            let children = tables::children(path).unwrap_or_default();
            known.extend(children.iter().map(tables::Element::name));
            let choice = children.iter().find(|e| e.is_choice() && e.name() == name);
            if let Some(element) = choice {
                next.extend(element.types.iter().map(|ty| element.inside(ty)));
            } else if let Some((element, ty)) = tables::resolve(path, name)
                && !(self.strict && element.is_choice())
            {
                next.push(element.inside(ty));
            }
        }
        if next.is_empty() {
            let within = paths.first().copied().unwrap_or_default();
            let hint = nearest(name, known.into_iter()).map(|n| format!(", did you mean `{n}`?"));
            let what = format!("`{within}` has no element `{name}`{}", hint.unwrap_or_default());
            return fail(at, what);
        }
        // Any resource may stand there, so that nothing more is known.
        Ok((!next.contains(&"Resource")).then_some(next))
    }
}

/// Refuses a place in a list that has no order.
fn ordered(step: &Step, from: Function) -> Result<(), PathError> {
    let Step::Call(call) = step else { return Ok(()) };
    let places = [Function::First, Function::Last, Function::Tail, Function::Skip, Function::Take];
    if !places.contains(&call.function) {
        return Ok(());
    }
    let list = if from == Function::Children { "children" } else { "descendants" };
    fail(call.at, format!("`{}` asks for a place in `{list}()`, which has no order", call.name))
}

fn cast(within: Within, ty: TypeName) -> Within {
    let TypeName::Fhir(ty) = ty else { return None };
    if matches!(ty, "BackboneElement" | "Element" | "Resource" | "DomainResource") {
        return within;
    }
    let Some(types) = within else { return Some(vec![ty]) };
    let possible = types.iter().any(|found| tables::is_a(found, ty) || tables::is_a(ty, found));
    // A type that cannot stand there is no error: the path finds nothing.
    if possible || types.is_empty() || types.iter().any(|t| t.contains('.')) {
        return Some(vec![ty]);
    }
    Some(if types.iter().all(|ty| tables::is_type(ty)) { Vec::new() } else { vec![ty] })
}

/// What `$this` is when a condition holds, or when it does not.
fn narrow(condition: &Expression, this: &Within, holds: bool) -> Within {
    let own = |value: &Expression| matches!(value, Expression::Path { start: Start::This | Start::Named, steps } if steps.is_empty());
    match condition {
        Expression::Is { value, ty: TypeName::Fhir(ty) } if own(value) => keep(this, ty, holds),
        Expression::Path { start: Start::This | Start::Named, steps } => match steps.as_slice() {
            [Step::Is(TypeName::Fhir(ty))] => keep(this, ty, holds),
            _ => this.clone(),
        },
        Expression::Path { start: Start::Group(inner), steps } => match steps.as_slice() {
            [] => narrow(inner, this, holds),
            [Step::Call(call)] if call.function == Function::Not => narrow(inner, this, !holds),
            _ => this.clone(),
        },
        Expression::Binary { left, operator, right } => match (operator, holds) {
            (Operator::And, true) | (Operator::Or, false) => {
                narrow(right, &narrow(left, this, holds), holds)
            }
            (Operator::Or, true) | (Operator::And, false) => {
                let (a, b) = (narrow(left, this, holds), narrow(right, this, holds));
                a.zip(b).map(|(mut all, more)| {
                    all.extend(more);
                    all
                })
            }
            _ => this.clone(),
        },
        _ => this.clone(),
    }
}

fn keep(this: &Within, ty: &'static str, holds: bool) -> Within {
    let types = this.as_ref()?;
    if !holds {
        return Some(types.iter().filter(|found| !tables::is_a(found, ty)).copied().collect());
    }
    let mut out: Vec<_> = types.iter().filter(|found| tables::is_a(found, ty)).copied().collect();
    if out.is_empty() && types.iter().any(|found| tables::is_a(ty, found)) {
        out.push(ty);
    }
    Some(out)
}

/// Whether a function is applied to texts, numbers or dates only.
fn takes_scalar(function: Function) -> bool {
    matches!(
        function,
        Function::ToString
            | Function::StartsWith
            | Function::EndsWith
            | Function::Contains
            | Function::Matches
            | Function::MatchesFull
            | Function::Replace
            | Function::ReplaceMatches
            | Function::Substring
            | Function::IndexOf
            | Function::LastIndexOf
            | Function::Length
            | Function::Lower
            | Function::Upper
            | Function::Trim
            | Function::Split
            | Function::ToChars
    )
}

fn is_scalar(ty: &str) -> bool {
    tables::is_primitive(ty) || tables::is_a(ty, "Quantity") || ty == "Resource" || ty == "Element"
}
