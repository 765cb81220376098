//! The circuit breaker of a destination: after some failures in a row nothing is tried
//! for a while, then one delivery probes whether the destination is back.
//!
//! It spares a destination that is coming up, and the log. It holds deliveries back, it
//! never ends one.

use std::time::Duration;

use crate::base::Timestamp;

/// How a breaker opens and probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPlan {
    /// Failures in a row that open it: fewer would let one slow answer stop all lanes,
    /// more would let every lane run into the same wall.
    pub failures: u32,
    /// First pause.
    pub first: Duration,
    /// Longest pause: how late a repaired destination is noticed at worst.
    pub max: Duration,
}

impl Default for BreakerPlan {
    /// Opens after 5 failures, pauses 1 s to 30 s.
    fn default() -> Self {
        Self { failures: 5, first: Duration::from_secs(1), max: Duration::from_secs(30) }
    }
}

/// Whether deliveries may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// All may.
    Closed,
    /// None before this time.
    Open {
        /// When the next probe may go.
        until: Timestamp,
    },
    /// One may, as a probe.
    Probing,
}

/// A circuit breaker.
#[derive(Clone, Debug)]
pub struct Breaker {
    plan: BreakerPlan,
    state: BreakerState,
    failures: u32,
    since: Option<Timestamp>,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub const fn new(plan: BreakerPlan) -> Self {
        Self { plan, state: BreakerState::Closed, failures: 0, since: None }
    }

    /// Its state at `now`: an open one whose pause is over is probing.
    pub fn at(&mut self, now: Timestamp) -> BreakerState {
        if let BreakerState::Open { until } = self.state
            // A clock set back must not park it: no pause is longer than the longest.
            && (until <= now || until.since(now) > self.plan.max)
        {
            self.state = BreakerState::Probing;
        }
        self.state
    }

    /// How many deliveries may be taken at `now`, of `wanted`, while `running` are on
    /// their way.
    pub fn allowance(&mut self, now: Timestamp, wanted: usize, running: usize) -> usize {
        match self.at(now) {
            BreakerState::Closed => wanted,
            BreakerState::Open { .. } => 0,
            BreakerState::Probing => usize::from(running == 0).min(wanted),
        }
    }

    /// Notes that the peer answered, whatever it said. Returns whether that ended an outage.
    pub fn answered(&mut self) -> bool {
        let was_down = self.since.take().is_some();
        self.failures = 0;
        self.state = BreakerState::Closed;
        was_down
    }

    /// Notes a failure of the destination. Returns whether that began an outage. One of an
    /// attempt that began before the breaker opened says nothing new, so that many lanes
    /// that fail together do not make the pause longer.
    pub fn failed(&mut self, now: Timestamp) -> bool {
        if let BreakerState::Open { .. } = self.at(now) {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        let probing = self.at(now) == BreakerState::Probing;
        if self.failures < self.plan.failures && !probing {
            return false;
        }
        let beyond = self.failures.saturating_sub(self.plan.failures).min(16);
        let pause = self.plan.first.saturating_mul(1 << beyond).min(self.plan.max);
        self.state = BreakerState::Open { until: now.after(pause) };
        let began = self.since.is_none();
        self.since.get_or_insert(now);
        began
    }

    /// Ends the pause: the next delivery probes, as when a person asks to try now.
    pub fn probe_now(&mut self) {
        if let BreakerState::Open { .. } = self.state {
            self.state = BreakerState::Probing;
        }
    }

    /// Since when the destination is down; none while it is not.
    #[must_use]
    pub const fn down_since(&self) -> Option<Timestamp> {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    #[test]
    fn opens_probes_and_closes() {
        let mut breaker = Breaker::new(BreakerPlan::default());
        for _ in 0..4 {
            assert!(!breaker.failed(at(0)));
            assert_eq!(breaker.allowance(at(0), 8, 0), 8);
        }
        assert!(breaker.failed(at(0)), "the fifth failure begins an outage");
        for _ in 0..50 {
            assert!(!breaker.failed(at(0)), "those that began before say nothing new");
        }
        assert_eq!(breaker.at(at(0)), BreakerState::Open { until: at(1) });
        assert_eq!(breaker.allowance(at(0), 8, 0), 0);
        assert_eq!(breaker.down_since(), Some(at(0)));
        assert_eq!(breaker.allowance(at(1), 8, 0), 1, "one probe");
        assert_eq!(breaker.allowance(at(1), 8, 1), 0, "only one");
        assert!(!breaker.failed(at(1)), "the outage goes on");
        assert_eq!(breaker.at(at(2)), BreakerState::Open { until: at(3) }, "pauses grow");
        assert_eq!(breaker.at(at(3)), BreakerState::Probing);
        assert!(breaker.answered());
        assert_eq!(breaker.allowance(at(3), 8, 0), 8);
        assert!(!breaker.answered());
    }

    #[test]
    fn an_answer_between_failures_starts_the_count_anew() {
        let mut breaker = Breaker::new(BreakerPlan::default());
        for _ in 0..10 {
            breaker.failed(at(0));
            breaker.answered();
        }
        assert_eq!(breaker.at(at(0)), BreakerState::Closed);
    }

    proptest! {
        #[test]
        fn is_never_closed_for_longer_than_its_longest_pause(failures in 1usize..200) {
            let mut breaker = Breaker::new(BreakerPlan::default());
            for _ in 0..failures {
                breaker.failed(at(0));
            }
            prop_assert!(breaker.allowance(at(30), 1, 0) == 1);
        }
    }
}
