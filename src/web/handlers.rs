//! Handlers of the API, one a route.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{Response, StatusCode, header};
use base64::Engine as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::api::types::{
    ChannelAction, ChannelsView, ConsentView, ConsentsQuery, ConsentsView, ContentQuery,
    ContentView, FilterQuery, LedgerView, OkView, QueueActionBody, QueueQuery, QueueView,
    ReloadBody, ReloadView, ReplayBody, StopBody, TraceQuery, TraceView, schema,
};
use super::events::EventBody;
use super::problem::{Refused, answer};
use super::serve::{Caller, Web};
use super::views;
use crate::base::{ChannelName, DestinationName, MessageId};
use crate::config;
use crate::engine::{Heirs, QueueAction, Replay, Stranded, Target, Through, Which};
use crate::fault::codes::{W1004, W6905, W6906, W6907, W8901, W8902, W8903};
use crate::fault::{DrawStyle, Fault, Place, Severity};
use crate::filter::{Field, Filter, Term};
use crate::message::PatientKey;
use crate::ports;

pub(super) type Answered = Result<Response<Body>, Refused>;

/// Rows of a page unless asked otherwise, and at most.
const LIMIT: (usize, usize) = (100, 1000);

pub(super) fn shown<T: Serialize>(view: &T) -> Answered {
    let body = serde_json::to_vec(view).unwrap_or_default();
    Ok(answer(StatusCode::OK, "application/json", body))
}

/// Reads the body of a request; an empty one is `{}`. The error of the parser may quote
/// the body, so only its place is told.
pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refused> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text).map_err(|error| {
        let cause = format!("line {}, column {}", error.line(), error.column());
        Refused(Fault::new(W8903).because(cause))
    })
}

fn channel_name(text: &str) -> Result<ChannelName, Refused> {
    ChannelName::parse(text).map_err(|_| Refused(Fault::new(W6905)))
}

fn message_id(text: &str) -> Result<MessageId, Refused> {
    text.parse().map_err(|_| Refused(Fault::new(W6907)))
}

pub(super) async fn status(State(web): State<Web>) -> Answered {
    let status = web.engine.status()?;
    shown(&views::status(&status, &web.engine.plan()))
}

pub(super) async fn channels(State(web): State<Web>) -> Answered {
    let status = web.engine.status()?;
    let channels = status.channels.iter().map(views::channel).collect();
    shown(&ChannelsView { schema: schema::CHANNELS.to_owned(), channels })
}

pub(super) async fn channel(State(web): State<Web>, Path(name): Path<String>) -> Answered {
    let status = web.engine.status()?;
    let found = status.channels.iter().find(|channel| channel.plan.name().as_str() == name);
    let found = found.ok_or_else(|| Fault::new(W6905).at(Place::channel(name)))?;
    shown(&views::channel(found))
}

fn target(body: &ChannelAction) -> Result<Target, Refused> {
    Target::parse(&body.target).ok_or_else(|| Refused(Fault::new(W6906)))
}

async fn channel_now(web: Web, name: &ChannelName) -> Answered {
    channel(State(web), Path(name.to_string())).await
}

pub(super) async fn pause(
    State(web): State<Web>,
    Path(name): Path<String>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Bytes,
) -> Answered {
    let (name, body) = (channel_name(&name)?, read::<ChannelAction>(&body)?);
    web.engine.pause(&name, target(&body)?, &caller.actor(&body.reason)).await?;
    channel_now(web, &name).await
}

pub(super) async fn resume(
    State(web): State<Web>,
    Path(name): Path<String>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Bytes,
) -> Answered {
    let (name, body) = (channel_name(&name)?, read::<ChannelAction>(&body)?);
    web.engine.resume(&name, target(&body)?, &caller.actor(&body.reason)).await?;
    channel_now(web, &name).await
}

pub(super) async fn drain(
    State(web): State<Web>,
    Path(name): Path<String>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Bytes,
) -> Answered {
    let (name, body) = (channel_name(&name)?, read::<ChannelAction>(&body)?);
    web.engine.drain(&name, &caller.actor(&body.reason)).await?;
    channel_now(web, &name).await
}

pub(super) async fn queue(State(web): State<Web>, Query(query): Query<QueueQuery>) -> Answered {
    let mut filter = web.engine.filter(&query.q)?;
    if let Some(control) = query.control {
        filter.terms.push(Term { negated: false, field: Field::Control, any: vec![control] });
    }
    let limit = query.limit.unwrap_or(LIMIT.0).clamp(1, LIMIT.1);
    let rows = web.engine.queue(filter.clone(), limit, query.after)?;
    // Messages are not parted, so a page may be short and still not be the last one.
    let next = match rows.last().map(|row| row.position) {
        Some(last) => {
            let more = web.engine.queue(filter, 1, Some(last))?;
            (!more.is_empty()).then_some(last)
        }
        None => None,
    };
    shown(&QueueView {
        schema: schema::QUEUE.to_owned(),
        rows: rows.iter().map(views::queue_row).collect(),
        next,
    })
}

async fn queue_action(web: Web, action: QueueAction, caller: &Caller, body: &Bytes) -> Answered {
    let body = read::<QueueActionBody>(body)?;
    let filter = web.engine.filter_for(&body.q, &body.reason)?;
    if body.dry_run {
        return shown(&views::planned(&web.engine.queue_plan(action, &filter)?));
    }
    let done = web.engine.queue_act(action, &filter, &caller.actor(&body.reason)).await?;
    shown(&views::done(&done))
}

macro_rules! queue_actions {
    ($($name:ident $action:ident;)*) => {$(
        pub(super) async fn $name(
            State(web): State<Web>,
            ConnectInfo(caller): ConnectInfo<Caller>,
            body: Bytes,
        ) -> Answered {
            queue_action(web, QueueAction::$action, &caller, &body).await
        }
    )*};
}

queue_actions! {
    queue_retry Retry;
    queue_skip Skip;
    queue_hold Hold;
    queue_release Release;
}

/// The word of `to` for every delivery to its own destination.
const EACH_ITS_OWN: &str = "all";

pub(super) async fn replay(
    State(web): State<Web>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Bytes,
) -> Answered {
    let body = read::<ReplayBody>(&body)?;
    let filter = web.engine.filter_for(&body.q, &body.reason)?;
    let named = filter.terms.iter().any(|term| term.field == Field::Destination && !term.negated);
    let to = match body.to.as_deref() {
        // Nobody is sent anything again who was not named.
        None if !named && !body.dry_run => {
            let cause = "neither `to` nor `dest:` in the filter names a destination; \
                         `\"to\": \"all\"` sends each delivery to its own";
            return Err(Fault::new(W8902).because(cause).into());
        }
        None | Some(EACH_ITS_OWN) => None,
        Some(name) => Some(DestinationName::parse(name).map_err(|_| Fault::new(W6906))?),
    };
    let through = match body.config.as_deref() {
        None | Some("then") => Through::Then,
        Some("now") => Through::Now,
        Some(_) => return Err(Fault::new(W8903).because("`config` is `then` or `now`").into()),
    };
    let replay = Replay { filter, to, through, rate: body.rate };
    if body.dry_run {
        return shown(&views::planned(&web.engine.replay_plan(&replay)?));
    }
    let done = web.engine.replay(&replay, &caller.actor(&body.reason)).await?;
    shown(&views::done(&done))
}

pub(super) async fn ledger(State(web): State<Web>, Query(query): Query<FilterQuery>) -> Answered {
    let rows = web.engine.ledger(&web.engine.filter(&query.q)?)?;
    shown(&LedgerView {
        schema: schema::LEDGER.to_owned(),
        unaccounted: rows.iter().map(|row| row.unaccounted).sum(),
        rows: rows.iter().map(views::ledger_row).collect(),
    })
}

pub(super) async fn trace(
    State(web): State<Web>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Query(query): Query<TraceQuery>,
) -> Answered {
    let asked =
        [(Field::Id, query.id), (Field::Control, query.control), (Field::Patient, query.patient)];
    let term = |(field, value): (Field, Option<String>)| {
        value.map(|value| Term { negated: false, field, any: vec![value] })
    };
    let filter = Filter { terms: asked.into_iter().filter_map(term).collect() };
    if filter.terms.is_empty() {
        let fault = Fault::new(W8903).because("one of `id`, `control`, `patient` is needed");
        return Err(fault.into());
    }
    let page = (query.limit.unwrap_or(LIMIT.0), query.after);
    let by = caller.actor(&query.reason);
    let (traced, next) = web.engine.trace_page(&filter, page, &by).await?;
    if traced.is_empty() && query.after.is_none() {
        return Err(Fault::new(W6907).into());
    }
    let messages = traced.iter().map(views::journey).collect();
    let more = next.is_some();
    shown(&TraceView { schema: schema::TRACE.to_owned(), messages, more, next })
}

pub(super) async fn content(
    State(web): State<Web>,
    Path(id): Path<String>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Query(query): Query<ContentQuery>,
) -> Answered {
    let id = message_id(&id)?;
    let which = match query.which.as_str() {
        "" | "original" => Which::Original,
        name => Which::Destination(DestinationName::parse(name).map_err(|_| Fault::new(W6906))?),
    };
    let by = caller.actor(&query.reason);
    let body = web.engine.reveal(id, &which, &query.purpose, &by).await?.body;
    let text = std::str::from_utf8(&body.bytes).ok().map(str::to_owned);
    let base64 =
        text.is_none().then(|| base64::engine::general_purpose::STANDARD.encode(&body.bytes));
    shown(&ContentView {
        schema: schema::CONTENT.to_owned(),
        message: id.to_string(),
        which: if query.which.is_empty() { "original".to_owned() } else { query.which },
        media_type: body.kind.media_type().to_owned(),
        text,
        base64,
    })
}

pub(super) async fn reload(
    State(web): State<Web>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Bytes,
) -> Answered {
    let body = read::<ReloadBody>(&body)?;
    let before = web.engine.plan();
    let (next, problems, sources) = config::load(&before.root, web.site.as_deref());
    let worst = problems.iter().find(|problem| problem.severity == Severity::Error);
    let worst = worst.map(|problem| problem.fault.clone());
    let problems = problems.iter().map(|problem| sources.draw(problem, DrawStyle::Plain));
    let problems: Vec<String> = problems.collect();
    let mut view = ReloadView {
        schema: schema::RELOAD.to_owned(),
        from: before.revision.to_string(),
        to: before.revision.to_string(),
        applied: false,
        changes: Vec::new(),
        problems,
    };
    let Some(next) = next else {
        if !body.plan_only {
            let place = Place::file(before.root.display().to_string());
            let fault = worst.unwrap_or_else(|| Fault::new(W1004)).at(place);
            web.engine.reload_refused(&fault);
        }
        return shown(&view);
    };
    view.to = next.revision.to_string();
    view.changes = views::changes(&web.engine.reload_plan(&next));
    if !body.plan_only && !body.refused {
        let stranded = match (&body.adopt, body.drop_waiting) {
            (Some(heir), _) => Stranded::Adopt(Heirs::parse(heir)?),
            (None, true) => Stranded::Drop,
            (None, false) => Stranded::Refuse,
        };
        ports::secrets::allow(next.programs());
        let reloaded = web.engine.reload(next, &stranded, &caller.actor(&body.reason)).await;
        if let Err(fault) = reloaded {
            ports::secrets::allow(before.programs());
            return Err(fault.into());
        }
        view.applied = true;
    }
    shown(&view)
}

pub(super) async fn events(State(web): State<Web>, Query(query): Query<FilterQuery>) -> Answered {
    let filter = web.engine.filter(&query.q)?;
    let body = Body::new(EventBody::new(web.engine.clone(), filter));
    let response = Response::builder()
        .header(header::CONTENT_TYPE, "application/x-ndjson")
        .header(header::CACHE_CONTROL, "no-store")
        .body(body);
    Ok(response.unwrap_or_default())
}

pub(super) async fn stop(State(web): State<Web>, body: Bytes) -> Answered {
    let _: StopBody = read(&body)?;
    web.engine.ask_to_stop();
    shown(&OkView { schema: schema::OK.to_owned() })
}

pub(super) async fn consents(
    State(web): State<Web>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Query(query): Query<ConsentsQuery>,
) -> Answered {
    if query.reason.is_empty() {
        return Err(Fault::new(W8901).into());
    }
    let by = caller.actor(&query.reason);
    let found = web.engine.consents_of(&PatientKey::new(&query.patient), &by).await?;
    let consents = found.iter().map(|record| ConsentView {
        id: record.id.to_string(),
        version: record.version,
        at: record.at.to_string(),
    });
    shown(&ConsentsView { schema: schema::CONSENTS.to_owned(), consents: consents.collect() })
}

pub(super) async fn metrics(State(web): State<Web>) -> Response<Body> {
    let text = web.engine.registry().text();
    answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text.into_bytes())
}

pub(super) async fn live() -> Response<Body> {
    health(true)
}

pub(super) async fn ready(State(web): State<Web>) -> Response<Body> {
    health(web.engine.is_ready())
}

fn health(well: bool) -> Response<Body> {
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if well { "ok\n" } else { "not ready\n" };
    answer(status, "text/plain; charset=utf-8", word.into())
}

pub(super) async fn not_found() -> Response<Body> {
    let problem = Json(serde_json::json!({ "status": 404, "title": "no such route" }));
    let body = serde_json::to_vec(&problem.0).unwrap_or_default();
    answer(StatusCode::NOT_FOUND, "application/problem+json", body)
}
