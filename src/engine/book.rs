//! The consents of patients as directives, read from the store and kept in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::consent::{ConsentBook, Directive};
use crate::fault::Fault;
use crate::fhir::Doc;
use crate::message::{ConsentRecord, PatientKey};
use crate::store::Store;

/// Most patients whose directives are kept in memory: some 100 MiB at three consents each.
/// Past it the memory starts anew, since the store answers too.
const PATIENTS_MAX: usize = 100_000;

type Kept = HashMap<PatientKey, Arc<[Directive]>>;

/// Directives of patients. Invariant: what is kept is what the store says, or is forgotten
/// before a later [`Book::forget`] returns.
pub(crate) struct Book {
    store: Store,
    kept: RwLock<Kept>,
    /// Rises with each `forget`, so that what was read before it is not kept after it.
    generation: AtomicU64,
}

impl Book {
    /// An empty one over the store.
    pub(crate) fn new(store: Store) -> Self {
        Self { store, kept: RwLock::default(), generation: AtomicU64::new(0) }
    }

    /// Forgets patients whose consents changed. Called after the change is committed.
    pub(crate) fn forget<'a>(&self, patients: impl IntoIterator<Item = &'a PatientKey>) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        for patient in patients {
            kept.remove(patient);
        }
    }
}

/// Compiles a stored consent.
pub(crate) fn compile(record: &ConsentRecord) -> Result<Directive, Fault> {
    let doc = Doc::parse_json(record.resource.clone())?;
    Directive::compile(&doc, &record.id, record.version).map(|(directive, _)| directive)
}

impl ConsentBook for Book {
    fn directives(&self, patient: &PatientKey) -> Result<Arc<[Directive]>, Fault> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(directives) = kept.get(patient) {
            return Ok(directives.clone());
        }
        drop(kept);
        let generation = self.generation.load(Ordering::Acquire);
        let records = self.store.consents(patient)?;
        let directives: Arc<[Directive]> =
            records.iter().map(compile).collect::<Result<Vec<_>, _>>()?.into();
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation.load(Ordering::Acquire) == generation {
            if kept.len() >= PATIENTS_MAX {
                kept.clear();
            }
            kept.insert(patient.clone(), directives.clone());
        }
        Ok(directives)
    }
}
