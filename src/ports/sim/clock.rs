//! Simulated time and randomness.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::base::Timestamp;
use crate::ports::{Clock, Entropy};

/// When simulated time begins: 2026-01-01T00:00:00Z.
const START_MILLIS: i64 = 1_767_225_600_000;

/// Time as tokio tells it, which may be paused.
#[derive(Debug)]
pub struct SimClock {
    start: Instant,
    jumped: AtomicI64,
}

impl SimClock {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), jumped: AtomicI64::new(0) }
    }

    /// Sets the time of day forward or back by microseconds; time-outs do not notice.
    pub fn jump(&self, micros: i64) {
        self.jumped.fetch_add(micros, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let jumped = self.jumped.load(Ordering::Relaxed);
        let start = Timestamp::from_millis(START_MILLIS).after(self.start.elapsed());
        Timestamp::from_micros(start.micros().saturating_add(jumped))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A small generator of random numbers: enough to choose faults and make ids, nothing
/// secret.
///
/// Source: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014.
#[derive(Debug)]
pub struct SplitMix(AtomicU64);

impl SplitMix {
    /// Makes one that follows a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next 64 bits.
    pub fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 when that is 0.
    pub fn below(&self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    /// True once in `of` times.
    pub fn once_in(&self, of: u64) -> bool {
        self.below(of) == 0
    }
}

/// Random bytes that follow a seed.
#[derive(Debug)]
pub struct SimEntropy(SplitMix);

impl SimEntropy {
    pub(super) const fn new(seed: u64) -> Self {
        Self(SplitMix::new(seed))
    }
}

impl Entropy for SimEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.0.next().to_le_bytes();
            for (place, byte) in chunk.iter_mut().zip(bytes) {
                *place = byte;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_is_tokios_and_can_jump() {
        let clock = SimClock::new();
        let start = clock.now();
        assert_eq!(start.to_string(), "2026-01-01T00:00:00.000Z");
        clock.sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.now().since(start), Duration::from_secs(3600));
        clock.jump(-60_000_000);
        assert_eq!(clock.now().since(start), Duration::from_secs(3540));
        assert_eq!(clock.monotonic(), Duration::from_secs(3600));
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let bytes = |seed| {
            let mut bytes = [0; 20];
            SimEntropy::new(seed).fill(&mut bytes);
            bytes
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }
}
