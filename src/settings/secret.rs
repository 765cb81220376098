//! References to secrets. Resolving them is for layers that may touch the outside.

use std::fmt;

/// A reference to a secret: whole values only, nothing is put into other texts.
///
/// It holds no secret itself, so it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// `env:NAME`: an environment variable.
    Env(String),
    /// `file:/path`: the content of a file without its last newline; a relative path starts
    /// at the root of the configuration.
    File(String),
    /// `cred:NAME`: a file of the service manager's credential directory.
    Cred(String),
    /// `exec:NAME`: the output of a program listed in config.toml.
    Exec(String),
}

impl SecretRef {
    /// Reads a reference; none for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, name) = text.split_once(':')?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let named = !name.is_empty() && name.bytes().all(plain) && !name.starts_with('.');
        match scheme {
            "env" if named => Some(Self::Env(name.to_owned())),
            "cred" if named => Some(Self::Cred(name.to_owned())),
            "exec" if named => Some(Self::Exec(name.to_owned())),
            "file" if !name.is_empty() && !name.contains('\0') => Some(Self::File(name.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Cred(name) => write!(f, "cred:{name}"),
            Self::Exec(name) => write!(f, "exec:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_references_only() {
        for good in ["env:A_B", "file:/run/x y", "file:keys/keyring", "cred:admin-key", "exec:v"] {
            assert_eq!(SecretRef::parse(good).map(|s| s.to_string()).as_deref(), Some(good));
        }
        for bad in ["", "hunter2", "env:", "env:A B", "cred:../x", "cred:a/b", "http://x", "file:"]
        {
            assert_eq!(SecretRef::parse(bad), None, "{bad}");
        }
    }
}
