//! The targets of the fuzzer in every test run: seeds from the fixtures, mutated by a
//! sequence that follows `WEIR_SEED`, for a bounded number of inputs or for
//! `WEIR_FUZZ_SECONDS` each.

#![allow(clippy::disallowed_methods, reason = "the tests measure real time")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::targets::{TARGETS, Target};
use crate::support::{Dice, number};

/// Inputs of one target in a common run.
const INPUTS: u64 = 600;

/// Largest input: nesting and repetition show well below.
const INPUT_BYTES_MAX: usize = 8 << 10;

/// Longest time for one input of a bounded size, in a build without optimization on a busy
/// machine. What takes longer is not linear.
const INPUT_TIME_MAX: Duration = Duration::from_secs(20);

/// Length of inputs of one word said over and over.
const REPEATED_BYTES: usize = 64 << 10;

fn fixtures(ending: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["fixtures", "fixtures/consents", "channels", "policies"] {
        let Ok(files) = std::fs::read_dir(root.join(folder)) else { continue };
        let mut files: Vec<_> = files.flatten().map(|entry| entry.path()).collect();
        files.sort();
        files.retain(|path| path.extension().is_some_and(|e| e == ending));
        found.extend(files.iter().filter_map(|path| std::fs::read(path).ok()));
    }
    found.retain(|bytes| bytes.len() <= INPUT_BYTES_MAX);
    found
}

/// Below `sides`, as an index.
fn roll(dice: &mut Dice, sides: usize) -> usize {
    usize::try_from(dice.roll(sides.max(1) as u64)).unwrap_or(0)
}

fn mutate(dice: &mut Dice, seeds: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut bytes = seeds[roll(dice, seeds.len())].clone();
    for _ in 0..=roll(dice, 6) {
        let at = roll(dice, bytes.len() + 1);
        let to = (at + roll(dice, 24)).min(bytes.len());
        match roll(dice, 8) {
            0 if at < bytes.len() => bytes[at] = u8::try_from(roll(dice, 256)).unwrap_or(0),
            1 if at < bytes.len() => bytes[at] ^= 1 << roll(dice, 8),
            2 => drop(bytes.drain(at..to)),
            3 => {
                let copy = bytes[at..to].repeat(1 + roll(dice, 40));
                bytes.splice(at..at, copy);
            }
            4 => bytes.truncate(at),
            5 => {
                let other = &seeds[roll(dice, seeds.len())];
                let from = roll(dice, other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let word = words[roll(dice, words.len())].as_bytes();
                bytes.splice(at..at, word.repeat(1 + roll(dice, 3)));
            }
        }
        bytes.truncate(INPUT_BYTES_MAX);
    }
    bytes
}

/// Runs a target and tells the input where it fails.
fn survives(target: &Target, input: &[u8]) {
    let begin = Instant::now();
    let run = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let shown = &input[..input.len().min(2000)];
    assert!(run.is_ok(), "{}: b\"{}\"", target.name, shown.escape_ascii());
    let took = begin.elapsed();
    assert!(took < INPUT_TIME_MAX, "{}: {took:?}: b\"{}\"", target.name, shown.escape_ascii());
}

fn run(target: &Target) {
    let mut seeds = fixtures(target.fixtures);
    seeds.extend(target.seeds.iter().map(|seed| seed.as_bytes().to_vec()));
    seeds.push(Vec::new());
    seeds.iter().for_each(|seed| survives(target, seed));
    let mut dice = Dice::new(number("WEIR_SEED", 42));
    let long = Duration::from_secs(number("WEIR_FUZZ_SECONDS", 0));
    let begin = Instant::now();
    let mut count = 0;
    while count < INPUTS || begin.elapsed() < long {
        survives(target, &mutate(&mut dice, &seeds, target.words));
        count += 1;
    }
}

/// A word said over and over, alone and between others, takes time like its length.
fn repeats(target: &Target) {
    let seed = target.seeds.first().map_or(&b""[..], |seed| seed.as_bytes());
    for word in target.words {
        for head in [&b""[..], seed, b"MSH|^~\\&|A\rPID|"] {
            let mut input = head.to_vec();
            input.extend(word.bytes().cycle().take(REPEATED_BYTES));
            survives(target, &input);
        }
    }
}

macro_rules! each {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let target = TARGETS.iter().find(|t| t.name == stringify!($name)).unwrap();
                run(target);
                repeats(target);
            }
        )*

        #[test]
        fn every_target_runs_here_and_in_the_fuzzer() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
            let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            let names = [$(stringify!($name)),*];
            for target in TARGETS {
                let name = target.name;
                assert!(names.contains(&name), "{name} is not tested");
                assert!(folder.join(format!("fuzz_targets/{name}.rs")).exists(), "{name}");
                assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            }
            assert_eq!(names.len(), TARGETS.len());
            // A target that only the fuzzer knew would run in nobody's tests.
            let files = std::fs::read_dir(folder.join("fuzz_targets")).unwrap();
            assert_eq!(files.count(), TARGETS.len());
        }
    };
}

each!(
    codec message batch path escapes charset acknowledgment edit settings fhir_json fhir_xml
    fhir_path fhir_rest fhir_patch cda cda_mapping sentence condition filter xml json hl7v2_text hl7v2_forms
    token search
);
