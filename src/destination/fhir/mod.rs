//! The destination `fhir`: bundles and resources to a FHIR R4 server over HTTP/1.1.
//!
//! A transaction or batch goes to the base, a message bundle to `$process-message`, a
//! resource with an id to its own address by PUT, and one without by POST, with
//! `If-None-Exist` where it has an identifier: so that a second attempt after a lost answer
//! writes nothing twice. `answer` says what the server's answers mean, `auth` how weir shows
//! who it is.

mod answer;
mod auth;
mod jwk;

use std::sync::Arc;

use async_trait::async_trait;
use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};

use super::{Delivered, DeliveryError, Destination};
use crate::fault::{Fault, codes::*};
use crate::fhir::Doc;
use crate::message::{ContentKind, Delivery};
use crate::ports::Ports;
use crate::ports::http::{self, Call, Client, Url};
use crate::ports::tls::{self, TlsClientPlan};
use crate::settings::{Key, KeyRow, KindRow, SecretRef, Shape, Table};

use auth::Credentials;

/// Largest answer read: the answer to a bundle of ten thousand entries with minimal
/// returns stays below.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// How weir shows who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// A token that someone else made: `Authorization: Bearer ..`.
    Bearer(SecretRef),
    /// Name and password.
    Basic {
        /// Name.
        user: Arc<str>,
        /// Password.
        password: SecretRef,
    },
    /// SMART backend services: a signed assertion buys a short-lived token.
    SmartBackend {
        /// Client id as registered with the server.
        client_id: Arc<str>,
        /// Private key, a JWK (RSA or P-384).
        key: SecretRef,
        /// Token endpoint; `None`: the server's `.well-known/smart-configuration` names it.
        token_url: Option<Url>,
        /// Scopes asked for.
        scope: Arc<str>,
    },
}

/// The keys of the destination `fhir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FhirPlan {
    /// Base of the server.
    pub url: Url,
    /// Own roots or client certificate for `https`.
    pub tls: Option<TlsClientPlan>,
    /// How weir shows who it is.
    pub auth: Auth,
}

const URL: Key<Arc<str>> =
    Key::new("url", "a URL such as `https://fhir.example/r4`", "Base of the FHIR server.");

/// The row of this kind.
pub(super) const ROW: KindRow = KindRow {
    name: "fhir",
    about: "Posts FHIR R4 bundles and resources to a server.",
    keys: &[
        URL.required().row(),
        KeyRow::of(
            "tls",
            "Roots and client certificate for `https`; the roots of the machine without.",
            Shape::Table(tls::CLIENT_KEYS),
        ),
        KeyRow::of("auth", "How weir shows who it is.", Shape::Kinds(&[], auth::KINDS)),
    ],
};

/// Reads the keys of this kind.
pub(super) fn read(table: &mut Table<'_>) -> Option<FhirPlan> {
    let url = table.required_spanned(&URL);
    let tls = tls::read_client(table);
    let auth = auth::read(table);
    let url = url?;
    match Url::parse(&url.value) {
        Ok(url) => Some(FhirPlan { url, tls, auth: auth? }),
        Err(fault) => {
            table.error(fault, &url.span);
            None
        }
    }
}

/// Makes one; connects nothing.
pub(super) fn build(plan: &FhirPlan, ports: &Ports) -> Box<dyn Destination> {
    Box::new(FhirDestination {
        credentials: Credentials::new(plan),
        plan: plan.clone(),
        ports: ports.clone(),
        client: None,
    })
}

struct FhirDestination {
    plan: FhirPlan,
    ports: Ports,
    /// Made at the first use: certificates are files.
    client: Option<Client>,
    credentials: Credentials,
}

#[async_trait]
impl Destination for FhirDestination {
    async fn open(&mut self, _ports: &Ports) -> Result<(), DeliveryError> {
        let net = self.ports.net.clone();
        self.client()?.open(&*net).await?;
        Ok(())
    }

    async fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered, DeliveryError> {
        if delivery.body.kind != ContentKind::FhirJson {
            return Err(Fault::new(W7205).into());
        }
        let (call, is_batch) = self.call(delivery)?;
        let mut answer = self.send(call.clone()).await?;
        if answer.status == 401 && self.credentials.refresh() {
            // The token ended earlier than it said, or the secret was replaced: once more.
            answer = self.send(call).await?;
        }
        let judged = answer::judge(&answer, is_batch, &self.plan.url, self.ports.clock.now());
        judged.map(Delivered::from).map_err(|mut error| {
            let place = self.plan.url.target();
            let cause = error.fault.cause().unwrap_or_default();
            error.fault = error.fault.clone().because(format!("{place}: {cause}"));
            error
        })
    }

    async fn close(&mut self) {
        if let Some(client) = &mut self.client {
            client.close();
        }
    }
}

impl FhirDestination {
    fn client(&mut self) -> Result<&mut Client, Fault> {
        if self.client.is_none() {
            let (url, tls) = (self.plan.url.clone(), self.plan.tls.as_ref());
            self.client = Some(Client::new(url, tls, ANSWER_BYTES_MAX)?);
        }
        self.client.as_mut().ok_or_else(|| Fault::new(W9001).because("no client"))
    }

    async fn send(&mut self, mut call: Call) -> Result<http::Answer, DeliveryError> {
        if let Some(value) = self.credentials.header(&self.ports).await? {
            call.headers.push((AUTHORIZATION, value));
        }
        let net = self.ports.net.clone();
        Ok(self.client()?.send(&*net, call).await?)
    }

    /// The request for a delivery, and whether its answer has entries to look at.
    fn call(&self, delivery: &Delivery) -> Result<(Call, bool), Fault> {
        let body = delivery.body.bytes.clone();
        let doc = Doc::parse_json(body.clone())?;
        let root = doc.root();
        let kind = doc.resource_type().filter(|kind| is_name(kind));
        let kind = kind.ok_or_else(|| Fault::new(W7205).because("no resource type"))?;
        let text = |name: &str| root.get(name).and_then(|node| node.text());
        let base = &self.plan.url.path;
        let mut headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/fhir+json")),
            (ACCEPT, HeaderValue::from_static("application/fhir+json")),
            (HeaderName::from_static("prefer"), HeaderValue::from_static("return=minimal")),
            (USER_AGENT, HeaderValue::from_static(concat!("weir/", env!("CARGO_PKG_VERSION")))),
        ];
        let mut method = Method::POST;
        let mut entries = false;
        let path = match (&*kind, text("type").as_deref()) {
            ("Bundle", Some("transaction" | "batch")) => {
                entries = true;
                // The base of a server without a path is the root.
                if base.is_empty() { "/".to_owned() } else { base.to_string() }
            }
            ("Bundle", Some("message")) => format!("{base}/$process-message"),
            _ => match text("id").filter(|id| is_id(id)) {
                Some(id) => {
                    method = Method::PUT;
                    format!("{base}/{kind}/{id}")
                }
                None => {
                    headers.extend(if_none_exist(&doc));
                    format!("{base}/{kind}")
                }
            },
        };
        Ok((Call { method, path, headers, body }, entries))
    }
}

/// A conditional create by the first identifier with system and value.
///
/// Source: FHIR R4 http.html#ccreate.
fn if_none_exist(doc: &Doc) -> Option<(HeaderName, HeaderValue)> {
    let identifiers = doc.root().get("identifier")?;
    let search = identifiers.each().find_map(|identifier| {
        let system = identifier.get("system")?.text()?;
        let value = identifier.get("value")?.text()?;
        let whole = !system.is_empty() && !value.is_empty();
        whole.then(|| format!("identifier={}%7C{}", escape(&system), escape(&value)))
    })?;
    let value = HeaderValue::from_str(&search).ok()?;
    Some((HeaderName::from_static("if-none-exist"), value))
}

/// Percent-encodes all but unreserved characters.
///
/// Source: RFC 3986 §2.3.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic())
}

/// Source: FHIR R4 datatypes.html#id.
fn is_id(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests;
