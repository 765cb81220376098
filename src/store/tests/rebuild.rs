//! The index made anew, search, pruning.

use super::*;
use crate::message::{ActionRecord, ConsentRecord, PatientKey, State};

/// Messages in every state, spread over many segments.
async fn fill(store: &Store, count: u64) {
    for number in 1..=count {
        let owed = vec![
            ("ehr", number % 5, Fate::Deliver(body(number))),
            (
                "lis",
                0,
                if number % 2 == 0 {
                    Fate::Deliver(body(number))
                } else {
                    Fate::Filtered("rule".into())
                },
            ),
        ];
        let record = record(number, owed, Some(store));
        store.commit(Entry::Message(Box::new(record))).await.unwrap();
        let what = match number % 6 {
            0 => Outcome::Dead(fault()),
            1 => Outcome::Held,
            2 => Outcome::Skipped,
            3 => continue,
            _ => delivered(),
        };
        store.settle(outcome(number, "ehr", what)).await.unwrap();
    }
}

fn found(store: &Store, text: &str, oldest_first: bool, limit: usize) -> Vec<u64> {
    let filter = Filter::parse(text, now()).unwrap();
    let rows = store.search(&filter, oldest_first, limit, None).unwrap();
    rows.iter().map(|row| number_of(row.message)).collect()
}

#[tokio::test]
async fn search_finds_by_every_field_in_pages() {
    let (ports, _handles, plan) = sim(1);
    let (store, _) = open(&ports, &plan).await;
    fill(&store, 60).await;
    assert_eq!(found(&store, "dest:ehr state:dead", true, 3), [6, 12, 18]);
    assert_eq!(found(&store, "dest:ehr state:dead", false, 2), [60, 54]);
    assert_eq!(found(&store, "state:held,dead dest:ehr", true, 4), [1, 6, 7, 12]);
    assert_eq!(found(&store, "control:C17", true, 9), [17, 17]);
    assert_eq!(found(&store, "control:C17,C18 dest:lis state:waiting", true, 9), [18]);
    assert_eq!(found(&store, "-control:C17 id:01", true, 999).len(), 118);
    assert_eq!(found(&store, &format!("id:{}", id(9)), true, 9), [9, 9]);
    assert_eq!(found(&store, "code:W7102", true, 99).len(), 10);
    assert_eq!(found(&store, "type:ADT channel:a* dest:lis state:filtered", true, 99).len(), 30);
    assert_eq!(found(&store, "channel:lab", true, 99), Vec::<u64>::new());
    let filter = Filter::parse("dest:ehr", now()).unwrap();
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = store.search(&filter, false, 7, after).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.position);
        all.extend(page.iter().map(|row| number_of(row.message)));
    }
    assert_eq!(all, (1..=60).rev().collect::<Vec<_>>());
    let dead = Filter::parse("state:dead", now()).unwrap();
    let row = &store.ledger(&dead).unwrap()[0];
    assert_eq!((row.committed, row.dead, row.waiting), (10, 10, 0));
    // An outcome on its way to disk is seen at once.
    store.settle(outcome(3, "ehr", Outcome::Dead(fault()))).await.unwrap();
    assert_eq!(found(&store, "dest:ehr state:dead", true, 1), [3]);
    assert_eq!(store.find_messages(&Filter::all(), 5, None).unwrap().len(), 5);
}

#[tokio::test]
async fn without_its_directory_the_index_is_the_same_again() {
    let (ports, _home, plan) = real();
    let (store, _) = open(&ports, &plan).await;
    fill(&store, 200).await;
    for _ in 0..3 {
        lease(&store, "lis", now(), 1).await;
    }
    store.close().await.unwrap();
    drop(store);
    let view = |store: &Store| {
        let searches = ["control:C17", "state:dead", "state:held dest:ehr", "-state:waiting"];
        let found: Vec<_> = searches.iter().map(|s| found(store, s, false, 999)).collect();
        format!("{} {found:?}", picture(store))
    };
    let (store, recovery) = open(&ports, &plan).await;
    assert!(!recovery.index_rebuilt);
    let before = view(&store);
    store.close().await.unwrap();
    drop(store);
    let index = plan.directory.join("index");
    std::fs::remove_dir_all(&index).unwrap();
    let (store, recovery) = open(&ports, &plan).await;
    assert!(recovery.index_rebuilt);
    assert_eq!(view(&store), before);
    assert_eq!(lease(&store, "lis", now(), 9).await, [2]);
    store.close().await.unwrap();
    drop(store);
    // A damaged one is made again, too.
    std::fs::write(index.join("db"), [7; 70_000]).unwrap();
    let (store, recovery) = open(&ports, &plan).await;
    assert!(recovery.index_rebuilt);
    assert_eq!(view(&store), before);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_closed_store_opens_again_at_once_with_its_index() {
    let (ports, _home, plan) = real();
    let (mut store, _) = open(&ports, &plan).await;
    for round in 1..=20 {
        store.commit(message(round, 0)).await.unwrap();
        store.close().await.unwrap();
        assert_eq!(store.queues().unwrap_err().code(), crate::fault::codes::W6011);
        // The old handle lives on meanwhile.
        let (next, recovery) = open(&ports, &plan).await;
        assert!(!recovery.index_rebuilt, "round {round}: {recovery:?}");
        store = next;
    }
    assert_eq!(store.queues().unwrap()[0].waiting, 20);
    store.close().await.unwrap();
}

#[tokio::test]
async fn pruning_keeps_what_is_needed_and_the_totals() {
    let (ports, handles, mut plan) = sim(9);
    plan.segment_bytes = ByteSize(4096);
    let (store, _) = open(&ports, &plan).await;
    let consent = ConsentRecord {
        id: "c1".into(),
        version: 1,
        patients: vec![PatientKey::new("P1")],
        at: now(),
        resource: Bytes::from_static(b"{}"),
        deleted: false,
        leaves: vec![leaf("consent_taken", id(1))],
    };
    store.commit(Entry::Consent(Box::new(consent))).await.unwrap();
    for number in 1..=100 {
        store.commit(message(number, number % 3)).await.unwrap();
        if number != 50 {
            store.settle(outcome(number, "ehr", delivered())).await.unwrap();
        }
        if matches!(number, 10 | 50) {
            let settings = vec![Store::answer_setting(id(number), "AE W6903")];
            let record = ActionRecord { at: now(), settings, leaves: Vec::new() };
            store.commit(Entry::Action(Box::new(record))).await.unwrap();
        }
    }
    assert!(store.answer(id(10)).unwrap().is_some());
    let ledger = store.ledger(&Filter::all()).unwrap();
    let segments = store.usage().segments;
    assert_eq!(store.prune(now()).await.unwrap(), 0);
    let later = now().after(Duration::from_secs(40 * 86_400));
    let removed = store.prune(later).await.unwrap();
    assert!(removed > 10 && store.usage().segments < segments - 5, "{removed} of {segments}");
    let check = |store: &Store| {
        assert_eq!(store.ledger(&Filter::all()).unwrap(), ledger);
        assert_eq!(store.message(id(1)).unwrap(), None);
        assert_eq!(store.message(id(50)).unwrap().unwrap().original, body(50));
        // An answer stays as long as its message.
        assert_eq!(store.answer(id(50)).unwrap().as_deref(), Some("AE W6903"));
        assert_eq!(store.answer(id(10)).unwrap(), None);
        assert_eq!(store.settings("").unwrap().len(), 1);
        assert_eq!(store.consent("c1").unwrap().unwrap().version, 1);
        assert_eq!(store.consents(&PatientKey::new("P1")).unwrap().len(), 1);
        assert!(store.recount(&|_, _| {}).unwrap().agrees());
        store.verify_chain(&|_, _| {}).unwrap();
        assert_eq!(found(store, "state:waiting", true, 9), [50]);
    };
    check(&store);
    let late = store.settle(outcome(1, "ehr", delivered())).await.unwrap_err();
    assert_eq!(late.code(), crate::fault::codes::W6012);
    drop(store);
    let (store, _) = open(&handles.power_cut(), &plan).await;
    check(&store);
    // The segment that was written to before is over, too, and the one with what was
    // appended again.
    assert_eq!(store.prune(later).await.unwrap(), 2);
    check(&store);
    // What was waiting ends, and its segments go when its keep is over.
    assert_eq!(lease(&store, "ehr", now(), 9).await, [50]);
    store.settle(outcome(50, "ehr", delivered())).await.unwrap();
    for number in 101..=120 {
        store.commit(message(number, 1)).await.unwrap();
    }
    assert!(store.prune(later).await.unwrap() > 0);
    assert_eq!(store.message(id(50)).unwrap(), None);
    let rows = store.ledger(&Filter::all()).unwrap();
    assert_eq!((rows[0].committed, rows[0].delivered, rows[0].unaccounted), (120, 100, 0));
    drop(store);
    let (store, _) = open(&handles.power_cut(), &plan).await;
    assert_eq!(store.ledger(&Filter::all()).unwrap(), rows);
    assert!(store.recount(&|_, _| {}).unwrap().agrees());
    assert_eq!(store.search(&Filter::all(), true, 99, None).unwrap().len(), 20);
    assert_eq!(store.queues().unwrap()[0].waiting, 20);
    assert_eq!(rows[0].waiting, 20);
    assert_eq!(State::ALL.len(), 7);
}

/// Positions and actions of all audit leaves that are kept.
fn leaves(store: &Store) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    store
        .leaves(&mut |position, leaves| {
            all.extend(leaves.iter().map(|leaf| (position, leaf.action.to_string())));
            Ok(())
        })
        .unwrap();
    all
}

#[tokio::test]
async fn audit_leaves_stay_when_their_segments_go() {
    let (ports, handles, mut plan) = sim(10);
    plan.segment_bytes = ByteSize(4096);
    let day = 24 * HOUR;
    plan.keep_audit = 400 * day;
    let (store, _) = open(&ports, &plan).await;
    let fill = async |store: &Store, numbers: std::ops::RangeInclusive<u64>| {
        for number in numbers {
            store.commit(message(number, number % 3)).await.unwrap();
            let done = Box::new(outcome(number, "ehr", delivered()));
            store.commit(Entry::Outcome(done)).await.unwrap();
        }
    };
    fill(&store, 1..=40).await;
    let all = leaves(&store);
    assert_eq!(all.len(), 80);
    // Some of them go, then the rest: headers are merged, archives are not.
    assert!(store.prune(now().after(40 * day)).await.unwrap() > 5);
    assert_eq!(leaves(&store), all);
    drop(store);
    let ports = handles.power_cut();
    let (store, _) = Store::open(&ports, &plan, keys(&[2, 1]), &|_, _| {}).await.unwrap();
    assert_eq!(leaves(&store), all);
    fill(&store, 41..=60).await;
    let all = leaves(&store);
    assert!(store.prune(now().after(40 * day)).await.unwrap() > 2);
    assert_eq!(store.usage().segments, 1);
    assert_eq!(leaves(&store), all);
    let head = store.verify_chain(&|_, _| {}).unwrap().head;
    drop(store);
    // One that is missing, and one that was changed, are found.
    let archives = || -> Vec<PathBuf> {
        let paths = handles.disk.paths().into_iter();
        let mut paths: Vec<_> =
            paths.filter(|p| p.extension().is_some_and(|e| e == "wl")).collect();
        paths.sort();
        paths
    };
    let middle = archives()[3].clone();
    let ports = handles.kill();
    ports.files.rename(&middle, &PathBuf::from("/saved")).unwrap();
    let (store, _) = Store::open(&ports, &plan, keys(&[2, 1]), &|_, _| {}).await.unwrap();
    let broken = |store: &Store| store.verify_chain(&|_, _| {}).unwrap_err().code();
    assert_eq!(broken(&store), crate::fault::codes::W6013);
    ports.files.rename(&PathBuf::from("/saved"), &middle).unwrap();
    handles.disk.corrupt(&middle, |bytes| bytes[400] ^= 1);
    assert_eq!(broken(&store), crate::fault::codes::W6003);
    handles.disk.corrupt(&middle, |bytes| bytes[400] ^= 1);
    assert_eq!(store.verify_chain(&|_, _| {}).unwrap().head, head);
    // Past `[audit] keep` they go from the oldest on, and the chain is whole from there.
    assert_eq!(store.prune(now().after(900 * day)).await.unwrap(), 1);
    assert!(archives().is_empty() && leaves(&store).is_empty());
    assert_eq!(store.verify_chain(&|_, _| {}).unwrap().head, head);
    fill(&store, 61..=61).await;
    drop(store);
    let opened = Store::open(&handles.kill(), &plan, keys(&[2, 1]), &|_, _| {}).await;
    assert_eq!(leaves(&opened.unwrap().0).len(), 2);
}

#[tokio::test]
async fn actions_between_messages_are_counted_once_over_restarts() {
    let (ports, _home, plan) = real();
    let action = |at: u64| {
        Entry::Action(Box::new(ActionRecord {
            at: now(),
            settings: vec![("pause adt/ehr".into(), format!("by {at}").as_str().into())],
            leaves: Vec::new(),
        }))
    };
    for round in 0..3 {
        let (store, _) = open(&ports, &plan).await;
        store.commit(action(round)).await.unwrap();
        store.commit(message(round + 1, 0)).await.unwrap();
        store.ledger(&Filter::all()).unwrap();
        store.commit(action(round)).await.unwrap();
        let recount = store.recount(&|_, _| {}).unwrap();
        assert!(recount.agrees(), "{recount:?}");
        assert_eq!(recount.index[0].committed, round + 1);
        store.close().await.unwrap();
    }
}

/// Every message acknowledged on receipt leaves a mark and its end: they go with it, and do
/// not pile up at the end of the journal.
#[tokio::test]
async fn marks_of_messages_go_with_them() {
    let (ports, handles, mut plan) = sim(11);
    plan.segment_bytes = ByteSize(4096);
    let (store, _) = open(&ports, &plan).await;
    let mark = |number: u64, value: &str| {
        let name = crate::store::Mark::Received.of(&channel(), id(number)).into();
        let settings = vec![(name, value.into())];
        Entry::Action(Box::new(ActionRecord { at: now(), settings, leaves: Vec::new() }))
    };
    for number in 1..=100 {
        store.commit(mark(number, "1")).await.unwrap();
        let receipt = record(number, Vec::new(), None);
        store.commit(Entry::Message(Box::new(receipt))).await.unwrap();
        // One that is never processed, as when the engine ends.
        if number != 99 {
            store.commit(mark(number, "")).await.unwrap();
        }
    }
    let last = store.usage().last_position;
    let later = now().after(Duration::from_secs(40 * 86_400));
    assert!(store.prune(later).await.unwrap() > 10);
    let carried = store.usage().last_position - last;
    assert!(carried < 5, "{carried} settings were appended again");
    let check = |store: &Store| {
        let left = store.settings("received").unwrap();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].0.ends_with(&id(99).to_string()));
        let kept = |number| {
            let name = crate::store::Mark::Received.of(&channel(), id(number));
            store.read().kv.read(&crate::store::index::keys::setting(&name)).unwrap().is_some()
        };
        assert!(!kept(1) && !kept(50) && kept(99));
    };
    check(&store);
    drop(store);
    let (store, _) = open(&handles.power_cut(), &plan).await;
    check(&store);
}
