//! A rehearsal: a channel's own rules on one message, without store, peers or clock.
//!
//! What `test`, `explain` and `listen --explain` share. The clock stands still, random bytes
//! are a fixed sequence, and consents are those handed in, so the same message gives the
//! same result every time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::base::{MessageId, Timestamp};
use crate::channel::{self, Arrival, ChannelRules, Processed, Surroundings};
use crate::consent::{ConsentBook, Directive, Policy};
use crate::fault::{Fault, Problems};
use crate::fhir::{Doc, rest};
use crate::hl7v2::Message;
use crate::hl7v2::ack::AckCode;
use crate::message::{Content, PatientKey, Peer, Verdict};
use crate::seal::Keyring;
use crate::settings::{Document, SourceFile};
use crate::source::SourceKind;

/// The moment at which every rehearsal takes place: 2026-01-15T12:00:00Z.
pub const NOW: Timestamp = Timestamp::from_millis(1_768_478_400_000);

/// A channel's rules, ready to be tried.
pub struct Rehearsal {
    rules: ChannelRules,
    keyring: Option<Keyring>,
    consents: Vec<(PatientKey, Arc<[Directive]>)>,
    /// Whether resources come over a FHIR interface, which says what is done with them.
    over_fhir: bool,
}

struct Book<'a>(&'a [(PatientKey, Arc<[Directive]>)]);

impl ConsentBook for Book<'_> {
    fn directives(&self, patient: &PatientKey) -> Result<Arc<[Directive]>, Fault> {
        let found = self.0.iter().filter(|(key, _)| key == patient);
        Ok(found.flat_map(|(_, directives)| directives.iter().cloned()).collect())
    }
}

impl Rehearsal {
    /// Takes the rules; `keyring` may be absent, when nothing is sealed.
    #[must_use]
    pub fn new(rules: ChannelRules, keyring: Option<Keyring>) -> Self {
        Self { rules, keyring, consents: Vec::new(), over_fhir: false }
    }

    /// Takes messages as the source of the channel would: what comes to a FHIR interface is
    /// an update when it has an id, else a create.
    #[must_use]
    pub fn arriving_by(mut self, source: &SourceKind) -> Self {
        self.over_fhir = matches!(
            source,
            SourceKind::Fhir(_) | SourceKind::FhirBulk(_) | SourceKind::FhirSubscription(_)
        );
        self
    }

    /// Uses a keyring made for this rehearsal, so that sealing works without the real keys.
    #[must_use]
    pub fn with_keys_of_its_own(mut self) -> Self {
        let rules = self.rules.destinations.iter().flat_map(|to| to.seal.iter());
        let mut names: Vec<&str> = rules.filter(|r| r.needs_key()).map(|r| r.key()).collect();
        names.sort_unstable();
        names.dedup();
        let mut next = 0u8;
        let text = Keyring::generate(&names, &mut |buffer| {
            for byte in buffer {
                next = next.wrapping_add(1);
                *byte = next;
            }
        });
        self.keyring = Keyring::parse(text.as_bytes()).ok();
        self
    }

    /// Adds a patient's consents.
    #[must_use]
    pub fn with_consents(mut self, patient: PatientKey, directives: Arc<[Directive]>) -> Self {
        self.consents.push((patient, directives));
        self
    }

    /// Puts a fixed answer in place of the channel's policy.
    #[must_use]
    pub fn with_verdict(mut self, verdict: &Verdict) -> Self {
        let name = verdict.name();
        let text = format!("[policy]\nname = \"test\"\ndefault = \"{name}\"\n");
        let mut problems = Problems::new();
        let document = Document::parse(SourceFile::new("test policy", text), &mut problems);
        if let Some(policy) = Policy::read(&document, &mut problems) {
            self.rules.consent.policy = Some(Arc::new(policy));
        }
        self
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &ChannelRules {
        &self.rules
    }

    /// Takes one message through the stages.
    #[must_use]
    pub fn process(&self, bytes: Bytes) -> Processed {
        let arrival = Arrival {
            id: MessageId::new(NOW, 1),
            received: NOW,
            peer: Peer { address: "rehearsal".into(), subject: None },
            parent: None,
            message_type: self.message_type(&bytes),
            bytes,
        };
        let mut counter = 0u8;
        let mut entropy = |buffer: &mut [u8]| {
            for byte in buffer {
                counter = counter.wrapping_add(1);
                *byte = counter;
            }
        };
        let mut around = Surroundings {
            now: NOW,
            entropy: &mut entropy,
            consents: &Book(&self.consents),
            keyring: self.keyring.as_ref(),
            hash: &hash,
            monotonic: &|| Duration::ZERO,
        };
        channel::process(&self.rules, arrival, &mut around)
    }

    fn message_type(&self, bytes: &Bytes) -> Option<Arc<str>> {
        if !self.over_fhir {
            return None;
        }
        rest::message_type_of(Doc::parse(bytes.clone()).ok()?.root())
    }

    /// How the channel would refuse a message, if it would: the code of its answer (none
    /// where it would not answer) and why.
    #[must_use]
    pub fn refusal(&self, message: &Message) -> Option<(Option<AckCode>, Fault)> {
        let reply = self.process(message.bytes().clone()).reply;
        let fault = reply.fault.filter(|_| !reply.accepted)?;
        Some((reply.code, fault))
    }

    /// Opens what the rehearsal sealed, to compare with what a test expects.
    #[must_use]
    pub fn open(&self, content: &Content) -> Option<Content> {
        let opened = crate::seal::open(self.keyring.as_ref()?, None, content);
        opened.ok().map(|opened| opened.content)
    }
}

/// Stands for the keyed hash of a store.
fn hash(domain: &str, value: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(b"rehearsal") {
        mac.update(domain.as_bytes());
        mac.update(&[0]);
        mac.update(value);
        out.copy_from_slice(&mac.finalize().into_bytes()[..16]);
    }
    out
}
