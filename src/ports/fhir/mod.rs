//! Calls to FHIR servers, for whatever room makes them: how weir shows who it is (`auth`,
//! `jwk`), a caller of one server that keeps to it (`caller`), and what of an outcome may be
//! told (`issue`), and what an address that a server names leads to (`address`).
//!
//! What is asked and what an answer means is for the rooms above. The invariant: credentials
//! go to the server of the settings, and to others only where the settings name them.

mod address;
mod auth;
mod caller;
mod issue;
mod jwk;

pub use address::Address;
pub use auth::{AUTH_ROW, Auth, read_auth};
pub use caller::{Account, Caller, Server};
pub use issue::{Issue, issue_of};

use super::http::Url;

/// Longest address below a server: servers put signatures into those of a status.
const LOCAL_BYTES_MAX: usize = 2048;

/// The path of an address of the server, with its query, from the root; `None` for that of
/// another server.
#[must_use]
pub fn local(text: &str, base: &Url) -> Option<String> {
    let whole = base.to_string();
    let origin = whole.strip_suffix(&*base.path).unwrap_or(&whole);
    let path = text.strip_prefix(origin).unwrap_or(text);
    let fits = path.starts_with('/') && !path.starts_with("//");
    (fits && path.len() <= LOCAL_BYTES_MAX && path.bytes().all(|b| b.is_ascii_graphic()))
        .then(|| path.to_owned())
}

/// Percent-encodes all but unreserved characters.
///
/// Source: RFC 3986 §2.3.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// What tests of rooms above need of here.
#[cfg(test)]
pub(crate) mod testing {
    pub(crate) use super::jwk::tests::p384_jwk;
}
