//! The whole engine: messages in, answers, deliveries, and what people do meanwhile.

mod alerts;
mod answers;
mod bench;
mod consent;
mod flow;
mod held;
mod operate;
mod outage;
mod records;
mod reload;
mod seeds;
mod sockets;
