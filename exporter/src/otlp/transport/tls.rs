//! TLS with certificates that may be replaced at any time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::TransportError;
use super::certificates::{CertificateError, Certificates};
use crate::otlp::settings::{OtlpSettings, TlsSettings};
use crate::telemetry::{Counter, Registry};

/// Makes TLS connections with the certificates that are on disk when they begin. A connection that
/// is open stays as it is.
#[derive(Debug)]
pub(super) struct Tls {
    settings: TlsSettings,
    server: ServerName<'static>,
    protocols: Vec<Vec<u8>>,
    state: Mutex<State>,
    taken: Counter,
    refused: Counter,
}

#[derive(Debug)]
struct State {
    config: Arc<ClientConfig>,
    certificates: Certificates,
    /// What is wrong with the files as they are now.
    problem: Option<CertificateError>,
}

impl Tls {
    /// Reads the certificates, and looks at them again and again while it lives. `protocol` is what
    /// ALPN (RFC 7301) asks for. Must be called inside a tokio runtime.
    pub(super) fn start(
        settings: &OtlpSettings,
        protocol: &[u8],
        registry: &Registry,
    ) -> Result<Arc<Self>, TransportError> {
        let tls = &settings.tls;
        let host = settings.endpoint.traces().host_str().unwrap_or_default();
        // A URL has brackets around an IPv6 address.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = tls.server_name.as_deref().unwrap_or(host);
        let server = ServerName::try_from(name.to_owned()).map_err(|_| {
            let name = name.to_owned();
            TransportError::ServerName { name }
        })?;
        let protocols = vec![protocol.to_vec()];
        let certificates = Certificates::read(tls)?;
        let config = Arc::new(certificates.config(tls, &protocols)?);
        let counter = |outcome| {
            registry.counter(
                "lanewire.exporter.tls.reloads",
                "{reload}",
                "Changes of the certificate files that were taken over, or refused.",
                &[("outcome", outcome)],
            )
        };
        let this = Arc::new(Self {
            settings: tls.clone(),
            server,
            protocols,
            state: Mutex::new(State {
                config,
                certificates,
                problem: None,
            }),
            taken: counter("taken"),
            refused: counter("refused"),
        });
        tokio::spawn(watch(Arc::downgrade(&this), tls.reload_interval));
        Ok(this)
    }

    /// A TLS connection over `stream`.
    pub(super) async fn connect<S>(self: Arc<Self>, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.refresh().await;
        let connector = TlsConnector::from(Arc::clone(&self.state().config));
        connector.connect(self.server.clone(), stream).await
    }

    /// What an operator could look at after a handshake that failed.
    pub(super) fn hint(&self, error: &std::io::Error) -> String {
        if let Some(problem) = &self.state().problem {
            return format!(" with certificates of earlier, since {problem}");
        }
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        let trust = match &self.settings.ca {
            Some(file) => format!("{} in {}", file.path.display(), file.origin),
            None => "the system's authorities, since exporter.tls.ca_file names none".to_owned(),
        };
        match inner {
            Some(rustls::Error::InvalidCertificate(_)) => format!(" (trusted are {trust})"),
            Some(rustls::Error::InvalidMessage(_)) => " (does the server speak TLS?)".to_owned(),
            _ => String::new(),
        }
    }

    async fn refresh(self: &Arc<Self>) {
        let this = Arc::clone(self);
        // Files may be on a network, and the system's store is a long one.
        let read = tokio::task::spawn_blocking(move || this.reload()).await;
        if let Err(error) = read {
            tracing::error!("the certificates could not be read: {error}");
        }
    }

    fn reload(&self) {
        let loaded = Certificates::read(&self.settings).and_then(|certificates| {
            if self.state().certificates == certificates {
                return Ok(None);
            }
            let config = certificates.config(&self.settings, &self.protocols)?;
            Ok(Some((certificates, config)))
        });
        let mut state = self.state();
        match loaded {
            Ok(None) => state.problem = None,
            Ok(Some((certificates, config))) => {
                state.certificates = certificates;
                state.config = Arc::new(config);
                state.problem = None;
                self.taken.add(1);
                tracing::info!("the certificate files have changed: new connections use them");
            }
            Err(error) => {
                if state.problem.as_ref() != Some(&error) {
                    self.refused.add(1);
                    tracing::error!("certificates stay as they were: {error}");
                }
                state.problem = Some(error);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends when nobody uses the certificates any more.
async fn watch(tls: std::sync::Weak<Tls>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(tls) = tls.upgrade() else { return };
        tls.refresh().await;
    }
}

/// Makes ring the process's cryptography, unless the program around this library chose another.
pub(crate) fn use_ring() {
    // The error only says that somebody else was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
