//! Every `console` block of README.md and docs/ is run, in order, by a shell in an empty
//! directory, and its output is compared: `...` stands for any lines, `[..]` for any text.
//! `? 1` before the output says that the command exits with 1.
//!
//! Ports of the shipped configuration are moved to free ones first, in the commands, the
//! files and the expected output alike.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::support::free_address;

/// One command with what it should print.
#[derive(Debug)]
struct Example {
    line: usize,
    command: String,
    exit: i32,
    expected: Vec<String>,
}

/// Ports that the shipped configuration and the documents name.
const PORTS: &[&str] = &["2575", "2576", "2577", "8088", "9443", "9464", "8443"];

fn examples(text: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = line.trim() == "```console";
        } else if !inside {
        } else if let Some(command) = line.strip_prefix("$ ") {
            let example =
                Example { line: at + 1, command: command.into(), exit: 0, expected: Vec::new() };
            found.push(example);
        } else if let Some(last) = found.last_mut() {
            if let Some(more) = line.strip_prefix("> ") {
                last.command.push('\n');
                last.command.push_str(more);
            } else if let Some(code) = line.strip_prefix("? ") {
                last.exit = code.trim().parse().unwrap();
            } else {
                last.expected.push(line.trim_end().to_owned());
            }
        }
    }
    found
}

fn line_matches(pattern: &str, line: &str) -> bool {
    let parts: Vec<&str> = pattern.split("[..]").collect();
    let [first, middle @ .., last] = parts.as_slice() else {
        return pattern == line;
    };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn matches(expected: &[String], found: &[&str]) -> bool {
    match expected {
        [] => found.is_empty(),
        [any, rest @ ..] if any == "..." => {
            (0..=found.len()).any(|skip| matches(rest, &found[skip..]))
        }
        [line, rest @ ..] => {
            found.first().is_some_and(|first| line_matches(line, first.trim_end()))
                && matches(rest, &found[1..])
        }
    }
}

struct Terminal {
    folder: tempfile::TempDir,
    ports: Vec<(String, String)>,
    background: Vec<Child>,
}

impl Terminal {
    fn new() -> Self {
        let ports =
            PORTS.iter().map(|p| ((*p).to_owned(), free_address().port().to_string())).collect();
        Self { folder: tempfile::tempdir().unwrap(), ports, background: Vec::new() }
    }

    fn moved(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (old, new)| {
            text.replace(&format!(":{old}"), &format!(":{new}"))
        })
    }

    fn move_files(&self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.move_files(&path);
            } else if path.extension().is_some_and(|e| e == "toml") {
                let text = fs::read_to_string(&path).unwrap();
                let moved = self.moved(&text);
                if moved != text {
                    fs::write(&path, moved).unwrap();
                }
            }
        }
    }

    fn run(&mut self, example: &Example, document: &str) {
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_weir"));
        let path = format!(
            "{}:{}",
            binary.parent().unwrap().display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let state = self.folder.path().join(".cwd");
        let home = fs::read_to_string(&state).unwrap_or_default();
        let here =
            if home.is_empty() { self.folder.path().into() } else { PathBuf::from(home.trim()) };
        let command = self.moved(&example.command);
        let in_background = command.trim_end().ends_with('&');
        let script = match in_background {
            true => format!("exec {}", command.trim_end().trim_end_matches('&')),
            false => format!("{command}\ncode=$?\npwd > '{}'\nexit $code", state.display()),
        };
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(script).current_dir(here).env("PATH", path).env("NO_COLOR", "1");
        shell.env("COLUMNS", "100").stdin(Stdio::null());
        if in_background {
            shell.stdout(Stdio::null()).stderr(Stdio::null());
            self.background.push(shell.spawn().unwrap());
            return;
        }
        let done = shell.output().unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        let at = format!("{document}:{}: $ {}", example.line, example.command);
        assert_eq!(done.status.code(), Some(example.exit), "{at}\n{out}\n{err}");
        let expected: Vec<String> = example.expected.iter().map(|l| self.moved(l)).collect();
        let both = format!("{out}{err}");
        let found: Vec<&str> = if expected.iter().any(|line| line.starts_with("error[")) {
            both.lines().collect()
        } else {
            out.lines().collect()
        };
        let shown = expected.iter().any(|line| !line.is_empty());
        assert!(!shown || matches(&expected, &found), "{at}\nprinted:\n{out}\n{err}");
        self.move_files(self.folder.path());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        for child in &mut self.background {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn run_document(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = fs::read_to_string(path).unwrap();
    let mut terminal = Terminal::new();
    for example in examples(&text) {
        terminal.run(&example, name);
    }
}

#[test]
fn the_tour_of_the_readme_holds() {
    run_document("README.md");
}

#[test]
fn the_guides_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| format!("docs/{}", entry.unwrap().file_name().to_string_lossy()))
        .filter(|name| name.ends_with(".md"))
        .collect();
    names.sort();
    for name in names {
        run_document(&name);
    }
}

#[test]
fn the_comparison_can_fail() {
    let check = |expected: &[&str], found: &[&str], same: bool| {
        let expected: Vec<String> = expected.iter().map(|l| (*l).to_owned()).collect();
        assert_eq!(matches(&expected, found), same, "{expected:?} {found:?}");
    };
    check(&["a [..] c"], &["a b c"], true);
    check(&["a [..] c"], &["a b d"], false);
    check(&["a", "...", "z"], &["a", "b", "c", "z"], true);
    check(&["a", "...", "z"], &["a", "b", "c"], false);
    check(&["a"], &["a", "b"], false);
    check(&["[..]"], &["anything"], true);
}
