//! What the machine says of this process, from `/proc/self`.
//!
//! Source: proc_pid_stat(5), proc_pid_limits(5).

use std::fs;

/// Numbers of this process, as the conventions of Prometheus name them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFacts {
    /// Processor time used, user and system, in seconds.
    pub cpu_seconds: f64,
    /// Open files and sockets.
    pub open_files: f64,
    /// Most that may be open.
    pub open_files_max: f64,
    /// Virtual memory in bytes.
    pub virtual_bytes: f64,
    /// Memory in use in bytes.
    pub resident_bytes: f64,
    /// Threads.
    pub threads: f64,
    /// When it started, in seconds since 1970.
    pub started: f64,
}

/// Reads them; none on machines without `/proc`.
#[must_use]
pub fn facts() -> Option<ProcessFacts> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let booted = fs::read_to_string("/proc/stat").ok()?;
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    let mut facts = read(&stat, &limits, &booted, ticks(), page())?;
    facts.open_files = u32::try_from(open).map_or(0.0, f64::from);
    Some(facts)
}

#[expect(unsafe_code, reason = "sysconf has no safe form in std")]
fn sysconf(name: libc::c_int, default: f64) -> f64 {
    // SAFETY: reads a constant of the system by its number.
    let value = unsafe { libc::sysconf(name) };
    u32::try_from(value).map_or(default, f64::from)
}

fn ticks() -> f64 {
    sysconf(libc::_SC_CLK_TCK, 100.0)
}

fn page() -> f64 {
    sysconf(libc::_SC_PAGESIZE, 4096.0)
}

fn read(stat: &str, limits: &str, booted: &str, ticks: f64, page: f64) -> Option<ProcessFacts> {
    // The name of the program stands in parentheses and may hold spaces.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    // Numbered from 1 in the manual, the state after the name being number 3.
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    let boot = booted.lines().find_map(|line| line.strip_prefix("btime "))?;
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let files = files.split_whitespace().next()?;
    Some(ProcessFacts {
        cpu_seconds: (field(14)? + field(15)?) / ticks,
        open_files: 0.0,
        open_files_max: files.parse().unwrap_or(f64::INFINITY),
        virtual_bytes: field(23)?,
        resident_bytes: field(24)? * page,
        threads: field(20)?,
        started: boot.trim().parse::<f64>().ok()? + field(22)? / ticks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_manual_describes() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 4 0 1000 8192 3 18";
        let limits = "Limit Soft Hard Units\nMax open files            1024   524288   files\n";
        let facts = read(stat, limits, "cpu 1\nbtime 1700000000\n", 100.0, 4096.0).unwrap();
        let expected = ProcessFacts {
            cpu_seconds: 2.0,
            open_files: 0.0,
            open_files_max: 1024.0,
            virtual_bytes: 8192.0,
            resident_bytes: 12288.0,
            threads: 4.0,
            started: 1_700_000_010.0,
        };
        assert_eq!(facts, expected);
        assert_eq!(read("", "", "", 100.0, 4096.0), None);
    }

    #[test]
    fn this_process_has_them() {
        let facts = facts().unwrap();
        assert!(facts.resident_bytes > 0.0 && facts.open_files >= 3.0 && facts.started > 1e9);
    }
}
