//! A server for either protocol, at any kind of address, that ends with the test.

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// Where a server listens.
pub enum Place {
    Tcp(SocketAddr),
    Socket(PathBuf),
}

impl Place {
    /// Any port of IPv4's loopback.
    pub fn anywhere() -> Self {
        Self::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Any port of IPv6's loopback.
    pub fn v6() -> Self {
        Self::Tcp("[::1]:0".parse().expect("an address"))
    }

    pub fn socket(directory: &Path) -> Self {
        Self::Socket(directory.join("otlp.sock"))
    }
}

/// Dropping it closes the port and all connections.
pub struct Server {
    pub url: String,
    pub address: Option<SocketAddr>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Ends it now, so that another one can have its address.
    pub async fn close(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Listener {
    async fn accept(&self) -> std::io::Result<Box<dyn Io>> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

pub async fn serve<S, B>(place: Place, tls: Option<Arc<ServerConfig>>, service: S) -> Server
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let scheme = if tls.is_some() { "https" } else { "http" };
    let (listener, url, address) = match place {
        Place::Tcp(address) => {
            let listener = TcpListener::bind(address).await.expect("a free port");
            let address = listener.local_addr().expect("an address");
            let url = format!("{scheme}://{address}");
            (Listener::Tcp(listener), url, Some(address))
        }
        Place::Socket(path) => {
            let listener = UnixListener::bind(&path).expect("a socket");
            (
                Listener::Unix(listener),
                format!("unix://{}", path.display()),
                None,
            )
        }
    };
    let tls = tls.map(TlsAcceptor::from);
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok(stream) = listener.accept().await {
            let (service, tls) = (service.clone(), tls.clone());
            connections.spawn(async move {
                let stream: Box<dyn Io> = match tls {
                    None => stream,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => Box::new(stream),
                        // The client's trouble is what such a test looks at.
                        Err(_) => return,
                    },
                };
                let connection = Builder::new(TokioExecutor::new());
                let _ = connection
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    Server { url, address, task }
}
