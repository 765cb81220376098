//! `[validate]` of a channel and the profiles in `hl7/profiles/*.toml`: the same keys in both.

use std::ops::Range;
use std::sync::Arc;

use super::plan::ServerPlan;
use super::server::{self, suggest};
use super::tree::Tree;
use super::words::{condition, parsed};
use crate::channel::{FhirRules, OnFail, SiteRule, ValidateRules};
use crate::fault::codes::{W1011, W1013, W1043};
use crate::fault::{Code, Fault, Place, Problems, Severity};
use crate::fhir;
use crate::fhir::validate::Knowledge;
use crate::hl7v2::Path;
use crate::hl7v2::check::{Checker, Grade, KINDS, Level, Order, Profile};
use crate::settings::{Document, Key, KeyRow, Setting, Shape, Table};

const PROFILE: Key<Arc<str>> = Key::new(
    "profile",
    "a path such as `hl7/profiles/lab.toml`, `\"standard\"`, `\"strict\"`, `\"us-core-patient\"` or a URL",
    "What counts as error, warning or note; `strict` makes errors of warnings. For FHIR, the \
     profile that every resource of its type has to fit: its URL, a name of US Core, or `us-core` \
     for all of its profiles that are the only ones of their type; `|7.0.0` names a version.",
)
.default("`standard`");
const DEFINITIONS: Key<Vec<String>> = Key::new(
    "definitions",
    "a list of paths such as `[\"fhir/*.json\"]`",
    "Files with FHIR profiles, value sets and questionnaires to check by: a resource, a Bundle, \
     or one on each line.",
);
const ON_FAIL: Key<OnFail> = Key::new(
    "on_fail",
    "`\"nak\"`, `\"hold\"` or `\"record\"`",
    "Whether a message with an error is refused, held for a person, or sent all the same.",
)
.default("`nak`");
const HL7: Key<Arc<str>> = Key::new(
    "hl7",
    "a version such as `2.5.1`",
    "The version to check by, instead of that of MSH-12.",
);
const STRICT: Key<bool> =
    Key::new("strict", "`true` or `false`", "Whether warnings are errors.").default("`false`");

const NAME: Key<Arc<str>> = Key::new("name", "a name", "What the profile or rule is called.");
const VERSION: Key<Arc<str>> =
    Key::new("version", "a text such as `3`", "Version of the profile, kept with each message.");
const ABOUT: Key<Arc<str>> = Key::new("about", "a sentence", "What the profile is for.");

const MUST: Key<Arc<str>> =
    Key::new("must", "a condition such as `PID-3 valued`", "What has to hold.").required();
const WHEN: Key<Arc<str>> =
    Key::new("when", "a condition", "For which messages the rule counts.").default("all");
const AT: Key<Arc<str>> =
    Key::new("at", "a path such as `PID-3`", "Where the finding stands, for the answer.");
const MESSAGE: Key<Arc<str>> =
    Key::new("message", "a sentence", "What is wrong where it does not hold.").required();
const SEVERITY: Key<Grade> = Key::new(
    "severity",
    "`\"error\"`, `\"warning\"`, `\"note\"` or `\"ignore\"`",
    "How much it counts.",
)
.default("`error`");
const FIRST: Key<Arc<str>> =
    Key::new("first", "a path such as `PV1-44`", "The time that comes first.").required();
const THEN: Key<Arc<str>> =
    Key::new("then", "a path such as `PV1-45`", "The time that comes then.").required();

const GRADES: Shape = Shape::Map(<Grade as Setting>::schema);
const LEVELS: KeyRow = KeyRow::of(
    "levels",
    "How much each level counts: syntax, structure, type, vocabulary, relation, temporal.",
    GRADES,
);
const CODES: KeyRow =
    KeyRow::of("codes", "How much each code counts, such as `W2105 = \"ignore\"`.", GRADES);
const PATHS: KeyRow = KeyRow::of(
    "paths",
    "How much a place and all below it counts, such as `\"PID-13\" = \"ignore\"` or \
     `\"Patient.photo\" = \"warning\"`.",
    GRADES,
);
const RULE: KeyRow = KeyRow::of(
    "rule",
    "A rule of the site.",
    Shape::List(&[NAME.row(), MUST.row(), WHEN.row(), AT.row(), MESSAGE.row(), SEVERITY.row()]),
);
const ORDER: KeyRow = KeyRow::of(
    "order",
    "Two times of which one is not after the other.",
    Shape::List(&[FIRST.row(), THEN.row(), MESSAGE.row(), SEVERITY.row()]),
);

/// The keys of `[validate]`.
pub(super) const KEYS: &[KeyRow] = &[
    PROFILE.row(),
    DEFINITIONS.row(),
    ON_FAIL.row(),
    HL7.row(),
    STRICT.row(),
    LEVELS,
    CODES,
    PATHS,
    RULE,
    ORDER,
];

/// The keys of a profile.
pub(super) const FILE_KEYS: &[KeyRow] = &[
    KeyRow::of(
        "profile",
        "The profile as a whole.",
        Shape::Table(&[NAME.row(), VERSION.row(), ABOUT.row(), HL7.row(), STRICT.row()]),
    ),
    LEVELS,
    CODES,
    PATHS,
    RULE,
    ORDER,
];

/// `[validate]`, and the text of its profile.
pub(super) struct Found {
    pub rules: ValidateRules,
    pub text: String,
}

/// Reads `[validate]`; none where the channel has none or its profile is not there.
pub(super) fn read(tree: &Tree, server: &ServerPlan, root: &mut Table<'_>) -> Option<Found> {
    let mut table = root.table("validate")?;
    let mut profile = Profile::default();
    let mut site = Site::default();
    let mut text = String::new();
    let named = table.spanned(&PROFILE);
    let mut knowledge = definitions(tree, &mut table, &mut text);
    match named.as_ref().map(|named| &*named.value) {
        None | Some("standard") => {}
        Some("strict") => {
            profile.name = "strict".into();
            profile.is_strict = true;
        }
        Some(name) if is_fhir(name) => {
            if let Err(fault) = knowledge.ask(name) {
                let span = named.as_ref().map_or_else(|| table.span(), |n| n.span.clone());
                table.error(fault, &span);
            }
            profile.name = name.to_owned();
        }
        Some(path) => match tree.read(path) {
            Some(file) => {
                text.push_str(path);
                text.push('\n');
                text.push_str(&file.text);
                table.with_problems(|problems| {
                    load(&tree.document(file, problems), problems, &mut profile, &mut site);
                });
            }
            None => {
                let fault = Fault::new(W1043).because("no such profile");
                table.error(fault, &named.map_or_else(|| table.span(), |named| named.span));
            }
        },
    }
    let on_fail = table.or(&ON_FAIL, OnFail::Nak);
    about(&mut table, &mut profile);
    body(&mut table, &mut profile, &mut site);
    table.finish();
    let fhir = FhirRules {
        knowledge: Arc::new(knowledge),
        name: profile.name.as_str().into(),
        codes: profile.codes.clone(),
        paths: site.paths,
        is_strict: profile.is_strict,
    };
    let checker = Checker::new(server.hl7.clone(), profile);
    Some(Found { rules: ValidateRules { checker, rules: site.rules.into(), on_fail, fhir }, text })
}

/// Whether a profile is one of FHIR, and not a file of grades.
fn is_fhir(name: &str) -> bool {
    let plain = name.split('|').next().unwrap_or(name);
    plain == "us-core"
        || plain.contains("://")
        || (plain.starts_with("us-core-") && !plain.contains('.'))
}

/// What the files of definitions hold; their texts are told to `text`.
fn definitions(tree: &Tree, table: &mut Table<'_>, text: &mut String) -> Knowledge {
    let mut knowledge = Knowledge::default();
    for path in server::matching(tree, table, &DEFINITIONS) {
        table.with_problems(|problems| {
            let Some(file) = problems.take(tree.open(&path)) else { return };
            let bytes = bytes::Bytes::copy_from_slice(file.text.as_bytes());
            let added = knowledge.add_file(bytes);
            problems.take(added.map_err(|fault| fault.at(Place::file(path.as_str()))));
            text.push_str(&path);
            text.push('\n');
            text.push_str(&file.text);
        });
    }
    knowledge
}

fn load(document: &Document, problems: &mut Problems, profile: &mut Profile, site: &mut Site) {
    let mut root = document.root(problems);
    let path = &document.file().path;
    let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".toml");
    profile.name = stem.to_owned();
    if let Some(mut table) = root.table("profile") {
        if let Some(name) = table.optional(&NAME) {
            profile.name = name.to_string();
        }
        profile.version = table.optional(&VERSION).map(|v| v.to_string()).unwrap_or_default();
        let _ = table.optional(&ABOUT);
        about(&mut table, profile);
        table.finish();
    }
    body(&mut root, profile, site);
    root.finish();
}

fn about(table: &mut Table<'_>, profile: &mut Profile) {
    if let Some(version) = table.spanned(&HL7) {
        let (found, is_exact) = crate::hl7v2::tables::version(&version.value);
        if !is_exact {
            let cause =
                format!("there are no tables of this version; the nearest is {}", found.name);
            table.error(Fault::new(W1011).because(cause), &version.span);
        }
        profile.hl7 = Some(version.value.to_string());
    }
    profile.is_strict |= table.or(&STRICT, false);
}

fn body(table: &mut Table<'_>, profile: &mut Profile, site: &mut Site) {
    // What the channel says stands before what its profile says.
    let levels = grades(table, LEVELS.name, &|name| {
        let level = Level::ALL.into_iter().find(|level| level.name() == name);
        level.ok_or_else(|| suggest(Fault::new(W1011), name, Level::ALL.map(Level::name)))
    });
    profile.levels.splice(..0, levels);
    let codes = grades(table, CODES.name, &|name| {
        let codes = || KINDS.iter().map(|(code, ..)| *code).chain(fhir::validate::finding_codes());
        let known = codes().find(|code: &Code| code.as_str() == name);
        let all = codes().map(|code| code.as_str());
        known.ok_or_else(|| suggest(Fault::new(W1013), name, all))
    });
    profile.codes.splice(..0, codes);
    for (place, grade) in grades(table, PATHS.name, &place) {
        match place {
            Spot::Hl7(path) => profile.paths.push((path, grade)),
            Spot::Fhir(path) => site.paths.push((path, grade)),
        }
    }
    for mut rule in table.array(RULE.name) {
        site.rules.extend(site_rule(&mut rule));
        rule.finish();
    }
    for mut order in table.array(ORDER.name) {
        let (first, then) = (moment(&mut order, &FIRST), moment(&mut order, &THEN));
        let message = order.required(&MESSAGE);
        let severity = severity(&mut order);
        order.finish();
        if let (Some(first), Some(then), Some(message), Some(severity)) =
            (first, then, message, severity)
        {
            let (message, severity) = (phrase(&message), Some(severity));
            profile.orders.push(Order { first, then, message, severity });
        }
    }
}

/// What a site says beside grades of HL7 v2.
#[derive(Default)]
struct Site {
    rules: Vec<SiteRule>,
    /// Grades of paths of FHIR.
    paths: Vec<(Arc<str>, Grade)>,
}

/// A place of either standard.
enum Spot {
    Hl7(Path),
    Fhir(Arc<str>),
}

/// Reads a place: one of FHIR begins with a type of resource and has no indexes.
fn place(name: &str) -> Result<Spot, Fault> {
    let ty = name.split('.').next().unwrap_or(name);
    if !fhir::tables::is_resource(ty) {
        return Path::parse(name).map(Spot::Hl7);
    }
    if name.contains('.') && fhir::tables::walk(name).is_none() {
        let cause = "R4 has no such element; choices are named with their type, `valueQuantity`";
        return Err(Fault::new(W1011).because(cause));
    }
    Ok(Spot::Fhir(name.into()))
}

/// A table of names and how much each counts.
fn grades<K>(
    table: &mut Table<'_>,
    name: &str,
    parse: &dyn Fn(&str) -> Result<K, Fault>,
) -> Vec<(K, Grade)> {
    let Some(mut inner) = table.table(name) else { return Vec::new() };
    let mut found = Vec::new();
    for (key, grade) in inner.pairs::<Grade>("`error`, `warning`, `note` or `ignore`") {
        match parse(&key.value) {
            Ok(known) => found.push((known, grade.value)),
            Err(fault) => inner.error(fault, &key.span),
        }
    }
    found
}

fn site_rule(table: &mut Table<'_>) -> Option<SiteRule> {
    let name = table.optional(&NAME);
    let must = table.has("must").then(|| condition(table, &MUST));
    if must.is_none() {
        let _ = table.required(&MUST);
    }
    let when = table.has("when").then(|| condition(table, &WHEN));
    let at = parsed(table, &AT, Path::parse).map(|found| found.value);
    let message = table.required(&MESSAGE);
    let severity = severity(table);
    let when = match when {
        Some(found) => Some(found?.condition),
        None => None,
    };
    Some(SiteRule {
        name: name.unwrap_or_default(),
        when,
        must: must??.condition,
        at,
        message: phrase(&message?).into(),
        severity: severity?,
    })
}

/// None where the rule is ignored.
fn severity(table: &mut Table<'_>) -> Option<Severity> {
    match table.or(&SEVERITY, Grade::Count(Severity::Error)) {
        Grade::Count(severity) => Some(severity),
        Grade::Ignore => None,
    }
}

/// A path to a field that holds a time.
fn moment(table: &mut Table<'_>, key: &Key<Arc<str>>) -> Option<Path> {
    let _ = (!table.has(key.name)).then(|| table.required(key));
    let found = parsed(table, key, Path::parse)?;
    if found.value.field().is_none() {
        let span: Range<usize> = found.span;
        table.error(Fault::new(W1011).because("the path names no field"), &span);
        return None;
    }
    Some(found.value)
}

/// A sentence as part of another: without its period.
fn phrase(sentence: &str) -> String {
    sentence.trim().trim_end_matches('.').to_owned()
}
