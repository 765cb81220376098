//! Programs of `[exec.NAME]`, run without a shell and not longer than they may.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use zeroize::Zeroizing;

/// Most bytes taken from a program: a private key with its chain stays far below.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;

/// Time between two looks whether a program has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Runs a program with `input` on its standard input and takes what it prints. What it says
/// on standard error is not kept: it may hold parts of what the program protects. Blocks.
///
/// Input and output must fit the buffers of pipes, 64 KiB, or be read and written by the
/// program at the same time: what it does not read is dropped with it.
///
/// # Errors
/// Why, in our words: it cannot be started, says no, or takes too long.
pub fn run(argv: &[String], input: &[u8], timeout: Duration) -> Result<Zeroizing<Vec<u8>>, String> {
    let (first, rest) = argv.split_first().ok_or_else(|| "no `argv`".to_owned())?;
    let mut child = Command::new(first)
        .args(rest)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input may still do its work.
        let _ = stdin.write_all(input);
    }
    let mut waited = Duration::ZERO;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if waited >= timeout => {
                // It may have ended in between; either way it is reaped.
                let _ = child.kill();
                let _ = child.wait();
                return Err("no end in time".to_owned());
            }
            None => std::thread::sleep(LOOK),
        }
        waited += LOOK;
    };
    if !status.success() {
        return Err(status.to_string());
    }
    let mut printed = Zeroizing::new(Vec::new());
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(OUTPUT_BYTES_MAX).read_to_end(&mut printed);
        read.map_err(|error| error.to_string())?;
    }
    Ok(printed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_input_and_end_in_time() {
        let run = |argv: &[&str], input: &str| {
            let argv: Vec<String> = argv.iter().map(|a| (*a).to_owned()).collect();
            let output = run(&argv, input.as_bytes(), Duration::from_millis(300));
            output.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        assert_eq!(run(&["cat"], "a notice").as_deref(), Ok("a notice"));
        assert_eq!(run(&["printf", "x"], "nobody reads this").as_deref(), Ok("x"));
        assert!(run(&["false"], "").is_err());
        assert_eq!(run(&["sleep", "60"], ""), Err("no end in time".to_owned()));
        assert!(run(&["/nonexistent/program"], "").is_err());
        assert!(run(&[], "").is_err());
    }
}
