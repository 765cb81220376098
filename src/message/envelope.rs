//! A message with what weir knows about it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Content, Trail};
use crate::base::{ChannelName, MessageId, Timestamp};

/// The configuration that handled a message: git commit where known, and content digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub Arc<str>);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Who sent it: address, and the subject of the client certificate where there was one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// `10.20.0.7:51234`, a file name's directory, or `replay`.
    pub address: Arc<str>,
    /// Subject of the client certificate.
    pub subject: Option<Arc<str>>,
}

/// A message on its way through the gates. Cheap to clone: content is shared.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The id weir gave it.
    pub id: MessageId,
    /// Its channel.
    pub channel: ChannelName,
    /// When it arrived.
    pub received: Timestamp,
    /// The configuration that handles it.
    pub revision: Revision,
    /// Who sent it.
    pub peer: Peer,
    /// What it says.
    pub content: Content,
    /// What happened to it so far.
    pub trail: Trail,
}
