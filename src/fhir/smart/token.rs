//! JSON Web Tokens, as far as they can be read without a key.
//!
//! Source: RFC 7515 (compact serialization), RFC 7519 (claims), RFC 8725 (what to refuse).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json};

use super::Scopes;
use crate::base::Timestamp;
use crate::fault::Fault;
use crate::fault::codes::{W2352, W2357};

/// Largest token read: those of large directories hold some hundred groups and stay below.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;

/// Most audiences of a token that are looked at.
const AUDIENCES_MAX: usize = 32;

/// Longest name of a client kept, in bytes: a cell in a table.
const NAME_BYTES_MAX: usize = 128;

/// How a token may be signed. `none` is no way to sign, and a shared secret (HMAC) would let
/// whoever can check a token make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    Rs384,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
}

impl Algorithm {
    /// All.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Rs384, Self::Es256, Self::Es384];

    /// Its name in `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// What a token claims. Believed only after its signature was checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims {
    /// Who made it.
    pub issuer: Option<String>,
    /// For whom it is.
    pub audiences: Vec<String>,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// When it begins.
    pub not_before: Option<Timestamp>,
    /// Name of the client for audit and logs: `client_id`, `azp`, `appid` or `sub`; without
    /// characters that could upset a log.
    pub client: Option<String>,
    /// Who signed in: `sub`, as it stands.
    pub subject: Option<String>,
    /// What the caller may do: `scope` or `scp`.
    pub scopes: Scopes,
    /// Patient of the launch context.
    pub patient: Option<String>,
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(<phi>)")
    }
}

/// A token taken apart. `Debug` shows nothing of it.
pub struct Token<'t> {
    /// How it says it is signed.
    pub algorithm: Algorithm,
    /// Name of the key it says it is signed with.
    pub key_id: Option<String>,
    /// What the signature is over.
    pub signed: &'t [u8],
    /// The signature.
    pub signature: Vec<u8>,
    /// What it claims.
    pub claims: Claims,
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, <phi>)", self.algorithm.name())
    }
}

impl<'t> Token<'t> {
    /// Takes a token in compact form apart.
    ///
    /// # Errors
    /// `W2352` when it is not one, or asks for an extension (`crit`); `W2357` when it is
    /// signed in a way that weir does not take. Causes hold nothing of it.
    pub fn parse(text: &'t str) -> Result<Self, Fault> {
        let wrong = |why: &'static str| Fault::new(W2352).because(why);
        if text.len() > TOKEN_BYTES_MAX {
            return Err(wrong("longer than 16 KiB"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or_else(|| wrong("no parts"))?;
        let (header, claims) = signed.split_once('.').ok_or_else(|| wrong("not three parts"))?;
        let header = object(header).ok_or_else(|| wrong("its header is no JSON object"))?;
        if header.contains_key("crit") {
            return Err(wrong("its header asks for an extension"));
        }
        let member = |name: &str| header.get(name).and_then(Json::as_str);
        let algorithm = member("alg")
            .and_then(Algorithm::named)
            .ok_or_else(|| Fault::new(W2357).because("not one of RS256, RS384, ES256 and ES384"))?;
        if !member("typ").is_none_or(is_access_token) || header.contains_key("enc") {
            return Err(wrong("its header says that it is something else"));
        }
        let key_id = member("kid").map(str::to_owned);
        let claims = object(claims).ok_or_else(|| wrong("its claims are no JSON object"))?;
        let signature =
            URL_SAFE_NO_PAD.decode(signature).map_err(|_| wrong("its signature is not base64"))?;
        let claims = Claims::of(&claims).ok_or_else(|| wrong("a claim is malformed"))?;
        Ok(Self { algorithm, key_id, signed: signed.as_bytes(), signature, claims })
    }
}

/// Source: RFC 9068 §2.1; most servers still write `JWT`.
fn is_access_token(kind: &str) -> bool {
    ["JWT", "at+jwt", "application/at+jwt"].iter().any(|known| known.eq_ignore_ascii_case(kind))
}

fn object(part: &str) -> Option<Map<String, Json>> {
    match serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()? {
        Json::Object(members) => Some(members),
        _ => None,
    }
}

impl Claims {
    fn of(members: &Map<String, Json>) -> Option<Self> {
        let text = |name: &str| members.get(name).and_then(Json::as_str);
        let audiences = match members.get("aud") {
            None => Vec::new(),
            Some(Json::String(one)) => vec![one.clone()],
            Some(Json::Array(many)) => {
                let texts = many.iter().take(AUDIENCES_MAX).map(Json::as_str);
                texts.map(|one| one.map(str::to_owned)).collect::<Option<_>>()?
            }
            Some(_) => return None,
        };
        let client = ["client_id", "azp", "appid", "sub"].into_iter().find_map(text);
        Some(Self {
            issuer: text("iss").map(str::to_owned),
            audiences,
            expires: time(members, "exp")?,
            not_before: time(members, "nbf")?,
            client: client.map(plain),
            subject: text("sub").map(str::to_owned),
            scopes: scopes(members.get("scope").or_else(|| members.get("scp")))?,
            patient: text("patient").map(str::to_owned),
        })
    }
}

/// A moment in seconds since 1970, maybe with a fraction; `None` for what is something else.
fn time(members: &Map<String, Json>, name: &str) -> Option<Option<Timestamp>> {
    let Some(value) = members.get(name) else { return Some(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..1e11).contains(seconds))?;
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and 10^17")]
    let micros = (seconds * 1e6) as i64;
    Some(Some(Timestamp::from_micros(micros)))
}

/// A text with spaces, or a list as some servers write it.
fn scopes(value: Option<&Json>) -> Option<Scopes> {
    match value {
        None => Some(Scopes::default()),
        Some(Json::String(text)) => Some(Scopes::parse(text)),
        Some(Json::Array(items)) => {
            let texts = items.iter().filter_map(Json::as_str);
            Some(texts.filter_map(super::Scope::parse).collect())
        }
        Some(_) => None,
    }
}

/// A name without what could upset a log, cut at 128 bytes.
fn plain(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._@:/".contains(c);
    name.chars().take(NAME_BYTES_MAX).map(|c| if fits(c) { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", part(header), part(claims))
    }

    #[test]
    fn a_token_is_taken_apart() {
        let text = token(
            r#"{"alg":"ES384","typ":"at+JWT","kid":"k1"}"#,
            r#"{"iss":"https://a","aud":["x","https://w"],"exp":1767225600.5,"nbf":1767225000,
                "azp":"lab\n1","sub":"u","scope":"openid system/Patient.rs","patient":"p1"}"#,
        );
        let token = Token::parse(&text).unwrap();
        assert_eq!((token.algorithm, token.key_id.as_deref()), (Algorithm::Es384, Some("k1")));
        assert_eq!(token.signature, b"sig");
        assert_eq!(token.signed, text.rsplit_once('.').unwrap().0.as_bytes());
        assert_eq!(format!("{token:?} {:?}", token.claims), "Token(ES384, <phi>) Claims(<phi>)");
        let claims = token.claims;
        assert_eq!(claims.issuer.as_deref(), Some("https://a"));
        assert_eq!(claims.audiences, ["x", "https://w"]);
        assert_eq!(claims.expires, Timestamp::parse("2026-01-01T00:00:00.5Z"));
        assert_eq!(claims.not_before, Timestamp::parse("2025-12-31T23:50:00Z"));
        assert_eq!(claims.client.as_deref(), Some("lab?1"));
        assert_eq!(claims.subject.as_deref(), Some("u"));
        assert_eq!(claims.patient.as_deref(), Some("p1"));
        assert_eq!(claims.scopes, Scopes::parse("system/Patient.rs"));
    }

    #[test]
    fn claims_have_more_than_one_form() {
        let check = |claims: &str, client: Option<&str>, scopes: &str| {
            let text = token(r#"{"alg":"RS256"}"#, claims);
            let claims = Token::parse(&text).unwrap().claims;
            assert_eq!(claims.client.as_deref(), client);
            assert_eq!(claims.scopes, Scopes::parse(scopes));
        };
        check("{}", None, "");
        check(r#"{"sub":"u","client_id":"c"}"#, Some("c"), "");
        check(r#"{"appid":"c","scp":"system/*.rs"}"#, Some("c"), "system/*.rs");
        check(r#"{"sub":"u","scp":["system/*.rs","x",1]}"#, Some("u"), "system/*.rs");
        let long = "x".repeat(200);
        check(&format!(r#"{{"sub":"{long}"}}"#), Some(&long[..128]), "");
    }

    #[test]
    fn what_is_no_token_or_not_signed_is_refused() {
        let check = |text: &str, expected: &str| {
            let fault = Token::parse(text).unwrap_err();
            assert_eq!(fault.code().as_str(), expected, "{text}");
        };
        let long = "x".repeat(TOKEN_BYTES_MAX + 1);
        for bad in ["", "a", "a.b", "..", "a.b.c", "e30.e30.", &long, "e30.e30.c2ln.c2ln"] {
            let fault = Token::parse(bad).unwrap_err();
            assert!(matches!(fault.code(), W2352 | W2357), "{bad}");
        }
        for alg in ["none", "None", "HS256", "HS384", "RS512", "PS256", "EdDSA", "rs256", ""] {
            check(&token(&format!(r#"{{"alg":"{alg}"}}"#), "{}"), "W2357");
        }
        check(&token("{}", "{}"), "W2357");
        check(&token(r#"{"alg":["RS256"]}"#, "{}"), "W2357");
        for header in [
            r#"{"alg":"RS256","crit":["b64"],"b64":false}"#,
            r#"{"alg":"RS256","typ":"logout+jwt"}"#,
            r#"{"alg":"RS256","enc":"A128GCM"}"#,
            "[]",
            "nonsense",
        ] {
            check(&token(header, "{}"), "W2352");
        }
        for claims in [
            "[]",
            "1",
            r#"{"exp":"soon"}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":1e300}"#,
            r#"{"nbf":null}"#,
            r#"{"aud":1}"#,
            r#"{"aud":["a",1]}"#,
            r#"{"scope":1}"#,
        ] {
            check(&token(r#"{"alg":"RS256"}"#, claims), "W2352");
        }
        let mut bad = token(r#"{"alg":"RS256"}"#, "{}");
        bad.push('=');
        check(&bad, "W2352");
        check(&format!("{}x.e30.c2ln", URL_SAFE_NO_PAD.encode("{")), "W2352");
    }
}
