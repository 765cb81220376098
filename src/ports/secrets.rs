//! Secrets: from a reference to its bytes, at the moment they are needed.
//!
//! Bytes are wiped when dropped and never shown; a fault names the reference's kind and
//! name only.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::fault::{Fault, codes::*};
use crate::settings::SecretRef;

/// Largest secret: a private key with its chain stays far below, and a wrong path to a
/// large file must not fill memory.
const SECRET_BYTES_MAX: u64 = 1 << 20;

/// Where the service manager puts credentials (`LoadCredential=`).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Reads the secret behind a reference. Blocks on a small file or the run of a program.
///
/// One line break at the end is left out, as editors and `echo` write it.
///
/// # Errors
/// `W1032` when it cannot be read, `W7504` for programs that are not allowed.
pub fn resolve(reference: &SecretRef) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut bytes = match reference {
        SecretRef::Env(name) => std::env::var_os(name)
            .map(|value| Zeroizing::new(value.into_encoded_bytes()))
            .ok_or_else(|| unread(format!("the variable `{name}` is not set")))?,
        SecretRef::File(path) => read(Path::new(path), &format!("file `{path}`"))?,
        SecretRef::Cred(name) => {
            let directory = std::env::var_os(CREDENTIALS_DIRECTORY).ok_or_else(|| {
                unread(format!("credential `{name}`: no directory of credentials"))
            })?;
            if name.is_empty() || name.contains('/') || name.starts_with('.') {
                return Err(unread("the name of a credential is a plain file name".to_owned()));
            }
            read(&PathBuf::from(directory).join(name), &format!("credential `{name}`"))?
        }
        SecretRef::Exec(name) => run(name)?,
    };
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(unread("it is empty".to_owned()));
    }
    Ok(bytes)
}

/// Reads a secret that is text, such as a token.
///
/// # Errors
/// As [`resolve`]; also when it is not UTF-8.
pub fn resolve_text(reference: &SecretRef) -> Result<Zeroizing<String>, Fault> {
    let bytes = resolve(reference)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| unread("it is not UTF-8".to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// As [`resolve_text`] from a task: the run of a program does not hold up others.
///
/// # Errors
/// As [`resolve_text`].
pub async fn resolve_beside(reference: &SecretRef) -> Result<Zeroizing<String>, Fault> {
    if !matches!(reference, SecretRef::Exec(_)) {
        return resolve_text(reference);
    }
    let owned = reference.clone();
    let run = tokio::task::spawn_blocking(move || resolve_text(&owned)).await;
    run.unwrap_or_else(|_| Err(unread("the runtime is stopping".to_owned())))
}

/// A program that may give secrets: `[exec.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The name in `exec:NAME`.
    pub name: Arc<str>,
    /// Program and arguments; no shell reads them.
    pub argv: Vec<String>,
    /// Longest run.
    pub timeout: Duration,
}

/// The programs of the running configuration. Secrets are resolved in many rooms, and a
/// reference alone must not run anything, so the list is kept where it is asked.
static PROGRAMS: RwLock<Vec<Program>> = RwLock::new(Vec::new());

/// Sets the programs that `exec:` references may run, in place of those before.
pub fn allow(programs: Vec<Program>) {
    *PROGRAMS.write().unwrap_or_else(PoisonError::into_inner) = programs;
}

/// Runs a program and takes what it prints. Its errors are not kept: they may hold parts
/// of what it protects.
fn run(name: &str) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let programs = PROGRAMS.read().unwrap_or_else(PoisonError::into_inner);
    let program = programs.iter().find(|program| &*program.name == name).cloned();
    drop(programs);
    let failed = |why: String| unread(format!("program `{name}`: {why}"));
    let program = program.ok_or_else(|| Fault::new(W7504).because(format!("`exec:{name}`")))?;
    super::program::run(&program.argv, b"", program.timeout).map_err(failed)
}

fn unread(cause: String) -> Fault {
    Fault::new(W1032).because(cause)
}

fn read(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let failed = |error: std::io::Error| unread(format!("{what}: {error}"));
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > SECRET_BYTES_MAX {
        return Err(unread(format!("{what} is larger than a secret may be")));
    }
    std::fs::read(path).map(Zeroizing::new).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_files_without_their_last_line_break() {
        let dir = tempfile::tempdir().unwrap();
        let check = |content: &[u8], expected: Option<&[u8]>| {
            let path = dir.path().join("secret");
            std::fs::write(&path, content).unwrap();
            let read = resolve(&SecretRef::File(path.display().to_string()));
            assert_eq!(read.ok().as_ref().map(|b| b.as_slice()), expected);
        };
        check(b"token", Some(b"token"));
        check(b"token\n", Some(b"token"));
        check(b"token\r\n", Some(b"token"));
        check(b"a\n\n", Some(b"a\n"));
        check(b"\n", None);
        check(b"", None);
    }

    #[test]
    fn names_the_reference_never_the_content() {
        let check = |reference: SecretRef, code, part: &str| {
            let fault = resolve(&reference).unwrap_err();
            assert_eq!(fault.code(), code);
            assert!(fault.line().contains(part), "{fault}");
        };
        check(SecretRef::Env("WEIR_NOT_SET_ANYWHERE".into()), W1032, "WEIR_NOT_SET_ANYWHERE");
        check(SecretRef::File("/nonexistent/key".into()), W1032, "/nonexistent/key");
        check(SecretRef::Exec("vault".into()), W7504, "exec:vault");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bin");
        std::fs::write(&path, b"\xff\xfe").unwrap();
        let fault = resolve_text(&SecretRef::File(path.display().to_string())).unwrap_err();
        assert_eq!(fault.code(), W1032);
    }

    #[test]
    fn programs_run_only_when_they_are_listed() {
        let program = |name: &str, argv: &[&str]| Program {
            name: name.into(),
            argv: argv.iter().map(|a| (*a).to_owned()).collect(),
            timeout: Duration::from_millis(200),
        };
        allow(vec![
            program("vault", &["printf", "a secret"]),
            program("slow", &["sleep", "60"]),
            program("fails", &["false"]),
            program("gone", &["/nonexistent/program"]),
        ]);
        let ask = |name: &str| resolve(&SecretRef::Exec(name.to_owned()));
        assert_eq!(ask("vault").unwrap().as_slice(), b"a secret");
        for (name, code) in
            [("slow", W1032), ("fails", W1032), ("gone", W1032), ("not-listed", W7504)]
        {
            assert_eq!(ask(name).unwrap_err().code(), code, "{name}");
        }
    }
}
