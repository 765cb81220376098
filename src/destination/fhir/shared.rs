//! What the lanes of one destination have in common: the token, what the server still works
//! on, and what waits to leave together.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError};

use super::together::Gathering;
use crate::base::MessageId;
use crate::ports::fhir::Account;

/// Most messages whose status addresses are remembered: one for each lane that waits, and
/// lanes are fewer. Beyond, one is forgotten and its message sent again.
const PENDING_MAX: usize = 10_000;

/// Shared by the clones of one plan; no part of what the plan says, so all are equal.
#[derive(Clone, Default)]
pub struct Shared(Arc<Inner>);

#[derive(Default)]
struct Inner {
    account: Account,
    pending: std::sync::Mutex<HashMap<MessageId, String>>,
    gathering: Arc<Gathering>,
}

impl Shared {
    /// The account at the server: one lane fetches a token and the others find it.
    pub(super) fn account(&self) -> Account {
        self.0.account.clone()
    }

    /// Where small messages gather.
    pub(super) fn gathering(&self) -> Arc<Gathering> {
        self.0.gathering.clone()
    }

    /// Where the server tells how far it is with a message.
    pub(super) fn pending(&self, message: MessageId) -> Option<String> {
        self.lock().get(&message).cloned()
    }

    /// Remembers where, or forgets it.
    pub(super) fn set_pending(&self, message: MessageId, path: Option<String>) {
        let mut pending = self.lock();
        match path {
            None => {
                pending.remove(&message);
            }
            Some(path) => {
                if pending.len() >= PENDING_MAX {
                    let any = pending.keys().next().copied();
                    any.and_then(|any| pending.remove(&any));
                }
                pending.insert(message, path);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MessageId, String>> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for Shared {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Shared {}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}
