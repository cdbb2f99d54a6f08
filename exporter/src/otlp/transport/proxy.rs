//! The way to the endpoint: straight, over a socket on this host, or through a proxy.

use std::path::PathBuf;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::TransportError;
use crate::otlp::Endpoint;
use crate::otlp::settings::Proxies;

/// How a connection is made.
#[derive(Clone, Debug)]
pub(super) enum Route {
    /// To the host and port of this URI.
    Direct(Uri),
    /// To a Unix socket.
    Socket(PathBuf),
    /// To a proxy that reads requests and passes them on: HTTP without TLS.
    Forward(Proxy),
    /// Through a proxy that passes bytes on (CONNECT, RFC 9110, 9.3.6) to the host and port of this
    /// URI.
    Tunnel(Proxy, Uri),
}

/// A proxy.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    pub uri: Uri,
    /// `Proxy-Authorization`.
    pub authorization: Option<HeaderValue>,
}

/// What a connection carries, which decides what a proxy can do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carries {
    /// HTTP/1.1: a proxy can read it unless it is encrypted.
    Http1,
    /// HTTP/2, which proxies take in a tunnel only.
    Http2,
}

impl Route {
    pub(super) fn new(
        endpoint: &Endpoint,
        proxies: &Proxies,
        carries: Carries,
    ) -> Result<Self, TransportError> {
        if let Some(path) = endpoint.socket() {
            return Ok(Self::Socket(path.to_owned()));
        }
        let uri = uri(endpoint)?;
        // A proxy could only reach its own loopback.
        if endpoint.is_local() {
            return Ok(Self::Direct(uri));
        }
        let Some(proxy) = find(proxies, &uri, endpoint.is_tls())? else {
            return Ok(Self::Direct(uri));
        };
        let proxy = Proxy {
            uri: proxy.uri().clone(),
            authorization: proxy.basic_auth().cloned(),
        };
        tracing::info!(proxy = %proxy.uri, %endpoint, "spans go through a proxy");
        Ok(match carries {
            Carries::Http1 if !endpoint.is_tls() => Self::Forward(proxy),
            Carries::Http1 | Carries::Http2 => Self::Tunnel(proxy, uri),
        })
    }
}

pub(super) fn uri(endpoint: &Endpoint) -> Result<Uri, TransportError> {
    let url = endpoint.traces().as_str();
    url.parse().map_err(|source| TransportError::Uri {
        endpoint: endpoint.to_string(),
        source,
    })
}

fn find(proxies: &Proxies, to: &Uri, tls: bool) -> Result<Option<Intercept>, TransportError> {
    let own = if tls { &proxies.https } else { &proxies.http };
    let Some((origin, url)) = own.as_ref().or(proxies.all.as_ref()) else {
        return Ok(None);
    };
    let matcher = Matcher::builder().all(url.clone());
    let wrong = TransportError::Proxy { origin };
    let Some(proxy) = matcher.build().intercept(to) else {
        return Err(wrong);
    };
    if proxy.uri().scheme_str() != Some("http") {
        return Err(wrong);
    }
    let matcher = Matcher::builder().all(url.clone());
    Ok(matcher.no(proxies.none.clone()).build().intercept(to))
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
