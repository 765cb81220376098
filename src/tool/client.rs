//! An MLLP client: one connection, one message at a time or many in flight.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::base::limits;
use crate::fault::codes::{W7107, W7108};
use crate::fault::{Fault, Place};
use crate::hl7v2::mllp::{self, Decoder, Event, Framing};
use crate::ports::tls::{self, PeerTls};
use crate::ports::{Ports, Stream};

/// Bytes asked for in one read: several acknowledgments at once.
const READ_BYTES: usize = 16 << 10;

/// A connection to an MLLP listener.
pub struct MllpClient {
    stream: Box<dyn Stream>,
    decoder: Decoder,
    place: Place,
    out: BytesMut,
}

impl MllpClient {
    /// Connects to `host:port`, with TLS where asked for.
    ///
    /// # Errors
    /// `W7101` to `W7106` when the peer cannot be reached, as [`tls::dial`] says.
    pub async fn connect(
        ports: &Ports,
        target: &str,
        tls: Option<&PeerTls>,
    ) -> Result<Self, Fault> {
        let stream = tls::dial(&*ports.net, target, tls).await?;
        let decoder = Decoder::new(Framing::Lenient, limits::FRAME_BYTES_DEFAULT.as_usize());
        let place = Place::path(Arc::<str>::from(target));
        Ok(Self { stream, decoder, place, out: BytesMut::new() })
    }

    /// Writes one message in its frame.
    ///
    /// # Errors
    /// `W7107` when the connection broke.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), Fault> {
        self.out.clear();
        mllp::encode(message, &mut self.out);
        self.stream.write_all(&self.out).await.map_err(|error| self.broken(error))
    }

    /// Waits for the next message from the peer.
    ///
    /// # Errors
    /// `W7107` when the connection broke or ended, `W2xxx` for a frame that is too large.
    pub async fn receive(&mut self) -> Result<Bytes, Fault> {
        loop {
            while let Some(event) = self.decoder.next()? {
                if let Event::Frame(content) = event {
                    return Ok(content);
                }
            }
            let mut buffer = BytesMut::with_capacity(READ_BYTES);
            let read = self.stream.read_buf(&mut buffer).await;
            if read.map_err(|error| self.broken(error))? == 0 {
                let ended = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                return Err(self.broken(ended));
            }
            self.decoder.push(buffer);
        }
    }

    /// Sends one message and waits for its answer.
    ///
    /// # Errors
    /// Those of [`MllpClient::send`] and [`MllpClient::receive`], and `W7108` when no answer
    /// came within `timeout`.
    pub async fn ask(
        &mut self,
        ports: &Ports,
        message: &[u8],
        timeout: Duration,
    ) -> Result<Bytes, Fault> {
        self.send(message).await?;
        let place = self.place.clone();
        tokio::select! {
            answer = self.receive() => answer,
            () = ports.clock.sleep(timeout) => Err(Fault::new(W7108).at(place)),
        }
    }

    fn broken(&self, error: std::io::Error) -> Fault {
        Fault::new(W7107).at(self.place.clone()).caused_by(error)
    }
}
