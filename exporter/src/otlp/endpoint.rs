//! The address that requests go to: a URL, or a Unix socket.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use super::settings::{Protocol, SettingsError};

const SOCKET: &str = "unix://";
const TRACES: &str = "/v1/traces";
const METRICS: &str = "/v1/metrics";

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    traces: Url,
    metrics: Url,
    socket: Option<PathBuf>,
}

/// How the path of an endpoint is meant. gRPC has its own paths and ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A base that `/v1/traces` is appended to.
    Base,
    /// The path itself, as in `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`.
    Whole,
    /// The path itself if it ends like one, otherwise a base.
    Either,
}

impl Endpoint {
    /// `scheme` is that of an endpoint without one, which only gRPC allows.
    pub(super) fn parse(
        origin: &'static str,
        value: &str,
        meaning: Meaning,
        protocol: Protocol,
        scheme: Option<&str>,
    ) -> Result<Self, SettingsError> {
        let (url, socket) = if let Some(path) = value.strip_prefix(SOCKET) {
            if !path.starts_with('/') || path.len() == 1 {
                return Err(SettingsError::Socket {
                    origin,
                    value: value.to_owned(),
                });
            }
            // What HTTP says to whoever listens there.
            let url = parse_url(origin, "http://localhost")?;
            (url, Some(PathBuf::from(path)))
        } else {
            (with_scheme(origin, value, scheme)?, None)
        };
        let (traces, metrics) = match protocol {
            Protocol::Grpc => (url.clone(), url),
            Protocol::HttpProtobuf => {
                let path = url.path().trim_end_matches('/').to_owned();
                let base = match meaning {
                    Meaning::Base => &path,
                    Meaning::Whole | Meaning::Either => path.strip_suffix(TRACES).unwrap_or(&path),
                };
                let whole = match meaning {
                    // A socket has no path that could be meant to be whole.
                    _ if socket.is_some() => false,
                    Meaning::Base => false,
                    Meaning::Whole => true,
                    Meaning::Either => path.ends_with(TRACES),
                };
                let traces = match whole {
                    true => url.clone(),
                    false => with_path(&url, base, TRACES),
                };
                (traces, with_path(&url, base, METRICS))
            }
        };
        Ok(Self {
            traces,
            metrics,
            socket,
        })
    }

    /// What traces are posted to; for gRPC its host and port are what counts.
    pub fn traces(&self) -> &Url {
        &self.traces
    }

    /// The same for metrics.
    pub fn metrics(&self) -> &Url {
        &self.metrics
    }

    /// The Unix socket, if it is one.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.traces.scheme() == "https"
    }

    /// Whether it is on this host by its name or address alone.
    pub(crate) fn is_local(&self) -> bool {
        match self.traces.host() {
            _ if self.socket.is_some() => true,
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(path) => write!(f, "{SOCKET}{}", path.display()),
            None => self.traces.fmt(f),
        }
    }
}

fn with_path(url: &Url, base: &str, signal: &str) -> Url {
    let mut url = url.clone();
    url.set_path(&format!("{base}{signal}"));
    url
}

fn with_scheme(
    origin: &'static str,
    value: &str,
    scheme: Option<&str>,
) -> Result<Url, SettingsError> {
    // `localhost:4317` would be taken for a URL with the scheme `localhost`.
    match (value.contains("://"), scheme) {
        (true, _) => parse_url(origin, value),
        (false, Some(scheme)) => parse_url(origin, &format!("{scheme}://{value}")),
        (false, None) => Err(SettingsError::NotAUrl {
            origin,
            value: value.to_owned(),
            problem: "it has no scheme".to_owned(),
        }),
    }
}

fn parse_url(origin: &'static str, value: &str) -> Result<Url, SettingsError> {
    let url = Url::parse(value).map_err(|error| SettingsError::NotAUrl {
        origin,
        value: value.to_owned(),
        problem: error.to_string(),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(SettingsError::Scheme {
            origin,
            value: value.to_owned(),
            scheme: url.scheme().to_owned(),
        });
    }
    // They would get into the log with the endpoint.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SettingsError::Credentials { origin });
    }
    Ok(url)
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
