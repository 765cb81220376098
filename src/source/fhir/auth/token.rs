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
    let name = claims.client.unwrap_or_else(|| "unnamed".to_owned());
    Client::new(name.into(), claims.scopes, claims.patient.map(Into::into))
}
