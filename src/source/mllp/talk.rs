//! One MLLP connection: bytes to frames, frames to the intake, answers back in order.
//!
//! One task, no locks. Memory: a small read buffer while idle, a frame's own bytes while
//! one arrives, and the answers of one write. While answers cannot be written or as many
//! messages or bytes are in flight as may be, nothing is read: the sender feels it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::listener::Shared;
use crate::fault::{Fault, codes::*};
use crate::hl7v2::mllp::{self, Decoder, Event, Oddities};
use crate::message::Peer;
use crate::ports::Stream;
use crate::source::flight::{Flight, Pending};
use crate::source::{Answer, Arrival, Back, Closed, Command, SourceEvent, Taken};

/// Most messages of one connection that are with the intake at a time: enough to share one
/// flush of the disk, little enough that one peer does not crowd out the others.
const IN_FLIGHT_MAX: usize = 16;

/// Most bytes of one connection that are with the intake at a time, besides the first of
/// them, which may be as large as `max_size`: sixteen common messages stay far below, and a
/// peer that pipelines documents cannot take sixteen times `max_size` of memory.
const IN_FLIGHT_BYTES_MAX: usize = 4 << 20;

/// Read buffer between frames: a common message and its neighbors fit, 5,000 idle
/// connections cost 20 MB.
const READ_IDLE: usize = 4 << 10;

/// Read buffer within a frame: fewer system calls for large messages.
const READ_FRAME: usize = 64 << 10;

/// Answers gathered for one write.
const WRITE_BYTES: usize = 32 << 10;

/// Most bytes outside frames before a connection is closed: line noise and health checks
/// stay far below.
const JUNK_BYTES_MAX: u64 = 64 << 10;

/// Longest wait for the peer to close after weir did, reading and dropping what it still
/// sends: closing with unread bytes would reset the connection and could destroy the last
/// answer on its way.
const LINGER: Duration = Duration::from_secs(2);

/// Silence after which an FS without CR ends a frame: the sender waits for its answer.
const LOOSE_END: Duration = Duration::from_millis(100);

/// Bytes of refused input that are handed over: enough to read MSH for the answer.
const REFUSED_BYTES: usize = 64 << 10;

struct Talk<'a> {
    shared: &'a Shared,
    peer: Peer,
    stream: Box<dyn Stream>,
    decoder: Decoder,
    flight: Flight<'a>,
    /// Bytes of each message in flight, the oldest first, and all together.
    sizes: VecDeque<usize>,
    in_flight_bytes: usize,
    /// The way back that arrivals carry, and what came by it.
    back: Back,
    later: mpsc::UnboundedReceiver<Bytes>,
    out: BytesMut,
    /// First byte of the frame that is arriving, as far as reading was possible since.
    frame_began: Option<Instant>,
    /// Last byte read or written.
    active: Instant,
    messages: u64,
    junk: Junk,
    /// Oddities of the framing that were told.
    told: Oddities,
    end: End,
}

/// Bytes outside frames: since the last frame, and not yet told.
#[derive(Default)]
struct Junk {
    run: u64,
    untold: u64,
    told: bool,
}

/// Why nothing more is decoded.
enum End {
    /// It goes on.
    Open,
    /// No more bytes come.
    PeerClosed,
    /// An answer asks to close.
    Answered,
    /// Told to stop, and the frame that was arriving is here.
    Stopped,
    /// Framing is lost, or time is up.
    Broken(Fault),
}

/// Serves a connection until it ends; gives the reason and the number of messages.
pub(super) async fn talk(
    shared: &Shared,
    stream: Box<dyn Stream>,
    peer: Peer,
    command: watch::Receiver<Command>,
) -> (Result<Closed, Fault>, u64) {
    let limit = shared.common.max_size.as_usize();
    let (back, later) = Back::new();
    let mut talk = Talk {
        back,
        later,
        shared,
        peer,
        stream,
        decoder: Decoder::new(shared.plan.framing, limit),
        flight: Flight::default(),
        sizes: VecDeque::new(),
        in_flight_bytes: 0,
        out: BytesMut::new(),
        frame_began: None,
        active: Instant::now(),
        messages: 0,
        junk: Junk::default(),
        told: Oddities::default(),
        end: End::Open,
    };
    let served = talk.run(command).await;
    talk.tell_junk();
    talk.tell_loose();
    talk.tell_oddities();
    if served.is_ok() {
        talk.linger().await;
    }
    let why = match (served, talk.end) {
        (Err(fault), _) | (Ok(()), End::Broken(fault)) => Err(fault),
        (Ok(()), End::Open | End::PeerClosed) => Ok(Closed::ByPeer),
        (Ok(()), End::Answered) => Ok(Closed::ByAnswer),
        (Ok(()), End::Stopped) => Ok(Closed::Stopped),
    };
    (why, talk.messages)
}

impl<'a> Talk<'a> {
    /// Returns when every answer is written and nothing more will come; fails when the
    /// connection itself does.
    async fn run(&mut self, mut command: watch::Receiver<Command>) -> Result<(), Fault> {
        let mut buffer = BytesMut::new();
        let mut now = *command.borrow_and_update();
        let alarm = tokio::time::sleep(self.shared.plan.frame_timeout);
        tokio::pin!(alarm);
        loop {
            if now != Command::Pause {
                self.decode(now);
            }
            if now == Command::Stop && self.open() && !self.decoder.in_frame() {
                self.end = End::Stopped;
            }
            if !self.open() && self.flight.is_empty() {
                return Ok(());
            }
            let reads = self.open() && now != Command::Pause && self.has_room();
            if !reads {
                // Time in which weir does not read is not the sender's.
                self.frame_began = self.frame_began.map(|_| Instant::now());
            }
            let deadline = self.deadline().filter(|_| reads);
            if let Some(deadline) = deadline
                && (deadline < alarm.deadline() || alarm.is_elapsed())
            {
                alarm.as_mut().reset(deadline);
            }
            let in_frame = self.decoder.in_frame();
            let (room, size) = (buffer.capacity(), if in_frame { READ_FRAME } else { READ_IDLE });
            if reads && (room < READ_IDLE / 4 || room > size) {
                buffer = BytesMut::with_capacity(size);
            }
            tokio::select! {
                biased;
                answer = self.flight.next(), if !self.flight.is_empty() => {
                    self.answer(answer).await?;
                }
                Some(message) = self.later.recv() => {
                    mllp::encode(&message, &mut self.out);
                    self.flush().await?;
                }
                read = self.stream.read_buf(&mut buffer), if reads => {
                    self.active = Instant::now();
                    match read {
                        Ok(0) => self.peer_closed(),
                        Ok(_) => self.decoder.push(buffer.split()),
                        Err(error) => return Err(self.lost(&error)),
                    }
                }
                changed = command.changed() => {
                    now = if changed.is_ok() { *command.borrow_and_update() } else { Command::Stop };
                }
                () = &mut alarm, if deadline.is_some() => self.alarm(),
            }
        }
    }

    const fn open(&self) -> bool {
        matches!(self.end, End::Open)
    }

    /// Whether another message may be in flight.
    fn has_room(&self) -> bool {
        let beside = self.in_flight_bytes - self.sizes.front().copied().unwrap_or(0);
        self.flight.len() < IN_FLIGHT_MAX && beside < IN_FLIGHT_BYTES_MAX
    }

    /// Puts a message or a refusal of so many bytes in flight.
    fn launch(&mut self, bytes: usize, pending: Pending<'a>) {
        self.sizes.push_back(bytes);
        self.in_flight_bytes += bytes;
        self.flight.push(pending);
    }

    /// Takes note that the oldest message in flight is answered.
    fn landed(&mut self) {
        self.in_flight_bytes -= self.sizes.pop_front().unwrap_or(0);
    }

    /// Hands over the frames that are there, as many as may be in flight.
    fn decode(&mut self, now: Command) {
        while self.open() && self.has_room() {
            match self.decoder.next() {
                // The peer's commit of an answer: nothing waits for it.
                Ok(Some(Event::Frame(bytes)))
                    if self.shared.plan.commit_bytes && mllp::is_commit(&bytes) => {}
                Ok(Some(Event::Frame(bytes))) => {
                    self.take(bytes);
                    if now == Command::Stop {
                        self.end = End::Stopped;
                    }
                }
                Ok(Some(Event::Junk(bytes))) => self.note_junk(bytes as u64),
                Ok(None) => break,
                Err(fault) => {
                    let begin = self.decoder.remains();
                    let begin = begin.get(..REFUSED_BYTES).unwrap_or(begin);
                    let arrival = self.arrival(Bytes::copy_from_slice(begin));
                    let size = arrival.bytes.len();
                    self.launch(size, self.shared.intake.refuse(arrival, fault.clone()));
                    self.end = End::Broken(fault);
                }
            }
        }
        self.tell_loose();
        if !self.decoder.in_frame() {
            self.frame_began = None;
        } else if self.frame_began.is_none() {
            self.frame_began = Some(Instant::now());
        }
    }

    fn take(&mut self, bytes: Bytes) {
        self.junk.run = 0;
        self.frame_began = None;
        self.messages += 1;
        let size = bytes.len();
        let arrival = self.arrival(bytes);
        self.launch(size, self.shared.intake.take(arrival));
    }

    fn arrival(&self, bytes: Bytes) -> Arrival {
        Arrival {
            bytes,
            peer: self.peer.clone(),
            received: self.shared.clock.now(),
            parent: None,
            origin: None,
            message_type: None,
            waits: true,
            back: Some(self.back.clone()),
        }
    }

    /// Writes one answer, and those behind it that are there too.
    async fn answer(&mut self, first: Answer) -> Result<(), Fault> {
        let mut next = Some(first);
        while let Some(answer) = next {
            self.landed();
            if self.shared.plan.commit_bytes {
                let block = match answer.taken {
                    Taken::Committed(_) | Taken::Refused(_) => mllp::ACK,
                    Taken::NotKept(_) => mllp::NAK,
                };
                mllp::encode(&[block], &mut self.out);
            }
            for reply in &answer.replies {
                mllp::encode(reply, &mut self.out);
            }
            if answer.close && self.open() {
                self.end = End::Answered;
            }
            next = if self.out.len() < WRITE_BYTES { self.flight.ready() } else { None };
        }
        self.flush().await
    }

    /// Writes what is gathered.
    async fn flush(&mut self) -> Result<(), Fault> {
        if self.out.is_empty() {
            return Ok(());
        }
        let stream = &mut self.stream;
        let out = &mut self.out;
        let write = async {
            stream.write_all_buf(out).await?;
            stream.flush().await
        };
        match timeout(self.shared.plan.write_timeout, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.lost(&error)),
            Err(_) => return Err(Fault::new(W2306)),
        }
        self.out = BytesMut::new();
        self.active = Instant::now();
        Ok(())
    }

    fn peer_closed(&mut self) {
        if let Some(Event::Frame(bytes)) = self.decoder.release() {
            self.take(bytes);
        }
        self.end =
            if self.decoder.in_frame() { End::Broken(Fault::new(W2307)) } else { End::PeerClosed };
    }

    fn lost(&self, error: &std::io::Error) -> Fault {
        let code = if self.decoder.in_frame() { W2307 } else { W2310 };
        Fault::new(code).because(error.kind().to_string())
    }

    /// When patience ends, with what is going on now.
    fn deadline(&self) -> Option<Instant> {
        let plan = &self.shared.plan;
        match self.frame_began {
            Some(_) if self.decoder.awaits_end() => Some(self.active + LOOSE_END),
            Some(began) => Some(began + plan.frame_timeout),
            None if !self.flight.is_empty() => None,
            None => plan.idle_timeout.map(|idle| self.active + idle),
        }
    }

    /// The alarm may ring early, because it is only ever moved forward.
    fn alarm(&mut self) {
        let late = self.deadline().is_some_and(|deadline| deadline <= Instant::now());
        if late && self.decoder.awaits_end() {
            if let Some(Event::Frame(bytes)) = self.decoder.release() {
                self.take(bytes);
            }
        } else if late && self.open() {
            let code = if self.frame_began.is_some() { W2304 } else { W2305 };
            self.end = End::Broken(Fault::new(code));
        }
    }

    fn note_junk(&mut self, bytes: u64) {
        self.junk.run += bytes;
        self.junk.untold += bytes;
        if !self.junk.told {
            self.junk.told = true;
            self.tell_junk();
        }
        if self.junk.run > JUNK_BYTES_MAX {
            self.end = End::Broken(Fault::new(W2309));
        }
    }

    /// The first junk of a connection is told at once, the rest when it ends: a peer that
    /// sends a line break after each frame must not fill the log.
    fn tell_junk(&mut self) {
        let bytes = std::mem::take(&mut self.junk.untold);
        if bytes > 0 {
            self.shared.events.note(&SourceEvent::Junk { peer: self.peer.clone(), bytes });
        }
    }

    /// Has the oddities counted that came since the last time.
    fn tell_loose(&mut self) {
        let odd = self.decoder.oddities();
        if odd != self.told {
            let oddities = odd.since(self.told);
            self.told = odd;
            self.shared.events.note(&SourceEvent::Loose { oddities });
        }
    }

    /// Tells once what was tolerated on this connection.
    fn tell_oddities(&self) {
        let odd = self.decoder.oddities();
        if odd.loose_ends + odd.restarts > 0 {
            let (peer, ends, restarts) = (&self.peer.address, odd.loose_ends, odd.restarts);
            let fault = Fault::new(W2312).because(format!(
                "{peer}: {ends} frames without CR after FS, {restarts} begun anew before their end"
            ));
            self.shared.events.note(&SourceEvent::Trouble { fault });
        }
    }

    /// Closes towards the peer and waits a little for it to do the same.
    async fn linger(&mut self) {
        let stream = &mut self.stream;
        let wait = async {
            if stream.shutdown().await.is_ok() {
                let mut drop = BytesMut::with_capacity(READ_IDLE);
                while stream.read_buf(&mut drop).await.is_ok_and(|read| read > 0) {
                    drop.clear();
                }
            }
        };
        // Whether the peer closes in time changes nothing.
        let _ = timeout(LINGER, wait).await;
    }
}
