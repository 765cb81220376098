//! What a peer said to a delivery, for the sender who waits for it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// What the peer of a destination answered, for a sender that waits for it: in memory only,
/// never in the journal, since it may hold anything the peer has. `Debug` shows status and
/// length.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// HTTP status.
    pub status: u16,
    /// `Location`, without the base of the server where it is below it: `Patient/1/_history/2`.
    pub location: Option<Arc<str>>,
    /// `ETag`, such as `W/"2"`.
    pub etag: Option<Arc<str>>,
    /// `Last-Modified`, as HTTP writes dates.
    pub last_modified: Option<Arc<str>>,
    /// The body, FHIR JSON; empty where there is none.
    pub body: Bytes,
    /// Whether it was said to a Bundle that was carried out, so that the body answers entry by
    /// entry; a Bundle that is itself the resource written is none.
    pub bundled: bool,
}

impl Said {
    /// A status without anything else.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// Whether it says no.
    #[must_use]
    pub const fn refuses(&self) -> bool {
        self.status >= 400
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Said({} <phi {} B>)", self.status, self.body.len())
    }
}
