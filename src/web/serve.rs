//! The listeners: the admin socket, the loopback admin listener, the metrics listener.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::routing::{MethodRouter, delete, get, post, put};
use axum::serve::{IncomingStream, Listener};

use super::api::routes::{ROUTES, Route, Served};
use super::{alerts, consent, handlers, records};
use crate::config::ServerPlan;
use crate::engine::{Actor, Engine};
use crate::fault::codes::{W8904, W8905};
use crate::fault::{Fault, Place};
use crate::observe::{Registry, happened, meter};
use crate::ports::{self, Ports};

/// Largest body of a request: a consent with its attachments.
const BODY_BYTES_MAX: usize = 4 << 20;

/// What handlers work with.
#[derive(Clone)]
pub struct Web {
    pub(super) engine: Engine,
    pub(super) site: Option<Arc<str>>,
}

/// Who asks, as the listener knows.
#[derive(Clone, Debug)]
pub(super) struct Caller(Arc<str>);

impl Caller {
    pub(super) fn actor(&self, reason: &str) -> Actor {
        Actor::new(&self.0, reason)
    }
}

/// Serves until the engine stops.
pub struct WebTask(crate::engine::Owned);

impl WebTask {
    /// Ends it at once.
    pub fn abort(&self) {
        self.0.abort();
    }
}

/// The listeners that the configuration asks for, open before the engine starts: what
/// cannot be opened keeps it from starting, and nobody connects in vain meanwhile.
pub struct Doors {
    socket: PathBuf,
    admin: Option<Box<dyn ports::Listener>>,
    metrics: Option<Box<dyn ports::Listener>>,
}

impl Doors {
    /// Binds the addresses and looks whether the socket can be made. It is made last, when
    /// there is somebody to answer: a command that finds it waits for the answer.
    ///
    /// # Errors
    /// `W8904` for an admin address that is not loopback, `W8905` when an address cannot be
    /// bound or the socket cannot lie where it should.
    pub async fn open(server: &ServerPlan, ports: &Ports) -> Result<Self, Fault> {
        let socket = server.admin.socket.clone();
        place_of_socket(&socket).map_err(|error| socket_fault(&socket, error))?;
        let mut doors = Self { socket, admin: None, metrics: None };
        if let Some(address) = server.admin.listen {
            doors.admin = Some(loopback(address, ports).await?);
        }
        if let Some(address) = server.metrics {
            doors.metrics = Some(listen(address, ports).await?);
        }
        Ok(doors)
    }
}

async fn loopback(address: SocketAddr, ports: &Ports) -> Result<Box<dyn ports::Listener>, Fault> {
    if !address.ip().is_loopback() {
        return Err(Fault::new(W8904).because(format!("`[admin] listen` is {address}")));
    }
    listen(address, ports).await
}

async fn listen(address: SocketAddr, ports: &Ports) -> Result<Box<dyn ports::Listener>, Fault> {
    let fault = |error: io::Error| Fault::new(W8905).because(format!("{address}: {error}"));
    ports.net.listen(address).await.map_err(fault)
}

fn socket_fault(path: &Path, error: io::Error) -> Fault {
    Fault::new(W8905).at(Place::file(path.display().to_string())).caused_by(error)
}

impl Web {
    /// The web side of an engine. `site` is what `--site` said, for reloads.
    #[must_use]
    pub fn new(engine: Engine, site: Option<&str>) -> Self {
        Self { engine, site: site.map(Into::into) }
    }

    /// Serves on the listeners that are open, and on the socket.
    ///
    /// # Errors
    /// `W8905` when the socket cannot be opened.
    pub fn serve(&self, doors: Doors) -> Result<Vec<WebTask>, Fault> {
        let mut tasks = vec![self.serve_socket(&doors.socket)?];
        let served = [(doors.admin, Served::Admin), (doors.metrics, Served::Open)];
        for (listener, served) in served {
            if let Some(listener) = listener {
                tasks.push(self.serve_tcp(listener, served)?.0);
            }
        }
        Ok(tasks)
    }

    /// Serves the API on the socket. The socket belongs to the user that runs weir.
    ///
    /// # Errors
    /// `W8905` when it cannot be opened.
    pub fn serve_socket(&self, path: &Path) -> Result<WebTask, Fault> {
        let listener = bind_socket(path).map_err(|error| socket_fault(path, error))?;
        self.report(&path.display().to_string());
        Ok(self.spawn(Door::Socket(listener), Served::Admin))
    }

    /// Serves the API on an address, without TLS or sign-in.
    ///
    /// # Errors
    /// `W8904` for an address that is not loopback, `W8905` when it cannot be bound.
    pub async fn serve_admin(&self, address: SocketAddr) -> Result<(WebTask, SocketAddr), Fault> {
        self.serve_tcp(loopback(address, self.engine.ports()).await?, Served::Admin)
    }

    /// Serves `/metrics` and `/health` on an address.
    ///
    /// # Errors
    /// `W8905` when it cannot be bound.
    pub async fn serve_metrics(&self, address: SocketAddr) -> Result<(WebTask, SocketAddr), Fault> {
        self.serve_tcp(listen(address, self.engine.ports()).await?, Served::Open)
    }

    fn serve_tcp(
        &self,
        listener: Box<dyn ports::Listener>,
        served: Served,
    ) -> Result<(WebTask, SocketAddr), Fault> {
        let bound = listener.local_addr().map_err(|error| Fault::new(W8905).caused_by(error))?;
        self.report(&bound.to_string());
        Ok((self.spawn(Door::Net(listener), served), bound))
    }

    fn report(&self, at: &str) {
        let now = self.engine.ports().clock.now();
        let mut event = crate::observe::Event::new(&happened::ADMIN_LISTENING, now);
        event.detail = Some(at.into());
        self.engine.observer().emit(event);
    }

    fn spawn(&self, door: Door, served: Served) -> WebTask {
        let service = self.router(served).into_make_service_with_connect_info::<Caller>();
        let engine = self.engine.clone();
        WebTask(self.engine.own(async move {
            let stop = async move { engine.stopping().await };
            // Never fails: a connection that does ends alone.
            let _ = axum::serve(door, service).with_graceful_shutdown(stop).await;
        }))
    }

    /// The router of a listener, made from the table of routes.
    fn router(&self, served: Served) -> Router {
        let mut router = Router::new();
        for route in ROUTES {
            if served == Served::Open && route.served == Served::Admin {
                continue;
            }
            if let Some(handler) = handler(route) {
                let counted = count(handler, route, self.engine.registry().clone());
                router = router.route(route.path, counted);
            }
        }
        router
            .fallback(handlers::not_found)
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(self.clone())
    }
}

/// The handler of a route; the tests hold that every row has one.
fn handler(route: &Route) -> Option<MethodRouter<Web>> {
    Some(match (route.method, route.path) {
        ("GET", "/api/v1/status") => get(handlers::status),
        ("GET", "/api/v1/channels") => get(handlers::channels),
        ("GET", "/api/v1/channels/{name}") => get(handlers::channel),
        ("POST", "/api/v1/channels/{name}/pause") => post(handlers::pause),
        ("POST", "/api/v1/channels/{name}/resume") => post(handlers::resume),
        ("POST", "/api/v1/channels/{name}/drain") => post(handlers::drain),
        ("GET", "/api/v1/queue") => get(handlers::queue),
        ("POST", "/api/v1/queue/retry") => post(handlers::queue_retry),
        ("POST", "/api/v1/queue/skip") => post(handlers::queue_skip),
        ("POST", "/api/v1/queue/hold") => post(handlers::queue_hold),
        ("POST", "/api/v1/queue/release") => post(handlers::queue_release),
        ("POST", "/api/v1/replay") => post(handlers::replay),
        ("GET", "/api/v1/ledger") => get(handlers::ledger),
        ("GET", "/api/v1/trace") => get(handlers::trace),
        ("GET", "/api/v1/messages/{id}/content") => get(handlers::content),
        ("GET", "/api/v1/alerts") => get(alerts::list),
        ("POST", "/api/v1/alerts/{name}/ack") => post(alerts::ack),
        ("POST", "/api/v1/alerts/{name}/mute") => post(alerts::mute),
        ("POST", "/api/v1/alerts/{name}/test") => post(alerts::test),
        ("POST", "/api/v1/reload") => post(handlers::reload),
        ("GET", "/api/v1/events") => get(handlers::events),
        ("POST", "/api/v1/stop") => post(handlers::stop),
        ("GET", "/api/v1/records") => get(records::list),
        ("GET", "/api/v1/records/{collection}/{type}") => get(records::export),
        ("GET", "/api/v1/records/{collection}/{type}/{id}") => get(records::show),
        ("GET", "/api/v1/consents") => get(handlers::consents),
        ("POST", "/fhir/Consent") => post(consent::create),
        ("GET", "/fhir/Consent/{id}") => get(consent::read),
        ("PUT", "/fhir/Consent/{id}") => put(consent::update),
        ("DELETE", "/fhir/Consent/{id}") => delete(consent::delete),
        ("GET", "/metrics") => get(handlers::metrics),
        ("GET", "/health/live" | "/health/started") => get(handlers::live),
        ("GET", "/health/ready") => get(handlers::ready),
        _ => return None,
    })
}

/// Counts requests by route and status.
fn count(
    handler: MethodRouter<Web>,
    route: &'static Route,
    registry: Arc<Registry>,
) -> MethodRouter<Web> {
    handler.layer(middleware::from_fn(move |request: Request, next: Next| {
        let registry = registry.clone();
        async move {
            let response = next.run(request).await;
            let labels = [route.path, response.status().as_str()].map(str::to_owned);
            let labels = [labels[0].as_str(), labels[1].as_str()];
            registry.counter(&meter::HTTP_REQUESTS, &labels).increment();
            response
        }
    }))
}

/// A listener of either kind.
enum Door {
    Socket(tokio::net::UnixListener),
    Net(Box<dyn ports::Listener>),
}

/// Wait after a failed accept, as when all descriptors are in use.
const ACCEPT_WAIT: std::time::Duration = std::time::Duration::from_millis(100);

impl Listener for Door {
    type Io = Box<dyn ports::Stream>;
    type Addr = Caller;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let accepted: io::Result<(Self::Io, Caller)> = match self {
                Self::Socket(listener) => {
                    tokio::net::UnixListener::accept(listener).await.and_then(|(stream, _)| {
                        let uid = stream.peer_cred()?.uid();
                        let io: Self::Io = Box::new(stream);
                        Ok((io, Caller(format!("uid:{uid}").into())))
                    })
                }
                Self::Net(listener) => {
                    listener.accept().await.map(|(stream, _)| (stream, Caller("loopback".into())))
                }
            };
            match accepted {
                Ok(accepted) => return accepted,
                Err(_) => tokio::time::sleep(ACCEPT_WAIT).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Caller("weir".into()))
    }
}

impl Connected<IncomingStream<'_, Door>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.remote_addr().clone()
    }
}

/// Makes the directory of the socket, and refuses a path that is too long for one.
fn place_of_socket(path: &Path) -> io::Result<()> {
    std::os::unix::net::SocketAddr::from_pathname(path)?;
    path.parent().map_or(Ok(()), std::fs::create_dir_all)
}

/// Binds the socket, in place of one that a process left behind that is gone.
fn bind_socket(path: &Path) -> io::Result<tokio::net::UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    place_of_socket(path)?;
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another weir serves it"));
    }
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = tokio::net::UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_a_handler() {
        for route in ROUTES {
            assert!(handler(route).is_some(), "{} {}", route.method, route.path);
        }
    }
}
