//! The store over another home of the journal: entries in memory. What is above the port
//! knows nothing of segment files.

use std::sync::{Arc, Mutex};

use super::*;
use crate::audit::ChainHead;
use crate::fault::{Fault, codes};
use crate::store::Position;
use crate::store::journal::{
    Append, Appender, Journal, Location, Opened, VisitEntry, Walked, decode_text,
};

/// An entry as it was appended, with the chain's head after its leaves.
type Kept = (Vec<u8>, Option<ChainHead>);

#[derive(Clone, Default)]
struct Memory {
    entries: Arc<Mutex<Vec<Kept>>>,
    chain: ChainHead,
}

impl Memory {
    fn walked(&self, position: Position) -> Result<Walked, Fault> {
        let entries = self.entries.lock().unwrap();
        let (text, chain) = &entries[usize::try_from(position - 1).unwrap()];
        let location = place(position);
        Ok(Walked { position, location, chain: *chain, entry: decode_text(text)? })
    }

    fn len(&self) -> Position {
        self.entries.lock().unwrap().len() as Position
    }
}

/// A name of its own for each entry; what is above does not look into it.
fn place(position: Position) -> Location {
    let number = u32::try_from(position).unwrap();
    Location { segment: number % 7, offset: number * 3, length: 1 }
}

impl Appender for Memory {
    fn next(&self) -> Position {
        self.len() + 1
    }

    fn append(&mut self, batch: &[Append<'_>]) -> Result<Vec<Location>, Fault> {
        let mut places = Vec::new();
        for append in batch {
            self.chain = append.leaves.iter().fold(self.chain, |head, leaf| head.next(leaf));
            let chain = (!append.leaves.is_empty()).then_some(self.chain);
            self.entries.lock().unwrap().push((append.text.to_vec(), chain));
            places.push(place(self.len()));
        }
        Ok(places)
    }
}

impl Journal for Memory {
    fn read(&self, at: Location) -> Result<Entry, Fault> {
        Ok(self.walked(Position::from(at.offset / 3))?.entry)
    }

    fn walk(&self, from: Position, to: Position, visit: VisitEntry<'_>) -> Result<(), Fault> {
        (from..=to.min(self.len())).try_for_each(|position| visit(self.walked(position)?))
    }

    fn size(&self) -> (u64, u64) {
        let entries = self.entries.lock().unwrap();
        (1, entries.iter().map(|(text, _)| text.len() as u64).sum())
    }
}

fn open_over(ports: &Ports, plan: &StorePlan, memory: &Memory) -> Store {
    let opened = Opened {
        appender: Box::new(memory.clone()),
        journal: Arc::new(memory.clone()),
        last: memory.len(),
        torn_bytes: 0,
    };
    let with = (key(), Box::new(()) as _, Duration::ZERO);
    Store::over(opened, ports, plan, with, &|_, _| {}).unwrap().0
}

#[tokio::test]
async fn the_store_works_over_a_journal_that_is_no_files() {
    let (ports, handles, plan) = sim(51);
    ports.files.create_dir(&plan.directory).unwrap();
    let memory = Memory::default();
    let store = open_over(&ports, &plan, &memory);
    for number in 1..=20 {
        let owed = vec![("ehr", number % 3, Fate::Deliver(body(number)))];
        let record = record(number, owed, Some(&store));
        let position = store.commit(Entry::Message(Box::new(record))).await.unwrap();
        assert_eq!(position, number);
    }
    assert_eq!(lease(&store, "ehr", now(), 9).await, [1, 2, 3]);
    for (number, what) in [(1, delivered()), (2, Outcome::Dead(fault())), (3, Outcome::Held)] {
        store.commit(Entry::Outcome(Box::new(outcome(number, "ehr", what)))).await.unwrap();
    }
    let before = picture(&store);
    let chain = store.verify_chain(&|_, _| {}).unwrap();
    assert_eq!((chain.leaves, chain.last), (23, 23));
    assert!(store.recount(&|_, _| {}).unwrap().agrees());
    assert_eq!(store.usage().bytes, memory.size().1);
    // Retention is the business of the home.
    let late = now().after(400 * 24 * HOUR);
    assert_eq!(store.prune(late).await.unwrap(), 0);
    assert_eq!(store.remove_content(late).await.unwrap(), 0);
    store.close().await.unwrap();
    drop(store);
    // Another start projects the same journal into an index of its own.
    let ports = handles.kill();
    let memory = Memory { chain: chain.head, ..memory };
    let store = open_over(&ports, &plan, &memory);
    assert_eq!(picture(&store), before);
    assert_eq!(store.message(id(7)).unwrap().unwrap().original, body(7));
    let found = Filter::parse("control:C9", now()).unwrap();
    assert_eq!(store.search(&found, true, 9, None).unwrap().len(), 1);
    assert_eq!(lease(&store, "ehr", now(), 9).await, [4, 5, 6]);
    store.commit(message(21, 1)).await.unwrap();
    assert_eq!(store.verify_chain(&|_, _| {}).unwrap().leaves, 24);
    let refused = store.commit(Entry::Outcome(Box::new(outcome(99, "ehr", delivered())))).await;
    assert_eq!(refused.unwrap_err().code(), codes::W6012);
}
