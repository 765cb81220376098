//! The keys of an authorization server: fetched, kept for a while, and fetched anew when a
//! token names one that is not known.
//!
//! Source: RFC 7517, RFC 7518 §6, OpenID Connect Discovery 1.0 §4.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, HeaderValue};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value as Json;
use tokio::sync::{Mutex, MutexGuard};

use super::plan::{IssuerPlan, may_fetch};
use crate::fault::{Fault, codes::W2356};
use crate::fhir::smart::{Algorithm, Token};
use crate::ports::Ports;
use crate::ports::http::{Call, Client, Url};

/// Largest key set: one of a hundred keys with certificates stays below.
const SET_BYTES_MAX: usize = 1 << 20;

/// Most keys of a set that are kept; servers publish two or three.
const KEYS_MAX: usize = 100;

/// Most keys that a token without `kid` is tried with: each costs a check of a signature.
const TRIES_MAX: usize = 8;

/// Age at which a set is fetched again: a key that was taken away stops working soon.
const FRESH: Duration = Duration::from_secs(300);

/// Age at which a set is no longer used, when it cannot be fetched again. Tokens of a server
/// that is gone have mostly ended by then.
const AGE_MAX: Duration = Duration::from_secs(3600);

/// Shortest time between two fetches: a caller who makes up key names must not make weir
/// flood the server.
const FETCH_EVERY: Duration = Duration::from_secs(10);

/// Longest wait for a fetch: a caller waits for it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// A public key.
struct Key {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    kind: KeyKind,
}

enum KeyKind {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
}

impl Key {
    /// Reads a JWK; `None` for keys of other kinds or uses.
    fn of(jwk: &Json) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Json::as_str);
        if text("use").is_some_and(|used| used != "sig") {
            return None;
        }
        let number = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).ok();
        let point = |length: usize| {
            let (x, y) = (number("x")?, number("y")?);
            (x.len() == length && y.len() == length).then(|| [&[4][..], &x, &y].concat())
        };
        let kind = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let whole = |mut bytes: Vec<u8>| {
                    let zeros = bytes.iter().take_while(|b| **b == 0).count();
                    bytes.drain(..zeros);
                    bytes
                };
                KeyKind::Rsa { n: whole(number("n")?), e: whole(number("e")?) }
            }
            ("EC", Some("P-256")) => KeyKind::P256(point(32)?),
            ("EC", Some("P-384")) => KeyKind::P384(point(48)?),
            _ => return None,
        };
        let algorithm = match text("alg") {
            None => None,
            Some(name) => Some(Algorithm::named(name)?),
        };
        Some(Self { id: text("kid").map(str::to_owned), algorithm, kind })
    }

    /// Whether a signature by this algorithm can be of this key: an RSA key never checks
    /// anything but RSA.
    fn suits(&self, algorithm: Algorithm) -> bool {
        let kind = match algorithm {
            Algorithm::Rs256 | Algorithm::Rs384 => matches!(self.kind, KeyKind::Rsa { .. }),
            Algorithm::Es256 => matches!(self.kind, KeyKind::P256(_)),
            Algorithm::Es384 => matches!(self.kind, KeyKind::P384(_)),
        };
        kind && self.algorithm.is_none_or(|own| own == algorithm)
    }

    fn verifies(&self, token: &Token<'_>) -> bool {
        let (signed, signature) = (token.signed, token.signature.as_slice());
        let checked =
            match (&self.kind, token.algorithm) {
                (KeyKind::Rsa { n, e }, Algorithm::Rs256) => RsaPublicKeyComponents { n, e }
                    .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature),
                (KeyKind::Rsa { n, e }, Algorithm::Rs384) => RsaPublicKeyComponents { n, e }
                    .verify(&RSA_PKCS1_2048_8192_SHA384, signed, signature),
                (KeyKind::P256(point), Algorithm::Es256) => {
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                        .verify(signed, signature)
                }
                (KeyKind::P384(point), Algorithm::Es384) => {
                    UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point)
                        .verify(signed, signature)
                }
                _ => return false,
            };
        checked.is_ok()
    }
}

/// What a set says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// One of its keys signed it.
    Good,
    /// None did.
    Bad,
    /// It has no key of that name.
    Unknown,
}

/// The keys of one fetch.
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// On the monotonic clock.
    fetched: Duration,
    /// Counts fetches that changed something or not; what was believed by an earlier set is
    /// checked again.
    pub(super) number: u64,
}

impl KeySet {
    fn of(json: &Json, fetched: Duration, number: u64) -> Option<Self> {
        let keys = json.get("keys")?.as_array()?;
        let keys: Vec<Key> = keys.iter().filter_map(Key::of).take(KEYS_MAX).collect();
        (!keys.is_empty()).then_some(Self { keys, fetched, number })
    }

    pub(super) fn check(&self, token: &Token<'_>) -> Checked {
        let suiting = self.keys.iter().filter(|key| key.suits(token.algorithm));
        let good = match &token.key_id {
            None => suiting.take(TRIES_MAX).any(|key| key.verifies(token)),
            Some(id) => {
                let named = |key: &&Key| key.id.as_ref() == Some(id);
                if !self.keys.iter().any(|key| named(&key)) {
                    return Checked::Unknown;
                }
                suiting.filter(named).take(TRIES_MAX).any(|key| key.verifies(token))
            }
        };
        if good { Checked::Good } else { Checked::Bad }
    }
}

/// When and how a set was fetched last.
#[derive(Default)]
struct Fetching {
    tried: Option<Duration>,
    number: u64,
    /// Where the keys are, once found.
    found: Option<Url>,
}

/// The keys of one server.
pub(super) struct Issuer {
    plan: IssuerPlan,
    held: RwLock<Option<Arc<KeySet>>>,
    fetching: Mutex<Fetching>,
}

impl Issuer {
    pub(super) fn new(plan: IssuerPlan) -> Self {
        Self { plan, held: RwLock::default(), fetching: Mutex::default() }
    }

    pub(super) fn plan(&self) -> &IssuerPlan {
        &self.plan
    }

    fn held(&self) -> Option<Arc<KeySet>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys: those held while they are fresh, else fetched, else those held while they
    /// are not too old. While one caller fetches, the others take what is held.
    ///
    /// # Errors
    /// `W2356` when there are none.
    pub(super) async fn keys(&self, ports: &Ports) -> Result<Arc<KeySet>, Fault> {
        let age = |set: &KeySet| ports.clock.monotonic().saturating_sub(set.fetched);
        let held = self.held();
        if let Some(set) = held.as_ref().filter(|set| age(set) <= FRESH) {
            return Ok(set.clone());
        }
        let older = held.as_ref().map_or(0, |set| set.number);
        let usable = held.filter(|set| age(set) <= AGE_MAX);
        let fetching = match (self.fetching.try_lock(), &usable) {
            (Ok(fetching), _) => fetching,
            (Err(_), Some(set)) => return Ok(set.clone()),
            (Err(_), None) => self.fetching.lock().await,
        };
        self.fetch(ports, older, fetching).await.or_else(|fault| usable.ok_or(fault))
    }

    /// A newer set than the one of this number, where one may be fetched now.
    pub(super) async fn newer(&self, ports: &Ports, number: u64) -> Option<Arc<KeySet>> {
        let fetching = self.fetching.lock().await;
        self.fetch(ports, number, fetching).await.ok()
    }

    /// Fetches, one at a time; who waited for another's fetch takes what that one brought.
    async fn fetch(
        &self,
        ports: &Ports,
        older: u64,
        mut fetching: MutexGuard<'_, Fetching>,
    ) -> Result<Arc<KeySet>, Fault> {
        if let Some(set) = self.held().filter(|set| set.number > older) {
            return Ok(set);
        }
        let now = ports.clock.monotonic();
        if fetching.tried.is_some_and(|tried| now.saturating_sub(tried) < FETCH_EVERY) {
            return Err(Fault::new(W2356).because("tried a moment ago"));
        }
        fetching.tried = Some(now);
        let work = self.fetch_now(ports, fetching.found.clone());
        let late = |_| Fault::new(W2356).because("no answer in time");
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, work).await.map_err(late);
        let (json, url) = match fetched.and_then(|fetched| fetched) {
            Ok(fetched) => fetched,
            Err(fault) => {
                // The server may have moved its keys.
                fetching.found = None;
                return Err(fault);
            }
        };
        let none = || Fault::new(W2356).because(format!("{}: no usable key", url.target()));
        let set = KeySet::of(&json, ports.clock.monotonic(), fetching.number + 1);
        let set = Arc::new(set.ok_or_else(none)?);
        fetching.number += 1;
        fetching.found = Some(url);
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(set.clone());
        Ok(set)
    }

    async fn fetch_now(&self, ports: &Ports, found: Option<Url>) -> Result<(Json, Url), Fault> {
        let url = match self.plan.jwks.clone().or(found) {
            Some(url) => url,
            None => self.discover(ports).await?,
        };
        let path = if url.path.is_empty() { "/".to_owned() } else { url.path.to_string() };
        Ok((self.ask(ports, &url, path).await?, url))
    }

    async fn discover(&self, ports: &Ports) -> Result<Url, Fault> {
        let issuer = Url::parse(&self.plan.issuer)?;
        let path = format!("{}/.well-known/openid-configuration", issuer.path);
        let json = self.ask(ports, &issuer, path).await?;
        let wrong = |why: &str| Fault::new(W2356).because(format!("{}: {why}", issuer.target()));
        // A server that speaks for another could put its keys in the other's place.
        if json.get("issuer").and_then(Json::as_str) != Some(&self.plan.issuer) {
            return Err(wrong("its configuration names another issuer"));
        }
        let keys = json.get("jwks_uri").and_then(Json::as_str);
        let url = keys.and_then(|keys| Url::parse(keys).ok()).filter(may_fetch);
        url.ok_or_else(|| wrong("its configuration names no keys over `https`"))
    }

    async fn ask(&self, ports: &Ports, url: &Url, path: String) -> Result<Json, Fault> {
        let mut client = Client::new(url.clone(), self.plan.tls.as_ref(), SET_BYTES_MAX)?;
        let headers = vec![(ACCEPT, HeaderValue::from_static("application/json"))];
        let call = Call { method: Method::GET, path, headers, body: Bytes::new() };
        let failed = |why: String| Fault::new(W2356).because(format!("{}: {why}", url.target()));
        let answer = client.send(&*ports.net, call).await;
        let answer = answer.map_err(|fault| failed(fault.code().row().phrase.to_owned()))?;
        let body = answer.body.filter(|_| answer.status == 200);
        let json = body.and_then(|body| serde_json::from_slice(&body).ok());
        json.ok_or_else(|| failed(format!("{}, no JSON", answer.status)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_of_other_kinds_and_uses_are_left_out() {
        let check = |jwk: Json, expected: bool| {
            assert_eq!(Key::of(&jwk).is_some(), expected, "{jwk}");
        };
        let x = URL_SAFE_NO_PAD.encode([7; 32]);
        check(json!({"kty": "EC", "crv": "P-256", "x": x, "y": x}), true);
        check(json!({"kty": "EC", "crv": "P-256", "x": x, "y": x, "use": "sig"}), true);
        check(json!({"kty": "EC", "crv": "P-256", "x": x, "y": x, "use": "enc"}), false);
        check(json!({"kty": "EC", "crv": "P-256", "x": x, "y": x, "alg": "ES256"}), true);
        check(json!({"kty": "EC", "crv": "P-256", "x": x, "y": x, "alg": "HS256"}), false);
        check(json!({"kty": "EC", "crv": "P-256", "x": x}), false);
        check(json!({"kty": "EC", "crv": "P-384", "x": x, "y": x}), false);
        check(json!({"kty": "EC", "crv": "secp256k1", "x": x, "y": x}), false);
        check(json!({"kty": "RSA", "n": x, "e": "AQAB"}), true);
        check(json!({"kty": "RSA", "n": "!", "e": "AQAB"}), false);
        check(json!({"kty": "oct", "k": x}), false);
        check(json!({}), false);
        check(json!(1), false);
    }

    #[test]
    fn a_set_has_keys() {
        let read = |json: Json| KeySet::of(&json, Duration::ZERO, 1).is_some();
        assert!(!read(json!({})));
        assert!(!read(json!({"keys": []})));
        assert!(!read(json!({"keys": [{"kty": "oct", "k": "AQAB"}]})));
        assert!(read(json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]})));
    }
}
