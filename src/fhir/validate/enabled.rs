//! Whether an item of a questionnaire is enabled, seen from a place in a response.
//!
//! Source: FHIR R4 questionnaire-definitions.html#Questionnaire.item.enableWhen.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use crate::fhir::doc::{Node, NodeKind};

fn text<'n>(node: Node<'n>, name: &str) -> Option<std::borrow::Cow<'n, str>> {
    node.get(name)?.string()
}

/// Whether the conditions of an item hold; `around` is the item, answer or response that the
/// item stands or would stand in.
pub(super) fn is<'d>(definition: Node<'_>, around: Node<'d>, response: Node<'d>) -> bool {
    let Some(conditions) = definition.get("enableWhen").filter(|all| !all.is_empty()) else {
        return true;
    };
    let mut held = conditions.items().map(|condition| holds(condition, around, response));
    match text(definition, "enableBehavior").as_deref() {
        Some("any") => held.any(|held| held),
        _ => held.all(|held| held),
    }
}

fn holds<'d>(condition: Node<'_>, around: Node<'d>, response: Node<'d>) -> bool {
    let Some(question) = text(condition, "question") else { return true };
    let given = answers(&question, around, response);
    let expected = condition.members().find(|(name, _)| name.starts_with("answer"));
    let Some((_, expected)) = expected else { return true };
    let operator = text(condition, "operator").unwrap_or_default();
    if operator == "exists" {
        return given.is_empty() != (expected.bool() == Some(true));
    }
    let any = |fits: fn(Ordering) -> bool| {
        given.iter().any(|answer| order(*answer, expected).is_some_and(fits))
    };
    match operator.as_ref() {
        "=" => given.iter().any(|answer| same(*answer, expected)),
        "!=" => !given.is_empty() && !given.iter().any(|answer| same(*answer, expected)),
        ">" => any(Ordering::is_gt),
        "<" => any(Ordering::is_lt),
        ">=" => any(Ordering::is_ge),
        "<=" => any(Ordering::is_le),
        _ => true,
    }
}

/// Answers to a question, from the nearest place around that has it.
fn answers<'d>(question: &str, around: Node<'d>, response: Node<'d>) -> Vec<Node<'d>> {
    let mut at = Some(around);
    while let Some(node) = at {
        let mut found = Vec::new();
        let seen = look(node, question, &mut found);
        if seen || node == response {
            return found;
        }
        at = node.parent();
    }
    Vec::new()
}

/// Collects the answers below a node; whether the question is there at all.
fn look<'d>(node: Node<'d>, question: &str, out: &mut Vec<Node<'d>>) -> bool {
    let mut seen = false;
    for item in node.get("item").into_iter().flat_map(Node::each) {
        let mine = text(item, "linkId").is_some_and(|id| id == question);
        seen |= mine;
        for answer in item.get("answer").into_iter().flat_map(Node::each) {
            if mine {
                let value = answer.members().find(|(name, _)| name.starts_with("value"));
                out.extend(value.map(|(_, value)| value));
            }
            seen |= look(answer, question, out);
        }
        seen |= look(item, question, out);
    }
    seen
}

fn same(answer: Node<'_>, expected: Node<'_>) -> bool {
    match (answer.kind(), expected.kind()) {
        (NodeKind::Object, NodeKind::Object) => {
            let parts = ["code", "system", "value", "reference"];
            parts.iter().all(|name| {
                let part =
                    |node: Node<'_>| node.get(name).and_then(|v| v.text().map(|t| t.into_owned()));
                match (part(answer), part(expected)) {
                    (Some(a), Some(b)) => a == b,
                    (None, Some(_)) => false,
                    _ => true,
                }
            })
        }
        _ => order(answer, expected) == Some(Ordering::Equal),
    }
}

fn order(answer: Node<'_>, expected: Node<'_>) -> Option<Ordering> {
    if answer.kind() == NodeKind::Object {
        // Quantities of one unit.
        let unit = |node: Node<'_>| text(node, "code").map(|t| t.into_owned());
        return (unit(answer) == unit(expected))
            .then(|| order(answer.get("value")?, expected.get("value")?))
            .flatten();
    }
    match (answer.number(), expected.number()) {
        (Some(a), Some(b)) => {
            let read = |text: &str| text.parse::<Decimal>().ok();
            Some(read(a)?.cmp(&read(b)?))
        }
        _ => Some(answer.text()?.as_ref().cmp(expected.text()?.as_ref())),
    }
}
