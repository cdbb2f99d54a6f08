//! Certificates for both transports.

use std::path::Path;

use super::TransportError;
use crate::otlp::settings::TlsFiles;

/// The contents of the certificate files.
#[derive(Debug, Default)]
pub(super) struct TlsMaterial {
    pub ca: Option<Vec<u8>>,
    /// Certificate chain and key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl TlsMaterial {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, TransportError> {
        Ok(Self {
            ca: files.ca.as_deref().map(read).transpose()?,
            identity: match &files.identity {
                Some((certificate, key)) => Some((read(certificate)?, read(key)?)),
                None => None,
            },
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TransportError> {
    std::fs::read(path).map_err(|source| TransportError::File {
        path: path.to_owned(),
        source,
    })
}

/// Makes ring the process's cryptography, unless the program around this library chose another.
pub(super) fn use_ring() {
    // The error only says that somebody else was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
