//! Sources that fetch from a FHIR server: exports of the Bulk Data API, and what it notifies of.
//!
//! `bulk` is what settings say, `export` begins an export and waits for it, `manifest` reads
//! what it came to, `take` takes its files line by line (`lines`), `offer` makes a message of
//! a resource, `journey` waits and calls until told otherwise, `lean` keeps little of JSON. `subscription` is what settings
//! say of notifications, `register` keeps a Subscription in force and fetches what was missed
//! (`sweep`), `notify` takes notifications. What a server says is not
//! trusted: every address is checked before it is asked, everything read has a bound, and no
//! content stands in a fault.

mod bulk;
mod export;
mod journey;
mod lean;
mod lines;
mod manifest;
mod notify;
mod offer;
mod register;
mod subscription;
mod sweep;
mod take;
#[cfg(test)]
mod tests;

pub use bulk::{BulkPlan, Export};
pub(super) use bulk::{ROW as BULK_ROW, read as read_bulk};
pub(super) use export::bind as bind_bulk;
pub(super) use register::bind as bind_subscription;
pub use subscription::SubscriptionPlan;
pub(super) use subscription::{ROW as SUBSCRIPTION_ROW, read as read_subscription};
