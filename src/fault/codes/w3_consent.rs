//! Codes of consent.

codes! {}
