//! The variables `OTEL_EXPORTER_OTLP_*`, each with its `OTEL_EXPORTER_OTLP_TRACES_*` twin, which
//! wins.
//!
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

use std::time::Duration;

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use super::settings::{
    Compression, NO_LIMIT, NamedFile, Protocol, Proxies, SettingsError, TlsSettings, header,
};

/// A variable for traces alone, and the one for all signals.
struct Names {
    traces: &'static str,
    general: &'static str,
}

macro_rules! names {
    ($suffix:literal) => {
        Names {
            traces: concat!("OTEL_EXPORTER_OTLP_TRACES_", $suffix),
            general: concat!("OTEL_EXPORTER_OTLP_", $suffix),
        }
    };
}

const ENDPOINT: Names = names!("ENDPOINT");
const PROTOCOL: Names = names!("PROTOCOL");
const HEADERS: Names = names!("HEADERS");
const TIMEOUT: Names = names!("TIMEOUT");
const COMPRESSION: Names = names!("COMPRESSION");
const INSECURE: Names = names!("INSECURE");
const CERTIFICATE: Names = names!("CERTIFICATE");
const CLIENT_CERTIFICATE: Names = names!("CLIENT_CERTIFICATE");
const CLIENT_KEY: Names = names!("CLIENT_KEY");

type Found = Option<(&'static str, String)>;

pub(super) struct Environment<'a> {
    variables: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Environment<'a> {
    pub(super) fn new(variables: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { variables }
    }

    fn get(&self, name: &'static str) -> Found {
        let value = (self.variables)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| (name, value.to_owned()))
    }

    fn either(&self, names: &Names) -> Found {
        self.get(names.traces).or_else(|| self.get(names.general))
    }

    pub(super) fn traces_endpoint(&self) -> Found {
        self.get(ENDPOINT.traces)
    }

    pub(super) fn endpoint(&self) -> Found {
        self.get(ENDPOINT.general)
    }

    pub(super) fn protocol(&self) -> Result<Option<Protocol>, SettingsError> {
        let Some((origin, value)) = self.either(&PROTOCOL) else {
            return Ok(None);
        };
        match value.as_str() {
            "grpc" => Ok(Some(Protocol::Grpc)),
            "http/protobuf" => Ok(Some(Protocol::HttpProtobuf)),
            _ => Err(SettingsError::Unknown {
                origin,
                value,
                expected: "grpc or http/protobuf",
            }),
        }
    }

    pub(super) fn compression(&self) -> Result<Option<Compression>, SettingsError> {
        let Some((origin, value)) = self.either(&COMPRESSION) else {
            return Ok(None);
        };
        match value.as_str() {
            "none" => Ok(Some(Compression::None)),
            "gzip" => Ok(Some(Compression::Gzip)),
            "zstd" => Ok(Some(Compression::Zstd)),
            _ => Err(SettingsError::Unknown {
                origin,
                value,
                expected: "none, gzip or zstd",
            }),
        }
    }

    /// The scheme of an endpoint that has none: TLS unless `..._INSECURE` says otherwise.
    pub(super) fn scheme(&self) -> Result<&'static str, SettingsError> {
        let Some((origin, value)) = self.either(&INSECURE) else {
            return Ok("https");
        };
        match value.to_ascii_lowercase().as_str() {
            "true" => Ok("http"),
            "false" => Ok("https"),
            _ => Err(SettingsError::Unknown {
                origin,
                value,
                expected: "true or false",
            }),
        }
    }

    /// Milliseconds, as the specification has it, and 0 is no limit.
    pub(super) fn timeout(&self) -> Result<Option<Duration>, SettingsError> {
        let Some((origin, value)) = self.either(&TIMEOUT) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(0) => Ok(Some(NO_LIMIT)),
            Ok(millis) => Ok(Some(Duration::from_millis(millis))),
            _ => Err(SettingsError::Unknown {
                origin,
                value,
                expected: "a whole number of milliseconds, or 0 for no limit",
            }),
        }
    }

    /// `name=value` pairs with commas between them, percent-encoded like W3C baggage.
    pub(super) fn headers(&self) -> Result<HeaderMap, SettingsError> {
        let Some((origin, value)) = self.either(&HEADERS) else {
            return Ok(HeaderMap::new());
        };
        let pairs = value
            .split(',')
            .map(str::trim)
            .filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                // What is before the first `=` is no secret; all of it may be.
                let Some((name, value)) = pair.split_once('=') else {
                    return Err(SettingsError::Header {
                        origin,
                        value: "(no = in it)".to_owned(),
                    });
                };
                let decoded = percent_decode_str(value.trim()).decode_utf8();
                let wrong = |_| SettingsError::Header {
                    origin,
                    value: name.trim().to_owned(),
                };
                header(origin, name.trim(), &decoded.map_err(wrong)?)
            })
            .collect()
    }

    /// The certificate variables, under those files that `tls` has already.
    pub(super) fn certificates(&self, mut tls: TlsSettings) -> Result<TlsSettings, SettingsError> {
        let file = |names| {
            let named = |(origin, path): (_, String)| NamedFile::new(origin, path);
            self.either(names).map(named)
        };
        let half = |present: &NamedFile, missing: &Names| SettingsError::HalfIdentity {
            present: present.origin,
            missing: missing.general,
        };
        if tls.identity.is_none() {
            tls.identity = match (file(&CLIENT_CERTIFICATE), file(&CLIENT_KEY)) {
                (Some(certificate), Some(key)) => Some((certificate, key)),
                (None, None) => None,
                (Some(certificate), None) => return Err(half(&certificate, &CLIENT_KEY)),
                (None, Some(key)) => return Err(half(&key, &CLIENT_CERTIFICATE)),
            };
        }
        tls.ca = tls.ca.or_else(|| file(&CERTIFICATE));
        Ok(tls)
    }

    /// The variables that name proxies. As with curl, lower case goes first.
    pub(super) fn proxies(&self) -> Proxies {
        let either = |lower, upper| self.get(lower).or_else(|| self.get(upper));
        Proxies {
            http: either("http_proxy", "HTTP_PROXY"),
            https: either("https_proxy", "HTTPS_PROXY"),
            all: either("all_proxy", "ALL_PROXY"),
            none: either("no_proxy", "NO_PROXY").map_or_else(String::new, |(_, hosts)| hosts),
        }
    }
}
