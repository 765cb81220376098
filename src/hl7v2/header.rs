//! MSH: who sends what to whom.

use std::borrow::Cow;
use std::fmt;

use super::segment::Segment;
use super::value::Value;

/// Views of the fields of MSH; fields that are missing read as empty.
#[derive(Clone, Copy)]
pub struct Header<'m> {
    msh: Segment<'m>,
}

impl<'m> Header<'m> {
    pub(super) fn new(msh: Segment<'m>) -> Self {
        Self { msh }
    }

    /// Field `n` from 1, whole; empty when missing.
    #[must_use]
    pub fn field(&self, n: usize) -> Value<'m> {
        self.msh.field(n).unwrap_or_else(|| self.msh.nothing())
    }

    /// MSH-3.
    #[must_use]
    pub fn sending_application(&self) -> Value<'m> {
        self.field(3)
    }

    /// MSH-4.
    #[must_use]
    pub fn sending_facility(&self) -> Value<'m> {
        self.field(4)
    }

    /// MSH-5.
    #[must_use]
    pub fn receiving_application(&self) -> Value<'m> {
        self.field(5)
    }

    /// MSH-6.
    #[must_use]
    pub fn receiving_facility(&self) -> Value<'m> {
        self.field(6)
    }

    /// MSH-9.1, such as `ADT`.
    #[must_use]
    pub fn message_code(&self) -> Cow<'m, str> {
        self.component(9, 1)
    }

    /// MSH-9.2, such as `A08`.
    #[must_use]
    pub fn trigger_event(&self) -> Cow<'m, str> {
        self.component(9, 2)
    }

    /// MSH-9.3, such as `ADT_A01`.
    #[must_use]
    pub fn structure(&self) -> Cow<'m, str> {
        self.component(9, 3)
    }

    /// Message type and event, such as `ADT^A08`; `ACK` when there is no event.
    #[must_use]
    pub fn message_type(&self) -> String {
        let (code, event) = (self.message_code(), self.trigger_event());
        if event.is_empty() { code.into_owned() } else { format!("{code}^{event}") }
    }

    /// MSH-10.
    #[must_use]
    pub fn control_id(&self) -> Value<'m> {
        self.field(10)
    }

    /// MSH-11.
    #[must_use]
    pub fn processing_id(&self) -> Value<'m> {
        self.field(11)
    }

    /// MSH-12.1, such as `2.5.1`.
    #[must_use]
    pub fn version(&self) -> Cow<'m, str> {
        self.component(12, 1)
    }

    /// MSH-15: when a commit acknowledgment is wanted.
    #[must_use]
    pub fn accept_ack(&self) -> Value<'m> {
        self.field(15)
    }

    /// MSH-16: when an application acknowledgment is wanted.
    #[must_use]
    pub fn application_ack(&self) -> Value<'m> {
        self.field(16)
    }

    fn component(&self, field: usize, n: usize) -> Cow<'m, str> {
        let value = self.msh.field(field).and_then(|field| field.component(n));
        value.map_or(Cow::Borrowed(""), |value| value.text())
    }
}

impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Header(<phi>)")
    }
}
