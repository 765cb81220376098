//! Ports: everything the engine takes from outside, each with a real form and a simulated
//! twin that follows a seed and injects faults.
//!
//! Nothing else in weir reads a clock, draws random bytes, opens a socket or writes a file
//! of the store. Under the simulated ports the whole engine runs on one thread with tokio's
//! paused clock.

pub mod certificate;
mod clock;
mod entropy;
pub mod fhir;
mod files;
pub mod http;
mod net;
pub mod process;
pub mod program;
pub mod secrets;
pub mod sim;
pub mod systemd;
#[cfg(test)]
pub(crate) mod testing;
pub mod tls;

use std::sync::Arc;

pub use clock::{Clock, SystemClock};
pub use entropy::{Entropy, SystemEntropy};
pub use files::{File, Files, Identity, SystemFiles};
pub use net::{Listener, Net, Stream, SystemNet};

/// The ports of one engine. Cheap to clone.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Sockets.
    pub net: Arc<dyn Net>,
    /// Files of the store.
    pub files: Arc<dyn Files>,
}

impl Ports {
    /// The real ones.
    #[must_use]
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            net: Arc::new(SystemNet),
            files: Arc::new(SystemFiles),
        }
    }
}
