//! OTLP/gRPC.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;

use lanewire::otlp::OtlpOptions;
use lanewire::otlp::settings::{Compression, Protocol};
use lanewire::pipeline::Summary;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use rustls::ServerConfig;
use tokio::sync::mpsc;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tower_service::Service;

use super::address::free_address;
use super::script::{Script, eventually};
use super::server::{self, Place};
use super::shop::{Shop, options};

pub type Answer = Result<ExportTraceServiceResponse, Status>;

/// A gRPC server that ends with the test.
pub struct Server {
    pub url: String,
    pub address: Option<SocketAddr>,
    pub metrics: mpsc::UnboundedReceiver<ExportMetricsServiceRequest>,
    pub server: server::Server,
}

struct Traces(Script<Answer>);
struct Metrics(mpsc::UnboundedSender<ExportMetricsServiceRequest>);

#[tonic::async_trait]
impl TraceService for Traces {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let _inside = self.0.gate.enter().await;
        let answer = self
            .0
            .next()
            .unwrap_or_else(|| Ok(ExportTraceServiceResponse::default()))?;
        let (metadata, _, request) = request.into_parts();
        self.0.pass_on(&request).await?;
        self.0.received.take(metadata.into_headers(), request);
        Ok(Response::new(answer))
    }
}

#[tonic::async_trait]
impl MetricsService for Metrics {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        // Nobody listens any more when the test is over.
        let _ = self.0.send(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

pub async fn serve(address: SocketAddr, script: &Script<Answer>) -> Server {
    serve_at(Place::Tcp(address), None, script).await
}

pub async fn serve_at(
    place: Place,
    tls: Option<Arc<ServerConfig>>,
    script: &Script<Answer>,
) -> Server {
    let (sender, metrics) = mpsc::unbounded_channel();
    let traces = TraceServiceServer::new(Traces(script.clone()))
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd);
    let measured = MetricsServiceServer::new(Metrics(sender))
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd);
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut traces, mut measured) = (traces.clone(), measured.clone());
        async move {
            match request.uri().path().contains("MetricsService") {
                true => measured.call(request).await,
                false => traces.call(request).await,
            }
        }
    });
    let server = server::serve(place, tls, service).await;
    Server {
        url: server.url.clone(),
        address: server.address,
        metrics,
        server,
    }
}

pub fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn to(server: &Server) -> OtlpOptions {
    options(Protocol::Grpc, &server.url)
}

fn all_sent(sent: u64) -> Summary {
    Summary {
        sent,
        ..Summary::default()
    }
}

#[tokio::test]
async fn an_unavailable_server_that_comes_back_gets_every_span_once() {
    let script = Script::new([
        Err(Status::unavailable("starting")),
        Err(Status::aborted("again")),
        Err(Status::data_loss("again")),
    ]);
    let server = serve(anywhere(), &script).await;
    let shop = Shop::open(&to(&server));
    shop.push("front", 1..=100);
    let received = script.received.clone();
    eventually("all spans", || received.span_ids().len() == 100).await;
    assert_eq!(shop.counted("lanewire.exporter.retries"), Some(3));
    assert_eq!(shop.close().await, all_sent(100));
    assert_eq!(received.span_ids(), (1..=100).collect::<Vec<_>>());
    assert_eq!(received.header("x-tenant").as_deref(), Some("blue"));
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_gets_every_span_when_it_is() {
    let address = free_address().await;
    let shop = Shop::open(&options(Protocol::Grpc, &format!("http://{address}")));
    shop.push("front", 1..=10);
    eventually("an attempt again", || {
        shop.counted("lanewire.exporter.retries") > Some(0)
    })
    .await;

    let script = Script::new([]);
    let _server = serve(address, &script).await;
    assert_eq!(shop.close().await, all_sent(10));
    assert_eq!(script.received.span_ids(), (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn exhausted_resources_are_final_unless_the_server_names_a_time() {
    let with_info = Status::with_error_details(
        Code::ResourceExhausted,
        "busy",
        ErrorDetails::with_retry_info(Some(Duration::from_millis(1))),
    );
    let script = Script::new([Err(with_info), Err(Status::resource_exhausted("too large"))]);
    let server = serve(anywhere(), &script).await;
    let mut options = to(&server);
    options.batch.max_spans = 2;
    options.batch.delay = super::shop::LONG;
    let shop = Shop::open(&options);
    shop.push("front", [1, 2]);
    let dropped = "lanewire.exporter.spans.dropped{reason=RESOURCE_EXHAUSTED}";
    eventually("a drop", || shop.counted(dropped) == Some(2)).await;
    assert_eq!(shop.counted("lanewire.exporter.retries"), Some(1));

    shop.push("front", [3]);
    assert_eq!(
        shop.close().await,
        Summary {
            sent: 1,
            rejected: 0,
            dropped: 2,
            ..Summary::default()
        }
    );
    assert_eq!(script.received.span_ids(), [3]);
}

#[tokio::test]
async fn a_refusal_is_final() {
    let script = Script::new([Err(Status::invalid_argument("bad id"))]);
    let server = serve(anywhere(), &script).await;
    let shop = Shop::open(&to(&server));
    shop.push("front", [1]);
    let dropped = "lanewire.exporter.spans.dropped{reason=INVALID_ARGUMENT}";
    eventually("a drop", || shop.counted(dropped) == Some(1)).await;
    assert_eq!(shop.counted("lanewire.exporter.retries"), Some(0));
}

#[tokio::test]
async fn a_partial_success_is_counted_and_not_sent_again() {
    let partial = ExportTracePartialSuccess {
        rejected_spans: 2,
        error_message: "ids".into(),
    };
    let script = Script::new([Ok(ExportTraceServiceResponse {
        partial_success: Some(partial),
    })]);
    let server = serve(anywhere(), &script).await;
    let mut options = to(&server);
    options.batch.max_spans = 5;
    options.batch.delay = super::shop::LONG;
    let shop = Shop::open(&options);
    shop.push("front", 1..=5);
    assert_eq!(
        shop.close().await,
        Summary {
            sent: 3,
            rejected: 2,
            dropped: 0,
            ..Summary::default()
        }
    );
    assert_eq!(script.received.span_ids(), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn every_service_has_one_resource_in_a_request() {
    let script = Script::new([]);
    let server = serve(anywhere(), &script).await;
    let mut options = to(&server);
    options.compression = Some(Compression::Gzip);
    options.batch.delay = super::shop::LONG;
    let shop = Shop::open(&options);
    for round in 0..3 {
        shop.push("front", [round * 10 + 1]);
        shop.push("stock", [round * 10 + 2]);
    }
    assert_eq!(shop.close().await, all_sent(6));
    assert_eq!(script.received.services(), [["front", "stock"]]);
    assert_eq!(
        script.received.header("grpc-encoding").as_deref(),
        Some("gzip")
    );
}

#[tokio::test]
async fn what_cannot_be_delivered_at_the_end_is_counted() {
    let script = Script::new((0..100_000).map(|_| Err(Status::unavailable("never"))));
    let server = serve(anywhere(), &script).await;
    let shop = Shop::open(&to(&server));
    shop.push("front", 1..=20);
    eventually("an attempt again", || {
        shop.counted("lanewire.exporter.retries") > Some(0)
    })
    .await;
    let registry = shop.registry.clone();
    let summary = shop.close_within(Duration::from_millis(20)).await;
    assert_eq!(
        summary,
        Summary {
            sent: 0,
            rejected: 0,
            dropped: 20,
            ..Summary::default()
        }
    );
    let lost = registry
        .snapshot()
        .into_iter()
        .map(|sample| sample.to_string());
    let shutdown = "lanewire.exporter.spans.dropped{reason=shutdown}=20";
    assert!(lost.into_iter().any(|sample| sample == shutdown));
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_an_outage() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let script = Script::new([]);
        let server = serve(anywhere(), &script).await;
        let shop = Shop::open(&options(protocol, &server.url.replace("http:", "https:")));
        shop.push("front", [1]);
        eventually("an attempt again", || {
            shop.counted("lanewire.exporter.retries") > Some(0)
        })
        .await;
        let summary = shop.close_within(Duration::ZERO).await;
        assert_eq!(
            summary,
            Summary {
                sent: 0,
                rejected: 0,
                dropped: 1,
                ..Summary::default()
            }
        );
    }
}
