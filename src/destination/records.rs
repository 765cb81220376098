//! The destination `records`: FHIR resources into the record store of this weir.
//!
//! It knows no store: what keeps records is handed in by the engine that builds it
//! ([`RecordKeeper`]). A delivery is written whole or not at all; sent again after a crash,
//! it gets the answer of the first time and writes nothing.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Delivered, DeliveryError, Destination};
use crate::base::DestinationName;
use crate::fault::{
    Fault,
    codes::{W1011, W7600, W9001},
};
use crate::message::{ContentKind, Delivery};
use crate::ports::Ports;
use crate::settings::{Key, KindRow, Table};

/// The collection where nothing else is said.
pub const COLLECTION: &str = "main";

/// The keys of the destination `records`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordsPlan {
    /// The collection that is written to.
    pub collection: Arc<str>,
}

/// Who keeps records.
#[async_trait]
pub trait RecordKeeper: Send + Sync {
    /// Writes a delivery to a collection; durable when it returns. The same body of the same
    /// message again writes nothing and gives the same answer.
    ///
    /// # Errors
    /// What is refused, with the answer to its sender; what the store says.
    async fn keep(&self, collection: &str, delivery: &Delivery)
    -> Result<Delivered, DeliveryError>;
}

const COLLECTION_KEY: Key<Arc<str>> = Key::new(
    "collection",
    "a name such as `main`",
    "Collection that is written to: resources of one never meet those of another.",
)
.default("main");

/// The row of this kind.
pub(super) const ROW: KindRow = KindRow {
    name: "records",
    about: "Keeps FHIR R4 resources with all their versions in weir's own record store.",
    keys: &[COLLECTION_KEY.row()],
};

/// Reads the keys of this kind.
pub(super) fn read(table: &mut Table<'_>) -> Option<RecordsPlan> {
    let Some(collection) = table.spanned(&COLLECTION_KEY) else {
        return Some(RecordsPlan { collection: COLLECTION.into() });
    };
    // A name as all others.
    if let Err(error) = DestinationName::parse(&collection.value) {
        table.error(Fault::new(W1011).because(error.to_string()), &collection.span);
        return None;
    }
    Some(RecordsPlan { collection: collection.value })
}

/// Makes one.
pub(super) fn build(
    plan: &RecordsPlan,
    keeper: Option<Arc<dyn RecordKeeper>>,
) -> Box<dyn Destination> {
    Box::new(RecordsDestination { plan: plan.clone(), keeper })
}

struct RecordsDestination {
    plan: RecordsPlan,
    keeper: Option<Arc<dyn RecordKeeper>>,
}

#[async_trait]
impl Destination for RecordsDestination {
    async fn open(&mut self, _ports: &Ports) -> Result<(), DeliveryError> {
        Ok(())
    }

    async fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered, DeliveryError> {
        if delivery.body.kind != ContentKind::FhirJson {
            return Err(Fault::new(W7600).into());
        }
        let none = || Fault::new(W9001).because("no record store was handed in");
        let keeper = self.keeper.as_ref().ok_or_else(none)?;
        keeper.keep(&self.plan.collection, delivery).await
    }
}
