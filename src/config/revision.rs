//! Digests of settings, and the git commit they were checked out at.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// SHA-256 over texts, each with its length, so that no two lists give the same bytes.
#[derive(Clone, Default)]
pub(super) struct Digest(Sha256);

impl Digest {
    pub(super) fn add(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The first 12 hexadecimal digits of a digest.
pub(super) fn short(digest: &[u8; 32]) -> String {
    digest.iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The commit a working tree stands at, where `root` lies in one: seven digits.
///
/// Reads `HEAD` and the refs as files; git is not run, since it need not be installed and
/// would run the repository's own configuration.
pub(super) fn commit(root: &Path) -> Option<String> {
    let root = std::fs::canonicalize(root).ok()?;
    let dot_git = root.ancestors().map(|at| at.join(".git")).find(|at| at.exists())?;
    let directory = match read(&dot_git) {
        // A worktree has a file that names its directory.
        Some(text) => dot_git.parent()?.join(text.strip_prefix("gitdir:")?.trim()),
        None => dot_git,
    };
    let head = read(&directory.join("HEAD"))?;
    let id = match head.strip_prefix("ref:") {
        Some(name) => resolve(&directory, name.trim())?,
        None => head,
    };
    let id = id.trim();
    let whole = id.len() >= 40 && id.bytes().all(|b| b.is_ascii_hexdigit());
    whole.then(|| id.get(..7).map(str::to_owned))?
}

fn resolve(directory: &Path, name: &str) -> Option<String> {
    let plain = name.starts_with("refs/") && !name.contains("..");
    let common = read(&directory.join("commondir"))
        .map_or_else(|| directory.to_owned(), |text| directory.join(text.trim()));
    let places: [PathBuf; 2] = [directory.to_owned(), common.clone()];
    let loose = places.iter().filter(|_| plain).find_map(|at| read(&at.join(name)));
    loose.or_else(|| {
        let packed = read(&common.join("packed-refs"))?;
        let line = packed.lines().find(|line| line.split(' ').nth(1) == Some(name))?;
        line.split(' ').next().map(str::to_owned)
    })
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_commit() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path().join(".git");
        std::fs::create_dir_all(git.join("refs/heads")).unwrap();
        let id = "0123456789abcdef0123456789abcdef01234567";
        let inner = dir.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        assert_eq!(commit(&inner), None);
        std::fs::write(git.join("HEAD"), format!("{id}\n")).unwrap();
        assert_eq!(commit(&inner).as_deref(), Some("0123456"));
        std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        assert_eq!(commit(&inner), None);
        std::fs::write(git.join("packed-refs"), format!("# x\n{id} refs/heads/main\n")).unwrap();
        assert_eq!(commit(&inner).as_deref(), Some("0123456"));
        std::fs::write(git.join("refs/heads/main"), "fedcba9876543210fedcba9876543210fedcba98")
            .unwrap();
        assert_eq!(commit(&inner).as_deref(), Some("fedcba9"));
    }
}
