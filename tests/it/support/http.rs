//! A peer that speaks HTTP/1.1 and answers as a test says, on threads of its own.

#![allow(clippy::disallowed_methods, reason = "tests open real sockets")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as a test looks at it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and path: `POST /r4/Patient`.
    pub line: String,
    pub body: String,
}

/// Status, further header lines, body.
pub type Told = (u16, &'static str, String);

/// A running server; its threads end with the process.
pub struct HttpPeer {
    /// Base, with the path `/r4`.
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl HttpPeer {
    /// Starts one that answers each request so.
    pub fn start(answer: impl Fn(&Asked) -> Told + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/r4", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (answer, seen) = (answer.clone(), seen.clone());
                std::thread::spawn(move || serve(stream, &*answer, &seen));
            }
        });
        Self { url, asked }
    }

    /// What was asked so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, answer: &dyn Fn(&Asked) -> Told, seen: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let (mut line, mut length) = (String::new(), 0);
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) == 0 || header.trim().is_empty() {
                break;
            }
            if let Some(text) = header.to_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let line = line.rsplit_once(" HTTP").map_or(line.as_str(), |(line, _)| line).to_owned();
        let request = Asked { line, body: String::from_utf8_lossy(&body).into_owned() };
        seen.lock().unwrap().push(request.clone());
        let (status, headers, body) = answer(&request);
        let length = body.len();
        let text =
            format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        if writer.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}
