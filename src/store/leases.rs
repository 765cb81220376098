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
    use crate::message::{Delivery, Entry, Outcome, OutcomeRecord, State};
    use crate::store::tests::{
        body, channel, delivered, destination, fault, id, message, now, open, outcome, sim,
    };

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

    #[tokio::test(start_paused = true)]
    async fn an_attempt_settles_what_it_was_about() {
        let (ports, _, plan) = sim(1);
        let (store, _) = open(&ports, &plan).await;
        let leased = async || {
            let mut leased = store.lease(&channel(), &destination("ehr"), now(), 9).await.unwrap();
            (leased.len() == 1).then(|| leased.remove(0))
        };
        let act = async |what| {
            let entry = Entry::Outcome(Box::new(outcome(1, "ehr", what)));
            store.commit(entry).await.unwrap();
        };
        let attempt =
            async |of: &Delivery, what| store.settle_attempt(of, outcome(1, "ehr", what)).await;
        let again =
            |body| Outcome::Requeued { body, revision: crate::message::Revision("r".into()) };
        let state = || store.states(id(1)).unwrap().unwrap()[0].1;
        store.commit(message(1, 1)).await.unwrap();
        let first = leased().await.unwrap();
        // Given up and sent again with another body: the old one proves nothing.
        act(Outcome::Skipped).await;
        act(again(Some(body(2)))).await;
        let second = leased().await.unwrap();
        for what in [delivered(), Outcome::Dead(fault()), Outcome::Held] {
            assert!(!attempt(&first, what).await.unwrap());
            assert_eq!(state(), State::Waiting);
            assert!(store.is_leased(&second), "the lease of the other one stays");
        }
        // Held and let go on: what failed is late, what was delivered is delivered.
        act(Outcome::Held).await;
        act(Outcome::Released).await;
        let third = leased().await.unwrap();
        assert!(third.position > second.position && third.body == body(2));
        assert!(!attempt(&second, Outcome::Dead(fault())).await.unwrap());
        assert!(store.is_leased(&third));
        assert!(!attempt(&first, delivered()).await.unwrap());
        assert!(attempt(&second, delivered()).await.unwrap());
        assert_eq!(state(), State::Delivered);
        // Nothing of it is left out of the audit log.
        store.commit(message(2, 2)).await.unwrap();
        let mut settled = 0;
        let visited = store.leaves(&mut |_, leaves| {
            settled += leaves.iter().filter(|leaf| &*leaf.action == "delivery_settled").count();
            Ok(())
        });
        visited.unwrap();
        assert_eq!(settled, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_asked_for_before_the_last_one_keeps_the_lease() {
        let (ports, _, plan) = sim(1);
        let (store, _) = open(&ports, &plan).await;
        let retry = |attempts| OutcomeRecord {
            attempts,
            ..outcome(1, "ehr", Outcome::Retry { next_try: now(), fault: fault() })
        };
        let lease = async || store.lease(&channel(), &destination("ehr"), now(), 9).await.unwrap();
        store.commit(message(1, 1)).await.unwrap();
        assert_eq!(lease().await.len(), 1);
        store.settle(retry(1)).await.unwrap();
        store.settle(retry(2)).await.unwrap();
        let leased = lease().await;
        assert_eq!(leased[0].attempts, 2);
        // A person looked at it after the first attempt.
        store.settle(retry(1)).await.unwrap();
        assert!(store.is_leased(&leased[0]) && lease().await.is_empty());
        store.give_back(&leased[0]);
        assert_eq!(lease().await[0].attempts, 2);
    }
}
