//! Names of channels and destinations.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest name of a channel or destination, in bytes: short enough for a table row and a
/// metric label.
const NAME_BYTES_MAX: usize = 64;

/// A text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name has 1 to 64 characters of a-z, 0-9, `-`, `_` and `.`, and starts with a letter or digit"
)]
pub struct NameError;

fn checked(text: &str) -> Result<Arc<str>, NameError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let first = text.bytes().next().ok_or(NameError)?;
    let rest = |b: u8| plain(b) || matches!(b, b'-' | b'_' | b'.');
    if text.len() > NAME_BYTES_MAX || !plain(first) || !text.bytes().all(rest) {
        return Err(NameError);
    }
    Ok(text.into())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// [`NameError`] when it is empty, too long or has other characters.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                checked(text).map(Self)
            }

            /// Its text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Its text, shared.
            #[must_use]
            pub fn shared(&self) -> Arc<str> {
                self.0.clone()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name! {
    /// The name of a channel, such as `adt-main`.
    ChannelName
}
name! {
    /// The name of a destination within its channel, such as `ehr`.
    DestinationName
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plain_names_only() {
        for good in ["adt-main", "a", "9", "lab_batch.v2"] {
            assert!(ChannelName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "Adt", "-a", "a b", "a/b", "é", &"x".repeat(65)] {
            assert_eq!(ChannelName::parse(bad), Err(NameError), "{bad}");
        }
    }
}
