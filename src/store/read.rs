//! Reads: messages, consents, settings, duplicates, figures. Every read sees all that is
//! committed or settled.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::index::row::{ConsentRow, QueueId, Standing};
use super::index::{Index, decode, keys, read_item, read_setting};
use super::shared::Shared;
use super::{LedgerRow, QueueRow, Store, Usage};
use crate::base::{DestinationName, MessageId, Timestamp};
use crate::fault::{Fault, codes};
use crate::message::{ConsentRecord, Entry, MessageRecord, OutcomeRecord, PatientKey, State};
use crate::observe::Histogram;

/// Key and value of an action setting.
pub type Setting = (Arc<str>, Arc<str>);

/// Patients in one consent that are looked through when all are asked for.
const CONSENTS_MAX: usize = 10_000;

impl Store {
    pub(super) fn read(&self) -> &Shared {
        &self.0.shared
    }

    /// Message that came under this duplicate key within the window before `now`, if any.
    /// Costs a look into memory, and one into the index for each 16,384 messages within the
    /// window that a filter in memory does not rule out.
    ///
    /// # Errors
    /// `W6009`.
    pub fn duplicate(
        &self,
        key: &[u8; 16],
        now: Timestamp,
        window: Duration,
    ) -> Result<Option<MessageId>, Fault> {
        let shared = self.read();
        let live = shared.live().duplicates.get(key).map(|(id, at, _)| (*id, *at));
        let found = match live {
            Some(found) => Some(found),
            None => {
                let since = now.before(window);
                shared.duplicates.find(&shared.kv, shared.indexed(), key, since)?
            }
        };
        Ok(found.filter(|(_, at)| now.since(*at) <= window).map(|(id, _)| id))
    }

    /// Keyed hash under the store's search key: the first 16 bytes of HMAC-SHA-256 over
    /// domain and value.
    ///
    /// The domain of a search key is its name (`control`, `patient`, a name of the
    /// channel's `index`), and the value the bytes a person types, trimmed; then `search`
    /// finds it.
    #[must_use]
    pub fn keyed_hash(&self, domain: &str, value: &[u8]) -> [u8; 16] {
        self.read().secret.hash(domain, value)
    }

    /// A message by its id.
    ///
    /// # Errors
    /// `W6009`, `W6010`, `W6003`, `W6007`.
    pub fn message(&self, id: MessageId) -> Result<Option<MessageRecord>, Fault> {
        let Some((_, row)) = self.read().row(id)? else { return Ok(None) };
        match self.read().journal.read(row.at)? {
            Entry::Message(record) => Ok(Some(*record)),
            Entry::Outcome(_) | Entry::Consent(_) | Entry::Action(_) | Entry::Records(_) => {
                Err(astray())
            }
        }
    }

    /// How the deliveries of a message stand, in the order in which it owes them; none when
    /// there is no such message any more.
    ///
    /// # Errors
    /// `W6009`.
    pub fn states(&self, id: MessageId) -> Result<Option<Vec<(DestinationName, State)>>, Fault> {
        let Some((_, row)) = self.read().row(id)? else { return Ok(None) };
        let state = |standing: &Standing| {
            self.read().names.name(standing.queue).map(|(_, name)| (name, standing.state))
        };
        Ok(Some(row.deliveries.iter().filter_map(state).collect()))
    }

    /// Outcomes of a message in order: attempts, holds, skips, replays. Of more than 64 the
    /// first and the latest. Those on their way to disk are not among them yet.
    ///
    /// # Errors
    /// `W6009`, `W6010`, `W6003`, `W6007`.
    pub fn outcomes(&self, id: MessageId) -> Result<Vec<OutcomeRecord>, Fault> {
        let Some((_, row)) = self.read().row(id)? else { return Ok(Vec::new()) };
        let read = |at| match self.read().journal.read(at)? {
            Entry::Outcome(record) => Ok(*record),
            Entry::Message(_) | Entry::Consent(_) | Entry::Action(_) | Entry::Records(_) => {
                Err(astray())
            }
        };
        row.outcomes.into_iter().map(|(_, at)| read(at)).collect()
    }

    /// Brings consents and settings up to date when some are missing; else costs a look.
    pub(super) fn records(&self) -> Result<Option<std::sync::MutexGuard<'_, Index>>, Fault> {
        let waiting = self.read().live().unindexed_records > 0;
        waiting.then(|| self.read().caught_up()).transpose()
    }

    fn consent_row(&self, key: &[u8]) -> Result<Option<ConsentRecord>, Fault> {
        let Some(value) = self.read().kv.read(key)? else { return Ok(None) };
        let row: ConsentRow = decode(&value)?;
        match self.read().journal.read(row.at)? {
            Entry::Consent(record) => Ok(Some(*record)),
            Entry::Message(_) | Entry::Outcome(_) | Entry::Action(_) | Entry::Records(_) => {
                Err(astray())
            }
        }
    }

    /// Consents of a patient: the latest version of each, deleted ones left out.
    ///
    /// # Errors
    /// `W6009`, `W6010`, `W6003`, `W6007`.
    pub fn consents(&self, patient: &PatientKey) -> Result<Vec<ConsentRecord>, Fault> {
        let _guard = self.records()?;
        let hash = super::open::patient_hash(&self.read().secret, patient);
        let prefix = keys::patient_prefix(&hash);
        let mut found = Vec::new();
        self.read().kv.walk_prefix(&prefix, &mut |key, _| {
            found.push(key.get(prefix.len()..).unwrap_or_default().to_vec());
            Ok(if found.len() < CONSENTS_MAX {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        let mut consents = Vec::with_capacity(found.len());
        for id in found {
            let key = keys::consent(&String::from_utf8_lossy(&id));
            consents.extend(self.consent_row(&key)?.filter(|record| !record.deleted));
        }
        Ok(consents)
    }

    /// The latest version of a consent by its id; a deleted one says so.
    ///
    /// # Errors
    /// `W6009`, `W6010`, `W6003`, `W6007`.
    pub fn consent(&self, id: &str) -> Result<Option<ConsentRecord>, Fault> {
        let _guard = self.records()?;
        self.consent_row(&keys::consent(id))
    }

    /// Latest value of an action setting, such as `pause adt-main/ehr`.
    ///
    /// # Errors
    /// `W6009`.
    pub fn setting(&self, key: &str) -> Result<Option<Arc<str>>, Fault> {
        let _guard = self.records()?;
        let value = self.read().kv.read(&keys::setting(key))?;
        let text = value.as_deref().and_then(read_setting).map(|(_, text)| text);
        Ok(text.filter(|text| !text.is_empty()).map(|text| String::from_utf8_lossy(text).into()))
    }

    /// The setting to write with the answer of a message, where it is not the one that the
    /// message's own entry names. Pruning takes it away with the message.
    #[must_use]
    pub fn answer_setting(message: MessageId, said: &str) -> Setting {
        (keys::answered(message).into(), said.into())
    }

    /// What [`Store::answer_setting`] wrote about a message: code and fault, `AE W6903`.
    ///
    /// # Errors
    /// `W6009`.
    pub fn answer(&self, message: MessageId) -> Result<Option<Arc<str>>, Fault> {
        self.setting(&keys::answered(message))
    }

    /// Settings whose key begins with `prefix`, in the order in which they were set.
    ///
    /// # Errors
    /// `W6009`.
    pub fn settings(&self, prefix: &str) -> Result<Vec<Setting>, Fault> {
        let _guard = self.records()?;
        let mut found = Vec::new();
        self.read().kv.walk_prefix(&keys::setting(prefix), &mut |key, value| {
            let key = String::from_utf8_lossy(key.get(1..).unwrap_or_default());
            if let Some((set, text @ [_, ..])) = read_setting(value) {
                found.push((set, (key.into(), String::from_utf8_lossy(text).into())));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        found.sort_by_key(|(set, _)| *set);
        Ok(found.into_iter().map(|(_, setting)| setting).collect())
    }

    /// What the journal takes and how it does. Cheap.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let shared = self.read();
        let (segments, bytes) = shared.journal.size();
        let (micros, entries) = shared.commit_last();
        let (last_position, index_lag) = {
            let live = shared.live();
            (live.durable, live.pending.len() as u64)
        };
        Usage {
            bytes,
            free_bytes: shared.ports.files.free_space(&shared.plan.directory).unwrap_or(0),
            last_position,
            segments,
            commit_seconds_last: Duration::from_micros(micros).as_secs_f64(),
            commit_entries_last: entries,
            full: shared.full.load(Ordering::Relaxed),
            index_lag,
        }
    }

    /// Has the size of each batch counted from now on; the first histogram given stays.
    pub fn count_batches(&self, batches: Histogram) {
        let _ = self.read().batches.set(batches);
    }

    /// The fault that ended the store, if one did: then only a restart helps.
    #[must_use]
    pub fn broken(&self) -> Option<Fault> {
        self.read().broken.get().cloned()
    }

    /// Ledger rows of all queues, from the counts that are kept with the index.
    pub(super) fn ledger_rows(&self) -> Vec<LedgerRow> {
        let shared = self.read();
        let counts = shared.live().counts.clone();
        let rows = counts.iter().enumerate().filter_map(|(slot, counts)| {
            let queue = QueueId(u32::try_from(slot).ok()?);
            let (channel, destination) = shared.names.name(queue)?;
            Some(super::search::ledger_row(channel, destination, counts))
        });
        rows.filter(|row| row.committed > 0).collect()
    }

    /// How each queue stands, for metrics and lists.
    ///
    /// # Errors
    /// `W6009`.
    pub fn queues(&self) -> Result<Vec<QueueRow>, Fault> {
        let index = self.read().caught_up()?;
        let mut rows = Vec::new();
        let mut live = self.read().live();
        for slot in 0..live.counts.len() {
            let queue = QueueId(u32::try_from(slot).unwrap_or(u32::MAX));
            let Some((channel, destination)) = self.read().names.name(queue) else { continue };
            let Some(counts) = live.counts.get(slot).copied() else { continue };
            if counts.committed == 0 {
                continue;
            }
            let mut oldest = None;
            index.kv.walk_prefix(&keys::queue_prefix(queue), &mut |_, value| {
                oldest = Some(read_item(value)?.1.message.arrived());
                Ok(ControlFlow::Break(()))
            })?;
            let window = &live.queue(queue).queue;
            let (retrying, leased) = window.sizes();
            rows.push(QueueRow {
                channel,
                destination,
                waiting: counts.of(State::Waiting),
                retrying: retrying as u64,
                leased: leased as u64,
                held: counts.of(State::Held),
                dead: counts.of(State::Dead),
                bytes: counts.waiting_bytes,
                oldest: oldest.filter(|_| counts.of(State::Waiting) > 0),
                next_due: window.next_due(),
            });
        }
        Ok(rows)
    }
}

fn astray() -> Fault {
    Fault::new(codes::W6009).because("the index names an entry of another kind")
}
