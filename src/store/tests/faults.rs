//! A disk that fails, fills or lies.

use super::*;
use crate::fault::codes;
use std::path::{Path, PathBuf};

fn first_segment() -> PathBuf {
    PathBuf::from("/store/journal/00000001.wj")
}

#[tokio::test]
async fn a_failed_sync_ends_the_store_until_it_is_opened_again() {
    let (ports, handles, plan) = sim(1);
    let (store, _) = open(&ports, &plan).await;
    store.commit(message(1, 1)).await.unwrap();
    handles.disk.fail_syncs(1);
    assert_eq!(store.commit(message(2, 1)).await.unwrap_err().code(), codes::W6004);
    for number in 3..6 {
        assert_eq!(store.commit(message(number, 1)).await.unwrap_err().code(), codes::W6004);
    }
    assert_eq!(
        store.settle(outcome(1, "ehr", delivered())).await.unwrap_err().code(),
        codes::W6004
    );
    assert_eq!(store.broken().unwrap().code(), codes::W6004);
    assert_eq!(store.close().await.unwrap_err().code(), codes::W6004);
    let ports = handles.power_cut();
    let (store, _) = open(&ports, &plan).await;
    assert_eq!(lease(&store, "ehr", now(), 9).await, [1]);
    store.commit(message(7, 1)).await.unwrap();
}

#[tokio::test]
async fn low_space_refuses_messages_but_settles() {
    let (ports, handles, mut plan) = sim(2);
    plan.min_free = ByteSize(100 << 10);
    let (store, _) = open(&ports, &plan).await;
    store.commit(message(1, 1)).await.unwrap();
    handles.disk.capacity(Some(100 << 10));
    drop(store);
    let ports = handles.kill();
    let (store, _) = open(&ports, &plan).await;
    assert_eq!(store.commit(message(2, 1)).await.unwrap_err().code(), codes::W6005);
    assert!(store.usage().full);
    assert_eq!(lease(&store, "ehr", now(), 9).await, [1]);
    let done = outcome(1, "ehr", delivered());
    store.commit(Entry::Outcome(Box::new(done))).await.unwrap();
    handles.disk.capacity(None);
    store.commit(message(2, 1)).await.unwrap();
    assert!(!store.usage().full);
}

#[tokio::test]
async fn damage_before_whole_entries_is_refused_not_cut() {
    let (ports, handles, mut plan) = sim(3);
    plan.segment_bytes = ByteSize(1 << 20);
    let (store, _) = open(&ports, &plan).await;
    for number in 1..=20 {
        store.commit(message(number, 1)).await.unwrap();
    }
    drop(store);
    // In the first entry of the last segment, with nineteen batches behind it.
    handles.disk.corrupt(&first_segment(), |bytes| bytes[300] ^= 1);
    let ports = handles.kill();
    let refused = Store::open(&ports, &plan, key(), &|_, _| {}).await.err().unwrap();
    assert_eq!(refused.code(), codes::W6003);
    handles.disk.corrupt(&first_segment(), |bytes| bytes[300] ^= 1);
    let ports = handles.kill();
    let (store, recovery) = open(&ports, &plan).await;
    assert_eq!((recovery.entries, recovery.torn_bytes), (20, 0));
    assert_eq!(store.verify_chain(&|_, _| {}).unwrap().leaves, 20);
}

#[tokio::test]
async fn a_torn_last_entry_is_cut_and_told() {
    let (ports, handles, plan) = sim(4);
    let (store, _) = open(&ports, &plan).await;
    for number in 1..=3 {
        store.commit(message(number, 1)).await.unwrap();
    }
    drop(store);
    handles.disk.corrupt(&first_segment(), |bytes| {
        let end = bytes.iter().rposition(|b| *b != 0).unwrap();
        bytes[end] ^= 1;
    });
    let ports = handles.kill();
    let (store, recovery) = open(&ports, &plan).await;
    assert_eq!(recovery.entries, 2);
    assert!(recovery.torn_bytes > 500, "{recovery:?}");
    store.commit(message(4, 1)).await.unwrap();
    assert_eq!(lease(&store, "ehr", now(), 9).await, [1]);
    drop(store);
    let (_store, recovery) = open(&handles.kill(), &plan).await;
    assert_eq!((recovery.entries, recovery.torn_bytes), (3, 0));
}

#[tokio::test]
async fn missing_and_unknown_segments_are_refused() {
    let (ports, handles, mut plan) = sim(5);
    plan.segment_bytes = ByteSize(2048);
    let (store, _) = open(&ports, &plan).await;
    for number in 1..=20 {
        store.commit(message(number, 1)).await.unwrap();
    }
    drop(store);
    let ports = handles.kill();
    let saved = Path::new("/saved");
    ports.files.rename(&first_segment(), saved).unwrap();
    let refused = Store::open(&ports, &plan, key(), &|_, _| {}).await.err().unwrap();
    assert_eq!(refused.code(), codes::W6003);
    ports.files.rename(saved, &first_segment()).unwrap();
    handles.disk.corrupt(&first_segment(), |bytes| {
        bytes[8] = 9;
        bytes[12..16].fill(0);
        let sum = crc32fast::hash(&bytes[..256]);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    });
    let refused = Store::open(&handles.kill(), &plan, key(), &|_, _| {}).await.err().unwrap();
    assert_eq!(refused.code(), codes::W6007);
}

#[tokio::test]
async fn large_entries_get_a_segment_of_their_own() {
    let (ports, handles, plan) = sim(6);
    let (store, _) = open(&ports, &plan).await;
    store.commit(message(1, 1)).await.unwrap();
    let mut large = record(2, vec![], None);
    large.original.bytes = vec![b'x'; 200 << 10].into();
    store.commit(Entry::Message(Box::new(large.clone()))).await.unwrap();
    store.commit(message(3, 1)).await.unwrap();
    drop(store);
    let (store, _) = open(&handles.power_cut(), &plan).await;
    large.leaves = vec![leaf("message_accepted", id(2))];
    assert_eq!(store.message(id(2)).unwrap(), Some(large));
    assert_eq!(lease(&store, "ehr", now(), 9).await, [1]);
}

/// Frames of the first segment: where each begins.
fn frames(bytes: &[u8]) -> Vec<usize> {
    memchr::memmem::find_iter(bytes, b"wJe1").collect()
}

#[tokio::test]
async fn one_body_that_cannot_be_read_stops_that_delivery_only() {
    let (ports, handles, mut plan) = sim(7);
    plan.segment_bytes = ByteSize(1 << 20);
    let (store, _) = open(&ports, &plan).await;
    for number in 1..=5 {
        store.commit(message(number, number % 4)).await.unwrap();
    }
    store.close().await.unwrap();
    // Opened again, bodies are read from the disk.
    let (store, _) = open(&handles.kill(), &plan).await;
    handles.disk.corrupt(&first_segment(), |bytes| {
        let second = frames(bytes)[1];
        bytes[second + 100] ^= 1;
    });
    assert_eq!(lease(&store, "ehr", now(), 9).await, [1, 3, 4]);
    let rows = store.search(&Filter::parse("state:held", now()).unwrap(), true, 9, None).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((number_of(rows[0].message), rows[0].code.as_deref()), (2, Some("W6003")));
    let troubles = store.troubles();
    assert_eq!(troubles.len(), 1);
    assert_eq!((troubles[0].message, troubles[0].fault.code()), (id(2), codes::W6003));
    assert_eq!(troubles[0].audited, ["delivery_held".into()]);
    // In the journal behind the next commit, with the reason and without content.
    store.commit(message(6, 9)).await.unwrap();
    let leaf = store.outcomes(id(2)).unwrap().remove(0).leaves.remove(0);
    assert_eq!((&*leaf.action, &*leaf.actor, leaf.message), ("delivery_held", "weir", Some(id(2))));
    assert!(leaf.reason.is_some_and(|reason| reason.contains("W6003")));
    assert!(store.troubles().is_empty());
    // The lanes behind go on.
    store.settle(outcome(1, "ehr", delivered())).await.unwrap();
    assert_eq!(lease(&store, "ehr", now(), 9).await, [5, 6]);
    assert_eq!(store.queues().unwrap()[0].leased, 4);
}

#[tokio::test]
async fn a_survey_names_what_damage_takes_and_counts_what_it_leaves() {
    let (ports, handles, mut plan) = sim(9);
    plan.segment_bytes = ByteSize(1 << 20);
    let (store, _) = open(&ports, &plan).await;
    for number in 1..=5 {
        store.commit(message(number, 1)).await.unwrap();
    }
    store.settle(outcome(1, "ehr", delivered())).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let (store, _) = open(&handles.kill(), &plan).await;
    let whole = store.survey().unwrap();
    assert_eq!((whole.entries, whole.leaves, whole.damaged.len()), (6, 6, 0));
    // The third message and the outcome: what lies between them is whole.
    handles.disk.corrupt(&first_segment(), |bytes| {
        for frame in [2, 5].map(|at| frames(bytes)[at]) {
            bytes[frame + 100] ^= 1;
        }
    });
    let survey = store.survey().unwrap();
    assert_eq!((survey.entries, survey.damaged.len()), (2, 1));
    let damage = &survey.damaged[0];
    assert_eq!(damage.fault.code(), codes::W6003);
    let lost: Vec<u64> = damage.messages.iter().map(|(_, id)| number_of(*id)).collect();
    assert_eq!((lost, damage.message_count, damage.outcome_count), (vec![3], 1, 1));
}

#[tokio::test]
async fn a_body_the_disk_does_not_give_is_tried_later() {
    let (ports, handles, mut plan) = sim(8);
    plan.segment_bytes = ByteSize(1 << 20);
    let (store, _) = open(&ports, &plan).await;
    for number in 1..=3 {
        store.commit(message(number, number)).await.unwrap();
    }
    store.close().await.unwrap();
    let (store, _) = open(&handles.kill(), &plan).await;
    let mut cut = Vec::new();
    handles.disk.corrupt(&first_segment(), |bytes| {
        let third = frames(bytes)[2];
        cut = bytes.split_off(third);
    });
    assert_eq!(lease(&store, "ehr", now(), 9).await, [1, 2]);
    assert_eq!(store.troubles()[0].fault.code(), codes::W6010);
    let due = store.next_due(&channel(), &destination("ehr")).unwrap();
    assert!(due > now() && due <= now().after(Duration::from_secs(1)), "{due:?}");
    assert_eq!(lease(&store, "ehr", due, 9).await, Vec::<u64>::new());
    handles.disk.corrupt(&first_segment(), |bytes| bytes.extend_from_slice(&cut));
    assert_eq!(lease(&store, "ehr", due.after(HOUR), 9).await, [3]);
}

#[tokio::test]
async fn what_cannot_be_settled_leaves_nothing_leased() {
    let (ports, handles, mut plan) = sim(9);
    plan.segment_bytes = ByteSize(1 << 20);
    let (store, _) = open(&ports, &plan).await;
    let bodiless = vec![("ehr", 2, Fate::Dead(fault()))];
    store.commit(message(1, 1)).await.unwrap();
    store.commit(Entry::Message(Box::new(record(2, bodiless, None)))).await.unwrap();
    let again = Outcome::Requeued { body: None, revision: Revision("rev-1".into()) };
    store.commit(Entry::Outcome(Box::new(outcome(2, "ehr", again)))).await.unwrap();
    handles.disk.fail_syncs(1);
    assert!(store.commit(message(3, 3)).await.is_err());
    let refused = store.lease(&channel(), &destination("ehr"), now(), 9).await;
    assert_eq!(refused.unwrap_err().code(), codes::W6004);
    assert_eq!(store.queues().unwrap()[0].leased, 0);
}
