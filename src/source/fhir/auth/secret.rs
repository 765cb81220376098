//! Clients that share a secret with weir: their keys and passwords, as digests, read anew
//! now and then so that a changed one counts without a restart.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::Mutex;

use super::Client;
use super::plan::ClientPlan;
use crate::fault::Fault;
use crate::ports::{Ports, secrets};

/// Age at which secrets are read again: a key that was taken away stops working soon.
const FRESH: Duration = Duration::from_secs(60);

/// Shortest time between two readings that an unknown key may cause.
const READ_EVERY: Duration = Duration::from_secs(5);

type Digest = [u8; 32];

/// What a caller shows.
#[derive(Clone, Copy)]
pub(super) enum Shown<'s> {
    /// A key.
    Key(&'s [u8]),
    /// Name and password with a colon between them.
    Pair(&'s [u8]),
}

struct Held {
    /// Digest and place of the client.
    rows: Vec<(Digest, u32)>,
    /// On the monotonic clock.
    read: Duration,
}

/// The clients of one source.
pub(super) struct Secrets {
    plans: Vec<ClientPlan>,
    clients: Vec<Client>,
    with_name: bool,
    held: RwLock<Option<Arc<Held>>>,
    reading: Mutex<()>,
    trouble: std::sync::Mutex<Option<Fault>>,
}

impl Secrets {
    /// `with_name`: callers show name and password.
    pub(super) fn new(plans: Vec<ClientPlan>, with_name: bool) -> Self {
        let clients = plans.iter().map(|p| Client::new(p.name.clone(), p.scopes.clone(), None));
        Self {
            clients: clients.collect(),
            plans,
            with_name,
            held: RwLock::default(),
            reading: Mutex::default(),
            trouble: std::sync::Mutex::default(),
        }
    }

    /// Reads all secrets.
    ///
    /// # Errors
    /// `W1032` for the first that cannot be read.
    pub(super) async fn ready(&self, ports: &Ports) -> Result<(), Fault> {
        let _one = self.reading.lock().await;
        self.read(ports).await;
        self.trouble().map_or(Ok(()), Err)
    }

    /// What went wrong at the last reading, once.
    pub(super) fn trouble(&self) -> Option<Fault> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The client who has this secret.
    pub(super) async fn find(&self, ports: &Ports, shown: Shown<'_>) -> Option<Client> {
        let digest: Digest = match shown {
            Shown::Key(secret) | Shown::Pair(secret) => Sha256::digest(secret).into(),
        };
        let held = self.held();
        let age = |held: &Held| ports.clock.monotonic().saturating_sub(held.read);
        if let Some(held) = held.as_ref().filter(|held| age(held) <= FRESH)
            && let Some(client) = self.look(held, &digest)
        {
            return Some(client);
        }
        if held.as_ref().is_some_and(|held| age(held) < READ_EVERY) {
            return None;
        }
        let _one = self.reading.lock().await;
        if self.held().as_ref().is_none_or(|held| age(held) >= READ_EVERY) {
            self.read(ports).await;
        }
        self.look(&*self.held()?, &digest)
    }

    fn held(&self) -> Option<Arc<Held>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Compares with every secret, so that the time says nothing of which one came close.
    fn look(&self, held: &Held, digest: &Digest) -> Option<Client> {
        let mut found = u32::MAX;
        for (own, client) in &held.rows {
            let equal: Choice = own.ct_eq(digest);
            found = u32::conditional_select(&found, client, equal);
        }
        self.clients.get(usize::try_from(found).ok()?).cloned()
    }

    /// A secret that cannot be read opens nothing.
    async fn read(&self, ports: &Ports) {
        let mut rows = Vec::new();
        for (at, plan) in (0..).zip(&self.plans) {
            for reference in &plan.secrets {
                match secrets::resolve_beside(reference).await {
                    Ok(secret) => {
                        let mut digest = Sha256::new();
                        if self.with_name {
                            digest.update(plan.name.as_bytes());
                            digest.update(b":");
                        }
                        digest.update(secret.as_bytes());
                        rows.push((digest.finalize().into(), at));
                    }
                    Err(fault) => {
                        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
                    }
                }
            }
        }
        let held = Arc::new(Held { rows, read: ports.clock.monotonic() });
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }
}
