//! The record store: versions, searches, what survives.

use std::collections::BTreeMap;

use super::*;
use crate::message::{RecordAnswer, RecordMethod, RecordVersion};
use crate::ports::sim::SplitMix;
use crate::records::{Look, Scope, Search};
use crate::store::{Collection, RecordWrite, Wrote};

fn write(number: u64, name: &str) -> RecordWrite {
    RecordWrite {
        collection: "main".into(),
        message: id(number),
        channel: channel(),
        destination: destination("store"),
        revision: Revision("rev-1".into()),
        body: [u8::try_from(name.len()).unwrap(); 16],
        bytes: 200,
        now: now(),
    }
}

fn patient(name: &str, family: &str, number: u64) -> Bytes {
    Bytes::from(format!(
        r#"{{"resourceType":"Patient","id":"{name}","name":[{{"family":"{family}"}}],"meta":{{"versionId":"{number}"}}}}"#
    ))
}

/// Writes the next version of some patients.
async fn put(
    store: &Store,
    number: u64,
    names: &[&str],
    family: &str,
    method: RecordMethod,
) -> Result<Wrote, crate::fault::Fault> {
    let family = family.to_owned();
    let write = write(number, names.first().copied().unwrap_or_default());
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    store
        .write_records(&write, move |look, record| {
            for name in names {
                let number = look.latest("Patient", &name)?.map_or(1, |v| v.number + 1);
                let deleted = method == RecordMethod::Delete;
                let body = if deleted { Bytes::new() } else { patient(&name, &family, number) };
                let kind: std::sync::Arc<str> = "Patient".into();
                let version = Some((kind.clone(), name.as_str().into(), number));
                record.answers.push(RecordAnswer { status: 200, version, fault: None });
                let id = name.as_str().into();
                record.versions.push(RecordVersion { kind, id, number, method, body });
            }
            record.leaves.push(leaf("records_written", record.message));
            Ok(())
        })
        .await
}

fn found(collection: &Collection, query: &str) -> Vec<String> {
    use crate::records::Reader as _;
    let query = crate::fhir::rest::Query::parse(query).unwrap();
    let search = Search { strict: true, ..Search::of("Patient", &query, now()) };
    let page = collection.search(&search).unwrap();
    let mut all: Vec<String> = page.entries.iter().map(|(_, v)| v.address()).collect();
    all.sort();
    all
}

fn logged(collection: &Collection, scope: Scope<'_>) -> Vec<String> {
    let mut all = Vec::new();
    let visit = &mut |_, version: crate::records::Version| {
        all.push(version.address());
        Ok(std::ops::ControlFlow::Continue(()))
    };
    collection.log(scope, None, visit).unwrap();
    all
}

/// Everything a reader of the collection sees.
fn shown(store: &Store) -> String {
    let all = store.collection("main");
    let log = logged(&all, Scope::System);
    let found = (found(&all, "family=doe"), found(&all, "family=poe"), found(&all, ""));
    format!("{log:?}\n{found:?}\n{:?}", store.shelves().unwrap())
}

async fn fill(store: &Store) {
    put(store, 1, &["a", "b"], "Doe", RecordMethod::Post).await.unwrap();
    put(store, 2, &["a"], "Poe", RecordMethod::Put).await.unwrap();
    put(store, 3, &["c"], "Doe", RecordMethod::Put).await.unwrap();
    put(store, 4, &["b"], "", RecordMethod::Delete).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn versions_are_read_and_found() {
    let (ports, _handles, plan) = sim(1);
    let (store, _) = open(&ports, &plan).await;
    fill(&store).await;
    let all = store.collection("main");
    let latest = |name: &str| all.latest("Patient", name).unwrap();
    assert_eq!(latest("a").unwrap().number, 2);
    assert_eq!(latest("a").unwrap().body, patient("a", "Poe", 2));
    assert!(latest("b").unwrap().deleted && latest("z").is_none());
    assert_eq!(all.version("Patient", "a", 1).unwrap().unwrap().body, patient("a", "Doe", 1));
    assert!(all.version("Patient", "a", 3).unwrap().is_none());
    assert_eq!(found(&all, "family=doe"), ["Patient/c/_history/1"]);
    assert_eq!(found(&all, "family=poe"), ["Patient/a/_history/2"]);
    assert_eq!(found(&all, "").len(), 2);
    assert_eq!(
        logged(&all, Scope::Type("Patient")),
        [
            "Patient/b/_history/2",
            "Patient/c/_history/1",
            "Patient/a/_history/2",
            "Patient/b/_history/1",
            "Patient/a/_history/1"
        ]
    );
    let own = logged(&all, Scope::Instance("Patient", "a"));
    assert_eq!(own, ["Patient/a/_history/2", "Patient/a/_history/1"]);
    let shelves = store.shelves().unwrap();
    assert_eq!((shelves.len(), shelves[0].resources, shelves[0].versions), (1, 2, 5));
    assert!(store.collection("other").latest("Patient", "a").unwrap().is_none());
    assert!(logged(&store.collection("other"), Scope::System).is_empty());
    assert!(store.recount(&|_, _| {}).unwrap().agrees());
    store.verify_chain(&|_, _| {}).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_same_write_again_writes_nothing() {
    let (ports, handles, plan) = sim(2);
    let (store, _) = open(&ports, &plan).await;
    let first = put(&store, 1, &["a"], "Doe", RecordMethod::Put).await.unwrap();
    let again = put(&store, 1, &["a"], "Doe", RecordMethod::Put).await.unwrap();
    assert!(!first.again && again.again);
    assert_eq!(first.record, again.record);
    // At the same time: one writes, the other hears of it.
    let (one, two) = tokio::join!(
        put(&store, 2, &["a"], "Doe", RecordMethod::Put),
        put(&store, 2, &["a"], "Doe", RecordMethod::Put)
    );
    assert_eq!(u8::from(one.unwrap().again) + u8::from(two.unwrap().again), 1);
    // Another body of the same message is another write.
    assert!(!put(&store, 2, &["bb"], "Doe", RecordMethod::Put).await.unwrap().again);
    drop(store);
    let ports = handles.power_cut();
    let (store, _) = open(&ports, &plan).await;
    let again = put(&store, 1, &["a"], "Doe", RecordMethod::Put).await.unwrap();
    assert!(again.again);
    assert_eq!(again.record, first.record);
    assert_eq!(store.collection("main").latest("Patient", "a").unwrap().unwrap().number, 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_leaves_nothing() {
    let (ports, _handles, plan) = sim(3);
    let (store, _) = open(&ports, &plan).await;
    let refused = store
        .write_records(&write(1, "a"), |_, record| {
            record.answers.push(RecordAnswer { status: 201, version: None, fault: None });
            Err(crate::fault::Fault::new(crate::fault::codes::W7603))
        })
        .await;
    assert_eq!(refused.unwrap_err().code(), crate::fault::codes::W7603);
    assert_eq!(store.usage().last_position, 0);
    assert!(!put(&store, 1, &["a"], "Doe", RecordMethod::Put).await.unwrap().again);
}

#[tokio::test(start_paused = true)]
async fn writers_see_what_is_on_its_way() {
    let (ports, _handles, plan) = sim(4);
    let (store, _) = open(&ports, &plan).await;
    let writes = (1..=40).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { put(&store, number, &["a"], "Doe", RecordMethod::Put).await })
    });
    let mut numbers = Vec::new();
    for write in writes.collect::<Vec<_>>() {
        let wrote = write.await.unwrap().unwrap();
        numbers.push(wrote.record.versions[0].number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=40).collect::<Vec<u64>>());
    let times = logged(&store.collection("main"), Scope::System);
    assert_eq!(times.len(), 40);
    assert_eq!((&*times[0], &*times[39]), ("Patient/a/_history/40", "Patient/a/_history/1"));
    // Many writes shared few syncs.
    assert!(store.usage().commit_entries_last > 1);
}

#[tokio::test]
async fn an_index_made_anew_knows_the_same() {
    let (ports, _home, plan) = real();
    let (store, _) = open(&ports, &plan).await;
    fill(&store).await;
    let before = shown(&store);
    store.close().await.unwrap();
    let (store, recovery) = open(&ports, &plan).await;
    assert_eq!((shown(&store), recovery.index_rebuilt), (before.clone(), false));
    store.close().await.unwrap();
    std::fs::remove_dir_all(plan.directory.join("index")).unwrap();
    let (store, recovery) = open(&ports, &plan).await;
    assert_eq!((shown(&store), recovery.index_rebuilt), (before, true));
    assert!(store.recount(&|_, _| {}).unwrap().agrees());
    store.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pruning_and_removal_of_content_keep_every_version() {
    let (ports, handles, plan) = sim(5);
    let (store, _) = open(&ports, &plan).await;
    fill(&store).await;
    let before = shown(&store);
    let mut next = 10;
    let later = now().after(400 * 24 * HOUR);
    for _ in 0..3 {
        // Enough to fill segments, which then are past their keep.
        for number in next..next + 120 {
            store.commit(message(number, 0)).await.unwrap();
            lease(&store, "ehr", now(), 8).await;
            store.settle(outcome(number, "ehr", delivered())).await.unwrap();
        }
        next += 120;
        let _ = store.remove_content(later).await.unwrap();
        assert_eq!(shown(&store), before);
        store.prune(later).await.unwrap();
        assert_eq!(shown(&store), before);
        assert!(store.recount(&|_, _| {}).unwrap().agrees());
    }
    put(&store, 5, &["b"], "Doe", RecordMethod::Put).await.unwrap();
    let after = shown(&store);
    drop(store);
    // The index of a simulated store is made anew.
    let ports = handles.power_cut();
    let (store, _) = open(&ports, &plan).await;
    assert_eq!(shown(&store), after);
    assert!(put(&store, 1, &["a", "b"], "Doe", RecordMethod::Post).await.unwrap().again);
    store.verify_chain(&|_, _| {}).unwrap();
}

/// What must be there: the number of each patient's version that was acknowledged last, and
/// by message what was asked.
#[derive(Default)]
struct Model {
    acknowledged: BTreeMap<String, u64>,
    messages: BTreeMap<u64, (Vec<String>, bool)>,
}

async fn run(store: &Store, random: &SplitMix, next: &mut u64, model: &mut Model) {
    let count = 1 + random.below(8);
    let mut writes = Vec::new();
    for number in *next..*next + count {
        let names: Vec<String> =
            (0..=random.below(2)).map(|_| format!("p{}", random.below(4))).collect();
        let names: std::collections::BTreeSet<String> = names.into_iter().collect();
        let names: Vec<String> = names.into_iter().collect();
        model.messages.insert(number, (names.clone(), false));
        let store = store.clone();
        let write = tokio::spawn(async move {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            put(&store, number, &names, "Doe", RecordMethod::Put).await
        });
        writes.push((number, write));
    }
    *next += count;
    // Sometimes the power goes before the answers.
    if random.once_in(3) {
        for _ in 0..random.below(6) {
            tokio::task::yield_now().await;
        }
        return;
    }
    for (number, write) in writes {
        let Ok(wrote) = write.await.unwrap() else { continue };
        model.messages.get_mut(&number).unwrap().1 = true;
        for version in &wrote.record.versions {
            let last = model.acknowledged.entry(version.id.to_string()).or_default();
            *last = (*last).max(version.number);
        }
    }
}

/// Every version from the first to the last, each with its own body, none lost and none
/// twice; every message wrote all of its versions or none.
async fn check(store: &Store, model: &mut Model, seed: u64) {
    let all = store.collection("main");
    let mut by_message: BTreeMap<u128, Vec<String>> = BTreeMap::new();
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let visit = &mut |_, version: crate::records::Version| {
        let name = version.id.to_string();
        assert_eq!(version.body, patient(&name, "Doe", version.number), "seed {seed}");
        by_message.entry(version.message.as_u128()).or_default().push(name.clone());
        let versions = seen.entry(name).or_default();
        *versions += 1;
        Ok(std::ops::ControlFlow::Continue(()))
    };
    all.log(Scope::System, None, visit).unwrap();
    for (name, versions) in &seen {
        let latest = all.latest("Patient", name).unwrap().unwrap();
        assert_eq!(latest.number, *versions, "seed {seed}: versions of {name} have gaps");
    }
    for (name, number) in &model.acknowledged {
        assert!(seen.get(name) >= Some(number), "seed {seed}: {name} {number} is lost");
    }
    for (number, (names, acknowledged)) in &model.messages {
        let mut wrote = by_message.remove(&id(*number).as_u128()).unwrap_or_default();
        wrote.sort();
        assert!(wrote == *names || wrote.is_empty(), "seed {seed}: message {number} wrote twice");
        assert!(!acknowledged || !wrote.is_empty(), "seed {seed}: message {number} is lost");
    }
    assert!(by_message.is_empty(), "seed {seed}: versions from nowhere");
    assert!(store.recount(&|_, _| {}).unwrap().agrees(), "seed {seed}");
    store.verify_chain(&|_, _| {}).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
    // The courier sends again what it does not know the outcome of.
    let again: Vec<u64> = model.messages.keys().rev().take(3).copied().collect();
    for number in again {
        let Some((names, acknowledged)) = model.messages.get(&number).cloned() else { continue };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let wrote = put(store, number, &names, "Doe", RecordMethod::Put).await.unwrap();
        assert!(wrote.again || !acknowledged, "seed {seed}: message {number} wrote twice");
        model.messages.insert(number, (names.iter().map(|n| (*n).to_owned()).collect(), true));
        for version in &wrote.record.versions {
            let last = model.acknowledged.entry(version.id.to_string()).or_default();
            *last = (*last).max(version.number);
        }
    }
}

async fn one_seed(seed: u64) {
    let random = SplitMix::new(seed);
    let (mut ports, handles, mut plan) = sim(seed);
    plan.segment_bytes = ByteSize(2048 + random.below(8 << 10));
    plan.commit_each = random.once_in(4);
    let mut model = Model::default();
    let mut next = 1;
    for _ in 0..4 {
        let opened = Store::open(&ports, &plan, key(), &|_, _| {}).await;
        let (store, _) = opened.unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        check(&store, &mut model, seed).await;
        match random.below(6) {
            0 => handles.disk.fail_syncs(u32::from(random.once_in(2))),
            1 => handles.disk.short_writes(u32::from(random.once_in(2))),
            _ => {}
        }
        for _ in 0..random.below(4) {
            run(&store, &random, &mut next, &mut model).await;
        }
        if random.once_in(2) {
            handles.disk.dies_in(random.once_in(2).then(|| random.below(80)));
            let _ = store.prune(now().after(400 * 24 * HOUR)).await;
        }
        handles.disk.fail_syncs(0);
        handles.disk.short_writes(0);
        ports = if random.once_in(3) { handles.kill() } else { handles.power_cut() };
    }
}

#[tokio::test(start_paused = true)]
async fn no_version_is_lost_or_double_after_any_power_cut() {
    let number = |name| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let seeds = match number("WEIR_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("WEIR_SEEDS").unwrap_or(150),
    };
    for seed in seeds {
        one_seed(seed).await;
    }
}
