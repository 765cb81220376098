//! Connections: HTTP/1.1 and HTTP/2 on one port, bounded in heads, streams and time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, rt};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::FhirPlan;
use super::auth::Guard;
use super::patience::Patient;
use super::route::Endpoint;
use crate::fault::Fault;
use crate::fault::codes::{W2305, W2306, W2310};
use crate::message::Peer;
use crate::ports::{Clock, Ports, Stream};
use crate::source::listener::{self, Listen};
use crate::source::{Bound, Closed, Command, Common, Serving};

/// Protocols offered in TLS.
pub(in crate::source) const PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// Longest head of a request: searches with many ids, and a token of a large provider.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Most headers of a request: browsers send twenty, proxies add a dozen.
const HEADERS_MAX: usize = 100;

/// Most requests of one HTTP/2 connection that are in hand at a time.
const STREAMS_MAX: u32 = 64;

/// How often a silent HTTP/2 connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(30);

struct FhirBound {
    bound: listener::Bound,
    plan: FhirPlan,
    common: Common,
    guard: Guard,
    clock: Arc<dyn Clock>,
}

/// Binds the address, reads the certificates and the secrets of clients.
pub(in crate::source) async fn bind(
    plan: &FhirPlan,
    common: &Common,
    ports: &Ports,
) -> Result<Box<dyn Bound>, Fault> {
    let listen = Listen {
        address: plan.listen,
        max_connections: plan.max_connections,
        protocols: PROTOCOLS,
        while_paused: true,
    };
    let guard = Guard::new(&plan.guard, ports);
    guard.ready().await?;
    Ok(Box::new(FhirBound {
        bound: listener::bind(listen, common, ports).await?,
        guard,
        plan: plan.clone(),
        common: common.clone(),
        clock: ports.clock.clone(),
    }))
}

#[async_trait]
impl Bound for FhirBound {
    fn local_addr(&self) -> Option<SocketAddr> {
        Some(self.bound.address())
    }

    async fn serve(self: Box<Self>, serving: Serving) {
        let Self { bound, plan, common, guard, clock } = *self;
        let (events, command) = (serving.events.clone(), serving.command.clone());
        let address = bound.address();
        let endpoint = Endpoint::new(plan, common, (guard, clock), (serving, address));
        bound.serve(Arc::new(Door(Arc::new(endpoint))), events, command).await;
    }
}

/// Serves each connection.
struct Door(Arc<Endpoint>);

#[async_trait]
impl listener::Talk for Door {
    async fn talk(
        &self,
        stream: Box<dyn Stream>,
        peer: Peer,
        command: watch::Receiver<Command>,
    ) -> (Closed, u64) {
        let plan = &self.0.plan;
        let messages = Arc::new(AtomicU64::new(0));
        let (endpoint, counted, orders) = (self.0.clone(), messages.clone(), command.clone());
        let serve = move |request: Request<Incoming>| {
            let (endpoint, counted, peer) = (endpoint.clone(), counted.clone(), peer.clone());
            let now = *orders.borrow();
            async move {
                let (response, taken) = endpoint.serve(request, peer, now).await;
                counted.fetch_add(taken, Ordering::Relaxed);
                response
            }
        };
        let pace = Pace { idle: plan.idle_timeout, write: plan.write_timeout };
        let why = speak(stream, (pace, &*self.0.clock), command, serve).await;
        (why, messages.load(Ordering::Relaxed))
    }
}

/// How long a listener has patience with a peer.
#[derive(Clone, Copy)]
pub(in crate::source) struct Pace {
    /// Longest silence, and longest time for the head of a request.
    pub idle: Duration,
    /// Longest time that an answer may be left unread.
    pub write: Duration,
}

/// Speaks HTTP on a connection until it ends or is told to.
pub(in crate::source) async fn speak<F>(
    stream: Box<dyn Stream>,
    (pace, clock): (Pace, &dyn Clock),
    mut command: watch::Receiver<Command>,
    serve: impl Fn(Request<Incoming>) -> F + Send,
) -> Closed
where
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let tasks = Tasks::default();
    let mut builder = auto::Builder::new(tasks.clone());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(pace.idle)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(pace.idle);
    let spoke = Arc::new(AtomicBool::new(false));
    let asked = spoke.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        let answer = serve(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let stream = TokioIo::new(Patient::new(stream, pace.write, spoke.clone()));
    let connection = builder.serve_connection(stream, service);
    tokio::pin!(connection);
    let mut stopping = false;
    // A peer that does not say which HTTP it speaks is in no protocol's care.
    let first = clock.sleep(pace.idle);
    tokio::pin!(first);
    let mut early = true;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = &mut first, if early => {
                early = false;
                if !spoke.load(Ordering::Relaxed) {
                    return Closed::Fault(Fault::new(W2305));
                }
            }
            // A dropped sender means stop as well.
            _ = command.wait_for(|command| *command == Command::Stop), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    match ended {
        Ok(()) if stopping => Closed::Stopped,
        Ok(()) => Closed::ByPeer,
        Err(error) => closed(&*error),
    }
}

/// Why a connection broke. Peers that just go are no news.
fn closed(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Closed {
    let Some(http) = error.downcast_ref::<hyper::Error>() else {
        // It ended before a byte of HTTP.
        return Closed::ByPeer;
    };
    let mut source = std::error::Error::source(http);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return match io.kind() {
                std::io::ErrorKind::TimedOut => Closed::Fault(Fault::new(W2306)),
                kind => Closed::Fault(Fault::new(W2310).because(kind.to_string())),
            };
        }
        source = inner.source();
    }
    if http.is_timeout() {
        return Closed::Fault(Fault::new(W2305));
    }
    let why = match http.is_parse() || http.is_parse_too_large() {
        true => "it does not speak HTTP",
        false => "it ended within a request",
    };
    Closed::Fault(Fault::new(W2310).because(why))
}

/// The tasks of one HTTP/2 connection; they end with it.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F> rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that ended make room.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}
