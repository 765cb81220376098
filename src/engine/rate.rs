//! How fast a destination may be sent to.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::Rate;

/// A token bucket: attempts may come in a burst of the rate's own count, and then evenly.
pub(crate) struct Bucket {
    rate: Rate,
    /// When the bucket is full again.
    full_at: Mutex<Duration>,
}

impl Bucket {
    /// A full one.
    pub(crate) const fn new(rate: Rate) -> Self {
        Self { rate, full_at: Mutex::new(Duration::ZERO) }
    }

    /// Takes one attempt; how long it has to wait. `now` counts from any fixed moment.
    pub(crate) fn take(&self, now: Duration) -> Duration {
        let each = self.rate.per / self.rate.count.max(1);
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *full_at = (*full_at).max(now) + each;
        full_at.saturating_sub(now + self.rate.per)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_evenly() {
        let bucket = Bucket::new(Rate { count: 10, per: Duration::from_secs(1) });
        let start = Duration::from_secs(5);
        for _ in 0..10 {
            assert_eq!(bucket.take(start), Duration::ZERO);
        }
        assert_eq!(bucket.take(start), Duration::from_millis(100));
        assert_eq!(bucket.take(start), Duration::from_millis(200));
        assert_eq!(bucket.take(start + Duration::from_secs(9)), Duration::ZERO);
    }
}
