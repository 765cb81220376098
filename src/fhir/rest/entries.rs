//! What the entries of a Bundle ask for.

use super::{Conditions, Interaction, Refused, addressed, entry};
use crate::base::limits::DEPTH_MAX;
use crate::fault::codes::{W2323, W2702, W2731};
use crate::fault::{Fault, Place};
use crate::fhir::Node;

/// An entry and what it asks for.
pub struct Entry<'d> {
    /// What it asks for, or why that cannot be said; the place names the entry.
    pub asks: Result<Interaction, Refused>,
    /// What it sends along.
    pub resource: Option<Node<'d>>,
}

/// The entries of a transaction or batch, in order, each with what it asks for. A resource
/// that is sent along has to fit its address.
pub fn entries(bundle: Node<'_>) -> impl Iterator<Item = Entry<'_>> {
    let all = bundle.get("entry").into_iter().flat_map(|entries| entries.items());
    all.enumerate().map(|(at, node)| {
        let resource = node.get("resource");
        let asks = asked(node).and_then(|found| {
            let sends = matches!(
                found,
                Interaction::Create { .. }
                    | Interaction::Update { .. }
                    | Interaction::ConditionalUpdate { .. }
            );
            match (sends, resource) {
                (true, Some(resource)) => addressed(&found, resource)?,
                (true, None) => {
                    let fault = Fault::new(W2323).because("the entry has no resource to write");
                    return Err(Refused { status: 400, ..fault.into() });
                }
                (false, _) => {}
            }
            Ok(found)
        });
        let asks = asks.map_err(|refused| Refused { fault: within(at, &refused.fault), ..refused });
        Entry { asks, resource }
    })
}

/// A fault with its place in the Bundle.
fn within(at: usize, fault: &Fault) -> Fault {
    let path = match &fault.place().path {
        Some(path) => {
            let below = path.find('.').and_then(|dot| path.get(dot..)).unwrap_or_default();
            format!("Bundle.entry[{at}].resource{below}")
        }
        None => format!("Bundle.entry[{at}]"),
    };
    let told = Fault::new(fault.code()).at(Place::path(path));
    match fault.cause() {
        Some(cause) => told.because(cause.to_owned()),
        None => told,
    }
}

fn asked(node: Node<'_>) -> Result<Interaction, Refused> {
    if doubled(node) {
        return Err(Fault::new(W2731).into());
    }
    let Some(request) = node.get("request") else {
        let fault = Fault::new(W2323).because("the entry has no `request`");
        return Err(Refused { status: 400, ..fault.into() });
    };
    if doubled(request) {
        return Err(Fault::new(W2731).into());
    }
    let text = |name: &str| request.get(name).and_then(|value| value.string());
    let (method, url) = (text("method").unwrap_or_default(), text("url").unwrap_or_default());
    let names = ["ifMatch", "ifNoneMatch", "ifNoneExist", "ifModifiedSince"];
    let [if_match, if_none_match, if_none_exist, if_modified_since] = names.map(text);
    let conditions = Conditions {
        if_match: if_match.as_deref(),
        if_none_match: if_none_match.as_deref(),
        if_none_exist: if_none_exist.as_deref(),
        if_modified_since: if_modified_since.as_deref(),
    };
    entry(&method, &url, conditions)
}

/// Whether a member stands twice in an object.
fn doubled(object: Node<'_>) -> bool {
    let mut names: Vec<&str> = object.members().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}

/// Levels that a Bundle puts around the resources in it: `entry`, its item, `resource`.
const AROUND: usize = 3;

/// Looks through a document for what must not come in: a member that stands twice in an
/// object, as two readers could see different ones, and nesting that leaves no room for a
/// Bundle around it.
///
/// # Errors
/// `W2731`, `W2702`, each with the path.
pub fn clean(root: Node<'_>) -> Result<(), Fault> {
    let mut open = vec![(root, 1)];
    while let Some((node, depth)) = open.pop() {
        if depth + AROUND > DEPTH_MAX && node.children().next().is_some() {
            return Err(Fault::new(W2702).at(Place::path(node.path())));
        }
        if doubled(node) {
            return Err(Fault::new(W2731).at(Place::path(node.path())));
        }
        open.extend(node.children().map(|child| (child, depth + 1)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::doc::doc;

    #[test]
    fn what_stands_twice_or_too_deep_does_not_come_in() {
        let check = |text: &str, expected: Option<&str>| {
            let found = clean(doc(text).root()).err().map(|fault| fault.line());
            assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
            let words = expected.unwrap_or_default();
            assert!(found.unwrap_or_default().contains(words), "{words}");
        };
        check(r#"{"resourceType":"Patient","name":[{"given":["a","a"]}]}"#, None);
        check(r#"{"resourceType":"Patient","id":"a","id":"b"}"#, Some("W2731"));
        let subject = r#"{"resourceType":"Basic","subject":{"reference":"a","reference":"b"}}"#;
        check(subject, Some("Basic.subject"));
        let nested = |levels: usize| {
            let (open, close) = (r#"{"a":"#.repeat(levels), "}".repeat(levels));
            format!(r#"{{"resourceType":"Basic","a":{open}1{close}}}"#)
        };
        check(&nested(DEPTH_MAX - AROUND - 1), None);
        check(&nested(DEPTH_MAX - AROUND), Some("W2702"));
    }

    #[test]
    fn entries_say_what_they_ask_for() {
        let check = |entry: &str, expected: Result<&str, &str>| {
            let bundle = doc(&format!(
                r#"{{"resourceType":"Bundle","entry":[{{"request":{{"method":"GET","url":"Patient/1"}}}},{entry}]}}"#
            ));
            let found = entries(bundle.root()).nth(1).unwrap().asks;
            let found = found.map(|found| found.code()).map_err(|refused| {
                let fault = refused.fault;
                assert!(fault.place().to_string().starts_with("Bundle.entry[1]"), "{fault}");
                format!("{} {}", refused.status, fault.code())
            });
            assert_eq!(found.as_ref().map_err(String::as_str), expected.as_ref().map_err(|e| *e));
        };
        let post = r#""request":{"method":"POST","url":"Patient"}"#;
        check(&format!(r#"{{"resource":{{"resourceType":"Patient"}},{post}}}"#), Ok("create"));
        check(r#"{"request":{"method":"DELETE","url":"Patient/1"}}"#, Ok("delete"));
        check(&format!(r#"{{"resource":{{"resourceType":"Group"}},{post}}}"#), Err("400 W2326"));
        check(&format!("{{{post}}}"), Err("400 W2323"));
        check("{}", Err("400 W2323"));
        check(r#"{"request":{"method":"PUT","url":"Patient/.."}}"#, Err("400 W2322"));
        check(
            r#"{"request":{"method":"PUT","url":"Person/1","ifNoneExist":"a=1"}}"#,
            Err("400 W2324"),
        );
        check(&format!(r#"{{{post},{post}}}"#), Err("400 W2731"));
        check(
            r#"{"request":{"method":"GET","url":"Patient/1","url":"Group/1"}}"#,
            Err("400 W2731"),
        );
    }
}
