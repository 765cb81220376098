//! Names of a path against the elements of R4, before any message is seen.

use super::PathError;
use super::parse::{Expression, Function, Start, Step, nearest};
use crate::fhir::tables;

/// Paths under which members are looked up; none when the types are not known.
type Within = Option<Vec<&'static str>>;

/// Checks an expression that is applied to a value of type `root`.
pub(super) fn check(expression: &Expression, root: Option<&str>) -> Result<(), PathError> {
    let root = root.and_then(tables::type_name).map(|name| vec![name]);
    walk(expression, &root).map(|_| ())
}

fn walk(expression: &Expression, this: &Within) -> Result<Within, PathError> {
    match expression {
        Expression::Binary { left, right, .. } => {
            let (left, right) = (walk(left, this)?, walk(right, this)?);
            // Of a union either side may come; of all other operators nothing has members.
            Ok(left.zip(right).map(|(mut left, right)| {
                left.extend(right);
                left
            }))
        }
        Expression::Is { value, .. } => walk(value, this).map(|_| None),
        Expression::Path { start, steps } => {
            let mut within = match start {
                Start::This => this.clone(),
                Start::Type(name @ ("Resource" | "DomainResource")) => {
                    let _ = name;
                    None
                }
                Start::Type(name) => Some(vec![*name]),
                Start::Group(inner) => walk(inner, this)?,
                Start::Text(_)
                | Start::Date(_)
                | Start::Number(_)
                | Start::Bool(_)
                | Start::Empty => None,
            };
            for step in steps {
                within = step_into(step, within)?;
            }
            Ok(within)
        }
    }
}

fn step_into(step: &Step, within: Within) -> Result<Within, PathError> {
    match step {
        Step::Member(name, at) => match within {
            Some(paths) => member(&paths, name, *at),
            None => Ok(None),
        },
        Step::Index(_) => Ok(within),
        Step::OfType(ty) => Ok(match *ty {
            "BackboneElement" | "Element" | "Resource" | "DomainResource" => within,
            ty => Some(vec![ty]),
        }),
        Step::Is(_) => Ok(None),
        Step::Each(inner) => walk(inner, &within),
        Step::Call(function, arguments) => {
            let mut last = None;
            for argument in arguments {
                last = walk(argument, &within)?;
            }
            Ok(match function {
                Function::First
                | Function::Last
                | Function::Tail
                | Function::Skip
                | Function::Take
                | Function::Single
                | Function::Distinct
                | Function::Where => within,
                Function::Select => last,
                Function::Extension => Some(vec!["Extension"]),
                _ => None,
            })
        }
    }
}

fn member(paths: &[&'static str], name: &str, at: usize) -> Result<Within, PathError> {
    if name == "resourceType" || name == "extension" {
        return Ok((name == "extension").then(|| vec!["Extension"]));
    }
    let mut next = Vec::new();
    let mut known = Vec::new();
    for path in paths {
        let children = tables::children(path).unwrap_or_default();
        known.extend(children.iter().map(tables::Element::name));
        if let Some((element, ty)) = tables::resolve(path, name) {
            next.push(element.inside(ty));
        } else if let Some(element) = children.iter().find(|e| e.is_choice() && e.name() == name) {
            next.extend(element.types.iter().map(|ty| element.inside(ty)));
        }
    }
    if next.is_empty() {
        let within = paths.first().copied().unwrap_or_default();
        let hint = nearest(name, known.into_iter()).map(|n| format!(", did you mean `{n}`?"));
        let what = format!("`{within}` has no element `{name}`{}", hint.unwrap_or_default());
        return Err(PathError { at, what });
    }
    // Any resource may stand there, so that nothing more is known.
    Ok((!next.contains(&"Resource")).then_some(next))
}
