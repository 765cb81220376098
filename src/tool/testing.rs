//! `[[test]]` of channel files: the channel's real settings on one message.

use std::path::Path;
use std::sync::Arc;

use crate::base::DestinationName;
use crate::channel::ChannelRules;
use crate::config::{ChannelPlan, TestCase, TestConsent};
use crate::fault::{Fault, FilePlace};
use crate::mapping::Mapping;
use crate::message::{Body, Content, Fate, State, Verdict};
use crate::{cda, fhir, hl7v2};

use super::rehearsal::Rehearsal;

/// What came of one test.
#[derive(Clone, Debug)]
pub struct Tested {
    /// The channel or mapping file.
    pub subject: Arc<str>,
    /// The test's name.
    pub name: Arc<str>,
    /// Where it stands.
    pub place: FilePlace,
    /// What was not as expected; empty: passed.
    pub failures: Vec<Failure>,
}

/// One thing that was not as expected. Test inputs are synthetic, so values may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was looked at: `lis OBX-6`, `ack`.
    pub what: String,
    /// What should have been there.
    pub expected: String,
    /// What was there.
    pub found: String,
    /// Where the value came from, where lineage tells.
    pub from: Option<String>,
}

/// Runs one test of a channel.
#[must_use]
pub fn run(plan: &ChannelPlan, case: &TestCase, root: &Path) -> Tested {
    let rehearsal = rehearsal(plan, case);
    let processed = rehearsal.process(case.input.clone());
    let mut check = Check { failures: Vec::new(), rehearsal: &rehearsal, case, root };
    if let Some(ack) = &case.ack {
        check.same("ack", ack, processed.reply.code_text());
    }
    if !case.answer.is_empty() {
        check.answer(processed.reply.body.clone());
    }
    if let Some(code) = case.code {
        let record = &processed.record;
        let dead = record.owed.iter().find_map(|owed| match &owed.fate {
            Fate::Dead(fault) => Some(&*fault.code),
            _ => None,
        });
        let refused = record.fault.as_ref().map(|fault| &*fault.code);
        check.same("code", code.as_str(), refused.or(dead).unwrap_or("none"));
    }
    let sent: Vec<(&DestinationName, &Body)> = processed
        .record
        .owed
        .iter()
        .filter_map(|owed| match &owed.fate {
            Fate::Deliver(body) => Some((&owed.destination, body)),
            _ => None,
        })
        .collect();
    if let Some(expected) = &case.sent {
        let list = |names: Vec<&DestinationName>| {
            let names: Vec<&str> = names.into_iter().map(DestinationName::as_str).collect();
            format!("[{}]", names.join(", "))
        };
        let found = list(sent.iter().map(|(name, _)| *name).collect());
        check.same("sent", &list(expected.iter().collect()), &found);
    }
    let state = |name: &DestinationName| {
        let owed = processed.record.owed.iter().find(|owed| owed.destination == *name);
        owed.map_or(State::Dead, |owed| owed.fate.state()).name()
    };
    check.bodies(&sent, state);
    let failures = check.failures;
    Tested {
        subject: plan.name().shared(),
        name: case.name.clone(),
        place: case.place.clone(),
        failures,
    }
}

/// The rehearsal of a test, with the consent that it says.
fn rehearsal(plan: &ChannelPlan, case: &TestCase) -> Rehearsal {
    let rehearsal = Rehearsal::new(plan.rules.clone(), None)
        .arriving_by(&plan.source.kind)
        .with_keys_of_its_own();
    let Some(consent) = case.consent else { return rehearsal };
    rehearsal.with_verdict(&match consent {
        TestConsent::Permit => Verdict::Permit,
        TestConsent::Deny => Verdict::Deny,
        TestConsent::Unknown => Verdict::Unknown,
    })
}

/// Runs the tests of a mapping; gives them with the rules that none of them exercised.
#[must_use]
pub fn mapping(mapping: &Mapping) -> (Vec<Tested>, Vec<String>) {
    let run = mapping.run_tests();
    let subject: Arc<str> = mapping.file().into();
    let tested = run.outcomes.into_iter().map(|outcome| Tested {
        subject: subject.clone(),
        name: outcome.name.into(),
        place: outcome.place,
        failures: outcome.failures.iter().map(failure).collect(),
    });
    (tested.collect(), run.unused_rules)
}

fn failure(fault: &Fault) -> Failure {
    Failure {
        what: fault.place().to_string(),
        expected: "to hold".to_owned(),
        found: fault.cause().unwrap_or(fault.code().row().phrase).to_owned(),
        from: None,
    }
}

struct Check<'a> {
    failures: Vec<Failure>,
    rehearsal: &'a Rehearsal,
    case: &'a TestCase,
    root: &'a Path,
}

impl Check<'_> {
    fn same(&mut self, what: &str, expected: &str, found: &str) {
        if expected != found {
            self.failures.push(Failure {
                what: what.to_owned(),
                expected: expected.to_owned(),
                found: found.to_owned(),
                from: None,
            });
        }
    }

    fn bodies(
        &mut self,
        sent: &[(&DestinationName, &Body)],
        state: impl Fn(&DestinationName) -> &'static str,
    ) {
        let case = self.case;
        let body = |name: &DestinationName| {
            let found = sent.iter().find(|(sent, _)| *sent == name);
            found.and_then(|(to, body)| content(body, self.rehearsal.rules(), to))
        };
        let missing = |name: &DestinationName| format!("nothing was sent ({})", state(name));
        for wanted in &case.expect {
            let what = format!("{} {}", wanted.destination, wanted.path.source());
            let found = match body(&wanted.destination) {
                Some(content) => found(&content, &wanted.path, &wanted.value),
                None => missing(&wanted.destination),
            };
            self.same(&what, &wanted.value, &found);
        }
        for (name, path) in &case.absent {
            let what = format!("{name} {}", path.source());
            let found = match body(name) {
                Some(content) => path.read(&content).map(|v| v.reveal().clone()),
                None => Some(missing(name)),
            };
            self.same(&what, "", &found.unwrap_or_default());
        }
        for (name, path) in &case.sealed {
            let what = format!("{name} {}", path.source());
            let found = body(name).map_or_else(|| missing(name), |c| self.sealed(&c, path));
            self.same(&what, "sealed", &found);
        }
        for (name, file) in &case.golden {
            let found = sent.iter().find(|(sent, _)| *sent == name).map(|(_, body)| *body);
            self.golden(name, file, found);
        }
    }

    /// Compares values of the answer.
    fn answer(&mut self, body: Option<bytes::Bytes>) {
        let xml = |body: &bytes::Bytes| hl7v2::xml::is_document(body);
        let read = body.and_then(|body| match xml(&body) {
            true => hl7v2::xml::read(&body).ok(),
            false => hl7v2::Message::parse(body).ok(),
        });
        let content = read.map(Content::Hl7);
        for (path, wanted, _) in &self.case.answer {
            let found = match &content {
                Some(content) => found(content, path, wanted),
                None => "no answer".to_owned(),
            };
            self.same(&format!("answer {}", path.source()), wanted, &found);
        }
    }

    /// `sealed` when the path gives a value only after the seals were opened.
    fn sealed(&self, content: &Content, path: &crate::mapping::ValuePath) -> String {
        let there = |content: &Content| path.read(content).map(|v| v.reveal().clone());
        let opened = self.rehearsal.open(content).as_ref().and_then(there);
        match (there(content), opened) {
            (closed, Some(opened)) if closed.as_ref() != Some(&opened) => "sealed".to_owned(),
            (Some(_), _) => "in clear".to_owned(),
            (None, _) => "no value".to_owned(),
        }
    }

    fn golden(&mut self, name: &DestinationName, file: &str, found: Option<&Body>) {
        let path = self.root.join(file);
        let found = found.map(|body| body.bytes.clone()).unwrap_or_default();
        let Ok(kept) = std::fs::read(&path) else {
            let missing = "no such file: write it with `weir test --bless`";
            return self.same(&format!("{name} golden"), file, missing);
        };
        if kept != found {
            let lines = |bytes: &[u8]| -> Vec<String> {
                let text = String::from_utf8_lossy(bytes).replace('\r', "\n");
                text.lines().map(str::to_owned).collect()
            };
            let (kept, found) = (lines(&kept), lines(&found));
            let at = kept.iter().zip(&found).take_while(|(a, b)| a == b).count();
            let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
            let what = format!("{name} {file}:{}", at + 1);
            self.same(&what, &line(&kept), &line(&found));
        }
    }
}

/// The value at a path: of a field with parts the first, unless all of it is what is wanted.
fn found(content: &Content, path: &crate::mapping::ValuePath, wanted: &str) -> String {
    let text = |value: Option<crate::base::Phi<String>>| {
        value.map(|value| value.reveal().clone()).unwrap_or_default()
    };
    let whole = text(path.read_whole(content));
    if whole == wanted { whole } else { text(path.read(content)) }
}

/// Reads what is sent: text in the set that the channel reads it in, where no other is set for
/// the destination.
fn content(body: &Body, rules: &ChannelRules, to: &DestinationName) -> Option<Content> {
    use crate::message::ContentKind;
    match body.kind {
        ContentKind::Hl7 => {
            let own = rules.destination(to).is_none_or(|to| to.recode.is_none());
            let charset = rules.charset.filter(|_| own);
            hl7v2::Message::parse_as(body.bytes.clone(), charset).ok().map(Content::Hl7)
        }
        ContentKind::FhirJson => fhir::Doc::parse(body.bytes.clone()).ok().map(Content::Fhir),
        ContentKind::Cda => cda::Document::parse(&body.bytes).ok().map(Content::Cda),
        ContentKind::Raw => Some(Content::Raw(body.bytes.clone())),
        ContentKind::Removed => None,
    }
}

/// Writes what is sent to the golden files of a test, and the directories they lie in.
///
/// # Errors
/// The file that cannot be written, and why.
pub fn bless(
    plan: &ChannelPlan,
    case: &TestCase,
    root: &Path,
) -> Result<usize, (Arc<str>, std::io::Error)> {
    let processed = rehearsal(plan, case).process(case.input.clone());
    let mut written = 0;
    for (name, file) in &case.golden {
        let owed = processed.record.owed.iter().find(|owed| owed.destination == *name);
        if let Some(Fate::Deliver(body)) = owed.map(|owed| &owed.fate) {
            let path = root.join(&**file);
            let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            let written_here = folder.and_then(|()| std::fs::write(&path, &body.bytes));
            written_here.map_err(|error| (file.clone(), error))?;
            written += 1;
        }
    }
    Ok(written)
}
