use crate::fault::{Fault, Problems};
use crate::message::Content;
use crate::settings::SourceFile;
use std::sync::Arc;

/// Gives the text of files a mapping names (`extends`, `codes/*.csv`); the config room implements it over the tree of files.
pub trait Library {
    fn file(&self, path: &str) -> Option<SourceFile>;
}

/// A mapping, checked and compiled. Cheap to clone.
#[derive(Clone)]
pub struct Mapping(());
/// What one run made.
pub struct Mapped {
    pub content: Content,
    pub warnings: Vec<Fault>,
    pub values: usize,
    pub unused: usize,
}
/// Where every output value came from; made on demand only.
pub struct Lineage {
    pub rows: Vec<LineageRow>,
    pub unused: Vec<Unused>,
}
pub struct LineageRow {
    pub target: String,
    pub source: String,
    pub value: crate::base::Phi<String>,
    pub rule: String,
    pub code_row: Option<String>,
}
pub struct Unused {
    pub path: String,
    pub name: Option<String>,
}
impl Mapping {
    /// Loads, checks and compiles; every problem at once.
    pub fn load(
        _file: SourceFile,
        _library: &dyn Library,
        _problems: &mut Problems,
    ) -> Option<Self> {
        todo!()
    }
    /// Runs. `site` seeds the UUIDv5 ids: same message, same site, same bytes.
    pub fn run(&self, _content: &Content, _site: &str) -> Result<Mapped, Fault> {
        todo!()
    }
    pub fn explain(&self, _content: &Content, _site: &str) -> Result<(Mapped, Lineage), Fault> {
        todo!()
    }
}
