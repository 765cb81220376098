//! A FHIR receiver for demonstrations and tests: takes bundles and resources, keeps the
//! newest in memory, refuses what it is told to refuse.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use serde_json::{Value, json};

/// Bodies kept: enough to look at, and memory stays flat under load.
const KEPT_MAX: usize = 256;

/// Largest body taken.
const BODY_BYTES_MAX: usize = 64 << 20;

/// What a receiver does with a body before it takes it: `Some` refuses with this status.
pub type Refuse = Arc<dyn Fn(&Value) -> Option<u16> + Send + Sync>;

/// A FHIR receiver.
#[derive(Clone)]
pub struct Receiver {
    state: Arc<Mutex<Kept>>,
    refuse: Refuse,
}

#[derive(Default)]
struct Kept {
    bodies: VecDeque<Bytes>,
    taken: u64,
    refused: u64,
}

impl Receiver {
    /// Makes one that takes all but what `refuse` names.
    #[must_use]
    pub fn new(refuse: Refuse) -> Self {
        Self { state: Arc::default(), refuse }
    }

    /// Makes one that takes all.
    #[must_use]
    pub fn open() -> Self {
        Self::new(Arc::new(|_| None))
    }

    /// Bodies taken so far.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.lock().taken
    }

    /// Bodies refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.lock().refused
    }

    /// The newest bodies, oldest first.
    #[must_use]
    pub fn bodies(&self) -> Vec<Bytes> {
        self.lock().bodies.iter().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Binds an address and gives it with the future that serves until dropped.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn serve(
        self,
        address: SocketAddr,
    ) -> std::io::Result<(SocketAddr, impl Future<Output = std::io::Result<()>> + Send)> {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        let router = Router::new()
            .route("/fhir/metadata", get(metadata))
            .route("/fhir", post(bundle))
            .route("/fhir/", post(bundle))
            .route("/fhir/{kind}", post(create))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(self);
        Ok((bound, async move { axum::serve(listener, router).await }))
    }

    /// Takes or refuses one body.
    fn take(&self, body: &Bytes) -> Result<(Value, u64), Box<Response>> {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return Err(Box::new(outcome(400, "structure")));
        };
        let mut kept = self.lock();
        if let Some(status) = (self.refuse)(&value) {
            kept.refused += 1;
            return Err(Box::new(quoting(status, &value)));
        }
        kept.taken += 1;
        if kept.bodies.len() == KEPT_MAX {
            kept.bodies.pop_front();
        }
        kept.bodies.push_back(body.clone());
        Ok((value, kept.taken))
    }
}

async fn metadata() -> Response {
    fhir(
        200,
        &json!({
            "resourceType": "CapabilityStatement", "status": "active", "kind": "instance",
            "fhirVersion": "4.0.1", "format": ["json"],
            "rest": [{ "mode": "server", "interaction": [{ "code": "transaction" }] }],
        }),
    )
}

async fn bundle(State(receiver): State<Receiver>, body: Bytes) -> Response {
    let (value, number) = match receiver.take(&body) {
        Ok(taken) => taken,
        Err(refused) => return *refused,
    };
    if value["resourceType"] != "Bundle" {
        return outcome(400, "invalid");
    }
    let entries = value["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    let answers: Vec<Value> = entries
        .iter()
        .enumerate()
        .map(|(at, entry)| {
            let kind = entry["resource"]["resourceType"].as_str().unwrap_or("Resource");
            json!({ "response": {
                "status": "201 Created",
                "location": format!("{kind}/{number}-{at}/_history/1"),
            }})
        })
        .collect();
    let kind = if value["type"] == "batch" { "batch-response" } else { "transaction-response" };
    fhir(200, &json!({ "resourceType": "Bundle", "type": kind, "entry": answers }))
}

async fn create(
    State(receiver): State<Receiver>,
    Path(kind): Path<String>,
    body: Bytes,
) -> Response {
    match receiver.take(&body) {
        Ok((value, _)) if value["resourceType"] != kind.as_str() => outcome(400, "invalid"),
        Ok((value, number)) => {
            let location = format!("{kind}/{number}/_history/1");
            let mut response = fhir(201, &value);
            if let Ok(location) = location.parse() {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
        Err(refused) => *refused,
    }
}

/// An outcome that quotes what it was sent, as many servers do: weir must not repeat it.
fn quoting(status: u16, value: &Value) -> Response {
    let entries = value["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    let family = entries.iter().find_map(|e| e["resource"]["name"][0]["family"].as_str());
    fhir(
        status,
        &json!({
            "resourceType": "OperationOutcome",
            "issue": [{
                "severity": "error", "code": "processing",
                "diagnostics": format!("cannot take {}", family.unwrap_or("this")),
            }],
        }),
    )
}

fn outcome(status: u16, code: &str) -> Response {
    fhir(
        status,
        &json!({
            "resourceType": "OperationOutcome",
            "issue": [{ "severity": "error", "code": code }],
        }),
    )
}

fn fhir(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/fhir+json")], body.to_string()).into_response()
}
