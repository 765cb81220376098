//! Reading a request: its body within limits of size, time and memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::answer::Reply;
use super::content::{self, Media};
use super::gzip::{Unpack, Wrong};
use crate::base::ByteSize;
use crate::fault::Fault;
use crate::fault::codes::{W2327, W2329, W2330, W2331, W2333};
use crate::fhir::rest::Conditions;

/// Bodies in memory at a time, all connections of a source together: as many as the largest
/// four, but at least this. Beyond it, senders come again.
const BODIES_BYTES_MIN: usize = 256 << 20;

/// How long a sender waits that met no room.
pub(in crate::source) const BUSY_WAIT: Duration = Duration::from_secs(2);

/// A header as text; none where it is missing, not text or there twice: two values could mean
/// one thing to a proxy and another to weir.
pub(in crate::source) fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    if all.next().is_some() {
        return None;
    }
    first.to_str().ok()
}

/// The conditions of a request. One that stands twice or cannot be read is one that cannot be
/// kept: it is passed on as text that is refused.
pub(in crate::source) fn conditions(headers: &HeaderMap) -> Conditions<'_> {
    let read = |name: &'static str| {
        let name = HeaderName::from_static(name);
        headers.contains_key(&name).then(|| header(headers, &name).unwrap_or("\u{fffd}"))
    };
    Conditions {
        if_match: read("if-match"),
        if_none_match: read("if-none-match"),
        if_none_exist: read("if-none-exist"),
        if_modified_since: read("if-modified-since"),
    }
}

/// What the body of a request is.
pub(in crate::source) fn media(headers: &HeaderMap) -> Result<Media, Box<Reply>> {
    content::media(header(headers, &CONTENT_TYPE)).map_err(|fault| Reply::refusal(415, fault))
}

/// Limits of bodies.
#[derive(Clone)]
pub(in crate::source) struct Limits {
    /// Largest body, unpacked.
    pub size: usize,
    /// Longest time for it.
    pub time: Duration,
    /// Room for all bodies, in KiB.
    room: Arc<Semaphore>,
}

impl Limits {
    pub(in crate::source) fn new(size: ByteSize, time: Duration) -> Self {
        let size = size.as_usize();
        let room = size.saturating_mul(4).max(BODIES_BYTES_MIN) >> 10;
        let room = Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS)));
        Self { size, time, room }
    }

    /// Room for so many bytes, at once or not at all: who waited would hold what others need.
    fn room_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Box<Reply>> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        self.room.clone().try_acquire_many_owned(kib).map_err(|_| {
            let fault = Fault::new(W2333).because("too many bodies are on their way");
            Box::new(Reply::outcome(503, &[fault]).again_after(BUSY_WAIT))
        })
    }

    fn too_large(&self) -> Box<Reply> {
        let fault = Fault::new(W2329).because(format!("at most {}", ByteSize(self.size as u64)));
        Reply::refusal(413, fault)
    }
}

/// A body with the room it takes, given back when it goes.
pub(in crate::source) struct Body {
    pub bytes: Bytes,
    is_none: bool,
    _room: Option<OwnedSemaphorePermit>,
}

impl Body {
    /// No body.
    pub(in crate::source) const fn none() -> Self {
        Self { bytes: Bytes::new(), is_none: true, _room: None }
    }

    /// Whether the request has none by its nature.
    pub(in crate::source) const fn is_none(&self) -> bool {
        self.is_none
    }
}

/// Whether a body is packed.
pub(in crate::source) fn is_packed(headers: &HeaderMap) -> Result<bool, Box<Reply>> {
    match header(headers, &CONTENT_ENCODING).map(str::to_ascii_lowercase).as_deref() {
        None if headers.contains_key(CONTENT_ENCODING) => {
            Err(Reply::refusal(415, Fault::new(W2327).because("`Content-Encoding` cannot be read")))
        }
        None | Some("" | "identity") => Ok(false),
        Some("gzip" | "x-gzip") => Ok(true),
        Some(_) => {
            Err(Reply::refusal(415, Fault::new(W2327).because("of encodings only gzip is taken")))
        }
    }
}

/// Reads the whole body.
pub(in crate::source) async fn read(
    headers: &HeaderMap,
    body: Incoming,
    limits: &Limits,
) -> Result<Body, Box<Reply>> {
    let packed = is_packed(headers)?;
    let declared = header(headers, &CONTENT_LENGTH).and_then(|text| text.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limits.size) {
        return Err(limits.too_large());
    }
    let mut stream = Stream::new(body, Instant::now() + limits.time);
    let mut held = Held::new(limits);
    let mut plain = BytesMut::with_capacity(declared.unwrap_or(0).min(64 << 10));
    let mut unpack = packed.then(|| Unpack::new(limits.size));
    while let Some(chunk) = stream.next().await? {
        match &mut unpack {
            None => {
                if plain.len() + chunk.len() > limits.size {
                    return Err(limits.too_large());
                }
                plain.extend_from_slice(&chunk);
                held.grow(plain.len())?;
            }
            Some(unpack) => {
                unpack.push(&chunk).map_err(|wrong| limits.unpacked(wrong))?;
                held.grow(unpack.len())?;
            }
        }
    }
    let bytes = match unpack {
        None => plain.freeze(),
        Some(mut unpack) => {
            unpack.finish().map_err(|wrong| limits.unpacked(wrong))?;
            unpack.take().into()
        }
    };
    Ok(Body { bytes, is_none: false, _room: held.permit })
}

impl Limits {
    pub(in crate::source) fn unpacked(&self, wrong: Wrong) -> Box<Reply> {
        match wrong {
            Wrong::TooLarge => self.too_large(),
            Wrong::Broken => broken("it is no gzip, or ends too early"),
        }
    }
}

/// Room that is held for a body as it grows.
struct Held<'l> {
    limits: &'l Limits,
    permit: Option<OwnedSemaphorePermit>,
}

impl<'l> Held<'l> {
    const fn new(limits: &'l Limits) -> Self {
        Self { limits, permit: None }
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Box<Reply>> {
        let has = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) << 10;
        if bytes <= has {
            return Ok(());
        }
        // A large step, so that a body asks a few times only.
        let more = self.limits.room_for((bytes - has).max(64 << 10))?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }
}

/// The chunks of a body, until a time.
pub(in crate::source) struct Stream {
    body: Incoming,
    pub until: Instant,
}

impl Stream {
    pub(in crate::source) const fn new(body: Incoming, until: Instant) -> Self {
        Self { body, until }
    }

    /// The next chunk; none at the end.
    pub(in crate::source) async fn next(&mut self) -> Result<Option<Bytes>, Box<Reply>> {
        loop {
            let frame = match timeout_at(self.until, self.body.frame()).await {
                Err(_) => return Err(Reply::refusal(408, Fault::new(W2330))),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => return Err(broken("the connection ended within it")),
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers say nothing that matters here.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

fn broken(why: &'static str) -> Box<Reply> {
    Reply::refusal(400, Fault::new(W2331).because(why))
}
