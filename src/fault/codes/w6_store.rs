//! Codes of queue and store.

codes! {}
