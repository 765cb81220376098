use crate::base::{MessageId, Timestamp};
use crate::fault::Fault;
use crate::message::State;

/// A parsed filter: terms all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub terms: Vec<Term>,
}
/// One term: any of its alternatives, or with `negated` none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub negated: bool,
    pub field: Field,
    pub any: Vec<String>,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    Channel,
    Destination,
    State,
    Type,
    Code,
    Since(Timestamp),
    Until(Timestamp),
    Tag,
    Id,
    Control,
    Patient,
    Key(String),
}
impl Filter {
    /// `now` resolves `since:2h`; `tags` are resolved by the caller.
    pub fn parse(_text: &str, _now: Timestamp) -> Result<Self, Fault> {
        todo!()
    }
    pub fn all() -> Self {
        Self::default()
    }
}
