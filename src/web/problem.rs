//! Faults as answers: problem+json for the API, OperationOutcome for FHIR.

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;

use super::api::types::{FaultView, Problem};
use crate::fault::codes::{W1060, W6015, W6905, W6906, W6907, W6908, W6909, W6911, W7601};
use crate::fault::codes::{W8901, W8902, W8903};
use crate::fault::{Class, Fault};
use crate::fhir::resources::outcome;
use crate::message::FaultRecord;

/// A fault on its way out.
#[derive(Debug)]
pub(super) struct Refused(pub(super) Fault);

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

/// The HTTP status that says what a fault says.
pub(super) fn status(fault: &Fault) -> StatusCode {
    let code = fault.code();
    if [W1060, W6905, W6906, W6907, W6909, W6911, W7601].contains(&code) {
        return StatusCode::NOT_FOUND;
    }
    if code == W6015 {
        return StatusCode::GONE;
    }
    if code == W8901 {
        return StatusCode::FORBIDDEN;
    }
    if [W8902, W8903].contains(&code) {
        return StatusCode::BAD_REQUEST;
    }
    if code == W6908 {
        return StatusCode::CONFLICT;
    }
    match fault.class() {
        Class::Transient => StatusCode::SERVICE_UNAVAILABLE,
        Class::Operator => StatusCode::CONFLICT,
        Class::Permanent => StatusCode::UNPROCESSABLE_ENTITY,
        Class::Bug => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response<Body> {
        let fault = self.0;
        let status = status(&fault);
        let view = fault_view(&fault);
        let detail = match (&view.place, &view.cause) {
            (Some(place), Some(cause)) => Some(format!("{place}: {cause}")),
            (Some(only), None) | (None, Some(only)) => Some(only.clone()),
            (None, None) => None,
        };
        let problem = Problem {
            kind: format!("https://weir.invalid/errors/{}", view.code),
            title: view.phrase.clone(),
            status: status.as_u16(),
            detail,
            code: view.code,
            phrase: view.phrase,
            help: view.help,
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        answer(status, "application/problem+json", body)
    }
}

/// A fault as FHIR says it.
#[derive(Debug)]
pub(super) struct Outcome(pub(super) Fault);

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl IntoResponse for Outcome {
    fn into_response(self) -> Response<Body> {
        let status = status(&self.0);
        let body = outcome(std::slice::from_ref(&self.0)).to_json();
        answer(status, FHIR_JSON, body.to_vec())
    }
}

/// The media type of FHIR resources.
pub(super) const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";

/// An answer that nobody keeps.
pub(super) fn answer(status: StatusCode, media_type: &str, body: Vec<u8>) -> Response<Body> {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, media_type)
        .header(header::CACHE_CONTROL, "no-store")
        .body(Body::from(body))
        .unwrap_or_default()
}

/// A fault for people and scripts.
pub(super) fn fault_view(fault: &Fault) -> FaultView {
    let place = (!fault.place().is_empty()).then(|| fault.place().to_string());
    FaultView {
        code: fault.code().as_str().to_owned(),
        phrase: fault.code().row().phrase.to_owned(),
        place,
        cause: fault.cause().map(str::to_owned),
        help: fault.help().to_owned(),
    }
}

/// A fault of the journal for people and scripts.
pub(super) fn record_view(fault: &FaultRecord) -> FaultView {
    let row = fault.known_code().row();
    FaultView {
        code: fault.code.to_string(),
        phrase: row.phrase.to_owned(),
        place: (!fault.place.is_empty()).then(|| fault.place.to_string()),
        cause: fault.cause.as_ref().map(ToString::to_string),
        help: row.remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::codes::{W6901, W9001};

    #[test]
    fn status_follows_code_and_class() {
        let check = |code, expected: u16| {
            assert_eq!(status(&Fault::new(code)).as_u16(), expected, "{code}");
        };
        check(W6905, 404);
        check(W6015, 410);
        check(W8901, 403);
        check(W8903, 400);
        check(W6908, 409);
        check(W6901, 503);
        check(W9001, 500);
    }
}
