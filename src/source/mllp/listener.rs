//! The listener of this kind: a [`Talk`](listener::Talk) for each connection.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use super::{MllpPlan, talk};
use crate::fault::Fault;
use crate::message::Peer;
use crate::ports::{Clock, Ports, Stream};
use crate::source::listener::{self, Listen};
use crate::source::{Bound, Closed, Command, Common, Intake, Serving, SourceEvents};

struct MllpBound {
    bound: listener::Bound,
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
        }
    }
}

/// Binds the address and reads the certificates.
pub(in crate::source) async fn bind(
    plan: &MllpPlan,
    common: &Common,
    ports: &Ports,
) -> Result<Box<dyn Bound>, Fault> {
    let listen = Listen {
        address: plan.listen,
        max_connections: plan.max_connections,
        protocols: &[],
        while_paused: false,
    };
    Ok(Box::new(MllpBound {
        bound: listener::bind(listen, common, ports).await?,
        plan: plan.clone(),
        common: common.clone(),
        clock: ports.clock.clone(),
    }))
}

#[async_trait]
impl Bound for MllpBound {
    fn local_addr(&self) -> Option<SocketAddr> {
        Some(self.bound.address())
    }

    async fn serve(self: Box<Self>, serving: Serving) {
        let Self { bound, plan, common, clock } = *self;
        let Serving { intake, events, command } = serving;
        let shared = Shared { plan, common, clock, intake, events: events.clone() };
        bound.serve(Arc::new(shared), events, command).await;
    }
}

#[async_trait]
impl listener::Talk for Shared {
    async fn talk(
        &self,
        stream: Box<dyn Stream>,
        peer: Peer,
        command: watch::Receiver<Command>,
    ) -> (Closed, u64) {
        let (why, messages) = talk::talk(self, stream, peer, command).await;
        (why.unwrap_or_else(Closed::Fault), messages)
    }
}
