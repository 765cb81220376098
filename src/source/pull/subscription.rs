//! The source `fhir-subscription`: what its settings say.
//!
//! Source: FHIR R4 subscription.html, rest-hook.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::bulk::{URL, bounded, instant, is_filter, read_server};
use crate::fault::Fault;
use crate::fault::codes::{W1011, W2363};
use crate::fhir::tables;
use crate::ports::fhir::{self, Server};
use crate::ports::http::Url;
use crate::ports::tls;
use crate::settings::{Key, KeyRow, KindRow, Shape, Table};
use crate::source::Common;
use crate::source::common::{ALLOW_ROW, TLS_ROW};

/// The keys of the source `fhir-subscription`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionPlan {
    /// The server that notifies.
    pub server: Server,
    /// What is subscribed to: a type, and a search where there is one.
    pub criteria: Arc<str>,
    /// Address of the listener as the server knows it.
    pub endpoint: Url,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Whether notifications carry the resource.
    pub payload: bool,
    /// Time between two looks at the subscription and at what was missed.
    pub every: Duration,
    /// How long the subscription lasts when nobody renews it.
    pub lease: Duration,
    /// From when on the first look asks, as an instant; `None`: from the registration on.
    pub since: Option<Arc<str>>,
}

impl SubscriptionPlan {
    /// A plan with the default of every key that has one.
    #[must_use]
    pub fn new(server: Url, criteria: &str, endpoint: Url, listen: SocketAddr) -> Self {
        Self {
            server: Server { url: server, tls: None, auth: fhir::Auth::None },
            criteria: criteria.into(),
            endpoint,
            listen,
            payload: true,
            every: EVERY_DEFAULT,
            lease: LEASE_DEFAULT,
            since: None,
        }
    }

    /// The type that is subscribed to.
    pub(super) fn kind(&self) -> Option<&'static str> {
        tables::type_name(self.criteria.split('?').next().unwrap_or_default())
    }
}

/// Two requests in five minutes burden no server, and a notification that got lost is late by
/// as much at most.
const EVERY_DEFAULT: Duration = Duration::from_secs(300);

/// Long enough for a long weekend in which weir is down.
const LEASE_DEFAULT: Duration = Duration::from_secs(7 * 24 * 3600);

const CRITERIA: Key<Arc<str>> = Key::new(
    "criteria",
    "a search such as `Observation?category=laboratory`",
    "What is subscribed to: a type of resource, and a search where not all of it is wanted.",
);
const ENDPOINT: Key<Arc<str>> = Key::new(
    "endpoint",
    "a URL such as `https://weir.example:9444/notify`",
    "Address of this source as the server knows it.",
);
const LISTEN: Key<SocketAddr> = Key::new(
    "listen",
    "an address such as `0.0.0.0:9444`",
    "Address on which the channel takes notifications.",
);
const PAYLOAD: Key<bool> = Key::new(
    "payload",
    "`true` or `false`",
    "Whether notifications carry the resource. Without it weir fetches what changed when it is \
     notified.",
)
.default("true");
const EVERY: Key<Duration> = Key::new(
    "every",
    "a duration such as `5m`, at least `1s`",
    "Time between two looks: whether the subscription is in force, and what was missed.",
)
.default("5m");
const LEASE: Key<Duration> = Key::new(
    "lease",
    "a duration such as `7d`, at least `1s`",
    "How long the subscription lasts when weir does not renew it; renewed after half of it.",
)
.default("7d");
const SINCE: Key<Arc<str>> = Key::new(
    "since",
    "a date such as `2026-01-01`, or an instant such as `2026-01-01T08:00:00Z`",
    "From when on the first look fetches what changed.",
)
.default("the time of the registration");

/// The row of this kind.
pub(in crate::source) const ROW: KindRow = KindRow {
    name: "fhir-subscription",
    about: "Subscribes at a FHIR server (R4 Subscription, rest-hook), takes its notifications, \
            and fetches what was missed.",
    keys: &[
        URL.required().row(),
        KeyRow::of(
            "server_tls",
            "Roots and client certificate for calls to the server by `https`; the roots of the \
             machine without.",
            Shape::Table(tls::CLIENT_KEYS),
        ),
        fhir::AUTH_ROW,
        CRITERIA.required().row(),
        ENDPOINT.required().row(),
        LISTEN.required().row(),
        ALLOW_ROW,
        TLS_ROW,
        PAYLOAD.row(),
        EVERY.row(),
        LEASE.row(),
        SINCE.row(),
    ],
};

/// Reads the keys of this kind.
pub(in crate::source) fn read(table: &mut Table<'_>, common: &Common) -> Option<SubscriptionPlan> {
    let server = read_server(table, "server_tls");
    let criteria = table.required_spanned(&CRITERIA);
    if let Some(found) = &criteria
        && !is_criteria(&found.value)
    {
        let cause = format!("`{}` is no search such as `Observation?status=final`", found.value);
        table.error(Fault::new(W1011).because(cause), &found.span);
    }
    let endpoint = table.required_spanned(&ENDPOINT).and_then(|found| {
        let url = Url::parse(&found.value);
        url.map(|url| (url, found.span.clone()))
            .map_err(|fault| table.error(fault, &found.span))
            .ok()
    });
    let listen = table.required(&LISTEN);
    if let (Some((url, span)), Some(listen)) = (&endpoint, listen)
        && !url.https
        && common.tls.is_none()
        && !listen.ip().is_loopback()
    {
        table.warning(Fault::new(W2363), span);
    }
    let payload = table.or(&PAYLOAD, true);
    let every = bounded(table, &EVERY).unwrap_or(EVERY_DEFAULT);
    let lease = bounded(table, &LEASE).unwrap_or(LEASE_DEFAULT);
    let since = table.spanned(&SINCE).and_then(|found| {
        let instant = instant(&found.value);
        if instant.is_none() {
            let cause = "expected a date such as `2026-01-01`, or an instant with its zone";
            table.error(Fault::new(W1011).because(cause), &found.span);
        }
        instant
    });
    Some(SubscriptionPlan {
        server: server?,
        criteria: criteria?.value,
        endpoint: endpoint?.0,
        listen: listen?,
        payload,
        every,
        lease,
        since,
    })
}

/// Whether a text is a type, or a type and a search that can stand in an address as it is.
fn is_criteria(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    // The look for what was missed has its own of these.
    let own = ["_lastUpdated", "_sort", "_count"];
    let search = text.split_once('?').map_or("", |(_, search)| search);
    let taken = search.split('&').any(|part| own.iter().any(|name| part.starts_with(name)));
    plain && !taken && (tables::is_resource(text) || is_filter(text))
}
