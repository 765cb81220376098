//! The stream of events: one JSON object a line, metadata only.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::api::types::schema;
use crate::engine::Engine;
use crate::filter::{Field, Filter};
use crate::observe::{Event, meter};

type Next = Pin<Box<dyn Future<Output = (Option<Bytes>, Receiver<Arc<Event>>)> + Send>>;

/// A body that ends when the engine stops or the reader goes.
pub(super) struct EventBody {
    next: Option<Next>,
    filter: Arc<Filter>,
    engine: Engine,
}

impl EventBody {
    /// Follows the events that pass a filter.
    pub(super) fn new(engine: Engine, filter: Filter) -> Self {
        let filter = Arc::new(filter);
        let stream = engine.observer().follow();
        let next = Some(next(engine.clone(), filter.clone(), stream));
        count(&engine, 1.0);
        Self { next, filter, engine }
    }
}

impl Drop for EventBody {
    fn drop(&mut self) {
        count(&self.engine, -1.0);
    }
}

/// Counts the readers of the stream. Two that come at the same moment may be counted as
/// one for as long as they stay, which no alert rests on.
fn count(engine: &Engine, change: f64) {
    let gauge = engine.registry().gauge(&meter::LIVE_CLIENTS, &[]);
    gauge.set((gauge.value() + change).max(0.0));
}

fn next(engine: Engine, filter: Arc<Filter>, mut stream: Receiver<Arc<Event>>) -> Next {
    Box::pin(async move {
        loop {
            let event = tokio::select! {
                event = stream.recv() => event,
                () = engine.stopping() => return (None, stream),
            };
            match event {
                Ok(event) if passes(&filter, &event) => return (Some(line(&event)), stream),
                // A reader that is too slow misses some; the next ones still come.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return (None, stream),
            }
        }
    })
}

fn line(event: &Event) -> Bytes {
    let mut object = event.to_json();
    object.insert("schema".to_owned(), schema::EVENT.into());
    let mut line = serde_json::to_vec(&object).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

impl Body for EventBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(pending) = &mut self.next else { return Poll::Ready(None) };
        let Poll::Ready((found, stream)) = pending.as_mut().poll(context) else {
            return Poll::Pending;
        };
        self.next = match found {
            Some(_) => Some(next(self.engine.clone(), self.filter.clone(), stream)),
            None => None,
        };
        Poll::Ready(found.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Whether an event passes a filter. A term about what the event does not carry fails, as
/// it would for a delivery.
pub(super) fn passes(filter: &Filter, event: &Event) -> bool {
    filter.terms.iter().all(|term| {
        let any = |value: Option<&str>| {
            value.is_some_and(|value| term.any.iter().any(|asked| matches(asked, value)))
        };
        let holds = match &term.field {
            Field::Channel => any(event.channel.as_deref()),
            Field::Destination => any(event.destination.as_deref()),
            Field::State => any(event.state.map(crate::message::State::name)),
            Field::Type => any(event.message_type.as_deref()),
            Field::Code => any(event.code.map(crate::fault::Code::as_str)),
            Field::Id => any(event.message.map(|id| id.to_string()).as_deref()),
            Field::Since(since) => event.at >= *since,
            Field::Until(until) => event.at < *until,
            // Tags are resolved to channels before; keys are not in events.
            Field::Tag | Field::Control | Field::Patient | Field::Key(_) => false,
        };
        holds != term.negated
    })
}

/// Whether a value matches what was asked, `*` standing for any run of characters.
fn matches(asked: &str, value: &str) -> bool {
    let Some((head, rest)) = asked.split_once('*') else {
        return asked.eq_ignore_ascii_case(value);
    };
    let Some(tail) = value.strip_prefix(head) else { return false };
    if rest.is_empty() {
        return true;
    }
    (0..=tail.len()).filter_map(|at| tail.get(at..)).any(|tail| matches(rest, tail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::filter::Term;
    use crate::observe::happened;

    #[test]
    fn stars_match_runs() {
        for (asked, value, expected) in [
            ("adt-*", "adt-main", true),
            ("*-main", "adt-main", true),
            ("a*m*n", "adt-main", true),
            ("adt", "adt-main", false),
            ("ADT", "adt", true),
            ("*", "", true),
            ("adt-*x", "adt-main", false),
        ] {
            assert_eq!(matches(asked, value), expected, "{asked} {value}");
        }
    }

    #[test]
    fn terms_hold_for_what_an_event_carries() {
        let event =
            Event::new(&happened::MESSAGE_REFUSED, Timestamp::from_millis(5)).channel("adt");
        let check = |field, any: &str, negated, expected| {
            let term = Term { negated, field, any: vec![any.to_owned()] };
            assert_eq!(passes(&Filter { terms: vec![term] }, &event), expected, "{any}");
        };
        check(Field::Channel, "adt", false, true);
        check(Field::Channel, "lab", false, false);
        check(Field::Channel, "lab", true, true);
        check(Field::Destination, "ehr", false, false);
        check(Field::Since(Timestamp::from_millis(6)), "", false, false);
    }
}
