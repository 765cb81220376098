//! The channel at run time: what is decided about one message, and about one attempt.
//!
//! [`process()`] takes bytes to a complete [`MessageRecord`](crate::message::MessageRecord)
//! and the answer the sender hears; [`redecide()`] asks consent again before a delivery
//! leaves; [`RetryPlan`] and [`Breaker`] say when to try again; [`Watch`] says when people
//! are told of trouble. All of it is pure: time,
//! random bytes, consents and keys are handed in, and the engine (layer 9) reports what
//! comes out.
//!
//! Invariant: a message answered positively (`AA`, `CA`) owes every destination of its
//! channel exactly one fate; a message answered negatively owes nothing. So the answer
//! says who is responsible for the message from now on: weir, or still the sender. A
//! mapping that fails is weir's affair (fate dead, answer `AA`), because a sender that
//! resends cannot repair it.

mod alert;
mod breaker;
mod keys;
mod parse;
mod prepare;
mod process;
mod redecide;
mod reply;
mod retry;
mod rules;
mod validate;
mod validate_fhir;

pub use alert::{
    AlertRule, AlertState, Condition, Fact, MEASURES, Measure, Notice, NoticeKind, Subject, Unit,
    Watch, within,
};
pub use breaker::{Breaker, BreakerPlan, BreakerState};
pub use keys::{SearchName, duplicate_key, search_hash_domain};
pub use parse::{Parsed, parse, parse_as};
pub use prepare::remake;
pub use process::{Arrival, Left, Processed, Surroundings, process, receive, reject, wreck};
pub use redecide::{Redecision, redecide, same_decision};
pub use reply::{Reply, accept, amended, application, refuse};
pub use retry::{RetryPlan, Settlement, settle};
pub use rules::{
    Accept, AckMode, Answering, ChannelRules, ConsentRules, DestinationRules, Encoding, FilterRule,
    OnDeny, OnReject, OnUnknown, Responses,
};
pub use validate::{OnFail, RULE_PREFIX, SiteRule, ValidateRules};
pub use validate_fhir::{FhirRules, severity as fhir_severity};
