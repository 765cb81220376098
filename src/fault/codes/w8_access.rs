//! Codes of access and audit.

codes! {}
