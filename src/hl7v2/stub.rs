use crate::fault::Fault;
use bytes::Bytes;
use std::borrow::Cow;

/// A v2 message: its bytes and an index of offsets. Cheap to clone (shared).
#[derive(Clone)]
pub struct Message(());
/// `\ | ^ ~ &` as the message declares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiters {
    pub field: u8,
    pub component: u8,
    pub repetition: u8,
    pub escape: Option<u8>,
    pub subcomponent: Option<u8>,
    pub truncation: Option<u8>,
}
/// `PID-3[2].4.1`, `OBX[3]-5`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Path(());
/// A piece of a message: raw bytes with the delimiters to read them. Debug prints `<phi>`.
#[derive(Clone, Copy)]
pub struct Value<'m>(&'m ());
#[derive(Clone, Copy)]
pub struct Segment<'m>(&'m ());
/// MSH read once: cheap views.
#[derive(Clone, Copy)]
pub struct Header<'m>(&'m ());

impl Path {
    pub fn parse(_text: &str) -> Result<Self, Fault> {
        todo!()
    }
}
impl std::fmt::Display for Path {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
impl Message {
    /// Index the bytes (default tolerance).
    pub fn parse(_bytes: Bytes) -> Result<Self, Fault> {
        todo!()
    }
    /// Bytes as they came.
    pub fn bytes(&self) -> &Bytes {
        todo!()
    }
    /// Bytes with edits applied; identical bytes (no copy) when unedited.
    pub fn write(&self) -> Bytes {
        todo!()
    }
    pub fn delimiters(&self) -> &Delimiters {
        todo!()
    }
    pub fn header(&self) -> Header<'_> {
        todo!()
    }
    pub fn segment_count(&self) -> usize {
        todo!()
    }
    pub fn segment(&self, _index: usize) -> Option<Segment<'_>> {
        todo!()
    }
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> + '_ {
        std::iter::empty()
    }
    /// First value at the path (first segment, first repetition unless the path says otherwise).
    pub fn read(&self, _path: &Path) -> Option<Value<'_>> {
        todo!()
    }
    /// All values at the path: every segment occurrence/repetition the path leaves open.
    pub fn read_all(&self, _path: &Path) -> Vec<Value<'_>> {
        todo!()
    }
    /// Overlay edit: text is escaped as needed. Missing parts are made.
    pub fn set(&mut self, _path: &Path, _text: &str) -> Result<(), Fault> {
        todo!()
    }
    /// Overlay edit with raw bytes (delimiters kept).
    pub fn set_raw(&mut self, _path: &Path, _raw: &[u8]) -> Result<(), Fault> {
        todo!()
    }
    /// Empties the place (field stays as empty).
    pub fn clear(&mut self, _path: &Path) -> Result<(), Fault> {
        todo!()
    }
}
impl<'m> Header<'m> {
    pub fn sending_application(&self) -> Value<'m> {
        todo!()
    }
    pub fn sending_facility(&self) -> Value<'m> {
        todo!()
    }
    pub fn receiving_application(&self) -> Value<'m> {
        todo!()
    }
    pub fn receiving_facility(&self) -> Value<'m> {
        todo!()
    }
    /// MSH-9.1, MSH-9.2, MSH-9.3 decoded
    pub fn message_code(&self) -> Cow<'m, str> {
        todo!()
    }
    pub fn trigger_event(&self) -> Cow<'m, str> {
        todo!()
    }
    pub fn structure(&self) -> Cow<'m, str> {
        todo!()
    }
    /// `ADT^A08` (`ACK` when there is no event)
    pub fn message_type(&self) -> String {
        todo!()
    }
    pub fn control_id(&self) -> Value<'m> {
        todo!()
    }
    pub fn processing_id(&self) -> Value<'m> {
        todo!()
    }
    pub fn version(&self) -> Cow<'m, str> {
        todo!()
    }
    pub fn accept_ack(&self) -> Value<'m> {
        todo!()
    }
    pub fn application_ack(&self) -> Value<'m> {
        todo!()
    }
}
impl<'m> Segment<'m> {
    pub fn index(&self) -> usize {
        todo!()
    }
    /// `PID`
    pub fn id(&self) -> &'m str {
        todo!()
    }
    pub fn raw(&self) -> &'m [u8] {
        todo!()
    }
    /// Number of the last field present.
    pub fn field_count(&self) -> usize {
        todo!()
    }
    /// Field n from 1 (MSH-1 is the field separator itself); the whole field with its repetitions.
    pub fn field(&self, _n: usize) -> Option<Value<'m>> {
        todo!()
    }
}
impl<'m> Value<'m> {
    pub fn raw(&self) -> &'m [u8] {
        todo!()
    }
    pub fn is_empty(&self) -> bool {
        todo!()
    }
    /// Exactly `""`.
    pub fn is_null(&self) -> bool {
        todo!()
    }
    /// Neither empty nor null.
    pub fn is_valued(&self) -> bool {
        todo!()
    }
    /// Decoded from the message's character set and unescaped.
    pub fn text(&self) -> Cow<'m, str> {
        todo!()
    }
    /// Children one level down; from a field: repetitions; from those: components; then subcomponents.
    pub fn repetitions(&self) -> impl Iterator<Item = Value<'m>> + 'm {
        std::iter::empty()
    }
    pub fn components(&self) -> impl Iterator<Item = Value<'m>> + 'm {
        std::iter::empty()
    }
    pub fn subcomponents(&self) -> impl Iterator<Item = Value<'m>> + 'm {
        std::iter::empty()
    }
    /// n from 1.
    pub fn repetition(&self, _n: usize) -> Option<Value<'m>> {
        todo!()
    }
    pub fn component(&self, _n: usize) -> Option<Value<'m>> {
        todo!()
    }
    pub fn subcomponent(&self, _n: usize) -> Option<Value<'m>> {
        todo!()
    }
    /// Byte range in `Message::bytes` (for lineage).
    pub fn range(&self) -> std::ops::Range<usize> {
        todo!()
    }
}

/// MLLP framing, sans-io.
pub mod mllp {
    use crate::fault::Fault;
    use bytes::{Bytes, BytesMut};
    /// How strict the framing is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Framing {
        Strict,
        Lenient,
    }
    /// Collects bytes, gives frames.
    pub struct Decoder(());
    /// What the decoder found.
    #[derive(Debug)]
    pub enum Event {
        /// Content between start and end block, both left out.
        Frame(Bytes),
        /// Bytes outside a frame were passed over (count), or a frame restarted/was cut: worth an event, not an answer.
        Junk(usize),
    }
    impl Decoder {
        pub fn new(_framing: Framing, _max_bytes: usize) -> Self {
            todo!()
        }
        /// Takes bytes read from the socket.
        pub fn push(&mut self, _bytes: BytesMut) {
            todo!()
        }
        /// Next event, `None` = needs more bytes. Err W2xxx: oversize frame (connection must close after NAK).
        pub fn next(&mut self) -> Result<Option<Event>, Fault> {
            todo!()
        }
        /// Whether a frame has begun and not ended (for the frame time-out).
        pub fn in_frame(&self) -> bool {
            todo!()
        }
    }
    /// Appends VT content FS CR.
    pub fn encode(_content: &[u8], _out: &mut BytesMut) {
        todo!()
    }
}

/// Acknowledgments.
pub mod ack {
    use super::Message;
    use crate::base::Timestamp;
    use crate::fault::Fault;
    use bytes::Bytes;
    /// MSA-1.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum AckCode {
        AA,
        AE,
        AR,
        CA,
        CE,
        CR,
    }
    /// Which ack mode the message asks for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Mode {
        Original,
        Enhanced,
    }
    /// The conditions of MSH-15/16.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Condition {
        Always,
        Never,
        Error,
        Success,
    }
    /// Builds an ACK for `message` (MSH swapped, MSA-2 byte for byte, ERR for 2.5+ or MSA-3 before) .
    pub fn build(
        _message: &Message,
        _code: AckCode,
        _fault: Option<&Fault>,
        _now: Timestamp,
        _control_id: &str,
    ) -> Bytes {
        todo!()
    }
    /// ACK for bytes that could not be parsed: best effort from whatever of MSH can be read.
    pub fn build_unparsed(
        _bytes: &[u8],
        _code: AckCode,
        _fault: &Fault,
        _now: Timestamp,
        _control_id: &str,
    ) -> Bytes {
        todo!()
    }
}
