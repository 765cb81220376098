//! Buckets by name, bounded: how often each client may call, how often each address may fail.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::Rate;

/// Most names a table remembers; those with the least taken are forgotten first, so that who
/// floods with many names frees nobody who is held back.
const NAMES_MAX: usize = 10_000;

/// A bucket for each name.
pub(super) struct Limit {
    rate: Rate,
    burst: u32,
    /// When each bucket is full again, on the monotonic clock.
    full_at: Mutex<HashMap<Arc<str>, Duration>>,
}

impl Limit {
    pub(super) fn new(rate: Rate, burst: u32) -> Self {
        Self { rate, burst, full_at: Mutex::default() }
    }

    /// Takes one for this name, or says how long it has to wait.
    pub(super) fn take(&self, name: &str, now: Duration) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full_at) = full_at.get_mut(name) {
            *full_at = self.rate.take(self.burst, *full_at, now)?;
            return Ok(());
        }
        if full_at.len() >= NAMES_MAX {
            forget(&mut full_at, now);
        }
        let first = self.rate.take(self.burst, Duration::ZERO, now)?;
        full_at.insert(name.into(), first);
        Ok(())
    }

    /// How long this name has to wait; nothing is taken.
    pub(super) fn wait(&self, name: &str, now: Duration) -> Option<Duration> {
        let full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.rate.take(self.burst, *full_at.get(name)?, now).err()
    }
}

/// Forgets full buckets, and the fuller half where none is full: rarely and much at a time.
fn forget(full_at: &mut HashMap<Arc<str>, Duration>, now: Duration) {
    full_at.retain(|_, full| *full > now);
    if full_at.len() < NAMES_MAX {
        return;
    }
    let mut moments: Vec<Duration> = full_at.values().copied().collect();
    let half = moments.len() / 2;
    let middle = *moments.select_nth_unstable(half).1;
    let mut left = half;
    full_at.retain(|_, full| {
        let goes = left > 0 && *full <= middle;
        left -= usize::from(goes);
        !goes
    });
}

/// The name of an address for counting: without port, and the network of 64 bits of IPv6,
/// which one machine has as a rule. What is no address (a simulated peer) stands for itself.
pub(super) fn name_of(address: &str) -> Arc<str> {
    let ip = address
        .parse::<std::net::SocketAddr>()
        .map(|address| address.ip())
        .or_else(|_| address.parse());
    match ip.map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.to_string().into(),
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64").into()
        }
        Err(_) => address.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_name_has_its_own_bucket() {
        let limit = Limit::new(Rate { count: 1, per: SECOND }, 2);
        let now = Duration::from_secs(100);
        assert_eq!(limit.wait("a", now), None);
        assert_eq!(limit.take("a", now), Ok(()));
        assert_eq!(limit.take("a", now), Ok(()));
        assert_eq!(limit.take("a", now), Err(SECOND));
        assert_eq!(limit.wait("a", now), Some(SECOND));
        assert_eq!(limit.take("b", now), Ok(()));
        assert_eq!(limit.take("a", now + SECOND), Ok(()));
    }

    #[test]
    fn the_table_is_bounded_and_keeps_who_is_held_back() {
        let limit = Limit::new(Rate { count: 1, per: SECOND }, 5);
        let now = Duration::from_secs(100);
        while limit.take("flood", now).is_ok() {}
        for n in 0..3 * NAMES_MAX {
            limit.take(&n.to_string(), now).unwrap();
            assert!(limit.full_at.lock().unwrap().len() <= NAMES_MAX);
        }
        assert!(limit.wait("flood", now).is_some());
        // Later the buckets are full again, and forgetting them changes nothing.
        for n in 0..NAMES_MAX {
            limit.take(&format!("late {n}"), now + 10 * SECOND).unwrap();
        }
        assert_eq!(limit.wait("flood", now + 10 * SECOND), None);
    }

    #[test]
    fn addresses_are_counted_by_machine() {
        let check = |address: &str, name: &str| assert_eq!(&*name_of(address), name);
        check("10.0.0.7:4711", "10.0.0.7");
        check("10.0.0.7", "10.0.0.7");
        check("[::ffff:10.0.0.7]:1", "10.0.0.7");
        check("[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::/64");
        check("sim-3", "sim-3");
    }
}
