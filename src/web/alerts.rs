//! Alerts over the API: what is open, and what people do about it.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, State};
use axum::http::Response;
use serde::{Deserialize, Serialize};

use super::handlers::{Answered, read, shown};
use super::problem::fault_view;
use super::serve::{Caller, Web};
use crate::base::parse_duration;
use crate::engine::AlertStatus;
use crate::fault::Fault;
use crate::fault::codes::W8903;

/// `GET /api/v1/alerts`: `weir.alerts.v1`.
#[derive(Debug, Serialize)]
struct AlertsView {
    schema: &'static str,
    alerts: Vec<AlertView>,
}

/// One rule and what is open of it.
#[derive(Debug, Serialize)]
struct AlertView {
    name: String,
    condition: String,
    /// `quiet`, `pending` (holds, but not long enough) or `open`.
    state: &'static str,
    notify: Vec<String>,
    muted_until: Option<String>,
    open: Vec<OpenView>,
}

/// What an alert is about.
#[derive(Debug, Serialize)]
struct OpenView {
    subject: String,
    channel: Option<String>,
    destination: Option<String>,
    /// `pending` or `open`.
    state: &'static str,
    since: String,
    value: String,
    code: Option<String>,
    acked_by: Option<String>,
}

/// Body of the actions on an alert.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AlertBody {
    /// For `mute`: how long, such as `1h`.
    time: Option<String>,
    reason: String,
}

const fn word(open: bool) -> &'static str {
    if open { "open" } else { "pending" }
}

fn view(status: &AlertStatus) -> AlertView {
    let any_open = status.states.iter().any(|(_, state)| state.open);
    AlertView {
        name: status.rule.name.to_string(),
        condition: status.rule.condition.to_string(),
        state: if status.states.is_empty() { "quiet" } else { word(any_open) },
        notify: status.notify.iter().map(ToString::to_string).collect(),
        muted_until: status.muted.map(|until| until.to_string()),
        open: status
            .states
            .iter()
            .map(|(subject, state)| OpenView {
                subject: subject.to_string(),
                channel: subject.channel.as_ref().map(ToString::to_string),
                destination: subject.destination.as_ref().map(ToString::to_string),
                state: word(state.open),
                since: state.since.to_string(),
                value: status.rule.condition.measure.unit.show(state.value),
                code: state.code.as_ref().map(ToString::to_string),
                acked_by: state.acked.as_ref().map(ToString::to_string),
            })
            .collect(),
    }
}

pub(super) async fn list(State(web): State<Web>) -> Answered {
    let alerts = web.engine.alerts().iter().map(view).collect();
    shown(&AlertsView { schema: "weir.alerts.v1", alerts })
}

pub(super) async fn ack(
    State(web): State<Web>,
    Path(name): Path<String>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Bytes,
) -> Answered {
    let body = read::<AlertBody>(&body)?;
    let taken = web.engine.alert_ack(&name, &caller.actor(&body.reason)).await?;
    shown(&serde_json::json!({ "schema": "weir.alert-ack.v1", "alert": name, "acked": taken }))
}

pub(super) async fn mute(
    State(web): State<Web>,
    Path(name): Path<String>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Bytes,
) -> Answered {
    let body = read::<AlertBody>(&body)?;
    let time = match body.time.as_deref().map(parse_duration) {
        None => Duration::from_secs(3600),
        Some(Ok(time)) => time,
        Some(Err(_)) => {
            return Err(Fault::new(W8903).because("`time` is a duration such as `1h`").into());
        }
    };
    let until = web.engine.alert_mute(&name, time, &caller.actor(&body.reason)).await?.to_string();
    shown(&serde_json::json!({ "schema": "weir.alert-mute.v1", "alert": name, "until": until }))
}

pub(super) async fn test(State(web): State<Web>, Path(name): Path<String>) -> Response<Body> {
    let sent = match web.engine.alert_test(&name).await {
        Ok(sent) => sent,
        Err(fault) => {
            return axum::response::IntoResponse::into_response(super::problem::Refused(fault));
        }
    };
    let row = |(to, fault): &(std::sync::Arc<str>, Option<Fault>)| {
        serde_json::json!({
            "notify": &**to, "sent": fault.is_none(), "fault": fault.as_ref().map(fault_view),
        })
    };
    let rows: Vec<_> = sent.iter().map(row).collect();
    let value =
        serde_json::json!({ "schema": "weir.alert-test.v1", "alert": name, "notices": rows });
    shown(&value).unwrap_or_else(axum::response::IntoResponse::into_response)
}
