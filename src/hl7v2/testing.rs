//! Messages that the codecs of the other forms are tried on.

use proptest::prelude::*;

use super::Message;

/// Begins of messages in several character sets and delimiters.
const HEADS: [&[u8]; 6] = [
    b"MSH|^~\\&|A||||||ADT^A01|7|P|2.5||||||8859/1\rPID|",
    b"MSH|^~\\&#|A||||||ORU^R01|7|P|2.7||||||UNICODE UTF-8\rOBX|1|ED|",
    b"MSH|^~\\&|A||||||ADT^A01|7|P|2.5||||||~ISO IR87\rPID|\x1b$B",
    b"MSH|^~\\&|A||||||ADT^A01|7|P|2.5||||||BIG-5\rPID|",
    b"MSH|^~|A",
    b"MSH|^~\\&|",
];

/// Bytes that mean something, and any others.
pub fn odd_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        Just(b'|'),
        Just(b'^'),
        Just(b'~'),
        Just(b'\\'),
        Just(b'&'),
        Just(b'\r'),
        Just(b'"'),
        Just(b'\n'),
        Just(b'A'),
        Just(b'F'),
        any::<u8>()
    ];
    proptest::collection::vec(byte, 0..120)
}

/// Asserts that each message that ends in `tail` comes back from another form and is written
/// as it was.
pub fn comes_back(tail: &[u8], through: impl Fn(&Message) -> Message) -> Result<(), TestCaseError> {
    for head in HEADS {
        let bytes = [head, tail].concat();
        if let Ok(message) = Message::parse(bytes.clone().into()) {
            prop_assert_eq!(through(&message).write(), bytes);
        }
    }
    Ok(())
}
