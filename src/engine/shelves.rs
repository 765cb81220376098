//! The record store watched and handed out: its metrics, and exports of what it holds.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::actions::Actor;
use super::core::Core;
use crate::audit;
use crate::base::Timestamp;
use crate::fault::codes::{W8901, W9002};
use crate::fault::{Class, Fault};
use crate::fhir::rest::Query;
use crate::observe::meter;
use crate::records::{HistoryPage, Look as _, Page, Reader, Scope, Search, Version};
use crate::store::Collection;

/// Resources on a page of an export, and bytes of them: what a client holds in memory.
const PAGE_RESOURCES_MAX: usize = 1000;
const PAGE_BYTES_MAX: usize = 4 << 20;

/// Resources that are looked at for a page, so that one of few new ones is not slow.
const PAGE_LOOKS_MAX: usize = 20_000;

/// A collection that counts its searches.
pub(crate) struct Metered {
    pub(crate) core: Arc<Core>,
    pub(crate) name: Arc<str>,
    pub(crate) collection: Collection,
}

impl Reader for Metered {
    fn read(&self, kind: &str, id: &str) -> Result<Option<Version>, Fault> {
        self.collection.read(kind, id)
    }

    fn vread(&self, kind: &str, id: &str, number: u64) -> Result<Option<Version>, Fault> {
        self.collection.vread(kind, id, number)
    }

    fn search(&self, search: &Search<'_>) -> Result<Page, Fault> {
        let (registry, clock) = (&self.core.registry, &self.core.ports.clock);
        let begin = clock.monotonic();
        let found = self.collection.search(search);
        let took = clock.monotonic().saturating_sub(begin);
        registry.histogram(&meter::RECORDS_SEARCH_DURATION, &[&self.name]).observe(took);
        let result = match &found {
            Ok(page) => {
                registry.counter(&meter::RECORDS_LOOKS, &[&self.name]).add(page.looks);
                "found"
            }
            Err(fault) if fault.class() == Class::Permanent => "refused",
            Err(_) => "failed",
        };
        registry.counter(&meter::RECORDS_SEARCHES, &[&self.name, result]).increment();
        found
    }

    fn history(&self, scope: Scope<'_>, query: &Query) -> Result<HistoryPage, Fault> {
        self.collection.history(scope, query)
    }

    fn counts(&self) -> Result<Vec<(Arc<str>, u64)>, Fault> {
        Reader::counts(&self.collection)
    }
}

/// Which page of an export.
#[derive(Clone, Debug, Default)]
pub struct ExportPage {
    /// Type of the resources.
    pub kind: String,
    /// Id of the last one of the page before.
    pub after: Option<String>,
    /// Only what was written at this time or later.
    pub since: Option<Timestamp>,
}

/// A page of an export.
#[derive(Clone, Debug)]
pub struct Exported {
    /// When it was read.
    pub at: Timestamp,
    /// The latest versions of resources that are not deleted.
    pub versions: Vec<Version>,
    /// What the next page begins after; none: this is the last one.
    pub next: Option<String>,
}

/// Reads a page.
fn page_of(collection: &Collection, page: &ExportPage, at: Timestamp) -> Result<Exported, Fault> {
    let mut out = Exported { at, versions: Vec::new(), next: None };
    let (mut bytes, mut looks, mut last) = (0, 0, None);
    collection.visit(&page.kind, &[], page.after.as_deref(), &mut |version| {
        let full = out.versions.len() >= PAGE_RESOURCES_MAX || bytes >= PAGE_BYTES_MAX;
        if full || looks >= PAGE_LOOKS_MAX {
            out.next = last.take();
            return Ok(ControlFlow::Break(()));
        }
        looks += 1;
        last = Some(version.id.to_string());
        if page.since.is_none_or(|since| version.at >= since) {
            bytes += version.body.len();
            out.versions.push(version);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(out)
}

impl super::Engine {
    /// A page of the latest resources of a type, for a person who says why. What it shows is in
    /// the audit log before it is given.
    ///
    /// # Errors
    /// `W8901` without a reason, or the store's fault.
    pub async fn export_records(
        &self,
        collection: &str,
        page: ExportPage,
        by: &Actor,
    ) -> Result<Exported, Fault> {
        if by.reason.trim().is_empty() {
            return Err(Fault::new(W8901).because("an export is explained"));
        }
        let core = &self.0.core;
        let (own, now) = (core.store.collection(collection), core.now());
        let kind = page.kind.clone();
        let read = tokio::task::spawn_blocking(move || page_of(&own, &page, now)).await;
        let found = read.map_err(|_| Fault::new(W9002).because("while reading an export"))??;
        if !found.versions.is_empty() {
            let addresses: Vec<String> = found.versions.iter().map(Version::address).collect();
            let mut leaf = audit::action_done(audit::Action::MessageRevealed, now, &by.name);
            leaf.reason = Some(by.reason.clone());
            let count = addresses.len();
            leaf.decision = Some(format!("export of {count} {kind} of {collection}").into());
            leaf.digest = Some(Sha256::digest(addresses.join("\n")).into());
            core.act(Vec::new(), vec![leaf]).await?;
        }
        Ok(found)
    }

    /// Shows how much each collection holds.
    pub(crate) fn show_records(&self) {
        let core = &self.0.core;
        let Ok(shelves) = core.store.shelves() else { return };
        let mut all: BTreeMap<Arc<str>, (u64, u64)> = BTreeMap::new();
        for shelf in shelves {
            let sums = all.entry(shelf.collection).or_default();
            *sums = (sums.0 + shelf.resources, sums.1 + shelf.versions);
        }
        for (name, (resources, versions)) in all {
            core.registry.gauge(&meter::RECORDS_RESOURCES, &[&name]).set_count(resources);
            core.registry.gauge(&meter::RECORDS_VERSIONS, &[&name]).set_count(versions);
        }
    }
}
