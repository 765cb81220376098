//! Codes of sources and parsing.

codes! {}
