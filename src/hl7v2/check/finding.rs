//! What a check found: where, how bad, and in words.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::profile::Level;
use crate::fault::{Code, Fault, Place, Severity};

/// One thing that is not as it should be.
///
/// Names places and definitions, never a value of the message.
#[derive(Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub code: Code,
    /// What kind of rule it breaks.
    pub level: Level,
    /// How much it counts, by the profile.
    pub severity: Severity,
    /// Place of the segment in the message, from 0; none where a segment or group is missing.
    pub segment: Option<usize>,
    /// Where it stands, such as `PID-3[2].4.1` or `OBX[3]-5`.
    pub path: String,
    /// The groups around it, such as `PATIENT_RESULT.ORDER_OBSERVATION[2]`; empty for none.
    pub group: String,
    /// Name of the segment, field or component by the version; empty where there is none.
    pub name: String,
    /// What is wrong, in our words.
    pub cause: Cow<'static, str>,
}

impl Finding {
    /// One sentence for people: place, name, and what is wrong.
    #[must_use]
    pub fn sentence(&self) -> String {
        if self.name.is_empty() {
            return format!("{}: {}.", self.path, self.cause);
        }
        format!("{} ({}): {}.", self.path, self.name, self.cause)
    }

    /// The finding as a fault, for an answer or a record.
    #[must_use]
    pub fn to_fault(&self) -> Fault {
        Fault::new(self.code).at(Place::path(self.path.as_str())).because(self.cause.clone())
    }
}

impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.severity.name(), self.code, self.sentence())
    }
}

/// All that a check found in one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Version whose definitions were asked, such as `2.5.1`.
    pub version: &'static str,
    /// Name of the message structure; none where no structure is known.
    pub structure: Option<Arc<str>>,
    /// The findings in order of the message, what is missing among them.
    pub list: Vec<Finding>,
    /// How many more there are than listed.
    pub unlisted: usize,
}

impl Findings {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many are this bad.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|finding| finding.severity == severity).count()
    }

    /// The first of the worst.
    #[must_use]
    pub fn worst(&self) -> Option<&Finding> {
        let worst = self.list.iter().map(|finding| finding.severity).max()?;
        self.list.iter().find(|finding| finding.severity == worst)
    }

    /// Adds what other rules found, such as those of a site.
    pub fn add(&mut self, finding: Finding) {
        if self.list.len() < super::FINDINGS_MAX {
            self.list.push(finding);
        } else {
            self.unlisted += 1;
        }
    }
}
