//! Bearer tokens: signature, issuer, audience, times.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::Client;
use super::jwks::{Checked, Issuer, KeySet};
use super::plan::IssuerPlan;
use crate::base::Timestamp;
use crate::fault::{Fault, codes::*};
use crate::fhir::smart::{Claims, Token};
use crate::ports::Ports;

/// Most tokens whose signature is remembered; checking one again costs a tenth of a
/// millisecond.
const SEEN_MAX: usize = 10_000;

/// A token whose signature, issuer and audience are good.
#[derive(Clone)]
struct Seen {
    client: Client,
    begins: Option<Timestamp>,
    ends: Timestamp,
    /// Number of the key set that it was checked with.
    set: u64,
}

/// Checks tokens of one issuer.
pub(super) struct Tokens {
    issuer: Issuer,
    /// By digest.
    seen: Mutex<HashMap<[u8; 32], Seen>>,
}

impl Tokens {
    pub(super) fn new(plan: IssuerPlan) -> Self {
        Self { issuer: Issuer::new(plan), seen: Mutex::default() }
    }

    /// Who a token speaks for.
    ///
    /// # Errors
    /// `W2352` to `W2357`.
    pub(super) async fn check(&self, ports: &Ports, text: &str) -> Result<Client, Fault> {
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let keys = self.issuer.keys(ports).await?;
        let seen = self.lock().get(&digest).filter(|seen| seen.set == keys.number).cloned();
        let seen = match seen {
            Some(seen) => seen,
            None => {
                let seen = self.verify(ports, text, &keys).await?;
                let mut all = self.lock();
                if all.len() >= SEEN_MAX {
                    all.clear();
                }
                all.insert(digest, seen.clone());
                seen
            }
        };
        let now = ports.clock.now();
        let skew = self.issuer.plan().skew;
        if now >= seen.ends.after(skew) {
            return Err(Fault::new(W2354).because("it has ended"));
        }
        if seen.begins.is_some_and(|begins| now < begins.before(skew)) {
            return Err(Fault::new(W2354).because("it has not begun"));
        }
        Ok(seen.client)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn verify(&self, ports: &Ports, text: &str, keys: &KeySet) -> Result<Seen, Fault> {
        let token = Token::parse(text)?;
        let mut set = keys.number;
        let mut checked = keys.check(&token);
        if checked == Checked::Unknown
            && let Some(newer) = self.issuer.newer(ports, keys.number).await
        {
            set = newer.number;
            checked = newer.check(&token);
        }
        match checked {
            Checked::Good => {}
            Checked::Bad => return Err(Fault::new(W2353)),
            Checked::Unknown => {
                return Err(Fault::new(W2353).because("the issuer has no key of this name"));
            }
        }
        let plan = self.issuer.plan();
        if token.claims.issuer.as_deref() != Some(&plan.issuer) {
            return Err(Fault::new(W2355).because("another issuer"));
        }
        let ours = |audience: &String| plan.audience.iter().any(|own| **own == **audience);
        if !token.claims.audiences.iter().any(ours) {
            return Err(Fault::new(W2355).because("another audience"));
        }
        let ends = token.claims.expires;
        let ends = ends.ok_or_else(|| Fault::new(W2354).because("it does not say when it ends"))?;
        let begins = token.claims.not_before;
        Ok(Seen { client: client(token.claims), begins, ends, set })
    }
}

fn client(claims: Claims) -> Client {
    // Users of one application have its name in common; who they are tells them apart.
    let subject = claims.subject.filter(|subject| Some(subject) != claims.client.as_ref());
    let person = (subject.is_some() || claims.patient.is_some()).then(|| {
        let mut digest = Sha256::new();
        for part in [claims.issuer.as_deref(), subject.as_deref(), claims.patient.as_deref()] {
            let part = part.unwrap_or_default();
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        <[u8; 32]>::from(digest.finalize())
    });
    let named = claims.client.is_some();
    let name = claims.client.unwrap_or_else(|| "unnamed".to_owned());
    let client = Client::new(name.into(), claims.scopes, claims.patient.map(Into::into));
    match (person, named) {
        (Some(person), _) => client.of(&person),
        (None, true) => client,
        (None, false) => client.nobody(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::smart::Scopes;

    #[test]
    fn users_of_one_application_are_told_apart() {
        let claims = |name: Option<&str>, subject: Option<&str>, patient: Option<&str>| Claims {
            issuer: Some("https://sso.example".to_owned()),
            audiences: Vec::new(),
            expires: None,
            not_before: None,
            client: name.map(str::to_owned),
            subject: subject.map(str::to_owned),
            scopes: Scopes::parse("patient/*.rs"),
            patient: patient.map(str::to_owned),
        };
        let sender = |name, subject, patient| {
            let client = client(claims(name, subject, patient));
            assert_eq!(client.name(), name.unwrap_or("unnamed"));
            client.sender().map(ToString::to_string)
        };
        let app = Some("app");
        let all = [
            sender(app, None, None),
            sender(app, Some("ann"), None),
            sender(app, Some("bob"), None),
            sender(app, Some("bob"), Some("p1")),
            sender(app, Some("bob"), Some("p2")),
            sender(app, None, Some("p1")),
            sender(None, Some("ann"), None),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(one.is_some(), "{at}");
            assert!(!all.iter().skip(at + 1).any(|other| other == one), "{at} {one:?}");
        }
        // A program that signs in for itself is its name; nobody is nobody's sender.
        assert_eq!(sender(Some("lab"), Some("lab"), None).as_deref(), Some("lab"));
        assert_eq!(sender(None, None, None), None);
        assert!(!all.iter().flatten().any(|one| one.contains("ann") || one.contains("p1")));
    }
}
