//! Subscription, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Coded, Extra, Instant, Primitive};

use super::codes;
use super::datatypes::*;

record! { domain Subscription "Subscription" {
    status "status": Primitive<Coded<codes::SubscriptionStatus>>,
    contact "contact": Vec<ContactPoint>,
    end "end": Primitive<Instant>,
    reason "reason": Primitive<String>,
    criteria "criteria": Primitive<String>,
    error "error": Primitive<String>,
    channel "channel": Option<Box<SubscriptionChannel>>,
} }

record! { backbone SubscriptionChannel {
    type_ "type": Primitive<Coded<codes::SubscriptionChannelType>>,
    endpoint "endpoint": Primitive<String>,
    payload "payload": Primitive<String>,
    header "header": Vec<Primitive<String>>,
} }
