//! The map on disk beside one in memory, under merges that run, fail and end early.

use super::*;
use crate::ports::sim::SplitMix;
use tempfile::TempDir;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn key(random: &SplitMix) -> Vec<u8> {
    format!("key {:03}", random.below(400)).into_bytes()
}

fn bound(random: &SplitMix) -> Key {
    match random.below(5) {
        0 => Bound::Unbounded,
        1 | 2 => Bound::Excluded(key(random)),
        _ => Bound::Included(key(random)),
    }
}

fn changes(random: &SplitMix, model: &mut Model) -> Changes {
    let mut changes = Changes::new();
    for _ in 0..random.below(60) {
        let key = key(random);
        let value = (!random.once_in(3))
            .then(|| vec![u8::try_from(random.below(9)).unwrap(); 1 + random.below(40) as usize]);
        match &value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(&key),
        };
        changes.insert(key, value);
    }
    changes
}

fn walked(
    tree: Option<&Tree>,
    model: &Model,
    (from, to): (Key, Key),
    (order, most): (Order, usize),
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        rows.push((key.to_vec(), value.to_vec()));
        let more = rows.len() < most;
        Ok(if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    };
    match tree {
        Some(tree) => tree.walk(from, to, order, &mut visit).unwrap(),
        None => walk_map(model, (from, to), order, &mut visit).unwrap(),
    }
    rows
}

/// What is read is what a map would hold, whatever was merged, is being merged or waits.
#[test]
fn reads_as_a_map_does() {
    for seed in 0..12 {
        let random = SplitMix::new(seed);
        let directory = TempDir::new().unwrap();
        let most = 200 + 4000 * random.below(4) as usize;
        let tree = Tree::open_with(directory.path(), most).unwrap();
        let mut model = Model::new();
        for _ in 0..60 {
            tree.apply(changes(&random, &mut model)).unwrap();
            if random.once_in(9) {
                tree.flush().unwrap();
            }
            let wanted = key(&random);
            assert_eq!(tree.read(&wanted).unwrap().as_ref(), model.get(&wanted));
            assert_eq!(tree.has(&wanted).unwrap(), model.contains_key(&wanted));
            let range = (bound(&random), bound(&random));
            let order = if random.once_in(2) { Order::Up } else { Order::Down };
            let most = if random.once_in(2) { 3 } else { usize::MAX };
            let found = walked(Some(&tree), &model, range.clone(), (order, most));
            let expected = walked(None, &model, range.clone(), (order, most));
            assert_eq!(found, expected, "seed {seed}: {range:?} {order:?}");
        }
        tree.flush().unwrap();
        drop(tree);
        let again = Tree::open(directory.path()).unwrap();
        let all = (Bound::Unbounded, Bound::Unbounded);
        let found = walked(Some(&again), &model, all.clone(), (Order::Up, usize::MAX));
        assert_eq!(found, walked(None, &model, all, (Order::Up, usize::MAX)));
    }
}

/// A walk goes on while others write and merge, and misses no row that stays.
#[test]
fn walks_miss_nothing_while_rows_are_merged() {
    let directory = TempDir::new().unwrap();
    let tree = Tree::open_with(directory.path(), 20_000).unwrap();
    let stays = |n: usize| format!("{n:05} stays").into_bytes();
    tree.apply((0..2000).map(|n| (stays(n), Some(vec![1; 20]))).collect()).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..600_usize {
                let row = |n: usize| format!("{:05} comes", n * 7 % 2000).into_bytes();
                let value = (round % 2 == 0).then(|| vec![2; 30]);
                tree.apply((0..100).map(|n| (row(n), value.clone())).collect()).unwrap();
                // The same value again: the row stays whatever a reader sees.
                tree.apply((0..50).map(|n| (stays(n * 31), Some(vec![1; 20]))).collect()).unwrap();
            }
        });
        let mut begin = 0;
        while !writer.is_finished() {
            // Short ones never leave their range.
            for _ in 0..40 {
                begin = (begin + 37) % 1900;
                let (from, to) = (stays(begin), stays(begin + 40));
                for order in [Order::Up, Order::Down] {
                    let range = (Bound::Excluded(from.clone()), Bound::Included(to.clone()));
                    let rows = walked(Some(&tree), &Model::new(), range, (order, usize::MAX));
                    assert!(rows.iter().all(|(key, _)| *key > from && *key <= to));
                    let found = rows.iter().filter(|(key, _)| key.ends_with(b"stays")).count();
                    assert_eq!(found, 40);
                }
            }
            for order in [Order::Up, Order::Down] {
                let all = (Bound::Unbounded, Bound::Unbounded);
                let rows = walked(Some(&tree), &Model::new(), all, (order, usize::MAX));
                let found = rows.iter().filter(|(key, _)| key.ends_with(b"stays")).count();
                assert_eq!(found, 2000);
                assert!(rows.is_sorted_by(|a, b| match order {
                    Order::Up => a.0 < b.0,
                    Order::Down => a.0 > b.0,
                }));
            }
        }
    });
}

/// A process that ended within a merge: the next start ends it.
#[test]
fn a_start_ends_the_merge_that_was_under_way() {
    let directory = TempDir::new().unwrap();
    let one = Changes::from([(b"a".to_vec(), Some(b"1".to_vec())), (b"b".to_vec(), None)]);
    {
        let tree = Tree::open(directory.path()).unwrap();
        tree.apply(Changes::from([(b"b".to_vec(), Some(b"0".to_vec()))])).unwrap();
        tree.flush().unwrap();
    }
    let file = directory.path().join(redo::FILE);
    redo::write(&file, &one).unwrap();
    let tree = Tree::open(directory.path()).unwrap();
    assert_eq!(tree.read(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(tree.read(b"b").unwrap(), None);
    assert!(!file.exists());
    drop(tree);
    std::fs::write(&file, b"cut short").unwrap();
    assert_eq!(Tree::open(directory.path()).err().map(|fault| fault.code()), Some(codes::W6009));
}

/// A merge that fails costs nothing but memory, up to a limit, and is made up for.
#[test]
fn failed_merges_are_made_up_for() {
    let directory = TempDir::new().unwrap();
    let tree = Tree::open_with(directory.path(), 1000).unwrap();
    // In the place of the file of changes, which can then not be written.
    let obstacle = directory.path().join(redo::FILE).with_extension("new");
    std::fs::create_dir(&obstacle).unwrap();
    let one = |n: usize| (format!("{n:05}").into_bytes(), Some(vec![7; 50]));
    let mut taken = 0;
    while tree.apply(Changes::from([one(taken)])).is_ok() {
        taken += 1;
        assert!(taken < 1000, "it gathers without end");
    }
    assert!(taken > 10, "{taken}");
    assert_eq!(tree.flush().map_err(|fault| fault.code()), Err(codes::W6009));
    let all = || (Bound::Unbounded, Bound::Unbounded);
    let up = (Order::Up, usize::MAX);
    assert_eq!(walked(Some(&tree), &Model::new(), all(), up).len(), taken);
    std::fs::remove_dir(&obstacle).unwrap();
    while tree.apply(Changes::from([one(taken)])).is_err() {}
    taken += 1;
    tree.flush().unwrap();
    drop(tree);
    let tree = Tree::open(directory.path()).unwrap();
    assert_eq!(walked(Some(&tree), &Model::new(), all(), up).len(), taken);
}

/// What gathered is lost with the process; what was merged is not, and nothing of a half.
#[test]
fn unmerged_changes_end_with_their_process() {
    let directory = TempDir::new().unwrap();
    let tree = Tree::open(directory.path()).unwrap();
    tree.apply(Changes::from([(b"a".to_vec(), Some(b"1".to_vec()))])).unwrap();
    tree.flush().unwrap();
    tree.apply(Changes::from([(b"a".to_vec(), Some(b"2".to_vec()))])).unwrap();
    tree.close();
    assert_eq!(tree.read(b"a").map_err(|fault| fault.code()), Err(codes::W6011));
    assert_eq!(tree.apply(Changes::new()).map_err(|fault| fault.code()), Err(codes::W6011));
    drop(tree);
    let tree = Tree::open(directory.path()).unwrap();
    assert_eq!(tree.read(b"a").unwrap().as_deref(), Some(&b"1"[..]));
}
