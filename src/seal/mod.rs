//! Seal what leaves: fields sealed, replaced by tokens or dropped; the keyring.
//!
//! A sealed value has a form that is valid where it stands: text without delimiters in a
//! field of HL7 v2, an extension on a primitive of FHIR. It names its key and message, and
//! opens in its own place only. Where keys come from and who may open is not known here.
//!
//! Invariant: what a rule covers never leaves in the clear. A place that cannot be
//! protected is a fault, not an exception.
//!
//! # Form of a sealed value
//!
//! `weir1.KEYID.DATA`, or `weir1xKEYIDxDATA` in messages with a delimiter among the
//! letters of the first. DATA is base64url without padding, or hex, of: message id (16
//! bytes), check of the place (4), Bundle entry (4), length of the plain text (4), nonce
//! (12), AES-256-GCM ciphertext and tag. The key is HKDF-SHA-256 of the named key and the
//! message id; place, entry, message and key id are the additional data.
//!
//! The place in HL7 v2 is `PID[1]-3[2].1.1`; in FHIR it counts from the resource,
//! `Patient.identifier[1].value`, so that a resource that a server took out of its Bundle
//! still opens.

mod apply;
mod fhir;
mod hl7;
mod keyring;
mod open;
mod rule;
#[cfg(test)]
mod tests;
mod value;

pub use apply::apply;
pub use fhir::SEALED_URL;
pub use keyring::{KEYRING_BYTES_MAX, KEYS_MAX, Keyring, REST, SEARCH};
pub use open::{Opened, open, unseal};
pub use rule::{How, SealRule};
