//! The `weir` command: reads arguments, calls [`weir::cli::run`], exits with its code.

use std::process::ExitCode;

/// Arenas that the allocator of glibc keeps. By itself it takes eight a core; threads that
/// come and go spread what they hold over them, and little of it is ever given back:
/// measured under creates into the record store, 139 MiB against 522, at the same speed.
#[cfg(target_env = "gnu")]
const ARENAS: libc::c_int = 2;

fn main() -> ExitCode {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "mallopt has no safe form")]
    // SAFETY: it sets a number of the allocator, and no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
    }
    weir::cli::run(std::env::args_os())
}
