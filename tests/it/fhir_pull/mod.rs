//! The sources that fetch from FHIR servers, through the real binary, against a small server
//! that says what a test wants it to say.

mod bulk;
mod subscription;
mod trouble;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::site::Site;

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What the server says.
#[derive(Clone, Debug)]
pub struct Said {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Bytes of the body after which the connection breaks.
    breaks: Option<usize>,
    /// Bytes of the body after which nothing more comes.
    stalls: Option<usize>,
}

impl Said {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), breaks: None, stalls: None }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn breaking(self, after: usize) -> Self {
        Self { breaks: Some(after), ..self }
    }

    pub fn stalling(self, after: usize) -> Self {
        Self { stalls: Some(after), ..self }
    }
}

type Answers = Arc<dyn Fn(&Foreign, &Seen) -> Said + Send + Sync>;

/// A server that is not ours.
#[derive(Clone)]
pub struct Foreign {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Foreign {
    /// Starts one with answers to requests; it lives as long as the runtime.
    pub async fn start(answers: impl Fn(&Self, &Seen) -> Said + Send + Sync + 'static) -> Self {
        #[allow(clippy::disallowed_methods, reason = "tests run a real server")]
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { url, seen: Arc::default() };
        let (own, answers): (Self, Answers) = (server.clone(), Arc::new(answers));
        #[allow(clippy::disallowed_methods, reason = "the task ends with the runtime")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(own.clone().serve(stream, answers.clone()));
            }
        });
        server
    }

    async fn serve(self, mut stream: TcpStream, answers: Answers) {
        let mut bytes = Vec::new();
        loop {
            let (seen, used) = loop {
                if let Some(read) = request(&bytes) {
                    break read;
                }
                if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    return;
                }
            };
            bytes.drain(..used);
            self.seen.lock().unwrap().push(seen.clone());
            let said = answers(&self, &seen);
            let mut head =
                format!("HTTP/1.1 {} Told\r\nContent-Length: {}\r\n", said.status, said.body.len());
            for (name, value) in &said.headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            head.push_str("\r\n");
            let cut = said.breaks.or(said.stalls).unwrap_or(said.body.len());
            let body = &said.body[..cut.min(said.body.len())];
            if stream.write_all(head.as_bytes()).await.is_err()
                || stream.write_all(body).await.is_err()
            {
                return;
            }
            if said.stalls.is_some() {
                std::future::pending::<()>().await;
            }
            if said.breaks.is_some() {
                return;
            }
        }
    }

    /// The requests so far whose line begins so.
    pub fn seen(&self, begin: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.line().starts_with(begin)).cloned().collect()
    }
}

fn request(bytes: &[u8]) -> Option<(Seen, usize)> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let (line, rest) = head.split_once("\r\n")?;
    let headers: BTreeMap<String, String> = rest
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    let body = bytes.get(end + 4..end + 4 + length)?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let body = String::from_utf8_lossy(body).into_owned();
    Some((Seen { method, path, headers, body }, end + 4 + length))
}

/// Writes a channel `in` with this source and a directory as its destination.
pub fn channel(site: &Site, source: &str) {
    let text = format!(
        "[channel]\nname = \"in\"\n[source]\n{source}\n\
         [consent]\npolicy = \"none\"\nwhy = \"synthetic input\"\n\
         [destination.out]\ntype = \"file\"\ndir = \"out\"\n\
         recipient = \"Organization/out\"\npurpose = \"TREAT\"\n"
    );
    site.file("channels/in.toml", &text);
}

/// What was written so far, in order of names.
pub fn files(site: &Site) -> Vec<String> {
    let dir = std::fs::read_dir(site.root().join("out"));
    let mut paths: Vec<_> = dir
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect()
}

/// Waits until something holds.
pub async fn until(site: &Site, what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain: {what}\n{}", site.log());
}

pub fn patient(id: &str, version: u32) -> String {
    format!(
        "{{\"resourceType\":\"Patient\",\"id\":\"{id}\",\"meta\":{{\"versionId\":\"{version}\"}},\
         \"name\":[{{\"family\":\"Zzsecretname\"}}]}}"
    )
}
