//! What the holder of a lease does besides settling it.

use super::Store;
use crate::message::Delivery;

impl Store {
    /// Gives a leased delivery back untried; does nothing when its lease has ended. Returns
    /// at once, so that it can be called where nothing may wait, as from a drop.
    pub fn give_back(&self, delivery: &Delivery) {
        if !self.is_leased(delivery) {
            return;
        }
        let shared = &self.0.shared;
        let Some(queue) = shared.names.find(&delivery.channel, &delivery.destination) else {
            return;
        };
        let notify = {
            let mut live = shared.live();
            let live = live.queue(queue);
            live.queue.unlease(delivery.message);
            live.notify.clone()
        };
        notify.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use crate::message::{Entry, Outcome};
    use crate::store::tests::{channel, destination, message, now, open, outcome, sim};

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_by_a_skip_and_by_being_given_back() {
        let (ports, _, plan) = sim(1);
        let (store, _) = open(&ports, &plan).await;
        for number in [1, 2] {
            store.commit(message(number, number)).await.unwrap();
        }
        let lease = async || store.lease(&channel(), &destination("ehr"), now(), 9).await.unwrap();
        let leased = lease().await;
        assert_eq!(leased.len(), 2);
        assert!(leased.iter().all(|delivery| store.is_leased(delivery)));
        let skip = Entry::Outcome(Box::new(outcome(1, "ehr", Outcome::Skipped)));
        store.commit(skip).await.unwrap();
        assert!(!store.is_leased(&leased[0]));
        assert!(lease().await.is_empty(), "the other is leased");
        leased.iter().for_each(|delivery| store.give_back(delivery));
        let again = lease().await;
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].message, leased[1].message);
    }
}
