//! The directory watcher on real files, with a clock on which waits pass at once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{FilePlan, Ready, Split, Then};
use crate::base::ByteSize;
use crate::ports::Ports;
use crate::source::testing::{FastClock, Rig};
use crate::source::{Command, Common, SourceEvent, SourceKind, SourcePlan};

fn plan(dir: &Path, change: impl FnOnce(&mut FilePlan)) -> SourcePlan {
    let mut plan = FilePlan {
        dir: dir.join("in"),
        name: "*.hl7".into(),
        ready: Ready::Unchanged(Duration::from_secs(5)),
        split: Split::Hl7Batch,
        then: Then::Move(dir.join("done")),
        dedup: None,
        poll: Duration::from_secs(2),
        ack_dir: None,
        continuation: None,
    };
    change(&mut plan);
    let common = Common { max_size: ByteSize(1000), ..Common::default() };
    SourcePlan { common, kind: SourceKind::File(plan) }
}

fn ports() -> Ports {
    Ports { clock: Arc::new(FastClock::default()), ..Ports::system() }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Serves until so many files were taken, then stops; messages committed and refused.
async fn run(plan: &SourcePlan, files: usize) -> (Rig, Vec<(u64, u64)>) {
    let mut rig = Rig::new();
    let (_, task) = rig.serve(plan, &ports()).await;
    let mut counts = Vec::new();
    for _ in 0..files {
        let event = rig.event(|event| matches!(event, SourceEvent::FileTaken { .. })).await;
        let SourceEvent::FileTaken { committed, refused, .. } = event else { unreachable!() };
        counts.push((committed, refused));
    }
    rig.command.send(Command::Stop).unwrap();
    task.await.unwrap();
    (rig, counts)
}

#[tokio::test]
async fn a_batch_is_taken_in_order_and_moved() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    std::fs::create_dir(&input).unwrap();
    std::fs::write(input.join("b.hl7"), "FHS|\rBHS|\rMSH|1\rMSH|2\rBTS|2\rFTS|1\r").unwrap();
    std::fs::write(input.join("a.hl7"), "MSH|0\r").unwrap();
    std::fs::write(input.join("other.txt"), "MSH|9\r").unwrap();
    std::fs::create_dir(input.join("dir.hl7")).unwrap();
    let (rig, counts) = run(&plan(dir.path(), |_| {}), 2).await;
    assert_eq!(counts, [(1, 0), (2, 0)]);
    assert_eq!(rig.intake.texts(), ["MSH|0\r", "MSH|1\r", "MSH|2\r"]);
    assert_eq!(names(&input), ["dir.hl7", "other.txt"]);
    assert_eq!(names(&dir.path().join("done")), ["a.hl7", "b.hl7"]);
    let taken = rig.intake.taken.lock().unwrap();
    assert!(taken[1].parent.is_some() && taken[1].parent == taken[2].parent);
    assert_ne!(taken[0].parent, taken[1].parent);
    assert_ne!(taken[1].origin, taken[2].origin);
    assert_eq!(&*taken[0].peer.address, input.display().to_string());
}

#[tokio::test]
async fn refused_messages_are_listed_without_their_content() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    let large = "x".repeat(5000);
    let text = format!("good\nrefuse Doe\n{large}\nlast\n");
    std::fs::write(dir.path().join("in/a.hl7"), text).unwrap();
    let (rig, counts) = run(&plan(dir.path(), |plan| plan.split = Split::Lines), 1).await;
    assert_eq!(counts, [(2, 2)]);
    assert_eq!(rig.intake.texts(), ["good", "refuse Doe", "last"]);
    let done = dir.path().join("done");
    assert_eq!(names(&done), ["a.hl7", "a.hl7.errors"]);
    insta::assert_snapshot!(std::fs::read_to_string(done.join("a.hl7.errors")).unwrap(), @r"
    message 2 at byte 5: W2010: MSH-9 names no message type
    message 3 at byte 16: W2404: a message of a file is larger than `max_size`
    ");
}

#[tokio::test]
async fn what_could_not_be_kept_is_offered_again_with_the_same_origin() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    std::fs::write(dir.path().join("in/a.hl7"), "first\nfail\n").unwrap();
    let mut rig = Rig::new();
    let (_, task) = rig.serve(&plan(dir.path(), |plan| plan.split = Split::Lines), &ports()).await;
    let fits = |event: &SourceEvent| matches!(event, SourceEvent::Trouble { .. });
    let event = rig.event(fits).await;
    assert!(format!("{event:?}").contains("W2406"), "{event:?}");
    for text in ["first", "fail", "first", "fail"] {
        assert_eq!(rig.seen.recv().await.unwrap(), text);
    }
    rig.command.send(Command::Stop).unwrap();
    task.await.unwrap();
    let taken = rig.intake.taken.lock().unwrap();
    assert_eq!(taken[0].origin, taken[2].origin);
    assert_eq!(taken[1].origin, taken[3].origin);
    assert_eq!(names(&dir.path().join("in")), ["a.hl7"], "it stays until all is kept");
}

#[tokio::test]
async fn a_marker_says_when_a_file_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    std::fs::create_dir(&input).unwrap();
    for name in ["a.hl7", "b.hl7", "b.done"] {
        std::fs::write(input.join(name), "MSH|\r").unwrap();
    }
    let marked = |plan: &mut FilePlan| {
        plan.ready = Ready::Marker(".done".into());
        plan.name = "*".into();
        plan.then = Then::Delete;
    };
    let (rig, counts) = run(&plan(dir.path(), marked), 1).await;
    assert_eq!((counts.len(), rig.intake.texts().len()), (1, 1));
    assert_eq!(names(&input), ["a.hl7"]);
}

#[tokio::test]
async fn earlier_files_of_the_same_name_are_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    for (place, content) in [("in/a.hl7", "MSH|new\r"), ("done/a.hl7", "MSH|old\r")] {
        let path = dir.path().join(place);
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    run(&plan(dir.path(), |_| {}), 1).await;
    let read = |name: &str| std::fs::read_to_string(dir.path().join("done").join(name)).unwrap();
    assert_eq!((read("a.hl7"), read("a.hl7.1")), ("MSH|old\r".into(), "MSH|new\r".into()));
}

#[tokio::test]
async fn links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    std::fs::create_dir(&input).unwrap();
    std::fs::write(dir.path().join("secret"), "MSH|secret\r").unwrap();
    std::os::unix::fs::symlink(dir.path().join("secret"), input.join("a.hl7")).unwrap();
    std::fs::write(input.join("b.hl7"), "MSH|b\r").unwrap();
    let (rig, _) = run(&plan(dir.path(), |_| {}), 1).await;
    assert_eq!(rig.intake.texts(), ["MSH|b\r"]);
}

#[tokio::test]
async fn an_empty_file_is_moved_with_a_note() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    std::fs::write(dir.path().join("in/a.hl7"), "\r\n").unwrap();
    let (_, counts) = run(&plan(dir.path(), |plan| plan.split = Split::Whole), 1).await;
    assert_eq!(counts, [(0, 0)]);
    let errors = std::fs::read_to_string(dir.path().join("done/a.hl7.errors")).unwrap();
    assert!(errors.contains("W2405"), "{errors}");
}

#[tokio::test]
async fn a_missing_directory_is_for_the_operator() {
    let dir = tempfile::tempdir().unwrap();
    let fault = plan(dir.path(), |_| {}).bind(&ports()).await.err().unwrap();
    assert_eq!(fault.code().as_str(), "W2401");
}

#[tokio::test]
async fn a_file_is_acknowledged_by_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    std::fs::create_dir(&input).unwrap();
    let text = "FHS|^~\\&|LAB|L|||2026||||F7\rBHS|^~\\&|LAB||||||||B1\rMSH|1\rMSH|2\rBTS|3\r\
        BHS|^~\\&|LAB||||||||B2\rMSH|3\rBTS|1\rFTS|2\r";
    std::fs::write(input.join("a.hl7"), text).unwrap();
    let acks = dir.path().join("acks");
    let plan = plan(dir.path(), |plan| plan.ack_dir = Some(acks.clone()));
    run(&plan, 1).await;
    assert_eq!(names(&acks), ["a.hl7.ack"]);
    let told = std::fs::read_to_string(acks.join("a.hl7.ack")).unwrap();
    let lines: Vec<&str> = told.split('\r').collect();
    assert!(lines[0].starts_with("FHS|^~\\&|||LAB|L|") && lines[0].ends_with("|F7"), "{told}");
    assert!(lines[1].starts_with("BHS|") && lines[1].ends_with(".1|B1"), "{told}");
    assert_eq!(lines[2..5], ["ACK MSH|1", "ACK MSH|2", "BTS|2"]);
    assert!(lines[5].ends_with(".2|B2"), "{told}");
    assert_eq!(lines[6..], ["ACK MSH|3", "BTS|1", "FTS|2|W2051 BTS-1", ""]);

    // The next file of the name does not replace what nobody has read yet; a file without a
    // message is not answered.
    std::fs::write(input.join("a.hl7"), "MSH|9\r").unwrap();
    run(&plan, 1).await;
    assert_eq!(names(&acks), ["a.hl7.ack", "a.hl7.ack.1"]);
    std::fs::write(input.join("b.hl7"), "\r\n").unwrap();
    run(&plan, 1).await;
    assert_eq!(names(&acks), ["a.hl7.ack", "a.hl7.ack.1"]);
}

/// A daily file of one name with lines that did not change is no repetition of yesterday's.
#[tokio::test]
async fn a_file_made_anew_under_the_same_name_is_another_file() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    std::fs::create_dir(&input).unwrap();
    for then in [Then::Move(dir.path().join("done")), Then::Delete] {
        let mut origins = Vec::new();
        for _day in 0..2 {
            std::fs::write(input.join("census.hl7"), "MSH|1\r").unwrap();
            let (rig, counts) = run(&plan(dir.path(), |plan| plan.then = then.clone()), 1).await;
            assert_eq!(counts, [(1, 0)]);
            origins.push(rig.intake.taken.lock().unwrap()[0].origin);
        }
        assert!(origins[0].is_some() && origins[0] != origins[1], "{then:?}");
    }
}

/// What was refused is nowhere else: a file with some of it is kept when others are deleted.
#[tokio::test]
async fn a_file_with_refused_messages_is_not_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    std::fs::create_dir(&input).unwrap();
    std::fs::write(input.join("good.hl7"), "MSH|1\r").unwrap();
    let large = format!("MSH|2\rMSH|{}\r", "x".repeat(2000));
    std::fs::write(input.join("mixed.hl7"), &large).unwrap();
    let (_, counts) = run(&plan(dir.path(), |plan| plan.then = Then::Delete), 2).await;
    assert_eq!(counts, [(1, 0), (1, 1)]);
    assert_eq!(names(&input), [".mixed.hl7.errors", ".mixed.hl7.refused"]);
    assert_eq!(std::fs::read_to_string(input.join(".mixed.hl7.refused")).unwrap(), large);
}
