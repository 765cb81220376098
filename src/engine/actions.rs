//! What people do to channels: pause, resume, drain. Kept in the journal, so that a restart
//! changes nothing.

use std::sync::Arc;

use super::channel::{DRAIN, Target};
use super::running::Engine;
use crate::audit::{self, Subject};
use crate::base::ChannelName;
use crate::fault::codes::W6906;
use crate::fault::{Fault, Place};
use crate::message::Leaf;
use crate::observe::happened;

/// Who acts, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Person or service, such as `uid:1000`.
    pub name: Arc<str>,
    /// The reason given; may be empty where none is asked for.
    pub reason: Arc<str>,
}

impl Actor {
    /// Someone, with a reason.
    #[must_use]
    pub fn new(name: &str, reason: &str) -> Self {
        Self { name: name.into(), reason: reason.into() }
    }

    fn why(&self, how: &str) -> Arc<str> {
        match &*self.reason {
            "" => format!("{how}by {}", self.name).into(),
            reason => format!("{how}by {}: {reason}", self.name).into(),
        }
    }
}

impl Engine {
    /// Pauses source, a destination, or all of a channel. Durable when it returns; what is
    /// on its way to a peer is finished.
    ///
    /// # Errors
    /// `W6905` for an unknown channel, `W6906` for an unknown destination, the store's
    /// fault.
    pub async fn pause(
        &self,
        channel: &ChannelName,
        target: Target,
        by: &Actor,
    ) -> Result<(), Fault> {
        self.set(channel, target, by, Some("")).await
    }

    /// Ends a pause or drain. `Target::All` ends every pause of the channel.
    ///
    /// # Errors
    /// As [`Engine::pause`].
    pub async fn resume(
        &self,
        channel: &ChannelName,
        target: Target,
        by: &Actor,
    ) -> Result<(), Fault> {
        if target == Target::All {
            for (paused, _) in self.channel(channel)?.paused() {
                self.set(channel, paused, by, None).await?;
            }
            return Ok(());
        }
        self.set(channel, target, by, None).await
    }

    /// Stops taking messages and delivers what is queued.
    ///
    /// # Errors
    /// As [`Engine::pause`].
    pub async fn drain(&self, channel: &ChannelName, by: &Actor) -> Result<(), Fault> {
        self.set(channel, Target::Source, by, Some(DRAIN)).await
    }

    async fn set(
        &self,
        name: &ChannelName,
        target: Target,
        by: &Actor,
        pause: Option<&str>,
    ) -> Result<(), Fault> {
        let core = &self.0.core;
        let channel = self.channel(name)?;
        if let Target::Destination(to) = &target
            && channel.outlet(to).is_none()
        {
            let place = Place::destination(name.shared(), to.shared());
            return Err(Fault::new(W6906).at(place));
        }
        let why = pause.map(|how| by.why(how));
        let subject = Subject {
            message: None,
            channel: name,
            destination: match &target {
                Target::Destination(to) => Some(to),
                Target::All | Target::Source => None,
            },
        };
        let leaf: Leaf = match pause {
            Some(_) => audit::channel_paused(core.now(), subject, &by.name, &by.reason),
            None => audit::channel_resumed(core.now(), subject, &by.name, &by.reason),
        };
        let setting = (target.setting(name), why.clone().unwrap_or_else(|| "".into()));
        core.act(vec![setting], vec![leaf]).await?;
        let row = if pause.is_some() { &happened::PAUSED } else { &happened::RESUMED };
        let mut event = core.event(row).channel(name.shared());
        if let Target::Destination(to) = &target {
            event = event.destination(to.shared());
        }
        core.observer.emit(event);
        channel.set_paused(target, why);
        Ok(())
    }
}
