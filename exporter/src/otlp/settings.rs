//! Where and how to export: the configuration file and the environment brought together.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

pub use super::connection::{KeepAlive, NamedFile, Proxies, TlsSettings};
use super::endpoint::{Endpoint, Meaning};
use super::environment::Environment;
pub use super::spool::SpoolSettings;

/// What the configuration file says. `None` leaves the word to the environment, and then to the
/// default.
#[derive(Clone, Debug, Default)]
pub struct OtlpOptions {
    /// A URL with scheme `http`, `https` or `unix`. For HTTP `/v1/traces` is appended unless it is
    /// there.
    pub endpoint: Option<String>,
    /// gRPC or HTTP.
    pub protocol: Option<Protocol>,
    /// Sent with every request; empty leaves the word to the environment.
    pub headers: Vec<(String, String)>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// How request bodies are compressed.
    pub compression: Option<Compression>,
    /// Certificates; files that are not named leave the word to the environment.
    pub tls: TlsSettings,
    /// How it is found out that an HTTP/2 connection is dead.
    pub keep_alive: KeepAlive,
    /// Requests that are under way at a time. `None` is [`DEFAULT_IN_FLIGHT`].
    pub max_in_flight: Option<usize>,
    /// The size of a request.
    pub batch: BatchSettings,
    /// What is kept while the endpoint is slow or away.
    pub queue: QueueSettings,
    /// How failed requests are sent again.
    pub retry: RetrySettings,
    /// Where requests are kept on disk during outages, if they are.
    pub spool: Option<SpoolSettings>,
}

/// How OTLP is carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/gRPC: `grpc`.
    #[default]
    Grpc,
    /// OTLP/HTTP with binary protobuf: `http/protobuf`.
    HttpProtobuf,
}

/// How request bodies are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all: the cheapest on loopback.
    #[default]
    None,
    /// gzip at its fastest level: every receiver takes it.
    Gzip,
    /// Zstandard at level 1: smaller than gzip at a fraction of its cost.
    Zstd,
}

/// The size of a request: it leaves as soon as one limit is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSettings {
    /// Most spans in a request.
    pub max_spans: usize,
    /// Most bytes of encoded spans in a request. gRPC servers refuse messages over 4 MiB unless
    /// told otherwise, and the resources come on top.
    pub max_bytes: usize,
    /// How long a span may wait for others.
    pub delay: Duration,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self {
            max_spans: 2048,
            max_bytes: 3 << 20,
            delay: Duration::from_millis(200),
        }
    }
}

/// What is kept while the endpoint is slow or away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Most bytes of spans, by their encoded length, those in flight included. It can be exceeded by
    /// one span.
    pub max_bytes: usize,
    /// What gives way then, and is counted.
    pub when_full: WhenFull,
}

/// What gives way where there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// What comes is not taken.
    #[default]
    DropNewest,
    /// The oldest goes, by the batch or file.
    DropOldest,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            max_bytes: 32 << 20,
            when_full: WhenFull::default(),
        }
    }
}

/// Exponential back-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// The first wait, before jitter.
    pub initial: Duration,
    /// The longest wait, before jitter. A server that names a longer one is obeyed.
    pub max: Duration,
    /// A request is given up this long after its first attempt; zero means never.
    pub max_elapsed: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(500),
            max: Duration::from_secs(30),
            max_elapsed: Duration::from_secs(300),
        }
    }
}

/// Where and how to export; every value checked.
#[derive(Clone, Debug)]
pub struct OtlpSettings {
    /// Where requests go.
    pub endpoint: Endpoint,
    /// gRPC or HTTP.
    pub protocol: Protocol,
    /// Sent with every request.
    pub headers: HeaderMap,
    /// How long one attempt may take; [`NO_LIMIT`] is for ever.
    pub timeout: Duration,
    /// How request bodies are compressed.
    pub compression: Compression,
    /// Certificates.
    pub tls: TlsSettings,
    /// How it is found out that an HTTP/2 connection is dead.
    pub keep_alive: KeepAlive,
    /// Proxies. An endpoint on this host is reached without one.
    pub proxies: Proxies,
    /// Requests that are under way at a time.
    pub max_in_flight: usize,
    /// The size of a request.
    pub batch: BatchSettings,
    /// What is kept while the endpoint is slow or away.
    pub queue: QueueSettings,
    /// How failed requests are sent again.
    pub retry: RetrySettings,
    /// Where requests are kept on disk during outages, if they are.
    pub spool: Option<SpoolSettings>,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// Not a URL.
    #[error("{origin}: `{value}` is not a URL ({problem}); write it like http://127.0.0.1:4317")]
    NotAUrl {
        /// The key or variable it came from.
        origin: &'static str,
        /// What was there.
        value: String,
        /// What the parser says.
        problem: String,
    },
    /// A URL that OTLP is not spoken to.
    #[error(
        "{origin}: `{value}` has the scheme `{scheme}`; OTLP is exported to http://, https:// or unix://"
    )]
    Scheme {
        /// The key or variable it came from.
        origin: &'static str,
        /// What was there.
        value: String,
        /// Its scheme.
        scheme: String,
    },
    /// A URL with a password or user name in it.
    #[error("{origin}: the URL has a user name in it; put credentials into a header")]
    Credentials {
        /// The key or variable it came from.
        origin: &'static str,
    },
    /// A Unix socket without its path.
    #[error("{origin}: `{value}` names no socket; write it like unix:///run/otelcol.sock")]
    Socket {
        /// The key or variable it came from.
        origin: &'static str,
        /// What was there.
        value: String,
    },
    /// A value that is not one of those known.
    #[error("{origin}: `{value}` is not known; use {expected}")]
    Unknown {
        /// The key or variable it came from.
        origin: &'static str,
        /// What was there.
        value: String,
        /// What could be there.
        expected: &'static str,
    },
    /// A header that HTTP does not allow.
    #[error("{origin}: `{value}` is not a header; write name=value, percent-encoded where needed")]
    Header {
        /// The key or variable it came from.
        origin: &'static str,
        /// What was there.
        value: String,
    },
    /// A client certificate without its key, or the other way round.
    #[error("{present} is set and {missing} is not; mutual TLS needs both")]
    HalfIdentity {
        /// The variable that is set.
        present: &'static str,
        /// The variable that is not.
        missing: &'static str,
    },
}

const FILE_ENDPOINT: &str = "exporter.endpoint";
const FILE_HEADERS: &str = "exporter.headers";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// A request may take as long as it likes.
pub const NO_LIMIT: Duration = Duration::MAX;
/// One round trip must not bound the throughput, and a receiver should not see a crowd.
pub const DEFAULT_IN_FLIGHT: usize = 8;

impl OtlpSettings {
    /// Brings the configuration file and this process's environment together.
    pub fn resolve(options: &OtlpOptions) -> Result<Self, SettingsError> {
        Self::resolve_with(options, &|name| std::env::var(name).ok())
    }

    /// The same with another environment.
    ///
    /// A value in the file wins over `OTEL_EXPORTER_OTLP_TRACES_*`, which wins over
    /// `OTEL_EXPORTER_OTLP_*`. An empty variable counts as not set. Other than the specification
    /// has it for SDKs, a value that can't be understood is an error and not a warning: an agent
    /// that exports elsewhere than its operator meant is worse than one that does not start.
    pub fn resolve_with(
        options: &OtlpOptions,
        variables: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let environment = Environment::new(variables);
        let protocol = match options.protocol {
            Some(protocol) => protocol,
            None => environment.protocol()?.unwrap_or_default(),
        };
        Ok(Self {
            endpoint: endpoint(options, &environment, protocol)?,
            protocol,
            headers: if options.headers.is_empty() {
                environment.headers()?
            } else {
                file_headers(&options.headers)?
            },
            timeout: match options.timeout {
                Some(timeout) => timeout,
                None => environment.timeout()?.unwrap_or(DEFAULT_TIMEOUT),
            },
            compression: match options.compression {
                Some(compression) => compression,
                None => environment.compression()?.unwrap_or_default(),
            },
            tls: environment.certificates(options.tls.clone())?,
            keep_alive: options.keep_alive,
            proxies: environment.proxies(),
            max_in_flight: options.max_in_flight.unwrap_or(DEFAULT_IN_FLIGHT).max(1),
            batch: options.batch,
            queue: options.queue,
            retry: options.retry,
            spool: options.spool.clone(),
        })
    }
}

fn endpoint(
    options: &OtlpOptions,
    environment: &Environment<'_>,
    protocol: Protocol,
) -> Result<Endpoint, SettingsError> {
    let default = match protocol {
        Protocol::Grpc => "http://localhost:4317",
        Protocol::HttpProtobuf => "http://localhost:4318",
    };
    let in_file = options.endpoint.clone().map(|value| (FILE_ENDPOINT, value));
    let (origin, value, meaning) = if let Some((origin, value)) = in_file {
        (origin, value, Meaning::Either)
    } else if let Some((origin, value)) = environment.traces_endpoint() {
        (origin, value, Meaning::Whole)
    } else if let Some((origin, value)) = environment.endpoint() {
        (origin, value, Meaning::Base)
    } else {
        ("the default", default.to_owned(), Meaning::Base)
    };
    let scheme = match protocol {
        Protocol::Grpc if origin != FILE_ENDPOINT => Some(environment.scheme()?),
        Protocol::Grpc | Protocol::HttpProtobuf => None,
    };
    let endpoint = Endpoint::parse(origin, &value, meaning, protocol, scheme)?;
    tracing::debug!(%endpoint, "endpoint taken from {origin}");
    Ok(endpoint)
}

fn file_headers(headers: &[(String, String)]) -> Result<HeaderMap, SettingsError> {
    headers
        .iter()
        .map(|(name, value)| header(FILE_HEADERS, name, value))
        .collect()
}

/// One header, or an error that names it without its value, which may be a secret.
pub(super) fn header(
    origin: &'static str,
    name: &str,
    value: &str,
) -> Result<(HeaderName, HeaderValue), SettingsError> {
    let wrong = || SettingsError::Header {
        origin,
        value: name.to_owned(),
    };
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
    let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
