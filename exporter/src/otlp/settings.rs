//! Where and how to export: the configuration file and the environment brought together.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;

use super::environment::Environment;

/// What the configuration file says. `None` leaves the word to the environment, and then to the
/// default.
#[derive(Clone, Debug, Default)]
pub struct OtlpOptions {
    /// A URL with scheme `http` or `https`. For HTTP `/v1/traces` is appended unless it is there.
    pub endpoint: Option<String>,
    /// gRPC or HTTP.
    pub protocol: Option<Protocol>,
    /// Sent with every request; empty leaves the word to the environment.
    pub headers: Vec<(String, String)>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// How request bodies are compressed.
    pub compression: Option<Compression>,
    /// The size of a request.
    pub batch: BatchSettings,
    /// What is kept while the endpoint is slow or away.
    pub queue: QueueSettings,
    /// How failed requests are sent again.
    pub retry: RetrySettings,
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
    /// gzip: every receiver takes it.
    Gzip,
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
    /// Most bytes of spans, by their encoded length, those in flight included. What comes on top is
    /// dropped and counted.
    pub max_bytes: usize,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            max_bytes: 32 << 20,
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

/// Certificate files for TLS (PEM).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client's certificate chain and key, for mutual TLS.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Where and how to export; every value checked.
#[derive(Clone, Debug)]
pub struct OtlpSettings {
    /// For gRPC the server, for HTTP the full URL that traces are posted to.
    pub endpoint: Url,
    /// For gRPC the server, for HTTP the full URL that metrics are posted to.
    pub metrics_endpoint: Url,
    /// gRPC or HTTP.
    pub protocol: Protocol,
    /// Sent with every request.
    pub headers: HeaderMap,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How request bodies are compressed.
    pub compression: Compression,
    /// Certificate files.
    pub tls: TlsFiles,
    /// The size of a request.
    pub batch: BatchSettings,
    /// What is kept while the endpoint is slow or away.
    pub queue: QueueSettings,
    /// How failed requests are sent again.
    pub retry: RetrySettings,
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
        "{origin}: `{value}` has the scheme `{scheme}`; OTLP is exported to http:// or https://"
    )]
    Scheme {
        /// The key or variable it came from.
        origin: &'static str,
        /// What was there.
        value: String,
        /// Its scheme.
        scheme: String,
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
        let (endpoint, metrics_endpoint) = endpoints(options, &environment, protocol)?;
        Ok(Self {
            endpoint,
            metrics_endpoint,
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
            tls: environment.tls()?,
            batch: options.batch,
            queue: options.queue,
            retry: options.retry,
        })
    }
}

fn endpoints(
    options: &OtlpOptions,
    environment: &Environment<'_>,
    protocol: Protocol,
) -> Result<(Url, Url), SettingsError> {
    let (origin, url, as_is) = if let Some(value) = &options.endpoint {
        let url = parse_url(FILE_ENDPOINT, value)?;
        let whole = url.path().trim_end_matches('/').ends_with("/v1/traces");
        (FILE_ENDPOINT, url, whole)
    } else if let Some((origin, value)) = environment.traces_endpoint() {
        (origin, parse_url(origin, &value)?, true)
    } else if let Some((origin, value)) = environment.endpoint() {
        (origin, parse_url(origin, &value)?, false)
    } else {
        let default = match protocol {
            Protocol::Grpc => "http://localhost:4317",
            Protocol::HttpProtobuf => "http://localhost:4318",
        };
        ("the default", parse_url("the default", default)?, false)
    };
    tracing::debug!(endpoint = %url, "endpoint taken from {origin}");
    Ok(match protocol {
        Protocol::Grpc => (url.clone(), url),
        Protocol::HttpProtobuf if as_is => {
            let base = url
                .path()
                .trim_end_matches('/')
                .trim_end_matches("/v1/traces")
                .to_owned();
            let metrics = with_path(&url, &base, "/v1/metrics");
            (url, metrics)
        }
        Protocol::HttpProtobuf => {
            let base = url.path().trim_end_matches('/').to_owned();
            (
                with_path(&url, &base, "/v1/traces"),
                with_path(&url, &base, "/v1/metrics"),
            )
        }
    })
}

fn with_path(url: &Url, base: &str, signal: &str) -> Url {
    let mut url = url.clone();
    url.set_path(&format!("{base}{signal}"));
    url
}

fn parse_url(origin: &'static str, value: &str) -> Result<Url, SettingsError> {
    let not_a_url = |problem: &str| SettingsError::NotAUrl {
        origin,
        value: value.to_owned(),
        problem: problem.to_owned(),
    };
    // `localhost:4317` would be taken for a URL with the scheme `localhost`.
    if !value.contains("://") {
        return Err(not_a_url("it has no scheme"));
    }
    let url = Url::parse(value).map_err(|error| not_a_url(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(SettingsError::Scheme {
            origin,
            value: value.to_owned(),
            scheme: scheme.to_owned(),
        }),
    }
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
