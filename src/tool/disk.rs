//! How long the disk itself takes: a small write and its sync, in a file of a fixed length.

use std::path::Path;
use std::time::Duration;

use crate::fault::codes::W6004;
use crate::fault::{Fault, Place};
use crate::ports::Ports;

use super::load::Latency;

/// Bytes of one write: a group of a few messages.
const WRITE_BYTES: usize = 4096;

/// Length of the file, so that no write changes it.
const FILE_BYTES: usize = 4 << 20;

/// Writes and syncs `rounds` times in `directory`; the file is removed again.
///
/// # Errors
/// `W6004` when the directory cannot be written.
pub fn sync_latency(ports: &Ports, directory: &Path, rounds: usize) -> Result<Latency, Fault> {
    let path = directory.join("disk-probe.tmp");
    let place = Place::file(directory.display().to_string());
    let failed = |error: std::io::Error| Fault::new(W6004).at(place.clone()).caused_by(error);
    ports.files.create_dir(directory).map_err(failed)?;
    let file = ports.files.open(&path, true).map_err(failed)?;
    file.write_at(&vec![0; FILE_BYTES], 0).map_err(failed)?;
    file.sync().map_err(failed)?;
    let mut latency = Latency::default();
    for round in 0..rounds {
        let offset = (round * WRITE_BYTES) % FILE_BYTES;
        let begin = ports.clock.monotonic();
        let written = file.write_at(&[0x5a; WRITE_BYTES], offset as u64).and_then(|()| file.sync());
        written.map_err(failed)?;
        latency.add(ports.clock.monotonic().saturating_sub(begin));
    }
    ports.files.remove(&path).map_err(failed)?;
    Ok(latency)
}

/// What this process used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Processor time, user and system.
    pub cpu: Duration,
    /// Most memory ever resident, in bytes.
    pub resident_max: u64,
}

/// Asks the machine what this process used so far.
#[must_use]
#[expect(unsafe_code, reason = "getrusage has no safe form in std")]
pub fn usage() -> Usage {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call fills `usage`, which zero bytes already make valid.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let time = |t: libc::timeval| {
        let seconds = u64::try_from(t.tv_sec).unwrap_or(0);
        Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(t.tv_usec).unwrap_or(0))
    };
    Usage {
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        resident_max: u64::try_from(usage.ru_maxrss).unwrap_or(0) << 10,
    }
}
