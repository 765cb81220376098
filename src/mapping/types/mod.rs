//! Data types of v2 to those of FHIR: one function a pair, one table over all of them.
//!
//! A function gets a value and makes a detached node of the arena, or nothing, or says what
//! the value is not. It never makes a value that FHIR's primitive types would refuse: every
//! leaf goes through [`Make::scalar`].
//!
//! Source: HL7 v2-to-FHIR implementation guide, data type maps; FHIR R4 datatypes.html.

pub(crate) mod cda;
mod coded;
mod identity;
mod interval;
mod measure;
mod narrative;
mod person;
mod scalar;
pub(crate) mod systems;
pub(crate) mod time;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::arena::{Arena, At, Leaf};
use super::datum::Datum;
use super::used::Used;
use crate::fault::{Code, codes};
use crate::fhir::tables::Primitive;
use crate::hl7v2::Segment;
use time::{Wrong, Zone};

pub(crate) use coded::{coding, coding_of_table, codings, concept, concept_of_table, original};

/// What a conversion made: nothing where there was nothing, or what the value is not.
pub(crate) type Made = Result<Option<At>, Wrong>;

/// A conversion.
pub(crate) type Cast = for<'r> fn(&mut Make<'r>, &Given<'r>) -> Made;

/// What a conversion starts from.
#[derive(Clone)]
pub(crate) enum Given<'r> {
    /// A value of the message; `deep` where its parts are subcomponents.
    Value { value: Datum<'r>, deep: bool, segment: Option<Segment<'r>>, table: Option<&'r str> },
    /// A text the mapping gives or made.
    Text(Cow<'r, str>),
}

impl<'r> Given<'r> {
    /// Part `n` from 1, as it stands.
    pub(crate) fn raw_part(&self, n: usize) -> Option<Datum<'r>> {
        match self {
            Self::Value { value, deep: false, .. } => value.component(n),
            Self::Value { value, deep: true, .. } => value.subcomponent(n),
            Self::Text(_) => None,
        }
    }

    /// Part `n` to be divided further.
    fn below(&self, n: usize) -> Option<Self> {
        let value = self.raw_part(n)?;
        // Subcomponents have no parts; asking for the first gives themselves.
        Some(Self::Value { value, deep: true, segment: None, table: None })
    }
}

/// A value that was left out, and why; the place is found when the run is over.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    pub code: Code,
    pub range: Range<usize>,
    pub cause: Wrong,
}

/// Most values left out that are told apart in one message: more tell nobody more.
pub(crate) const LEFT_MAX: usize = 100;

/// What conversions work with.
pub(crate) struct Make<'r> {
    pub arena: Arena<'r>,
    pub used: &'r Used,
    pub zone: Option<&'r Zone>,
    pub left: Vec<Left>,
    /// Names of code maps that had no row for a code, one a code.
    pub unmapped: Vec<Arc<str>>,
    /// Whether nulls are to be said: a part that is one cannot be, which is told.
    pub says_null: bool,
    /// Bytes of text that may still be read by references into the narrative.
    pub told: usize,
    /// Whether more of it was asked for; the run then ends in a fault.
    pub is_told_out: bool,
}

/// Most bytes of text that one run reads by references into the narrative. Each is written
/// anew into what is made: a document may refer to one long paragraph from each entry.
pub(crate) const TOLD_BYTES_MAX: usize = 64 << 20;

const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

impl<'r> Make<'r> {
    /// Notes a value left out.
    pub(crate) fn leave(&mut self, code: Code, value: Option<Datum<'r>>, cause: Wrong) {
        if self.left.len() < LEFT_MAX {
            let range = value.map_or(0..0, |value| value.range());
            self.left.push(Left { code, range, cause });
        }
    }

    /// Text of a value without the spaces around it, none when it is empty or null. The
    /// value counts as read.
    pub(crate) fn text(&mut self, value: Datum<'r>) -> Option<Cow<'r, str>> {
        if value.is_empty() || self.is_told_out {
            return None;
        }
        self.used.mark(value.range());
        if value.is_null() {
            return None;
        }
        let (text, is_told) = value.told();
        if is_told {
            let left = self.told.checked_sub(text.len());
            self.is_told_out = left.is_none();
            self.told = left?;
        }
        let text = clean(text);
        (!text.is_empty()).then_some(text)
    }

    /// Part `n` of what is given, where it is valued. A null counts as read.
    pub(crate) fn part(&mut self, given: &Given<'r>, n: usize) -> Option<Datum<'r>> {
        let value = given.raw_part(n)?;
        if value.is_null() {
            self.used.mark(value.range());
            let told = |left: &Left| left.range == value.range();
            if self.says_null && !self.left.iter().any(told) {
                let cause = "it is taken back, which a part of a type cannot say";
                self.leave(codes::W4101, Some(value), cause);
            }
            return None;
        }
        (!value.is_empty()).then_some(value)
    }

    /// Text of part `n` of what is given, or of all of it where it is one text.
    pub(crate) fn part_text(&mut self, given: &Given<'r>, n: usize) -> Option<Cow<'r, str>> {
        match given {
            Given::Text(text) if n == 1 => Some(clean(text.clone())).filter(|t| !t.is_empty()),
            Given::Text(_) => None,
            Given::Value { .. } => {
                let value = self.part(given, n)?;
                // `Doe&van` where a simple type is due: the rest is not ours to read.
                self.text(value.subcomponent(1).unwrap_or(value))
            }
        }
    }

    /// A leaf of a primitive type.
    pub(crate) fn scalar(
        &mut self,
        kind: Primitive,
        text: Cow<'r, str>,
        from: Option<Datum<'r>>,
    ) -> Made {
        let leaf = scalar::leaf(kind, text, self.zone)?;
        if let (Leaf::Text(text) | Leaf::Number(text), false) = (&leaf, kind == Primitive::Boolean)
            && !kind.accepts(text)
        {
            return Err(scalar::refusal(kind));
        }
        let node = self.arena.add(leaf);
        if let Some(value) = from {
            self.arena.came_from(node, value.range());
        }
        Ok(Some(node))
    }

    /// A member of a primitive type from a part, where it is valued; a wrong one is left
    /// out with a warning, the rest of the whole stays.
    fn member(
        &mut self,
        object: At,
        name: &'static str,
        kind: Primitive,
        value: Option<Datum<'r>>,
    ) -> bool {
        let Some(value) = value else { return false };
        let first = value.subcomponent(1).unwrap_or(value);
        let Some(text) = self.text(first) else { return false };
        match self.scalar(kind, text, Some(first)) {
            Ok(Some(node)) => {
                self.arena.attach(object, name, node);
                true
            }
            Ok(None) => false,
            Err(wrong) => {
                self.leave(codes::W4101, Some(first), wrong);
                false
            }
        }
    }

    /// A string member from part `n`.
    fn string(&mut self, object: At, name: &'static str, given: &Given<'r>, n: usize) -> bool {
        let value = self.part(given, n);
        self.member(object, name, Primitive::String, value)
    }

    /// A string appended to a list member.
    fn push_string(&mut self, object: At, name: &'static str, value: Option<Datum<'r>>) -> bool {
        let Some(value) = value else { return false };
        let Some(text) = self.text(value) else { return false };
        match self.scalar(Primitive::String, text, Some(value)) {
            Ok(Some(node)) => {
                self.arena.push(object, name, node);
                true
            }
            Ok(None) | Err(_) => false,
        }
    }

    /// A code of ours that follows from a value of the message.
    fn implied(&mut self, object: At, name: &'static str, code: &'static str, from: Datum<'r>) {
        let node = self.arena.say(object, name, code);
        self.arena.came_from(node, from.range());
    }

    /// The start and end of a period from two values.
    pub(crate) fn period(&mut self, start: Option<Datum<'r>>, end: Option<Datum<'r>>) -> Made {
        let mark = self.arena.mark();
        let object = self.arena.object();
        let started = self.member(object, "start", Primitive::DateTime, start);
        let ended = self.member(object, "end", Primitive::DateTime, end);
        self.finish(mark, object, started || ended)
    }

    /// Says that there is no value, and why where the sender does.
    pub(crate) fn absent(&mut self, null: Option<Datum<'r>>) -> At {
        let flavor = null.and_then(|null| null.null_flavor());
        let absent = self.arena.object();
        let extension = self.arena.object();
        self.arena.say(extension, "url", ABSENT);
        let reason = self.arena.say(extension, "valueCode", cda::absence(flavor.as_deref()));
        if let Some(null) = null {
            self.arena.came_from(reason, null.range());
        }
        self.arena.push(absent, "extension", extension);
        absent
    }

    /// The object where something was put into it, else nothing.
    fn finish(&mut self, mark: At, object: At, made: bool) -> Made {
        if made {
            return Ok(Some(object));
        }
        self.arena.forget(mark);
        Ok(None)
    }
}

/// Text without control characters FHIR refuses and without spaces around it.
pub(crate) fn clean(text: Cow<'_, str>) -> Cow<'_, str> {
    // Plain text between visible characters, as nearly all of it is, stays as it stands.
    if let [first, .., last] | [first @ last] = text.as_bytes()
        && *first > b' '
        && *last > b' '
        && text.bytes().all(|b| matches!(b, b' '..=b'~'))
    {
        return text;
    }
    let bad = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.contains(bad) {
        let kept: String = text.chars().filter(|c| !bad(*c)).collect();
        return Cow::Owned(kept.trim().to_owned());
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// A conversion between types.
pub(crate) struct Conversion {
    /// Types of v2; `text` stands for a text the mapping makes.
    pub from: &'static [&'static str],
    /// Type of FHIR.
    pub to: &'static str,
    pub cast: Cast,
}

/// Simple types, whose value is one text.
pub(crate) const SIMPLE: &[&str] = &[
    "ST", "TX", "FT", "ID", "IS", "NM", "SI", "DT", "TM", "TS", "DTM", "GTS", "SNM", "varies",
    "text", "cda:ST", "cda:TS", "cda:CS", "cda:INT", "cda:REAL", "cda:BL",
];

/// Types that hold a code and its text.
pub(crate) const CODED: &[&str] = &["CE", "CWE", "CNE", "CF", "cda:CD"];

/// All conversions.
pub(crate) static CONVERSIONS: &[Conversion] = &[
    // Texts.
    Conversion { from: SIMPLE, to: "string", cast: scalar::string },
    Conversion { from: &["FN", "SAD"], to: "string", cast: scalar::first_part },
    Conversion { from: SIMPLE, to: "markdown", cast: scalar::markdown },
    Conversion { from: SIMPLE, to: "code", cast: scalar::code },
    Conversion { from: SIMPLE, to: "id", cast: scalar::id },
    Conversion { from: SIMPLE, to: "uri", cast: scalar::uri },
    Conversion { from: SIMPLE, to: "url", cast: scalar::uri },
    Conversion { from: SIMPLE, to: "canonical", cast: scalar::uri },
    Conversion { from: SIMPLE, to: "boolean", cast: scalar::boolean },
    Conversion { from: SIMPLE, to: "decimal", cast: scalar::decimal },
    Conversion { from: SIMPLE, to: "integer", cast: scalar::integer },
    Conversion { from: SIMPLE, to: "positiveInt", cast: scalar::positive },
    Conversion { from: SIMPLE, to: "unsignedInt", cast: scalar::unsigned },
    Conversion { from: SIMPLE, to: "base64Binary", cast: scalar::base64 },
    Conversion { from: TIMES, to: "date", cast: scalar::date },
    Conversion { from: TIMES, to: "dateTime", cast: scalar::date_time },
    Conversion { from: TIMES, to: "instant", cast: scalar::instant },
    Conversion { from: &["TM"], to: "time", cast: scalar::time },
    Conversion { from: &["TS", "DTM", "ST", "varies", "text"], to: "time", cast: scalar::any_time },
    Conversion { from: TIMES, to: "Period", cast: measure::period_of_time },
    Conversion { from: SIMPLE, to: "Annotation", cast: scalar::annotation },
    // Codes.
    Conversion { from: CODED, to: "CodeableConcept", cast: coded::concept },
    Conversion { from: CODED, to: "Coding", cast: coded::coding },
    Conversion { from: CODED, to: "code", cast: scalar::code },
    Conversion { from: CODED, to: "string", cast: coded::text },
    Conversion { from: CODED, to: "markdown", cast: coded::text },
    Conversion { from: CODED, to: "uri", cast: scalar::uri },
    Conversion { from: CODED, to: "boolean", cast: scalar::boolean },
    Conversion { from: CODED, to: "Annotation", cast: coded::annotation },
    Conversion { from: CODED, to: "Identifier", cast: identity::of_text },
    Conversion { from: CODED, to: "Reference", cast: coded::reference },
    Conversion { from: &["ID", "IS"], to: "CodeableConcept", cast: coded::concept_of_table },
    Conversion { from: &["ID", "IS"], to: "Coding", cast: coded::coding_of_table },
    Conversion {
        from: &["ST", "TX", "FT", "NM", "SI", "text"],
        to: "CodeableConcept",
        cast: coded::concept_of_text,
    },
    Conversion { from: &["varies"], to: "CodeableConcept", cast: coded::concept },
    Conversion { from: &["FC", "DLD", "SPS"], to: "code", cast: scalar::code },
    Conversion { from: &["FC", "DLD"], to: "CodeableConcept", cast: coded::concept_of_table },
    Conversion { from: &["FC", "DLD"], to: "string", cast: scalar::string },
    Conversion { from: &["SPS"], to: "CodeableConcept", cast: coded::concept_in_first },
    // Identities.
    Conversion { from: &["CX"], to: "Identifier", cast: identity::of_cx },
    Conversion { from: &["EI"], to: "Identifier", cast: identity::of_ei },
    Conversion { from: &["EIP"], to: "Identifier", cast: identity::of_eip },
    Conversion { from: &["XCN", "PPN", "CN"], to: "Identifier", cast: identity::of_xcn },
    Conversion { from: &["XON"], to: "Identifier", cast: identity::of_xon },
    Conversion { from: &["HD"], to: "Identifier", cast: identity::of_hd },
    Conversion { from: &["PL"], to: "Identifier", cast: identity::of_pl },
    Conversion {
        from: &["ST", "ID", "IS", "SI", "NM", "TX", "varies", "text", "DLN", "CK"],
        to: "Identifier",
        cast: identity::of_text,
    },
    Conversion { from: &["HD"], to: "uri", cast: identity::uri_of_hd },
    Conversion { from: &["HD"], to: "url", cast: identity::uri_of_hd },
    Conversion {
        from: &["HD", "EI", "CX", "XON", "DLN", "CK"],
        to: "string",
        cast: scalar::string,
    },
    Conversion { from: &["XCN", "PPN", "CN"], to: "Reference", cast: person::reference },
    Conversion { from: &["XPN", "PN"], to: "Reference", cast: person::reference_by_name },
    Conversion { from: &["XON"], to: "Reference", cast: identity::reference_of_xon },
    Conversion { from: &["HD"], to: "Reference", cast: identity::reference_of_hd },
    Conversion { from: &["PL"], to: "Reference", cast: identity::reference_of_pl },
    Conversion { from: &["EI", "EIP", "CX"], to: "Reference", cast: identity::reference },
    Conversion {
        from: &["ST", "TX", "IS", "ID", "text"],
        to: "Reference",
        cast: identity::reference_by_text,
    },
    Conversion { from: &["PL"], to: "string", cast: identity::text_of_pl },
    // People.
    Conversion { from: &["XPN", "PN"], to: "HumanName", cast: person::name },
    Conversion { from: &["XCN", "PPN", "CN"], to: "HumanName", cast: person::name_of_xcn },
    Conversion { from: &["ST", "TX", "text"], to: "HumanName", cast: person::name_of_text },
    Conversion { from: &["XPN", "PN"], to: "string", cast: person::text_of_name },
    Conversion { from: &["XCN", "PPN", "CN"], to: "string", cast: person::text_of_xcn },
    Conversion { from: &["XAD", "AD"], to: "Address", cast: person::address },
    Conversion { from: &["ST", "TX", "text"], to: "Address", cast: person::address_of_text },
    Conversion { from: &["XAD", "AD"], to: "string", cast: person::text_of_address },
    Conversion { from: &["XTN", "TN"], to: "ContactPoint", cast: person::contact },
    Conversion { from: &["ST", "TX", "text"], to: "ContactPoint", cast: person::contact },
    Conversion { from: &["XTN", "TN"], to: "string", cast: person::text_of_contact },
    // Measures.
    Conversion { from: &["NM", "ST", "varies", "text"], to: "Quantity", cast: measure::quantity },
    Conversion { from: &["SN"], to: "Quantity", cast: measure::quantity_of_sn },
    Conversion { from: &["SN"], to: "Range", cast: measure::range_of_sn },
    Conversion { from: &["SN"], to: "Ratio", cast: measure::ratio_of_sn },
    Conversion { from: &["SN"], to: "string", cast: measure::text_of_sn },
    Conversion { from: &["CQ"], to: "Quantity", cast: measure::quantity_of_cq },
    Conversion { from: &["CQ", "MO", "CP"], to: "decimal", cast: scalar::decimal },
    Conversion { from: &["CQ"], to: "string", cast: scalar::string },
    Conversion { from: &["DR"], to: "Period", cast: measure::period },
    Conversion { from: &["DR"], to: "dateTime", cast: scalar::date_time },
    Conversion { from: &["ED", "varies"], to: "Attachment", cast: measure::attachment },
    Conversion { from: &["RP"], to: "Attachment", cast: measure::attachment_by_reference },
    Conversion {
        from: &["ST", "TX", "FT", "text"],
        to: "Attachment",
        cast: measure::attachment_of_text,
    },
    // Documents.
    Conversion { from: &["cda:II"], to: "Identifier", cast: cda::identifier },
    Conversion { from: &["cda:II"], to: "Reference", cast: cda::reference_of_ii },
    Conversion { from: &["cda:II"], to: "string", cast: scalar::string },
    Conversion { from: &["cda:II"], to: "id", cast: scalar::id },
    Conversion { from: &["cda:II"], to: "uri", cast: cda::uri_of_ii },
    Conversion { from: &["cda:CS"], to: "CodeableConcept", cast: cda::concept },
    Conversion { from: &["cda:CS"], to: "Coding", cast: cda::coding },
    Conversion { from: &["cda:ST", "cda:ED"], to: "CodeableConcept", cast: cda::concept_of_text },
    Conversion { from: &["cda:ED", "cda:SD"], to: "string", cast: cda::string },
    Conversion { from: &["cda:ED", "cda:SD"], to: "markdown", cast: cda::markdown },
    Conversion { from: &["cda:ED", "cda:SD"], to: "Annotation", cast: cda::annotation },
    Conversion { from: &["cda:ST", "cda:ED"], to: "Reference", cast: cda::reference_by_text },
    Conversion { from: &["cda:ST"], to: "Identifier", cast: identity::of_text },
    Conversion { from: &["cda:ST", "cda:ED"], to: "Attachment", cast: cda::attachment },
    Conversion { from: &["cda:SD"], to: "Narrative", cast: cda::narrative },
    Conversion { from: &["cda:SD"], to: "xhtml", cast: cda::xhtml },
    Conversion { from: &["cda:EN"], to: "HumanName", cast: cda::name },
    Conversion { from: &["cda:EN"], to: "string", cast: cda::text_of_name },
    Conversion { from: &["cda:EN"], to: "CodeableConcept", cast: cda::concept_of_text },
    Conversion { from: &["cda:EN"], to: "Reference", cast: cda::reference_by_name },
    Conversion { from: &["cda:AD"], to: "Address", cast: cda::address },
    Conversion { from: &["cda:AD"], to: "string", cast: cda::text_of_name },
    Conversion { from: &["cda:TEL"], to: "ContactPoint", cast: cda::contact },
    Conversion { from: &["cda:TEL"], to: "string", cast: scalar::string },
    Conversion { from: &["cda:TEL"], to: "uri", cast: scalar::uri },
    Conversion { from: &["cda:TEL"], to: "url", cast: scalar::uri },
    Conversion { from: &["cda:IVL_TS"], to: "Period", cast: interval::period },
    Conversion { from: &["cda:IVL_TS"], to: "date", cast: cda::date },
    Conversion { from: &["cda:IVL_TS"], to: "dateTime", cast: cda::date_time },
    Conversion { from: &["cda:IVL_TS"], to: "instant", cast: cda::instant },
    Conversion { from: MEASURES, to: "Quantity", cast: interval::quantity },
    Conversion { from: MEASURES, to: "string", cast: interval::text_of_measure },
    Conversion { from: &["cda:PQ"], to: "decimal", cast: scalar::decimal },
    Conversion { from: &["cda:PQ", "cda:IVL_PQ"], to: "positiveInt", cast: scalar::positive },
    Conversion { from: &["cda:PQ", "cda:IVL_PQ"], to: "integer", cast: scalar::integer },
    Conversion { from: &["cda:IVL_PQ"], to: "Range", cast: interval::range },
    Conversion { from: &["cda:RTO"], to: "Ratio", cast: interval::ratio },
    Conversion { from: &["cda:RTO"], to: "string", cast: interval::text_of_measure },
];

/// Types of CDA that hold a number, or bounds of one.
const MEASURES: &[&str] = &["cda:PQ", "cda:IVL_PQ", "cda:INT", "cda:REAL"];

/// Types that hold a date or time, or a text that may be one.
const TIMES: &[&str] = &["TS", "DTM", "DT", "ST", "varies", "text", "cda:TS", "cda:ST"];

/// The conversion between two types.
pub(crate) fn conversion(from: &str, to: &str) -> Option<Cast> {
    // Quantities go by many names.
    let to = match to {
        "SimpleQuantity" | "Age" | "Duration" | "Count" | "Distance" | "MoneyQuantity" => {
            "Quantity"
        }
        other => other,
    };
    CONVERSIONS.iter().find(|c| c.to == to && c.from.contains(&from)).map(|c| c.cast)
}

/// The type an element with a choice takes from a v2 type without being told, most natural
/// first; several that are equally natural are none.
pub(crate) fn natural(from: &str) -> &'static [&'static str] {
    match from {
        "TS" | "DTM" => &["dateTime", "date", "instant"],
        "DT" => &["date", "dateTime"],
        "TM" => &["time"],
        "CE" | "CWE" | "CNE" | "CF" => &["CodeableConcept", "Coding"],
        "DR" => &["Period"],
        "CQ" => &["Quantity"],
        "ED" | "RP" => &["Attachment"],
        "XCN" | "XON" | "PL" => &["Reference"],
        "CX" | "EI" => &["Identifier", "Reference"],
        "FT" | "TX" => &["string", "markdown"],
        "cda:TS" => &["dateTime", "date", "instant"],
        "cda:IVL_TS" => &["Period", "dateTime", "date", "instant"],
        "cda:CD" => &["CodeableConcept", "Coding"],
        "cda:CS" => &["code", "CodeableConcept", "Coding"],
        "cda:II" => &["Identifier", "Reference"],
        "cda:EN" => &["HumanName", "string"],
        "cda:AD" => &["Address", "string"],
        "cda:TEL" => &["ContactPoint"],
        "cda:PQ" | "cda:REAL" => &["Quantity"],
        "cda:IVL_PQ" => &["Quantity", "Range"],
        "cda:INT" => &["integer", "positiveInt", "unsignedInt", "Quantity"],
        "cda:RTO" => &["Ratio"],
        "cda:BL" => &["boolean"],
        "cda:ST" => &["string", "markdown"],
        "cda:ED" => &["string", "markdown", "Attachment"],
        "cda:SD" => &["Narrative", "markdown", "string"],
        _ => &[],
    }
}

/// For `as OBX-2`: value types of table 0125 with the FHIR types tried in turn; and those of
/// CDA, for values that may have any.
///
/// The last resort of every type is its text, so that no result is lost to a wrong form.
pub(crate) const BY_TYPE: &[(&str, &[&str])] = &[
    ("NM", &["Quantity", "integer", "string"]),
    ("SN", &["Quantity", "Range", "Ratio", "string"]),
    ("ST", &["string"]),
    ("TX", &["string"]),
    ("FT", &["string"]),
    ("CE", &["CodeableConcept", "string"]),
    ("CWE", &["CodeableConcept", "string"]),
    ("CNE", &["CodeableConcept", "string"]),
    ("CF", &["CodeableConcept", "string"]),
    ("ID", &["string"]),
    ("IS", &["string"]),
    ("SI", &["integer", "string"]),
    ("DT", &["dateTime", "string"]),
    ("TS", &["dateTime", "string"]),
    ("DTM", &["dateTime", "string"]),
    ("TM", &["time", "string"]),
    ("DR", &["Period"]),
    ("CQ", &["Quantity", "string"]),
    ("CX", &["string"]),
    ("EI", &["string"]),
    ("HD", &["string"]),
    ("PN", &["string"]),
    ("XPN", &["string"]),
    ("CN", &["string"]),
    ("XCN", &["string"]),
    ("XON", &["string"]),
    ("AD", &["string"]),
    ("XAD", &["string"]),
    ("TN", &["string"]),
    ("XTN", &["string"]),
    ("ED", &["Attachment"]),
    ("RP", &["Attachment"]),
    ("cda:PQ", &["Quantity", "string"]),
    ("cda:IVL_PQ", &["Quantity", "Range", "string"]),
    ("cda:RTO", &["Ratio", "string"]),
    ("cda:INT", &["integer", "positiveInt", "unsignedInt", "Quantity", "string"]),
    ("cda:REAL", &["Quantity", "decimal", "string"]),
    ("cda:BL", &["boolean", "string"]),
    ("cda:CD", &["CodeableConcept", "Coding", "code", "string", "markdown", "Annotation"]),
    ("cda:CS", &["CodeableConcept", "Coding", "code", "string"]),
    ("cda:TS", &["dateTime", "date", "instant", "Period", "string"]),
    ("cda:IVL_TS", &["Period", "dateTime", "date"]),
    ("cda:ST", &["string", "markdown", "CodeableConcept", "Annotation"]),
    ("cda:ED", &["string", "markdown", "CodeableConcept", "Annotation", "Attachment"]),
    ("cda:EN", &["string", "HumanName"]),
    ("cda:II", &["Identifier", "string"]),
    ("cda:TEL", &["ContactPoint", "string", "uri"]),
    ("cda:AD", &["Address", "string"]),
];
