//! Content that goes by age, while what is known of its message stays.

use super::*;
use crate::fault::codes;
use crate::message::State;
use crate::ports::sim::Handles;
use crate::store::RestKeys;

const DAY: Duration = Duration::from_secs(86_400);

/// A store whose journal is in clear, so that a test can look for content in its files.
async fn open_clear(ports: &Ports, plan: &StorePlan) -> Store {
    Store::open(ports, plan, RestKeys::default(), &|_, _| {}).await.unwrap().0
}

/// Whether the content of a message lies anywhere on the disk.
fn on_disk(handles: &Handles, number: u64) -> bool {
    let text = format!("body {number} x");
    let mut found = false;
    for path in handles.disk.paths() {
        handles.disk.corrupt(&path, |bytes| {
            found = found || memchr::memmem::find(bytes, text.as_bytes()).is_some();
        });
    }
    found
}

async fn settle(store: &Store, number: u64, what: Outcome) {
    store.commit(Entry::Outcome(Box::new(outcome(number, "ehr", what)))).await.unwrap();
}

/// Thirty messages; of ten each one is dead, one held, one waits and one was sent again.
async fn fill(store: &Store) {
    for number in 1..=30 {
        let owed = vec![("ehr", number % 3, Fate::Deliver(body(number)))];
        let record = record(number, owed, Some(store));
        store.commit(Entry::Message(Box::new(record))).await.unwrap();
        match number % 10 {
            0 => settle(store, number, Outcome::Dead(fault())).await,
            1 => settle(store, number, Outcome::Held).await,
            2 => {}
            3 => {
                settle(store, number, Outcome::Dead(fault())).await;
                let revision = Revision("rev-2".into());
                let body = Some(body(number + 1000));
                settle(store, number, Outcome::Requeued { body, revision }).await;
                settle(store, number, delivered()).await;
            }
            _ => settle(store, number, delivered()).await,
        }
    }
}

fn keeps(number: u64) -> bool {
    matches!(number % 10, 0..=2)
}

#[tokio::test]
async fn content_of_what_is_done_goes_and_everything_else_stays() {
    let (ports, handles, mut plan) = sim(31);
    plan.segment_bytes = ByteSize(4096);
    let store = open_clear(&ports, &plan).await;
    fill(&store).await;
    let before = (picture(&store), store.verify_chain(&|_, _| {}).unwrap());
    let outcomes = store.outcomes(id(3)).unwrap().len();
    assert!(on_disk(&handles, 3) && on_disk(&handles, 1003));
    assert_eq!(store.remove_content(now().after(6 * DAY)).await.unwrap(), 0);
    let bytes = store.usage().bytes;
    let late = now().after(8 * DAY);
    // The segment that is written to stays as it is.
    let removed = store.remove_content(late).await.unwrap();
    assert!((15..=21).contains(&removed), "{removed}");
    assert!(store.usage().bytes < bytes, "{} of {bytes}", store.usage().bytes);
    let check = |store: &Store| {
        assert_eq!((picture(store), store.verify_chain(&|_, _| {}).unwrap()), before);
        assert!(store.recount(&|_, _| {}).unwrap().agrees());
        for number in 1..=20 {
            let record = store.message(id(number)).unwrap().unwrap();
            assert_eq!(record.original.is_removed(), !keeps(number), "{number}");
            assert_eq!(record.digest, [1; 32]);
            assert_eq!(on_disk(&handles, number), keeps(number), "{number}");
            match &record.owed[0].fate {
                Fate::Deliver(body) => assert_eq!(body.is_removed(), !keeps(number)),
                other => panic!("{other:?}"),
            }
        }
        assert!(!on_disk(&handles, 1003));
        assert_eq!(store.outcomes(id(3)).unwrap().len(), outcomes);
        let filter = Filter::parse("control:C14", now()).unwrap();
        assert_eq!(store.search(&filter, true, 9, None).unwrap().len(), 1);
    };
    check(&store);
    assert_eq!(store.remove_content(late).await.unwrap(), 0, "once");
    drop(store);
    let ports = handles.power_cut();
    let store = open_clear(&ports, &plan).await;
    check(&store);
    // What was dead and is given up goes later; what waits can be sent until then.
    assert_eq!(lease(&store, "ehr", late, 9).await.len(), 3);
    settle(&store, 10, Outcome::Skipped).await;
    assert!(store.remove_content(late).await.unwrap() >= 1);
    assert!(store.message(id(10)).unwrap().unwrap().original.is_removed());
    assert_eq!(store.message(id(20)).unwrap().unwrap().original, body(20));
    assert!(!on_disk(&handles, 10) && on_disk(&handles, 20));
    // In the end whole segments go, and the ledger stays.
    let ledger = store.ledger(&Filter::all()).unwrap();
    assert!(store.prune(now().after(400 * DAY)).await.unwrap() > 0);
    assert_eq!(store.ledger(&Filter::all()).unwrap(), ledger);
    store.verify_chain(&|_, _| {}).unwrap();
}

#[tokio::test]
async fn what_was_removed_cannot_be_sent_again() {
    let (ports, _handles, mut plan) = sim(32);
    plan.segment_bytes = ByteSize(4096);
    let (store, _) = open(&ports, &plan).await;
    fill(&store).await;
    assert!(store.remove_content(now().after(8 * DAY)).await.unwrap() > 0);
    for number in [2, 12, 22] {
        settle(&store, number, delivered()).await;
    }
    let revision = Revision("rev-3".into());
    settle(&store, 4, Outcome::Requeued { body: None, revision: revision.clone() }).await;
    settle(&store, 5, Outcome::Requeued { body: Some(body(5)), revision }).await;
    let sent = lease(&store, "ehr", now().after(9 * DAY), 9).await;
    assert!(sent.contains(&5) && !sent.contains(&4), "{sent:?}");
    let troubles: Vec<_> =
        store.troubles().into_iter().map(|trouble| trouble.fault.code()).collect();
    assert_eq!(troubles, [codes::W6015]);
    let state = |number| store.states(id(number)).unwrap().unwrap()[0].1;
    assert_eq!((state(4), state(5)), (State::Dead, State::Waiting));
}

#[tokio::test]
async fn an_index_made_anew_from_lightened_segments_is_the_same() {
    let (ports, _home, mut plan) = real();
    plan.segment_bytes = ByteSize(4096);
    let (store, _) = open(&ports, &plan).await;
    // Segments are as old as the machine's clock says.
    let late = ports.clock.now().after(8 * DAY);
    fill(&store).await;
    assert!(store.remove_content(late).await.unwrap() > 0);
    let before = picture(&store);
    store.close().await.unwrap();
    drop(store);
    let (store, recovery) = open(&ports, &plan).await;
    assert!(!recovery.index_rebuilt);
    assert_eq!(picture(&store), before);
    store.close().await.unwrap();
    drop(store);
    std::fs::remove_dir_all(plan.directory.join("index")).unwrap();
    let (store, recovery) = open(&ports, &plan).await;
    assert!(recovery.index_rebuilt);
    assert_eq!(picture(&store), before);
    for number in 1..=30 {
        let record = store.message(id(number)).unwrap().unwrap();
        assert!(record.original.is_removed() || record.original == body(number));
    }
    assert_eq!(lease(&store, "ehr", now(), 9).await.len(), 3);
    // Once more, with places of before in an index that was made after.
    settle(&store, 20, Outcome::Skipped).await;
    assert!(store.remove_content(late).await.unwrap() > 0);
    assert!(store.message(id(20)).unwrap().unwrap().original.is_removed());
    assert!(store.recount(&|_, _| {}).unwrap().agrees());
    store.close().await.unwrap();
}

#[tokio::test]
async fn what_is_acknowledged_and_not_processed_keeps_its_content() {
    let (ports, handles, plan) = sim(33);
    let (store, _) = open(&ports, &plan).await;
    for number in [1, 2, 3] {
        let receipt = record(number, Vec::new(), None);
        store.commit(Entry::Message(Box::new(receipt))).await.unwrap();
    }
    let mark = |value: &str| {
        let received = crate::store::Mark::Received.of(&channel(), id(1));
        let fragment = crate::store::Mark::Fragment.of(&channel(), id(3));
        Entry::Action(Box::new(crate::message::ActionRecord {
            at: now(),
            settings: vec![(received.into(), value.into()), (fragment.into(), value.into())],
            leaves: Vec::new(),
        }))
    };
    store.commit(mark("1")).await.unwrap();
    drop(store);
    let (store, _) = open(&handles.kill(), &plan).await;
    assert_eq!(store.remove_content(now().after(8 * DAY)).await.unwrap(), 1);
    assert_eq!(store.message(id(1)).unwrap().unwrap().original, body(1));
    assert_eq!(store.prune(now().after(400 * DAY)).await.unwrap(), 0);
    store.commit(mark("")).await.unwrap();
    assert_eq!(store.remove_content(now().after(8 * DAY)).await.unwrap(), 2);
    assert!(store.message(id(1)).unwrap().unwrap().original.is_removed());
}

#[tokio::test]
async fn a_damaged_table_is_found() {
    let (ports, handles, mut plan) = sim(34);
    plan.segment_bytes = ByteSize(4096);
    let (store, _) = open(&ports, &plan).await;
    fill(&store).await;
    assert!(store.remove_content(now().after(8 * DAY)).await.unwrap() > 0);
    let first = PathBuf::from("/store/journal/00000001.wj");
    handles.disk.corrupt(&first, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let code = store.verify_chain(&|_, _| {}).unwrap_err().code();
    assert_eq!(code, codes::W6003);
    handles.disk.corrupt(&first, |bytes| *bytes.last_mut().unwrap() ^= 1);
    store.verify_chain(&|_, _| {}).unwrap();
}
