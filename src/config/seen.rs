//! Whether the files of a configuration changed since they were looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Sources;
use super::plan::Plan;

/// Sizes and times of the files a configuration was made of, and of their directories,
/// where new files would appear. Equal as long as nothing was written.
///
/// Content is not read: two looks at some hundred files cost microseconds each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(BTreeMap<PathBuf, Option<(SystemTime, u64)>>);

impl Seen {
    /// Looks at the files of a configuration, and at the certificates it names.
    #[must_use]
    pub fn look(root: &Path, sources: &Sources, plan: Option<&Plan>) -> Self {
        let mut paths: Vec<PathBuf> = sources.files().map(|file| root.join(file)).collect();
        for server in plan.iter().map(|plan| &plan.server) {
            let tls = server.admin.tls.iter();
            paths.extend(tls.flat_map(super::server::tls_paths).map(Path::to_owned));
        }
        for channel in plan.iter().flat_map(|plan| &plan.channels) {
            let tls = channel.source.common.tls.iter();
            paths.extend(tls.flat_map(super::server::tls_paths).map(Path::to_owned));
        }
        let directories: Vec<PathBuf> =
            paths.iter().filter_map(|path| path.parent()).map(Path::to_owned).collect();
        let mut seen = Self::default();
        for path in paths {
            seen.0.insert(path.clone(), facts(&path));
        }
        for path in directories {
            // Names come and go in a directory; its size says nothing.
            seen.0.insert(path.clone(), facts(&path).map(|(time, _)| (time, 0)));
        }
        seen
    }

    /// The same files as they are now.
    #[must_use]
    pub fn again(&self) -> Self {
        let look = |(path, before): (&PathBuf, &Option<(SystemTime, u64)>)| {
            let directory = matches!(before, Some((_, 0))) && path.is_dir();
            let now = facts(path).map(|(time, length)| (time, if directory { 0 } else { length }));
            (path.clone(), now)
        };
        Self(self.0.iter().map(look).collect())
    }
}

fn facts(path: &Path) -> Option<(SystemTime, u64)> {
    let facts = std::fs::metadata(path).ok()?;
    Some((facts.modified().ok()?, facts.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn a_change_and_a_new_file_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir(root.join("channels")).unwrap();
        std::fs::write(root.join("config.toml"), "[weir]\n").unwrap();
        std::fs::write(root.join("channels/a.toml"), "").unwrap();
        let (plan, _, sources) = config::load(root, None);
        let seen = Seen::look(root, &sources, plan.as_ref());
        assert_eq!(seen.again(), seen);
        std::fs::write(root.join("config.toml"), "[weir]\n# changed\n").unwrap();
        let changed = seen.again();
        assert_ne!(changed, seen);
        // Another time of the directory, whatever the resolution of its clock.
        let directory = std::fs::File::open(root.join("channels")).unwrap();
        std::fs::write(root.join("channels/b.toml"), "").unwrap();
        directory.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_ne!(changed.again(), changed);
    }
}
