//! TLS of listeners and connections: what settings say, the rustls configurations made of
//! it, and the dialing of a peer with or without TLS.
//!
//! One provider (ring), TLS 1.2 and 1.3, no renegotiation, no key log.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::TlsConnector;

use super::{Net, Stream, certificate, secrets};
use crate::base::Timestamp;
use crate::fault::{Fault, codes::*};
use crate::settings::{Key, KeyRow, SecretRef, Table};

/// Longest wait for a TCP connection and for TLS on it, each: far above any healthy
/// network, and below the time-out of a delivery so that its own code is seen.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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

const CERT: Key<PathBuf> =
    Key::new("cert", "the path of a PEM file", "Certificate chain that weir shows.");
const KEY: Key<SecretRef> =
    Key::new("key", "a reference such as `cred:mllp-key`", "Private key of the certificate, PEM.");
const CLIENT_CA: Key<PathBuf> = Key::new(
    "client_ca",
    "the path of a PEM file",
    "Authorities of client certificates; with it, a peer without one is turned away.",
);
const CA: Key<PathBuf> = Key::new(
    "ca",
    "the path of a PEM file",
    "Authorities trusted instead of those of the machine.",
);
const SERVER_NAME: Key<Arc<str>> = Key::new(
    "server_name",
    "a host name",
    "Name the peer's certificate must have, where it differs from the address.",
);

/// Keys of `tls` of a listener.
pub const SERVER_KEYS: &[KeyRow] = &[CERT.required().row(), KEY.required().row(), CLIENT_CA.row()];

/// Keys of `tls` of a connection.
pub const CLIENT_KEYS: &[KeyRow] = &[CA.row(), CERT.row(), KEY.row(), SERVER_NAME.row()];

/// Reads `tls` of a listener.
pub fn read_server(table: &mut Table<'_>) -> Option<TlsServerPlan> {
    let mut tls = table.table("tls")?;
    let cert = tls.required(&CERT);
    let key = tls.required(&KEY);
    let client_ca = tls.optional(&CLIENT_CA);
    tls.finish();
    Some(TlsServerPlan { cert: cert?, key: key?, client_ca })
}

/// Reads `tls` of a connection.
pub fn read_client(table: &mut Table<'_>) -> Option<TlsClientPlan> {
    read_client_at(table, "tls")
}

/// Reads the same from a table of another name.
pub fn read_client_at(table: &mut Table<'_>, name: &str) -> Option<TlsClientPlan> {
    let mut tls = table.table(name)?;
    let plan = TlsClientPlan {
        ca: tls.optional(&CA),
        cert: tls.optional(&CERT),
        key: tls.optional(&KEY),
        server_name: tls.optional(&SERVER_NAME),
    };
    if plan.cert.is_some() != plan.key.is_some() {
        let fault = Fault::new(W1010).because("a client certificate needs both `cert` and `key`");
        tls.error(fault, &tls.span());
    }
    tls.finish();
    Some(plan)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Reads the certificates of a PEM file, at least one.
///
/// # Errors
/// `W7501` when there is none or the file cannot be read.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let unusable =
        |cause: String| Fault::new(W7501).because(format!("`{}`: {cause}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| unusable("not PEM".to_owned()))?;
    if chain.is_empty() {
        return Err(unusable("no certificate in it".to_owned()));
    }
    Ok(chain)
}

/// The moment after which the first certificate of a file is no longer valid.
///
/// # Errors
/// `W7501` when the file cannot be used.
pub fn expires(path: &Path) -> Result<Option<Timestamp>, Fault> {
    Ok(certificates(path)?.first().and_then(|leaf| certificate::not_after(leaf)))
}

fn private_key(reference: &SecretRef) -> Result<PrivateKeyDer<'static>, Fault> {
    let bytes = secrets::resolve(reference)?;
    PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|_| Fault::new(W7502).because("no private key in PEM"))
}

fn authorities(path: &Path) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| Fault::new(W7501).caused_by(error))?;
    }
    Ok(roots)
}

/// Makes the configuration of a listener.
///
/// # Errors
/// `W7501` for certificates, `W7502` for the key, `W1032` when its secret cannot be read.
pub fn server_config(plan: &TlsServerPlan) -> Result<Arc<ServerConfig>, Fault> {
    let unfit = |error: rustls::Error| Fault::new(W7502).caused_by(error);
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unfit)?;
    let builder = match &plan.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(authorities(path)?);
            let verifier =
                rustls::server::WebPkiClientVerifier::builder_with_provider(roots, provider())
                    .build()
                    .map_err(|_| Fault::new(W7501).because("no authority in `client_ca`"))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder
        .with_single_cert(certificates(&plan.cert)?, private_key(&plan.key)?)
        .map_err(unfit)?;
    Ok(Arc::new(config))
}

/// TLS of a listener whose certificate can be renewed while it listens.
pub struct ServerTls {
    plan: TlsServerPlan,
    protocols: &'static [&'static [u8]],
    config: RwLock<Arc<ServerConfig>>,
}

/// The listeners that stand: certificates are renewed where they are used, in several
/// rooms, and one who reloads knows none of them.
static SERVERS: Mutex<Vec<Weak<ServerTls>>> = Mutex::new(Vec::new());

fn offering(mut config: Arc<ServerConfig>, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    if let (false, Some(config)) = (protocols.is_empty(), Arc::get_mut(&mut config)) {
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    }
    config
}

impl ServerTls {
    /// Reads the certificate and key of a listener.
    ///
    /// # Errors
    /// As [`server_config`].
    pub fn new(plan: &TlsServerPlan) -> Result<Arc<Self>, Fault> {
        Self::speaking(plan, &[])
    }

    /// As [`ServerTls::new`], for a listener that offers protocols (ALPN), the preferred first.
    ///
    /// # Errors
    /// As [`server_config`].
    pub fn speaking(
        plan: &TlsServerPlan,
        protocols: &'static [&'static [u8]],
    ) -> Result<Arc<Self>, Fault> {
        let config = RwLock::new(offering(server_config(plan)?, protocols));
        let this = Arc::new(Self { plan: plan.clone(), protocols, config });
        let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
        servers.retain(|server| server.strong_count() > 0);
        servers.push(Arc::downgrade(&this));
        Ok(this)
    }

    /// The configuration for the next connection.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reread(&self) -> Result<(), Fault> {
        let config = offering(server_config(&self.plan)?, self.protocols);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }
}

/// Reads the certificates and keys of all listeners again; connections that stand keep
/// theirs. Gives the faults of those that cannot be read, which stay as they are.
pub fn reread() -> Vec<Fault> {
    let servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    servers.iter().filter_map(Weak::upgrade).filter_map(|server| server.reread().err()).collect()
}

/// Makes the configuration of a connection.
///
/// # Errors
/// `W7501` for certificates, `W7502` for the key, `W1032` when its secret cannot be read.
pub fn client_config(plan: &TlsClientPlan) -> Result<Arc<ClientConfig>, Fault> {
    let unfit = |error: rustls::Error| Fault::new(W7502).caused_by(error);
    let roots = match &plan.ca {
        Some(path) => authorities(path)?,
        None => {
            let mut roots = RootCertStore::empty();
            // Machines carry roots that rustls does not take; the others serve.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    if roots.is_empty() {
        return Err(Fault::new(W7501)
            .because("this machine has no root certificates")
            .remedy("Install the package `ca-certificates` or set `ca` in `tls`."));
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_root_certificates(roots);
    let config = match (&plan.cert, &plan.key) {
        (Some(cert), Some(key)) => {
            builder.with_client_auth_cert(certificates(cert)?, private_key(key)?).map_err(unfit)?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// How to set up TLS with one peer.
#[derive(Clone)]
pub struct PeerTls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl PeerTls {
    /// Prepares TLS with the peer at `host`.
    ///
    /// # Errors
    /// As [`client_config`]; `W7505` when the name cannot stand in a certificate.
    pub fn new(plan: &TlsClientPlan, host: &str) -> Result<Self, Fault> {
        let name = plan.server_name.as_deref().unwrap_or(host);
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let name = match name.parse::<IpAddr>() {
            Ok(address) => ServerName::from(address),
            Err(_) => ServerName::try_from(name.to_owned())
                .map_err(|_| Fault::new(W7505).because("not a host name"))?,
        };
        Ok(Self { connector: TlsConnector::from(client_config(plan)?), name })
    }
}

/// Splits `host:port`; an IPv6 address stands in brackets, which stay.
///
/// # Errors
/// `W7505` when it is something else.
pub fn host_and_port(target: &str) -> Result<(&str, u16), Fault> {
    let wrong = || Fault::new(W7505).because("not `host:port`");
    let (host, port) = target.rsplit_once(':').ok_or_else(wrong)?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let fits = if bracketed {
        host.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        !host.is_empty() && host.chars().all(plain)
    };
    match port.parse::<u16>() {
        Ok(port) if port > 0 && fits => Ok((host, port)),
        _ => Err(wrong()),
    }
}

/// Connects to `host:port` and sets up TLS where asked for.
///
/// # Errors
/// `W7101` refused, `W7103` name, `W7104` network, `W7105` time-out, `W7106` TLS; the cause
/// names the address.
pub async fn dial(
    net: &dyn Net,
    target: &str,
    tls: Option<&PeerTls>,
) -> Result<Box<dyn Stream>, Fault> {
    let late = || Fault::new(W7105).because(format!("{target}, {}s", CONNECT_TIMEOUT.as_secs()));
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, net.connect(target))
        .await
        .map_err(|_| late())?
        .map_err(|error| connect_fault(&error, target))?;
    let Some(tls) = tls else { return Ok(stream) };
    let connect = tls.connector.connect(tls.name.clone(), stream);
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, connect)
        .await
        .map_err(|_| late())?
        .map_err(|error| Fault::new(W7106).because(format!("{target}: {error}")))?;
    Ok(Box::new(stream))
}

fn connect_fault(error: &io::Error, target: &str) -> Fault {
    // Standard library and tokio give name errors no kind of their own.
    let name = error.to_string().starts_with("failed to lookup address");
    let code = match error.kind() {
        io::ErrorKind::ConnectionRefused => W7101,
        io::ErrorKind::TimedOut => W7105,
        io::ErrorKind::InvalidInput => W7505,
        _ if name => W7103,
        _ => W7104,
    };
    Fault::new(code).because(target.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_host_and_port() {
        let check = |target: &str, expected: Option<(&str, u16)>| {
            assert_eq!(host_and_port(target).ok(), expected, "{target}");
        };
        check("lis.example:6661", Some(("lis.example", 6661)));
        check("10.0.0.7:1", Some(("10.0.0.7", 1)));
        check("[::1]:2575", Some(("[::1]", 2575)));
        for bad in
            ["", ":1", "lis", "lis:", "lis:0", "lis:70000", "::1:2575", "a b:1", "http://a:1"]
        {
            check(bad, None);
        }
    }

    #[tokio::test]
    async fn connection_faults_have_codes_of_their_own() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let dial = async |target: String| {
            dial(&crate::ports::SystemNet, &target, None).await.map(|_| ()).unwrap_err().code()
        };
        assert_eq!(dial(free.to_string()).await, W7101);
        assert_eq!(dial("no-such-host.invalid:1".to_owned()).await, W7103);
    }

    #[test]
    fn the_end_of_a_certificate_is_known() {
        let authority = crate::ports::testing::Authority::new();
        let (cert, _) = authority.issue("server", 2031);
        assert_eq!(expires(&cert).unwrap(), Timestamp::parse("2031-01-01T00:00:00Z"));
    }

    #[test]
    fn a_renewed_certificate_comes_into_force_and_a_bad_one_does_not() {
        let authority = crate::ports::testing::Authority::new();
        let plan = authority.server(2031, false);
        let server = ServerTls::new(&plan).unwrap();
        let first = server.current();
        assert!(reread().is_empty());
        let second = server.current();
        assert!(!Arc::ptr_eq(&first, &second), "read again");
        std::fs::write(&plan.cert, "rubbish").unwrap();
        assert!(reread().iter().any(|fault| fault.code() == W7501));
        assert!(Arc::ptr_eq(&second, &server.current()), "stays as it was");
    }

    #[test]
    fn bad_certificate_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cert.pem");
        let check = |content: Option<&str>, cause: &str| {
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let fault = certificates(&path).unwrap_err();
            assert_eq!(fault.code(), W7501);
            assert!(fault.line().contains(cause), "{fault}");
        };
        check(None, "cert.pem");
        check(Some(""), "no certificate in it");
        check(Some("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"), "not PEM");
    }
}
