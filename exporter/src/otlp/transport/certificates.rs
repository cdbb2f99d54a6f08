//! Certificates and keys from PEM files (RFC 7468), and the system's.

use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::otlp::settings::{NamedFile, TlsSettings};

/// What is wrong with the certificates. Says which key or variable names the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A file that can't be read.
    #[error("{}: cannot read {}: {problem}", .file.origin, .file.path.display())]
    Unreadable {
        /// The file.
        file: NamedFile,
        /// Why.
        problem: String,
    },
    /// A file without what it should have.
    #[error("{}: {} has no {expected} in PEM form", .file.origin, .file.path.display())]
    Missing {
        /// The file.
        file: NamedFile,
        /// What should be in it.
        expected: &'static str,
    },
    /// Contents that can't be used.
    #[error("{}: {} cannot be used: {problem}", .file.origin, .file.path.display())]
    Unusable {
        /// The file.
        file: NamedFile,
        /// Why.
        problem: String,
    },
    /// The system trusts nobody, as far as this program can see.
    #[error(
        "no certificate authorities found on this system; install ca-certificates, or name them in exporter.tls.ca_file{problems}"
    )]
    NoSystemRoots {
        /// What went wrong, after a semicolon.
        problems: String,
    },
    /// The cryptography library does not allow it.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// What the files say, to be compared with what they say later.
#[derive(PartialEq, Eq)]
pub(super) struct Certificates {
    roots: Roots,
    /// Contents of the chain's file and the key's.
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

#[derive(PartialEq, Eq)]
enum Roots {
    System(Vec<CertificateDer<'static>>),
    File(Vec<u8>),
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // There is a key in it.
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl Certificates {
    pub(super) fn read(settings: &TlsSettings) -> Result<Self, CertificateError> {
        Ok(Self {
            roots: match &settings.ca {
                Some(file) => Roots::File(read(file)?),
                None => Roots::System(system()?),
            },
            identity: match &settings.identity {
                Some((certificate, key)) => Some((read(certificate)?, read(key)?)),
                None => None,
            },
        })
    }

    /// A configuration that trusts and shows these certificates.
    pub(super) fn config(
        &self,
        settings: &TlsSettings,
        protocols: &[Vec<u8>],
    ) -> Result<ClientConfig, CertificateError> {
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .map_err(|error| CertificateError::Tls(error.to_string()))?
            .with_root_certificates(self.trusted(settings)?);
        let mut config = match (&self.identity, &settings.identity) {
            (Some((chain, key)), Some((chain_file, key_file))) => {
                let chain = certificates(chain, chain_file)?;
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|error| wrong(key_file, "private key", error))?;
                // It finds out that key and certificate are not a pair, too.
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| unusable(chain_file, error))?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.to_vec();
        Ok(config)
    }

    fn trusted(&self, settings: &TlsSettings) -> Result<RootCertStore, CertificateError> {
        let mut store = RootCertStore::empty();
        match (&self.roots, &settings.ca) {
            (Roots::File(pem), Some(file)) => {
                for certificate in certificates(pem, file)? {
                    store
                        .add(certificate)
                        .map_err(|error| unusable(file, error))?;
                }
            }
            (Roots::System(roots), _) => {
                // Systems have certificates of other ages and forms among them.
                store.add_parsable_certificates(roots.iter().cloned());
            }
            (Roots::File(_), None) => {}
        }
        Ok(store)
    }
}

fn read(file: &NamedFile) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(&file.path).map_err(|error| CertificateError::Unreadable {
        file: file.clone(),
        problem: error.to_string(),
    })
}

fn system() -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let problems = found.errors.iter().map(|error| format!("; {error}"));
        let problems = problems.collect();
        return Err(CertificateError::NoSystemRoots { problems });
    }
    Ok(found.certs)
}

fn certificates(
    pem: &[u8],
    file: &NamedFile,
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(missing(file, "certificate")),
        Ok(found) => Ok(found),
        Err(error) => Err(wrong(file, "certificate", error)),
    }
}

fn wrong(file: &NamedFile, expected: &'static str, error: pem::Error) -> CertificateError {
    match error {
        pem::Error::NoItemsFound => missing(file, expected),
        error => unusable(file, error),
    }
}

fn missing(file: &NamedFile, expected: &'static str) -> CertificateError {
    CertificateError::Missing {
        file: file.clone(),
        expected,
    }
}

fn unusable(file: &NamedFile, error: impl std::fmt::Display) -> CertificateError {
    CertificateError::Unusable {
        file: file.clone(),
        problem: error.to_string(),
    }
}
