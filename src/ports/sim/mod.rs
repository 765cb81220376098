//! Simulated twins of the ports: a world that follows a seed and breaks on request.
//!
//! Time is tokio's (paused in simulation), randomness a function of the seed, the disk a
//! map in memory that forgets what was not synced when the machine goes down, the network
//! pipes between tasks. The same seed and the same calls give the same run.

mod clock;
mod disk;
mod net;

use std::sync::Arc;

pub use clock::{SimClock, SimEntropy, SplitMix};
pub use disk::{SimDisk, SimFiles};
pub use net::{SimNet, Weather};

use super::Ports;

/// The strings behind the simulated ports.
#[derive(Clone)]
pub struct Handles {
    /// Time, to jump.
    pub clock: Arc<SimClock>,
    /// The disk, to break.
    pub disk: Arc<SimDisk>,
    /// The network, to break.
    pub net: Arc<SimNet>,
    entropy: Arc<SimEntropy>,
}

/// Makes simulated ports and the handles behind them.
#[must_use]
pub fn ports(seed: u64) -> (Ports, Handles) {
    let handles = Handles {
        clock: Arc::new(SimClock::new()),
        disk: Arc::new(SimDisk::new(seed ^ 0xd15c)),
        net: Arc::new(SimNet::new(seed ^ 0x4e7)),
        entropy: Arc::new(SimEntropy::new(seed ^ 0xe7)),
    };
    (handles.ports(), handles)
}

impl Handles {
    /// The ports of the machine as it runs now.
    #[must_use]
    pub fn ports(&self) -> Ports {
        Ports {
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            net: self.net.clone(),
            files: Arc::new(self.disk.files()),
        }
    }

    /// Cuts the power and starts the machine again: what was not synced may be gone,
    /// connections are reset, listeners are gone, time goes on. Files and locks of the
    /// ports from before fail from now on.
    #[must_use]
    pub fn power_cut(&self) -> Ports {
        self.disk.crash();
        self.net.reset();
        self.ports()
    }

    /// Kills the process and starts it again: written bytes stay, synced or not.
    #[must_use]
    pub fn kill(&self) -> Ports {
        self.disk.reopen();
        self.net.reset();
        self.ports()
    }
}
