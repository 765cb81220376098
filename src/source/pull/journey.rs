//! Waiting and calling on the way to a server and back, until told otherwise.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

use crate::fault::codes::W7108;
use crate::fault::{Class, Fault};
use crate::ports::Ports;
use crate::ports::fhir::Caller;
use crate::ports::http::{Answer, Call};
use crate::source::Command;

/// Longest wait for an answer to one request, or for the next piece of a file.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Most times that a request is sent which meets a server in trouble.
const TRIES_MAX: u32 = 5;

/// Wait before the second time; it doubles from there.
const AGAIN_FIRST: Duration = Duration::from_secs(1);

/// Longest wait between two times that a server may ask for: a longer one is likely a
/// mistake.
const AGAIN_MAX: Duration = Duration::from_secs(3600);

/// Why a journey ends early.
#[derive(Debug)]
pub(super) enum Halt {
    /// Told to pause or stop.
    Told,
    /// Something is wrong.
    Fault(Fault),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What every journey works with.
pub(super) struct Journey {
    pub ports: Ports,
    pub command: watch::Receiver<Command>,
}

impl Journey {
    /// Does something unless told to pause or stop meanwhile; then it is given up.
    pub(super) async fn until_told<T>(&self, act: impl Future<Output = T>) -> Result<T, Halt> {
        let mut command = self.command.clone();
        tokio::select! {
            biased;
            // A dropped sender means stop as well.
            _ = command.wait_for(|command| *command != Command::Run) => Err(Halt::Told),
            done = act => Ok(done),
        }
    }

    /// Waits.
    pub(super) async fn wait(&self, time: Duration) -> Result<(), Halt> {
        self.until_told(self.ports.clock.sleep(time)).await
    }

    /// Waits for an answer as long as answers are waited for.
    pub(super) async fn in_time<T>(
        &self,
        act: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Halt> {
        let timed = async {
            tokio::select! {
                done = act => done,
                () = self.ports.clock.sleep(ANSWER_TIMEOUT) => Err(Fault::new(W7108)),
            }
        };
        Ok(self.until_told(timed).await??)
    }

    /// Sends a request; again, with longer and longer waits or as long as the server asks
    /// for, while the server or the way to it has trouble.
    pub(super) async fn ask(&self, caller: &mut Caller, call: Call) -> Result<Answer, Halt> {
        let mut wait = AGAIN_FIRST;
        for tried in 1.. {
            let told = match self.in_time(caller.send(call.clone())).await {
                Err(Halt::Told) => return Err(Halt::Told),
                Err(Halt::Fault(fault)) => Err(fault),
                Ok(answer) => Ok(answer),
            };
            let asked = match &told {
                Ok(answer) if matches!(answer.status, 429 | 502 | 503 | 504) => {
                    answer.retry_after(self.ports.clock.now())
                }
                Err(fault) if fault.class() == Class::Transient => {
                    caller.close();
                    None
                }
                _ => return Ok(told?),
            };
            if tried >= TRIES_MAX {
                return Ok(told?);
            }
            self.wait(asked.unwrap_or(wait).min(AGAIN_MAX)).await?;
            wait = wait.saturating_mul(2);
        }
        Err(Halt::Told)
    }
}
