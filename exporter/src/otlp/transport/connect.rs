//! Connections, for both protocols.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tower_service::Service;

use super::TransportError;
use super::gather::Gathered;
use super::proxy::{Carries, Proxy, Route};
use super::stream::{Io, Stream};
use super::tls::Tls;
use crate::otlp::settings::{NO_LIMIT, OtlpSettings};
use crate::telemetry::Registry;

/// Between the keep-alive probes of a connection that is idle.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(60);

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("cannot connect to {to}")]
    Server { to: String, source: Cause },
    #[error("the proxy {proxy} gives no connection")]
    Proxy { proxy: Uri, source: Cause },
    #[error("the TLS handshake failed{hint}")]
    Tls { hint: String, source: io::Error },
    #[error("the server speaks TLS and no HTTP/2, which gRPC needs; is it an OTLP/HTTP port?")]
    NoHttp2,
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
}

/// Connects to the endpoint, whatever URI it is asked for.
#[derive(Clone, Debug)]
pub(super) struct Connector(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    route: Route,
    http: HttpConnector,
    tls: Option<Arc<Tls>>,
    carries: Carries,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(
        settings: &OtlpSettings,
        carries: Carries,
        registry: &Registry,
    ) -> Result<Self, TransportError> {
        let protocol: &[u8] = match carries {
            Carries::Http1 => b"http/1.1",
            Carries::Http2 => b"h2",
        };
        let tls = match settings.endpoint.is_tls() {
            true => Some(Tls::start(settings, protocol, registry)?),
            false => None,
        };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(TCP_KEEP_ALIVE));
        if settings.timeout != NO_LIMIT {
            // Bytes that nobody has acknowledged for so long: the connection is dead.
            http.set_tcp_user_timeout(Some(settings.timeout));
            // It is shared by the addresses of a name: one that is dead leaves time for the others.
            http.set_connect_timeout(Some(settings.timeout));
        }
        Ok(Self(Arc::new(Inner {
            route: Route::new(&settings.endpoint, &settings.proxies, carries)?,
            http,
            tls,
            carries,
            timeout: settings.timeout,
        })))
    }

    /// The proxy that requests have to be written for, if there is one.
    pub(super) fn forwards(&self) -> Option<&Proxy> {
        match &self.0.route {
            Route::Forward(proxy) => Some(proxy),
            Route::Direct(_) | Route::Socket(_) | Route::Tunnel(..) => None,
        }
    }
}

impl Inner {
    async fn connect(self: Arc<Self>) -> Result<TokioIo<Stream>, ConnectError> {
        let limit = self.timeout;
        let connected = tokio::time::timeout(limit, self.secured()).await;
        connected.unwrap_or(Err(ConnectError::TimedOut(limit)))
    }

    async fn secured(self: Arc<Self>) -> Result<TokioIo<Stream>, ConnectError> {
        let plain = self.plain().await?;
        let Some(tls) = &self.tls else {
            let forwarded = matches!(self.route, Route::Forward(_));
            return Ok(self.stream(plain, forwarded));
        };
        let stream = Arc::clone(tls).connect(plain).await;
        let stream = stream.map_err(|source| ConnectError::Tls {
            hint: tls.hint(&source),
            source,
        })?;
        let agreed = stream.get_ref().1.alpn_protocol();
        if self.carries == Carries::Http2 && agreed != Some(b"h2") {
            return Err(ConnectError::NoHttp2);
        }
        Ok(self.stream(stream, false))
    }

    fn stream(&self, io: impl Io + 'static, forwarded: bool) -> TokioIo<Stream> {
        let io: Box<dyn Io> = match self.carries {
            Carries::Http1 => Box::new(io),
            Carries::Http2 => Box::new(Gathered::new(io)),
        };
        TokioIo::new(Stream::new(io, forwarded))
    }

    async fn plain(&self) -> Result<Box<dyn Io>, ConnectError> {
        let mut tcp = self.http.clone();
        let connected = match &self.route {
            Route::Direct(uri) => {
                let connected = tcp.call(uri.clone()).await;
                connected.map_err(|error| no_server(authority(uri), error))
            }
            Route::Socket(path) => {
                return match UnixStream::connect(path).await {
                    Ok(stream) => Ok(Box::new(stream)),
                    Err(error) => Err(no_server(path.display().to_string(), error)),
                };
            }
            Route::Forward(proxy) => {
                let connected = tcp.call(proxy.uri.clone()).await;
                connected.map_err(|error| no_proxy(proxy, error))
            }
            Route::Tunnel(proxy, to) => {
                let mut tunnel = Tunnel::new(proxy.uri.clone(), tcp);
                if let Some(authorization) = &proxy.authorization {
                    tunnel = tunnel.with_auth(authorization.clone());
                }
                let connected = tunnel.call(to.clone()).await;
                connected.map_err(|error| no_proxy(proxy, error))
            }
        };
        Ok(Box::new(connected?.into_inner()))
    }
}

fn no_server(to: String, error: impl Into<Cause>) -> ConnectError {
    let source = error.into();
    ConnectError::Server { to, source }
}

fn no_proxy(proxy: &Proxy, error: impl Into<Cause>) -> ConnectError {
    let (proxy, source) = (proxy.uri.clone(), error.into());
    ConnectError::Proxy { proxy, source }
}

fn authority(uri: &Uri) -> String {
    uri.authority().map(ToString::to_string).unwrap_or_default()
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(Arc::clone(&self.0).connect())
    }
}
