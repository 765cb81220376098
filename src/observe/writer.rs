//! Where events go: log lines on a writer, and the stream of `weir tail`.
//!
//! Repeats are summarised: of one event with one channel, destination and code, the first
//! [`BURST`] within [`WINDOW`] are written; the next line after the window says how many
//! were left out. The stream gets all.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;

use super::{Event, Level};
use crate::base::Timestamp;

/// Lines of one kind before the rest are counted only: enough to see a pattern.
const BURST: u64 = 5;

/// How long lines of one kind are counted together.
const WINDOW: Duration = Duration::from_secs(10);

/// Most kinds that are counted apart; past it, the counts start anew.
const KINDS_MAX: usize = 4096;

/// Events a slow follower of the stream may be behind before it misses some.
const STREAM_EVENTS: usize = 1024;

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogStyle {
    /// One JSON object a line.
    #[default]
    Json,
    /// One line for people.
    Text,
}

/// `[log]` of config.toml.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlan {
    /// The quietest level written.
    pub level: Level,
    /// The form.
    pub style: LogStyle,
}

impl Default for LogPlan {
    /// JSON, from `info` up.
    fn default() -> Self {
        Self { level: Level::Info, style: LogStyle::Json }
    }
}

/// Identity of a kind of line: addresses of static rows and hashes of names would do, but
/// the strings are short and rarely made.
type Kind = (&'static str, Option<Arc<str>>, Option<Arc<str>>, Option<&'static str>);

struct Seen {
    since: Timestamp,
    written: u64,
    left_out: u64,
}

/// Takes events. Cheap to share behind an `Arc`.
pub struct Observer {
    plan: LogPlan,
    out: Mutex<Box<dyn Write + Send>>,
    seen: Mutex<HashMap<Kind, Seen>>,
    stream: broadcast::Sender<Arc<Event>>,
    suppressed: AtomicU64,
}

impl Observer {
    /// Writes lines to `out`.
    #[must_use]
    pub fn new(plan: LogPlan, out: Box<dyn Write + Send>) -> Self {
        Self {
            plan,
            out: Mutex::new(out),
            seen: Mutex::default(),
            stream: broadcast::Sender::new(STREAM_EVENTS),
            suppressed: AtomicU64::new(0),
        }
    }

    /// Writes nothing; the stream still works.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(LogPlan { level: Level::Error, style: LogStyle::Json }, Box::new(std::io::sink()))
    }

    /// Whether anybody would see an event of this level: spares making it.
    #[must_use]
    pub fn wants(&self, level: Level) -> bool {
        level <= self.plan.level || self.stream.receiver_count() > 0
    }

    /// Takes an event. A log that cannot be written is not a reason to stop messages.
    pub fn emit(&self, event: Event) {
        if self.stream.receiver_count() > 0 {
            // An error says that the last follower just left.
            let _ = self.stream.send(Arc::new(event.clone()));
        }
        if event.row.level > self.plan.level {
            return;
        }
        let Some(suppressed) = self.due(&event) else {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let event = Event { suppressed, ..event };
        let mut line = match self.plan.style {
            LogStyle::Json => serde_json::to_string(&event.to_json()).unwrap_or_default(),
            LogStyle::Text => event.to_text(),
        };
        line.push('\n');
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(line.as_bytes());
        let _ = out.flush();
    }

    /// Follows the stream from now on.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Arc<Event>> {
        self.stream.subscribe()
    }

    /// Lines left out so far.
    #[must_use]
    pub fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }

    /// Whether a line is written, and how many of its kind were left out before it.
    fn due(&self, event: &Event) -> Option<u64> {
        let code = event.code.map(crate::fault::Code::as_str);
        let kind = (event.row.name, event.channel.clone(), event.destination.clone(), code);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= KINDS_MAX && !seen.contains_key(&kind) {
            seen.clear();
        }
        let fresh = Seen { since: event.at, written: 0, left_out: 0 };
        let row = seen.entry(kind).or_insert(fresh);
        let mut left_out = 0;
        if event.at.since(row.since) >= WINDOW || event.at < row.since {
            left_out = row.left_out;
            *row = Seen { since: event.at, written: 0, left_out: 0 };
        }
        if row.written >= BURST {
            row.left_out += 1;
            return None;
        }
        row.written += 1;
        Some(left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::happened;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn refused(secs: i64, channel: &str) -> Event {
        Event::new(&happened::MESSAGE_REFUSED, Timestamp::from_millis(secs * 1000)).channel(channel)
    }

    #[test]
    fn repeats_are_summarised() {
        let lines = Lines::default();
        let plan = LogPlan { style: LogStyle::Text, ..LogPlan::default() };
        let observer = Observer::new(plan, Box::new(lines.clone()));
        for _ in 0..20 {
            observer.emit(refused(0, "adt"));
        }
        observer.emit(refused(0, "lab"));
        observer.emit(refused(11, "adt"));
        observer.emit(Event::new(&happened::CONNECTION_OPENED, Timestamp::from_millis(0)));
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 7, "{text}");
        assert!(text.lines().last().unwrap().ends_with("(and 15 more of the same)"), "{text}");
        assert_eq!(observer.suppressed(), 15);
    }

    #[tokio::test]
    async fn the_stream_gets_all() {
        let observer = Observer::silent();
        assert!(!observer.wants(Level::Debug));
        let mut stream = observer.follow();
        assert!(observer.wants(Level::Debug));
        for _ in 0..7 {
            observer.emit(refused(0, "adt"));
        }
        for _ in 0..7 {
            assert_eq!(stream.recv().await.unwrap().row.name, "message_refused");
        }
    }
}
