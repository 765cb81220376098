//! Scopes: `system/Patient.rs`, `patient/*.read`.
//!
//! Source: SMART App Launch 2.2, scopes and launch context; version 1 (`read`, `write`, `*`)
//! as its section on compatibility reads it.

use std::fmt;
use std::sync::Arc;

use crate::fhir::tables;

/// Most scopes of one caller: a scope for each type of R4 on each level stays below.
const SCOPES_MAX: usize = 500;

/// One thing a scope permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// To create.
    Create,
    /// To read a resource, one of its versions or its history.
    Read,
    /// To update or patch.
    Update,
    /// To delete.
    Delete,
    /// To search, and to read the history of a type or of everything.
    Search,
}

impl Permission {
    /// All, in the order in which a scope writes them.
    pub const ALL: [Self; 5] = [Self::Create, Self::Read, Self::Update, Self::Delete, Self::Search];

    /// Its letter.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Create => 'c',
            Self::Read => 'r',
            Self::Update => 'u',
            Self::Delete => 'd',
            Self::Search => 's',
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Whose data a scope speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Those of the one patient of the launch context.
    Patient,
    /// Those that the signed-in user may see; the authorization server knows which.
    User,
    /// All that the client may see.
    System,
}

/// What one scope permits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Whose data.
    pub level: Level,
    /// Resource type; `None`: all.
    resource: Option<Arc<str>>,
    /// Bits of [`Permission`].
    may: u8,
}

impl Scope {
    /// Reads a scope on resources; `None` for all others (`openid`, `launch/patient`), and
    /// for those that permit a part of a type only (`Observation.rs?category=..`), which
    /// weir does not grant.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (level, rest) = text.split_once('/')?;
        let level = match level {
            "patient" => Level::Patient,
            "user" => Level::User,
            "system" => Level::System,
            _ => return None,
        };
        let (resource, may) = rest.split_once('.')?;
        let resource = match resource {
            "*" => None,
            name if tables::is_resource(name) => Some(Arc::from(name)),
            _ => return None,
        };
        let may = match may {
            "*" => bits(&Permission::ALL),
            "read" => bits(&[Permission::Read, Permission::Search]),
            "write" => bits(&[Permission::Create, Permission::Update, Permission::Delete]),
            letters => in_order(letters)?,
        };
        Some(Self { level, resource, may })
    }

    fn permits(&self, resource: Option<&str>, permission: Permission) -> bool {
        let named = self.resource.as_deref().is_none_or(|own| resource == Some(own));
        named && self.may & permission.bit() != 0
    }
}

fn bits(permissions: &[Permission]) -> u8 {
    permissions.iter().fold(0, |bits, permission| bits | permission.bit())
}

/// Letters of `cruds`, each once and in this order.
fn in_order(letters: &str) -> Option<u8> {
    let mut bits = 0;
    for letter in letters.chars() {
        let permission = Permission::ALL.into_iter().find(|p| p.letter() == letter)?;
        if bits >= permission.bit() {
            return None;
        }
        bits |= permission.bit();
    }
    (bits != 0).then_some(bits)
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Patient => "patient",
            Level::User => "user",
            Level::System => "system",
        };
        write!(f, "{level}/{}.", self.resource.as_deref().unwrap_or("*"))?;
        let granted = Permission::ALL.into_iter().filter(|p| self.may & p.bit() != 0);
        granted.map(Permission::letter).try_for_each(|letter| write!(f, "{letter}"))
    }
}

/// How far a permission goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Not at all.
    Nothing,
    /// As far as the patient of the launch context is concerned.
    Patient,
    /// Everything of the type.
    All,
}

/// What a caller may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        let may = bits(&Permission::ALL);
        Self(vec![Scope { level: Level::System, resource: None, may }])
    }

    /// Those of a text with spaces between them; what is no scope on resources is left out,
    /// as is all beyond 500.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.split_ascii_whitespace().filter_map(Scope::parse).collect()
    }

    /// How far a permission goes for a resource type; `None`: for all types at once.
    #[must_use]
    pub fn reach(&self, resource: Option<&str>, permission: Permission) -> Reach {
        let granted = self.0.iter().filter(|scope| scope.permits(resource, permission));
        let reach = |scope: &Scope| match scope.level {
            Level::Patient => Reach::Patient,
            Level::User | Level::System => Reach::All,
        };
        granted.map(reach).max().unwrap_or(Reach::Nothing)
    }

    /// Whether nothing is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().take(SCOPES_MAX).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read_and_nothing_else() {
        let check = |text: &str, expected: Option<&str>| {
            let read = Scope::parse(text).map(|scope| scope.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        };
        check("system/Patient.read", Some("system/Patient.rs"));
        check("system/Patient.write", Some("system/Patient.cud"));
        check("user/*.*", Some("user/*.cruds"));
        check("patient/Observation.rs", Some("patient/Observation.rs"));
        check("system/*.cruds", Some("system/*.cruds"));
        check("system/Consent.c", Some("system/Consent.c"));
        for bad in [
            "",
            "openid",
            "launch/patient",
            "system/Patient",
            "system/Patient.",
            "system/Patient.sr",
            "system/Patient.rr",
            "system/Patient.x",
            "system/Patient.Read",
            "system/Nothing.rs",
            "system/../x.rs",
            "System/Patient.rs",
            "system/Observation.rs?category=laboratory",
            "system/ Patient.rs",
            "/Patient.rs",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn the_widest_grant_counts() {
        let check = |scopes: &str, resource: Option<&str>, permission, expected| {
            let reach = Scopes::parse(scopes).reach(resource, permission);
            assert_eq!(reach, expected, "{scopes} {resource:?}");
        };
        use Permission::{Create, Read, Search};
        let patient = Some("Patient");
        check("", patient, Read, Reach::Nothing);
        check("system/Patient.r", patient, Read, Reach::All);
        check("system/Patient.r", patient, Search, Reach::Nothing);
        check("system/Patient.r", Some("Observation"), Read, Reach::Nothing);
        check("system/Patient.r", None, Read, Reach::Nothing);
        check("system/*.r", None, Read, Reach::All);
        check("patient/*.rs", patient, Read, Reach::Patient);
        check("patient/*.rs user/Patient.r openid", patient, Read, Reach::All);
        check("user/Patient.c", patient, Create, Reach::All);
    }

    #[test]
    fn many_scopes_are_cut_off() {
        let many = "system/Patient.r ".repeat(SCOPES_MAX + 10);
        assert_eq!(Scopes::parse(&many).0.len(), SCOPES_MAX);
        assert!(Scopes::parse("openid profile").is_empty());
        assert!(!Scopes::all().is_empty());
    }
}
