//! Answers of a QuestionnaireResponse against the Questionnaire they belong to.
//!
//! Source: FHIR R4 questionnaireresponse.html, questionnaire.html.

use std::borrow::Cow;
use std::collections::HashSet;

use super::enabled;
use super::knowledge::{Knowledge, Listed, in_value_set};
use super::reference::named;
use super::walk::Check;
use crate::fault::codes::W2756;
use crate::fhir::doc::Node;
use crate::fhir::path::{Context, FhirPath};
use crate::fhir::resources::IssueSeverity;
use crate::fhir::tables;

const EXTENSION: &str = "http://hl7.org/fhir/StructureDefinition/";
const SDC: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-";

/// One response with its questionnaire.
struct Sheet<'d, 'q> {
    response: Node<'d>,
    questionnaire: Node<'q>,
    /// All link ids of the questionnaire.
    known: HashSet<Cow<'q, str>>,
    /// Whether the person is through with it, so that nothing may be missing.
    complete: bool,
}

fn text<'n>(node: Node<'n>, name: &str) -> Option<Cow<'n, str>> {
    node.get(name)?.string()
}

fn items<'n>(node: Node<'n>, name: &str) -> Vec<Node<'n>> {
    node.get(name).into_iter().flat_map(Node::each).collect()
}

fn flag(node: Node<'_>, name: &str) -> bool {
    node.get(name).and_then(|value| value.bool()) == Some(true)
}

/// The value of an extension of a definition.
fn extension<'n>(node: Node<'n>, url: &str) -> Option<Node<'n>> {
    let all = items(node, "extension");
    let found = all.into_iter().find(|e| text(*e, "url").is_some_and(|known| known == url))?;
    found.members().find(|(name, _)| name.starts_with("value")).map(|(_, value)| value)
}

impl<'d> Check<'d, '_> {
    /// Checks a response, when its questionnaire is known or travels in it.
    pub fn answers(&mut self, response: Node<'d>) {
        let Some(canonical) = text(response, "questionnaire") else { return };
        let knowledge = self.options.knowledge;
        let questionnaire = match canonical.strip_prefix('#') {
            Some(id) => {
                let all = items(response, "contained").into_iter();
                let mut fits = all.filter(|r| text(*r, "id").is_some_and(|known| known == id));
                fits.find(|r| r.resource_type().as_deref() == Some("Questionnaire"))
            }
            None => knowledge.and_then(|known| known.find(&canonical, "Questionnaire")),
        };
        let Some(questionnaire) = questionnaire else { return };
        let mut known = HashSet::new();
        link_ids(questionnaire, &mut known);
        let status = text(response, "status");
        let complete = matches!(status.as_deref(), Some("completed" | "amended"));
        let sheet = Sheet { response, questionnaire, known, complete };
        self.level(&sheet, questionnaire, response);
    }

    /// The items in one item, answer or the response itself against their definitions.
    fn level(&mut self, sheet: &Sheet<'d, '_>, defined: Node<'_>, given: Node<'d>) {
        let defined = items(defined, "item");
        let given_items = items(given, "item");
        let mut reached = 0;
        for item in &given_items {
            let Some(id) = text(*item, "linkId") else { continue };
            let place = defined.iter().position(|d| text(*d, "linkId").as_ref() == Some(&id));
            match place {
                Some(place) if place < reached => {
                    self.at(*item, W2756, "the items are not in the order of the questionnaire");
                }
                Some(place) => reached = place,
                None if sheet.known.contains(id.as_ref()) => {
                    self.at(*item, W2756, "the questionnaire has this item in another place");
                }
                None => self.at(*item, W2756, "the questionnaire has no item of this `linkId`"),
            }
        }
        for definition in defined {
            let id = text(definition, "linkId");
            let same = |item: &&Node<'d>| text(**item, "linkId") == id;
            let mine: Vec<Node<'d>> = given_items.iter().filter(same).copied().collect();
            if self.full() {
                return;
            }
            self.item(sheet, definition, &mine, given);
        }
    }

    /// All items of one `linkId` in one place.
    fn item(
        &mut self,
        sheet: &Sheet<'d, '_>,
        definition: Node<'_>,
        mine: &[Node<'d>],
        around: Node<'d>,
    ) {
        let kind = text(definition, "type").unwrap_or_default();
        if !enabled::is(definition, around, sheet.response) {
            for item in mine.iter().filter(|item| item.get("answer").is_some()) {
                self.at(*item, W2756, "the item has an answer although it is not enabled");
            }
            return;
        }
        let required = flag(definition, "required") && sheet.complete;
        let repeats = flag(definition, "repeats");
        if mine.is_empty() {
            if required && kind != "display" {
                self.at(around, W2756, "a required item has no answer");
            }
            return;
        }
        if mine.len() > 1 && !(repeats && kind == "group") {
            for item in mine.iter().skip(1) {
                self.at(*item, W2756, "only one item of this `linkId` may stand here");
            }
        }
        for item in mine {
            match kind.as_ref() {
                "group" => {
                    if item.get("answer").is_some() {
                        self.at(*item, W2756, "a group has no answers");
                    }
                    if required && item.get("item").is_none() {
                        self.at(*item, W2756, "a required group has no items");
                    }
                    self.level(sheet, definition, *item);
                }
                "display" | "question" => {
                    if item.get("answer").is_some() {
                        self.at(*item, W2756, "an item of this type has no answers");
                    }
                }
                _ => self.question(sheet, definition, *item, required),
            }
        }
    }

    fn question(
        &mut self,
        sheet: &Sheet<'d, '_>,
        definition: Node<'_>,
        item: Node<'d>,
        required: bool,
    ) {
        let answers = items(item, "answer");
        if answers.is_empty() && required {
            self.at(item, W2756, "a required item has no answer");
        }
        if answers.len() > 1 && !flag(definition, "repeats") && !has_occurs(definition) {
            self.at(item, W2756, "only one answer may be given here");
        }
        let count = |name: &str| {
            let value = extension(definition, &format!("{EXTENSION}questionnaire-{name}"));
            value.and_then(|value| value.number()?.parse::<usize>().ok())
        };
        if sheet.complete && count("minOccurs").is_some_and(|least| answers.len() < least) {
            self.at(item, W2756, "fewer answers are given than the questionnaire asks for");
        }
        if count("maxOccurs").is_some_and(|most| answers.len() > most) {
            self.at(item, W2756, "more answers are given than the questionnaire allows");
        }
        for answer in answers {
            let value = answer.members().find(|(name, _)| name.starts_with("value"));
            if let Some((name, value)) = value {
                let ty = name.strip_prefix("value").unwrap_or_default();
                self.answer(sheet, definition, value, ty);
            }
            self.level(sheet, definition, answer);
        }
    }

    /// One answer against type and limits.
    fn answer(&mut self, sheet: &Sheet<'d, '_>, definition: Node<'_>, value: Node<'d>, ty: &str) {
        let kind = text(definition, "type").unwrap_or_default();
        let fits = match kind.as_ref() {
            "boolean" => ty == "Boolean",
            "decimal" => matches!(ty, "Decimal" | "Integer"),
            "integer" => ty == "Integer",
            "date" => ty == "Date",
            "dateTime" => matches!(ty, "DateTime" | "Date"),
            "time" => ty == "Time",
            "string" | "text" => ty == "String",
            "url" => ty == "Uri",
            "attachment" => ty == "Attachment",
            "reference" => ty == "Reference",
            "quantity" => ty == "Quantity",
            // A choice is between what its options are.
            "choice" => {
                matches!(ty, "Coding" | "String" | "Integer" | "Date" | "Time" | "Reference")
            }
            "open-choice" => true,
            _ => return,
        };
        if !fits {
            return self.at(value, W2756, format!("the answer to a `{kind}` has another type"));
        }
        if ty == "Reference"
            && let Some(literal) = text(value, "reference")
            && named(&literal).is_some_and(|(_, name, _)| !tables::is_resource(name))
        {
            self.at(value, W2756, "the answer names no type of resource of R4");
        }
        self.limits(definition, value, ty);
        let open = kind == "open-choice" && ty == "String";
        let unlisted =
            !open && options(sheet, definition, value, ty, self.options.knowledge) == Some(false);
        if unlisted {
            self.at(value, W2756, "the answer is none of those that may be chosen");
        }
    }

    fn limits(&mut self, definition: Node<'_>, value: Node<'d>, ty: &str) {
        let number = |url: &str| extension(definition, url)?.number()?.parse::<usize>().ok();
        let own = |name: &str| format!("{EXTENSION}{name}");
        let said = value.text().unwrap_or_default();
        let places = said.split_once('.').map_or(0, |(_, digits)| digits.len());
        let letters = said.chars().count();
        let most = definition.get("maxLength").and_then(|n| n.number()?.parse::<usize>().ok());
        if ty == "Decimal" && number(&own("maxDecimalPlaces")).is_some_and(|most| places > most) {
            self.at(value, W2756, "the answer has too many decimal places");
        }
        if ty == "String" && most.is_some_and(|most| letters > most) {
            self.at(value, W2756, "the answer is longer than the questionnaire allows");
        }
        if ty == "String" && number(&own("minLength")).is_some_and(|least| letters < least) {
            self.at(value, W2756, "the answer is shorter than the questionnaire asks for");
        }
        if ty == "Attachment" {
            let types = items(definition, "extension").into_iter();
            let allowed: Vec<_> = types
                .filter(|e| text(*e, "url").is_some_and(|url| url == own("mimeType")))
                .filter_map(|e| text(e, "valueCode"))
                .collect();
            let said = text(value, "contentType");
            if !allowed.is_empty() && !said.is_some_and(|said| allowed.contains(&said)) {
                self.at(value, W2756, "the attachment has another type than may be sent");
            }
        }
        for (name, sign) in [("min", ">="), ("max", "<=")] {
            let url = match ty {
                "Quantity" => format!("{SDC}{name}Quantity"),
                _ => own(&format!("{name}Value")),
            };
            let Some(limit) = extension(definition, &url) else { continue };
            match within(value, sign, limit, ty) {
                Some(true) => {}
                Some(false) => self.at(value, W2756, "the answer is outside of its limits"),
                None if ty == "Quantity" => {
                    self.at(value, W2756, "the answer cannot be compared with its limits");
                }
                None => {
                    let what = "the answer cannot be compared with its limits";
                    self.lesser(value, IssueSeverity::Information, W2756, what);
                }
            }
        }
    }
}

fn has_occurs(definition: Node<'_>) -> bool {
    extension(definition, &format!("{EXTENSION}questionnaire-maxOccurs")).is_some()
}

fn link_ids<'q>(node: Node<'q>, out: &mut HashSet<Cow<'q, str>>) {
    for item in items(node, "item") {
        out.extend(text(item, "linkId"));
        link_ids(item, out);
    }
}

/// Whether a value keeps a limit; none when the two cannot be compared.
fn within(value: Node<'_>, sign: &str, limit: Node<'_>, ty: &str) -> Option<bool> {
    let literal = match ty {
        "Decimal" | "Integer" => limit.number()?.to_owned(),
        "Quantity" => {
            // Without a system the unit is a word only.
            text(value, "system").zip(text(value, "code"))?;
            let unit = text(limit, "system").and(text(limit, "code"))?;
            format!("{} '{}'", limit.get("value")?.number()?, plain(&unit)?)
        }
        "Date" | "DateTime" | "Time" => return before(&value.string()?, sign, &limit.string()?),
        _ => return Some(true),
    };
    let path = FhirPath::parse(&format!("$this {sign} {literal}")).ok()?;
    path.holds(value, &Context::default()).ok().flatten()
}

/// A unit that can stand in a path.
fn plain(unit: &str) -> Option<&str> {
    (!unit.contains(['\'', '\\'])).then_some(unit)
}

/// Order of two dates as far as both say it: a year is neither before nor after its months.
fn before(value: &str, sign: &str, limit: &str) -> Option<bool> {
    let length = value.len().min(limit.len());
    let (value, limit) = (value.get(..length)?, limit.get(..length)?);
    Some(match sign {
        ">=" => value >= limit,
        _ => value <= limit,
    })
}

/// Whether an answer is one of its options; none when there are none or they are unknown.
fn options(
    sheet: &Sheet<'_, '_>,
    definition: Node<'_>,
    value: Node<'_>,
    ty: &str,
    knowledge: Option<&Knowledge>,
) -> Option<bool> {
    let listed = items(definition, "answerOption");
    if !listed.is_empty() {
        let name = format!("value{ty}");
        let same = |option: &Node<'_>| option.get(&name).is_some_and(|known| alike(known, value));
        return Some(listed.iter().any(same));
    }
    let set = text(definition, "answerValueSet")?;
    let (system, code) = match ty {
        "Coding" => (text(value, "system"), text(value, "code")?),
        _ => return None,
    };
    match set.strip_prefix('#') {
        Some(id) => {
            let all = items(sheet.questionnaire, "contained");
            let found =
                all.into_iter().find(|r| text(*r, "id").is_some_and(|known| known == id))?;
            Some(Listed::of(found)?.has(system.as_deref(), &code))
        }
        None => in_value_set(knowledge, &set, system.as_deref(), &code),
    }
}

/// Whether two values say the same: codings by system and code, all else by text.
fn alike(a: Node<'_>, b: Node<'_>) -> bool {
    match (text(a, "code"), text(b, "code")) {
        (Some(x), Some(y)) => x == y && text(a, "system") == text(b, "system"),
        _ => match (a.text(), b.text()) {
            (Some(x), Some(y)) => x == y,
            _ => text(a, "reference").is_some() && text(a, "reference") == text(b, "reference"),
        },
    }
}
