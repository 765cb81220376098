//! Codes of delivery.

codes! {}
