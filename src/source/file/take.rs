//! Taking one file: read piece by piece, cut, hand over, note what was refused.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::acks::Acks;
use super::split::{Part, Splitter};
use super::watcher::blocking;
use super::{FilePlan, Split};
use crate::base::MessageId;
use crate::fault::{Fault, codes::*};
use crate::message::Peer;
use crate::ports::{File, Identity, Ports};
use crate::source::flight::Flight;
use crate::source::{Arrival, Command, Common, Intake, Origin, Taken};

/// Bytes read at a time.
const PIECE: usize = 64 << 10;

/// Most messages of a file that are with the intake at a time.
const IN_FLIGHT_MAX: usize = 16;

/// Largest `.errors` file; what does not fit is counted in its last line.
const ERRORS_BYTES_MAX: usize = 256 << 10;

/// What taking works with.
pub(super) struct Taking<'a> {
    pub plan: &'a FilePlan,
    pub common: &'a Common,
    pub ports: &'a Ports,
    pub peer: &'a Peer,
    pub intake: &'a dyn Intake,
    pub command: &'a watch::Receiver<Command>,
}

/// What became of a file.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub committed: u64,
    pub refused: u64,
    /// Lines for the `.errors` file: part, offset, code and place, never content.
    pub errors: String,
    untold: u64,
}

struct Pass<'a> {
    taking: &'a Taking<'a>,
    flight: Flight<'a>,
    /// Number and offset of the parts in flight, and the envelope before each.
    places: std::collections::VecDeque<(u64, u64, Vec<Bytes>)>,
    acks: Option<Acks>,
    parent: Option<MessageId>,
    name: Arc<str>,
    identity: Identity,
    next: u64,
    report: Report,
}

/// Takes a file from its begin to its end. `None`: told to stop before the end; what was
/// taken is told apart when it is offered again.
///
/// # Errors
/// `W2402` when it cannot be read, `W2406` when a message could not be kept, `W2408` when
/// its acknowledgments cannot be written, `W2409` when there is more of it now.
pub(super) async fn file(taking: &Taking<'_>, path: &Path) -> Result<Option<Report>, Fault> {
    let unread = |error| Fault::new(W2402).caused_by::<std::io::Error>(error);
    let (files, owned) = (taking.ports.files.clone(), path.to_owned());
    let opened = blocking(move || {
        let file = files.open_read(&owned)?;
        let (length, identity) = (file.len()?, file.identity()?);
        Ok((file, length, identity))
    });
    let (file, length, identity) = opened.await.map_err(unread)?;
    let split = taking.plan.split;
    let parent = (!matches!(split, Split::Whole | Split::Cda))
        .then(|| MessageId::new(taking.ports.clock.now(), taking.ports.entropy.bits()));
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let name: Arc<str> = name.into();
    let acks = match &taking.plan.ack_dir {
        Some(directory) => {
            Some(Acks::begin(taking.ports, directory, &name).await.map_err(unwritten)?)
        }
        None => None,
    };
    let mut pass = Pass {
        taking,
        flight: Flight::default(),
        places: std::collections::VecDeque::new(),
        acks,
        parent,
        name,
        identity,
        next: 0,
        report: Report::default(),
    };
    let mut splitter = Splitter::new(split, taking.common.max_size.as_usize());
    let mut parts = Vec::new();
    let mut offset = 0;
    while offset < length {
        let piece = read(file.clone(), offset, length).await.map_err(unread)?;
        offset += piece.len() as u64;
        splitter.push(&piece, &mut parts);
        pass.take(&mut parts).await?;
        if *taking.command.borrow() == Command::Stop {
            pass.drain().await?;
            return Ok(None);
        }
    }
    // What looks like the last message is the begin of one when the sender still writes.
    if length_of(&file).await.map_err(unread)? != length {
        pass.drain().await?;
        return pass.grew().await;
    }
    splitter.finish(&mut parts);
    pass.take(&mut parts).await?;
    pass.drain().await?;
    if length_of(&file).await.map_err(unread)? != length {
        return pass.grew().await;
    }
    let findings = splitter.findings();
    pass.close(&findings);
    let acked = match pass.acks.take() {
        Some(acks) if pass.next > 0 => acks.finish(&splitter.trailers(), &findings).await,
        // A file without a message has nobody to answer.
        Some(acks) => acks.discard().await,
        None => Ok(()),
    };
    acked.map_err(unwritten)?;
    Ok(Some(pass.report))
}

fn unwritten(error: std::io::Error) -> Fault {
    Fault::new(W2408).caused_by(error)
}

async fn length_of(file: &Arc<dyn File>) -> std::io::Result<u64> {
    let file = file.clone();
    blocking(move || file.len()).await
}

async fn read(file: Arc<dyn File>, offset: u64, length: u64) -> std::io::Result<Vec<u8>> {
    blocking(move || {
        let size = usize::try_from(length - offset).unwrap_or(PIECE).min(PIECE);
        let mut piece = vec![0; size];
        file.read_at(&mut piece, offset)?;
        Ok(piece)
    })
    .await
}

impl<'a> Pass<'a> {
    async fn take(&mut self, parts: &mut Vec<Part>) -> Result<(), Fault> {
        for part in parts.drain(..) {
            if self.flight.len() >= IN_FLIGHT_MAX {
                self.settle().await?;
            }
            let number = self.next;
            self.next += 1;
            self.places.push_back((number + 1, part.offset, part.envelope));
            let arrival = Arrival {
                back: None,
                message_type: None,
                waits: true,
                origin: Some(Origin { digest: self.digest(number, &part.bytes), part: number }),
                bytes: part.bytes,
                peer: self.taking.peer.clone(),
                received: self.taking.ports.clock.now(),
                parent: self.parent,
            };
            let intake = self.taking.intake;
            self.flight.push(match part.fault {
                None => intake.take(arrival),
                Some(fault) => intake.refuse(arrival, fault),
            });
        }
        Ok(())
    }

    /// The file, its name, and number and content of a part: the same again after a restart.
    fn digest(&self, number: u64, bytes: &[u8]) -> [u8; 32] {
        let mut digest = Sha256::new();
        self.identity.iter().for_each(|part| digest.update(part.to_be_bytes()));
        digest.update((self.name.len() as u64).to_be_bytes());
        digest.update(self.name.as_bytes());
        digest.update(number.to_be_bytes());
        digest.update(bytes);
        digest.finalize().into()
    }

    /// Waits for the oldest answer and notes it.
    async fn settle(&mut self) -> Result<(), Fault> {
        let answer = self.flight.next().await;
        let (number, offset, envelope) = self.places.pop_front().unwrap_or_default();
        let place = (number, offset);
        if let Some(acks) = &mut self.acks {
            acks.add(&envelope, &answer.replies).await.map_err(unwritten)?;
        }
        match answer.taken {
            Taken::Committed(_) => self.report.committed += 1,
            Taken::Refused(fault) => {
                self.report.refused += 1;
                self.report.note(place, &fault);
            }
            Taken::NotKept(fault) => {
                // What is behind it in flight finishes first: it may be on disk already.
                while !self.flight.is_empty() {
                    self.flight.next().await;
                }
                return Err(Fault::new(W2406).because(fault.line()));
            }
        }
        Ok(())
    }

    /// Ends without the file's end: what acknowledges it is written when it is whole.
    async fn grew(&mut self) -> Result<Option<Report>, Fault> {
        if let Some(acks) = self.acks.take() {
            acks.discard().await.map_err(unwritten)?;
        }
        Err(Fault::new(W2409))
    }

    async fn drain(&mut self) -> Result<(), Fault> {
        while !self.flight.is_empty() {
            self.settle().await?;
        }
        Ok(())
    }

    fn close(&mut self, findings: &[Fault]) {
        let report = &mut self.report;
        if self.next == 0 {
            report.line(&format!("file: {}", Fault::new(W2405)));
        }
        for finding in findings {
            report.line(&format!("file: {finding}"));
        }
        if report.untold > 0 {
            let more = format!("and {} more\n", report.untold);
            report.errors.push_str(&more);
        }
    }
}

impl Report {
    fn note(&mut self, (number, offset): (u64, u64), fault: &Fault) {
        self.line(&format!("message {number} at byte {offset}: {fault}"));
    }

    fn line(&mut self, line: &str) {
        if self.errors.len() + line.len() > ERRORS_BYTES_MAX {
            self.untold += 1;
        } else {
            // Writing to a text does not fail.
            let _ = writeln!(self.errors, "{line}");
        }
    }
}
