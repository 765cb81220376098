//! One event with its typed fields, as a log line and as text for people.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::EventRow;
use crate::base::{MessageId, Timestamp};
use crate::fault::{Code, Fault};
use crate::message::{FaultRecord, Stage, State};

/// How loud an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something a person must look at.
    Error,
    /// Something unusual that weir deals with.
    Warn,
    /// Changes of state.
    Info,
    /// Every message and connection.
    Debug,
}

impl Level {
    /// The word for it in settings and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// Finds a level by its word.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug].into_iter().find(|l| l.name() == word)
    }
}

/// Something that happened. Fields are names, ids, codes and numbers: never content.
#[derive(Clone, Debug)]
pub struct Event {
    /// What.
    pub row: &'static EventRow,
    /// When.
    pub at: Timestamp,
    /// Channel.
    pub channel: Option<Arc<str>>,
    /// Destination.
    pub destination: Option<Arc<str>>,
    /// Message.
    pub message: Option<MessageId>,
    /// Message type; for the stream only, as the log has no use for it.
    pub message_type: Option<Arc<str>>,
    /// Attempt, from 1.
    pub attempt: Option<u32>,
    /// Stage.
    pub stage: Option<Stage>,
    /// State of the delivery after it.
    pub state: Option<State>,
    /// Code of the fault.
    pub code: Option<Code>,
    /// Place and cause of the fault, in our words.
    pub detail: Option<Arc<str>>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// Address of the peer.
    pub peer: Option<Arc<str>>,
    /// Configuration.
    pub revision: Option<Arc<str>>,
    /// How many.
    pub count: Option<u64>,
    /// How many of the same were left out since the last line.
    pub suppressed: u64,
}

impl Event {
    /// An event with nothing but its time.
    #[must_use]
    pub const fn new(row: &'static EventRow, at: Timestamp) -> Self {
        Self {
            row,
            at,
            channel: None,
            destination: None,
            message: None,
            message_type: None,
            attempt: None,
            stage: None,
            state: None,
            code: None,
            detail: None,
            duration: None,
            peer: None,
            revision: None,
            count: None,
            suppressed: 0,
        }
    }

    /// Names the channel.
    #[must_use]
    pub fn channel(mut self, name: impl Into<Arc<str>>) -> Self {
        self.channel = Some(name.into());
        self
    }

    /// Names the destination.
    #[must_use]
    pub fn destination(mut self, name: impl Into<Arc<str>>) -> Self {
        self.destination = Some(name.into());
        self
    }

    /// Names the message.
    #[must_use]
    pub const fn message(mut self, id: MessageId) -> Self {
        self.message = Some(id);
        self
    }

    /// Takes code, place and cause of a fault.
    #[must_use]
    pub fn fault(mut self, fault: &Fault) -> Self {
        self.code = Some(fault.code());
        let place = (!fault.place().is_empty()).then(|| fault.place().to_string());
        self.detail = detail(place.as_deref(), fault.cause());
        self
    }

    /// Takes code, place and cause of a fault of the journal.
    #[must_use]
    pub fn fault_record(mut self, fault: &FaultRecord) -> Self {
        self.code = Some(fault.known_code());
        let place = (!fault.place.is_empty()).then_some(&*fault.place);
        self.detail = detail(place, fault.cause.as_deref());
        self
    }

    /// The sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut text = self.row.phrase.to_owned();
        if let Some(code) = self.code {
            let _ = write!(text, ": {}", code.row().phrase);
        }
        if let Some(detail) = &self.detail {
            let _ = write!(text, " ({detail})");
        }
        text
    }

    /// The event as a JSON object, for a log line and for the stream.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                map.insert(name.to_owned(), value);
            }
        };
        let text = |text: &Option<Arc<str>>| text.as_deref().map(Value::from);
        put("ts", Some(self.at.to_string().into()));
        put("level", Some(self.row.level.name().into()));
        put("event", Some(self.row.name.into()));
        put("msg", Some(self.sentence().into()));
        put("channel", text(&self.channel));
        put("destination", text(&self.destination));
        put("message_id", self.message.map(|id| id.to_string().into()));
        put("type", text(&self.message_type));
        put("attempt", self.attempt.map(Value::from));
        put("stage", self.stage.map(|stage| stage.name().into()));
        put("state", self.state.map(|state| state.name().into()));
        put("code", self.code.map(|code| code.as_str().into()));
        put("duration_ms", self.duration.map(|took| millis(took).into()));
        put("peer", text(&self.peer));
        put("revision", text(&self.revision));
        put("count", self.count.map(Value::from));
        put("suppressed", (self.suppressed > 0).then(|| self.suppressed.into()));
        map
    }

    /// The event in one line for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let time = self.at.to_string();
        let clock = time.get(11..23).unwrap_or(&time);
        let mut line = format!("{clock} {:5} ", self.row.level.name());
        match (&self.channel, &self.destination) {
            (Some(channel), Some(destination)) => {
                let _ = write!(line, "{channel}/{destination} ");
            }
            (Some(name), None) | (None, Some(name)) => {
                let _ = write!(line, "{name} ");
            }
            (None, None) => {}
        }
        if let Some(id) = self.message {
            let _ = write!(line, "{id} ");
        }
        if let Some(code) = self.code {
            let _ = write!(line, "{code} ");
        }
        line.push_str(&self.sentence());
        if let Some(attempt) = self.attempt {
            let _ = write!(line, ", attempt {attempt}");
        }
        if let Some(count) = self.count {
            let _ = write!(line, ", {count}");
        }
        if let Some(peer) = &self.peer {
            let _ = write!(line, " [{peer}]");
        }
        if self.suppressed > 0 {
            let _ = write!(line, " (and {} more of the same)", self.suppressed);
        }
        line
    }
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn detail(place: Option<&str>, cause: Option<&str>) -> Option<Arc<str>> {
    match (place, cause) {
        (Some(place), Some(cause)) => Some(format!("{place}: {cause}").into()),
        (Some(only), None) | (None, Some(only)) => Some(only.into()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Place;
    use crate::fault::codes::W9002;
    use crate::observe::happened;

    fn event() -> Event {
        let fault = Fault::new(W9002).at(Place::path("PID-3")).because("seen in a test");
        Event {
            attempt: Some(2),
            duration: Some(Duration::from_micros(1234)),
            ..Event::new(&happened::DELIVERY_DEAD, Timestamp::from_millis(1_767_323_045_678))
        }
        .channel("adt")
        .destination("ehr")
        .message(MessageId::from_u128(7))
        .fault(&fault)
    }

    #[test]
    fn is_one_json_object() {
        insta::assert_snapshot!(serde_json::to_string(&event().to_json()).unwrap(), @r#"{"ts":"2026-01-02T03:04:05.678Z","level":"error","event":"delivery_dead","msg":"no more attempts are made: a step of the pipeline panicked (PID-3: seen in a test)","channel":"adt","destination":"ehr","message_id":"00000000000000000000000007","attempt":2,"code":"W9002","duration_ms":1.234}"#);
    }

    #[test]
    fn is_one_line_for_people() {
        insta::assert_snapshot!(event().to_text(), @"03:04:05.678 error adt/ehr 00000000000000000000000007 W9002 no more attempts are made: a step of the pipeline panicked (PID-3: seen in a test), attempt 2");
    }
}
