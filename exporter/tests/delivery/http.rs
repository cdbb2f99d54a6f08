//! OTLP/HTTP with binary protobuf.

use std::convert::Infallible;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::http::HeaderValue;
use hyper::service::service_fn;
use hyper::{Request, Response};
use lanewire::otlp::OtlpOptions;
use lanewire::otlp::settings::{Compression, Protocol};
use lanewire::pipeline::Summary;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use rustls::ServerConfig;

use super::script::{Script, eventually};
use super::server::{self, Place, Server};
use super::shop::{Shop, options};

pub type Answer = Response<Full<Bytes>>;

pub async fn serve(script: &Script<Answer>) -> Server {
    serve_at(Place::anywhere(), None, script).await
}

pub async fn serve_at(
    place: Place,
    tls: Option<Arc<ServerConfig>>,
    script: &Script<Answer>,
) -> Server {
    let script = script.clone();
    let service = service_fn(move |request| answer(script.clone(), request));
    server::serve(place, tls, service).await
}

async fn answer(script: Script<Answer>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    assert_eq!(head.uri.path(), "/v1/traces");
    assert_eq!(head.headers["content-type"], "application/x-protobuf");
    let body = body.collect().await.expect("a whole body").to_bytes();
    let body = decompress(head.headers.get("content-encoding"), body);
    let _inside = script.gate.enter().await;
    let answer = script.next().unwrap_or_default();
    if answer.status().is_success() {
        let request = ExportTraceServiceRequest::decode(body).expect("a request");
        if script.pass_on(&request).await.is_err() {
            return Ok(status(503));
        }
        script.received.take(head.headers, request);
    }
    Ok(answer)
}

fn decompress(encoding: Option<&HeaderValue>, body: Bytes) -> Bytes {
    let mut plain = Vec::new();
    let mut gzip = flate2::read::GzDecoder::new(body.as_ref());
    match encoding.map(HeaderValue::as_bytes) {
        None => return body,
        Some(b"gzip") => gzip.read_to_end(&mut plain).expect("gzip"),
        Some(b"zstd") => zstd::stream::copy_decode(body.as_ref(), &mut plain)
            .map(|()| plain.len())
            .expect("zstd"),
        Some(other) => panic!("{other:?} is no encoding of OTLP"),
    };
    plain.into()
}

pub fn status(status: u16) -> Answer {
    Response::builder()
        .status(status)
        .body(Full::from("busy"))
        .expect("a response")
}

pub fn retry_after(status: u16, when: &str) -> Answer {
    let response = Response::builder()
        .status(status)
        .header("retry-after", when);
    response.body(Full::default()).expect("a response")
}

fn to(server: &Server) -> OtlpOptions {
    options(Protocol::HttpProtobuf, &server.url)
}

#[tokio::test]
async fn an_overloaded_server_gets_every_span_once() {
    let now = httpdate::fmt_http_date(SystemTime::now());
    let script = Script::new([
        retry_after(429, "0"),
        retry_after(503, &now),
        status(502),
        status(503),
        status(504),
    ]);
    let server = serve(&script).await;
    let mut options = to(&server);
    options.compression = Some(Compression::Gzip);
    options.batch.delay = super::shop::LONG;
    let shop = Shop::open(&options);
    shop.push("front", 1..=50);
    let registry = shop.registry.clone();
    assert_eq!(
        shop.close().await,
        Summary {
            sent: 50,
            ..Summary::default()
        }
    );
    assert_eq!(script.received.span_ids(), (1..=50).collect::<Vec<_>>());
    assert_eq!(
        script.received.header("content-encoding").as_deref(),
        Some("gzip")
    );
    assert_eq!(script.received.header("x-tenant").as_deref(), Some("blue"));
    let retries = registry
        .snapshot()
        .into_iter()
        .find(|s| s.name.ends_with("retries"));
    assert_eq!(retries.map(|sample| sample.value), Some(5));
}

#[tokio::test]
async fn the_time_that_retry_after_names_is_waited_for() {
    // The back-off alone would be done in no time; the server's word is beyond the limit.
    let script = Script::new([retry_after(429, "3600")]);
    let server = serve(&script).await;
    let mut options = to(&server);
    options.retry.max_elapsed = Duration::from_secs(60);
    let shop = Shop::open(&options);
    shop.push("front", [1]);
    let dropped = "lanewire.exporter.spans.dropped{reason=retry_limit}";
    eventually("a drop", || shop.counted(dropped) == Some(1)).await;
    assert_eq!(
        shop.close().await,
        Summary {
            sent: 0,
            rejected: 0,
            dropped: 1,
            ..Summary::default()
        }
    );
}

#[tokio::test]
async fn a_refusal_is_final() {
    let script = Script::new([status(400), status(500)]);
    let server = serve(&script).await;
    let shop = Shop::open(&to(&server));
    for (id, reason) in [(1, "http_400"), (2, "http_500")] {
        shop.push("front", [id]);
        let dropped = format!("lanewire.exporter.spans.dropped{{reason={reason}}}");
        eventually("a drop", || shop.counted(&dropped) == Some(1)).await;
    }
    assert_eq!(shop.counted("lanewire.exporter.retries"), Some(0));
}

#[tokio::test]
async fn a_partial_success_is_counted() {
    let partial = ExportTracePartialSuccess {
        rejected_spans: 1,
        error_message: "id".into(),
    };
    let body = ExportTraceServiceResponse {
        partial_success: Some(partial),
    }
    .encode_to_vec();
    let script = Script::new([Response::new(Full::from(body))]);
    let server = serve(&script).await;
    let mut options = to(&server);
    options.batch.delay = super::shop::LONG;
    let shop = Shop::open(&options);
    shop.push("front", [1, 2]);
    assert_eq!(
        shop.close().await,
        Summary {
            sent: 1,
            rejected: 1,
            dropped: 0,
            ..Summary::default()
        }
    );
}
