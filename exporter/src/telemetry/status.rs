//! Pages about the agent itself: `/metrics`, `/healthz`, `/readyz`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::Registry;
use super::prometheus;

/// Connections at a time; further ones wait.
const CONNECTIONS: usize = 16;
/// How long a client may take to ask.
const PATIENCE: Duration = Duration::from_secs(10);
/// Wait after a failure to accept, which a lack of file descriptors would repeat at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Why there can be no pages.
#[derive(Debug, thiserror::Error)]
#[error(
    "telemetry.status.listen: cannot listen on {address}: {source}; another address, or \"\" for none, helps"
)]
pub struct StatusError {
    address: SocketAddr,
    source: std::io::Error,
}

/// Whether the agent does its work. Clones say the same.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    Starting,
    Ready,
    Failed(String),
}

impl Default for Readiness {
    /// Not yet.
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State::Starting)))
    }
}

impl Readiness {
    /// The programs are attached.
    pub fn ready(&self) {
        self.set(State::Ready);
    }

    /// The agent goes on only to end.
    pub fn failed(&self, why: impl Into<String>) {
        self.set(State::Failed(why.into()));
    }

    fn set(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn says<T>(&self, say: impl FnOnce(&State) -> T) -> T {
        say(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Serves the pages until it is dropped.
#[derive(Debug)]
pub struct StatusServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl StatusServer {
    /// Serves the pages on `address` (port 0: any that is free), over HTTP/1. Must be called inside
    /// a tokio runtime.
    ///
    /// # Errors
    /// If the address is not to be had.
    pub async fn start(
        address: SocketAddr,
        registry: &Registry,
        readiness: &Readiness,
    ) -> Result<Self, StatusError> {
        let refused = |source| StatusError { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let pages = Arc::new(Pages {
            registry: registry.clone(),
            readiness: readiness.clone(),
        });
        Ok(Self {
            address,
            task: tokio::spawn(serve(listener, pages)),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for StatusServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, pages: Arc<Pages>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let pages = Arc::clone(&pages);
                tokio::spawn(async move {
                    pages.answer(stream).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection for the status pages: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

struct Pages {
    registry: Registry,
    readiness: Readiness,
}

impl Pages {
    async fn answer(&self, stream: TcpStream) {
        let service = service_fn(async |request| Ok::<_, Infallible>(self.page(&request)));
        // A client that goes away is its own affair.
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    fn page(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".into());
            let allowed = http::HeaderValue::from_static("GET, HEAD");
            refusal.headers_mut().insert(header::ALLOW, allowed);
            return refusal;
        }
        match request.uri().path() {
            "/metrics" => typed(
                StatusCode::OK,
                prometheus::CONTENT_TYPE,
                prometheus::page(&self.registry),
            ),
            "/healthz" => self.readiness.says(|state| match state {
                State::Failed(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
                State::Starting | State::Ready => text(StatusCode::OK, "ok\n".into()),
            }),
            "/readyz" => self.readiness.says(|state| match state {
                State::Ready => text(StatusCode::OK, "ready\n".into()),
                State::Starting => text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the programs are not attached yet\n".into(),
                ),
                State::Failed(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            }),
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /metrics, /healthz and /readyz\n".into(),
            ),
        }
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    typed(status, "text/plain; charset=utf-8", body)
}

fn typed(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
