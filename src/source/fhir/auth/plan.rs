//! What `auth`, `rate` and `failures` of a source say.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::base::Rate;
use crate::fault::{
    Fault,
    codes::{W1010, W1011, W1013, W1021, W2362, W2363},
};
use crate::fhir::smart::{Scope, Scopes};
use crate::ports::http::Url;
use crate::ports::tls::{self, TlsClientPlan};
use crate::settings::{
    Key, KeyRow, KindRow, SecretRef, Setting, Shape, Spanned, Table, Value, Wrong, nearest,
};

/// Who may call, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardPlan {
    /// How callers show who they are.
    pub auth: Auth,
    /// Most calls of one client in a time; `None`: no limit.
    pub rate: Option<Rate>,
    /// Most calls of one client at once, within `rate`.
    pub burst: u32,
    /// Most failed logins of one address in a time; `None`: no limit.
    pub failures: Option<Rate>,
}

impl Default for GuardPlan {
    fn default() -> Self {
        Self { auth: Auth::None, rate: None, burst: 1, failures: Some(FAILURES_DEFAULT) }
    }
}

impl GuardPlan {
    /// Whether a caller may turn out to be a client of this name.
    #[must_use]
    pub fn may_be(&self, name: &str) -> bool {
        match &self.auth {
            // Nobody shows a name.
            Auth::None => false,
            Auth::ApiKey(clients) | Auth::Basic(clients) => {
                clients.iter().any(|client| &*client.name == name)
            }
            Auth::Mtls(subjects) => subjects.iter().any(|subject| &*subject.name == name),
            // The issuer knows its clients.
            Auth::Oauth2(_) => true,
        }
    }
}

/// How callers show who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Not at all, or by a client certificate that TLS asks for.
    None,
    /// A key in `X-API-Key` or `Authorization: Bearer`.
    ApiKey(Vec<ClientPlan>),
    /// Name and password.
    Basic(Vec<ClientPlan>),
    /// The subject of the client certificate.
    Mtls(Vec<SubjectPlan>),
    /// Bearer tokens of an authorization server.
    Oauth2(IssuerPlan),
}

/// A client that shares a secret with weir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPlan {
    /// Its name in audit and logs, and the user name of `basic`.
    pub name: Arc<str>,
    /// Its keys or passwords: more than one while they are changed.
    pub secrets: Vec<SecretRef>,
    /// What it may do.
    pub scopes: Scopes,
}

/// A client known by its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectPlan {
    /// Its name in audit and logs.
    pub name: Arc<str>,
    /// Subject as weir shows it: `CN=lab, O=Hospital`.
    pub subject: Arc<str>,
    /// What it may do.
    pub scopes: Scopes,
}

/// An authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerPlan {
    /// Its name in `iss`, as tokens write it.
    pub issuer: Arc<str>,
    /// Names of this endpoint in `aud`; one of them must be there.
    pub audience: Vec<Arc<str>>,
    /// Where its keys are; `None`: where its `.well-known/openid-configuration` says.
    pub jwks: Option<Url>,
    /// How far the clocks of the two machines may differ.
    pub skew: Duration,
    /// Own roots for fetching the keys.
    pub tls: Option<TlsClientPlan>,
}

/// Ten mistakes in a minute are a person's; a program that tries keys needs millions.
const FAILURES_DEFAULT: Rate = Rate { count: 10, per: Duration::from_secs(60) };

/// Clocks that are set by NTP differ by less; one that is not is soon off by more.
const SKEW_DEFAULT: Duration = Duration::from_secs(60);

/// More would keep tokens alive that their issuer has ended.
const SKEW_MAX: Duration = Duration::from_secs(300);

/// Most clients of one source; each is compared with on every call.
const CLIENTS_MAX: usize = 1000;

const TYPE: Key<Arc<str>> = Key::new(
    "type",
    "`none`, `api-key`, `basic`, `mtls` or `oauth2`",
    "How callers show who they are.",
);
const KEYS: Key<Vec<SecretRef>> = Key::new(
    "keys",
    "a list of references such as `cred:lab-key`",
    "Keys of the client; more than one while they are changed.",
);
const PASSWORD: Key<SecretRef> =
    Key::new("password", "a reference such as `cred:lab-password`", "Password of the client.");
const SUBJECT: Key<Arc<str>> = Key::new(
    "subject",
    "a subject such as `CN=lab, O=Hospital`",
    "Subject of the client's certificate, as weir shows it.",
);
const SCOPES: Key<Vec<Scope>> = Key::new(
    "scopes",
    "a list of SMART scopes such as `system/Observation.cu`",
    "What the client may do.",
)
.default("[\"system/*.cruds\"]");
const ISSUER: Key<Arc<str>> = Key::new(
    "issuer",
    "a URL such as `https://auth.example/realms/hospital`",
    "Authorization server, as its tokens name it in `iss`.",
);
const AUDIENCE: Key<Vec<Arc<str>>> = Key::new(
    "audience",
    "a list of names such as `https://weir.example/fhir`",
    "Names of this endpoint in `aud` of a token, one of which must be there.",
);
const JWKS: Key<Arc<str>> =
    Key::new("jwks", "a URL such as `https://auth.example/keys`", "Where the issuer's keys are.")
        .default("as the issuer's `.well-known/openid-configuration` says");
const SKEW: Key<Duration> = Key::new(
    "skew",
    "a duration such as `60s`, at most `5m`",
    "How far the issuer's clock and ours may differ.",
)
.default("60s");
const RATE: Key<Rate> = Key::new(
    "rate",
    "a rate such as `100/s`",
    "Most calls of one client in a time; further ones are answered 429.",
)
.default("no limit");
const BURST: Key<u32> =
    Key::new("burst", "a whole number from 1", "Most calls of one client at once, within `rate`.")
        .default("the count of `rate`");
const FAILURES: Key<Failures> = Key::new(
    "failures",
    "a rate such as `10/m`, or `none`",
    "Most failed logins of one address in a time; then nothing from it is looked at for a while.",
)
.default("10/m");

const API_KEY_CLIENT: &[KeyRow] = &[KEYS.required().row(), SCOPES.row()];
const BASIC_CLIENT: &[KeyRow] = &[PASSWORD.required().row(), SCOPES.row()];
const MTLS_CLIENT: &[KeyRow] = &[SUBJECT.required().row(), SCOPES.row()];
const CLIENT_ABOUT: &str = "A client; NAME is its name in audit and logs.";

/// Every way for callers to show who they are.
const KINDS: &[KindRow] = &[
    KindRow {
        name: "none",
        about: "Not at all; a client certificate that TLS asks for names the client.",
        keys: &[],
    },
    KindRow {
        name: "api-key",
        about: "A key in `X-API-Key` or `Authorization: Bearer`.",
        keys: &[KeyRow::of("client", CLIENT_ABOUT, Shape::Named(API_KEY_CLIENT)).required()],
    },
    KindRow {
        name: "basic",
        about: "Name and password; NAME of the client is the user name.",
        keys: &[KeyRow::of("client", CLIENT_ABOUT, Shape::Named(BASIC_CLIENT)).required()],
    },
    KindRow {
        name: "mtls",
        about: "The subject of the client certificate; `client_ca` in `tls` asks for one.",
        keys: &[KeyRow::of("client", CLIENT_ABOUT, Shape::Named(MTLS_CLIENT)).required()],
    },
    KindRow {
        name: "oauth2",
        about: "Bearer tokens (JWT by RS256, RS384, ES256 or ES384) with SMART scopes.",
        keys: &[
            ISSUER.required().row(),
            AUDIENCE.required().row(),
            JWKS.row(),
            SKEW.row(),
            KeyRow::of(
                "tls",
                "Roots and client certificate for fetching keys; the roots of the machine without.",
                Shape::Table(tls::CLIENT_KEYS),
            ),
        ],
    },
];

/// Row of `auth`.
pub const AUTH_ROW: KeyRow =
    KeyRow::of("auth", "Who may call. Without it, anyone.", Shape::Kinds(&[], KINDS));

/// Row of `rate`.
pub const RATE_ROW: KeyRow = RATE.row();

/// Row of `burst`.
pub const BURST_ROW: KeyRow = BURST.row();

/// Row of `failures`.
pub const FAILURES_ROW: KeyRow = FAILURES.row();

/// `failures`: a rate, or none.
#[derive(Clone, Copy)]
struct Failures(Option<Rate>);

impl Setting for Failures {
    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^([1-9][0-9]*/(s|m|h)|none)$" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        if value.as_str() == Some("none") {
            return Ok(Self(None));
        }
        Rate::read(value).map(|rate| Self(Some(rate)))
    }
}

impl Setting for Scope {
    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^(system|user)/(\\*|[A-Za-z]+)\\.[a-z*]+$" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        let text = value.as_str().ok_or_else(Wrong::kind)?;
        let scope = Self::parse(text).filter(|_| !text.starts_with("patient/"));
        scope.ok_or_else(|| {
            Wrong::new(W1011, "a scope looks like `system/Patient.rs` or `system/*.cruds`")
        })
    }
}

/// What stands around `auth` in the settings of its source.
#[derive(Clone, Copy, Debug)]
pub struct Around {
    /// The address listened on.
    pub listen: Option<SocketAddr>,
    /// Whether the listener has TLS.
    pub tls: bool,
    /// Whether TLS asks for client certificates.
    pub client_ca: bool,
}

/// Reads `auth`, `rate`, `burst` and `failures`. Warns where nobody is asked who they are, or
/// where secrets travel in clear, on an address that others reach.
pub fn read(table: &mut Table<'_>, around: Around) -> Option<GuardPlan> {
    let rate = table.optional(&RATE);
    let burst = match (table.spanned(&BURST), rate) {
        (Some(burst), None) => {
            let fault = Fault::new(W1011).because("nothing is limited without `rate`");
            table.error(fault, &burst.span);
            1
        }
        (Some(burst), _) if burst.value == 0 => {
            table.error(Fault::new(W1021).because("expected at least 1"), &burst.span);
            1
        }
        (Some(burst), _) => burst.value,
        (None, rate) => rate.map_or(1, |rate| rate.count),
    };
    let failures = table.or(&FAILURES, Failures(Some(FAILURES_DEFAULT))).0;
    let span = table.key_span("auth").unwrap_or_else(|| table.span());
    let auth = read_auth(table)?;
    if let (Auth::Mtls(_), false) = (&auth, around.client_ca) {
        let cause = "`mtls` needs `client_ca` in `tls` of the source";
        table.error(Fault::new(W1010).because(cause), &span);
    }
    let reached = around.listen.is_some_and(|address| !address.ip().is_loopback());
    match &auth {
        Auth::None if reached && !around.client_ca => table.warning(Fault::new(W2362), &span),
        Auth::ApiKey(_) | Auth::Basic(_) | Auth::Oauth2(_) if reached && !around.tls => {
            table.warning(Fault::new(W2363), &span);
        }
        _ => {}
    }
    Some(GuardPlan { auth, rate, burst, failures })
}

fn read_auth(table: &mut Table<'_>) -> Option<Auth> {
    let Some(mut auth) = table.table("auth") else {
        return (!table.has("auth")).then_some(Auth::None);
    };
    let kind = auth.required_spanned(&TYPE)?;
    let read = match &*kind.value {
        "none" => Some(Auth::None),
        "api-key" => {
            let keys = |table: &mut Table<'_>| table.required(&KEYS);
            secret_clients(&mut auth, keys).map(Auth::ApiKey)
        }
        "basic" => {
            let password = |table: &mut Table<'_>| Some(vec![table.required(&PASSWORD)?]);
            secret_clients(&mut auth, password).map(Auth::Basic)
        }
        "mtls" => subjects(&mut auth).map(Auth::Mtls),
        "oauth2" => issuer(&mut auth).map(Auth::Oauth2),
        other => {
            let names = || KINDS.iter().map(|kind| kind.name);
            let known = names().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
            let fault = Fault::new(W1013).because(format!("known here: {known}"));
            let fault = match nearest(other, names()) {
                Some(near) => fault.remedy(format!("did you mean `{near}`?")),
                None => fault,
            };
            auth.error(fault, &kind.span);
            return None;
        }
    };
    auth.finish();
    read
}

/// The tables of clients, at least one and not too many.
fn clients<'d>(auth: &mut Table<'d>) -> Vec<(Spanned<String>, Table<'d>)> {
    let clients = auth.tables("client");
    let cause = match clients.len() {
        0 if auth.has("client") => return clients,
        0 => "nobody may call: a client is a table `[source.auth.client.NAME]`",
        1..=CLIENTS_MAX => return clients,
        _ => "more than 1000 clients",
    };
    auth.error(Fault::new(W1010).because(cause), &auth.span());
    clients
}

fn secret_clients(
    auth: &mut Table<'_>,
    secrets: impl Fn(&mut Table<'_>) -> Option<Vec<SecretRef>>,
) -> Option<Vec<ClientPlan>> {
    let mut whole = true;
    let mut plans = Vec::new();
    for (name, mut table) in clients(auth) {
        let found = secrets(&mut table).filter(|secrets| !secrets.is_empty());
        let scopes = scopes(&mut table);
        table.finish();
        if !is_name(&name.value) {
            auth.error(Fault::new(W1011).because(NAME_RULE), &name.span);
        }
        whole &= found.is_some();
        let name = name.value.as_str().into();
        plans.extend(found.map(|secrets| ClientPlan { name, secrets, scopes }));
    }
    (whole && !plans.is_empty()).then_some(plans)
}

fn subjects(auth: &mut Table<'_>) -> Option<Vec<SubjectPlan>> {
    let mut whole = true;
    let mut plans = Vec::new();
    for (name, mut table) in clients(auth) {
        let subject = table.required(&SUBJECT);
        let scopes = scopes(&mut table);
        table.finish();
        if !is_name(&name.value) {
            auth.error(Fault::new(W1011).because(NAME_RULE), &name.span);
        }
        whole &= subject.is_some();
        let name = name.value.as_str().into();
        plans.extend(subject.map(|subject| SubjectPlan { name, subject, scopes }));
    }
    (whole && !plans.is_empty()).then_some(plans)
}

fn scopes(table: &mut Table<'_>) -> Scopes {
    table.optional(&SCOPES).map_or_else(Scopes::all, |scopes| scopes.into_iter().collect())
}

const NAME_RULE: &str =
    "a name of a client has 1 to 64 letters, digits, `-`, `_`, `.` and `@`, and no `:`";

/// Stands in logs and, for `basic`, before a colon.
fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.@".contains(&b);
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

fn issuer(auth: &mut Table<'_>) -> Option<IssuerPlan> {
    let issuer = auth.required_spanned(&ISSUER);
    let audience = auth.required_spanned(&AUDIENCE);
    let jwks = auth.spanned(&JWKS);
    let skew = auth.spanned(&SKEW);
    let tls = tls::read_client(auth);
    if let Some(skew) = skew.as_ref().filter(|skew| skew.value > SKEW_MAX) {
        auth.error(Fault::new(W1021).because("expected at most `5m`"), &skew.span);
    }
    if let Some(audience) = audience.as_ref().filter(|audience| audience.value.is_empty()) {
        let cause = "without an audience a token for any other system would open this one";
        auth.error(Fault::new(W1021).because(cause), &audience.span);
    }
    let issuer = issuer.filter(|issuer| address(auth, issuer).is_some())?;
    let jwks = match jwks {
        None => None,
        Some(jwks) => Some(address(auth, &jwks)?),
    };
    Some(IssuerPlan {
        issuer: issuer.value,
        audience: audience?.value,
        jwks,
        skew: skew.map_or(SKEW_DEFAULT, |skew| skew.value),
        tls,
    })
}

/// An address that keys may be fetched from: nobody on the way can put theirs in place.
fn address(table: &mut Table<'_>, written: &Spanned<Arc<str>>) -> Option<Url> {
    let url = Url::parse(&written.value).and_then(|url| match may_fetch(&url) {
        true => Ok(url),
        false => Err(Fault::new(W1021).because("keys are fetched over `https`")),
    });
    url.map_err(|fault| table.error(fault, &written.span)).ok()
}

/// Whether keys may be fetched from there: over TLS, or from this machine.
pub(super) fn may_fetch(url: &Url) -> bool {
    let host = url.host.trim_matches(['[', ']']);
    let own = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    url.https || own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Problems;
    use crate::settings::{Document, SourceFile};

    fn read_text(text: &str, around: Around) -> (Option<GuardPlan>, Vec<String>) {
        let mut problems = Problems::new();
        let document = Document::parse(SourceFile::new("test.toml", text), &mut problems);
        let mut table = document.root(&mut problems);
        let plan = read(&mut table, around);
        table.finish();
        let told = problems.iter().map(|problem| {
            let line = problem.fault.place().file.as_ref().map_or(0, |file| file.line);
            format!("{} {}:{line}", problem.severity.name(), problem.fault.code())
        });
        (plan, told.collect())
    }

    const LOOPBACK: Around = Around { listen: None, tls: false, client_ca: false };

    #[test]
    fn good_settings_become_plans() {
        assert_eq!(read_text("", LOOPBACK), (Some(GuardPlan::default()), vec![]));
        let (plan, problems) = read_text(
            "rate = \"100/s\"\nfailures = \"none\"\n[auth]\ntype = \"api-key\"\n\
             [auth.client.lab]\nkeys = [\"cred:a\", \"env:B\"]\nscopes = [\"system/Patient.cu\"]\n\
             [auth.client.pas]\nkeys = [\"cred:c\"]\n",
            LOOPBACK,
        );
        assert_eq!(problems, [""; 0]);
        let plan = plan.unwrap();
        assert_eq!((plan.burst, plan.failures), (100, None));
        let Auth::ApiKey(clients) = plan.auth else { panic!() };
        assert_eq!(clients.len(), 2);
        assert_eq!((&*clients[0].name, clients[0].secrets.len()), ("lab", 2));
        assert_eq!(clients[0].scopes, Scopes::parse("system/Patient.cu"));
        assert_eq!(clients[1].scopes, Scopes::all());

        let (plan, problems) = read_text(
            "rate = \"600/m\"\nburst = 5\n[auth]\ntype = \"oauth2\"\n\
             issuer = \"https://auth.example/r\"\naudience = [\"https://weir.example/fhir\"]\n\
             jwks = \"http://127.0.0.1:9/keys\"\nskew = \"5m\"\ntls = { ca = \"ca.pem\" }\n",
            LOOPBACK,
        );
        assert_eq!(problems, [""; 0]);
        let plan = plan.unwrap();
        assert_eq!(plan.burst, 5);
        let Auth::Oauth2(issuer) = plan.auth else { panic!() };
        assert_eq!((&*issuer.issuer, issuer.skew.as_secs()), ("https://auth.example/r", 300));
        assert!(issuer.tls.is_some() && issuer.jwks.is_some());

        let with_ca = Around { client_ca: true, tls: true, ..LOOPBACK };
        let mtls = "[auth]\ntype = \"mtls\"\nclient.lab.subject = \"CN=lab\"\n";
        assert!(matches!(read_text(mtls, with_ca).0.unwrap().auth, Auth::Mtls(c) if c.len() == 1));
        let basic = "[auth]\ntype = \"basic\"\nclient.lab.password = \"cred:p\"\n";
        assert!(matches!(read_text(basic, with_ca).0.unwrap().auth, Auth::Basic(_)));
        assert_eq!(
            read_text("auth.type = \"none\"", LOOPBACK),
            (Some(GuardPlan::default()), vec![])
        );
    }

    #[test]
    fn mistakes_are_found_where_they_stand() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(read_text(text, LOOPBACK).1, expected, "{text}");
        };
        check("auth = 1", &["error W1011:1"]);
        check("auth.x = 1", &["error W1010:1"]);
        check("auth.type = \"api\"", &["error W1013:1"]);
        check("auth.type = \"api-key\"", &["error W1010:1"]);
        check("auth = { type = \"api-key\", client = 1 }", &["error W1011:1"]);
        check("auth = { type = \"api-key\", client.lab.key = \"cred:x\" }", &["error W1012:1"]);
        check("auth = { type = \"basic\", client.lab.password = \"hunter2\" }", &["error W1031:1"]);
        check(
            "auth = { type = \"basic\", client.\"a:b\".password = \"cred:x\" }",
            &["error W1011:1"],
        );
        check("auth = { type = \"mtls\", client.lab.subject = \"CN=lab\" }", &["error W1010:1"]);
        check("auth = { type = \"mtls\", client.lab = {} }", &["error W1010:1"]);
        let client = |scope: &str| {
            format!(
                "auth = {{ type = \"api-key\", client.lab = {{ keys = [\"cred:x\"], \
                     scopes = [\"{scope}\"] }} }}"
            )
        };
        for scope in ["patient/*.rs", "Patient", "system/X.r"] {
            check(&client(scope), &["error W1011:1"]);
        }
        let oauth = |rest: &str| format!("auth = {{ type = \"oauth2\", {rest} }}");
        check(&oauth("issuer = \"https://a\""), &["error W1010:1"]);
        check(&oauth("issuer = \"https://a\", audience = []"), &["error W1021:1"]);
        check(&oauth("issuer = \"http://a\", audience = [\"x\"]"), &["error W1021:1"]);
        check(&oauth("issuer = \"a\", audience = [\"x\"]"), &["error W7505:1"]);
        let whole = "issuer = \"https://a\", audience = [\"x\"]";
        check(&oauth(&format!("{whole}, skew = \"6m\"")), &["error W1021:1"]);
        check(&oauth(&format!("{whole}, jwks = \"http://b/k\"")), &["error W1021:1"]);
        check("burst = 3", &["error W1011:1"]);
        check("rate = \"1/s\"\nburst = 0", &["error W1021:2"]);
        check("rate = \"0/s\"", &["error W1021:1"]);
        check("failures = \"often\"", &["error W1011:1"]);
    }

    #[test]
    fn open_doors_and_secrets_in_clear_are_warned_of() {
        let check = |text: &str, around: Around, expected: &[&str]| {
            assert_eq!(read_text(text, around).1, expected, "{text} {around:?}");
        };
        let at = |listen: &str| Around { listen: listen.parse().ok(), ..LOOPBACK };
        let keys = "auth = { type = \"api-key\", client.lab.keys = [\"cred:x\"] }";
        for open in ["0.0.0.0:80", "10.0.0.7:80", "[::]:80"] {
            check("", at(open), &["warning W2362:1"]);
            check(keys, at(open), &["warning W2363:1"]);
            check(keys, Around { tls: true, ..at(open) }, &[]);
            check("", Around { tls: true, ..at(open) }, &["warning W2362:1"]);
            check("", Around { tls: true, client_ca: true, ..at(open) }, &[]);
        }
        check("", at("127.0.0.1:80"), &[]);
        check(keys, at("[::1]:80"), &[]);
    }
}
