//! Waiting and calling on the way to a server and back, until told otherwise.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

use crate::fault::codes::{W7107, W7108, W7109};
use crate::fault::{Class, Fault};
use crate::ports::Ports;
use crate::ports::fhir::{Address, Caller};
use crate::ports::http::{Answer, Call, Download, retry_after};
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
                // What is there is taken, however late it is looked at.
                biased;
                done = act => done,
                () = self.ports.clock.sleep(ANSWER_TIMEOUT) => Err(Fault::new(W7108)),
            }
        };
        Ok(self.until_told(timed).await??)
    }

    /// Sends a request; again, with longer and longer waits or as long as the server asks
    /// for, while the server or the way to it has trouble.
    pub(super) async fn ask(&self, caller: &mut Caller, call: Call) -> Result<Answer, Halt> {
        self.ask_while(caller, call, |fault| fault.class() == Class::Transient).await
    }

    /// As [`Journey::ask`] with a request that the server must not do twice: one that it may
    /// have is not sent again unless it answers that it did not do it.
    pub(super) async fn ask_once(&self, caller: &mut Caller, call: Call) -> Result<Answer, Halt> {
        let not_sent = |fault: &Fault| {
            let perhaps = [W7107, W7108, W7109].contains(&fault.code());
            fault.class() == Class::Transient && !perhaps
        };
        self.ask_while(caller, call, not_sent).await
    }

    async fn ask_while(
        &self,
        caller: &mut Caller,
        call: Call,
        again: impl Fn(&Fault) -> bool,
    ) -> Result<Answer, Halt> {
        let mut wait = AGAIN_FIRST;
        for tried in 1.. {
            let told = match self.in_time(caller.send(call.clone())).await {
                Err(Halt::Told) => return Err(Halt::Told),
                Err(Halt::Fault(fault)) => Err(fault),
                Ok(answer) => Ok(answer),
            };
            let asked = match &told {
                Ok(answer) if busy(answer.status) => answer.retry_after(self.ports.clock.now()),
                Err(fault) => {
                    caller.close();
                    if !again(fault) {
                        return Ok(told?);
                    }
                    None
                }
                Ok(_) => return Ok(told?),
            };
            if tried >= TRIES_MAX {
                return Ok(told?);
            }
            self.wait(asked.unwrap_or(wait).min(AGAIN_MAX)).await?;
            wait = wait.saturating_mul(2);
        }
        Err(Halt::Told)
    }

    /// Begins to read what lies at an address; again as [`Journey::ask`] does where a server
    /// says that it is busy.
    pub(super) async fn fetch(
        &self,
        caller: &mut Caller,
        (at, accept, shows): (&Address, &'static str, bool),
    ) -> Result<Download, Halt> {
        let mut wait = AGAIN_FIRST;
        for tried in 1.. {
            let download = self.in_time(caller.fetch(at, accept, shows)).await?;
            if !busy(download.status) || tried >= TRIES_MAX {
                return Ok(download);
            }
            let asked = retry_after(&download.headers, self.ports.clock.now());
            drop(download);
            self.wait(asked.unwrap_or(wait).min(AGAIN_MAX)).await?;
            wait = wait.saturating_mul(2);
        }
        Err(Halt::Told)
    }
}

/// Whether a server says that it did not do what it was asked, and may later.
const fn busy(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}
