//! Memory taken on the way of a message, counted: what scans and reads takes none, and a
//! mapping a bounded number of blocks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path as FilePath;

use bytes::Bytes;
use weir::fault::Problems;
use weir::hl7v2::{Message, Path};
use weir::mapping::{Library, Mapping};
use weir::message::Content;
use weir::settings::SourceFile;

/// Counts blocks taken by the thread that asks; blocks that grow count as taken again.
struct Counting;

thread_local! {
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

fn taken() {
    // A thread that ends has no count any more.
    let _ = TAKEN.try_with(|taken| taken.set(taken.get() + 1));
}

#[expect(unsafe_code, reason = "an allocator has no safe form; this one hands on to the system's")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken();
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        taken();
        // SAFETY: the caller keeps the promises of `realloc`.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Blocks that a piece of work takes.
fn count<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = TAKEN.with(Cell::get);
    let done = work();
    (TAKEN.with(Cell::get) - before, done)
}

fn file(path: &str) -> Vec<u8> {
    std::fs::read(FilePath::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

struct Tree;

impl Library for Tree {
    fn file(&self, path: &str) -> Option<SourceFile> {
        Some(SourceFile::new(path, String::from_utf8(file(path)).unwrap()))
    }
}

fn parsed(name: &str) -> Message {
    Message::parse(Bytes::from(file(&format!("fixtures/{name}")))).unwrap()
}

#[test]
fn scanning_and_reading_take_no_memory() {
    let bytes = Bytes::from(file("fixtures/adt-a01-admit.hl7"));
    // Shared from the first clone on, as frames of a connection are.
    let _shared = bytes.clone();
    // The one block is the message itself, which is shared by all who look at it.
    let (blocks, message) = count(|| Message::parse(bytes.clone()).unwrap());
    assert_eq!(blocks, 1);
    let paths: Vec<Path> = [
        "MSH-9.1",
        "MSH-10",
        "PID-3.1",
        "PID-3[2].4",
        "PID-5.1",
        "PID-7",
        "PV1-19.1",
        "DG1[2]-3.1",
    ]
    .iter()
    .map(|path| Path::parse(path).unwrap())
    .collect();
    let (blocks, read) = count(|| {
        paths.iter().filter_map(|path| message.read(path)).map(|v| v.text().len()).sum::<usize>()
    });
    assert_eq!((blocks, read > 40), (0, true));
    let (blocks, fields) = count(|| {
        let segments = message.segments();
        segments.flat_map(|s| s.fields()).filter(|field| !field.is_empty()).count()
    });
    assert_eq!((blocks, fields > 80), (0, true));
    let (blocks, written) = count(|| message.write());
    assert_eq!((blocks, written), (0, bytes));
}

#[test]
fn long_messages_take_one_list_of_segments_that_grows() {
    let mut text = file("fixtures/adt-a01-admit.hl7");
    for _ in 0..10_000 {
        text.extend_from_slice(b"NTE|1||x\r");
    }
    let (blocks, message) = count(|| Message::parse(Bytes::from(text)).unwrap());
    assert!(message.segment_count() > 10_000 && blocks < 16, "{blocks}");
}

#[test]
fn a_mapping_takes_a_bounded_number_of_blocks() {
    // A block for each text that is not the message's own (dates, systems, references), a
    // few for each resource, a few for the run. Twenty results are some hundred such texts.
    for (mapping, fixture, most) in [
        ("mappings/adt-to-fhir.toml", "adt-a01-admit.hl7", 130),
        ("mappings/oru-to-fhir.toml", "oru-r01-twenty-obx.hl7", 320),
    ] {
        let mapping =
            Mapping::load(Tree.file(mapping).unwrap(), &Tree, &mut Problems::new()).unwrap();
        let content = Content::Hl7(parsed(fixture));
        let (_, first) = count(|| mapping.write(&content, "test").unwrap());
        let (blocks, again) = count(|| mapping.write(&content, "test").unwrap());
        assert_eq!(first.content.bytes, again.content.bytes);
        assert!(blocks <= most, "{fixture}: {blocks} blocks, at most {most} are expected");
        let whole = mapping.run(&content, "test").unwrap();
        assert_eq!(whole.content.to_body().bytes, again.content.bytes);
        assert_eq!((whole.values, whole.unused), (again.values, again.unused));
    }
}
