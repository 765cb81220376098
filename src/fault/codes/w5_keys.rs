//! Codes of keys and encryption.

codes! {}
