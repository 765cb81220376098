//! Sockets.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A bound listener.
#[async_trait]
pub trait Listener: Send + Sync {
    /// Waits for the next connection. Cancel-safe.
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, SocketAddr)>;

    /// The address it is bound to, with the port the machine chose where 0 was asked for.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// Listens and connects.
#[async_trait]
pub trait Net: Send + Sync {
    /// Binds an address.
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>>;

    /// Connects to `host:port`. The caller bounds the time.
    async fn connect(&self, target: &str) -> io::Result<Box<dyn Stream>>;
}

/// The network of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNet;

struct SystemListener(tokio::net::TcpListener);

/// Connections that wait in the kernel while all hands are busy.
const BACKLOG: i32 = 1024;

#[async_trait]
impl Listener for SystemListener {
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok((Box::new(stream), peer))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[async_trait]
impl Net for SystemNet {
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        if let Some(held) = super::systemd::listener(address)? {
            return Ok(Box::new(SystemListener(tokio::net::TcpListener::from_std(held)?)));
        }
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Box::new(SystemListener(tokio::net::TcpListener::from_std(socket.into())?)))
    }

    async fn connect(&self, target: &str) -> io::Result<Box<dyn Stream>> {
        let stream = tokio::net::TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        let keepalive = socket2::TcpKeepalive::new().with_time(std::time::Duration::from_secs(60));
        socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        Ok(Box::new(stream))
    }
}
