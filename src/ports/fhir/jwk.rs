//! Signing of JSON Web Tokens with a private key in JWK form.
//!
//! Source: RFC 7515, RFC 7517, RFC 7518 §3 and §6; SMART App Launch 2 asks for RS384 or
//! ES384.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPairComponents, PublicKeyComponents};
use ring::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA384, RsaKeyPair,
};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use crate::fault::{Fault, codes::W7502};

/// A private key that signs tokens.
pub(super) struct Signer {
    key: Key,
    id: Option<String>,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    P384(Box<EcdsaKeyPair>),
}

impl Signer {
    /// Reads a JWK, or the first private key of a JWK set.
    ///
    /// # Errors
    /// `W7502`; the cause names what is missing, never a part of the key.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        let wrong = |why: &'static str| Fault::new(W7502).because(why);
        let json: Json = serde_json::from_slice(text).map_err(|_| wrong("not a JWK"))?;
        let jwk = match json.get("keys").and_then(Json::as_array) {
            Some(keys) => keys.iter().find(|key| key.get("d").is_some()),
            None => Some(&json),
        };
        let jwk = jwk.ok_or_else(|| wrong("no private key in the set"))?;
        let id = jwk.get("kid").and_then(Json::as_str).map(str::to_owned);
        let key = match jwk.get("kty").and_then(Json::as_str) {
            Some("RSA") => Key::Rsa(Box::new(rsa(jwk)?)),
            Some("EC") if jwk.get("crv").and_then(Json::as_str) == Some("P-384") => {
                Key::P384(Box::new(p384(jwk)?))
            }
            _ => return Err(wrong("the key is neither RSA nor EC with curve P-384")),
        };
        Ok(Self { key, id })
    }

    /// A compact token with these claims.
    ///
    /// # Errors
    /// `W7502` when the key cannot sign.
    pub(super) fn sign(&self, claims: &Json) -> Result<String, Fault> {
        let algorithm = match self.key {
            Key::Rsa(_) => "RS384",
            Key::P384(_) => "ES384",
        };
        let mut header = json!({ "alg": algorithm, "typ": "JWT" });
        if let (Some(id), Some(header)) = (&self.id, header.as_object_mut()) {
            header.insert("kid".to_owned(), json!(id));
        }
        let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
        let mut token = format!("{}.{}", part(&header), part(claims));
        let refused = |_| Fault::new(W7502).because("the key does not sign");
        let random = SystemRandom::new();
        let signature = match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA384, &random, token.as_bytes(), &mut signature)
                    .map_err(refused)?;
                signature
            }
            Key::P384(key) => {
                key.sign(&random, token.as_bytes()).map_err(refused)?.as_ref().to_vec()
            }
        };
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(token)
    }
}

fn number(jwk: &Json, name: &'static str) -> Result<Zeroizing<Vec<u8>>, Fault> {
    jwk.get(name)
        .and_then(Json::as_str)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .map(Zeroizing::new)
        .ok_or_else(|| Fault::new(W7502).because(format!("the JWK has no usable `{name}`")))
}

fn rsa(jwk: &Json) -> Result<RsaKeyPair, Fault> {
    let [n, e, d] = [number(jwk, "n")?, number(jwk, "e")?, number(jwk, "d")?];
    let [p, q] = [number(jwk, "p")?, number(jwk, "q")?];
    let [dp, dq, qi] = [number(jwk, "dp")?, number(jwk, "dq")?, number(jwk, "qi")?];
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: n.as_slice(), e: e.as_slice() },
        d: d.as_slice(),
        p: p.as_slice(),
        q: q.as_slice(),
        dP: dp.as_slice(),
        dQ: dq.as_slice(),
        qInv: qi.as_slice(),
    };
    RsaKeyPair::from_components(&components)
        .map_err(|_| Fault::new(W7502).because("the parts of the RSA key do not fit"))
}

fn p384(jwk: &Json) -> Result<EcdsaKeyPair, Fault> {
    let (d, x, y) = (number(jwk, "d")?, number(jwk, "x")?, number(jwk, "y")?);
    let public = [&[4][..], &x, &y].concat();
    let random = SystemRandom::new();
    EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P384_SHA384_FIXED_SIGNING,
        &d,
        &public,
        &random,
    )
    .map_err(|_| Fault::new(W7502).because("the parts of the EC key do not fit"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ring::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};

    /// A fresh P-384 key: its JWK and its public point.
    pub(crate) fn p384_jwk() -> (String, Vec<u8>) {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let der = pair.serialize_der();
        // PKCS#8 of this curve holds the 48 bytes of `d` behind `04 30`, then the point.
        let at = der.windows(2).position(|w| w == [0x04, 0x30]).unwrap() + 2;
        let d = &der[at..at + 48];
        let point = pair.public_key_raw().to_vec();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({
            "kty": "EC", "crv": "P-384", "kid": "k1",
            "d": encode(d), "x": encode(&point[1..49]), "y": encode(&point[49..97]),
        });
        (jwk.to_string(), point)
    }

    #[test]
    fn signs_what_the_public_key_verifies() {
        let (jwk, point) = p384_jwk();
        for text in [jwk.clone(), format!("{{\"keys\":[{{\"kty\":\"EC\"}},{jwk}]}}")] {
            let token = Signer::parse(text.as_bytes()).unwrap().sign(&json!({"iss": "w"})).unwrap();
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &point)
                .verify(signed.as_bytes(), &signature)
                .unwrap();
            let header = URL_SAFE_NO_PAD.decode(signed.split('.').next().unwrap()).unwrap();
            assert_eq!(header, br#"{"alg":"ES384","typ":"JWT","kid":"k1"}"#);
        }
    }

    #[test]
    fn keys_that_do_not_fit_are_named_without_their_parts() {
        let check = |text: &str, cause: &str| {
            let fault = Signer::parse(text.as_bytes()).err().unwrap();
            assert_eq!(fault.code(), W7502);
            assert!(fault.line().contains(cause), "{fault}");
        };
        check("-----BEGIN PRIVATE KEY-----", "not a JWK");
        check("{}", "neither RSA nor EC");
        check(r#"{"keys":[]}"#, "no private key");
        check(r#"{"kty":"EC","crv":"P-256"}"#, "neither RSA nor EC");
        check(r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, "`d`");
        check(r#"{"kty":"EC","crv":"P-384","d":"AQAB","x":"AQAB","y":"AQAB"}"#, "do not fit");
    }
}
