//! Accepting connections for every kind that listens: allow list, limit, TLS, and one task a
//! connection. What is said on a connection is for the kind ([`Talk`]).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{Closed, Command, Common, SourceEvent, SourceEvents};
use crate::fault::{Fault, codes::*};
use crate::message::Peer;
use crate::ports::{Clock, Ports, Stream, certificate, tls};
use crate::settings::IpNet;

/// Longest time for a TLS handshake: a few round trips, and a peer that sends nothing must
/// not hold a place.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause after a failed accept: the machine is out of descriptors, and trying at once
/// would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a kind says of its listener.
pub(super) struct Listen {
    /// Address.
    pub address: SocketAddr,
    /// Most connections at a time.
    pub max_connections: u32,
    /// Protocols offered in TLS (ALPN), the preferred first; none: no offer.
    pub protocols: &'static [&'static [u8]],
    /// Whether connections are taken while the source is paused, to be told so.
    pub while_paused: bool,
}

/// Serves connections.
#[async_trait]
pub(super) trait Talk: Send + Sync + 'static {
    /// Serves one connection until it ends; gives the reason and the number of messages.
    async fn talk(
        &self,
        stream: Box<dyn Stream>,
        peer: Peer,
        command: watch::Receiver<Command>,
    ) -> (Closed, u64);
}

/// A bound address.
pub(super) struct Bound {
    listener: Box<dyn crate::ports::Listener>,
    address: SocketAddr,
    gate: Gate,
    while_paused: bool,
}

/// What decides about a connection before a byte of it is read.
struct Gate {
    acceptor: Option<Arc<tls::ServerTls>>,
    allow: Vec<IpNet>,
    max_connections: u32,
    clock: Arc<dyn Clock>,
}

/// Binds the address and reads the certificates.
///
/// # Errors
/// `W2301` when the address cannot be bound, `W75xx` for certificates and secrets.
pub(super) async fn bind(listen: Listen, common: &Common, ports: &Ports) -> Result<Bound, Fault> {
    let acceptor = match &common.tls {
        Some(plan) => Some(tls::ServerTls::speaking(plan, listen.protocols)?),
        None => None,
    };
    let failed =
        |error: std::io::Error| Fault::new(W2301).because(format!("`{}`: {error}", listen.address));
    let listener = ports.net.listen(listen.address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let gate = Gate {
        acceptor,
        allow: common.allow.clone(),
        max_connections: listen.max_connections,
        clock: ports.clock.clone(),
    };
    Ok(Bound { listener, address, gate, while_paused: listen.while_paused })
}

impl Bound {
    /// The address, with the port the machine chose where 0 was asked for.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes connections until told to stop; returns when the last of them has ended.
    pub(super) async fn serve(
        self,
        talk: Arc<dyn Talk>,
        events: Arc<dyn SourceEvents>,
        mut command: watch::Receiver<Command>,
    ) {
        let Self { listener, address, gate, while_paused } = self;
        let door = Arc::new(Door { gate, talk, events });
        door.events.note(&SourceEvent::Listening { address });
        let mut talks = JoinSet::new();
        loop {
            let now = *command.borrow_and_update();
            if now == Command::Stop {
                break;
            }
            let accepts = now == Command::Run || while_paused;
            tokio::select! {
                changed = command.changed() => if changed.is_err() { break },
                Some(ended) = talks.join_next(), if !talks.is_empty() => door.note_panic(ended),
                accepted = listener.accept(), if accepts => match accepted {
                    Ok((stream, peer)) => {
                        if let Some(fault) = door.gate.turned_away(peer, talks.len()) {
                            door.events.note(&SourceEvent::TurnedAway { peer, fault });
                        } else {
                            talks.spawn(one(door.clone(), stream, peer, command.clone()));
                        }
                    }
                    Err(error) => {
                        let fault = Fault::new(W2311).caused_by(error);
                        door.events.note(&SourceEvent::Trouble { fault });
                        door.gate.clock.sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        // The kernel turns new peers away from here on.
        drop(listener);
        while let Some(ended) = talks.join_next().await {
            door.note_panic(ended);
        }
    }
}

impl Gate {
    fn turned_away(&self, peer: SocketAddr, connections: usize) -> Option<Fault> {
        if !self.allow.is_empty() && !self.allow.iter().any(|net| net.contains(peer.ip())) {
            return Some(Fault::new(W2302).because(peer.ip().to_string()));
        }
        let most = self.max_connections;
        (connections >= most as usize)
            .then(|| Fault::new(W2303).because(format!("{most} are open")))
    }
}

/// What every connection of a source works with.
struct Door {
    gate: Gate,
    talk: Arc<dyn Talk>,
    events: Arc<dyn SourceEvents>,
}

impl Door {
    fn note_panic(&self, ended: Result<(), tokio::task::JoinError>) {
        if ended.is_err_and(|error| error.is_panic()) {
            let fault = Fault::new(W9002).because("while serving a connection, which was closed");
            self.events.note(&SourceEvent::Trouble { fault });
        }
    }

    async fn talk(&self, stream: Box<dyn Stream>, peer: Peer, command: watch::Receiver<Command>) {
        self.events.note(&SourceEvent::Opened { peer: peer.clone() });
        let (why, messages) = self.talk.talk(stream, peer.clone(), command).await;
        self.events.note(&SourceEvent::Closed { peer, why, messages });
    }
}

/// Serves one connection from TLS to its end.
async fn one(
    door: Arc<Door>,
    stream: Box<dyn Stream>,
    address: SocketAddr,
    mut command: watch::Receiver<Command>,
) {
    let text: Arc<str> = address.to_string().into();
    let Some(acceptor) = &door.gate.acceptor else {
        let peer = Peer { address: text, subject: None };
        door.talk(stream, peer, command).await;
        return;
    };
    let stopped = command.wait_for(|command| *command == Command::Stop);
    let handshake = TlsAcceptor::from(acceptor.current()).accept(stream);
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake) => shaken,
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
            door.talk(Box::new(stream), peer, command).await;
            return;
        }
        Ok(Err(error)) => Fault::new(W2308).caused_by(error),
        Err(_) => Fault::new(W2308).because("no handshake in time"),
    };
    door.events.note(&SourceEvent::TurnedAway { peer: address, fault });
}
