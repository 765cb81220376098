//! Functions that make the standard leaves.
//!
//! Texts in them come from configuration, from codes or from a person's own reason; never
//! from a message. File names and URLs of receipts are left out, since a pattern may have
//! put an identifier into them.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Action;
use crate::base::{ChannelName, DestinationName, MessageId, Timestamp};
use crate::message::{Decision, FaultRecord, Leaf, Receipt, Revision, Verdict};

/// Longest reason kept, in characters: a paragraph; a leaf must stay small.
pub const REASON_CHARS_MAX: usize = 500;

/// Most paths named in one leaf; the rest are counted and covered by the digest.
const PATHS_NAMED_MAX: usize = 16;

/// The actor of what weir does by itself.
pub const WEIR: &str = "weir";

/// What a leaf is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The message, where it is about one.
    pub message: Option<MessageId>,
    /// Its channel.
    pub channel: &'a ChannelName,
    /// The destination, where it is about one.
    pub destination: Option<&'a DestinationName>,
}

impl<'a> Subject<'a> {
    /// A message before its destinations part.
    #[must_use]
    pub const fn message(message: MessageId, channel: &'a ChannelName) -> Self {
        Self { message: Some(message), channel, destination: None }
    }

    /// A message on its way to one destination.
    #[must_use]
    pub const fn delivery(
        message: MessageId,
        channel: &'a ChannelName,
        destination: &'a DestinationName,
    ) -> Self {
        Self { message: Some(message), channel, destination: Some(destination) }
    }
}

/// A leaf of any action about no channel: the other functions start from it.
#[must_use]
pub fn action_done(action: Action, at: Timestamp, actor: &str) -> Leaf {
    Leaf {
        action: action.name().into(),
        at,
        actor: actor.into(),
        message: None,
        channel: None,
        destination: None,
        decision: None,
        reason: None,
        digest: None,
    }
}

fn about(action: Action, at: Timestamp, subject: Subject<'_>) -> Leaf {
    Leaf {
        message: subject.message,
        channel: Some(subject.channel.clone()),
        destination: subject.destination.cloned(),
        ..action_done(action, at, WEIR)
    }
}

/// A reason, trimmed and cut at its limit; none when nothing is left.
fn reason(text: &str) -> Option<Arc<str>> {
    let text = text.trim();
    let cut: String = text.chars().take(REASON_CHARS_MAX).collect();
    (!cut.is_empty()).then(|| cut.into())
}

/// `12: PID-19, PID-3[1].1, ..`
fn listed<S: AsRef<str>>(paths: &[S]) -> String {
    let named: Vec<&str> = paths.iter().take(PATHS_NAMED_MAX).map(AsRef::as_ref).collect();
    let rest = if paths.len() > PATHS_NAMED_MAX { ", .." } else { "" };
    format!("{}: {}{rest}", paths.len(), named.join(", "))
}

fn digest_of<S: AsRef<str>>(paths: &[S]) -> [u8; 32] {
    let hash = paths
        .iter()
        .fold(Sha256::new(), |hash, path| hash.chain_update(path.as_ref()).chain_update(b"\n"));
    hash.finalize().into()
}

/// A message was taken; `digest` is the SHA-256 of its bytes as they came.
#[must_use]
pub fn message_accepted(at: Timestamp, subject: Subject<'_>, digest: [u8; 32]) -> Leaf {
    Leaf { digest: Some(digest), ..about(Action::MessageAccepted, at, subject) }
}

/// A message was refused with a code.
#[must_use]
pub fn message_refused(
    at: Timestamp,
    subject: Subject<'_>,
    digest: [u8; 32],
    fault: &FaultRecord,
) -> Leaf {
    Leaf {
        digest: Some(digest),
        decision: Some(fault.code.clone()),
        ..about(Action::MessageRefused, at, subject)
    }
}

/// The sender heard another answer than the one the message was kept with: `AE W6903`.
#[must_use]
pub fn message_answered(at: Timestamp, subject: Subject<'_>, said: &str) -> Leaf {
    Leaf { decision: Some(said.into()), ..about(Action::MessageAnswered, at, subject) }
}

/// Consent answered for one recipient and purpose:
/// `permit hie-default:14@5f3a for Organization/hie TREAT`. Of a redaction the digest covers
/// all of its paths.
#[must_use]
pub fn consent_decided(at: Timestamp, subject: Subject<'_>, decision: &Decision) -> Leaf {
    let mut text = decision.verdict.name().to_owned();
    let mut digest = None;
    if let Verdict::Redact(paths) = &decision.verdict {
        text = format!("{text} {}", listed(paths));
        digest = Some(digest_of(paths));
    }
    if let Some(rule) = &decision.rule {
        text = format!("{text} {}@{}", rule.name, rule.version);
    }
    text = format!("{text} for {} {}", decision.recipient, decision.purpose);
    if !decision.losers.is_empty() {
        let losers: Vec<String> =
            decision.losers.iter().map(|rule| format!("{}@{}", rule.name, rule.version)).collect();
        text = format!("{text} over {}", losers.join(", "));
    }
    Leaf { decision: Some(text.into()), digest, ..about(Action::ConsentDecided, at, subject) }
}

/// Fields were sealed, tokenized or dropped; the digest covers all of their paths.
#[must_use]
pub fn message_sealed(at: Timestamp, subject: Subject<'_>, paths: &[String]) -> Leaf {
    Leaf {
        decision: Some(listed(paths).into()),
        digest: Some(digest_of(paths)),
        ..about(Action::MessageSealed, at, subject)
    }
}

/// The peer said that it has it.
#[must_use]
pub fn delivery_delivered(at: Timestamp, subject: Subject<'_>, receipt: &Receipt) -> Leaf {
    let (decision, digest) = match receipt {
        Receipt::Ack { code } => (format!("ack {code}"), None),
        Receipt::Http { status, .. } => (format!("http {status}"), None),
        Receipt::File { sha256, .. } => ("file".to_owned(), Some(*sha256)),
    };
    Leaf {
        decision: Some(decision.into()),
        digest,
        ..about(Action::DeliveryDelivered, at, subject)
    }
}

/// No more attempts, because of a fault.
#[must_use]
pub fn delivery_dead(at: Timestamp, subject: Subject<'_>, fault: &FaultRecord) -> Leaf {
    Leaf { decision: Some(fault.code.clone()), ..about(Action::DeliveryDead, at, subject) }
}

/// The peer refused a delivery, and its sender, who waited, heard so: nobody is at a loss,
/// and nothing more is tried.
#[must_use]
pub fn delivery_answered(
    at: Timestamp,
    subject: Subject<'_>,
    fault: &FaultRecord,
    status: u16,
) -> Leaf {
    let said = format!("{} {status}", fault.code);
    Leaf { decision: Some(said.into()), ..about(Action::DeliveryAnswered, at, subject) }
}

/// Declares leaves that a person makes about a channel, destination or delivery.
macro_rules! by_person {
    ($($(#[$doc:meta])* $name:ident $action:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(at: Timestamp, subject: Subject<'_>, actor: &str, why: &str) -> Leaf {
            Leaf {
                actor: actor.into(),
                reason: reason(why),
                ..about(Action::$action, at, subject)
            }
        }
    )*};
}

by_person! {
    /// A person gave a delivery up.
    delivery_skipped DeliverySkipped;
    /// A person sends a delivery again.
    delivery_requeued DeliveryRequeued;
    /// A person, or consent with `weir` as the actor, keeps a delivery back.
    delivery_held DeliveryHeld;
    /// A person, or consent with `weir` as the actor, lets a delivery go on.
    delivery_released DeliveryReleased;
    /// A channel or destination was paused.
    channel_paused ChannelPaused;
    /// A channel or destination goes on.
    channel_resumed ChannelResumed;
    /// Sealed values of a message were opened by the holder of the key.
    message_unsealed MessageUnsealed;
    /// Patient data of a message was shown to a person.
    message_revealed MessageRevealed;
}

/// Another configuration is in force.
#[must_use]
pub fn config_reloaded(at: Timestamp, actor: &str, revision: &Revision) -> Leaf {
    Leaf { decision: Some(revision.0.clone()), ..action_done(Action::ConfigReloaded, at, actor) }
}

/// The engine came up with a configuration.
#[must_use]
pub fn engine_started(at: Timestamp, revision: &Revision) -> Leaf {
    Leaf { decision: Some(revision.0.clone()), ..action_done(Action::EngineStarted, at, WEIR) }
}

/// The engine went down in order.
#[must_use]
pub fn engine_stopped(at: Timestamp, actor: &str) -> Leaf {
    action_done(Action::EngineStopped, at, actor)
}

/// A person takes what is open of an alert up: it is not repeated.
#[must_use]
pub fn alert_acked(at: Timestamp, actor: &str, why: &str, alert: &str) -> Leaf {
    Leaf {
        decision: Some(alert.into()),
        reason: reason(why),
        ..action_done(Action::AlertAcked, at, actor)
    }
}

/// An alert tells nobody until a time: `queue-old until 2026-01-01T00:00:00Z`.
#[must_use]
pub fn alert_muted(
    at: Timestamp,
    actor: &str,
    why: &str,
    (alert, until): (&str, Timestamp),
) -> Leaf {
    Leaf {
        decision: Some(format!("{alert} until {until}").into()),
        reason: reason(why),
        ..action_done(Action::AlertMuted, at, actor)
    }
}

/// A consent came or changed; `digest` is the SHA-256 of the resource.
#[must_use]
pub fn consent_stored(
    at: Timestamp,
    actor: &str,
    (id, version): (&str, u64),
    digest: [u8; 32],
) -> Leaf {
    Leaf {
        decision: Some(format!("Consent/{id}@{version}").into()),
        digest: Some(digest),
        ..action_done(Action::ConsentStored, at, actor)
    }
}

/// Versions were written to the record store: `main: 3 versions`. The digest is that of the
/// body that was written.
#[must_use]
pub fn records_written(
    at: Timestamp,
    subject: Subject<'_>,
    (collection, versions): (&str, usize),
    digest: [u8; 32],
) -> Leaf {
    Leaf {
        decision: Some(format!("{collection}: {versions} versions").into()),
        digest: Some(digest),
        ..about(Action::RecordsWritten, at, subject)
    }
}

/// A consent was taken back by deletion.
#[must_use]
pub fn consent_deleted(at: Timestamp, actor: &str, (id, version): (&str, u64)) -> Leaf {
    Leaf {
        decision: Some(format!("Consent/{id}@{version}").into()),
        ..action_done(Action::ConsentDeleted, at, actor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::canonical;
    use crate::message::RuleRef;

    fn text(leaf: &Leaf) -> String {
        String::from_utf8(canonical(leaf)).unwrap()
    }

    #[test]
    fn leaves_say_what_happened_and_name_no_patient() {
        let at = Timestamp::from_micros(1);
        let (channel, ehr) =
            (ChannelName::parse("adt").unwrap(), DestinationName::parse("ehr").unwrap());
        let id = MessageId::from_u128(7);
        let message = Subject::message(id, &channel);
        let delivery = Subject::delivery(id, &channel, &ehr);
        let fault =
            FaultRecord { code: "W7102".into(), place: "PID-3".into(), cause: Some("why".into()) };
        let rule = |name: &str| RuleRef { name: name.into(), version: "5f".into() };
        let decision = |verdict, losers| Decision {
            verdict,
            rule: Some(rule("hie:3")),
            losers,
            recipient: "Organization/hie".into(),
            purpose: "TREAT".into(),
            valid_until: None,
        };
        let check = |leaf: Leaf, decision: Option<&str>| {
            assert_eq!(leaf.decision.as_deref(), decision, "{}", text(&leaf));
            assert!(Action::find(&leaf.action).is_some());
        };
        check(message_accepted(at, message, [1; 32]), None);
        check(message_refused(at, message, [1; 32], &fault), Some("W7102"));
        check(delivery_dead(at, delivery, &fault), Some("W7102"));
        check(delivery_answered(at, delivery, &fault, 412), Some("W7102 412"));
        check(
            consent_decided(at, delivery, &decision(Verdict::Permit, vec![])),
            Some("permit hie:3@5f for Organization/hie TREAT"),
        );
        check(
            consent_decided(
                at,
                delivery,
                &decision(Verdict::Redact(vec!["PID-19".into()]), vec![rule("a:1"), rule("b:2")]),
            ),
            Some("redact 1: PID-19 hie:3@5f for Organization/hie TREAT over a:1@5f, b:2@5f"),
        );
        let nothing = Decision { rule: None, ..decision(Verdict::Unknown, vec![]) };
        check(consent_decided(at, delivery, &nothing), Some("unknown for Organization/hie TREAT"));
        let ack = Receipt::Ack { code: "AA".into() };
        check(delivery_delivered(at, delivery, &ack), Some("ack AA"));
        let http = Receipt::Http { status: 201, locations: vec!["Patient/1".into()] };
        check(delivery_delivered(at, delivery, &http), Some("http 201"));
        let file = Receipt::File { name: "555.hl7".into(), sha256: [2; 32] };
        check(delivery_delivered(at, delivery, &file), Some("file"));
        let revision = Revision("4f2".into());
        check(config_reloaded(at, "kim", &revision), Some("4f2"));
        check(engine_started(at, &revision), Some("4f2"));
        check(engine_stopped(at, "kim"), None);
        check(consent_stored(at, "kim", ("c1", 2), [3; 32]), Some("Consent/c1@2"));
        check(consent_deleted(at, "kim", ("c1", 3)), Some("Consent/c1@3"));
    }

    #[test]
    fn a_person_gives_a_reason_that_is_cut_at_its_limit() {
        let channel = ChannelName::parse("adt").unwrap();
        let subject = Subject { message: None, channel: &channel, destination: None };
        for make in [
            delivery_skipped,
            delivery_requeued,
            delivery_held,
            delivery_released,
            channel_paused,
            channel_resumed,
            message_unsealed,
            message_revealed,
        ] {
            let leaf = make(Timestamp::default(), subject, "kim", "  asked by lab ");
            assert_eq!(leaf.reason.as_deref(), Some("asked by lab"));
            assert_eq!(&*leaf.actor, "kim");
            let leaf = make(Timestamp::default(), subject, "kim", " ");
            assert_eq!(leaf.reason, None);
        }
        let long = delivery_skipped(Timestamp::default(), subject, "kim", &"é".repeat(600));
        assert_eq!(long.reason.unwrap().chars().count(), REASON_CHARS_MAX);
    }

    #[test]
    fn many_paths_are_counted_and_covered_by_the_digest() {
        let channel = ChannelName::parse("adt").unwrap();
        let subject = Subject::message(MessageId::from_u128(7), &channel);
        let mut paths: Vec<String> = (0..40).map(|n| format!("NK1-{n}")).collect();
        let leaf = message_sealed(Timestamp::default(), subject, &paths);
        let decision = leaf.decision.clone().unwrap();
        assert!(decision.starts_with("40: NK1-0, NK1-1,") && decision.ends_with("NK1-15, .."));
        paths[39] = "NK1-99".into();
        assert_ne!(message_sealed(Timestamp::default(), subject, &paths).digest, leaf.digest);
    }
}
