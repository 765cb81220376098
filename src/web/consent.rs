//! `POST /fhir/Consent` and its kin: consents in the journal before the answer leaves.

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::problem::{FHIR_JSON, Outcome, answer};
use super::serve::{Caller, Web};
use crate::fault::Fault;
use crate::fault::codes::W6907;

type Answered = Result<Response<Body>, Outcome>;

/// Why, where the caller says so: the header `X-Weir-Reason`.
fn reason(headers: &HeaderMap) -> &str {
    headers.get("x-weir-reason").and_then(|value| value.to_str().ok()).unwrap_or("")
}

/// `POST /fhir/Consent`: 201 with a Location.
pub(super) async fn create(
    State(web): State<Web>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Answered {
    // A create takes no id from the client. Source: FHIR R4 http.html#create. Here the id
    // in the resource is kept, so that consents of another system keep their names.
    store(&web, body, None, &caller, reason(&headers)).await
}

/// `PUT /fhir/Consent/{id}`: 201 when it is new, else 200.
pub(super) async fn update(
    State(web): State<Web>,
    Path(id): Path<String>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Answered {
    store(&web, body, Some(&id), &caller, reason(&headers)).await
}

async fn store(web: &Web, body: Bytes, id: Option<&str>, by: &Caller, why: &str) -> Answered {
    let stored = web.engine.put_consent(body.clone(), id, &by.actor(why)).await?;
    let status = if stored.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = answer(status, FHIR_JSON, body.to_vec());
    let location = format!("/fhir/Consent/{}/_history/{}", stored.id, stored.version);
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(header::LOCATION, location);
    }
    if let Ok(tag) = HeaderValue::from_str(&format!("W/\"{}\"", stored.version)) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// `GET /fhir/Consent/{id}`.
pub(super) async fn read(State(web): State<Web>, Path(id): Path<String>) -> Answered {
    let record = web.engine.store().consent(&id)?;
    let Some(record) = record else { return Err(Fault::new(W6907).into()) };
    if record.deleted {
        return Ok(answer(StatusCode::GONE, FHIR_JSON, Vec::new()));
    }
    let mut response = answer(StatusCode::OK, FHIR_JSON, record.resource.to_vec());
    if let Ok(tag) = HeaderValue::from_str(&format!("W/\"{}\"", record.version)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
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
