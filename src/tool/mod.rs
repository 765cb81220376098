//! Tools behind the commands that need no server: an MLLP client, a sandbox receiver, a FHIR
//! receiver for demonstrations, load, the outline and the view of a message.
//!
//! Nothing here prints: results are values, shown by `cli`.

pub mod client;
pub mod disk;
pub mod load;
pub mod outline;
pub mod receiver;
pub mod rehearsal;
pub mod sandbox;
pub mod testing;
pub mod view;
