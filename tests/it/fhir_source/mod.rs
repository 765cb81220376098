//! The source `fhir` through the real binary and real sockets.

mod answers;
mod bad;
mod connections;
mod forms;
mod guard;
mod records;
mod relay;
mod writes;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use weir::ports::SystemNet;
use weir::ports::http::{Answer, Call, Client, Url};

use crate::support::free_address;
use crate::support::site::{Running, Site};

const JSON: (&str, &str) = ("content-type", "application/fhir+json");

/// A channel with a source `fhir` and the server that runs it.
struct Endpoint {
    site: Site,
    running: Running,
    address: SocketAddr,
}

impl Endpoint {
    /// Starts a channel `in` with these further keys of its source and this destination.
    fn start(source: &str, destination: &str) -> Self {
        let site = Site::new();
        let address = free_address();
        channel(&site, "in", address, source, destination);
        Self::run(site, address)
    }

    fn run(site: Site, address: SocketAddr) -> Self {
        let running = site.start();
        Self { site, running, address }
    }

    /// One that writes what it takes into files.
    fn to_files(source: &str) -> Self {
        Self::start(source, "type = \"file\"\ndir = \"out\"")
    }

    /// One that keeps what it takes, and answers as a FHIR server does.
    fn of_records() -> Self {
        Self::start("reply = \"after-delivery\"", "type = \"records\"")
    }

    /// The same, told by which address it is known.
    fn of_records_with_url() -> Self {
        let site = Site::new();
        let address = free_address();
        let source = format!("reply = \"after-delivery\"\npublic_url = \"http://{address}/fhir\"");
        channel(&site, "in", address, &source, "type = \"records\"");
        Self::run(site, address)
    }

    fn base(&self) -> String {
        format!("http://{}/fhir", self.address)
    }

    /// Sends `METHOD path` below the base with headers and a body.
    async fn send(&self, line: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Told {
        send_to(self.address, line, headers, body).await
    }

    /// Sends a resource in JSON.
    async fn json(&self, line: &str, body: &str) -> Told {
        self.send(line, &[JSON], body.to_owned()).await
    }

    async fn get(&self, path: &str) -> Told {
        self.send(&format!("GET {path}"), &[], "").await
    }

    /// What was written to files so far, in order of arrival.
    fn files(&self) -> Vec<String> {
        let dir = std::fs::read_dir(self.site.root().join("out"));
        let mut paths: Vec<_> =
            dir.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    /// Waits for so many files.
    async fn wait_files(&self, count: usize) -> Vec<String> {
        for _ in 0..500 {
            let files = self.files();
            if files.len() >= count {
                return files;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} files of {count}:\n{}", self.files().len(), self.site.log());
    }

    /// Asks a status address until it has an end.
    async fn outcome(&self, address: &str) -> Told {
        let path = address.strip_prefix(&self.base()).unwrap();
        for _ in 0..500 {
            let told = self.get(path).await;
            if told.status != 202 {
                return told;
            }
            assert!(told.header("retry-after").is_some() && told.body.is_empty());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no end:\n{}", self.site.log());
    }

    fn ledger(&self) -> String {
        self.site.ok(&["ledger"])
    }

    fn stop(self) {
        assert!(self.running.stop().success());
    }
}

/// Sends `METHOD path` below the base at an address.
async fn send_to(
    address: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Told {
    let (method, path) = line.split_once(' ').unwrap();
    let url = Url::parse(&format!("http://{address}")).unwrap();
    let mut client = Client::new(url, None, 16 << 20).unwrap();
    let header = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
    };
    let call = Call {
        method: method.parse::<Method>().unwrap(),
        path: format!("/fhir{path}"),
        headers: headers.iter().map(header).collect(),
        body: body.into(),
    };
    let answer = tokio::time::timeout(Duration::from_secs(40), client.send(&SystemNet, call));
    Told::of(answer.await.unwrap().unwrap())
}

/// Writes a channel.
fn channel(site: &Site, name: &str, listen: SocketAddr, source: &str, destination: &str) {
    let text = format!(
        "[channel]\nname = \"{name}\"\n\
         [source]\ntype = \"fhir\"\nlisten = \"{listen}\"\n{source}\n\
         [consent]\npolicy = \"none\"\nwhy = \"synthetic input\"\n\
         [destination.out]\n{destination}\n\
         recipient = \"Organization/out\"\npurpose = \"TREAT\"\n"
    );
    site.file(&format!("channels/{name}.toml"), &text);
}

/// An answer, read.
struct Told {
    status: u16,
    headers: hyper::HeaderMap,
    body: String,
}

impl Told {
    fn of(answer: Answer) -> Self {
        let body = answer.body.unwrap();
        Self {
            status: answer.status,
            body: String::from_utf8_lossy(&body).into_owned(),
            headers: answer.headers,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The value at a pointer, as text.
    fn at(&self, pointer: &str) -> String {
        let value = self.value();
        match value.pointer(pointer) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }

    /// Status and, of an OperationOutcome, issue type and code.
    fn brief(&self) -> String {
        let code = |pointer| if self.body.is_empty() { String::new() } else { self.at(pointer) };
        let parts = [code("/issue/0/code"), code("/issue/0/details/coding/0/code")];
        format!("{} {} {}", self.status, parts[0], parts[1]).trim_end().to_owned()
    }
}
