//! Settings as users meet them: every key with a valid and an invalid value, the drawing
//! of many mistakes at once, sites, and the difference of two plans.

mod keys;
mod mistakes;
mod never_panics;
mod plans;
mod reference;
mod shipped;

use std::path::Path;

use weir::config::{self, Plan, Sources};
use weir::fault::{DrawStyle, Problems};

/// A directory of configuration files, removed at the end.
pub struct Tree(tempfile::TempDir);

impl Tree {
    /// Writes files, each a path and its text.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    /// Writes or replaces a file.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn load(&self, site: Option<&str>) -> (Option<Plan>, Problems, Sources) {
        config::load(self.path(), site)
    }

    /// The plan; the problems when there is none.
    pub fn plan(&self) -> Plan {
        let (plan, problems, sources) = self.load(None);
        plan.unwrap_or_else(|| panic!("{}", drawn(&problems, &sources)))
    }

    /// One line for each problem: place, code and cause.
    pub fn lines(&self, site: Option<&str>) -> Vec<String> {
        let (_, problems, _) = self.load(site);
        lines(&problems)
    }
}

pub fn lines(problems: &Problems) -> Vec<String> {
    let line = |problem: &weir::fault::Problem| {
        let fault = &problem.fault;
        let cause = fault.cause().unwrap_or_default();
        format!("{} {} {cause}", fault.place(), fault.code()).trim().to_owned()
    };
    problems.iter().map(line).collect()
}

/// All problems as a terminal without color shows them.
pub fn drawn(problems: &Problems, sources: &Sources) -> String {
    let all: Vec<String> = problems.iter().map(|p| sources.draw(p, DrawStyle::Plain)).collect();
    all.join("\n\n")
}

/// A small config.toml.
pub const CONFIG: &str = "[weir]\nsite = \"test\"\n";

/// A channel that needs nothing else.
pub const CHANNEL: &str = r#"
[channel]
name = "adt"
[source]
type = "mllp"
listen = "127.0.0.1:0"
[consent]
policy = "none"
why = "a test"
[destination.archive]
type = "file"
dir = "out"
"#;
