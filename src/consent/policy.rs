//! Policy files: `policies/*.toml`.
//!
//! ```toml
//! [policy]
//! name       = "hie-default"
//! combine    = "deny-overrides"
//! default    = "deny"
//! directives = "honored"
//!
//! [[rule]]
//! name      = "treatment within the exchange"
//! recipient = ["Organization/hie", "Organization/lab-*"]
//! purpose   = ["TREAT"]
//! then      = "permit"
//! ```

use std::fmt;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::code::Code;
use super::condition::{Coded, Conditions, OneOf, Recipient};
use super::facts::ABOUT_NO_PATIENT;
use super::lint;
use super::purpose::{Kinds, PURPOSES, is_purpose};
use super::redact;
use crate::fault::codes::{W3001, W3002, W3003, W3004};
use crate::fault::{Fault, Problems};
use crate::fhir::tables;
use crate::message::RuleRef;
use crate::settings::{Document, Key, KeyRow, Setting, Table, Value, Word, Wrong, nearest};

/// How rules and patients that say different things come to one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// Who denies wins; a patient only narrows what the facility permits.
    DenyOverrides,
    /// Who permits wins.
    PermitOverrides,
    /// What the patient says wins, a denial before a permit; else the facility.
    PatientFirst,
}

impl Word for Combine {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("deny-overrides", Self::DenyOverrides),
        ("permit-overrides", Self::PermitOverrides),
        ("patient-first", Self::PatientFirst),
    ];
}

/// What the consents of patients count for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directives {
    /// Nothing is sent without a patient's permit (opt-in): without, the answer is unknown.
    Required,
    /// What patients say counts, silence does not (opt-out).
    Honored,
    /// They are not asked, as where the law demands reporting.
    Ignored,
}

impl Word for Directives {
    const WORDS: &'static [(&'static str, Self)] =
        &[("required", Self::Required), ("honored", Self::Honored), ("ignored", Self::Ignored)];
}

/// Which of several consents of one patient speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaking {
    /// Every one that is active.
    All,
    /// Of those with the same scope, the one that was given last, by `Consent.dateTime`.
    Newest,
}

impl Word for Speaking {
    const WORDS: &'static [(&'static str, Self)] = &[("all", Self::All), ("newest", Self::Newest)];
}

/// What holds where no rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Default {
    Permit,
    Deny,
    Unknown,
}

impl Word for Default {
    const WORDS: &'static [(&'static str, Self)] =
        &[("permit", Self::Permit), ("deny", Self::Deny), ("unknown", Self::Unknown)];
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Permit,
    Deny,
    Redact,
}

impl Word for Then {
    const WORDS: &'static [(&'static str, Self)] =
        &[("permit", Self::Permit), ("deny", Self::Deny), ("redact", Self::Redact)];
}

/// A code of PurposeOfUse.
struct PurposeCode(Arc<str>);

impl Setting for PurposeCode {
    fn schema() -> Json {
        json!({ "type": "string", "enum": PURPOSES.iter().map(|p| p.code).collect::<Vec<_>>() })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        let code = value.as_str().ok_or_else(Wrong::kind)?;
        if is_purpose(code) {
            return Ok(Self(code.into()));
        }
        let wrong = Wrong::new(W3001, format!("`{code}` is not a code of PurposeOfUse"));
        Err(match nearest(code, PURPOSES.iter().map(|purpose| purpose.code)) {
            Some(near) => wrong.remedy(format!("did you mean `{near}`?")),
            None => wrong,
        })
    }
}

/// A resource type of R4.
struct ClassName(Arc<str>);

impl Setting for ClassName {
    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        let class = value.as_str().ok_or_else(Wrong::kind)?;
        if ABOUT_NO_PATIENT.contains(&class) {
            let cause = format!("`{class}` tells of no patient, so consent is not asked about it");
            return Err(Wrong::new(W3002, cause));
        }
        if tables::is_resource(class) {
            return Ok(Self(class.into()));
        }
        let wrong = Wrong::new(W3002, format!("`{class}` is not a resource type"));
        Err(match nearest(class, tables::resources()) {
            Some(near) => wrong.remedy(format!("did you mean `{near}`?")),
            None => wrong,
        })
    }
}

/// A path that can be redacted.
struct RedactPath(Arc<str>);

impl Setting for RedactPath {
    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        let path = value.as_str().ok_or_else(Wrong::kind)?;
        redact::check(path).map_err(|fault| {
            Wrong::new(fault.code(), fault.cause().unwrap_or_default().to_owned())
        })?;
        Ok(Self(path.into()))
    }
}

const NAME: Key<Arc<str>> =
    Key::new("name", "a name such as `hie-default`", "Name by which channels use the policy.")
        .required();
const ABOUT: Key<Arc<str>> = Key::new("about", "a text", "What the policy is for.");
const COMBINE: Key<Combine> = Key::new(
    "combine",
    "`deny-overrides`, `permit-overrides` or `patient-first`",
    "Who wins where rules and patients say different things.",
)
.default("\"deny-overrides\"");
const DEFAULT: Key<Default> =
    Key::new("default", "`permit`, `deny` or `unknown`", "Answer where no rule applies.")
        .default("\"unknown\"");
const DIRECTIVES: Key<Directives> = Key::new(
    "directives",
    "`required`, `honored` or `ignored`",
    "Whether a patient must have permitted, may have denied, or is not asked.",
)
.default("\"honored\"");
const CONSENTS: Key<Speaking> = Key::new(
    "consents",
    "`all` or `newest`",
    "Which consents of a patient count: all that are active, or of each scope the newest.",
)
.default("\"all\"");
const RULE_NAME: Key<Arc<str>> = Key::new("name", "a text", "What the rule is for.");
const RECIPIENT: Key<Vec<Arc<str>>> = Key::new(
    "recipient",
    "a list such as `[\"Organization/hie\", \"Organization/lab-*\"]`",
    "Recipients the rule is for; `*` stands for any letters.",
);
const PURPOSE: Key<Vec<PurposeCode>> = Key::new(
    "purpose",
    "a list such as `[\"TREAT\"]`",
    "Purposes of use the rule is for, their kinds included.",
);
const CLASS: Key<Vec<ClassName>> =
    Key::new("class", "a list such as `[\"Observation\"]`", "Resource types the rule is for.");
const LABEL: Key<Vec<Arc<str>>> = Key::new(
    "label",
    "a list such as `[\"R\"]`",
    "Security labels the rule is for, as a code or `system|code`.",
);
const THEN: Key<Then> =
    Key::new("then", "`permit`, `deny` or `redact`", "What the rule does.").required();
const PATHS: Key<Vec<RedactPath>> = Key::new(
    "paths",
    "a list such as `[\"PID-19\", \"Patient.address\"]`",
    "What `then = \"redact\"` leaves out.",
);

/// Keys of `[policy]`.
pub const POLICY_KEYS: &[KeyRow] =
    &[NAME.row(), ABOUT.row(), COMBINE.row(), DEFAULT.row(), DIRECTIVES.row(), CONSENTS.row()];

/// Keys of `[[rule]]`.
pub const RULE_KEYS: &[KeyRow] = &[
    RULE_NAME.row(),
    RECIPIENT.row(),
    PURPOSE.row(),
    CLASS.row(),
    LABEL.row(),
    THEN.row(),
    PATHS.row(),
    DIRECTIVES.row(),
];

/// One rule of a policy.
#[derive(Debug)]
pub(super) struct Rule {
    pub rule: RuleRef,
    pub conditions: Conditions,
    pub then: Then,
    pub paths: Vec<Arc<str>>,
    /// None: as the policy says.
    pub directives: Option<Directives>,
    /// Where it stands, for lint.
    span: std::ops::Range<usize>,
}

pub(super) struct Inner {
    name: Arc<str>,
    about: Option<Arc<str>>,
    pub combine: Combine,
    pub default: Default,
    pub default_rule: RuleRef,
    pub directives: Directives,
    pub consents: Speaking,
    pub rules: Vec<Rule>,
}

/// A policy file, checked. Cheap to clone.
#[derive(Clone)]
pub struct Policy(pub(super) Arc<Inner>);

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy({}@{})", self.0.name, self.0.default_rule.version)
    }
}

/// Length of the digest in rules, in hex digits: enough to tell the versions of a file.
const DIGEST_DIGITS: usize = 12;

fn digest(text: &str) -> Arc<str> {
    let hash = Sha256::digest(text.as_bytes());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.chars().take(DIGEST_DIGITS).collect::<String>().into()
}

/// A list as a condition; an empty one is noted, since it fits nothing.
fn list<S: Setting, T>(
    table: &mut Table<'_>,
    key: &Key<Vec<S>>,
    make: impl Fn(S) -> T,
) -> Option<OneOf<T>> {
    let found = table.spanned(key)?;
    if found.value.is_empty() {
        let cause = format!("the list `{}` is empty, so it fits nothing", key.name);
        table.error(Fault::new(W3003).because(cause), &found.span);
    }
    Some(OneOf { of: found.value.into_iter().map(make).collect(), unclear: false })
}

impl Rule {
    fn read(mut table: Table<'_>, policy: &str, version: &Arc<str>) -> Option<Self> {
        let span = table.span();
        let line = table.place(&span).line;
        let _ = table.optional(&RULE_NAME);
        let conditions = Conditions {
            recipients: list(&mut table, &RECIPIENT, |text| Recipient::pattern(&text)),
            purposes: list(&mut table, &PURPOSE, |code| Kinds::of(&code.0)),
            classes: list(&mut table, &CLASS, |class| Coded::new(&class.0)),
            labels: list(&mut table, &LABEL, |label| Code::parse(&label)),
            ..Conditions::default()
        };
        let then = table.required(&THEN);
        let paths = table.spanned(&PATHS);
        let named = table.has("paths");
        match (then, named) {
            (Some(Then::Redact), false) => {
                table.error(Fault::new(W3004).because("this rule redacts nothing"), &span);
            }
            (Some(Then::Permit | Then::Deny), true) => {
                let here = table.key_span("paths").unwrap_or_else(|| span.clone());
                let fault = Fault::new(W3004).because("this rule does not redact");
                table.error(fault, &here);
            }
            _ => {}
        }
        if let Some(none) = paths.as_ref().filter(|paths| paths.value.is_empty()) {
            let fault = Fault::new(W3004).because("this rule redacts nothing");
            table.error(fault, &none.span);
        }
        let directives = table.optional(&DIRECTIVES);
        table.finish();
        let name = format!("{policy}:{line}");
        Some(Self {
            rule: RuleRef { name: name.into(), version: version.clone() },
            conditions,
            then: then?,
            paths: paths.map(|p| p.value).into_iter().flatten().map(|path| path.0).collect(),
            directives,
            span,
        })
    }

    /// Where it stands.
    pub(super) fn span(&self) -> &std::ops::Range<usize> {
        &self.span
    }
}

impl Policy {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is for, in the words of who wrote it.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.0.about.as_deref()
    }

    /// Digest of the file it was read from, as rules carry it.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.default_rule.version
    }

    /// Reads and lints a policy file; none when it has no name or a rule cannot be read.
    ///
    /// Notes `W3001` unknown purposes, `W3002` unknown classes, `W3003` rules that can never
    /// decide, `W3004` paths that do not fit, `W3005` a policy that binds nothing, `W3006`
    /// paths that cannot be redacted, and what `settings` finds.
    pub fn read(file: &Document, problems: &mut Problems) -> Option<Self> {
        let version = digest(&file.file().text);
        let mut root = file.root(problems);
        let mut table = root.required_table("policy");
        let head = table.as_mut().map(|table| {
            let place = table.key_span("default").unwrap_or_else(|| table.span());
            let line = table.place(&place).line;
            let name = table.required(&NAME);
            let about = table.optional(&ABOUT);
            let combine = table.or(&COMBINE, Combine::DenyOverrides);
            let default = table.or(&DEFAULT, Default::Unknown);
            let directives = table.or(&DIRECTIVES, Directives::Honored);
            let consents = table.or(&CONSENTS, Speaking::All);
            (name, about, combine, default, (directives, consents), line, table.span())
        });
        if let Some(table) = table {
            table.finish();
        }
        let known = head.as_ref().and_then(|(name, ..)| name.clone()).unwrap_or_default();
        let tables = root.array("rule");
        let count = tables.len();
        let rules: Vec<Rule> =
            tables.into_iter().filter_map(|table| Rule::read(table, &known, &version)).collect();
        let (name, about, combine, default, directives, line, span) = match head {
            Some(head) => head,
            None => {
                root.finish();
                return None;
            }
        };
        let default_rule = RuleRef { name: format!("{known}:{line}").into(), version };
        let (directives, consents) = directives;
        let name = name?;
        let inner =
            Inner { name, about, combine, default, default_rule, directives, consents, rules };
        if inner.rules.len() == count {
            lint::check(&inner, &mut root, &span);
        }
        let whole = inner.rules.len() == count;
        root.finish();
        whole.then(|| Self(Arc::new(inner)))
    }

    /// Rules that none of these recipients with their purposes reaches: `W3003` each with
    /// the bytes of its file where it stands, for a check of all channels that use the
    /// policy.
    #[must_use]
    pub fn unreached(&self, asked: &[(&str, &str)]) -> Vec<(std::ops::Range<usize>, Fault)> {
        lint::unreached(&self.0, asked)
    }
}
