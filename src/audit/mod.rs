//! Audit: who did what to which message, in a form that cannot be changed unseen.
//!
//! A leaf is a value of `message`; here are the actions it may name ([`ACTIONS`]), the
//! functions that make the standard leaves, its canonical bytes, its hashes, and the check
//! of a chain. Where leaves are kept and who signs heads is not known here.
//!
//! Two hashes, kept apart: [`leaf_hash`] is that of RFC 6962, so that a Merkle tree can
//! stand over the same leaves; [`ChainHead`] binds each leaf to all before it.
//!
//! Invariant: canonical bytes are a function of the leaf alone, and reading them gives the
//! same leaf. A leaf holds no patient data, so an export can be handed out whole.

mod action;
mod canonical;
mod chain;
mod leaves;

pub use action::{ACTIONS, Action, ActionRow};
pub use canonical::{CANONICAL_VERSION, LEAF_BYTES_MAX, canonical, read};
pub use chain::{ChainBreak, ChainHead, Verified, leaf_hash, verify, verify_bytes};
pub use leaves::{
    REASON_CHARS_MAX, Subject, WEIR, action_done, alert_acked, alert_muted, channel_paused,
    channel_resumed, config_reloaded, consent_decided, consent_deleted, consent_stored,
    delivery_answered, delivery_dead, delivery_delivered, delivery_held, delivery_released,
    delivery_requeued, delivery_skipped, engine_started, engine_stopped, message_accepted,
    message_answered, message_refused, message_revealed, message_sealed, message_unsealed,
    records_written,
};
