//! How weir shows who it is: the value of `Authorization`, made or fetched when needed.
//!
//! Secrets are read when they are used, so that a replaced one works from the next
//! connection on; tokens live in memory only.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::jwk::Signer;
use super::{Server, escape};
use crate::base::{MessageId, Timestamp};
use crate::fault::{Fault, codes::*};
use crate::ports::http::{Call, Client, Url};
use crate::ports::{Ports, secrets};
use crate::settings::{Key, KeyRow, KindRow, SecretRef, Shape, Table, nearest};

/// Largest answer of a token endpoint.
const TOKEN_BYTES_MAX: usize = 256 << 10;

/// Life of an assertion: the most that SMART allows is five minutes.
const ASSERTION_SECONDS: i64 = 240;

/// Time before its end at which a token is renewed, for clocks that differ; a quarter of its
/// life where that is less.
const TOKEN_MARGIN: Duration = Duration::from_secs(30);

/// Life of a token whose endpoint names none: SMART's recommended most.
const TOKEN_LIFE_DEFAULT: Duration = Duration::from_secs(300);

/// Longest wait for the token endpoint, so that it does not take all of a delivery's time.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a failed purchase answers for the other lanes: they would all wait for the same
/// server, one after another.
const FAILED_FOR: Duration = Duration::from_secs(1);

/// How weir shows who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// A token that someone else made: `Authorization: Bearer ..`.
    Bearer(SecretRef),
    /// Name and password.
    Basic {
        /// Name.
        user: Arc<str>,
        /// Password.
        password: SecretRef,
    },
    /// SMART backend services: a signed assertion buys a short-lived token.
    SmartBackend {
        /// Client id as registered with the server.
        client_id: Arc<str>,
        /// Private key, a JWK (RSA or P-384).
        key: SecretRef,
        /// Token endpoint; `None`: the server's `.well-known/smart-configuration` names it.
        token_url: Option<Url>,
        /// Scopes asked for.
        scope: Arc<str>,
    },
}

const TYPE: Key<Arc<str>> =
    Key::new("type", "`none`, `bearer`, `basic` or `smart-backend`", "Kind of authorization.");
const TOKEN: Key<SecretRef> =
    Key::new("token", "a reference such as `cred:token`", "Token that someone else made.");
const USER: Key<Arc<str>> = Key::new("user", "a name", "User name.");
const PASSWORD: Key<SecretRef> =
    Key::new("password", "a reference such as `cred:password`", "Password.");
const CLIENT_ID: Key<Arc<str>> =
    Key::new("client_id", "a client id", "Client id as registered with the server.");
const KEY: Key<SecretRef> = Key::new(
    "key",
    "a reference such as `cred:fhir-jwk`",
    "Private key as a JWK, RSA or EC with curve P-384.",
);
const TOKEN_URL: Key<Arc<str>> =
    Key::new("token_url", "a URL such as `https://auth.example/token`", "Token endpoint.")
        .default("as the server's `.well-known/smart-configuration` says");
const SCOPE: Key<Arc<str>> =
    Key::new("scope", "scopes with spaces between", "Scopes asked for.").default("system/*.*");

/// Every kind of authorization.
const KINDS: &[KindRow] = &[
    KindRow { name: "none", about: "No authorization.", keys: &[] },
    KindRow { name: "bearer", about: "A fixed token.", keys: &[TOKEN.required().row()] },
    KindRow {
        name: "basic",
        about: "Name and password.",
        keys: &[USER.required().row(), PASSWORD.required().row()],
    },
    KindRow {
        name: "smart-backend",
        about: "SMART backend services: a signed assertion buys a short-lived token.",
        keys: &[CLIENT_ID.required().row(), KEY.required().row(), TOKEN_URL.row(), SCOPE.row()],
    },
];

/// Row of the key `auth`.
pub const AUTH_ROW: KeyRow =
    KeyRow::of("auth", "How weir shows who it is.", Shape::Kinds(&[], KINDS));

/// Reads `auth`.
pub fn read_auth(table: &mut Table<'_>) -> Option<Auth> {
    let Some(mut auth) = table.table("auth") else {
        return (!table.has("auth")).then_some(Auth::None);
    };
    let kind = auth.required_spanned(&TYPE)?;
    let read = match &*kind.value {
        "none" => Some(Auth::None),
        "bearer" => auth.required(&TOKEN).map(Auth::Bearer),
        "basic" => {
            let (user, password) = (auth.required(&USER), auth.required(&PASSWORD));
            user.zip(password).map(|(user, password)| Auth::Basic { user, password })
        }
        "smart-backend" => read_smart(&mut auth),
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

fn read_smart(auth: &mut Table<'_>) -> Option<Auth> {
    let (client_id, key) = (auth.required(&CLIENT_ID), auth.required(&KEY));
    let token_url = match auth.spanned(&TOKEN_URL) {
        None => None,
        Some(written) => match Url::parse(&written.value) {
            Ok(url) => Some(url),
            Err(fault) => {
                auth.error(fault, &written.span);
                return None;
            }
        },
    };
    let scope = auth.or(&SCOPE, "system/*.*".into());
    Some(Auth::SmartBackend { client_id: client_id?, key: key?, token_url, scope })
}

/// What is known of who weir is, for all callers of one server.
#[derive(Default)]
pub(super) struct Credentials {
    /// The header made last, and the end of its token.
    held: Option<(HeaderValue, Option<Timestamp>)>,
    /// Token endpoint, once found.
    endpoint: Option<Url>,
    /// The last purchase that failed, and until when that is the answer to the others.
    failed: Option<(Fault, Duration)>,
}

impl Credentials {
    /// Forgets a header that the server did not take, so that one is made anew, unless
    /// another lane has done so already.
    pub(super) fn refuse(&mut self, shown: &HeaderValue) {
        if self.held.as_ref().is_some_and(|(held, _)| held == shown) {
            self.held = None;
        }
    }

    /// The value of `Authorization`, if any. A token is renewed before it ends.
    pub(super) async fn header(
        &mut self,
        server: &Server,
        ports: &Ports,
    ) -> Result<Option<HeaderValue>, Fault> {
        if let Some((value, end)) = &self.held
            && end.is_none_or(|end| ports.clock.now() < end)
        {
            return Ok(Some(value.clone()));
        }
        if let Some((fault, _)) =
            self.failed.as_ref().filter(|(_, until)| ports.clock.monotonic() < *until)
        {
            return Err(fault.clone());
        }
        let (text, end) = match &server.auth {
            Auth::None => return Ok(None),
            Auth::Bearer(token) => {
                let token = secrets::resolve_beside(token).await?;
                (Zeroizing::new(format!("Bearer {}", token.trim())), None)
            }
            Auth::Basic { user, password } => {
                let password = secrets::resolve_beside(password).await?;
                let pair = Zeroizing::new(format!("{user}:{}", &*password));
                (Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes()))), None)
            }
            Auth::SmartBackend { client_id, key, token_url, scope } => {
                let buy = Purchase {
                    client_id: client_id.clone(),
                    signer: Signer::parse(secrets::resolve_beside(key).await?.as_bytes())?,
                    scope: scope.clone(),
                };
                let known = token_url.clone().or_else(|| self.endpoint.clone());
                let shop = Shop { server, ports };
                let bought = tokio::time::timeout(TOKEN_TIMEOUT, shop.buy(buy, known)).await;
                let bought =
                    bought.unwrap_or_else(|_| Err(Fault::new(W7307).because("no answer in time")));
                let (token, life, endpoint) = bought.inspect_err(|fault| {
                    self.failed = Some((fault.clone(), ports.clock.monotonic() + FAILED_FOR));
                })?;
                self.endpoint = Some(endpoint);
                let end = ports.clock.now().after(life.saturating_sub(TOKEN_MARGIN.min(life / 4)));
                (Zeroizing::new(format!("Bearer {}", &*token)), Some(end))
            }
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| Fault::new(W1032).because("it cannot stand in a header"))?;
        value.set_sensitive(true);
        self.held = Some((value.clone(), end));
        Ok(Some(value))
    }
}

/// Where tokens are bought.
struct Shop<'p> {
    server: &'p Server,
    ports: &'p Ports,
}

impl Shop<'_> {
    async fn buy(
        &self,
        purchase: Purchase,
        endpoint: Option<Url>,
    ) -> Result<(Zeroizing<String>, Duration, Url), Fault> {
        let endpoint = match endpoint {
            Some(endpoint) => endpoint,
            None => self.discover().await?,
        };
        let form = purchase.form(self.ports, &endpoint)?;
        let call = Call {
            method: Method::POST,
            path: path_of(&endpoint),
            headers: vec![
                (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
                (ACCEPT, HeaderValue::from_static("application/json")),
            ],
            body: form,
        };
        let (status, json) = self.ask(&endpoint, call).await?;
        let error = json.get("error").and_then(Json::as_str).unwrap_or_default();
        let plain = error.len() <= 40 && error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let cause = format!("{} {status} {}", endpoint.target(), if plain { error } else { "" });
        let token = json.get("access_token").and_then(Json::as_str);
        match (status, token) {
            (200, Some(token)) => {
                let life = json.get("expires_in").and_then(Json::as_u64);
                let life = life.map_or(TOKEN_LIFE_DEFAULT, Duration::from_secs);
                Ok((Zeroizing::new(token.to_owned()), life, endpoint))
            }
            (400 | 401 | 403, _) => Err(Fault::new(W7306).because(cause.trim_end().to_owned())),
            _ => Err(Fault::new(W7307).because(cause.trim_end().to_owned())),
        }
    }

    /// Asks the server where its token endpoint is.
    ///
    /// Source: SMART App Launch 2.1, conformance, `.well-known/smart-configuration`.
    async fn discover(&self) -> Result<Url, Fault> {
        let base = &self.server.url;
        let call = Call {
            method: Method::GET,
            path: format!("{}/.well-known/smart-configuration", base.path),
            headers: vec![(ACCEPT, HeaderValue::from_static("application/json"))],
            body: Bytes::new(),
        };
        let (status, json) = self.ask(base, call).await?;
        let found = json.get("token_endpoint").and_then(Json::as_str);
        let url = found.filter(|_| status == 200).and_then(|text| Url::parse(text).ok());
        match url {
            // An assertion is not sent in clear because a server said so.
            Some(url) if url.https || !base.https => Ok(url),
            _ => Err(Fault::new(W7307).because(format!("{status}, no token endpoint named"))),
        }
    }

    async fn ask(&self, url: &Url, call: Call) -> Result<(u16, Json), Fault> {
        let mut client = Client::new(url.clone(), self.server.tls.as_ref(), TOKEN_BYTES_MAX)?;
        let answer = client.send(&*self.ports.net, call).await?;
        let body = answer.body.unwrap_or_default();
        Ok((answer.status, serde_json::from_slice(&body).unwrap_or(Json::Null)))
    }
}

fn path_of(url: &Url) -> String {
    if url.path.is_empty() { "/".to_owned() } else { url.path.to_string() }
}

struct Purchase {
    client_id: Arc<str>,
    signer: Signer,
    scope: Arc<str>,
}

impl Purchase {
    /// Source: SMART App Launch 2.1, backend services, obtaining an access token.
    fn form(&self, ports: &Ports, endpoint: &Url) -> Result<Bytes, Fault> {
        let now = ports.clock.now();
        let seconds = now.millis() / 1000;
        let assertion = self.signer.sign(&json!({
            "iss": &*self.client_id,
            "sub": &*self.client_id,
            "aud": endpoint.to_string(),
            "iat": seconds,
            "exp": seconds + ASSERTION_SECONDS,
            "jti": MessageId::new(now, ports.entropy.bits()).to_string(),
        }))?;
        Ok(Bytes::from(format!(
            "grant_type=client_credentials&scope={}&client_assertion_type={}&client_assertion={}",
            escape(&self.scope),
            escape("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            assertion
        )))
    }
}
