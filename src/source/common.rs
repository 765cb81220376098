//! The keys every kind of source has.

use std::sync::Arc;

use super::IpNet;
use crate::base::{ByteSize, limits};
use crate::ports::tls::TlsServerPlan;

/// How bytes of a message become text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// As MSH-18 says.
    #[default]
    Msh18,
    /// Always this one, whatever MSH-18 says: its name in table 0211, or `utf-8`.
    Always(Arc<str>),
}

/// The keys every kind of source has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    /// Message types taken, such as `ADT^A01` or `ADT` for all of a kind; empty: all.
    pub accept: Vec<Arc<str>>,
    /// Networks that may connect; empty: any.
    pub allow: Vec<IpNet>,
    /// TLS of a listener; `None`: plain TCP.
    pub tls: Option<TlsServerPlan>,
    /// Largest message.
    pub max_size: ByteSize,
    /// Character set.
    pub charset: Charset,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            accept: Vec::new(),
            allow: Vec::new(),
            tls: None,
            max_size: limits::FRAME_BYTES_DEFAULT,
            charset: Charset::Msh18,
        }
    }
}

impl Common {
    /// Whether a message of this type is taken. `ADT` in `accept` stands for every `ADT^..`.
    #[must_use]
    pub fn accepts(&self, message_type: &str) -> bool {
        let matches = |accepted: &Arc<str>| {
            let rest = message_type.strip_prefix(&**accepted);
            rest.is_some_and(|r| r.is_empty() || r.starts_with(['^', ':']))
        };
        self.accept.is_empty() || self.accept.iter().any(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_exact_types_and_families() {
        let check = |accept: &[&str], message_type: &str, expected: bool| {
            let accept = accept.iter().map(|a| Arc::from(*a)).collect();
            let common = Common { accept, ..Common::default() };
            assert_eq!(common.accepts(message_type), expected, "{message_type}");
        };
        check(&[], "ADT^A01", true);
        check(&["ADT^A01"], "ADT^A01", true);
        check(&["ADT^A01"], "ADT^A01^ADT_A01", true);
        check(&["ADT^A01"], "ADT^A011", false);
        check(&["ADT"], "ADT^A40", true);
        check(&["ADT"], "ADTX^A40", false);
        check(&["ORU", "ADT^A08"], "ADT^A01", false);
        check(&["transaction"], "transaction:Patient", true);
        check(&["ADT"], "", false);
    }
}
