//! A version of a resource, and where it came from.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{ChannelName, MessageId, Timestamp};
use crate::fault::Fault;
use crate::fhir::Doc;

/// One version of one resource of a collection. Cheap to clone. Patient data: `Debug` shows
/// type and number only.
#[derive(Clone, PartialEq, Eq)]
pub struct Version {
    /// Type of the resource: `Patient`.
    pub kind: Arc<str>,
    /// Its logical id.
    pub id: Arc<str>,
    /// Number of the version; counts from 1, deletions included.
    pub number: u64,
    /// When it was written: its `meta.lastUpdated`.
    pub at: Timestamp,
    /// Whether this version is the deletion of the resource; it has no body then.
    pub deleted: bool,
    /// How it was written.
    pub method: Method,
    /// The resource, FHIR R4 JSON with `id`, `meta.versionId` and `meta.lastUpdated`.
    pub body: Bytes,
    /// The message that wrote it.
    pub message: MessageId,
    /// The channel that the message came by.
    pub channel: ChannelName,
    /// The configuration that handled it.
    pub revision: Arc<str>,
}

/// How a version came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Created under an id that weir gave.
    Post,
    /// Updated, or created under an id that the sender gave.
    Put,
    /// Patched.
    Patch,
    /// Deleted.
    Delete,
}

impl Method {
    /// Its name in HTTP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl Version {
    /// Its address below the base: `Patient/1/_history/2`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}/{}/_history/{}", self.kind, self.id, self.number)
    }

    /// The address of its resource: `Patient/1`.
    #[must_use]
    pub fn resource_address(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }

    /// Its entity tag: `W/"2"`.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("W/\"{}\"", self.number)
    }

    /// The resource, read.
    ///
    /// # Errors
    /// Those of [`Doc::parse_json`], which no body that was written here has.
    pub fn doc(&self) -> Result<Doc, Fault> {
        Doc::parse_json(self.body.clone())
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.deleted { "deleted" } else { "<phi>" };
        write!(f, "{}/<phi>/_history/{} ({what} {} B)", self.kind, self.number, self.body.len())
    }
}
