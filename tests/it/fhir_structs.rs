//! Published resources through the structs and back: the same tokens, members in the order
//! of R4. Passes without them: they are not part of the repository.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use weir::fhir::{Doc, Node, NodeKind, model};

use super::support::{fetched, shared};

/// Published resources that hold values of another form than R4 has, which the structs
/// refuse.
const MISFIT: &[&str] = &[];

fn json_files(dir: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            json_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "json") {
            out.push(path);
        }
    }
    out.sort();
}

/// Where two documents differ, other than in the order of members.
fn difference(a: Node<'_>, b: Node<'_>) -> Option<String> {
    let of = |node: Node<'_>| {
        let mut all: Vec<(String, NodeKind)> =
            node.members().map(|(name, value)| (name.to_owned(), value.kind())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    if a.kind() != b.kind() || a.text() != b.text() || of(a) != of(b) {
        return Some(a.path());
    }
    if a.items().count() != b.items().count() {
        return Some(a.path());
    }
    let members = a.members().zip(sorted(a, b)).map(|((_, a), b)| (a, b));
    members.chain(a.items().zip(b.items())).find_map(|(a, b)| difference(a, b))
}

/// The members of `b` in the order of those of `a`.
fn sorted<'d>(a: Node<'_>, b: Node<'d>) -> Vec<Node<'d>> {
    a.members().map(|(name, _)| b.get(name).unwrap()).collect()
}

fn through(node: Node<'_>, file: &Path, seen: &mut usize) {
    let mut open: Vec<Node<'_>> = node.get("contained").into_iter().collect();
    open.extend(node.get("entry"));
    for inner in open.into_iter().flat_map(|all| all.items()) {
        through(inner.get("resource").unwrap_or(inner), file, seen);
    }
    let Some(record) = model::read_any(node) else { return };
    let name = file.file_name().unwrap().to_str().unwrap();
    match record {
        Ok(record) => {
            *seen += 1;
            let back = model::write(&*record);
            let differs = difference(node, back.root());
            assert_eq!(differs, None, "{}", file.display());
        }
        Err(fault) => assert!(MISFIT.contains(&name), "{} {fault:?}", file.display()),
    }
}

#[test]
fn published_resources_come_back_token_for_token() {
    let mut files = Vec::new();
    let corpora = ["fhir-r4/hl7-fhir-r4-examples", "fhir-synthea"];
    let corpora = corpora.map(|name| shared(&format!("corpus/{name}")));
    for folder in corpora.into_iter().chain([fetched("package")]).flatten() {
        json_files(&folder, &mut files);
    }
    let mut seen = 0;
    for file in &files {
        let bytes = Bytes::from(std::fs::read(file).unwrap());
        let Ok(doc) = Doc::parse_json(bytes) else { continue };
        through(doc.root(), file, &mut seen);
    }
    assert!(files.is_empty() || seen > 1000, "{seen}");
}
