//! config.toml and the site laid over it.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use super::keys::*;
use super::plan::*;
use super::tree::Tree;
use super::watch;
use super::words::Commit;
use crate::base::ByteSize;
use crate::consent::{self, Policy};
use crate::fault::codes::{W1011, W1021, W1041, W1045};
use crate::fault::{Fault, Place, Problems};
use crate::fhir::Doc;
use crate::hl7v2::tables::Site;
use crate::ports::tls;
use crate::settings::{Document, Key, Spanned, Table, nearest};
use crate::store::StorePlan;

const DAY: Duration = Duration::from_secs(86_400);

/// config.toml with its site, and the channel files it names.
pub(super) struct Files {
    pub server: Document,
    pub site: Option<Document>,
    pub channels: Vec<String>,
    /// Names of channels the site file speaks of, which a channel was found for.
    used: RefCell<Vec<String>>,
}

impl Files {
    pub(super) fn open(tree: &Tree, site: Option<&str>, problems: &mut Problems) -> Option<Self> {
        let file = problems.take(tree.open("config.toml").map_err(|fault| {
            fault.remedy(
                "Run weir in a configuration directory, name one with `-C DIR`, or make \
                          one with `weir init`.",
            )
        }))?;
        let mut server = tree.document(file, problems);
        let asked = site.map(str::to_owned);
        let name = asked.clone().or_else(|| {
            let mut unread = Problems::new();
            server.root(&mut unread).table("weir")?.optional(&SITE).map(|s| s.to_string())
        });
        let site = name.and_then(|name| {
            if name.contains(['/', '\\']) || name.starts_with('.') {
                problems.error(Fault::new(W1011).because("a site is named like a file"));
                return None;
            }
            let path = format!("sites/{name}.toml");
            let file = match asked {
                Some(_) => problems.take(tree.open(&path))?,
                None => tree.read(&path)?,
            };
            let document = tree.document(file, problems);
            let mut part = document.part(&[])?;
            part.remove("channel");
            server.overlay(part);
            Some(document)
        });
        let mut files = Self { server, site, channels: Vec::new(), used: RefCell::new(Vec::new()) };
        files.channels = files.list(tree, problems);
        Some(files)
    }

    fn list(&self, tree: &Tree, problems: &mut Problems) -> Vec<String> {
        let mut root = self.server.root(problems);
        let Some(mut weir) = root.table("weir") else { return Vec::new() };
        let default = || Spanned::new("channels/*.toml".to_owned(), weir_span(&self.server));
        let patterns = match weir.value("channels").and_then(|value| value.items()) {
            // Wrong values are noted when the table is read as a whole.
            Some(items) => items
                .iter()
                .filter_map(|v| Some(Spanned::new(v.as_str()?.to_owned(), v.span())))
                .collect(),
            None => vec![default()],
        };
        let mut found: Vec<String> = Vec::new();
        for pattern in patterns {
            let place = weir.place(&pattern.span);
            let matches =
                weir.with_problems(|problems| tree.matches(&pattern.value, place, problems));
            for path in matches {
                if !found.contains(&path) {
                    found.push(path);
                }
            }
        }
        found
    }

    /// A channel's file with its template under it and the site over it.
    pub(super) fn channel(
        &self,
        tree: &Tree,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Document> {
        let file = problems.take(tree.open(path))?;
        let own = tree.document(file, problems);
        let (name, base) = super::channel::name_and_base(&own, tree, problems);
        let mut document = match base {
            Some(base) => own.upon(base),
            None => own,
        };
        let site = self.site.as_ref().and_then(|site| site.part(&["channel", &name]));
        if let Some(mut part) = site {
            // `[channel.NAME]` itself holds what the file's `[channel]` does.
            part.gather(super::channel_keys::TABLES, "channel");
            document.overlay(part);
            self.used.borrow_mut().push(name);
        }
        Some(document)
    }

    /// Notes what the site file says of channels that do not exist.
    pub(super) fn finish(&mut self, _: &Tree, channels: &[ChannelPlan], problems: &mut Problems) {
        let Some(site) = &self.site else { return };
        let mut root = site.root(problems);
        let used = self.used.borrow();
        for (name, table) in root.tables("channel") {
            if used.contains(&name.value) {
                continue;
            }
            let known = channels.iter().map(|channel| channel.name().as_str());
            let fault = Fault::new(W1045).because(format!("no channel is named `{}`", name.value));
            let fault = match nearest(&name.value, known) {
                Some(near) => fault.remedy(format!("did you mean `{near}`?")),
                None => fault,
            };
            table.with_problems(|problems| problems.error(fault.at(table.place(&name.span))));
        }
    }
}

fn weir_span(document: &Document) -> std::ops::Range<usize> {
    let mut unread = Problems::new();
    let mut root = document.root(&mut unread);
    root.table("weir").map_or(0..0, |table| table.span())
}

/// Reads config.toml with its site. What is wrong gets its default, so that reading can go
/// on; the plan is not used then.
pub(super) fn read(tree: &Tree, files: &Files, problems: &mut Problems) -> ServerPlan {
    let mut root = files.server.root(problems);
    let mut weir = root.required_table("weir");
    let site = weir.as_mut().and_then(|t| t.optional(&SITE));
    let data_dir = weir.as_mut().and_then(|t| t.optional(&DATA_DIR));
    let data_dir = data_dir.unwrap_or_else(|| tree.root().join("data"));
    let reload = weir.as_mut().map(|t| t.or(&RELOAD, ReloadMode::Signal)).unwrap_or_default();
    let mut hl7 = Site::NONE;
    if let Some(mut weir) = weir {
        let _ = weir.optional(&CHANNELS);
        hl7 = super::hl7::read(tree, &mut weir, &HL7);
        weir.finish();
    }
    let mut store = store(root.table("store"), &data_dir);
    let admin = admin(root.table("admin"), &data_dir);
    let metrics = root.table("metrics").and_then(|mut table| {
        let listen = table.required(&METRICS);
        table.finish();
        listen
    });
    let keys = keys(root.table("keys"));
    let consent = consent(tree, root.table("consent"));
    let audit_keep = with(root.table("audit"), 6 * 365 * DAY, |t, keep| t.or(&AUDIT_KEEP, keep));
    store.keep_audit = audit_keep;
    let privacy = privacy(root.table("privacy"));
    let log = log(root.table("log"));
    let telemetry = telemetry(root.table("telemetry"));
    let programs = watch::programs(&mut root);
    let notify = watch::notify(&mut root, &programs);
    let alerts = watch::alerts(&mut root, &notify);
    root.finish();
    let mut text = files.server.canonical(&[]);
    if let Some(parts) = hl7.parts() {
        text.push_str(&format!("{parts:?}\n"));
    }
    ServerPlan {
        site: site.unwrap_or_else(|| "weir".into()),
        data_dir,
        reload,
        store,
        admin,
        metrics,
        keys,
        consent,
        audit_keep,
        privacy,
        log,
        telemetry,
        programs,
        notify,
        alerts,
        hl7,
        text,
    }
}

/// Reads a value of a table that may be absent, and reports its unknown keys.
fn with<T>(table: Option<Table<'_>>, default: T, read: impl Fn(&mut Table<'_>, T) -> T) -> T {
    let Some(mut table) = table else { return default };
    let value = read(&mut table, default);
    table.finish();
    value
}

fn store(table: Option<Table<'_>>, data_dir: &std::path::Path) -> StorePlan {
    let default = StorePlan {
        index: crate::store::IndexHome::Directory,
        directory: data_dir.to_owned(),
        commit_each: false,
        segment_bytes: ByteSize(64 << 20),
        max_size: None,
        min_free: ByteSize(1 << 30),
        keep_delivered: 30 * DAY,
        keep_dead: 180 * DAY,
        keep_content: 7 * DAY,
        keep_audit: 6 * 365 * DAY,
    };
    with(table, default, |table, mut plan| {
        plan.commit_each = table.or(&COMMIT, Commit::Group) == Commit::Each;
        if let Some(size) = table.spanned(&SEGMENT_SIZE) {
            let limits = (1 << 20)..=(4 << 30);
            if limits.contains(&size.value.0) {
                plan.segment_bytes = size.value;
            } else {
                let fault = Fault::new(W1021).because("expected a size from 1 MiB to 4 GiB");
                table.error(fault, &size.span);
            }
        }
        plan.max_size = table.optional(&MAX_SIZE);
        plan.min_free = table.or(&MIN_FREE, plan.min_free);
        if let Some(mut keep) = table.table("keep") {
            plan.keep_delivered = keep.or(&KEEP_DELIVERED, plan.keep_delivered);
            plan.keep_dead = keep.or(&KEEP_DEAD, plan.keep_dead);
            plan.keep_content = keep.or(&KEEP_CONTENT, plan.keep_content);
            keep.finish();
        }
        plan
    })
}

/// The definitions of HL7 v2 alone, whatever else is wrong.
pub(super) fn definitions(tree: &Tree, files: &Files) -> Site {
    let mut unread = Problems::new();
    let mut root = files.server.root(&mut unread);
    let weir = root.table("weir");
    weir.map_or(Site::NONE, |mut weir| super::hl7::read(tree, &mut weir, &HL7))
}

/// The socket alone, whatever else is wrong.
pub(super) fn socket(tree: &Tree, files: &Files) -> std::path::PathBuf {
    let mut unread = Problems::new();
    let mut root = files.server.root(&mut unread);
    let data_dir = root.table("weir").and_then(|mut weir| weir.optional(&DATA_DIR));
    let data_dir = data_dir.unwrap_or_else(|| tree.root().join("data"));
    admin(root.table("admin"), &data_dir).socket
}

fn admin(table: Option<Table<'_>>, data_dir: &std::path::Path) -> AdminPlan {
    let default = AdminPlan {
        listen: None,
        tls: None,
        socket: data_dir.join("weir.sock"),
        auth: None,
        roles: Vec::new(),
    };
    with(table, default, |table, mut plan| {
        let listen = table.spanned(&LISTEN);
        plan.socket = table.or(&SOCKET, plan.socket.clone());
        plan.tls = tls::read_server(table);
        if let (Some(tls), Some(span)) = (&plan.tls, table.key_span("tls")) {
            super::channel::absent(table, &span, tls_paths(tls).collect());
        }
        plan.auth = table.table("auth").and_then(|mut auth| {
            let kind = auth.required(&AUTH_TYPE);
            let (issuer, client_id) = (auth.required(&ISSUER), auth.required(&CLIENT_ID));
            let secret = auth.optional(&SECRET);
            auth.finish();
            kind?;
            Some(AdminAuth { issuer: issuer?, client_id: client_id?, secret })
        });
        if let Some(mut roles) = table.table("roles") {
            let pairs = roles.pairs::<Role>("a role such as `\"operator\"`");
            plan.roles = pairs.into_iter().map(|(k, v)| (k.value.into(), v.value)).collect();
        }
        if let Some(listen) = listen {
            // In clear only where nobody else can listen in.
            if plan.tls.is_none() && !table.has("tls") && !listen.value.ip().is_loopback() {
                let fault = Fault::new(W1011)
                    .because("without `tls` only a loopback address can be used")
                    .remedy("Add `tls = { cert = .., key = .. }`, or listen on `127.0.0.1`.");
                table.error(fault, &listen.span);
            }
            plan.listen = Some(listen.value);
        }
        plan
    })
}

/// The files that TLS of a listener needs.
pub(super) fn tls_paths(plan: &tls::TlsServerPlan) -> impl Iterator<Item = &std::path::Path> {
    std::iter::once(&*plan.cert).chain(plan.client_ca.as_deref())
}

fn keys(table: Option<Table<'_>>) -> KeysPlan {
    with(table, KeysPlan { keyring: None, rotate: None }, |table, _| KeysPlan {
        keyring: table.optional(&KEYRING),
        rotate: table.optional(&ROTATE),
    })
}

/// Paths that the patterns of a key match, each with the place of its pattern.
pub(super) fn matching(tree: &Tree, table: &mut Table<'_>, key: &Key<Vec<String>>) -> Vec<String> {
    let _ = table.optional(key);
    let items = table.value(key.name).and_then(|value| value.items()).unwrap_or_default();
    let mut found = Vec::new();
    for item in items {
        let Some(pattern) = item.as_str() else { continue };
        let place = item.place();
        found.extend(table.with_problems(|problems| tree.matches(pattern, place, problems)));
    }
    found
}

fn consent(tree: &Tree, table: Option<Table<'_>>) -> ConsentPlan {
    with(table, ConsentPlan::default(), |table, mut plan| {
        for path in matching(tree, table, &POLICIES) {
            table.with_problems(|problems| policy(tree, &path, &mut plan, problems));
        }
        let files = matching(tree, table, &DIRECTIVES);
        for path in &files {
            table.with_problems(|problems| directive(tree, path, problems));
        }
        plan.directives = files.iter().map(|path| tree.root().join(path)).collect();
        plan
    })
}

/// Checks a Consent file: one that cannot be taken would leave its patient without a say.
fn directive(tree: &Tree, path: &str, problems: &mut Problems) {
    let Some(file) = problems.take(tree.open(path)) else { return };
    let text = bytes::Bytes::copy_from_slice(file.text.as_bytes());
    let checked = Doc::parse_json(text).and_then(|doc| consent::accept(&doc));
    problems.take(checked.map_err(|fault| fault.at(Place::file(path))));
}

fn policy(tree: &Tree, path: &str, plan: &mut ConsentPlan, problems: &mut Problems) {
    let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".toml");
    let broken = |plan: &mut ConsentPlan| plan.broken.push(stem.into());
    let Some(file) = problems.take(tree.open(path)) else { return broken(plan) };
    let text = file.text.clone();
    let document = tree.document(file, problems);
    let Some(policy) = Policy::read(&document, problems) else { return broken(plan) };
    let name: Arc<str> = policy.name().into();
    let new = PolicyPlan { policy: Arc::new(policy), file: path.into(), text };
    if let Some(old) = plan.policies.get(&name) {
        let fault = Fault::new(W1041).at(Place::file(path));
        problems.error(fault.because(format!("policy `{name}` is also in {}", old.file)));
    }
    plan.policies.insert(name, new);
}

fn privacy(table: Option<Table<'_>>) -> PrivacyPlan {
    let default = PrivacyPlan {
        reveal_for: Duration::from_secs(15 * 60),
        four_eyes: vec!["key-destroy".into(), "audit-prune".into()],
    };
    with(table, default, |table, plan| PrivacyPlan {
        reveal_for: table.or(&REVEAL_FOR, plan.reveal_for),
        four_eyes: table.or(&FOUR_EYES, plan.four_eyes),
    })
}

fn log(table: Option<Table<'_>>) -> LogPlan {
    let default = LogPlan { level: LogLevel::Info, format: LogFormat::Json, control_id: false };
    with(table, default, |table, plan| LogPlan {
        level: table.or(&LEVEL, plan.level),
        format: table.or(&FORMAT, plan.format),
        control_id: table.or(&CONTROL_ID, plan.control_id),
    })
}

fn telemetry(table: Option<Table<'_>>) -> TelemetryPlan {
    with(table, TelemetryPlan { otlp: None, sample: 0.05 }, |table, mut plan| {
        plan.otlp = table.optional(&OTLP);
        if let Some(sample) = table.spanned(&SAMPLE) {
            if (0.0..=1.0).contains(&sample.value) {
                plan.sample = sample.value;
            } else {
                let fault = Fault::new(W1021).because("expected a number from 0 to 1");
                table.error(fault, &sample.span);
            }
        }
        plan
    })
}

/// Says which name was not found, and the nearest there is.
pub(super) fn suggest<'n>(
    fault: Fault,
    name: &str,
    known: impl IntoIterator<Item = &'n str>,
) -> Fault {
    let fault = fault.because(format!("there is no `{name}`"));
    match nearest(name, known) {
        Some(near) => fault.remedy(format!("did you mean `{near}`?")),
        None => fault,
    }
}
