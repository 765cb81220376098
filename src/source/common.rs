//! The keys every kind of source has.

use std::sync::Arc;

use serde_json::json;

use crate::base::{ByteSize, limits};
use crate::channel::Encoding;
use crate::fault::{Fault, codes::W1021};
use crate::hl7v2::{self, Tolerance, Tolerances};
use crate::ports::tls::{self, TlsServerPlan};
use crate::settings::{IpNet, Key, KeyRow, Setting, Shape, Table, Value, Word, Wrong, nearest};

const ACCEPT: Key<Vec<Arc<str>>> = Key::new(
    "accept",
    "a list of message types such as `ADT^A01`, or `ADT` for all of a kind",
    "Message types taken; others are refused with AR or 422.",
)
.default("all");
const MAX_SIZE: Key<ByteSize> =
    Key::new("max_size", "a size such as `10 MiB`, at most 1 GiB", "Largest message taken.")
        .default("10 MiB");
const CHARSET: Key<Charset> = Key::new(
    "charset",
    "`msh18` or a name such as `UNICODE UTF-8` or `8859/1`",
    "Character set of messages: as MSH-18 says, or always this one.",
)
.default("msh18");
const ENCODING: Key<Encoding> = Key::new(
    "encoding",
    "`er7`, `xml` or `any`",
    "Encodings of HL7 v2 messages taken: delimiters, HL7 v2 XML, or as each message begins; \
     XML is answered in XML, and goes on with delimiters.",
)
.default("er7");
const ALLOW: Key<Vec<IpNet>> =
    Key::new("allow", "a list of networks such as `10.20.0.0/16`", "Networks that may connect.")
        .default("any");

const TOLERANCE: Key<Leniency> = Key::new(
    "tolerance",
    "a list of names such as `[\"lf\", \"no-final-cr\"]`, `[\"-lf\"]` or `[\"usual\", \"leading-text\"]`",
    "Deviations of HL7 v2 messages that are read past and counted; others are refused with AR. \
     A name after `-` is taken away; `usual` and `all` stand for many; `[]` is the letter of the \
     standard.",
)
.default("[\"usual\"]");

/// Keys of every kind of source.
pub const KEYS: &[KeyRow] =
    &[ACCEPT.row(), MAX_SIZE.row(), CHARSET.row(), TOLERANCE.row(), ENCODING.row()];

/// Key `allow` of kinds that listen.
pub(super) const ALLOW_ROW: KeyRow = ALLOW.row();

/// Key `tls` of kinds that listen.
pub(super) const TLS_ROW: KeyRow = KeyRow::of(
    "tls",
    "Certificate of the listener; plain TCP without.",
    Shape::Table(tls::SERVER_KEYS),
);

impl Setting for Charset {
    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        match value.as_str().ok_or_else(Wrong::kind)? {
            "msh18" => Ok(Self::Msh18),
            "" => Err(Wrong::from("a character set has a name")),
            name if Self::Always(name.into()).set() == Some(hl7v2::Charset::Unknown) => {
                Err(Wrong::from("no character set of this name is known"))
            }
            name => Ok(Self::Always(name.into())),
        }
    }
}

/// The deviations that a channel reads past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leniency(pub Tolerances);

impl Setting for Leniency {
    fn schema() -> serde_json::Value {
        let names = Tolerance::ALL.iter().map(|kind| kind.name());
        let words: Vec<String> = ["usual", "all"]
            .into_iter()
            .map(str::to_owned)
            .chain(names.clone().map(str::to_owned))
            .chain(names.map(|name| format!("-{name}")))
            .collect();
        json!({ "type": "array", "items": { "enum": words } })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        let names = Vec::<Arc<str>>::read(value)?;
        let only_taken_away = !names.is_empty() && names.iter().all(|name| name.starts_with('-'));
        let mut set = if only_taken_away { Tolerances::USUAL } else { Tolerances::NONE };
        for name in &names {
            match (&**name, name.strip_prefix('-')) {
                ("usual", _) => set = set.union(Tolerances::USUAL),
                ("all", _) => set = Tolerances::ALL,
                (_, Some(name)) => set.remove(tolerance(name)?),
                (name, None) => set.insert(tolerance(name)?),
            }
        }
        Ok(Self(set))
    }
}

fn tolerance(name: &str) -> Result<Tolerance, Wrong> {
    Tolerance::named(name).ok_or_else(|| {
        let names = Tolerance::ALL.iter().map(|kind| kind.name()).chain(["usual", "all"]);
        let near = nearest(name, names).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
        Wrong::from(format!("no deviation is named `{name}`{near}"))
    })
}

/// How bytes of a message become text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// As MSH-18 says.
    #[default]
    Msh18,
    /// Always this one, whatever MSH-18 says: its name in table 0211, or `utf-8`.
    Always(Arc<str>),
}

impl Charset {
    /// The set; `None` where MSH-18 says it.
    #[must_use]
    pub fn set(&self) -> Option<hl7v2::Charset> {
        match self {
            Self::Msh18 => None,
            Self::Always(name) => Some(hl7v2::Charset::declared(name.as_bytes(), Some(b'~'))),
        }
    }
}

impl Word for Encoding {
    const WORDS: &'static [(&'static str, Self)] =
        &[("er7", Self::Er7), ("xml", Self::Xml), ("any", Self::Any)];
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
    /// Deviations of HL7 v2 messages that are read past.
    pub tolerance: Tolerances,
    /// Encodings of HL7 v2 messages taken.
    pub encoding: Encoding,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            accept: Vec::new(),
            allow: Vec::new(),
            tls: None,
            max_size: limits::FRAME_BYTES_DEFAULT,
            charset: Charset::Msh18,
            tolerance: Tolerances::USUAL,
            encoding: Encoding::Er7,
        }
    }
}

impl Common {
    /// Reads the common keys; `allow` and `tls` only where the kind listens.
    pub(super) fn read(table: &mut Table<'_>, listens: bool) -> Self {
        let mut common = Self {
            accept: table.or(&ACCEPT, Vec::new()),
            charset: table.or(&CHARSET, Charset::Msh18),
            tolerance: table.or(&TOLERANCE, Leniency(Tolerances::USUAL)).0,
            encoding: table.or(&ENCODING, Encoding::Er7),
            ..Self::default()
        };
        if let Some(size) = table.spanned(&MAX_SIZE) {
            if size.value.0 == 0 || size.value > limits::FRAME_BYTES_MAX {
                let most = limits::FRAME_BYTES_MAX;
                let fault = Fault::new(W1021).because(format!("expected 1 B to {most}"));
                table.error(fault, &size.span);
            } else {
                common.max_size = size.value;
            }
        }
        if listens {
            common.allow = table.or(&ALLOW, Vec::new());
            common.tls = tls::read_server(table);
        }
        common
    }

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
