//! Any bytes on an MLLP connection, cut anywhere.
#![no_main]

#[path = "../../it/properties/hl7v2.rs"]
#[allow(dead_code, missing_docs, clippy::unwrap_used)]
mod hl7v2;

use weir::hl7v2::mllp::Framing;

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    for framing in [Framing::Lenient, Framing::Strict] {
        hl7v2::framing_survives(bytes, usize::from(cut), framing);
    }
});
