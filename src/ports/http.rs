//! An HTTP/1.1 client of one origin, on the port of sockets: one kept connection, one
//! request at a time, bounded answers.
//!
//! Nothing is spawned: the connection is driven while a request is under way, and dropped
//! with the future of the request. Redirects are not followed and nothing is sent twice
//! but a request that provably never left.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{DATE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;

use super::tls::{PeerTls, TlsClientPlan, dial};
use super::{Net, Stream};
use crate::base::Timestamp;
use crate::fault::{Fault, codes::*};

/// Longest wait that a server may ask for; a longer one is likely a mistake and would look
/// like a stuck queue.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// A URL taken apart: scheme, origin and path. Holds no user name, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether TLS is used.
    pub https: bool,
    /// Host without port; an IPv6 address in brackets.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
    /// Path without a slash at its end; empty for the root.
    pub path: Arc<str>,
}

impl Url {
    /// Reads `https://host[:port][/path]`; `http` too.
    ///
    /// # Errors
    /// `W7505` for anything else, user names and queries included.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let wrong = |why: &'static str| Fault::new(W7505).because(why);
        if text.contains(['#', '?', '@']) {
            return Err(wrong("a base URL has no user name, query or fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| wrong("not a URL"))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("a URL begins with `https://` or `http://`")),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("no host"))?;
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let path = uri.path().trim_end_matches('/').into();
        Ok(Self { https, host: host.into(), port, path })
    }

    /// `host:port`.
    #[must_use]
    pub fn target(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The server alone: without a path, its host in lower case.
    #[must_use]
    pub fn origin(&self) -> Self {
        let host = self.host.to_ascii_lowercase().into();
        Self { https: self.https, host, port: self.port, path: "".into() }
    }

    /// Whether both are the same server: scheme, host and port.
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        self.https == other.https
            && self.port == other.port
            && self.host.eq_ignore_ascii_case(&other.host)
    }

    fn authority(&self) -> String {
        let default = if self.https { 443 } else { 80 };
        if self.port == default { self.host.to_string() } else { self.target() }
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// A request.
#[derive(Clone)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// Path, and query where there is one, from the root.
    pub path: String,
    /// Headers besides `Host` and the length.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Body.
    pub body: Bytes,
}

/// An answer. `Debug` shows status and length only.
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; `None` when it is larger than asked for.
    pub body: Option<Bytes>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (<phi> {:?} B)", self.status, self.body.as_ref().map(Bytes::len))
    }
}

impl Answer {
    /// When the server says that it answered, by its own clock.
    ///
    /// Source: RFC 9110 §6.6.1.
    #[must_use]
    pub fn date(&self) -> Option<Timestamp> {
        let text = self.headers.get(DATE)?.to_str().ok()?.trim();
        let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Some(Timestamp::from_micros(date.as_microsecond()))
    }

    /// How long the server asks to be left alone: seconds, or a date.
    ///
    /// Source: RFC 9110 §10.2.3.
    #[must_use]
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        retry_after(&self.headers, now)
    }
}

/// How long the server of an answer with these headers asks to be left alone.
///
/// Source: RFC 9110 §10.2.3.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            Timestamp::from_micros(date.as_microsecond()).since(now)
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

type Driver = Pin<Box<Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>>>;

struct Link {
    sender: SendRequest<Full<Bytes>>,
    driver: Driver,
}

/// A client of one origin.
pub struct Client {
    url: Url,
    tls: Option<PeerTls>,
    link: Option<Link>,
    body_max: usize,
}

impl Client {
    /// Prepares a client; connects nothing. Without a plan, `https` trusts the roots of
    /// the machine.
    ///
    /// # Errors
    /// `W75xx` for certificates, keys and names that cannot be used.
    pub fn new(url: Url, tls: Option<&TlsClientPlan>, body_max: usize) -> Result<Self, Fault> {
        let tls = match url.https {
            true => Some(match tls {
                Some(plan) => PeerTls::new(plan, &url.host)?,
                None => PeerTls::new(&TlsClientPlan::default(), &url.host)?,
            }),
            false => None,
        };
        Ok(Self { url, tls, link: None, body_max })
    }

    /// The URL it was made with.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Connects unless a connection stands.
    ///
    /// # Errors
    /// `W7101` to `W7107`.
    pub async fn open(&mut self, net: &dyn Net) -> Result<(), Fault> {
        if self.link.as_mut().is_some_and(Link::stands) {
            return Ok(());
        }
        self.link = None;
        let stream = dial(net, &self.url.target(), self.tls.as_ref()).await?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Fault::new(W7107).caused_by(error))?;
        self.link = Some(Link { sender, driver: Box::pin(driver) });
        Ok(())
    }

    /// Lets go of the connection.
    pub fn close(&mut self) {
        self.link = None;
    }

    /// Sends a request and reads the answer. The caller bounds the time.
    ///
    /// # Errors
    /// `W7101` to `W7107` of the connection, `W7109` when the answer is not HTTP.
    pub async fn send(&mut self, net: &dyn Net, call: Call) -> Result<Answer, Fault> {
        let kept = self.link.as_mut().is_some_and(Link::stands);
        match self.send_once(net, call.clone()).await {
            // A kept connection that closed just then: nothing of the request left.
            Err(Failed::NotSent(_)) if kept => {
                self.link = None;
                self.send_once(net, call).await.map_err(Failed::fault)
            }
            other => other.map_err(Failed::fault),
        }
    }

    /// Sends a request on a connection of its own, for an answer that is read piece by piece.
    /// The caller bounds the time.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn fetch(&mut self, net: &dyn Net, call: Call) -> Result<Download, Fault> {
        self.link = None;
        self.open(net).await?;
        let request = self.request(call)?;
        let Some(mut link) = self.link.take() else {
            return Err(Fault::new(W9001).because("opened without a connection"));
        };
        let sender = &mut link.sender;
        let exchange = async move {
            sender.ready().await.map_err(|_| Fault::new(W7107))?;
            sender.send_request(request).await.map_err(|error| failed(error).fault())
        };
        let (answer, ended) = {
            let mut exchange = pin!(exchange);
            tokio::select! {
                biased;
                answer = &mut exchange => (answer?, false),
                // The connection ended; what was read of the answer is still handed out.
                _ = &mut link.driver => (exchange.await?, true),
            }
        };
        let (head, body) = answer.into_parts();
        Ok(Download { status: head.status.as_u16(), headers: head.headers, body, link, ended })
    }

    async fn send_once(&mut self, net: &dyn Net, call: Call) -> Result<Answer, Failed> {
        self.open(net).await.map_err(Failed::Fault)?;
        let request = self.request(call).map_err(Failed::Fault)?;
        let Some(mut link) = self.link.take() else {
            return Err(Failed::Fault(Fault::new(W9001).because("opened without a connection")));
        };
        let limit = self.body_max;
        let sender = &mut link.sender;
        let exchange = async move {
            sender.ready().await.map_err(|_| Failed::NotSent(Fault::new(W7107)))?;
            let answer = sender.send_request(request).await.map_err(failed)?;
            let (head, body) = answer.into_parts();
            let body = match Limited::new(body, limit).collect().await {
                Ok(body) => Some(body.to_bytes()),
                Err(error) if error.is::<http_body_util::LengthLimitError>() => None,
                Err(_) => {
                    return Err(Failed::Fault(Fault::new(W7107).because("within the answer")));
                }
            };
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
        };
        let answer = {
            let mut exchange = pin!(exchange);
            tokio::select! {
                biased;
                answer = &mut exchange => answer,
                // The connection ended; what was read of the answer is still handed out.
                _ = &mut link.driver => return exchange.await,
            }
        };
        if answer.as_ref().is_ok_and(|answer| answer.body.is_some()) {
            self.link = Some(link);
        }
        answer
    }

    fn request(&self, call: Call) -> Result<Request<Full<Bytes>>, Fault> {
        let unfit = |_| Fault::new(W7505).because("it cannot be written into a request");
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .body(Full::new(call.body))
            .map_err(unfit)?;
        let headers = request.headers_mut();
        let host = HeaderValue::from_str(&self.url.authority())
            .map_err(|_| Fault::new(W7505).because("not a host name"))?;
        headers.insert(HOST, host);
        for (name, value) in call.headers {
            headers.insert(name, value);
        }
        Ok(request)
    }
}

/// An answer whose body is read piece by piece; its connection goes with it.
pub struct Download {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    body: Incoming,
    link: Link,
    /// The connection came to its end.
    ended: bool,
}

impl Download {
    /// The next piece of the body; none at its end. Cancel-safe. The caller bounds the time.
    ///
    /// # Errors
    /// `W7107` when the connection ended before the body did.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            let frame = tokio::select! {
                biased;
                frame = self.body.frame() => frame,
                _ = &mut self.link.driver, if !self.ended => {
                    self.ended = true;
                    continue;
                }
            };
            match frame {
                None => return Ok(None),
                Some(Err(_)) => return Err(Fault::new(W7107).because("within the answer")),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

enum Failed {
    /// Nothing of the request left.
    NotSent(Fault),
    Fault(Fault),
}

impl Failed {
    fn fault(self) -> Fault {
        match self {
            Self::NotSent(fault) | Self::Fault(fault) => fault,
        }
    }
}

fn failed(error: hyper::Error) -> Failed {
    if error.is_canceled() {
        return Failed::NotSent(Fault::new(W7107).caused_by(error));
    }
    let code = if error.is_parse() { W7109 } else { W7107 };
    Failed::Fault(Fault::new(code).caused_by(error))
}

impl Link {
    /// Whether the connection is still open, as far as can be seen without waiting.
    fn stands(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let driven: Poll<_> = self.driver.as_mut().poll(&mut context);
        driven.is_pending() && !self.sender.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SystemNet;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn reads_urls() {
        let check = |text: &str, expected: Option<&str>| {
            let read = Url::parse(text).ok().map(|url| format!("{} {}", url.target(), url.path));
            assert_eq!(read.as_deref(), expected, "{text}");
        };
        check("https://fhir.example/r4", Some("fhir.example:443 /r4"));
        check("https://fhir.example/r4/", Some("fhir.example:443 /r4"));
        check("http://[::1]:8080", Some("[::1]:8080 "));
        for bad in [
            "",
            "fhir.example",
            "ftp://a",
            "https://",
            "https://u:p@a/",
            "https://a/?q",
            "https://a/#f",
        ] {
            check(bad, None);
        }
        assert_eq!(Url::parse("http://a:80/x/").unwrap().to_string(), "http://a/x");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::parse("2026-01-02T03:04:05Z").unwrap();
        let check = |text: &str, seconds: Option<u64>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            let answer = Answer { status: 503, headers, body: None };
            assert_eq!(answer.retry_after(now), seconds.map(Duration::from_secs), "{text}");
        };
        check("120", Some(120));
        check("Fri, 02 Jan 2026 03:05:05 GMT", Some(60));
        check("Fri, 02 Jan 2026 03:00:00 GMT", Some(0));
        check("99999999", Some(86_400));
        check("soon", None);
        check("-1", None);
    }

    /// A server that answers each connection's requests by the texts given, then closes.
    async fn server(connections: Vec<Vec<&'static str>>) -> (Url, tokio::task::JoinHandle<usize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let task = tokio::task::spawn(async move {
            let mut requests = 0;
            for answers in connections {
                let (mut stream, _) = listener.accept().await.unwrap();
                for answer in answers {
                    let mut seen = Vec::new();
                    while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
                        if stream.read_buf(&mut seen).await.unwrap() == 0 {
                            return requests;
                        }
                    }
                    requests += 1;
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
            requests
        });
        (url, task)
    }

    fn call() -> Call {
        Call { method: Method::GET, path: "/x".to_owned(), headers: vec![], body: Bytes::new() }
    }

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

    #[tokio::test]
    async fn keeps_its_connection_and_makes_a_new_one_when_the_server_closed() {
        let (url, task) = server(vec![vec![OK, OK], vec![OK]]).await;
        let mut client = Client::new(url, None, 100).unwrap();
        for _ in 0..3 {
            let answer = client.send(&SystemNet, call()).await.unwrap();
            assert_eq!((answer.status, answer.body.as_deref()), (200, Some(&b"hi"[..])));
        }
        drop(client);
        assert_eq!(task.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn downloads_come_in_pieces_and_breaks_are_told() {
        let check = async |answer: &'static str, expected: Result<&str, crate::fault::Code>| {
            let (url, _task) = server(vec![vec![answer]]).await;
            let mut client = Client::new(url, None, 4).unwrap();
            let mut download = client.fetch(&SystemNet, call()).await.unwrap();
            assert_eq!(download.status, 200);
            let mut body = Vec::new();
            let found = loop {
                match download.piece().await {
                    Ok(Some(piece)) => body.extend_from_slice(&piece),
                    Ok(None) => break Ok(std::str::from_utf8(&body).unwrap()),
                    Err(fault) => break Err(fault.code()),
                }
            };
            assert_eq!(found, expected, "{answer}");
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef", Ok("abcdef")).await;
        check("HTTP/1.1 200 OK\r\n\r\nabcdef", Ok("abcdef")).await;
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            Ok("abc"),
        )
        .await;
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na", Err(W7107)).await;
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", Err(W7107)).await;
    }

    #[tokio::test]
    async fn answers_are_bounded_and_breaks_are_told() {
        let check =
            async |answer: &'static str, expected: Result<Option<&[u8]>, crate::fault::Code>| {
                let (url, _task) = server(vec![vec![answer]]).await;
                let mut client = Client::new(url, None, 4).unwrap();
                let found = client.send(&SystemNet, call()).await;
                let found = found.map(|answer| answer.body).map_err(|fault| fault.code());
                assert_eq!(
                    found.as_ref().map(Option::as_deref),
                    expected.as_ref().copied(),
                    "{answer}"
                );
            };
        check("HTTP/1.1 200 OK\r\n\r\nabcd", Ok(Some(b"abcd"))).await;
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", Ok(None)).await;
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na", Err(W7107)).await;
        check("MSH|not HTTP\r\n\r\n", Err(W7109)).await;
        check("", Err(W7107)).await;
    }
}
