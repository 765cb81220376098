//! Conditions and paths on any content, for use outside mappings.

use std::fmt;
use std::sync::Arc;

use super::NEAR;
use super::datum::{Input, Tree};
use super::pick::{Find, Go, Here, Pick, holds, plain};
use super::sentence::{self, Form, Path, Repetition, Syntax};
use crate::base::Phi;
use crate::cda::Kind;
use crate::fault::{Fault, codes};
use crate::fhir::FhirPath;
use crate::message::Content;
use crate::settings::nearest;

/// A condition of the sentence language (`PV1-2 = 'I' and PID-19 valued`, or on documents
/// `/code/@code = '34133-9'`), or of the FHIRPath subset (`Patient.gender = 'male'`), for
/// `[filter]`, `when` and validation rules.
///
/// Which of the three it is follows from its paths. On content of the other form it does not
/// hold. Cheap to clone.
#[derive(Clone)]
pub struct Condition(Arc<Inner>);

struct Inner {
    source: Box<str>,
    test: Test,
}

enum Test {
    Hl7(sentence::Condition<Pick>),
    Fhir(FhirPath),
    Cda(sentence::Condition<Pick>),
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// `W4001` when it is not one; a FHIRPath keeps its own code.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let test = if names_hl7(text) && !names_cda(text) {
            let read =
                sentence::condition(text, Form::Hl7).map_err(|wrong| syntax(text, &wrong))?;
            let mut trouble = None;
            let resolved = read.map(&mut |path| {
                in_message(path).map_err(|wrong| trouble = Some(syntax(text, &wrong))).ok()
            });
            match (resolved, trouble) {
                (Some(condition), None) => Test::Hl7(condition),
                (_, trouble) => {
                    return Err(trouble.unwrap_or_else(|| Fault::new(codes::W4001)));
                }
            }
        } else if names_cda(text) {
            let read =
                sentence::condition(text, Form::Cda).map_err(|wrong| syntax(text, &wrong))?;
            let mut trouble = None;
            let resolved =
                read.map(&mut |path| in_document(path).map_err(|wrong| trouble = Some(wrong)).ok());
            match (resolved, trouble) {
                (Some(condition), None) => Test::Cda(condition),
                (_, trouble) => {
                    return Err(trouble.unwrap_or_else(|| Fault::new(codes::W4001)));
                }
            }
        } else {
            Test::Fhir(FhirPath::parse(text)?)
        };
        Ok(Self(Arc::new(Inner { source: text.into(), test })))
    }

    /// A condition of the FHIRPath subset.
    pub(super) fn of_fhir(path: FhirPath) -> Self {
        Self(Arc::new(Inner { source: path.source().into(), test: Test::Fhir(path) }))
    }

    /// Whether it holds. A comparison holds when any value of its path passes; `!=` is
    /// the opposite of `=`, so it holds for an empty field.
    #[must_use]
    pub fn test(&self, content: &Content) -> bool {
        match (&self.0.test, content) {
            (Test::Hl7(condition), Content::Hl7(message)) => {
                holds(condition, &Here::whole(message))
            }
            (Test::Fhir(path), Content::Fhir(doc)) => path.test(doc.root()),
            (Test::Cda(condition), Content::Cda(document)) => {
                holds(condition, &Here::of(Input::Cda(&Tree::new(document))))
            }
            (Test::Hl7(_) | Test::Fhir(_) | Test::Cda(_), _) => false,
        }
    }

    /// Its text as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({})", self.0.source)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source
    }
}

impl Eq for Condition {}

/// A path usable on any content: `PID-3[5 = 'MR'].1` on v2, a FHIRPath on FHIR,
/// `/recordTarget/patientRole/id/@extension` on documents of CDA. For
/// `order_by`, `patient`, `index` and test expectations. Cheap to clone.
#[derive(Clone)]
pub struct ValuePath(Arc<PathInner>);

struct PathInner {
    source: Box<str>,
    reads: Reads,
}

enum Reads {
    Hl7(Pick),
    Fhir(FhirPath),
    Cda(Pick),
}

impl ValuePath {
    /// Reads a path.
    ///
    /// # Errors
    /// `W4001` when it is not one; a FHIRPath keeps its own code.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let reads = if names_cda(text) {
            let path = sentence::source_path(text, Form::Cda).map_err(|w| syntax(text, &w))?;
            Reads::Cda(in_document(&path)?)
        } else if names_hl7(text) {
            let path =
                sentence::source_path(text, Form::Hl7).map_err(|wrong| syntax(text, &wrong))?;
            let pick = in_message(&path).map_err(|wrong| syntax(text, &wrong))?;
            if pick.field == 0 {
                let wrong = Syntax { span: 0..text.len(), cause: "names no field".into() };
                return Err(syntax(text, &wrong));
            }
            Reads::Hl7(pick)
        } else {
            Reads::Fhir(FhirPath::parse(text)?)
        };
        Ok(Self(Arc::new(PathInner { source: text.into(), reads })))
    }

    /// First value, decoded; empty and null values are passed over, and of a composite
    /// field the first component is taken. Nothing on content of the other form.
    #[must_use]
    pub fn read(&self, content: &Content) -> Option<Phi<String>> {
        let mut first = None;
        self.visit(content, &mut |text| {
            first = Some(Phi::new(text));
            Go::Stop
        });
        first
    }

    /// All values, decoded, in order of the message.
    #[must_use]
    pub fn read_all(&self, content: &Content) -> Vec<Phi<String>> {
        let mut all = Vec::new();
        self.visit(content, &mut |text| {
            all.push(Phi::new(text));
            Go::On
        });
        all
    }

    fn visit(&self, content: &Content, see: &mut dyn FnMut(String) -> Go) {
        match (&self.0.reads, content) {
            (Reads::Hl7(pick), Content::Hl7(message)) => {
                pick.visit(&Here::whole(message), &mut |found| {
                    let text =
                        if pick.parts[0] == 0 { plain(found.value) } else { found.value.text() };
                    if found.value.is_null() || text.is_empty() {
                        return Go::On;
                    }
                    see(text.into_owned())
                });
            }
            (Reads::Fhir(path), Content::Fhir(doc)) => {
                for node in path.select(doc.root()) {
                    if let Some(text) = node.text()
                        && see(text.into_owned()) == Go::Stop
                    {
                        return;
                    }
                }
            }
            (Reads::Cda(pick), Content::Cda(document)) => {
                let tree = Tree::new(document);
                pick.visit(&Here::of(Input::Cda(&tree)), &mut |found| {
                    let text = found.value.text();
                    match found.value.is_null() || text.trim().is_empty() {
                        true => Go::On,
                        false => see(text.trim().to_owned()),
                    }
                });
            }
            (Reads::Hl7(_) | Reads::Fhir(_) | Reads::Cda(_), _) => {}
        }
    }

    /// First value with everything below it as it was written: `ORU^R01^ORU_R01`. For
    /// expectations of tests, where a whole field is compared.
    #[must_use]
    pub fn read_whole(&self, content: &Content) -> Option<Phi<String>> {
        match (&self.0.reads, content) {
            (Reads::Hl7(pick), Content::Hl7(message)) => pick
                .first(&Here::whole(message))
                .map(|found| Phi::new(found.value.text().into_owned())),
            _ => self.read(content),
        }
    }

    /// Its text as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether it reads documents of CDA.
    #[must_use]
    pub fn is_cda(&self) -> bool {
        matches!(self.0.reads, Reads::Cda(_))
    }

    /// Whether it reads HL7 v2 rather than FHIR.
    #[must_use]
    pub fn is_hl7(&self) -> bool {
        matches!(self.0.reads, Reads::Hl7(_))
    }
}

impl fmt::Debug for ValuePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValuePath({})", self.0.source)
    }
}

impl PartialEq for ValuePath {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source
    }
}

impl Eq for ValuePath {}

/// Whether a text speaks of v2: it has a word of three capitals or digits that starts with
/// a capital, outside quotes. FHIR names have lower case letters in them.
fn names_hl7(text: &str) -> bool {
    let outside = text.split('\'').step_by(2);
    outside.flat_map(|part| part.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))).any(
        |word| {
            word.len() == 3
                && word.starts_with(|c: char| c.is_ascii_uppercase())
                && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        },
    )
}

/// Whether a text speaks of a document of CDA: a path in it begins with `/`, which no path of
/// v2 or of FHIR does.
fn names_cda(text: &str) -> bool {
    let mut inside = false;
    let mut before = ' ';
    let mut chars = text.char_indices();
    chars.any(|(at, c)| {
        let after = text.get(at + 1..).and_then(|rest| rest.chars().next()).unwrap_or(' ');
        let starts = c == '/'
            && !inside
            && (before.is_whitespace() || before == '(')
            && (after.is_alphabetic() || matches!(after, '/' | '@' | '*'));
        inside ^= c == '\'';
        before = c;
        starts
    })
}

/// A path through a document, from its root on.
fn in_document(path: &Path) -> Result<Pick, Fault> {
    let tree = path.tree.as_deref().ok_or_else(|| Fault::new(codes::W4001))?;
    let tree = tree.clone().from_document();
    if let Err(wrong) = tree.walk(Kind::DOCUMENT) {
        let fault = Fault::new(codes::W4003).because(wrong.to_string());
        return Err(match nearest(wrong.name.trim_start_matches('@'), wrong.known) {
            Some(near) => fault.remedy(format!("{NEAR}`{near}`?")),
            None => fault,
        });
    }
    Ok(Pick {
        find: Find::Tree { path: Box::new(tree), of_item: false },
        segment: Repetition::Open,
        field: 0,
        repetition: Repetition::Open,
        parts: [0, 0],
    })
}

/// Resolves a path to look through the whole message.
fn in_message(path: &Path) -> Result<Pick, Syntax> {
    resolve(path, None)
}

/// What a relative path is relative to.
#[derive(Clone, Copy)]
enum Within {
    Segment,
    Field,
}

fn resolve(path: &Path, within: Option<Within>) -> Result<Pick, Syntax> {
    let wrong = |cause: &str| Syntax { span: path.span.clone(), cause: cause.into() };
    let filter = |pick: &Repetition<Path>, inside: Within| match pick {
        Repetition::Open => Ok(Repetition::Open),
        Repetition::Nth(n) => Ok(Repetition::Nth(*n)),
        Repetition::Filter(condition) => {
            let mut trouble = None;
            let turned = condition.map(&mut |path| {
                resolve(path, Some(inside)).map_err(|wrong| trouble = Some(wrong)).ok()
            });
            match turned {
                Some(condition) => Ok(Repetition::Filter(Box::new(condition))),
                None => Err(trouble.unwrap_or_else(|| wrong("not a condition"))),
            }
        }
    };
    let Some(segment) = &path.segment else {
        let within =
            within.ok_or_else(|| wrong("a number alone is for brackets: `PID-3[5 = 'MR']`"))?;
        return relative(path, matches!(within, Within::Segment));
    };
    if segment.id.len() != 3 {
        return Err(wrong("not a segment: a name of three capitals such as `PID`"));
    }
    if segment.group.is_some() {
        return Err(wrong("groups are known in mappings only"));
    }
    Ok(Pick {
        find: Find::Message(segment.id.as_str().into()),
        segment: filter(&segment.pick, Within::Segment)?,
        field: path.field,
        repetition: filter(&path.repetition, Within::Field)?,
        parts: parts(&path.parts),
    })
}

/// A path of numbers alone: `3.1` of a segment, `1.2` of a repetition.
pub(super) fn relative(path: &Path, of_segment: bool) -> Result<Pick, Syntax> {
    let (field, rest) = match (of_segment, path.parts.split_first()) {
        (true, Some((field, rest))) => (*field, rest),
        _ => (0, path.parts.as_slice()),
    };
    if rest.len() > 2 {
        let cause = "a component and a subcomponent at most".into();
        return Err(Syntax { span: path.span.clone(), cause });
    }
    Ok(Pick {
        find: Find::Item,
        segment: Repetition::Open,
        field,
        repetition: Repetition::Open,
        parts: parts(rest),
    })
}

pub(super) fn parts(list: &[u16]) -> [u16; 2] {
    let part = |n: usize| list.get(n).copied().unwrap_or(0);
    [part(0), part(1)]
}

fn syntax(text: &str, wrong: &Syntax) -> Fault {
    let column = text.get(..wrong.span.start).map_or(0, |before| before.chars().count()) + 1;
    Fault::new(codes::W4001).because(format!("{}, at character {column}", wrong.cause))
}
