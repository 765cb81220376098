//! Certificates for tests: one authority, and certificates signed by it or by nobody.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use crate::ports::tls::{TlsClientPlan, TlsServerPlan};
use crate::settings::SecretRef;

/// A directory with `ca.pem` and certificates as they are asked for.
pub(crate) struct Authority {
    dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "weir test authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(dir.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { dir, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Writes a certificate for 127.0.0.1 and `localhost` that ends in a year; its files.
    pub(crate) fn issue(&self, name: &str, ends: i32) -> (PathBuf, SecretRef) {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(ends, 1, 1);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let (cert, path) = (
            self.dir.path().join(format!("{name}.crt")),
            self.dir.path().join(format!("{name}.key")),
        );
        std::fs::write(&cert, certificate.pem()).unwrap();
        std::fs::write(&path, key.serialize_pem()).unwrap();
        (cert, SecretRef::File(path.display().to_string()))
    }

    pub(crate) fn server(&self, ends: i32, ask_client: bool) -> TlsServerPlan {
        let (cert, key) = self.issue("server", ends);
        TlsServerPlan { cert, key, client_ca: ask_client.then(|| self.ca()) }
    }

    pub(crate) fn client(&self, certificate: Option<(PathBuf, SecretRef)>) -> TlsClientPlan {
        let (cert, key) = certificate.unzip();
        TlsClientPlan { ca: Some(self.ca()), cert, key, server_name: None }
    }
}
