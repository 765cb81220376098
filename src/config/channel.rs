//! One channel file to its plan.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::channel_keys::*;
use super::plan::*;
use super::revision::Digest;
use super::server::suggest;
use super::tree::Tree;
use super::words::{Hours, condition, doubt, path};
use super::{cases, destination};
use crate::base::ChannelName;
use crate::channel::{Accept, AckMode, ChannelRules, ConsentRules, OnDeny, OnUnknown};
use crate::fault::codes::{
    W1010, W1011, W1043, W1046, W1047, W1048, W1049, W1050, W1054, W1059, W1067,
};
use crate::fault::{Fault, FilePlace, Problems};
use crate::mapping::{Mapping, ValuePath};
use crate::message::{ContentKind, Revision};
use crate::seal::{How, Keyring, SealRule};
use crate::settings::{Document, SecretRef, Spanned, Table};
use crate::source::{self, BulkPlan, SourceKind, SourcePlan, SubscriptionPlan};

/// Name of the channel in a file (else of the file), and its template, parsed.
pub(super) fn name_and_base(
    document: &Document,
    tree: &Tree,
    problems: &mut Problems,
) -> (String, Option<Document>) {
    let mut unread = Problems::new();
    let mut root = document.root(&mut unread);
    let mut channel = root.table("channel");
    let name = channel.as_mut().and_then(|t| t.optional(&NAME)).map(|name| name.to_string());
    let name = name.unwrap_or_else(|| stem(&document.file().path));
    let base = channel.as_mut().and_then(|t| t.spanned(&EXTENDS)).and_then(|path| {
        let Some(file) = tree.read(&path.value) else {
            problems.error(Fault::new(W1043).at(document.place(&path.span)));
            return None;
        };
        Some(tree.document(file, problems))
    });
    (name, base)
}

fn stem(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".toml").unwrap_or(name).to_owned()
}

/// A mapping that was loaded, and what it was made of.
#[derive(Clone)]
pub(super) struct Loaded {
    pub mapping: Arc<Mapping>,
    pub output: ContentKind,
    /// Path and text of every file of it.
    pub text: Arc<str>,
}

/// What a channel or destination says about mapping.
#[derive(Clone)]
pub(super) enum Mapped {
    /// Nothing is mapped.
    Not,
    /// By this.
    By(Loaded),
    /// By something that is wrong, as was noted where it is: what leaves is not known, so
    /// nothing more is said about it.
    Broken,
}

impl Mapped {
    /// The mapping, where there is a good one.
    pub(super) fn loaded(self) -> Option<Loaded> {
        match self {
            Self::By(loaded) => Some(loaded),
            Self::Not | Self::Broken => None,
        }
    }

    /// The form that leaves, when this comes in; none when it is not known.
    pub(super) fn output(&self, input: Option<ContentKind>) -> Option<ContentKind> {
        match self {
            Self::Not => input,
            Self::By(loaded) => Some(loaded.output),
            Self::Broken => None,
        }
    }
}

impl From<Option<Loaded>> for Mapped {
    fn from(loaded: Option<Loaded>) -> Self {
        loaded.map_or(Self::Broken, Self::By)
    }
}

/// An `[[encrypt]]` rule before its destination is known.
pub(super) struct Protect {
    pub at: Spanned<Arc<str>>,
    pub how: How,
    pub key: Arc<str>,
    pub hl7: bool,
    pub place: FilePlace,
}

/// Makes the plans of channels; loads each mapping once.
pub(super) struct Maker<'t> {
    pub tree: &'t Tree,
    pub server: &'t ServerPlan,
    mappings: BTreeMap<Arc<str>, Option<Loaded>>,
    /// The keyring, once it was looked for.
    keyring: Option<Option<Keyring>>,
}

/// What a channel says about messages as a whole, for its destinations.
pub(super) struct About {
    /// The form in which they come; none when the source is wrong.
    pub input: Option<ContentKind>,
    pub map: Mapped,
    pub gated: bool,
    pub protect: Vec<Protect>,
}

impl<'t> Maker<'t> {
    pub(super) fn new(tree: &'t Tree, server: &'t ServerPlan) -> Self {
        Self { tree, server, mappings: BTreeMap::new(), keyring: None }
    }

    /// Reads a channel; none when something of it is wrong.
    pub(super) fn channel(
        &mut self,
        document: &Document,
        problems: &mut Problems,
    ) -> Option<ChannelPlan> {
        let mut digest = Digest::default();
        digest.add(&document.canonical(&["test"]));
        let mut root = document.root(problems);
        let head = head(&mut root, document);
        let source_place = root.key_span("source").map(|span| root.place(&span));
        let source = root.required_table("source").and_then(source::read);
        if let (Some(source), Some(span)) = (&source, root.key_span("source")) {
            absent(&mut root, &span, source_paths(source));
        }
        let filter = root.table("filter").and_then(|mut table| {
            let _ = (!table.has("when")).then(|| table.required(&WHEN));
            let filter = condition(&mut table, &WHEN);
            table.finish();
            filter
        });
        let validate = super::validate::read(self.tree, self.server, &mut root);
        digest.add(validate.as_ref().map_or("", |found| &found.text));
        not_yet(&mut root, "deidentify", "de-identification by a profile");
        let consent = self.consent(&mut root);
        let map = self.map(&mut root, &mut digest);
        let kind = source.as_ref().map(input);
        let responses = super::answer::read(self, &mut root, kind, &mut digest);
        let input = source.as_ref().map(input);
        if let Some(input @ (ContentKind::Hl7 | ContentKind::Cda)) = input {
            let order_by = head.as_ref().and_then(|head| head.order_by.as_ref());
            let patient = consent.as_ref().and_then(|consent| consent.rules.patient.as_ref());
            of_form(&mut root, input, "[channel] order_by", order_by);
            of_form(&mut root, input, "[consent] patient", patient);
        }
        let protect = self.protect(&mut root);
        let gated = is_gated(&mut root);
        let about = About { input, map, gated, protect };
        let queue = queue(root.table("queue"));
        let destinations = destination::read_all(self, &mut root, &about, &mut digest);
        destination::unused_rules(&mut root, &about, &destinations);
        let in_order = head.as_ref().is_none_or(|head| head.order_by.is_some());
        destination::lonely(&mut root, &destinations, in_order);
        if let Some(source) = &source {
            super::answering::check(&mut root, source, &destinations);
        }
        let names: Vec<_> = destinations.iter().map(|d| d.plan.name.clone()).collect();
        if destinations.is_empty() && root.tables("destination").is_empty() {
            let fault = Fault::new(W1054);
            root.error(fault, &(0..0));
        }
        let tests = cases::read(self.tree, &mut root, &names);
        root.finish();
        let (source, consent, head) = (source?, consent?, head?);
        digest.add(&consent.text);
        let rules = ChannelRules {
            name: head.name,
            revision: Revision("".into()),
            site: self.server.site.clone(),
            input: input?,
            accept: Accept(source.common.accept.clone()),
            tolerance: source.common.tolerance,
            charset: source.common.charset.set(),
            encoding: source.common.encoding,
            filter,
            validate: validate.map(|found| found.rules),
            consent: consent.rules,
            destinations: destinations
                .iter()
                .filter(|d| d.plan.enabled)
                .map(|d| d.rules.clone())
                .collect(),
            order_by: head.order_by,
            index: head.index,
            ack_mode: ack_mode(&source),
            responses,
        };
        digest.add(&self.server.site);
        Some(ChannelPlan {
            rules,
            about: head.about,
            owner: head.owner,
            tags: head.tags,
            enabled: head.enabled,
            expect: head.expect,
            source,
            queue,
            ungated: consent.why,
            destinations: destinations.into_iter().map(|d| d.plan).collect(),
            tests,
            file: document.file().path.clone(),
            source_place: source_place?,
            digest: digest.finish(),
        })
    }

    fn map(&mut self, root: &mut Table<'_>, digest: &mut Digest) -> Mapped {
        let Some(mut table) = root.table("map") else {
            return if root.has("map") { Mapped::Broken } else { Mapped::Not };
        };
        let file = table.required_spanned(&USE);
        let loaded = file.and_then(|file| self.mapping(&mut table, &file));
        table.finish();
        digest.add(loaded.as_ref().map_or("", |loaded| &loaded.text));
        loaded.into()
    }

    /// Loads a mapping; its problems are noted once, however many channels use it.
    pub(super) fn mapping(
        &mut self,
        table: &mut Table<'_>,
        file: &Spanned<Arc<str>>,
    ) -> Option<Loaded> {
        if let Some(known) = self.mappings.get(&file.value) {
            return known.clone();
        }
        let Some(source) = self.tree.read(&file.value) else {
            table.error(Fault::new(W1043).because("no such mapping"), &file.span);
            return None;
        };
        self.tree.begin();
        let loaded = table.with_problems(|problems| {
            let mapping = Mapping::load(source.clone(), self.tree, problems)?;
            let mut text = format!("{}\n{}", source.path, source.text);
            for used in self.tree.asked() {
                text.push_str(&format!("\n{}\n{}", used.path, used.text));
            }
            if let Some(parts) = crate::mapping::Library::site(self.tree).parts() {
                text.push_str(&format!("\n{parts:?}"));
            }
            let output = super::schemas::output_of(&source, self.tree);
            Some(Loaded { mapping: Arc::new(mapping), output, text: text.into() })
        });
        self.mappings.insert(file.value.clone(), loaded.clone());
        loaded
    }

    fn consent(&self, root: &mut Table<'_>) -> Option<Consent> {
        let mut table = root.required_table("consent")?;
        let name = table.required_spanned(&POLICY);
        let why = table.optional(&WHY);
        let patient = path(&mut table, &PATIENT);
        let on_deny = table.or(&ON_DENY, OnDeny::Record);
        let on_unknown = table.or(&ON_UNKNOWN, OnUnknown::Deny);
        let mut text = String::new();
        let mut policy = None;
        let mut good = name.is_some();
        if let Some(name) = &name {
            if &*name.value == "none" {
                if why.as_ref().is_none_or(|why| why.trim().is_empty()) {
                    table.error(Fault::new(W1049), &name.span);
                    good = false;
                }
            } else if let Some(found) = self.server.consent.policies.get(&name.value) {
                policy = Some(found.policy.clone());
                text = format!("{} {}", found.file, found.text);
            } else if self.server.consent.broken.contains(&name.value) {
                good = false;
            } else {
                let known = self.server.consent.policies.keys().map(|name| &**name);
                table.error(suggest(Fault::new(W1046), &name.value, known), &name.span);
                good = false;
            }
            if &*name.value != "none" && !table.has("patient") {
                let fault = Fault::new(W1010)
                    .because("[consent] needs `patient`, a path such as `PID-3.1`")
                    .remedy("Add `patient = ..`: where the patient's identifier stands.");
                let span = table.span();
                table.error(fault, &span);
            }
        }
        table.finish();
        let rules = ConsentRules { policy, patient, on_deny, on_unknown };
        good.then_some(Consent { rules, why, text })
    }

    fn protect(&mut self, root: &mut Table<'_>) -> Vec<Protect> {
        let mut rules = Vec::new();
        for mut table in root.array("encrypt") {
            let at = table.required_spanned(&AT);
            let how = table.required(&AS);
            let key = table.spanned(&KEY);
            let mut good = true;
            if how.is_some_and(|how| how != How::Drop) && !table.has("key") {
                let fault = Fault::new(W1010)
                    .because("[[encrypt]] needs `key`, the name of a key in the keyring");
                let span = table.span();
                table.error(fault.remedy("Add `key = ..`, or use `as = \"drop\"`."), &span);
                good = false;
            }
            if let Some(key) = &key {
                good &= self.check_key(&mut table, key);
            }
            if let Some(at) = &at {
                doubt(&mut table, at);
            }
            // A path only tells the form; what it protects is checked per destination.
            let hl7 = at.as_ref().map(|at| SealRule::is_hl7(&at.value));
            let place = at.as_ref().map(|at| table.place(&at.span));
            table.finish();
            if let (true, Some(at), Some(how), Some(hl7), Some(place)) = (good, at, how, hl7, place)
            {
                let key = key.map_or_else(|| "".into(), |key| key.value);
                rules.push(Protect { at, how, key, hl7, place });
            }
        }
        rules
    }

    /// Whether a key is in the keyring, or may be because it cannot be read now.
    fn check_key(&mut self, table: &mut Table<'_>, key: &Spanned<Arc<str>>) -> bool {
        if self.keyring.is_none() {
            self.keyring = Some(self.load_keyring(table));
        }
        if let Some(Some(keyring)) = &self.keyring
            && !keyring.has(&key.value)
        {
            let cause = format!("there is no `{}` in it", key.value);
            table.error(Fault::new(W1047).because(cause), &key.span);
            return false;
        }
        self.server.keys.keyring.is_some()
    }

    /// The keyring, where it can be read now; else a warning.
    fn load_keyring(&self, table: &mut Table<'_>) -> Option<Keyring> {
        let Some(reference) = &self.server.keys.keyring else {
            let fault = Fault::new(W1047).because("config.toml names no keyring").remedy(
                "Add `[keys]` with `keyring = \"file:..\"` or `\"cred:..\"` to config.toml.",
            );
            let span = table.span();
            table.error(fault, &span);
            return None;
        };
        let bytes = match crate::ports::secrets::resolve(reference) {
            Ok(bytes) => bytes,
            Err(fault) => {
                let cause = match reference {
                    SecretRef::Exec(_) => "a check runs no programs",
                    _ => fault.cause().unwrap_or("it cannot be read"),
                };
                let warning = Fault::new(W1048).because(format!("`{reference}`: {cause}"));
                table.with_problems(|problems| problems.warning(warning));
                return None;
            }
        };
        // One that is there but wrong is an error: `run` could not use it either.
        let keyring = Keyring::parse(&bytes);
        table.with_problems(|problems| problems.take(keyring))
    }
}

/// Whether a channel names a policy, known or not.
fn is_gated(root: &mut Table<'_>) -> bool {
    let Some(value) = root.value("consent") else { return false };
    let policy = value.into_table().and_then(|mut table| table.value("policy"));
    policy.is_some_and(|policy| policy.as_str().is_some_and(|name| name != "none"))
}

struct Consent {
    rules: ConsentRules,
    why: Option<Arc<str>>,
    text: String,
}

struct Head {
    name: ChannelName,
    about: Option<Arc<str>>,
    owner: Option<Arc<str>>,
    tags: Vec<Arc<str>>,
    enabled: bool,
    order_by: Option<ValuePath>,
    expect: Option<Expect>,
    index: Vec<(Arc<str>, ValuePath)>,
}

fn head(root: &mut Table<'_>, document: &Document) -> Option<Head> {
    let stem = stem(&document.file().path);
    let table = root.table("channel");
    let Some(mut table) = table else {
        let name = ChannelName::parse(&stem).ok()?;
        let (about, owner, order_by, expect) = (None, None, None, None);
        let (tags, index) = (Vec::new(), Vec::new());
        return Some(Head { name, about, owner, tags, enabled: true, order_by, expect, index });
    };
    let name = if table.has("name") {
        table.optional(&NAME)
    } else {
        table.ask("name");
        let name = ChannelName::parse(&stem);
        if let Err(error) = &name {
            let span = table.span();
            let fault =
                Fault::new(W1011).because(format!("the file's name is no channel: {error}"));
            table.error(fault.remedy("Rename the file, or add `name = ..`."), &span);
        }
        name.ok()
    };
    let about = table.optional(&ABOUT);
    let owner = table.optional(&OWNER);
    let tags = table.or(&TAGS, Vec::new());
    let enabled = table.or(&ENABLED, true);
    let order_by = path(&mut table, &ORDER_BY);
    let _ = table.optional(&EXTENDS);
    let expect = table.table("expect").and_then(|mut expect| {
        let every = expect.required(&EVERY);
        let between = expect.optional(&BETWEEN).map(|Hours(from, to)| (from, to));
        expect.finish();
        Some(Expect { every: every?, between })
    });
    let index = table.table("index").map(index).unwrap_or_default();
    table.finish();
    Some(Head { name: name?, about, owner, tags, enabled, order_by, expect, index })
}

/// `index = { visit = "PV1-19" }`.
fn index(mut table: Table<'_>) -> Vec<(Arc<str>, ValuePath)> {
    /// Names that mean something in every filter.
    const TAKEN: &[&str] = &[
        "channel", "dest", "state", "type", "code", "since", "until", "tag", "id", "control",
        "patient",
    ];
    let mut index = Vec::new();
    for (name, text) in table.pairs::<Arc<str>>("a path such as `PV1-19`") {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        if !name.value.bytes().all(plain) || name.value.is_empty() {
            let cause = "the name of a search key has a-z, 0-9, `-` and `_`";
            table.error(Fault::new(W1011).because(cause), &name.span);
        } else if TAKEN.contains(&name.value.as_str()) {
            let cause = format!("`{}:` means something else in every filter", name.value);
            table.error(Fault::new(W1011).because(cause), &name.span);
        }
        match ValuePath::parse(&text.value) {
            Ok(path) => index.push((name.value.into(), path)),
            Err(fault) => table.error(fault, &text.span),
        }
    }
    index
}

fn queue(table: Option<Table<'_>>) -> QueuePlan {
    let Some(mut table) = table else { return QueuePlan::default() };
    let plan = QueuePlan {
        max_messages: table.optional(&MAX_MESSAGES),
        max_age: table.optional(&MAX_AGE),
        on_full: table.or(&ON_FULL, OnFull::Slow),
    };
    table.finish();
    plan
}

/// Refuses a table of the specification that nothing runs yet.
fn not_yet(root: &mut Table<'_>, name: &str, what: &str) {
    let Some(mut table) = root.table(name) else { return };
    let _ = table.entries();
    let span = table.span();
    table.error(Fault::new(W1050).because(format!("this version has no {what}")), &span);
}

/// Warns of files and directories that this machine does not have.
pub(super) fn absent(table: &mut Table<'_>, span: &Range<usize>, paths: Vec<&Path>) {
    for path in paths.into_iter().filter(|path| !path.exists()) {
        let cause = format!("there is no {}", path.display());
        table.warning(Fault::new(W1059).because(cause), span);
    }
}

fn source_paths(source: &SourcePlan) -> Vec<&Path> {
    let tls = source.common.tls.iter();
    let mut paths: Vec<&Path> = tls.flat_map(super::server::tls_paths).collect();
    match &source.kind {
        SourceKind::File(plan) => paths.push(&plan.dir),
        SourceKind::Fhir(_) => {}
        SourceKind::FhirBulk(BulkPlan { server, .. })
        | SourceKind::FhirSubscription(SubscriptionPlan { server, .. }) => {
            let files = server.tls.iter().flat_map(|tls| [&tls.ca, &tls.cert]);
            paths.extend(files.filter_map(Option::as_deref));
        }
        SourceKind::Mllp(plan) => {
            let tls = plan.app_ack.iter().filter_map(|to| to.tls.as_ref());
            let files = tls.flat_map(|tls| [&tls.ca, &tls.cert]);
            paths.extend(files.filter_map(Option::as_deref));
        }
    }
    paths
}

/// Refuses a path that never finds anything in what the channel takes.
fn of_form(root: &mut Table<'_>, input: ContentKind, key: &str, path: Option<&ValuePath>) {
    let cda = input == ContentKind::Cda;
    let fits = |path: &ValuePath| if cda { path.is_cda() } else { path.is_hl7() };
    if let Some(path) = path.filter(|path| !fits(path)) {
        let form = if cda { "documents of CDA: one begins with `/`" } else { "HL7 v2" };
        let cause = format!("`{}` of {key} is no path of {form}", path.source());
        let span = root.key_span(key.trim_start_matches('[').split(']').next().unwrap_or(key));
        root.error(Fault::new(W1067).because(cause), &span.unwrap_or(0..0));
    }
}

/// The form in which a source gives messages.
fn input(source: &SourcePlan) -> ContentKind {
    match &source.kind {
        SourceKind::Mllp(_) => ContentKind::Hl7,
        SourceKind::Fhir(_) | SourceKind::FhirBulk(_) | SourceKind::FhirSubscription(_) => {
            ContentKind::FhirJson
        }
        SourceKind::File(plan) if plan.split == source::Split::Ndjson => ContentKind::FhirJson,
        SourceKind::File(plan) if plan.split == source::Split::Cda => ContentKind::Cda,
        SourceKind::File(_) => ContentKind::Hl7,
    }
}

fn ack_mode(source: &SourcePlan) -> AckMode {
    match &source.kind {
        SourceKind::Mllp(plan) => plan.ack_mode,
        SourceKind::File(_)
        | SourceKind::Fhir(_)
        | SourceKind::FhirBulk(_)
        | SourceKind::FhirSubscription(_) => AckMode::Auto,
    }
}
