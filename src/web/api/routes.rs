//! The table of routes: the router, the help of the API and the tests are made from it.

/// On which listeners a route is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Admin socket and admin listener.
    Admin,
    /// Metrics listener, and admin too.
    Open,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Path; `{..}` stands for one segment.
    pub path: &'static str,
    /// Where.
    pub served: Served,
    /// What it does: one sentence.
    pub about: &'static str,
}

const fn route(
    served: Served,
    method: &'static str,
    path: &'static str,
    about: &'static str,
) -> Route {
    Route { method, path, served, about }
}

use Served::{Admin, Open};

/// Every route.
pub const ROUTES: &[Route] = &[
    route(Admin, "GET", "/api/v1/status", "Shows the engine, its store and its channels."),
    route(Admin, "GET", "/api/v1/channels", "Lists the channels."),
    route(Admin, "GET", "/api/v1/channels/{name}", "Shows one channel."),
    route(Admin, "POST", "/api/v1/channels/{name}/pause", "Pauses source, destination or all."),
    route(Admin, "POST", "/api/v1/channels/{name}/resume", "Ends pauses and drains."),
    route(Admin, "POST", "/api/v1/channels/{name}/drain", "Takes no more, delivers the rest."),
    route(Admin, "GET", "/api/v1/queue", "Lists deliveries, oldest first."),
    route(Admin, "POST", "/api/v1/queue/retry", "Tries waiting or dead deliveries now."),
    route(Admin, "POST", "/api/v1/queue/skip", "Gives deliveries up, with a reason."),
    route(Admin, "POST", "/api/v1/queue/hold", "Holds waiting deliveries."),
    route(Admin, "POST", "/api/v1/queue/release", "Lets held deliveries go on."),
    route(Admin, "POST", "/api/v1/replay", "Sends messages again, marked as replays."),
    route(Admin, "GET", "/api/v1/ledger", "Sums the states of all deliveries."),
    route(Admin, "GET", "/api/v1/trace", "Tells the journey of messages."),
    route(Admin, "GET", "/api/v1/messages/{id}/content", "Reveals content; audited."),
    route(Admin, "GET", "/api/v1/alerts", "Lists the alerts and what is open."),
    route(Admin, "POST", "/api/v1/alerts/{name}/ack", "Takes an alert up: no more repeats."),
    route(Admin, "POST", "/api/v1/alerts/{name}/mute", "Tells nobody for a `time`."),
    route(Admin, "POST", "/api/v1/alerts/{name}/test", "Sends a notice, marked as a test."),
    route(Admin, "POST", "/api/v1/reload", "Reads the configuration again."),
    route(Admin, "GET", "/api/v1/events", "Streams events, one JSON object a line."),
    route(Admin, "POST", "/api/v1/stop", "Stops the engine at a message boundary."),
    route(Admin, "GET", "/api/v1/records", "Counts the resources of the record store."),
    route(
        Admin,
        "GET",
        "/api/v1/records/{collection}/{type}",
        "Exports a page of the resources of a type; needs a reason, is audited.",
    ),
    route(
        Admin,
        "GET",
        "/api/v1/records/{collection}/{type}/{id}",
        "Shows a version of a resource; needs a reason, is audited.",
    ),
    route(Admin, "GET", "/api/v1/consents", "Lists the consents of a patient; audited."),
    route(
        Admin,
        "POST",
        "/fhir/Consent",
        "Takes a FHIR R4 Consent as a new one, under an id of its own.",
    ),
    route(Admin, "GET", "/fhir/Consent/{id}", "Shows a Consent; needs a reason, is audited."),
    route(Admin, "PUT", "/fhir/Consent/{id}", "Takes a Consent under an id, as its next version."),
    route(Admin, "DELETE", "/fhir/Consent/{id}", "Deletes a Consent."),
    route(Open, "GET", "/metrics", "Metrics in the Prometheus text format."),
    route(Open, "GET", "/health/live", "200 while the process turns."),
    route(Open, "GET", "/health/started", "200 once configuration and store are open."),
    route(Open, "GET", "/health/ready", "200 while messages are taken, else 503."),
];

/// The reference of the API, `docs/api.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# The API of weir\n\n\
         Served as JSON on the admin socket and, in clear, on a loopback `[admin] listen`; the\n\
         rows marked *open* also on `[metrics] listen`. Times are RFC 3339 in UTC; every answer\n\
         names its `schema`; members are only added within a version. Errors are\n\
         `application/problem+json` with `code`, `phrase` and `help`; under `/fhir` they are\n\
         OperationOutcomes. Requests with members that are not known are refused (W8903).\n\n\
         | request | does |\n| --- | --- |\n",
    );
    for route in ROUTES {
        let open = if route.served == Open { " *open*" } else { "" };
        text.push_str(&format!("| `{} {}`{open} | {} |\n", route.method, route.path, route.about));
    }
    text.push_str(
        "\nBodies and answers are the types of `src/web/api/types.rs`. Actions on deliveries\n\
         (`queue/..`, `replay`) take `dry_run` and then answer with what they would concern.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_routes() {
        let text: String = ROUTES.iter().map(|r| format!("{} {}\n", r.method, r.path)).collect();
        insta::assert_snapshot!(text, @r"
        GET /api/v1/status
        GET /api/v1/channels
        GET /api/v1/channels/{name}
        POST /api/v1/channels/{name}/pause
        POST /api/v1/channels/{name}/resume
        POST /api/v1/channels/{name}/drain
        GET /api/v1/queue
        POST /api/v1/queue/retry
        POST /api/v1/queue/skip
        POST /api/v1/queue/hold
        POST /api/v1/queue/release
        POST /api/v1/replay
        GET /api/v1/ledger
        GET /api/v1/trace
        GET /api/v1/messages/{id}/content
        GET /api/v1/alerts
        POST /api/v1/alerts/{name}/ack
        POST /api/v1/alerts/{name}/mute
        POST /api/v1/alerts/{name}/test
        POST /api/v1/reload
        GET /api/v1/events
        POST /api/v1/stop
        GET /api/v1/records
        GET /api/v1/records/{collection}/{type}
        GET /api/v1/records/{collection}/{type}/{id}
        GET /api/v1/consents
        POST /fhir/Consent
        GET /fhir/Consent/{id}
        PUT /fhir/Consent/{id}
        DELETE /fhir/Consent/{id}
        GET /metrics
        GET /health/live
        GET /health/started
        GET /health/ready
        ");
        for route in ROUTES {
            assert!(route.about.ends_with('.'), "{}", route.path);
        }
    }
}
