//! Commit, lease, settle, read, reopen.

use super::*;
use crate::fault::codes;
use crate::message::{ActionRecord, ConsentRecord, PatientKey, State};

#[tokio::test]
async fn what_is_committed_is_leased_settled_found_and_survives() {
    let (ports, _handles, plan) = sim(1);
    let (store, recovery) = open(&ports, &plan).await;
    assert_eq!((recovery.entries, recovery.torn_bytes), (0, 0));
    assert_eq!(store.commit(message(1, 1)).await, Ok(1));
    assert_eq!(store.commit(message(2, 1)).await, Ok(2));
    assert_eq!(store.commit(message(3, 2)).await, Ok(3));
    assert_eq!(lease(&store, "ehr", now(), 10).await, [1, 3]);
    assert_eq!(lease(&store, "ehr", now(), 10).await, Vec::<u64>::new());
    store.settle(outcome(1, "ehr", delivered())).await.unwrap();
    assert_eq!(lease(&store, "ehr", now(), 10).await, [2]);
    let row = &store.ledger(&Filter::all()).unwrap()[0];
    assert_eq!((row.committed, row.delivered, row.waiting, row.unaccounted), (3, 1, 2, 0));
    let before = picture(&store);
    store.close().await.unwrap();
    assert_eq!(store.commit(message(4, 1)).await.unwrap_err().code(), codes::W6011);
    drop(store);
    let (store, recovery) = open(&ports, &plan).await;
    assert_eq!((recovery.entries, recovery.torn_bytes), (4, 0));
    assert_eq!(picture(&store), before);
    assert_eq!(lease(&store, "ehr", now(), 10).await, [2, 3]);
    assert_eq!(store.message(id(2)).unwrap().unwrap().original, body(2));
    assert_eq!(store.outcomes(id(1)).unwrap().len(), 1);
}

#[tokio::test]
async fn the_real_store_does_the_same() {
    let (ports, _home, plan) = real();
    let (store, _) = open(&ports, &plan).await;
    for number in 1..=300 {
        store.commit(message(number, number % 7)).await.unwrap();
    }
    let mut seen = Vec::new();
    loop {
        let leased = lease(&store, "ehr", now(), 16).await;
        if leased.is_empty() {
            break;
        }
        for number in leased {
            seen.push(number);
            if number <= 250 {
                store.settle(outcome(number, "ehr", delivered())).await.unwrap();
            }
        }
    }
    assert_eq!(seen.len(), 257);
    let action = ActionRecord {
        at: now(),
        settings: vec![("pause adt/ehr".into(), "by kim".into())],
        leaves: Vec::new(),
    };
    store.commit(Entry::Action(Box::new(action))).await.unwrap();
    let before = picture(&store);
    assert!(Store::open(&ports, &plan, key(), &|_, _| {}).await.is_err());
    store.close().await.unwrap();
    drop(store);
    let (store, recovery) = open(&ports, &plan).await;
    assert!(!recovery.index_rebuilt && recovery.replayed_into_index == 0, "{recovery:?}");
    assert_eq!(picture(&store), before);
    store.close().await.unwrap();
    drop(store);
    std::fs::remove_dir_all(plan.directory.join("index")).unwrap();
    let (store, recovery) = open(&ports, &plan).await;
    assert!(recovery.index_rebuilt && recovery.replayed_into_index == 551, "{recovery:?}");
    assert_eq!(picture(&store), before);
    store.close().await.unwrap();
}

#[tokio::test]
async fn every_outcome_moves_its_delivery() {
    let (ports, _handles, plan) = sim(2);
    let (store, _) = open(&ports, &plan).await;
    let state = |number: u64| {
        let filter = Filter::parse(&format!("id:{}", id(number)), now()).unwrap();
        store.search(&filter, true, 10, None).unwrap()[0].state
    };
    let settle = |number, what| store.settle(outcome(number, "ehr", what));
    for number in 1..=6 {
        store.commit(message(number, 1)).await.unwrap();
    }
    // A retry keeps its place and blocks its lane until it is due.
    assert_eq!(lease(&store, "ehr", now(), 9).await, [1]);
    let next_try = now().after(HOUR);
    settle(1, Outcome::Retry { next_try, fault: fault() }).await.unwrap();
    assert_eq!(lease(&store, "ehr", now(), 9).await, Vec::<u64>::new());
    assert_eq!(store.next_due(&channel(), &destination("ehr")), Some(next_try));
    assert_eq!(lease(&store, "ehr", next_try, 9).await, [1]);
    // Dead: out of the lane.
    settle(1, Outcome::Dead(fault())).await.unwrap();
    assert_eq!(state(1), State::Dead);
    // Held in the lane: passed over, then at the lane's end.
    store.commit(Entry::Outcome(Box::new(outcome(2, "ehr", Outcome::Held)))).await.unwrap();
    assert_eq!(lease(&store, "ehr", now(), 9).await, [3]);
    store.commit(Entry::Outcome(Box::new(outcome(2, "ehr", Outcome::Released)))).await.unwrap();
    // A person is faster than the attempt: the failed attempt does not undo the skip.
    settle(3, Outcome::Skipped).await.unwrap();
    settle(3, Outcome::Retry { next_try, fault: fault() }).await.unwrap();
    assert_eq!(state(3), State::Skipped);
    // Sent again: at the end, marked, with a body of its own.
    let requeued = Outcome::Requeued { body: Some(body(1)), revision: Revision("rev-2".into()) };
    store.commit(Entry::Outcome(Box::new(outcome(1, "ehr", requeued)))).await.unwrap();
    let mut order = Vec::new();
    while let [delivery] =
        &store.lease(&channel(), &destination("ehr"), now(), 1).await.unwrap()[..]
    {
        let number = number_of(delivery.message);
        if number == 1 {
            assert!(delivery.replay && &*delivery.revision.0 == "rev-2" && delivery.attempts == 0);
        }
        order.push(number);
        settle(number, delivered()).await.unwrap();
    }
    assert_eq!(order, [4, 5, 6, 2, 1]);
    let unknown = settle(77, delivered()).await.unwrap_err();
    assert_eq!(unknown.code(), codes::W6012);
    let row = &store.ledger(&Filter::all()).unwrap()[0];
    assert_eq!((row.committed, row.delivered, row.skipped, row.unaccounted), (6, 5, 1, 0));
    // Outcomes are read from the disk: what was settled before this commit is there.
    let action = ActionRecord { at: now(), settings: Vec::new(), leaves: Vec::new() };
    store.commit(Entry::Action(Box::new(action))).await.unwrap();
    assert_eq!(store.outcomes(id(1)).unwrap().len(), 4);
}

#[tokio::test]
async fn a_delivery_without_a_body_ends_dead_not_lost() {
    let (ports, _handles, plan) = sim(3);
    let (store, _) = open(&ports, &plan).await;
    let owed = vec![("ehr", 1, Fate::Dead(fault()))];
    store.commit(Entry::Message(Box::new(record(1, owed, None)))).await.unwrap();
    let again = Outcome::Requeued { body: None, revision: Revision("rev-1".into()) };
    store.settle(outcome(1, "ehr", again)).await.unwrap();
    tokio::task::yield_now().await;
    store.commit(message(2, 2)).await.unwrap();
    assert_eq!(lease(&store, "ehr", now(), 9).await, [2]);
    let dead = Filter::parse("state:dead code:W6014", now()).unwrap();
    assert_eq!(store.search(&dead, true, 9, None).unwrap().len(), 1);
}

#[tokio::test]
async fn a_lease_ends_when_a_person_is_faster() {
    let (ports, _handles, plan) = sim(3);
    let (store, _) = open(&ports, &plan).await;
    let people = [
        None,
        Some(Outcome::Held),
        Some(Outcome::Skipped),
        Some(Outcome::Dead(fault())),
        Some(Outcome::Requeued { body: None, revision: Revision("rev-1".into()) }),
    ];
    for (number, what) in (1..).zip(people) {
        store.commit(message(number, number)).await.unwrap();
        let leased = store.lease(&channel(), &destination("ehr"), now(), 1).await.unwrap();
        assert!(store.is_leased(&leased[0]), "{number}");
        let Some(what) = what else { continue };
        store.commit(Entry::Outcome(Box::new(outcome(number, "ehr", what)))).await.unwrap();
        assert!(!store.is_leased(&leased[0]), "{number}");
    }
    // Sent again it is another delivery, whoever leases it.
    let again = store.lease(&channel(), &destination("ehr"), now(), 9).await.unwrap();
    assert_eq!(again.iter().map(|d| number_of(d.message)).collect::<Vec<_>>(), [5]);
    assert!(store.is_leased(&again[0]));
    store.give_back(&again[0]);
    assert!(!store.is_leased(&again[0]));
    // A retry by a person leaves the attempt under way as it is.
    let first = store.lease(&channel(), &destination("ehr"), now(), 9).await.unwrap();
    let soon = OutcomeRecord {
        attempts: first[0].attempts,
        ..outcome(5, "ehr", Outcome::Retry { next_try: now(), fault: fault() })
    };
    store.settle(soon).await.unwrap();
    assert!(store.is_leased(&first[0]));
}

#[tokio::test]
async fn states_say_where_a_message_was_delivered() {
    let (ports, _handles, plan) = sim(3);
    let (store, _) = open(&ports, &plan).await;
    assert_eq!(store.states(id(1)).unwrap(), None);
    let owed = vec![("ehr", 1, Fate::Deliver(body(1))), ("lis", 1, Fate::Filtered("rule".into()))];
    store.commit(Entry::Message(Box::new(record(1, owed, None)))).await.unwrap();
    let states = |ehr| Some(vec![(destination("ehr"), ehr), (destination("lis"), State::Filtered)]);
    assert_eq!(store.states(id(1)).unwrap(), states(State::Waiting));
    store.settle(outcome(1, "ehr", delivered())).await.unwrap();
    assert_eq!(store.states(id(1)).unwrap(), states(State::Delivered));
}

#[tokio::test]
async fn ready_wakes_for_what_comes() {
    let (ports, _handles, plan) = sim(4);
    let (store, _) = open(&ports, &plan).await;
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move { store.ready(&channel(), &destination("ehr")).await })
    };
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    store.commit(message(1, 1)).await.unwrap();
    waiting.await.unwrap();
    store.ready(&channel(), &destination("ehr")).await;
    let leased = store.lease(&channel(), &destination("ehr"), now(), 1).await.unwrap();
    store.give_back(&leased[0]);
    store.ready(&channel(), &destination("ehr")).await;
    assert_eq!(lease(&store, "ehr", now(), 1).await, [1]);
}

#[tokio::test]
async fn consents_settings_and_duplicates_are_found_at_once_and_after_a_restart() {
    let (ports, _handles, plan) = sim(5);
    let (store, _) = open(&ports, &plan).await;
    let consent = |version, deleted, patient: &str| {
        Entry::Consent(Box::new(ConsentRecord {
            id: "c1".into(),
            version,
            patients: vec![PatientKey::new(patient)],
            at: now(),
            resource: Bytes::from_static(b"{}"),
            deleted,
            leaves: Vec::new(),
        }))
    };
    let action = |value: &str| {
        Entry::Action(Box::new(ActionRecord {
            at: now(),
            settings: vec![("pause adt/ehr".into(), value.into())],
            leaves: Vec::new(),
        }))
    };
    store.commit(consent(1, false, "P1")).await.unwrap();
    assert_eq!(store.consents(&PatientKey::new("P1")).unwrap()[0].version, 1);
    store.commit(consent(2, false, "P2")).await.unwrap();
    assert!(store.consents(&PatientKey::new("P1")).unwrap().is_empty());
    store.commit(action("by kim")).await.unwrap();
    store.commit(message(1, 1)).await.unwrap();
    let check = |store: &Store| {
        assert_eq!(store.consents(&PatientKey::new("P2")).unwrap()[0].version, 2);
        assert_eq!(store.consent("c1").unwrap().unwrap().version, 2);
        assert_eq!(store.setting("pause adt/ehr").unwrap(), Some("by kim".into()));
        assert_eq!(store.settings("pause ").unwrap().len(), 1);
        let key = 1u128.to_be_bytes();
        let later = id(1).arrived().after(HOUR);
        assert_eq!(store.duplicate(&key, later, HOUR).unwrap(), Some(id(1)));
        assert_eq!(store.duplicate(&key, later.after(HOUR), HOUR).unwrap(), None);
        assert_eq!(store.duplicate(&[9; 16], later, HOUR).unwrap(), None);
    };
    check(&store);
    let hash = store.keyed_hash("control", b"C1");
    store.close().await.unwrap();
    drop(store);
    let (store, _) = open(&ports, &plan).await;
    check(&store);
    assert_eq!(store.keyed_hash("control", b"C1"), hash);
    store.commit(consent(3, true, "P2")).await.unwrap();
    store.commit(action("")).await.unwrap();
    assert!(store.consents(&PatientKey::new("P2")).unwrap().is_empty());
    assert!(store.consent("c1").unwrap().unwrap().deleted);
    assert_eq!(store.setting("pause adt/ehr").unwrap(), None);
}

#[tokio::test]
async fn the_key_and_the_lock_are_needed() {
    let (ports, handles, plan) = sim(6);
    let (store, _) = open(&ports, &plan).await;
    let other = Store::open(&ports, &plan, key(), &|_, _| {}).await.err().unwrap();
    assert_eq!(other.code(), codes::W6001);
    store.commit(message(1, 1)).await.unwrap();
    let ports = handles.kill();
    for rest in [keys(&[]), keys(&[2])] {
        let fault = Store::open(&ports, &plan, rest, &|_, _| {}).await.err().unwrap();
        assert_eq!(fault.code(), codes::W6008);
    }
    // On disk nothing can be read.
    for path in handles.disk.paths() {
        handles.disk.corrupt(&path, |bytes| {
            assert!(!bytes.windows(5).any(|w| w == b"body "), "{}", path.display());
        });
    }
}

#[tokio::test]
async fn a_new_rest_key_seals_what_comes_and_older_ones_open_what_came() {
    let (ports, handles, plan) = sim(6);
    let opened = async |rest: &[u8], ports: &Ports| {
        Store::open(ports, &plan, keys(rest), &|_, _| {}).await.map(|(store, _)| store)
    };
    let store = opened(&[], &ports).await.unwrap();
    store.commit(message(1, 1)).await.unwrap();
    let hash = store.keyed_hash("control", b"C1");
    drop(store);
    let store = opened(&[1], &handles.kill()).await.unwrap();
    store.commit(message(2, 2)).await.unwrap();
    drop(store);
    let store = opened(&[2, 1], &handles.kill()).await.unwrap();
    store.commit(message(3, 3)).await.unwrap();
    assert_eq!(lease(&store, "ehr", now(), 9).await, [1, 2, 3]);
    assert_eq!(store.keyed_hash("control", b"C1"), hash);
    drop(store);
    // What was written last needs the newest key, the search key included; what was
    // written before needs the older one.
    let ports = handles.kill();
    for rest in [keys(&[1]), keys(&[2])] {
        let fault = Store::open(&ports, &plan, rest, &|_, _| {}).await.err().unwrap();
        assert_eq!(fault.code(), codes::W6008);
    }
    let store = opened(&[3, 2, 1], &ports).await.unwrap();
    assert_eq!(store.message(id(2)).unwrap().unwrap().original, body(2));
    let later = now().after(365 * 24 * HOUR);
    for number in [1, 2] {
        store.settle(outcome(number, "ehr", delivered())).await.unwrap();
    }
    store.commit(message(4, 4)).await.unwrap();
    assert_eq!(store.prune(later).await.unwrap(), 2);
    drop(store);
    // With its segments gone, the oldest key is needed no more.
    let store = opened(&[3, 2], &handles.kill()).await.unwrap();
    assert_eq!(lease(&store, "ehr", now(), 9).await, [3, 4]);
}

#[test]
fn the_room_of_an_entry_covers_what_it_takes() {
    use crate::store::journal::{encode, room_for};
    let check = |entry: Entry| {
        let (room, bytes) = (room_for(&entry), encode(&entry).unwrap().len());
        assert!(room >= bytes && room < bytes + 4096, "{room} for {bytes} of {entry:?}");
    };
    check(message(1, 1));
    let mut large =
        record(2, vec![("ehr", 1, Fate::Deliver(body(2))), ("lis", 2, Fate::Dead(fault()))], None);
    large.original.bytes = vec![b'x'; 1 << 20].into();
    check(Entry::Message(Box::new(large)));
    check(Entry::Outcome(Box::new(outcome(1, "ehr", delivered()))));
    let again = Outcome::Requeued { body: Some(body(1)), revision: Revision("r".into()) };
    check(Entry::Outcome(Box::new(outcome(1, "ehr", again))));
    check(Entry::Action(Box::new(ActionRecord {
        at: now(),
        settings: vec![("pause adt/ehr".into(), "x".repeat(2000).as_str().into())],
        leaves: vec![leaf("paused", id(1))],
    })));
}

#[tokio::test]
async fn content_in_memory_is_bounded_originals_included() {
    let (ports, _handles, mut plan) = sim(12);
    plan.segment_bytes = ByteSize(64 << 20);
    let (store, _) = open(&ports, &plan).await;
    let large = Body { kind: ContentKind::Raw, bytes: Bytes::from(vec![7; 12 << 20]) };
    for number in 1..=4 {
        let owed = vec![("ehr", number, Fate::Deliver(body(number)))];
        let record = MessageRecord { original: large.clone(), ..record(number, owed, None) };
        store.commit(Entry::Message(Box::new(record))).await.unwrap();
    }
    let held = store.read().live().live_bytes();
    assert!((24 << 20..=crate::store::live::LIVE_BYTES_MAX).contains(&held), "{held}");
    assert_eq!(store.queues().unwrap()[0].bytes, 4 * body(1).bytes.len() as u64);
    let leased = store.lease(&channel(), &destination("ehr"), now(), 9).await.unwrap();
    assert_eq!(leased.len(), 4);
    assert!(leased.iter().all(|delivery| delivery.original == large));
    assert_eq!(store.read().live().live_bytes(), 0);
    store.settle(outcome(1, "ehr", delivered())).await.unwrap();
    store.settle(outcome(2, "ehr", Outcome::Held)).await.unwrap();
    assert_eq!(store.queues().unwrap()[0].bytes, 2 * body(1).bytes.len() as u64);
}
