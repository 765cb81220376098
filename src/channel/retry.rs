//! When to try again, and when to stop.

use std::time::Duration;

use super::OnReject;
use crate::base::Timestamp;
use crate::fault::codes::{W7202, W7220, W7221};
use crate::fault::{Class, Fault};
use crate::message::{FaultRecord, Outcome};

/// `retry = { first, max, factor, give_up }` of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPlan {
    /// Wait after the first failure.
    pub first: Duration,
    /// Longest wait.
    pub max: Duration,
    /// By how much each wait is longer than the one before.
    pub factor: u32,
    /// Stop when a delivery's own waits add up to this; never without it.
    pub give_up: Option<Duration>,
}

impl Default for RetryPlan {
    /// First 1 s, max 5 min, factor 2, never gives up.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            max: Duration::from_secs(300),
            factor: 2,
            give_up: None,
        }
    }
}

impl RetryPlan {
    /// The wait after the `attempts`-th failure (from 1), before jitter.
    #[must_use]
    pub fn wait(&self, attempts: u32) -> Duration {
        let factor = self.factor.max(1).saturating_pow(attempts.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.max)
    }

    /// The wait with jitter: between half of it and all of it, so that lanes and servers
    /// that failed together do not come back together.
    #[must_use]
    pub fn jittered(&self, attempts: u32, random: u64) -> Duration {
        let whole = self.wait(attempts);
        let half = whole / 2;
        let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
        let extra = (u128::from(random) * u128::from(micros)) >> 64;
        half + Duration::from_micros(u64::try_from(extra).unwrap_or(micros))
    }

    /// Whether a delivery that failed `attempts` times is given up.
    ///
    /// Counts the waits of the delivery itself, not its age: time spent behind another
    /// message or while the destination was paused gives nobody up.
    #[must_use]
    pub fn gives_up(&self, attempts: u32) -> bool {
        let Some(limit) = self.give_up else { return false };
        let mut total = Duration::ZERO;
        for attempt in 1..=attempts {
            let wait = self.wait(attempt);
            if wait >= self.max {
                let rest = attempts - attempt + 1;
                return total.saturating_add(wait.saturating_mul(rest)) >= limit;
            }
            total += wait;
            if total >= limit {
                return true;
            }
        }
        total >= limit
    }
}

/// What a failed attempt leads to.
#[derive(Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The outcome to journal.
    pub outcome: Outcome,
    /// Whether the destination itself seems to be down, which its breaker counts.
    pub counts_against_destination: bool,
}

/// Decides what a failed attempt leads to.
///
/// `attempts` includes the failed one; `retry_after` is the peer's own wish, kept within
/// the plan's longest wait times twelve, so that a peer cannot park a lane for a year.
#[must_use]
pub fn settle(
    plan: &RetryPlan,
    on_reject: OnReject,
    failure: (&Fault, Option<Duration>),
    attempts: u32,
    (now, random): (Timestamp, u64),
) -> Settlement {
    let (fault, retry_after) = failure;
    let again = |wait: Duration| {
        let wait = retry_after.map_or(wait, |asked| wait.max(asked.min(plan.max * 12)));
        Outcome::Retry { next_try: now.after(wait), fault: FaultRecord::from(fault) }
    };
    let outcome = match fault.class() {
        Class::Transient if plan.gives_up(attempts) => Outcome::Dead(fault.into()),
        Class::Transient => again(plan.jittered(attempts, random)),
        // A person must act; trying rarely shows that they did.
        Class::Operator => again(plan.max),
        Class::Permanent => match on_reject {
            OnReject::DeadLetter => Outcome::Dead(fault.into()),
            OnReject::Block => again(plan.max),
        },
        Class::Bug => Outcome::Dead(fault.into()),
    };
    // A peer that says no to one message is there: only that message's lane waits.
    let answered = [W7202, W7220, W7221].contains(&fault.code());
    let counts_against_destination =
        matches!(fault.class(), Class::Transient | Class::Operator) && !answered;
    Settlement { outcome, counts_against_destination }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::codes::W9001;
    use proptest::prelude::*;

    fn plan(give_up: Option<u64>) -> RetryPlan {
        RetryPlan { give_up: give_up.map(Duration::from_secs), ..RetryPlan::default() }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let check = |attempts, secs| {
            assert_eq!(plan(None).wait(attempts), Duration::from_secs(secs), "{attempts}");
        };
        check(1, 1);
        check(2, 2);
        check(5, 16);
        check(9, 256);
        check(10, 300);
        check(u32::MAX, 300);
    }

    #[test]
    fn gives_up_when_its_own_waits_add_up() {
        let check = |limit, attempts, expected| {
            assert_eq!(plan(limit).gives_up(attempts), expected, "{limit:?} {attempts}");
        };
        check(None, u32::MAX, false);
        check(Some(10), 3, false); // 1 + 2 + 4
        check(Some(10), 4, true); // + 8
        check(Some(86_400), 288, false);
        check(Some(86_400), 300, true);
        check(Some(86_400), u32::MAX, true);
        check(Some(1), 0, false);
    }

    #[test]
    fn the_class_decides() {
        let now = Timestamp::from_millis(1_000_000);
        let check = |class, on_reject, expected: fn(&Outcome) -> bool| {
            let fault = Fault::new(W9001).class_of(class);
            let settlement = settle(&plan(None), on_reject, (&fault, None), 1, (now, 0));
            assert!(expected(&settlement.outcome), "{class:?} {on_reject:?} {settlement:?}");
        };
        let retry: fn(&Outcome) -> bool = |o| matches!(o, Outcome::Retry { .. });
        let dead: fn(&Outcome) -> bool = |o| matches!(o, Outcome::Dead(_));
        check(Class::Transient, OnReject::DeadLetter, retry);
        check(Class::Permanent, OnReject::DeadLetter, dead);
        check(Class::Permanent, OnReject::Block, retry);
        check(Class::Operator, OnReject::DeadLetter, retry);
        check(Class::Bug, OnReject::Block, dead);
    }

    #[test]
    fn a_peer_may_ask_for_a_longer_wait_within_reason() {
        let now = Timestamp::from_millis(0);
        let fault = Fault::new(W9001).class_of(Class::Transient);
        let check = |asked: u64, secs: i64| {
            let asked = Some(Duration::from_secs(asked));
            let settlement = settle(&plan(None), OnReject::Block, (&fault, asked), 1, (now, 0));
            let Outcome::Retry { next_try, .. } = settlement.outcome else { panic!() };
            assert_eq!(next_try.millis(), secs * 1000);
        };
        check(120, 120);
        check(1_000_000, 3600);
    }

    proptest! {
        #[test]
        fn jitter_stays_between_half_and_whole(attempts in 0u32..100, random: u64) {
            let plan = plan(None);
            let wait = plan.jittered(attempts, random);
            prop_assert!(wait >= plan.wait(attempts) / 2 && wait <= plan.wait(attempts));
        }

        #[test]
        fn giving_up_is_for_good(limit in 0u64..100_000, attempts in 0u32..2000) {
            let plan = plan(Some(limit));
            prop_assert!(!plan.gives_up(attempts) || plan.gives_up(attempts + 1));
        }
    }
}
