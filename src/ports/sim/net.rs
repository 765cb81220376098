//! A simulated network: pipes between tasks of one process.
//!
//! Hosts do not matter, ports do: `ehr.example:2575` reaches whoever listens on port 2575.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::SplitMix;
use crate::ports::{Listener, Net, Stream};

/// Bytes in flight per direction, as the buffers of a socket.
const PIPE_BYTES: usize = 64 << 10;
/// Connections that wait to be accepted.
const BACKLOG: usize = 1024;
/// First port given where 0 was asked for.
const FIRST_PORT: u16 = 49_152;

/// What happens to connections to one port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Connecting is refused.
    pub refused: bool,
    /// How long connecting and each write take.
    pub delay: Duration,
    /// Once in so many writes the connection is reset; 0: never.
    pub reset_once_in: u64,
    /// Written bytes vanish and nothing is ever read, while the connection looks open.
    pub half_open: bool,
}

/// A connection that waits to be accepted, and where it came from.
type Arrival = (Box<dyn Stream>, SocketAddr);

#[derive(Default)]
struct State {
    listeners: HashMap<u16, mpsc::Sender<Arrival>>,
    weather: HashMap<u16, Weather>,
    links: Vec<(u16, Weak<Link>)>,
    next_port: u16,
}

/// One connection, as both its ends see it.
#[derive(Default)]
struct Link(Mutex<LinkState>);

#[derive(Default)]
struct LinkState {
    reset: bool,
    half_open: bool,
    wakers: Vec<Waker>,
}

/// The network.
pub struct SimNet {
    state: Arc<Mutex<State>>,
    random: Arc<SplitMix>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    fn change(&self, change: impl FnOnce(&mut LinkState)) {
        let wakers = {
            let mut state = lock(&self.0);
            change(&mut state);
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl SimNet {
    pub(super) fn new(seed: u64) -> Self {
        let state = State { next_port: FIRST_PORT, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), random: Arc::new(SplitMix::new(seed)) }
    }

    /// Sets what happens to connections to a port, open ones included.
    pub fn weather(&self, port: u16, weather: Weather) {
        let mut state = lock(&self.state);
        for (_, link) in state.links.iter().filter(|(p, _)| *p == port) {
            if let Some(link) = link.upgrade() {
                link.change(|link| link.half_open = weather.half_open);
            }
        }
        state.weather.insert(port, weather);
    }

    /// Resets all connections to a port.
    pub fn reset_port(&self, port: u16) {
        let links = lock(&self.state).links.clone();
        for (_, link) in links.iter().filter(|(p, _)| *p == port) {
            if let Some(link) = link.upgrade() {
                link.change(|link| link.reset = true);
            }
        }
    }

    /// Resets all connections and closes all listeners: the process died.
    pub(super) fn reset(&self) {
        let mut state = lock(&self.state);
        state.listeners.clear();
        for (_, link) in state.links.drain(..) {
            if let Some(link) = link.upgrade() {
                link.change(|link| link.reset = true);
            }
        }
    }
}

struct SimListener {
    address: SocketAddr,
    waiting: tokio::sync::Mutex<mpsc::Receiver<Arrival>>,
}

#[async_trait]
impl Listener for SimListener {
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, SocketAddr)> {
        let taken = self.waiting.lock().await.recv().await;
        taken.ok_or_else(|| io::Error::other("the listener is gone"))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

#[async_trait]
impl Net for SimNet {
    async fn listen(&self, mut address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        let (taking, waiting) = mpsc::channel(BACKLOG);
        let mut state = lock(&self.state);
        if address.port() == 0 {
            address.set_port(state.next_port);
            state.next_port = state.next_port.wrapping_add(1).max(FIRST_PORT);
        }
        // A listener that was dropped gives its port back.
        if state.listeners.get(&address.port()).is_some_and(|l| !l.is_closed()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        state.listeners.insert(address.port(), taking);
        Ok(Box::new(SimListener { address, waiting: tokio::sync::Mutex::new(waiting) }))
    }

    async fn connect(&self, target: &str) -> io::Result<Box<dyn Stream>> {
        let port = target.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        let port = port.ok_or(io::ErrorKind::InvalidInput)?;
        let weather = lock(&self.state).weather.get(&port).cloned().unwrap_or_default();
        if !weather.delay.is_zero() {
            tokio::time::sleep(weather.delay).await;
        }
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let link = Arc::new(Link::default());
        link.change(|link| link.half_open = weather.half_open);
        let end = |pipe| SimStream {
            pipe,
            link: link.clone(),
            net: self.state.clone(),
            random: self.random.clone(),
            port,
            pause: None,
            paused: false,
        };
        let mut state = lock(&self.state);
        let listener = state.listeners.get(&port).filter(|_| !weather.refused).cloned();
        let listener = listener.ok_or(io::ErrorKind::ConnectionRefused)?;
        let from = SocketAddr::from(([127, 0, 0, 1], state.next_port));
        state.next_port = state.next_port.wrapping_add(1).max(FIRST_PORT);
        state.links.retain(|(_, link)| link.strong_count() > 0);
        state.links.push((port, Arc::downgrade(&link)));
        drop(state);
        listener
            .try_send((Box::new(end(theirs)), from))
            .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(Box::new(end(ours)))
    }
}

/// One end of a connection.
struct SimStream {
    pipe: DuplexStream,
    link: Arc<Link>,
    net: Arc<Mutex<State>>,
    random: Arc<SplitMix>,
    port: u16,
    /// The delay of the write that is being made.
    pause: Option<Pin<Box<Sleep>>>,
    /// Whether that delay is over.
    paused: bool,
}

impl SimStream {
    /// Whether the connection was reset, and whether it is half open; wakes the task when
    /// that changes.
    fn look(&self, context: &Context<'_>) -> io::Result<bool> {
        let mut link = lock(&self.link.0);
        if link.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if !link.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            link.wakers.push(context.waker().clone());
        }
        Ok(link.half_open)
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.look(context)? {
            return Poll::Pending;
        }
        Pin::new(&mut self.pipe).poll_read(context, buffer)
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let half_open = self.look(context)?;
        let weather = lock(&self.net).weather.get(&self.port).cloned().unwrap_or_default();
        if !weather.delay.is_zero() && !self.paused {
            let mut pause =
                self.pause.take().unwrap_or_else(|| Box::pin(tokio::time::sleep(weather.delay)));
            if pause.as_mut().poll(context).is_pending() {
                self.pause = Some(pause);
                return Poll::Pending;
            }
            self.paused = true;
        }
        if weather.reset_once_in > 0 && self.random.once_in(weather.reset_once_in) {
            self.link.change(|link| link.reset = true);
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if half_open {
            self.paused = false;
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.pipe).poll_write(context, bytes);
        if written.is_ready() {
            self.paused = false;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.look(context)?;
        Pin::new(&mut self.pipe).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    async fn pair(net: &SimNet) -> (Box<dyn Stream>, Box<dyn Stream>, u16) {
        let listener = net.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ours = net.connect(&format!("peer.example:{port}")).await.unwrap();
        let (theirs, _) = listener.accept().await.unwrap();
        (ours, theirs, port)
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_arrive_late_when_told_so() {
        let net = SimNet::new(1);
        let (mut ours, mut theirs, port) = pair(&net).await;
        net.weather(port, Weather { delay: Duration::from_secs(3), ..Weather::default() });
        let start = Instant::now();
        ours.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        theirs.read_exact(&mut bytes).await.unwrap();
        assert_eq!((&bytes, start.elapsed().as_secs()), (b"ping", 3));
        drop(ours);
        assert_eq!(theirs.read(&mut bytes).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn refused_reset_and_half_open() {
        let net = SimNet::new(1);
        assert_eq!(
            net.connect("peer:1").await.err().unwrap().kind(),
            io::ErrorKind::ConnectionRefused
        );
        let (mut ours, mut theirs, port) = pair(&net).await;
        net.weather(port, Weather { half_open: true, ..Weather::default() });
        ours.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        let read = tokio::time::timeout(Duration::from_secs(60), theirs.read(&mut bytes));
        assert!(read.await.is_err());
        let waiting = tokio::spawn(async move { theirs.read(&mut [0; 4]).await });
        tokio::task::yield_now().await;
        net.reset_port(port);
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(ours.write_all(b"x").await.is_err());
        net.weather(port, Weather { refused: true, ..Weather::default() });
        assert!(net.connect(&format!("peer:{port}")).await.is_err());
    }
}
