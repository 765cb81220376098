//! The table of fault codes, one file a range:
//! W1 configuration, W2 source and parsing, W3 consent, W4 mapping, W5 keys and
//! encryption, W6 queue and store, W7 delivery, W8 access and audit, W9 internal.
//!
//! A code is never reused. Its page (`weir errors CODE`) is made from its row.

use super::{Class, Code, Row};

/// Declares codes and the rows of one range.
macro_rules! codes {
    ($($code:ident $class:ident $phrase:literal, $why:literal, $remedy:literal;)*) => {
        $(
            #[doc = $phrase]
            pub const $code: $crate::fault::Code = $crate::fault::Code(stringify!($code));
        )*
        /// The rows of this range, in order of their codes.
        pub(super) const ROWS: &[$crate::fault::Row] = &[$(
            $crate::fault::Row {
                code: $code,
                class: $crate::fault::Class::$class,
                phrase: $phrase,
                why: $why,
                remedy: $remedy,
            },
        )*];
    };
}

mod w1_config;
mod w2_source;
mod w3_consent;
mod w4_mapping;
mod w5_keys;
mod w6_store;
mod w7_delivery;
mod w8_access;
mod w9_internal;

pub use w1_config::*;
pub use w2_source::*;
pub use w3_consent::*;
pub use w4_mapping::*;
pub use w5_keys::*;
pub use w6_store::*;
pub use w7_delivery::*;
pub use w8_access::*;
pub use w9_internal::*;

/// Stands for a code without a row, which the tests make impossible.
pub(super) const UNKNOWN: Row = Row {
    code: Code("W9000"),
    class: Class::Bug,
    phrase: "this code has no row",
    why: "Every code needs a row in the table of codes.",
    remedy: "Report this as a bug.",
};

/// Every row, in order of the codes.
pub fn all() -> impl Iterator<Item = &'static Row> {
    [
        w1_config::ROWS,
        w2_source::ROWS,
        w3_consent::ROWS,
        w4_mapping::ROWS,
        w5_keys::ROWS,
        w6_store::ROWS,
        w7_delivery::ROWS,
        w8_access::ROWS,
        w9_internal::ROWS,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_ordered_and_explained() {
        let codes: Vec<&str> = all().map(|row| row.code.as_str()).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "codes must rise: {codes:?}");
        for row in all() {
            let code = row.code;
            assert!(code.as_str().len() == 5 && code.as_str().starts_with('W'), "{code}");
            assert!(!row.phrase.ends_with('.'), "{code}: a phrase has no period");
            assert!(
                !row.phrase.starts_with(char::is_uppercase)
                    || row.phrase.starts_with("HL7")
                    || row.phrase.starts_with("FHIR")
                    || row.phrase.starts_with("MS")
                    || row.phrase.starts_with("TLS")
                    || row.phrase.starts_with("MLLP")
                    || row.phrase.starts_with("JSON")
                    || row.phrase.starts_with("TOML"),
                "{code}: a phrase starts in lower case"
            );
            assert!(row.why.ends_with('.') && row.remedy.ends_with('.'), "{code}: sentences end");
        }
    }
}
