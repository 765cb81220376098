//! The ways a notice goes to people: an HTTP POST, or a program.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::running::Engine;
use crate::config::{NotifyKind, NotifyPlan};
use crate::fault::Fault;
use crate::fault::codes::{W7108, W7902};
use crate::observe::happened;
use crate::ports::http::{Call, Client, Url};
use crate::ports::{program, secrets};

/// Longest wait for a webhook: people are told by the next one then.
const WEBHOOK_WAIT: Duration = Duration::from_secs(10);

/// Waits between attempts: a receiver that restarts is back after one of them.
const AGAIN: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];

/// Most bytes of a webhook's answer: only its status is of use.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Sends a notice by the way of this name, up to three times. A failure is in the log.
pub(super) async fn send(engine: &Engine, name: &Arc<str>, text: &str) -> Result<(), Fault> {
    let plan = engine.plan();
    let Some(way) = plan.server.notify.iter().find(|way| way.name == *name) else {
        return Err(Fault::new(W7902).because(format!("`{name}` is not configured any more")));
    };
    let mut last = None;
    for wait in std::iter::once(Duration::ZERO).chain(AGAIN) {
        if !wait.is_zero() && !engine.0.core.pause_for(wait).await {
            break;
        }
        match once(engine, way, text).await {
            Ok(()) => return Ok(()),
            Err(fault) => last = Some(fault),
        }
    }
    let why = last.map_or_else(|| "weir is stopping".to_owned(), |fault| fault.line());
    let fault = Fault::new(W7902).because(format!("`{name}`: {why}"));
    engine.0.core.observer.emit(engine.0.core.event(&happened::NOTICE_FAILED).fault(&fault));
    Err(fault)
}

async fn once(engine: &Engine, way: &NotifyPlan, text: &str) -> Result<(), Fault> {
    match &way.kind {
        NotifyKind::Webhook { url } => {
            post(engine, &secrets::resolve_beside(url).await?, text).await
        }
        NotifyKind::Exec { program: name } => {
            let plan = engine.plan();
            let found = plan.server.programs.iter().find(|program| program.name == *name);
            let found = found.ok_or_else(|| Fault::new(W7902).because("no such program"))?;
            let (argv, timeout) = (found.argv.clone(), found.timeout);
            let input = text.as_bytes().to_vec();
            let run = move || program::run(&argv, &input, timeout).map(|_| ());
            let done = tokio::task::spawn_blocking(run).await;
            done.unwrap_or_else(|_| Err("it could not be started".to_owned()))
                .map_err(|why| Fault::new(W7902).because(why))
        }
    }
}

async fn post(engine: &Engine, address: &str, text: &str) -> Result<(), Fault> {
    // The token of an address is often its query, which a base URL does not have.
    let (base, query) = match address.split_once('?') {
        Some((base, query)) => (base, format!("?{query}")),
        None => (address, String::new()),
    };
    let url = Url::parse(base)?;
    let path = if url.path.is_empty() { "/" } else { &*url.path };
    let call = Call {
        method: Method::POST,
        path: format!("{path}{query}"),
        headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body: Bytes::copy_from_slice(text.as_bytes()),
    };
    let mut client = Client::new(url, None, ANSWER_BYTES_MAX)?;
    let ports = &engine.0.core.ports;
    let answer = tokio::select! {
        answer = client.send(&*ports.net, call) => answer?,
        () = ports.clock.sleep(WEBHOOK_WAIT) => return Err(Fault::new(W7108)),
    };
    match answer.status {
        200..300 => Ok(()),
        status => Err(Fault::new(W7902).because(format!("it answered {status}"))),
    }
}
