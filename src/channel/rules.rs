//! The rules of a channel as the engine runs them: checked, immutable, cheap to share.
//!
//! Made by `config` from the channel's file; nothing here reads settings.

use std::fmt;
use std::sync::Arc;

use super::RetryPlan;
use crate::base::{ChannelName, DestinationName};
use crate::consent::Policy;
use crate::fault::Fault;
use crate::fault::codes::{W2002, W2070};
use crate::hl7v2::ack::Response;
use crate::hl7v2::{Charset, Message, Recode, Tolerances, tables, xml};
use crate::mapping::{Condition, Mapping, ValuePath};
use crate::message::{ContentKind, Revision};
use crate::seal::SealRule;

/// Everything that decides about a message of one channel.
#[derive(Clone)]
pub struct ChannelRules {
    /// The channel.
    pub name: ChannelName,
    /// The configuration these rules stand in.
    pub revision: Revision,
    /// Name of the site, seed of the ids that mappings make.
    pub site: Arc<str>,
    /// The form in which messages arrive.
    pub input: ContentKind,
    /// Message types the channel takes.
    pub accept: Accept,
    /// Deviations of HL7 v2 messages that the channel reads past; others are refused.
    pub tolerance: Tolerances,
    /// Character set of HL7 v2 messages; `None`: as MSH-18 says.
    pub charset: Option<Charset>,
    /// Encodings of HL7 v2 messages that the channel takes.
    pub encoding: Encoding,
    /// Condition a message must meet to go anywhere.
    pub filter: Option<FilterRule>,
    /// `[validate]`; none where messages are not checked.
    pub validate: Option<super::ValidateRules>,
    /// `[consent]`.
    pub consent: ConsentRules,
    /// Where to, in the order of the file. Disabled destinations are left out.
    pub destinations: Vec<DestinationRules>,
    /// Value that makes the lanes; one lane without it.
    pub order_by: Option<ValuePath>,
    /// Own search keys: name and where the value stands.
    pub index: Vec<(Arc<str>, ValuePath)>,
    /// Which acknowledgments are sent.
    pub ack_mode: AckMode,
    /// `[answer]`; none where every message is answered by ACK.
    pub responses: Option<Arc<Responses>>,
}

/// How a channel answers.
#[derive(Clone, Debug)]
pub struct Answering {
    /// Which acknowledgments are sent.
    pub mode: AckMode,
    /// The form of what is answered.
    pub input: ContentKind,
    /// Responses of their own, where the channel gives any.
    pub responses: Option<Arc<Responses>>,
}

/// `[answer]` of a channel: queries and orders are answered by messages of their own.
#[derive(Clone, Debug, Default)]
pub struct Responses {
    /// What makes their segments; a response without one has those of the question alone.
    pub mappings: Vec<Arc<Mapping>>,
}

impl Responses {
    /// The mapping of a response to a message.
    #[must_use]
    pub fn mapping(&self, message: &Message, response: &Response) -> Option<&Mapping> {
        let header = message.header();
        let (version, _) = tables::version(&header.version());
        let known = version.event(&header.message_code(), &header.trigger_event());
        let structure = known.map_or_else(|| header.structure(), Into::into);
        let answers = |mapping: &&Arc<Mapping>| {
            let makes = mapping.makes().is_some_and(|(_, makes)| makes == response.structure);
            makes && mapping.takes().1 == structure
        };
        self.mappings.iter().find(answers).map(|mapping| &**mapping)
    }
}

/// Encodings of HL7 v2 messages that a channel takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Delimiters: ER7.
    #[default]
    Er7,
    /// XML: `urn:hl7-org:v2xml`.
    Xml,
    /// Both, as the first bytes of a message say.
    Any,
}

impl Encoding {
    /// Checks that a message that begins like this is taken.
    ///
    /// # Errors
    /// `W2002` for XML where delimiters are taken, `W2070` for the reverse.
    pub fn check(self, bytes: &[u8]) -> Result<(), Fault> {
        match (self, xml::is_document(bytes)) {
            (Self::Er7, true) => Err(Fault::new(W2002).because("it looks like XML").remedy(
                "Set `encoding = \"any\"` in `[source]` where the sender is to send HL7 v2 XML.",
            )),
            (Self::Xml, false) => Err(Fault::new(W2070).because("this channel takes XML only")),
            _ => Ok(()),
        }
    }
}

/// A condition with the place where it stands, such as `channels/lab.toml:17`.
#[derive(Clone)]
pub struct FilterRule {
    /// The condition.
    pub condition: Condition,
    /// Where it stands; the ledger shows it for what it kept.
    pub place: Arc<str>,
}

/// `[consent]` of a channel.
#[derive(Clone)]
pub struct ConsentRules {
    /// The policy; none where the channel says `policy = "none"`.
    pub policy: Option<Arc<Policy>>,
    /// Where the patient's identifier stands.
    pub patient: Option<ValuePath>,
    /// What becomes of a denied message.
    pub on_deny: OnDeny,
    /// What an unknown verdict counts as.
    pub on_unknown: OnUnknown,
}

/// What a channel knows of one destination.
#[derive(Clone)]
pub struct DestinationRules {
    /// Its name.
    pub name: DestinationName,
    /// For whom, such as `Organization/hie`.
    pub recipient: Arc<str>,
    /// What for, such as `TREAT`.
    pub purpose: Arc<str>,
    /// Condition for this destination alone.
    pub when: Option<FilterRule>,
    /// The mapping; none passes the content through. Destinations that share one `Arc`
    /// share one run.
    pub mapping: Option<Arc<Mapping>>,
    /// `[[encrypt]]` rules for what leaves here. Destinations that share one `Arc` and
    /// one mapping share one sealed body.
    pub seal: Arc<[SealRule]>,
    /// When to try again.
    pub retry: RetryPlan,
    /// What a refusal by the peer means.
    pub on_reject: OnReject,
    /// Character set in which HL7 v2 messages leave; `None`: their own.
    pub recode: Option<Recode>,
}

/// Message types a channel takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accept(pub Vec<Arc<str>>);

impl Accept {
    /// Whether a message type is taken: listed, covered by `ADT` or `ADT^*`, or the list
    /// is empty.
    #[must_use]
    pub fn takes(&self, message_type: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|row| covers(row, message_type))
    }

    /// The type as a metric label: the type itself where the configuration names it,
    /// else `other`, so that a peer cannot make labels.
    #[must_use]
    pub fn label(&self, message_type: &str) -> &str {
        self.0.iter().find(|row| &***row == message_type).map_or("other", |row| row)
    }
}

/// Whether a row of `accept` covers a type: `ADT^A01` itself, `ADT` and `ADT^*` all of ADT.
fn covers(row: &str, message_type: &str) -> bool {
    if row == message_type || row == "*" {
        return true;
    }
    let family = row.strip_suffix("^*").or_else(|| row.strip_suffix(":*")).unwrap_or(row);
    let open = family.len() < row.len() || !row.contains(['^', ':']);
    open && message_type
        .strip_prefix(family)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['^', ':']))
}

/// Which acknowledgments a channel sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AckMode {
    /// As MSH-15 and MSH-16 ask.
    #[default]
    Auto,
    /// Always one `AA`, `AE` or `AR`.
    Original,
    /// Always one `CA`, `CE` or `CR`.
    Enhanced,
}

/// What becomes of a message that consent keeps from a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDeny {
    /// Acknowledged, not sent, recorded as denied.
    #[default]
    Record,
    /// Acknowledged and held until a consent permits it.
    Hold,
    /// Refused, when it may go to no destination at all.
    Nak,
}

/// What an unknown verdict counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// As denied.
    #[default]
    Deny,
    /// As permitted.
    Permit,
}

/// What a refusal by the peer means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnReject {
    /// The message is dead; its lane goes on.
    #[default]
    DeadLetter,
    /// The message blocks its lane until a person acts or the peer takes it.
    Block,
}

impl ChannelRules {
    /// How messages of a form are answered.
    #[must_use]
    pub fn answering(&self, input: ContentKind) -> Answering {
        Answering { mode: self.ack_mode, input, responses: self.responses.clone() }
    }

    /// The rules of a destination by its name.
    #[must_use]
    pub fn destination(&self, name: &DestinationName) -> Option<&DestinationRules> {
        self.destinations.iter().find(|rules| rules.name == *name)
    }
}

impl fmt::Debug for ChannelRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelRules")
            .field("name", &self.name)
            .field("revision", &self.revision)
            .field("destinations", &self.destinations.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_takes_types_and_families() {
        let check = |rows: &[&str], message_type: &str, expected: bool| {
            let accept = Accept(rows.iter().map(|row| (*row).into()).collect());
            assert_eq!(accept.takes(message_type), expected, "{rows:?} {message_type}");
        };
        check(&[], "ADT^A01", true);
        check(&[], "", true);
        check(&["ADT^A01"], "ADT^A01", true);
        check(&["ADT^A01"], "ADT^A02", false);
        check(&["ADT^A01"], "ADT", false);
        check(&["ADT"], "ADT^A02", true);
        check(&["ADT^*"], "ADT^A02", true);
        check(&["ADT^*"], "ADTX^A02", false);
        check(&["AD"], "ADT^A02", false);
        check(&["*"], "ZZZ^Z01", true);
        check(&["transaction:*"], "transaction:Patient", true);
        check(&["create:Patient"], "create:Observation", false);
    }

    #[test]
    fn labels_come_from_the_configuration_only() {
        let accept = Accept(vec!["ADT^A01".into(), "ORU".into()]);
        assert_eq!(accept.label("ADT^A01"), "ADT^A01");
        assert_eq!(accept.label("ORU^R01"), "other");
        assert_eq!(accept.label("ZZZ^<script>"), "other");
    }
}
