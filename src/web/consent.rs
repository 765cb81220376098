//! `POST /fhir/Consent` and its kin: consents in the journal before the answer leaves.

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::api::types::ConsentQuery;
use super::problem::{FHIR_JSON, Outcome, answer};
use super::serve::{Caller, Web};
use crate::engine::StoredConsent;
use crate::fault::Fault;
use crate::fault::codes::W6911;

type Answered = Result<Response<Body>, Outcome>;

/// Why, where the caller says so in the header `X-Weir-Reason`.
fn reason(headers: &HeaderMap) -> &str {
    headers.get("x-weir-reason").and_then(|value| value.to_str().ok()).unwrap_or("")
}

/// `POST /fhir/Consent`: 201 with a Location. The id is ours, whatever the resource says.
///
/// Source: FHIR R4 http.html#create.
pub(super) async fn create(
    State(web): State<Web>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Answered {
    let by = caller.actor(reason(&headers));
    let (stored, resource) = web.engine.create_consent(body, &by).await?;
    Ok(told(&stored, &resource))
}

/// `PUT /fhir/Consent/{id}`: 201 when it is new, else 200.
///
/// Source: FHIR R4 http.html#update.
pub(super) async fn update(
    State(web): State<Web>,
    Path(id): Path<String>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Answered {
    let by = caller.actor(reason(&headers));
    let (stored, resource) = web.engine.update_consent(body, &id, &by).await?;
    Ok(told(&stored, &resource))
}

/// What was stored, with its place and version.
fn told(stored: &StoredConsent, resource: &Bytes) -> Response<Body> {
    let status = if stored.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = answer(status, FHIR_JSON, resource.to_vec());
    let location = format!("/fhir/Consent/{}/_history/{}", stored.id, stored.version);
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(header::LOCATION, location);
    }
    tag(headers, stored.version);
    response
}

fn tag(headers: &mut HeaderMap, version: u64) {
    if let Ok(tag) = HeaderValue::from_str(&format!("W/\"{version}\"")) {
        headers.insert(header::ETAG, tag);
    }
}

/// `GET /fhir/Consent/{id}`: patient data, so it needs a reason, in the header
/// `X-Weir-Reason` or as `?reason=`, and is audited.
pub(super) async fn read(
    State(web): State<Web>,
    Path(id): Path<String>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    headers: HeaderMap,
    Query(query): Query<ConsentQuery>,
) -> Answered {
    let why = if query.reason.is_empty() { reason(&headers) } else { &query.reason };
    let record = web.engine.read_consent(&id, &caller.actor(why)).await?;
    let Some(record) = record else { return Err(Fault::new(W6911).into()) };
    if record.deleted {
        return Ok(answer(StatusCode::GONE, FHIR_JSON, Vec::new()));
    }
    let mut response = answer(StatusCode::OK, FHIR_JSON, record.resource.to_vec());
    tag(response.headers_mut(), record.version);
    Ok(response)
}

/// `DELETE /fhir/Consent/{id}`.
pub(super) async fn delete(
    State(web): State<Web>,
    Path(id): Path<String>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    headers: HeaderMap,
) -> Answered {
    web.engine.delete_consent(&id, &caller.actor(reason(&headers))).await?;
    Ok(answer(StatusCode::NO_CONTENT, FHIR_JSON, Vec::new()))
}
