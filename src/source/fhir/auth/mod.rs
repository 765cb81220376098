//! The guard of the source `fhir`: who calls, what they may do, and how often.
//!
//! A guard is asked before anything of a request is read but its headers. It decides by what
//! the caller shows (a key, a password, a certificate, a token) and by scopes; it knows no
//! resource and writes no answer. Secrets are held as digests, tokens not at all, and
//! nothing of them stands in a fault, a log or a `Debug`.

mod client;
mod jwks;
mod limit;
mod plan;
mod secret;
mod token;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap};
use zeroize::Zeroizing;

use crate::fault::{Fault, codes::*};
use crate::fhir::smart::Scopes;
use crate::message::Peer;
use crate::ports::{Ports, certificate};

pub use client::{Client, Denied};
pub use plan::{
    AUTH_ROW, Around, Auth, BURST_ROW, ClientPlan, FAILURES_ROW, GuardPlan, IssuerPlan, RATE_ROW,
    SubjectPlan, read,
};

use client::Challenge;
use limit::Limit;
use secret::{Secrets, Shown};
use token::Tokens;

/// The name of callers that nobody asked who they are.
const ANYONE: &str = "anyone";

/// Header of a key.
const API_KEY: &str = "x-api-key";

/// Decides on callers.
pub struct Guard {
    door: Door,
    ports: Ports,
    calls: Option<Limit>,
    failures: Option<Limit>,
}

enum Door {
    Open,
    Keys(Secrets),
    Passwords(Secrets),
    Subjects(Vec<SubjectPlan>),
    Tokens(Box<Tokens>),
}

impl Door {
    const fn challenge(&self) -> Challenge {
        match self {
            Self::Open | Self::Subjects(_) => Challenge::None,
            Self::Keys(_) | Self::Tokens(_) => Challenge::Bearer,
            Self::Passwords(_) => Challenge::Basic,
        }
    }
}

impl Guard {
    /// Makes a guard; reads and fetches nothing yet.
    #[must_use]
    pub fn new(plan: &GuardPlan, ports: &Ports) -> Self {
        let door = match plan.auth.clone() {
            Auth::None => Door::Open,
            Auth::ApiKey(clients) => Door::Keys(Secrets::new(clients, false)),
            Auth::Basic(clients) => Door::Passwords(Secrets::new(clients, true)),
            Auth::Mtls(subjects) => Door::Subjects(subjects),
            Auth::Oauth2(issuer) => Door::Tokens(Box::new(Tokens::new(issuer))),
        };
        let calls = plan.rate.map(|rate| Limit::new(rate, plan.burst));
        let failures = plan.failures.map(|rate| Limit::new(rate, rate.count));
        Self { door, ports: ports.clone(), calls, failures }
    }

    /// Reads the secrets of clients, so that a missing one is told at the start and not to
    /// the first caller. An issuer is not asked: the source starts without it.
    ///
    /// # Errors
    /// `W1032` for a secret that cannot be read.
    pub async fn ready(&self) -> Result<(), Fault> {
        match &self.door {
            Door::Keys(secrets) | Door::Passwords(secrets) => secrets.ready(&self.ports).await,
            Door::Open | Door::Subjects(_) | Door::Tokens(_) => Ok(()),
        }
    }

    /// What went wrong in the meantime while reading secrets, once; for the log.
    pub fn trouble(&self) -> Option<Fault> {
        match &self.door {
            Door::Keys(secrets) | Door::Passwords(secrets) => secrets.trouble(),
            Door::Open | Door::Subjects(_) | Door::Tokens(_) => None,
        }
    }

    /// Lets a caller in, as whom they have shown to be.
    ///
    /// # Errors
    /// 401 with `W2350` to `W2355` or `W2357`; 429 with `W2360` or `W2361`; 503 with `W2356`
    /// when the issuer's keys cannot be had.
    pub async fn admit(&self, headers: &HeaderMap, peer: &Peer) -> Result<Client, Denied> {
        let address = limit::name_of(&peer.address);
        let now = self.ports.clock.monotonic();
        if let Some(wait) = self.failures.as_ref().and_then(|limit| limit.wait(&address, now)) {
            return Err(Denied::throttled(Fault::new(W2361), wait));
        }
        let client = match self.know(headers, peer).await {
            Ok(client) => client,
            Err(fault) => {
                let spent = self.failures.as_ref().filter(|_| guesses(&fault));
                // Of guesses at once, those past the limit hear no more than that.
                if let Some(Err(wait)) = spent.map(|limit| limit.take(&address, now)) {
                    return Err(Denied::throttled(Fault::new(W2361), wait));
                }
                return Err(Denied::unknown(fault, self.door.challenge()));
            }
        };
        // A right guess among many at once counts for nothing either.
        if let Some(wait) = self.failures.as_ref().and_then(|limit| limit.wait(&address, now)) {
            return Err(Denied::throttled(Fault::new(W2361), wait));
        }
        let counted = if client.name() == ANYONE { &*address } else { client.name() };
        match self.calls.as_ref().map(|limit| limit.take(counted, now)) {
            Some(Err(wait)) => Err(Denied::throttled(Fault::new(W2360), wait)),
            Some(Ok(())) | None => Ok(client),
        }
    }

    /// Lets anyone in for what is open to all, such as `metadata`, within `rate` by address.
    ///
    /// # Errors
    /// 429 with `W2360`.
    pub fn visit(&self, peer: &Peer) -> Result<(), Denied> {
        let address = limit::name_of(&peer.address);
        let now = self.ports.clock.monotonic();
        match self.calls.as_ref().map(|limit| limit.take(&address, now)) {
            Some(Err(wait)) => Err(Denied::throttled(Fault::new(W2360), wait)),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// The SMART security services to state in a CapabilityStatement, as codes of
    /// `http://terminology.hl7.org/CodeSystem/restful-security-service`.
    #[must_use]
    pub const fn services(&self) -> &'static [&'static str] {
        match self.door {
            Door::Open | Door::Keys(_) => &[],
            Door::Passwords(_) => &["Basic"],
            Door::Subjects(_) => &["Certificates"],
            Door::Tokens(_) => &["OAuth", "SMART-on-FHIR"],
        }
    }

    async fn know(&self, headers: &HeaderMap, peer: &Peer) -> Result<Client, Fault> {
        match &self.door {
            Door::Open => {
                let name = peer.subject.clone().unwrap_or_else(|| ANYONE.into());
                Ok(Client::new(name, Scopes::all(), None))
            }
            Door::Subjects(subjects) => {
                let subject = peer.subject.as_deref();
                let subject = subject.ok_or_else(|| Fault::new(W2350).because("no certificate"))?;
                let whole = !subject.ends_with(certificate::AND_MORE);
                let known = subjects.iter().find(|known| whole && &*known.subject == subject);
                let unknown = || Fault::new(W2351).because("no client has this certificate");
                let known = known.ok_or_else(unknown)?;
                Ok(Client::new(known.name.clone(), known.scopes.clone(), None))
            }
            Door::Keys(secrets) => {
                let key = match one(headers, API_KEY)? {
                    Some(key) => key,
                    None => shown(headers, "bearer")?,
                };
                let found = secrets.find(&self.ports, Shown::Key(key.as_bytes())).await;
                found.ok_or_else(|| Fault::new(W2351))
            }
            Door::Passwords(secrets) => {
                let pair = STANDARD.decode(shown(headers, "basic")?).map(Zeroizing::new);
                let pair = pair.map_err(|_| Fault::new(W2351).because("not base64"))?;
                let found = secrets.find(&self.ports, Shown::Pair(&pair)).await;
                found.ok_or_else(|| Fault::new(W2351))
            }
            Door::Tokens(tokens) => tokens.check(&self.ports, shown(headers, "bearer")?).await,
        }
    }
}

/// Whether a refusal looks like somebody trying: a token that ended, or is for someone else,
/// was honestly come by.
fn guesses(fault: &Fault) -> bool {
    matches!(fault.code(), W2351 | W2352 | W2353 | W2357)
}

/// The one value of a header. Two would let a proxy and weir see different ones.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Fault> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Fault::new(W2351).because("the header stands twice"));
    }
    value.to_str().map(Some).map_err(|_| Fault::new(W2351).because("not readable"))
}

/// What stands in `Authorization` after its scheme.
fn shown<'h>(headers: &'h HeaderMap, scheme: &str) -> Result<&'h str, Fault> {
    let value = one(headers, AUTHORIZATION.as_str())?.ok_or_else(|| Fault::new(W2350))?;
    let (found, rest) = value.split_once(' ').unwrap_or((value, ""));
    if !found.eq_ignore_ascii_case(scheme) {
        return Err(Fault::new(W2350).because("`Authorization` has another scheme"));
    }
    Ok(rest.trim())
}

#[cfg(test)]
mod tests;
