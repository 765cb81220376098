//! The `weir` command: reads arguments, calls [`weir::cli::run`], exits with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    weir::cli::run(std::env::args_os())
}
