//! The house keeps its order: layers, sizes of files, no forgotten test file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by layer. A room uses rooms of lower layers only; neighbors do not know each other.
const LAYERS: &[&[&str]] = &[
    &["fault"],
    &["base", "xml"],
    &["hl7v2", "fhir", "cda", "settings"],
    &["message", "filter"],
    &["consent", "mapping", "records", "seal", "audit"],
    &["channel"],
    &["ports", "observe"],
    &["store", "source", "destination"],
    &["config"],
    &["engine", "tool"],
    &["web", "cli"],
];

/// Uses that stand outside the order, each with its reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("cli", "web", "`weir run` starts the listeners that web serves"),
    ("filter", "message", "a filter names the states of deliveries"),
];

/// Files above 800 lines, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Most lines of a file without a reason in [`LONG_FILES`].
const LINES_MAX: usize = 800;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

/// Names of rooms that a line of code uses through `crate::NAME` or `crate::{NAME, ..}`.
fn rooms_used(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        let word = |s: &str| -> String {
            s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (i, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if c.is_alphanumeric() && start && depth == 0 => {
                        found.push(word(&group[i..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            found.push(word(rest));
        }
    }
    found
}

/// The code of a file without its line comments and without its tests at the end.
fn code_only(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn rooms_use_lower_layers_only() {
    let layer: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(depth, rooms)| rooms.iter().map(move |room| (*room, depth)))
        .collect();
    let mut wrong = Vec::new();
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    for file in files {
        let name = relative(&file);
        let Some(room) = name.strip_prefix("src/").and_then(|n| n.split(['/', '.']).next()) else {
            continue;
        };
        let Some(own) = layer.get(room) else { continue };
        for used in rooms_used(&code_only(&fs::read_to_string(&file).unwrap())) {
            let excused =
                EXCEPTIONS.iter().any(|(from, to, _)| *from == room && *to == used.as_str());
            if let Some(depth) = layer.get(used.as_str())
                && used != room
                && depth >= own
                && !excused
            {
                wrong.push(format!("{name}: `{room}` (layer {own}) uses `{used}` (layer {depth})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_has_its_layer() {
    let known: Vec<&str> = LAYERS.iter().flat_map(|rooms| rooms.iter().copied()).collect();
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let known = known.contains(&name.as_str()) || matches!(name.as_str(), "lib" | "main");
        assert!(known, "src/{name} has no layer: add it to LAYERS");
    }
}

#[test]
fn files_stay_readable() {
    let mut wrong = Vec::new();
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "generate"] {
        rust_files(&root().join(folder), &mut files);
    }
    for file in files {
        let name = relative(&file);
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        let excused = LONG_FILES.iter().any(|(long, _)| *long == name);
        if lines > LINES_MAX && !excused {
            wrong.push(format!("{name}: {lines} lines, more than {LINES_MAX}"));
        }
        if lines <= LINES_MAX && excused {
            wrong.push(format!("{name}: no longer needs its row in LONG_FILES"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn main_stays_small() {
    let lines = fs::read_to_string(root().join("src/main.rs")).unwrap().lines().count();
    assert!(lines < 30, "main.rs has {lines} lines");
}

#[test]
fn every_module_says_what_lives_there() {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//!"), "{} opens without `//!`", relative(&file));
    }
}

#[test]
fn no_test_file_is_forgotten() {
    let folder = root().join("tests/it");
    let mut files = Vec::new();
    rust_files(&folder, &mut files);
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        if name == "main" || name == "mod" {
            continue;
        }
        let parent = file.parent().unwrap();
        let lists = [parent.join("main.rs"), parent.join("mod.rs"), parent.with_extension("rs")];
        let listed = lists.iter().filter_map(|list| fs::read_to_string(list).ok()).any(|text| {
            text.lines().any(|line| {
                line.trim() == format!("mod {name};") || line.trim() == format!("pub mod {name};")
            })
        });
        assert!(listed, "{} is not listed as a module", relative(&file));
    }
}

#[test]
fn nothing_waits_without_a_reason() {
    let mut wrong = Vec::new();
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (at, line) in text.lines().enumerate() {
            let unfinished = ["todo!(", "unimplemented!(", "FIXME", "XXX:"];
            if unfinished.iter().any(|mark| line.contains(mark)) {
                wrong.push(format!("{}:{}: {}", relative(&file), at + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_uses_sees_groups() {
    let check = |text: &str, expected: &[&str]| assert_eq!(rooms_used(text), expected, "{text}");
    check("use crate::base::Phi;", &["base"]);
    check("use crate::{base::{A, B}, fhir};", &["base", "fhir"]);
    check("let x = crate::hl7v2::parse();", &["hl7v2"]);
    check("$crate::fault::Code", &[]);
}
