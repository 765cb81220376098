//! What stands left of `=` in `[rule.X.set]`: `identifier[ssn].value`, `ext:NAME@element`.

use super::sentence::Span;

/// Deepest target: R4 resources stay below ten.
const STEPS_MAX: usize = 16;

/// A target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Element(Vec<Step>),
    Extension { name: String, on: Option<Step>, span: Span },
}

/// A step of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub name: String,
    /// Name of the instance; empty for `[]`.
    pub instance: Option<String>,
    pub span: Span,
}

/// Reads a target.
pub(crate) fn read(text: &str) -> Result<Target, (Span, String)> {
    if let Some(rest) = text.strip_prefix("ext:") {
        let (name, on) = match rest.split_once('@') {
            Some((name, on)) => (name, Some(step(on, 4 + name.len() + 1)?)),
            None => (rest, None),
        };
        let span = 4..4 + name.len();
        if name.is_empty() {
            return Err((span, "expected the name of an extension".into()));
        }
        return Ok(Target::Extension { name: name.into(), on, span });
    }
    let mut steps = Vec::new();
    let mut at = 0;
    for part in split(text) {
        steps.push(step(part, at)?);
        at += part.len() + 1;
    }
    if steps.len() > STEPS_MAX {
        return Err((0..text.len(), format!("more than {STEPS_MAX} steps")));
    }
    Ok(Target::Element(steps))
}

/// Parts between dots that are not in brackets.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut inside) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            '.' if !inside => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn step(text: &str, at: usize) -> Result<Step, (Span, String)> {
    let span = at..at + text.len();
    let (name, instance) = match text.split_once('[') {
        None => (text, None),
        Some((name, rest)) => match rest.strip_suffix(']') {
            Some(instance) => (name, Some(instance)),
            None => return Err((span, "a bracket is not closed".into())),
        },
    };
    let plain = |t: &str| t.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if name.is_empty() || !plain(name) {
        return Err((span, "expected the name of an element".into()));
    }
    if let Some(instance) = instance {
        if !plain(instance) {
            return Err((span, "an instance has a name of letters, digits and `-`".into()));
        }
        if instance.bytes().next().is_some_and(|b| b.is_ascii_digit()) {
            let cause = "instances have names, not numbers: `name[home]`, or `name[]` to append";
            return Err((span, cause.into()));
        }
    }
    Ok(Step { name: name.into(), instance: instance.map(Into::into), span })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let steps = |text: &str| match read(text) {
            Ok(Target::Element(steps)) => steps
                .iter()
                .map(|s| {
                    format!(
                        "{}{}",
                        s.name,
                        s.instance.as_ref().map_or(String::new(), |i| format!("<{i}>"))
                    )
                })
                .collect::<Vec<_>>()
                .join(" "),
            other => format!("{other:?}"),
        };
        assert_eq!(steps("birthDate"), "birthDate");
        assert_eq!(steps("identifier[ssn].value"), "identifier<ssn> value");
        assert_eq!(steps("referenceRange[].text"), "referenceRange<> text");
        let Ok(Target::Extension { name, on, span }) = read("ext:patient-birthTime@birthDate")
        else {
            panic!()
        };
        assert_eq!(
            (name.as_str(), on.unwrap().name.as_str(), span),
            ("patient-birthTime", "birthDate", 4..21)
        );
        for bad in ["", "a.", "a[1]", "a[x", "ext:", "ext:x@", "a b", "a[b c]"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
