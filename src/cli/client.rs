//! The way from the command line to a running server: HTTP over its local socket.

use std::path::PathBuf;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::exit::{Exit, Stop};
use super::shell::Shell;

/// Largest answer read: lists are paged well below it.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A server that runs on this machine.
pub struct Server {
    socket: PathBuf,
}

impl Server {
    /// Finds the socket that the configuration names.
    pub fn find(shell: &Shell) -> Result<Self, Stop> {
        Ok(Self::at(&shell.root, shell.site.as_deref()))
    }

    /// The server that runs on the configuration in `root`.
    pub fn at(root: &std::path::Path, site: Option<&str>) -> Self {
        Self { socket: crate::config::socket(root, site) }
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<hyper::Response<hyper::body::Incoming>, Stop> {
        let unreachable = |error: std::io::Error| {
            let text = format!(
                "no server answers on `{}` ({error}): start one with `weir run`",
                self.socket.display()
            );
            Stop::Said(Exit::Unreachable, text)
        };
        let stream = UnixStream::connect(&self.socket).await.map_err(unreachable)?;
        let broken = |error: hyper::Error| Stop::Said(Exit::Unreachable, error.to_string());
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        drive(connection);
        let bytes = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "weir")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(bytes)))
            .map_err(|error| Stop::Said(Exit::Bug, error.to_string()))?;
        sender.send_request(request).await.map_err(broken)
    }

    /// Asks and waits for the whole answer.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Stop> {
        let response = self.open(method, path, body).await?;
        let status = response.status();
        let value = whole(response).await?;
        if status.is_success() {
            return Ok(value);
        }
        Err(refused(status, &value))
    }

    /// Reads with GET.
    pub async fn get(&self, path: &str) -> Result<Value, Stop> {
        self.ask(Method::GET, path, None).await
    }

    /// Acts with POST.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Stop> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Reads a stream of JSON lines; `each` says whether to go on.
    pub async fn lines(
        &self,
        path: &str,
        mut each: impl FnMut(Value) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        let response = self.open(Method::GET, path, None).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(refused(status, &whole(response).await?));
        }
        let mut body = response.into_body();
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Stop::Said(Exit::Unreachable, error.to_string()))?;
            let Some(data) = frame.data_ref() else { continue };
            rest.extend_from_slice(data);
            while let Some(end) = memchr::memchr(b'\n', &rest) {
                let line: Vec<u8> = rest.drain(..=end).collect();
                if let Ok(value) = serde_json::from_slice(&line)
                    && !each(value)?
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// The whole answer, within its limit; null when it is no JSON.
async fn whole(response: hyper::Response<hyper::body::Incoming>) -> Result<Value, Stop> {
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let bytes = body.map_err(|error| Stop::Said(Exit::No, error.to_string()))?.to_bytes();
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Runs a connection beside the requests on it; it ends with the command.
#[expect(clippy::disallowed_methods, reason = "a command has no engine that owns its tasks")]
fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
    tokio::spawn(async move {
        // A broken connection is told by the request on it.
        let _ = connection.await;
    });
}

/// The stop for an answer that is a problem: its code, phrase and help, and an exit code.
fn refused(status: StatusCode, value: &Value) -> Stop {
    let exit = match status.as_u16() {
        400 | 422 => Exit::Usage,
        401 | 403 | 428 => Exit::NotAllowed,
        404 => Exit::NotFound,
        408 | 504 => Exit::Timeout,
        409 => Exit::No,
        500 => Exit::Bug,
        _ => Exit::Unreachable,
    };
    let part = |key: &str| value[key].as_str().unwrap_or_default();
    let parts = [part("code"), part("title"), part("detail")];
    let mut text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    if text.is_empty() {
        text = format!("the server answered {status}");
    }
    if !part("help").is_empty() {
        text.push_str(&format!("\n  help: {}", part("help")));
    }
    Stop::Said(exit, text)
}

/// Escapes a text for a query string.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_code_phrase_place_and_help() {
        let check = |status: u16, problem: Value, exit: Exit, expected: &str| match refused(
            StatusCode::from_u16(status).unwrap(),
            &problem,
        ) {
            Stop::Said(said, text) => assert_eq!((said, text.as_str()), (exit, expected)),
            other => panic!("{other:?}"),
        };
        let whole = serde_json::json!({
            "code": "W6905", "title": "no such channel", "detail": "nope", "help": "Look.",
        });
        check(404, whole, Exit::NotFound, "W6905: no such channel: nope\n  help: Look.");
        let short = serde_json::json!({ "code": "W8901", "title": "a reason is missing" });
        check(403, short, Exit::NotAllowed, "W8901: a reason is missing");
        check(502, Value::Null, Exit::Unreachable, "the server answered 502 Bad Gateway");
    }

    #[test]
    fn escapes_what_a_query_cannot_hold() {
        assert_eq!(escaped("type:ADT^A08 a&b"), "type%3AADT%5EA08%20a%26b");
    }
}
