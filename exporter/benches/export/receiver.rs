//! A server for OTLP, over gRPC and HTTP, that counts and says yes, in a process of its own.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;

use super::place;

pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The receiver's process. Ends with this one.
pub struct Receiver {
    pub url: String,
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Receiver {
    pub fn start(what: Count) -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["receiver", what.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let asked = child.stdin.take().ok_or("no stdin")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut receiver = Self {
            url: String::new(),
            child,
            asked,
            answers,
        };
        receiver.url = receiver.line()?;
        Ok(receiver)
    }

    /// Bytes or spans of requests since it was asked last.
    pub fn take_count(&mut self) -> Result<u64, Error> {
        writeln!(self.asked)?;
        Ok(self.line()?.parse()?)
    }

    fn line(&mut self) -> Result<String, Error> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a receiver counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// What takes it the least time.
    Bytes,
    /// It reads whole requests for that.
    Spans,
}

impl Count {
    fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Spans => "spans",
        }
    }
}

/// The process itself, as it was started.
pub fn run() -> Result<(), Error> {
    let spans = std::env::args().any(|arg| arg == Count::Spans.name());
    let what = if spans { Count::Spans } else { Count::Bytes };
    place::pin(place::RECEIVER)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines() {
            println!("{}", counted.swap(0, Ordering::Relaxed));
        }
        // The one who asked is gone.
        std::process::exit(0);
    });
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, what, Arc::clone(&count)));
                let mut builder = Builder::new(TokioExecutor::new());
                // A whole request of any of the senders: none is to wait for the window.
                let window = 4 << 20;
                builder.http2().initial_stream_window_size(window);
                builder.http2().initial_connection_window_size(4 * window);
                let _ = builder
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}

async fn answer(
    request: Request<Incoming>,
    what: Count,
    count: Arc<AtomicU64>,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, hyper::Error> {
    let version = request.version();
    let mut body = request.into_body();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await.transpose()? {
        if let Some(data) = frame.data_ref() {
            match what {
                Count::Bytes => _ = count.fetch_add(data.len() as u64, Ordering::Relaxed),
                Count::Spans => whole.extend_from_slice(data),
            }
        }
    }
    // An empty message, and OK: in HTTP/1.1 that is an empty body.
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    let grpc = version == Version::HTTP_2;
    let message = whole.get(if grpc { GRPC_PREFIX } else { 0 }..);
    count.fetch_add(spans(message.unwrap_or_default()), Ordering::Relaxed);
    let body = Full::new(Bytes::from_static(if grpc { &[0; 5] } else { &[] }));
    let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/grpc");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Flag and length.
const GRPC_PREFIX: usize = 5;

/// How many spans a request has: `resource_spans` (1), in them `scope_spans` (2), in them `spans` (2).
fn spans(request: &[u8]) -> u64 {
    let scopes = fields(request, 1).flat_map(|resource| fields(resource, 2));
    scopes.map(|scope| fields(scope, 2).count() as u64).sum()
}

/// The contents of a message's fields of this number. Those around spans are all length-delimited.
fn fields(mut message: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        loop {
            let tag = varint(&mut message)?;
            let length = varint(&mut message)? as usize;
            let (content, rest) = message.split_at_checked(length)?;
            message = rest;
            if tag == number << 3 | 2 {
                return Some(content);
            }
        }
    })
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    prost::encoding::decode_varint(bytes).ok()
}
