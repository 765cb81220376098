//! Codes of configuration.

codes! {}
