//! Codes of mapping.

codes! {}
