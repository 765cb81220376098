//! Accepting connections: allow list, limit, TLS, and one task a connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{MllpPlan, talk};
use crate::fault::{Fault, codes::*};
use crate::message::Peer;
use crate::ports::{Clock, Listener, Ports, Stream, certificate, tls};
use crate::source::{Bound, Closed, Command, Common, Intake, Serving, SourceEvent, SourceEvents};

/// Longest time for a TLS handshake: a few round trips, and a peer that sends nothing must
/// not hold a place.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause after a failed accept: the machine is out of descriptors, and trying at once
/// would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

struct MllpBound {
    listener: Box<dyn Listener>,
    address: SocketAddr,
    acceptor: Option<Arc<tls::ServerTls>>,
    plan: MllpPlan,
    common: Common,
    clock: Arc<dyn Clock>,
}

/// What every connection of a source works with.
pub(super) struct Shared {
    pub plan: MllpPlan,
    pub common: Common,
    pub clock: Arc<dyn Clock>,
    pub intake: Arc<dyn Intake>,
    pub events: Arc<dyn SourceEvents>,
    acceptor: Option<Arc<tls::ServerTls>>,
}

#[cfg(test)]
impl Shared {
    /// What one connection of a test works with.
    pub(super) fn for_test(plan: MllpPlan, serving: &Serving) -> Self {
        Self {
            plan,
            common: Common::default(),
            clock: Arc::new(crate::ports::SystemClock),
            intake: serving.intake.clone(),
            events: serving.events.clone(),
            acceptor: None,
        }
    }
}

/// Binds the address and reads the certificates.
pub(in crate::source) async fn bind(
    plan: &MllpPlan,
    common: &Common,
    ports: &Ports,
) -> Result<Box<dyn Bound>, Fault> {
    let acceptor = match &common.tls {
        Some(tls) => Some(tls::ServerTls::new(tls)?),
        None => None,
    };
    let failed =
        |error: std::io::Error| Fault::new(W2301).because(format!("`{}`: {error}", plan.listen));
    let listener = ports.net.listen(plan.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Box::new(MllpBound {
        listener,
        address,
        acceptor,
        plan: plan.clone(),
        common: common.clone(),
        clock: ports.clock.clone(),
    }))
}

#[async_trait]
impl Bound for MllpBound {
    fn local_addr(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    async fn serve(self: Box<Self>, serving: Serving) {
        let Self { listener, address, acceptor, plan, common, clock } = *self;
        let Serving { intake, events, mut command } = serving;
        let shared = Arc::new(Shared { plan, common, clock, intake, events, acceptor });
        shared.events.note(&SourceEvent::Listening { address });
        let mut talks = JoinSet::new();
        loop {
            let now = *command.borrow_and_update();
            if now == Command::Stop {
                break;
            }
            tokio::select! {
                changed = command.changed() => if changed.is_err() { break },
                Some(ended) = talks.join_next(), if !talks.is_empty() => note_panic(&shared, ended),
                accepted = listener.accept(), if now == Command::Run => match accepted {
                    Ok((stream, peer)) => {
                        if let Some(fault) = turned_away(&shared, peer, talks.len()) {
                            shared.events.note(&SourceEvent::TurnedAway { peer, fault });
                        } else {
                            talks.spawn(one(shared.clone(), stream, peer, command.clone()));
                        }
                    }
                    Err(error) => {
                        let fault = Fault::new(W2311).caused_by(error);
                        shared.events.note(&SourceEvent::Trouble { fault });
                        shared.clock.sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        // The kernel turns new peers away from here on.
        drop(listener);
        while let Some(ended) = talks.join_next().await {
            note_panic(&shared, ended);
        }
    }
}

fn turned_away(shared: &Shared, peer: SocketAddr, connections: usize) -> Option<Fault> {
    let allow = &shared.common.allow;
    if !allow.is_empty() && !allow.iter().any(|net| net.contains(peer.ip())) {
        return Some(Fault::new(W2302).because(peer.ip().to_string()));
    }
    let most = shared.plan.max_connections;
    (connections >= most as usize).then(|| Fault::new(W2303).because(format!("{most} are open")))
}

fn note_panic(shared: &Shared, ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        let fault = Fault::new(W9002).because("while serving a connection, which was closed");
        shared.events.note(&SourceEvent::Trouble { fault });
    }
}

/// Serves one connection from TLS to its end.
async fn one(
    shared: Arc<Shared>,
    stream: Box<dyn Stream>,
    address: SocketAddr,
    mut command: watch::Receiver<Command>,
) {
    let text: Arc<str> = address.to_string().into();
    let (stream, peer) = match &shared.acceptor {
        None => (stream, Peer { address: text, subject: None }),
        Some(acceptor) => {
            let stopped = command.wait_for(|command| *command == Command::Stop);
            let shaken = tokio::select! {
                shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(acceptor.current()).accept(stream)) => shaken,
                _ = stopped => return,
            };
            let fault = match shaken {
                Ok(Ok(stream)) => {
                    let chain = stream.get_ref().1.peer_certificates();
                    let subject = chain
                        .and_then(<[_]>::first)
                        .and_then(|leaf| certificate::subject(leaf))
                        .map(Into::into);
                    let peer = Peer { address: text, subject };
                    talk_with(&shared, Box::new(stream), peer, command).await;
                    return;
                }
                Ok(Err(error)) => Fault::new(W2308).caused_by(error),
                Err(_) => Fault::new(W2308).because("no handshake in time"),
            };
            shared.events.note(&SourceEvent::TurnedAway { peer: address, fault });
            return;
        }
    };
    talk_with(&shared, stream, peer, command).await;
}

async fn talk_with(
    shared: &Shared,
    stream: Box<dyn Stream>,
    peer: Peer,
    command: watch::Receiver<Command>,
) {
    shared.events.note(&SourceEvent::Opened { peer: peer.clone() });
    let (why, messages) = talk::talk(shared, stream, peer.clone(), command).await;
    let why = why.unwrap_or_else(Closed::Fault);
    shared.events.note(&SourceEvent::Closed { peer, why, messages });
}
