//! Named limits that hold everywhere. Limits of one room stand in that room.

use super::ByteSize;

/// Largest frame or body a source takes unless `max_size` says otherwise: embedded PDF
/// documents reach some MiB, and one peer must not take the memory of all.
pub const FRAME_BYTES_DEFAULT: ByteSize = ByteSize(10 << 20);

/// Largest `max_size` that settings may ask for: offsets in the message index are 32 bits.
pub const FRAME_BYTES_MAX: ByteSize = ByteSize(1 << 30);

/// Most segments of one HL7 v2 message: a tenth of this is the largest seen in practice.
pub const SEGMENTS_MAX: usize = 1_000_000;

/// Deepest nesting of a FHIR document: R4 resources stay below 30, and recursion over a
/// document must never exhaust a stack.
pub const DEPTH_MAX: usize = 64;
