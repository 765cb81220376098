//! SMART App Launch: what a caller may do ([`Scopes`]) and who says so ([`Token`]).
//!
//! Texts become values here; keys, clocks and sockets are the callers'. A token that is
//! read is not yet believed: its signature, issuer, audience and times are checked by who
//! holds the keys. Nothing of a token is ever shown.

mod compartment;
mod scope;
mod token;

pub use compartment::belongs_to;
pub use scope::{Level, Permission, Reach, Scope, Scopes};
pub use token::{Algorithm, Claims, TOKEN_BYTES_MAX, Token};
