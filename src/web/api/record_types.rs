//! Types of the requests about the record store; as all others, they are named in
//! [`super::types`].

use serde::{Deserialize, Serialize};

/// `GET /api/v1/records`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsView {
    /// `weir.records.v1`.
    pub schema: String,
    /// The server's time before it was read.
    pub at: String,
    /// A row a collection and type.
    pub shelves: Vec<ShelfView>,
}

/// The resources of one type in one collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShelfView {
    /// Collection.
    pub collection: String,
    /// Type of the resources.
    #[serde(rename = "type")]
    pub kind: String,
    /// Those that are not deleted.
    pub resources: u64,
    /// All versions, deletions included.
    pub versions: u64,
}

/// Query of `GET /api/v1/records/{collection}/{type}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordPageQuery {
    /// `next` of the page before; none: the first page.
    pub after: Option<String>,
    /// Only what was written at this time or later.
    pub since: Option<String>,
    /// Why.
    pub reason: String,
}

/// `GET /api/v1/records/{collection}/{type}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPageView {
    /// `weir.record-page.v1`.
    pub schema: String,
    /// Collection.
    pub collection: String,
    /// Type of the resources.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was read.
    pub at: String,
    /// The resources, FHIR R4 JSON each.
    pub resources: Vec<String>,
    /// What the next page begins after; none: this is the last one.
    pub next: Option<String>,
}

/// Query of `GET /api/v1/records/{collection}/{type}/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordQuery {
    /// Which version; none: the latest.
    pub version: Option<u64>,
    /// Why.
    pub reason: String,
}

/// `GET /api/v1/records/{collection}/{type}/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordView {
    /// `weir.record.v1`.
    pub schema: String,
    /// Collection.
    pub collection: String,
    /// `Patient/ID/_history/2`.
    pub address: String,
    /// When it was written.
    pub written: String,
    /// Whether this version is the deletion of the resource.
    pub deleted: bool,
    /// The message that wrote it.
    pub message: String,
    /// Its channel.
    pub channel: String,
    /// The configuration that made it.
    pub revision: String,
    /// The resource, FHIR JSON as it is kept; empty for a deletion.
    pub resource: String,
}
