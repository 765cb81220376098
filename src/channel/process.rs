//! One message through the stages, in their fixed order: parse, accept, filter, validate, then
//! for each destination `when`, consent, map, encrypt.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::prepare::{Shared, prepare};
use super::reply::{self, Answer};
use super::{ChannelRules, OnDeny, Parsed, Reply, keys};
use crate::audit;
use crate::base::{MessageId, Timestamp};
use crate::consent::ConsentBook;
use crate::fault::codes::{W2013, W2014, W2015, W2017, W2018, W3901};
use crate::fault::{Fault, Place};
use crate::hl7v2::Tolerances;
use crate::hl7v2::ack::AckCode;
use crate::message::{
    Body, Content, ContentKind, Fate, FaultRecord, LaneKey, Leaf, MessageRecord, Owed, Peer, Stage,
    Step, Trail,
};
use crate::seal::Keyring;

/// A message as it came, stamped.
#[derive(Clone)]
pub struct Arrival {
    /// The id weir gave it.
    pub id: MessageId,
    /// When it arrived.
    pub received: Timestamp,
    /// Who sent it.
    pub peer: Peer,
    /// File batch or bundle it was split from.
    pub parent: Option<MessageId>,
    /// The bytes as they came.
    pub bytes: Bytes,
    /// Its type, where the way it came says more than it does itself; `None`: as it says.
    pub message_type: Option<Arc<str>>,
}

/// Everything the stages may look at besides the message. All of it is handed in.
pub struct Surroundings<'a> {
    /// The time of the decisions.
    pub now: Timestamp,
    /// Fills a buffer with random bytes, for nonces.
    pub entropy: &'a mut dyn FnMut(&mut [u8]),
    /// The directives of patients.
    pub consents: &'a dyn ConsentBook,
    /// Keys of `[[encrypt]]`; none where no channel has it.
    pub keyring: Option<&'a Keyring>,
    /// Keyed hash of the store: domain, value.
    pub hash: &'a dyn Fn(&str, &[u8]) -> [u8; 16],
    /// Time since some fixed moment, to tell how long stages took. Decides nothing.
    pub monotonic: &'a dyn Fn() -> Duration,
}

/// A message with its fates, ready for the journal, and the answer once it is there.
#[derive(Debug)]
pub struct Processed {
    /// What the journal keeps.
    pub record: MessageRecord,
    /// What the sender hears after the record is durable.
    pub reply: Reply,
    /// Deviations of the message that were read past, or that it was refused for.
    pub read_past: Tolerances,
    /// What the mappings left over.
    pub left: Left,
}

/// What the mappings of a message left over, all destinations together; a body that
/// several destinations share counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Input fields that no rule used.
    pub unused: u64,
    /// The name of the code map of each code that has no row in it.
    pub unmapped: Vec<Arc<str>>,
}

/// Why a message is not taken.
struct Refusal {
    answer: Answer,
    fault: Fault,
    /// The answer in full, where a stage has written it.
    body: Option<Bytes>,
}

impl Refusal {
    const fn new(answer: Answer, fault: Fault) -> Self {
        Self { answer, fault, body: None }
    }
}

/// Takes one message through the stages. Every message comes out with a record.
#[must_use]
pub fn process(rules: &ChannelRules, arrival: Arrival, around: &mut Surroundings<'_>) -> Processed {
    run(rules, arrival, around, stages)
}

/// Takes one message as far as its header decides: what is refused for its form or type is
/// refused as by [`process()`], anything else is accepted and owes nothing yet. For channels
/// that answer on receipt and run the other stages behind the answer.
#[must_use]
pub fn receive(rules: &ChannelRules, arrival: Arrival, around: &mut Surroundings<'_>) -> Processed {
    run(rules, arrival, around, |rules, shared, _| {
        let refusal = |fault| Refusal::new(Answer::Reject, fault);
        check(rules, shared.parsed).map_err(refusal).map(|()| Vec::new())
    })
}

/// The stages between the parser and the answer.
type Stages =
    fn(&ChannelRules, &mut Shared<'_>, &mut Surroundings<'_>) -> Result<Vec<Owed>, Refusal>;

fn run(
    rules: &ChannelRules,
    arrival: Arrival,
    around: &mut Surroundings<'_>,
    stages: Stages,
) -> Processed {
    let digest: [u8; 32] = Sha256::digest(&arrival.bytes).into();
    let stamp = (arrival.id, around.now);
    let begin = (around.monotonic)();
    let fits = match rules.input == ContentKind::Hl7 {
        true => rules.encoding.check(&arrival.bytes),
        false => Ok(()),
    };
    let parsed =
        fits.and_then(|()| super::parse_as(rules.input, arrival.bytes.clone(), rules.charset));
    let parsed = match parsed {
        Ok(parsed) => parsed.named_by(&rules.accept).named(arrival.message_type.as_ref()),
        Err(fault) => {
            let fault = fault.at(Place::channel(rules.name.shared()));
            let mut record = blank(rules, &arrival, digest);
            let form = (rules.input, rules.encoding);
            let reply = reply::unparsed(form, &arrival.bytes, AckCode::AR, fault.clone(), stamp);
            refused(&mut record, rules, &arrival, &fault, &reply);
            return Processed { record, reply, read_past: Tolerances::NONE, left: Left::default() };
        }
    };
    let patients = keys::patients(rules, &parsed.content);
    let mut record = blank(rules, &arrival, digest);
    record.message_type = parsed.message_type.clone();
    record.version = parsed.version.clone();
    record.keys = keys::search(rules, &parsed, &patients, around.hash);
    record.duplicate_key = keys::duplicate(rules, &parsed, &digest, around.hash);

    let mut shared = Shared::new(&arrival, &parsed);
    shared.step(Stage::Parse, None, (around.monotonic)().saturating_sub(begin));
    let read_past = parsed.tolerances();
    let mut notes = Vec::new();
    if !read_past.is_empty() {
        notes.push(format!("read past: {read_past}"));
    }
    // Who says which set is used does not ask what MSH-18 says.
    if rules.charset.is_none() {
        notes.extend(parsed.charset_fault().map(|fault| fault.line()));
    }
    if !notes.is_empty() {
        shared.note(notes.join("; "));
    }
    let decided = stages(rules, &mut shared, around);
    record.trail = std::mem::take(&mut shared.trail);
    let leaves = std::mem::take(&mut shared.leaves);
    let left = std::mem::take(&mut shared.left);
    drop(shared);

    let how = rules.answering(rules.input);
    let reply = match decided {
        Ok(owed) => {
            record.owed = owed;
            record.leaves.push(accepted(rules, &arrival, digest));
            let reply = reply::build(&how, &parsed, Answer::Accept, None, stamp);
            if is_ack(&parsed) { Reply::silent(true, None) } else { reply }
        }
        Err(Refusal { answer, fault, body }) => {
            let fault = fault.at(Place::channel(rules.name.shared()));
            let reply = reply::build(&how, &parsed, answer, Some(fault.clone()), stamp);
            let reply =
                if is_ack(&parsed) { Reply::silent(false, Some(fault.clone())) } else { reply };
            let reply = Reply { body: body.or(reply.body), ..reply };
            refused(&mut record, rules, &arrival, &fault, &reply);
            reply
        }
    };
    if !reply.warnings.is_empty() {
        record.trail.steps.push(Step {
            stage: Stage::Map,
            destination: None,
            micros: 0,
            note: Some("the answer".into()),
            warnings: reply.warnings.clone(),
        });
    }
    record.patient = patients.into_iter().next();
    record.ack = reply.code_text().into();
    record.leaves.extend(leaves);
    Processed { record, reply, read_past, left }
}

/// Accept, filter, and the fates.
fn stages(
    rules: &ChannelRules,
    shared: &mut Shared<'_>,
    around: &mut Surroundings<'_>,
) -> Result<Vec<Owed>, Refusal> {
    let parsed = shared.parsed;
    let lane = keys::lane(rules, &parsed.content, around.hash);
    check(rules, parsed).map_err(|fault| Refusal::new(Answer::Reject, fault))?;
    if let Some(filter) = &rules.filter {
        let begin = (around.monotonic)();
        let passed = filter.condition.test(&parsed.content);
        shared.step(Stage::Filter, None, (around.monotonic)().saturating_sub(begin));
        if !passed {
            return Ok(all(rules, lane, &Fate::Filtered(filter.place.clone())));
        }
    }
    let held = super::validate::pass(rules, lane, shared, around).map_err(|refused| Refusal {
        answer: Answer::Error,
        fault: refused.fault,
        body: refused.answer,
    })?;
    if let Some(owed) = held {
        return Ok(owed);
    }
    let mut owed = Vec::with_capacity(rules.destinations.len());
    for to in &rules.destinations {
        let fate = prepare(rules, to, shared, around)
            .map_err(|fault| Refusal::new(Answer::Error, fault))?;
        owed.push(Owed { destination: to.name.clone(), lane, fate });
    }
    let denied = |o: &Owed| matches!(o.fate, Fate::Denied(_));
    let leaves_none = owed.iter().all(|o| matches!(o.fate, Fate::Denied(_) | Fate::Filtered(_)));
    if rules.consent.on_deny == OnDeny::Nak && leaves_none && owed.iter().any(denied) {
        return Err(Refusal::new(Answer::Reject, Fault::new(W3901)));
    }
    Ok(owed)
}

/// Whether the channel takes such a message, by its header.
fn check(rules: &ChannelRules, parsed: &Parsed) -> Result<(), Fault> {
    let place = || Place::path("MSH-9");
    if let Content::Hl7(message) = &parsed.content {
        if is_ack(parsed) && !rules.accept.0.iter().any(|row| row.starts_with("ACK")) {
            // Answering an acknowledgment would begin a quarrel without end.
            return Err(Fault::new(W2017).at(place()));
        }
        message.check_tolerances(rules.tolerance)?;
        message.check_header()?;
        if message.header_count() > 1 {
            return Err(Fault::new(W2018).at(Place::path("MSH")));
        }
        let version = message.header().version();
        if !version.is_empty() && !version.trim().starts_with("2.") && version.trim() != "2" {
            return Err(Fault::new(W2013).at(Place::path("MSH-12")));
        }
    }
    let message_type = &*parsed.message_type;
    if rules.accept.takes(message_type) {
        return Ok(());
    }
    let family = |text: &str| text.split(['^', ':']).next().map(str::to_owned);
    let known = rules.accept.0.iter().any(|row| family(row) == family(message_type));
    let fault = Fault::new(if known { W2015 } else { W2014 }).at(place());
    Err(match message_type {
        "" => fault.because("its type is not a word of the standard"),
        known => fault.because(format!("the message is {known}")),
    })
}

/// The same fate for every destination.
fn all(rules: &ChannelRules, lane: LaneKey, fate: &Fate) -> Vec<Owed> {
    let owe = |name: &_| Owed { destination: Clone::clone(name), lane, fate: fate.clone() };
    rules.destinations.iter().map(|to| owe(&to.name)).collect()
}

/// Whether the message is itself an acknowledgment, which is never acknowledged.
fn is_ack(parsed: &Parsed) -> bool {
    matches!(&parsed.content, Content::Hl7(message) if message.is_acknowledgment())
}

/// A record that knows nothing but the bytes.
fn blank(rules: &ChannelRules, arrival: &Arrival, digest: [u8; 32]) -> MessageRecord {
    MessageRecord {
        id: arrival.id,
        channel: rules.name.clone(),
        received: arrival.received,
        revision: rules.revision.clone(),
        peer: arrival.peer.clone(),
        parent: arrival.parent,
        message_type: "".into(),
        version: "".into(),
        original: Body { kind: rules.input, bytes: arrival.bytes.clone() },
        digest,
        patient: None,
        keys: Vec::new(),
        duplicate_key: None,
        ack: "".into(),
        fault: None,
        trail: Trail::default(),
        owed: Vec::new(),
        leaves: Vec::new(),
    }
}

/// Fills in that a message was refused. A refused message gets no duplicate key: sent
/// again after a repair it is looked at anew.
fn refused(
    record: &mut MessageRecord,
    rules: &ChannelRules,
    arrival: &Arrival,
    fault: &Fault,
    reply: &Reply,
) {
    record.fault = Some(FaultRecord::from(fault));
    record.duplicate_key = None;
    record.ack = reply.code_text().into();
    let subject = audit::Subject::message(arrival.id, &rules.name);
    let kept = FaultRecord::from(fault);
    record.leaves.push(audit::message_refused(arrival.received, subject, record.digest, &kept));
}

/// The leaf that says a message was taken.
fn accepted(rules: &ChannelRules, arrival: &Arrival, digest: [u8; 32]) -> Leaf {
    let subject = audit::Subject::message(arrival.id, &rules.name);
    audit::message_accepted(arrival.received, subject, digest)
}

/// The record of a message on which a stage panicked: every destination is owed a dead
/// letter, so that the message is kept and can be sent again after a repair, and the
/// sender hears that weir has it.
///
/// Touches the content as little as it can, since something in it made weir panic; with
/// `answer` unset not at all, and the sender hears nothing.
#[must_use]
pub fn wreck(
    rules: &ChannelRules,
    arrival: &Arrival,
    fault: Fault,
    now: Timestamp,
    answer: bool,
) -> Processed {
    let fault = fault.at(Place::channel(rules.name.shared()));
    let digest: [u8; 32] = Sha256::digest(&arrival.bytes).into();
    let mut record = blank(rules, arrival, digest);
    record.owed = all(rules, LaneKey::default(), &Fate::Dead(FaultRecord::from(&fault)));
    record.fault = Some(FaultRecord::from(&fault));
    record.leaves.push(accepted(rules, arrival, digest));
    let stamp = (arrival.id, now);
    let reply = match answer {
        true => {
            let form = (rules.input, rules.encoding);
            reply::unparsed(form, &arrival.bytes, AckCode::AA, fault, stamp)
        }
        false => Reply::silent(true, Some(fault)),
    };
    record.ack = Arc::from(reply.code_text());
    Processed { record, reply, read_past: Tolerances::NONE, left: Left::default() }
}

/// The record of input that never became a message: too large, or framing that cannot be
/// followed. Refused; it owes nothing.
#[must_use]
pub fn reject(rules: &ChannelRules, arrival: &Arrival, fault: Fault, now: Timestamp) -> Processed {
    let fault = fault.at(Place::channel(rules.name.shared()));
    let digest: [u8; 32] = Sha256::digest(&arrival.bytes).into();
    let mut record = blank(rules, arrival, digest);
    let stamp = (arrival.id, now);
    let form = (rules.input, rules.encoding);
    let reply = reply::unparsed(form, &arrival.bytes, AckCode::AR, fault.clone(), stamp);
    refused(&mut record, rules, arrival, &fault, &reply);
    Processed { record, reply, read_past: Tolerances::NONE, left: Left::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ChannelName, DestinationName};
    use crate::channel::{
        Accept, AckMode, ConsentRules, DestinationRules, Encoding, OnReject, OnUnknown, RetryPlan,
    };
    use crate::consent::Directive;
    use crate::fault::codes::W9002;
    use crate::hl7v2::Tolerance;
    use crate::message::{PatientKey, Revision, State};

    struct NoConsents;

    impl ConsentBook for NoConsents {
        fn directives(&self, _patient: &PatientKey) -> Result<Arc<[Directive]>, Fault> {
            Ok(Arc::from([]))
        }
    }

    fn rules(input: ContentKind) -> ChannelRules {
        let destination = |name| DestinationRules {
            name: DestinationName::parse(name).unwrap(),
            recipient: "Organization/hie".into(),
            purpose: "TREAT".into(),
            when: None,
            mapping: None,
            seal: Arc::from([]),
            retry: RetryPlan::default(),
            on_reject: OnReject::DeadLetter,
            recode: None,
        };
        ChannelRules {
            name: ChannelName::parse("adt").unwrap(),
            revision: Revision("r1".into()),
            site: "test".into(),
            input,
            accept: Accept::default(),
            tolerance: Tolerances::USUAL,
            charset: None,
            encoding: Encoding::Er7,
            filter: None,
            validate: None,
            consent: ConsentRules {
                policy: None,
                patient: None,
                on_deny: OnDeny::Record,
                on_unknown: OnUnknown::Deny,
            },
            destinations: vec![destination("ehr"), destination("lis")],
            order_by: None,
            index: Vec::new(),
            ack_mode: AckMode::Auto,
            responses: None,
        }
    }

    fn arrival(bytes: &'static [u8]) -> Arrival {
        Arrival {
            id: MessageId::from_u128(7),
            received: Timestamp::from_millis(1),
            peer: Peer { address: "127.0.0.1:1".into(), subject: None },
            parent: None,
            bytes: Bytes::from_static(bytes),
            message_type: None,
        }
    }

    fn run(rules: &ChannelRules, bytes: &'static [u8]) -> Processed {
        with(rules, bytes, process)
    }

    fn with(
        rules: &ChannelRules,
        bytes: &'static [u8],
        stages: fn(&ChannelRules, Arrival, &mut Surroundings<'_>) -> Processed,
    ) -> Processed {
        let mut around = Surroundings {
            now: Timestamp::from_millis(2),
            entropy: &mut |buffer| buffer.fill(1),
            consents: &NoConsents,
            keyring: None,
            hash: &|_, value| {
                let mut hash = [0; 16];
                hash[0] = u8::try_from(value.len() % 256).unwrap();
                hash
            },
            monotonic: &|| Duration::ZERO,
        };
        stages(rules, arrival(bytes), &mut around)
    }

    fn states(record: &MessageRecord) -> Vec<State> {
        record.owed.iter().map(|owed| owed.fate.state()).collect()
    }

    #[test]
    fn every_destination_is_owed_one_fate() {
        let processed = run(&rules(ContentKind::Raw), b"anything");
        assert_eq!(states(&processed.record), [State::Waiting, State::Waiting]);
        assert!(processed.reply.accepted && processed.reply.body.is_none());
        assert_eq!(processed.record.leaves.len(), 1);
    }

    #[test]
    fn what_is_refused_owes_nothing() {
        let mut rules = rules(ContentKind::Raw);
        rules.accept = Accept(vec!["ADT".into()]);
        let processed = run(&rules, b"anything");
        assert!(!processed.reply.accepted && processed.record.owed.is_empty());
        assert_eq!(processed.record.fault.unwrap().code.as_ref(), "W2014");
    }

    #[test]
    fn a_receipt_is_decided_by_the_header_alone() {
        let mut rules = rules(ContentKind::Hl7);
        let received = with(&rules, ADT, receive);
        assert!(received.reply.accepted && received.record.owed.is_empty());
        assert_eq!(received.reply.code_text(), "AA");
        assert_eq!(&*received.record.message_type, "ADT^A08");
        rules.accept = Accept(vec!["ORU".into()]);
        let refused = with(&rules, ADT, receive);
        assert_eq!(refused.reply.code_text(), "AR");
        assert!(refused.record.duplicate_key.is_none() && refused.record.fault.is_some());
    }

    #[test]
    fn a_wreck_is_kept_as_dead() {
        let rules = rules(ContentKind::Raw);
        let fault = Fault::new(W9002);
        let processed = wreck(&rules, &arrival(b"x"), fault, Timestamp::from_millis(2), true);
        assert_eq!(states(&processed.record), [State::Dead, State::Dead]);
        assert!(processed.reply.accepted);
        assert_eq!(processed.record.original.bytes.as_ref(), b"x");
    }

    #[test]
    fn fhir_is_checked_too_and_answered_by_an_outcome() {
        use crate::channel::{FhirRules, OnFail, ValidateRules};
        use crate::fault::{Severity, codes::W2757};
        use crate::hl7v2::check::{Checker, Grade, Profile};
        use crate::hl7v2::tables::Site;
        const GOOD: &[u8] = br#"{"resourceType":"Patient","gender":"male","name":[{"family":"a"}],
            "identifier":[{"system":"urn:x","value":"1"}]}"#;
        const BAD: &[u8] = br#"{"resourceType":"Patient","gender":"SECRET","x":1}"#;
        const XML: &[u8] = b"<Patient xmlns='http://hl7.org/fhir'><x value='1'/></Patient>";
        const BARE: &[u8] = br#"{"resourceType":"Patient","active":true}"#;
        let with = |on_fail, profile: &str, codes: &[_], bytes| {
            let mut rules = rules(ContentKind::FhirJson);
            let mut knowledge = crate::fhir::validate::Knowledge::default();
            if !profile.is_empty() {
                knowledge.ask(profile).unwrap();
            }
            let fhir = FhirRules {
                knowledge: Arc::new(knowledge),
                name: profile.into(),
                codes: codes.to_vec(),
                ..FhirRules::default()
            };
            let checker = Checker::new(Site::NONE, Profile::default());
            rules.validate = Some(ValidateRules { checker, rules: [].into(), on_fail, fhir });
            run(&rules, bytes)
        };
        assert!(with(OnFail::Nak, "us-core", &[], GOOD).reply.accepted);
        assert!(with(OnFail::Nak, "", &[], BARE).reply.accepted);
        let refused = with(OnFail::Nak, "", &[], BAD);
        assert_eq!(refused.record.fault.as_ref().unwrap().code.as_ref(), "W2726");
        let body = String::from_utf8(refused.reply.body.unwrap().to_vec()).unwrap();
        assert!(body.starts_with("{\"resourceType\":\"OperationOutcome\""), "{body}");
        for part in ["W2726", "Patient.gender", "W2721", "Patient.x"] {
            assert!(body.contains(part), "{part}: {body}");
        }
        assert!(!body.contains("SECRET"), "{body}");
        assert!(!with(OnFail::Nak, "", &[], XML).reply.accepted);
        let profiled = with(OnFail::Nak, "us-core-patient|7.0.0", &[], BARE);
        assert_eq!(profiled.record.fault.unwrap().code, "W2757".into());
        let graded = [(W2757, Grade::Count(Severity::Warning))];
        let graded = with(OnFail::Nak, "us-core-patient", &graded, BARE);
        assert!(graded.reply.accepted);
        let held = with(OnFail::Hold, "", &[], BAD);
        assert_eq!(states(&held.record), [State::Held, State::Held]);
        let recorded = with(OnFail::Record, "", &[], BAD);
        assert_eq!(states(&recorded.record), [State::Waiting, State::Waiting]);
        let note = recorded.record.trail.steps.iter().find(|s| s.stage == Stage::Validate).unwrap();
        assert_eq!(note.note.as_deref(), Some("2 errors, 1 warnings by R4"));
        assert_eq!(note.warnings.len(), 3);
        let unread = with(OnFail::Nak, "", &[], b"{");
        assert!(String::from_utf8_lossy(&unread.reply.body.unwrap()).contains("W2701"));
    }

    #[test]
    fn findings_refuse_hold_or_are_recorded() {
        use crate::channel::{OnFail, SiteRule, ValidateRules};
        use crate::fault::Severity;
        use crate::hl7v2::check::{Checker, Profile};
        use crate::hl7v2::tables::Site;
        const WHOLE: &[u8] = b"MSH|^~\\&|EMR|SE|WEIR|SE|20260102||ADT^A08^ADT_A01|C1|T|2.5.1\r\
            EVN||20260102\rPID|1||P1^^^SE^MR||Doe^Jane\rPV1||I\r";
        const BROKEN: &[u8] = b"MSH|^~\\&|EMR|SE|WEIR|SE|20260102||ADT^A08^ADT_A01|C1|T|2.5.1\r\
            EVN||20260102\rPID|1||P1^^^SE^MR||Doe^Jane||SECRET\rPV1||I\r";
        let with = |on_fail, must: &str, bytes| {
            let mut rules = rules(ContentKind::Hl7);
            let rule = SiteRule {
                name: "mrn".into(),
                when: None,
                must: crate::mapping::Condition::parse(must).unwrap(),
                at: Some(crate::hl7v2::Path::parse("PID-3").unwrap()),
                message: "this channel needs a medical record number".into(),
                severity: Severity::Error,
            };
            let checker = Checker::new(Site::NONE, Profile::default());
            rules.validate = Some(ValidateRules {
                checker,
                rules: [rule].into(),
                on_fail,
                fhir: crate::channel::FhirRules::default(),
            });
            run(&rules, bytes)
        };
        let mrn = "PID-3[5 = 'MR'] valued";
        let clean = with(OnFail::Nak, mrn, WHOLE);
        assert!(clean.reply.accepted);
        assert_eq!(states(&clean.record), [State::Waiting, State::Waiting]);
        let refused = with(OnFail::Nak, mrn, BROKEN);
        assert_eq!(refused.record.fault.as_ref().unwrap().code.as_ref(), "W2102");
        let body = String::from_utf8(refused.reply.body.unwrap().to_vec()).unwrap();
        assert!(body.contains("|PID^1^7^1^1|102^Data type error^HL70357|E|W2102|"), "{body}");
        assert!(!body.contains("SECRET"), "{body}");
        let ruled = with(OnFail::Nak, "PID-3[5 = 'XX'] valued", WHOLE);
        let body = String::from_utf8(ruled.reply.body.unwrap().to_vec()).unwrap();
        assert!(body.contains("|PID^1^3|") && body.contains("W2116"), "{body}");
        assert!(body.contains("this channel needs a medical record number"), "{body}");
        let held = with(OnFail::Hold, mrn, BROKEN);
        assert!(held.reply.accepted);
        assert_eq!(states(&held.record), [State::Held, State::Held]);
        let recorded = with(OnFail::Record, mrn, BROKEN);
        assert_eq!(states(&recorded.record), [State::Waiting, State::Waiting]);
        let step = recorded.record.trail.steps.iter().find(|s| s.stage == Stage::Validate).unwrap();
        assert_eq!(step.note.as_deref(), Some("1 errors, 0 warnings by standard"));
        assert_eq!(step.warnings, ["W2102 PID-7.1".into()]);
    }

    const ADT: &[u8] = b"MSH|^~\\&|EMR|SE|WEIR|SE|20260102||ADT^A08^ADT_A01|C1|T|2.5.1\r\
        PID|1||P1^^^SE^MR||Doe^Jane\r";

    fn answer(mode: AckMode, bytes: &'static [u8]) -> (String, Processed) {
        let mut rules = rules(ContentKind::Hl7);
        rules.ack_mode = mode;
        let processed = run(&rules, bytes);
        (processed.reply.code_text().to_owned(), processed)
    }

    #[test]
    fn hl7_is_taken_with_its_facts() {
        let mut rules = rules(ContentKind::Hl7);
        rules.consent.patient = Some(crate::mapping::ValuePath::parse("PID-3.1").unwrap());
        rules.order_by = Some(crate::mapping::ValuePath::parse("PID-3.1").unwrap());
        let record = run(&rules, ADT).record;
        assert_eq!((&*record.message_type, &*record.version), ("ADT^A08", "2.5.1"));
        assert_eq!(record.patient.as_ref().map(PatientKey::reveal), Some("P1"));
        let names: Vec<&str> = record.keys.iter().map(|key| &*key.name).collect();
        assert_eq!(names, ["control", "patient"]);
        assert!(record.duplicate_key.is_some());
        assert!(record.owed.iter().all(|owed| owed.lane != LaneKey::default()));
        assert_eq!(record.original.bytes, ADT);
        let Fate::Deliver(body) = &record.owed[0].fate else { panic!() };
        assert_eq!(body.bytes, ADT, "passed through byte for byte");
    }

    #[test]
    fn a_wrong_character_set_is_noted_and_can_be_set() {
        const TEXT: &[u8] = b"MSH|^~\\&|A|B|C|D|20260102||ADT^A08|C1|T|2.5.1||||||ASCII\r\
            PID|1||5||M\xfcller\r";
        let mut rules = rules(ContentKind::Hl7);
        let note = |rules: &ChannelRules| {
            let taken = run(rules, TEXT);
            assert_eq!(taken.reply.code_text(), "AA");
            taken.record.trail.steps[0].note.clone().unwrap_or_default().to_string()
        };
        let said = note(&rules);
        assert!(said.starts_with("W2060") && said.contains("PID[1]-5[1]"), "{said}");
        assert!(!said.contains("ller"));
        rules.charset = Some(crate::hl7v2::Charset::named(b"windows-1252"));
        assert_eq!(note(&rules), "");
    }

    #[test]
    fn xml_is_taken_where_the_channel_says_so() {
        let xml = crate::hl7v2::xml::write(
            &crate::hl7v2::Message::parse(Bytes::from_static(ADT)).unwrap(),
        );
        let xml: &'static [u8] = Vec::leak(xml.unwrap().into_bytes());
        let mut rules = rules(ContentKind::Hl7);
        let mut check = |encoding, bytes: &'static [u8], answer: &str, code: Option<&str>| {
            rules.encoding = encoding;
            let taken = run(&rules, bytes);
            let body = String::from_utf8(taken.reply.body.unwrap().to_vec()).unwrap();
            assert!(body.contains(answer), "{encoding:?}: {body}");
            let found = taken.reply.fault.map(|fault| fault.code().as_str());
            assert_eq!(found, code, "{encoding:?}");
            let owed = taken.record.owed.first().map(|owed| &owed.fate);
            if let (None, Some(Fate::Deliver(sent))) = (code, owed) {
                assert_eq!(sent.bytes, ADT, "it goes on with delimiters");
                assert_eq!(taken.record.original.bytes, bytes, "and is kept as it came");
            }
        };
        check(Encoding::Er7, ADT, "MSA|AA|C1", None);
        check(Encoding::Any, ADT, "MSA|AA|C1", None);
        check(Encoding::Any, xml, "<MSA.2>C1</MSA.2>", None);
        check(Encoding::Xml, xml, "<MSA.1>AA</MSA.1>", None);
        check(Encoding::Xml, ADT, "MSA|AR|C1", Some("W2070"));
        check(Encoding::Er7, xml, "MSA|AR|", Some("W2002"));
        let cut = &xml[..xml.len() - 5];
        check(Encoding::Any, cut, "<MSA.2>C1</MSA.2>", Some("W2070"));
        check(Encoding::Er7, cut, "MSA|AR|", Some("W2002"));
    }

    #[test]
    fn each_tolerance_can_be_switched_off() {
        const HEAD: &str = "MSH|^~\\&|A|B|C|D|20260102||ADT^A08|C1|T|2.5.1\r";
        let text = |kind: Tolerance| match kind {
            Tolerance::ByteOrderMark => (format!("\u{feff}{HEAD}"), "MSH"),
            Tolerance::LeadingBlank => (format!("\r\n {HEAD}"), "MSH"),
            Tolerance::LeadingText => (format!("port 7 open\r\n{HEAD}"), "MSH"),
            Tolerance::LineFeed => (format!("{HEAD}PID|1\nPV1|1\r"), "PID"),
            Tolerance::CarriageReturnLineFeed => (format!("{HEAD}PID|1\r\n"), "PID"),
            Tolerance::NoFinalTerminator => (format!("{HEAD}NTE|1\rNTE|2"), "NTE[2]"),
            Tolerance::LineFeedInText => (format!("{HEAD}NTE|1||a\nb\r"), "NTE"),
            Tolerance::BlankLine => (format!("{HEAD}PID|1\r\r"), "PID"),
            Tolerance::LowerCaseHeader => (HEAD.replace("MSH", "msh"), "MSH"),
            Tolerance::LowerCaseName => (format!("{HEAD}pid|1\r"), "PID"),
            Tolerance::UnnamedSegment => (format!("{HEAD}hello\rPID|1\r"), "MSH"),
            Tolerance::TrailingText => (format!("{HEAD}PID|1\rgoodbye\r"), "PID"),
            Tolerance::TrailingDelimiters => (format!("{HEAD}PID|1||\r"), "PID"),
            Tolerance::OtherDelimiters => (HEAD.replace('&', "$"), "MSH-2"),
            Tolerance::FewDelimiters => (HEAD.replace('&', ""), "MSH-2"),
            Tolerance::ManyDelimiters => (HEAD.replace('&', "&#!"), "MSH-2"),
            Tolerance::EarlyTruncation => (HEAD.replace('&', "&#"), "MSH-2"),
            Tolerance::DoubledEscape => (HEAD.replace('\\', "\\\\"), "MSH-2"),
        };
        let mut rules = rules(ContentKind::Hl7);
        for kind in Tolerance::ALL {
            let (text, place) = text(kind);
            let bytes: &'static [u8] = Vec::leak(text.into_bytes());
            rules.tolerance = Tolerances::ALL;
            let taken = run(&rules, bytes);
            assert_eq!(taken.reply.code_text(), "AA", "{kind:?}");
            assert_eq!(taken.read_past.iter().collect::<Vec<_>>(), [kind]);
            let note = taken.record.trail.steps[0].note.clone().unwrap();
            assert_eq!(*note, format!("read past: {}", kind.name()));
            let Fate::Deliver(body) = &taken.record.owed[0].fate else { panic!("{kind:?}") };
            assert_eq!(body.bytes, bytes, "{kind:?} is passed on byte for byte");
            rules.tolerance.remove(kind);
            let refused = run(&rules, bytes);
            let body = String::from_utf8(refused.reply.body.unwrap().to_vec()).unwrap();
            assert!(body.contains("MSA|AR|C1"), "{kind:?}: {body}");
            let fault = refused.reply.fault.unwrap();
            assert_eq!(fault.code().as_str(), "W2008", "{kind:?}");
            assert_eq!(fault.place().path.as_deref(), Some(place), "{kind:?}");
            assert!(body.contains(&format!("`{}`", kind.name())), "{body}");
        }
    }

    #[test]
    fn the_answer_follows_the_mode() {
        assert_eq!(answer(AckMode::Auto, ADT).0, "AA");
        assert_eq!(answer(AckMode::Original, ADT).0, "AA");
        assert_eq!(answer(AckMode::Enhanced, ADT).0, "CA");
        let always = b"MSH|^~\\&|A|B|C|D|20260102||ADT^A08|C1|T|2.5.1|||AL|NE\rPID|1\r";
        assert_eq!(answer(AckMode::Auto, always).0, "CA");
        let application = b"MSH|^~\\&|A|B|C|D|20260102||ADT^A08|C1|T|2.5.1|||NE|AL\rPID|1\r";
        assert_eq!(answer(AckMode::Auto, application).0, "AA");
        let errors = b"MSH|^~\\&|A|B|C|D|20260102||ADT^A08|C1|T|2.5.1|||ER|NE\rPID|1\r";
        assert_eq!(answer(AckMode::Auto, errors).0, "");
        let ack = b"MSH|^~\\&|A|B|C|D|20260102||ACK^A08|C1|T|2.5.1\rMSA|AA|1\r";
        let (code, processed) = answer(AckMode::Auto, ack);
        assert_eq!((code.as_str(), processed.reply.accepted), ("", false));
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_kept() {
        for bytes in [&b""[..], b"MSH", b"garbage", b"\xff\xfe\x00", b"MSH|^~\\&|"] {
            let (code, processed) = answer(AckMode::Auto, bytes);
            assert!(code == "AR" && !processed.reply.accepted, "{bytes:?} {code}");
            assert!(processed.record.owed.is_empty() && processed.record.fault.is_some());
            assert_eq!(processed.record.original.bytes, bytes);
            assert_eq!(processed.record.duplicate_key, None);
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_owes_all_or_nothing(tail: Vec<u8>, head: bool) {
            let mut bytes = if head { ADT.to_vec() } else { Vec::new() };
            bytes.extend(tail);
            let rules = rules(ContentKind::Hl7);
            let processed = run(&rules, Box::leak(bytes.into_boxed_slice()));
            let owed = processed.record.owed.len();
            assert_eq!(owed, if processed.reply.accepted { 2 } else { 0 });
            assert_eq!(processed.reply.accepted, processed.record.fault.is_none());
        }
    }
}
