//! Files of the store: few calls, each with a promise about the disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open file. Blocking; called from the store's own thread.
pub trait File: Send + Sync {
    /// Reads exactly `buffer.len()` bytes at `offset`.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all bytes at `offset`. Not durable before [`File::sync`].
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Returns when everything written is on disk (`fdatasync`).
    fn sync(&self) -> io::Result<()>;

    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts or extends it.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// What tells it from every other file that has or had its name: the same as long as it
    /// only grows, over restarts too, and another one when the file is made anew.
    fn identity(&self) -> io::Result<Identity>;
}

/// Device, number and time of birth of a file.
pub type Identity = [u64; 3];

/// A directory tree.
pub trait Files: Send + Sync {
    /// Opens a file for reading and writing; makes it when `create` is set.
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn File>>;

    /// Opens a file for reading only; fails for anything but a regular file, links included:
    /// who may drop files must not choose what else is read.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open(path, false)
    }

    /// Names in a directory, sorted.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;

    /// Makes a directory and those above it.
    fn create_dir(&self, directory: &Path) -> io::Result<()>;

    /// Renames within a directory, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns when the names in a directory are on disk.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;

    /// Free bytes of the file system that holds `path`.
    fn free_space(&self, path: &Path) -> io::Result<u64>;

    /// Takes a lock that other processes respect, for as long as the value lives; none when
    /// another holds it. Makes the file.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>>;

    /// Removes a directory with all in it; fine when there is none. For what can be made
    /// again, such as an index.
    fn remove_tree(&self, directory: &Path) -> io::Result<()>;

    /// Returns when all files in and below a directory are on disk.
    fn sync_tree(&self, directory: &Path) -> io::Result<()>;

    /// Names this run of the machine: another one means that it went down in between.
    fn boot_id(&self) -> Option<String> {
        None
    }
}

/// Files of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemFiles;

struct SystemFile(std::fs::File);

impl File for SystemFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn identity(&self) -> io::Result<Identity> {
        use std::os::unix::fs::MetadataExt;
        let data = self.0.metadata()?;
        // Numbers are used again at once; file systems without a time of birth are rare, and
        // a change of the content then makes another file of it, which costs repetitions.
        let born = data.created().or_else(|_| data.modified())?;
        let born = born.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok([data.dev(), data.ino(), u64::try_from(born.as_nanos()).unwrap_or(u64::MAX)])
    }
}

impl Files for SystemFiles {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn File>> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        Ok(Arc::new(SystemFile(file)))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = std::fs::OpenOptions::new();
        // Without the second flag, opening a pipe would wait for its writer.
        let file =
            options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Arc::new(SystemFile(file)))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut names = std::fs::read_dir(directory)?
            .map(|entry| entry.map(|e| e.path()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, directory: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        std::fs::File::open(directory)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn remove_tree(&self, directory: &Path) -> io::Result<()> {
        match std::fs::remove_dir_all(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn sync_tree(&self, directory: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.sync_tree(&entry.path())?;
            } else {
                std::fs::File::open(entry.path())?.sync_all()?;
            }
        }
        self.sync_dir(directory)
    }

    fn boot_id(&self) -> Option<String> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_owned())
    }

    #[expect(unsafe_code, reason = "statvfs has no safe form in std")]
    fn free_space(&self, path: &Path) -> io::Result<u64> {
        use std::os::unix::ffi::OsStrExt;
        let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
        let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
        // SAFETY: the path ends in NUL, and the call fills `stat` when it returns 0.
        let stat = unsafe {
            if libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            stat.assume_init()
        };
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}
