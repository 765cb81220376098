//! TLS of listeners and connections: what settings say, and the rustls configurations made
//! of it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::settings::SecretRef;

/// `tls` of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsServerPlan {
    /// File of the certificate chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: SecretRef,
    /// File of the authorities whose client certificates are asked for; `None`: none asked.
    pub client_ca: Option<PathBuf>,
}

/// `tls` of a connection. The default trusts the roots of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsClientPlan {
    /// File of the authorities trusted instead of the machine's.
    pub ca: Option<PathBuf>,
    /// File of the client certificate chain, PEM.
    pub cert: Option<PathBuf>,
    /// Private key of the client certificate, PEM.
    pub key: Option<SecretRef>,
    /// Name the server's certificate must have, where it differs from the address.
    pub server_name: Option<Arc<str>>,
}
