//! The sequence number protocol: each sender numbers its messages in MSH-13, and hears in
//! MSA-4 which number is expected.
//!
//! The number of the last message taken is kept for each sender (MSH-3 and MSH-4, by a keyed
//! hash) in the journal, after the message and before its answer: a crash in between leaves
//! the message to be told as a repetition when it comes again.
//!
//! Messages of one sender go one after another here, whatever connection they came on; that
//! is what the protocol is for. Source: HL7 v2.5.1 §2.10.1.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::channel::{Channel, Live};
use super::intake::{self, Door};
use crate::channel::{self, Parsed};
use crate::fault::codes::{W2080, W2081, W2082, W2083};
use crate::fault::{Fault, Place};
use crate::hl7v2::Message;
use crate::message::{Content, ContentKind};
use crate::source::{Answer, Arrival, Heard, Sequence, SourceKind, Taken};

/// Most senders whose numbers are kept on a channel: interfaces have a handful, and who makes
/// up names must not fill the store.
const LINKS_MAX: usize = 1000;

/// Longest number: the length of MSH-13.
const DIGITS_MAX: usize = 15;

/// The number of the last message taken; none before the first and after a resynchronization.
type Last = Arc<tokio::sync::Mutex<Option<u64>>>;

/// The links of a channel.
#[derive(Default)]
pub(crate) struct Links(Mutex<Option<HashMap<Arc<str>, Last>>>);

/// What MSH-13 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    /// Nothing.
    None,
    /// 0: the link starts.
    Start,
    /// -1: the next number is the one to go on from.
    Resync,
    /// The number of a message.
    Nth(u64),
    /// Something else.
    Bad,
}

impl Number {
    fn of(message: &Message) -> Self {
        let value = message.header().field(13);
        if !value.is_valued() {
            return Self::None;
        }
        let text = value.text();
        match text.trim() {
            "0" => Self::Start,
            "-1" => Self::Resync,
            text if text.len() <= DIGITS_MAX => {
                let digits = text.bytes().all(|b| b.is_ascii_digit());
                text.parse().ok().filter(|n| digits && *n > 0).map_or(Self::Bad, Self::Nth)
            }
            _ => Self::Bad,
        }
    }
}

/// How the channel numbers its messages.
pub(super) fn wanted(live: &Live) -> Sequence {
    match &live.plan.source.kind {
        SourceKind::Mllp(plan) => plan.sequence,
        SourceKind::File(_)
        | SourceKind::Fhir(_)
        | SourceKind::FhirBulk(_)
        | SourceKind::FhirSubscription(_) => Sequence::Off,
    }
}

/// MSA-4: the number that is expected, -1 where any is.
fn expected(last: Option<u64>) -> String {
    last.map_or_else(|| "-1".to_owned(), |last| (last + 1).to_string())
}

/// Key of a link in the journal.
fn setting(channel: &Channel, parsed: &Parsed) -> Arc<str> {
    let hash = channel.core.store.keyed_hash("sequence", parsed.sender.reveal().as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sequence {}/{hash}", channel.name).into()
}

impl Links {
    /// The link of a sender; none when there are too many.
    fn link(&self, channel: &Channel, key: &Arc<str>) -> Result<Option<Last>, Fault> {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let links = match &mut *links {
            Some(links) => links,
            none @ None => {
                let prefix = format!("sequence {}/", channel.name);
                let known = channel.core.store.settings(&prefix)?.into_iter();
                let last = |text: &str| Arc::new(tokio::sync::Mutex::new(text.parse().ok()));
                none.insert(known.map(|(key, text)| (key, last(&text))).collect())
            }
        };
        if !links.contains_key(key) && links.len() >= LINKS_MAX {
            return Ok(None);
        }
        Ok(Some(links.entry(key.clone()).or_default().clone()))
    }
}

impl Door {
    /// Takes a message of a channel that checks sequence numbers.
    pub(super) async fn take_numbered(&self, live: &Live, arrival: Arrival) -> Answer {
        let channel = &*self.0;
        let rules = &live.plan.rules;
        let parsed = channel::parse_as(ContentKind::Hl7, arrival.bytes.clone(), rules.charset).ok();
        // What cannot be read is refused; an acknowledgment is not answered.
        let parsed = parsed.filter(|_| rules.encoding.check(&arrival.bytes).is_ok());
        let Some((parsed, message)) = parsed.as_ref().and_then(|parsed| match &parsed.content {
            Content::Hl7(message) if !message.is_acknowledgment() => Some((parsed, message)),
            _ => None,
        }) else {
            return self.take_fragments(arrival).await;
        };
        let key = setting(channel, parsed);
        let link = match channel.links.link(channel, &key) {
            Ok(Some(link)) => link,
            Ok(None) => {
                let cause = format!("{LINKS_MAX} are known");
                return self.reject(&arrival, Fault::new(W2083).because(cause)).await;
            }
            Err(fault) => return self.not_kept(live, &arrival, fault),
        };
        let mut last = link.lock().await;
        let (answer, said) = match Number::of(message) {
            Number::None if wanted(live) != Sequence::Require => {
                return self.take_fragments(arrival).await;
            }
            Number::None => (self.reject(&arrival, unnumbered("it is empty")).await, None),
            Number::Bad => {
                (self.reject(&arrival, unnumbered("it is no whole number from -1")).await, None)
            }
            Number::Start | Number::Resync if carries_more(message) => {
                let fault = Fault::new(W2082).at(Place::path("MSH-13"));
                (self.reject(&arrival, fault).await, None)
            }
            Number::Start => (self.welcome(live, &arrival), None),
            Number::Resync => match channel.core.act(vec![(key, "".into())], Vec::new()).await {
                Ok(()) => {
                    *last = None;
                    (self.welcome(live, &arrival), None)
                }
                Err(fault) => (self.not_kept(live, &arrival, fault), None),
            },
            Number::Nth(number) => {
                self.take_nth(live, arrival, parsed, (&key, number), &mut last).await
            }
        };
        let said = said.unwrap_or_else(|| expected(*last));
        amended(answer, said.as_bytes())
    }

    /// Takes a message with a number; gives MSA-4 where it is not the number expected next.
    async fn take_nth(
        &self,
        live: &Live,
        arrival: Arrival,
        parsed: &Parsed,
        (key, number): (&Arc<str>, u64),
        last: &mut Option<u64>,
    ) -> (Answer, Option<String>) {
        let core = &self.0.core;
        if last.is_some_and(|last| number != last + 1) {
            return match self.is_known(live, &arrival, parsed) {
                // Its answer was lost: it hears the same again, and which number comes next.
                Ok(true) => (self.take_fragments(arrival).await, None),
                Ok(false) => {
                    let cause = format!("{} is expected", expected(*last));
                    let fault = Fault::new(W2080).at(Place::path("MSH-13")).because(cause);
                    (self.reject(&arrival, fault).await, None)
                }
                Err(fault) => (self.not_kept(live, &arrival, fault), None),
            };
        }
        let answer = self.take_fragments(arrival.clone()).await;
        let Taken::Committed(_) = answer.taken else { return (answer, None) };
        // After the message: a number without its message would be a message lost.
        let kept = core.act(vec![(key.clone(), number.to_string().into())], Vec::new()).await;
        match kept {
            Ok(()) => {
                *last = Some(number);
                (answer, Some(number.to_string()))
            }
            Err(fault) => (self.not_kept(live, &arrival, fault), None),
        }
    }

    /// Whether the very same message was taken before.
    fn is_known(&self, live: &Live, arrival: &Arrival, parsed: &Parsed) -> Result<bool, Fault> {
        let core = &self.0.core;
        let key = core.surrounded(core.now(), |around| {
            channel::duplicate_key(&live.plan.rules, parsed, &arrival.bytes, around.hash)
        });
        let Some(key) = key else { return Ok(false) };
        let known = core.store.duplicate(&key, core.now(), intake::DUPLICATE_WINDOW)?;
        Ok(known.is_some())
    }

    /// The answer to a message that only starts or resynchronizes the link.
    fn welcome(&self, live: &Live, arrival: &Arrival) -> Answer {
        let core = &self.0.core;
        let rules = &live.plan.rules;
        let now = core.now();
        let id = core.new_id(now);
        let reply = channel::accept(&rules.answering(rules.input), &arrival.bytes, (id, now));
        live.meters.acknowledged(reply.code_text());
        // There is nothing in it to keep.
        Answer {
            taken: Taken::Committed(id),
            replies: reply.body.into_iter().collect(),
            close: false,
            heard: Heard::Nothing,
        }
    }
}

fn unnumbered(cause: &'static str) -> Fault {
    Fault::new(W2081).at(Place::path("MSH-13")).because(cause)
}

/// Whether anything stands behind the header.
fn carries_more(message: &Message) -> bool {
    message.segments().skip(1).any(|segment| segment.fields().any(|field| field.is_valued()))
}

/// An answer with MSA-4 in each of its messages.
fn amended(mut answer: Answer, number: &[u8]) -> Answer {
    for reply in &mut answer.replies {
        *reply = channel::amended(reply, 4, number);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_standard_has_them() {
        let check = |text: &str, expected: Number| {
            let text = format!("MSH|^~\\&|A|B|||||ADT^A01|1|P|2.5|{text}\r");
            let message = Message::parse(bytes::Bytes::from(text)).unwrap();
            assert_eq!(Number::of(&message), expected);
        };
        check("", Number::None);
        check("0", Number::Start);
        check("-1", Number::Resync);
        check("1", Number::Nth(1));
        check("007", Number::Nth(7));
        check(" 42 ", Number::Nth(42));
        check("999999999999999", Number::Nth(999_999_999_999_999));
        for bad in ["1000000000000000", "-2", "+1", "1.5", "abc", "00", "\"\"x", "0x10"] {
            check(bad, Number::Bad);
        }
        check("\"\"", Number::None);
    }
}
