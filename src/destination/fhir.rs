//! The destination `fhir`.

use std::sync::Arc;

use super::Destination;
use crate::ports::Ports;
use crate::ports::tls::TlsClientPlan;
use crate::settings::{SecretRef, Table};

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
        token_url: Option<Arc<str>>,
        /// Scopes asked for.
        scope: Arc<str>,
    },
}

/// The keys of the destination `fhir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FhirPlan {
    /// Base of the server, without a slash at its end.
    pub url: Arc<str>,
    /// Own roots or client certificate for `https`.
    pub tls: Option<TlsClientPlan>,
    /// How weir shows who it is.
    pub auth: Auth,
}

pub(super) fn read(_table: &mut Table<'_>) -> Option<FhirPlan> {
    None
}

#[expect(clippy::todo, reason = "lands next")]
pub(super) fn build(_plan: &FhirPlan, _ports: &Ports) -> Box<dyn Destination> {
    todo!()
}
