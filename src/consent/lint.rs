//! What is wrong with a policy that reads well: rules without effect.

use std::ops::Range;

use super::code::Match;
use super::decide::Question;
use super::facts::{Facts, Item};
use super::policy::{Combine, Default, Directives, Inner, Rule, Then};
use crate::fault::Fault;
use crate::fault::codes::{W3003, W3005};
use crate::settings::Table;

/// Notes rules that can never decide, and a policy that binds nothing.
pub(super) fn check(policy: &Inner, table: &mut Table<'_>, head: &Range<usize>) {
    let silent = policy.default == Default::Unknown && policy.directives == Directives::Ignored;
    if policy.rules.is_empty() && silent {
        let cause = "it has no rule, no default, and asks no patient";
        table.error(Fault::new(W3005).because(cause), head);
    }
    for (place, rule) in policy.rules.iter().enumerate() {
        let over = policy.rules.iter().enumerate().find(|(other, over)| {
            *other != place && shadows((*other, over), (place, rule), policy.combine)
        });
        if let Some((_, over)) = over {
            let cause = format!("wherever it applies, the rule at {} decides", over.rule.name);
            table.error(Fault::new(W3003).because(cause), rule.span());
        }
        let idle = rule.then == Then::Deny && rule.directives.is_some();
        if idle && policy.combine == Combine::DenyOverrides {
            let cause = "`directives` has no effect on a rule that denies";
            table.warning(Fault::new(W3003).because(cause), rule.span());
        }
    }
}

/// Whether `over` decides wherever `rule` would.
fn shadows((first, over): (usize, &Rule), (place, rule): (usize, &Rule), combine: Combine) -> bool {
    let stronger = match (combine, over.then, rule.then) {
        (_, Then::Redact, Then::Redact) => over.paths == rule.paths && first < place,
        (_, over, rule) if over == rule => first < place,
        (Combine::PermitOverrides, Then::Permit, Then::Deny) => true,
        (Combine::PermitOverrides, ..) => false,
        (Combine::DenyOverrides | Combine::PatientFirst, Then::Deny, _) => true,
        (Combine::DenyOverrides | Combine::PatientFirst, ..) => false,
    };
    stronger && over.conditions.covers(&rule.conditions)
}

/// Rules that nobody who asks reaches.
pub(super) fn unreached(policy: &Inner, asked: &[(&str, &str)]) -> Vec<(Range<usize>, Fault)> {
    let facts = Facts::default();
    let unknown = Item::default();
    let reached = |rule: &&Rule| {
        asked.iter().any(|(recipient, purpose)| {
            let conditions = super::condition::Conditions {
                recipients: rule.conditions.recipients.clone(),
                purposes: rule.conditions.purposes.clone(),
                ..super::condition::Conditions::default()
            };
            let question = Question { recipient, purpose, ..Question::new(&facts) };
            conditions.hold(&question, &unknown) != Match::No
        })
    };
    let idle = policy.rules.iter().filter(|rule| !reached(rule));
    idle.map(|rule| {
        let cause = "no destination that uses the policy has its recipient and purpose";
        (rule.span().clone(), Fault::new(W3003).because(cause))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Policy;
    use crate::fault::{Problems, Severity};
    use crate::settings::{Document, SourceFile};

    fn read(text: &str) -> (Option<Policy>, Vec<String>) {
        let mut problems = Problems::new();
        let file = Document::parse(SourceFile::new("policies/p.toml", text), &mut problems);
        let policy = Policy::read(&file, &mut problems);
        problems.sort();
        let line = |p: &crate::fault::Problem| {
            let mark = if p.severity == Severity::Warning { "warning " } else { "" };
            let line = p.fault.place().file.as_ref().map_or(0, |file| file.line);
            format!("{mark}{} {line} {}", p.fault.code(), p.fault.cause().unwrap_or_default())
        };
        let lines = problems.iter().map(line).collect();
        (policy, lines)
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let (_, lines) = read(text);
        assert_eq!(lines, expected, "{text}");
    }

    const HEAD: &str = "[policy]\nname = \"p\"\n";

    #[test]
    fn a_good_policy_reads_without_a_word() {
        let text = "[policy]\nname = \"hie\"\nabout = \"x\"\ncombine = \"patient-first\"\n\
             default = \"deny\"\ndirectives = \"required\"\n\n[[rule]]\nname = \"a\"\n\
             recipient = [\"Organization/*\"]\npurpose = [\"TREAT\"]\nclass = [\"Patient\"]\n\
             label = [\"R\"]\nthen = \"redact\"\npaths = [\"PID-19\", \"Patient.address\"]\n\
             directives = \"ignored\"\n";
        let (policy, lines) = read(text);
        assert_eq!(lines, Vec::<String>::new());
        let policy = policy.unwrap();
        assert_eq!((policy.name(), policy.about()), ("hie", Some("x")));
        assert_eq!(policy.version().len(), 12);
        assert_eq!(&*policy.0.rules[0].rule.name, "hie:8");
        assert_eq!(&*policy.0.default_rule.name, "hie:5");
        assert!(format!("{policy:?}").starts_with("Policy(hie@"));
    }

    #[test]
    fn codes_and_classes_must_be_known() {
        let text = format!(
            "{HEAD}[[rule]]\npurpose = [\"TREET\", \"x\"]\n\
             class = [\"Observaton\", \"Q\", \"Location\"]\n\
             then = \"permit\"\nlabel = []\n"
        );
        let (policy, lines) = read(&text);
        assert_eq!(
            lines[..4],
            [
                "W3001 4 `TREET` is not a code of PurposeOfUse",
                "W3001 4 `x` is not a code of PurposeOfUse",
                "W3002 5 `Observaton` is not a resource type",
                "W3002 5 `Q` is not a resource type",
            ]
        );
        assert!(lines[4].starts_with("W3002 5 `Location` tells of no patient"));
        assert!(lines[5].contains("the list `label` is empty"), "{lines:?}");
        assert!(policy.is_some());
    }

    #[test]
    fn paths_belong_to_redaction() {
        check(
            &format!("{HEAD}[[rule]]\nthen = \"redact\"\n"),
            &["W3004 3 this rule redacts nothing"],
        );
        check(
            &format!("{HEAD}[[rule]]\nthen = \"redact\"\npaths = []\n"),
            &["W3004 5 this rule redacts nothing"],
        );
        check(
            &format!("{HEAD}[[rule]]\nthen = \"permit\"\npaths = [\"PID-3\"]\n"),
            &["W3004 5 this rule does not redact"],
        );
        let (_, lines) =
            read(&format!("{HEAD}[[rule]]\nthen = \"redact\"\npaths = [\"PID\", \"x y\", 1]\n"));
        assert!(lines[0].starts_with("W3006 5") && lines[1].starts_with("W3006 5"), "{lines:?}");
    }

    #[test]
    fn what_is_missing_or_unknown_is_noted() {
        assert!(read("").0.is_none());
        assert!(read("[policy]\n[[rule]]\nthen = \"permit\"\n").0.is_none());
        let (policy, lines) = read(&format!("{HEAD}[[rule]]\nfoo = 1\n"));
        assert!(policy.is_none() && lines.len() == 2, "{lines:?}");
        let (policy, lines) = read(&format!("{HEAD}default = \"deny\"\n[[rule]]\nthen = \"x\"\n"));
        assert!(policy.is_none() && lines.len() == 1, "{lines:?}");
    }

    #[test]
    fn a_policy_must_bind_something() {
        check(
            &format!("{HEAD}directives = \"ignored\"\n"),
            &["W3005 1 it has no rule, no default, and asks no patient"],
        );
        check(HEAD, &[]);
        check(&format!("{HEAD}default = \"deny\"\ndirectives = \"ignored\"\n"), &[]);
    }

    #[test]
    fn rules_that_never_decide_are_found() {
        let two = |combine: &str, first: &str, second: &str| {
            format!("{HEAD}combine = \"{combine}\"\n[[rule]]\n{first}\n[[rule]]\n{second}\n")
        };
        let (treat, all) = ("purpose = [\"TREAT\"]\n", "");
        let permit = "then = \"permit\"";
        let deny = "then = \"deny\"";
        let redact = "then = \"redact\"\npaths = [\"PID-3\"]";
        let by = |line: u32, over: u32| {
            format!("W3003 {line} wherever it applies, the rule at p:{over} decides")
        };
        let run = |combine: &str, a: (&str, &str), b: (&str, &str)| {
            let text = two(combine, &format!("{}{}", a.0, a.1), &format!("{}{}", b.0, b.1));
            read(&text).1
        };
        assert_eq!(run("deny-overrides", (treat, permit), (all, deny)), [by(4, 7)]);
        assert_eq!(run("patient-first", (all, deny), (treat, redact)), [by(6, 4)]);
        assert!(run("deny-overrides", (treat, deny), (all, permit)).is_empty());
        assert!(run("permit-overrides", (treat, permit), (all, deny)).is_empty());
        assert_eq!(run("permit-overrides", (all, permit), (treat, deny)), [by(6, 4)]);
        assert_eq!(run("deny-overrides", (all, permit), (treat, permit)), [by(6, 4)]);
        assert!(run("deny-overrides", (treat, permit), (all, permit)).is_empty());
        assert_eq!(run("deny-overrides", (all, redact), (all, redact)), [by(7, 4)]);
        assert!(run("deny-overrides", (all, redact), (all, permit)).is_empty());
        check(
            &format!("{HEAD}[[rule]]\n{deny}\ndirectives = \"ignored\"\n"),
            &["warning W3003 3 `directives` has no effect on a rule that denies"],
        );
    }

    #[test]
    fn rules_that_no_destination_reaches_are_found() {
        let (policy, _) = read(&format!(
            "{HEAD}[[rule]]\nrecipient = [\"a*\"]\npurpose = [\"TREAT\"]\nthen = \"permit\"\n\
             [[rule]]\nrecipient = [\"b\"]\nclass = [\"Patient\"]\nthen = \"deny\"\n"
        ));
        let policy = policy.unwrap();
        let idle = |asked: &[(&str, &str)]| {
            let faults = policy.unreached(asked);
            let names = policy.0.rules.iter().map(|rule| (rule.span().clone(), &rule.rule.name));
            let names: Vec<_> = names.collect();
            let name = |span: &std::ops::Range<usize>| {
                names.iter().find(|(own, _)| own == span).map(|(_, name)| name.to_string())
            };
            faults.iter().filter_map(|(span, _)| name(span)).collect::<Vec<_>>()
        };
        assert_eq!(idle(&[("ab", "ETREAT")]), ["p:7"]);
        assert_eq!(idle(&[("ab", "HRESCH"), ("b", "TREAT")]), ["p:3"]);
        assert_eq!(idle(&[]).len(), 2);
    }
}
