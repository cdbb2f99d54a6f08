//! Requests that are under way at a time.

use lanewire::otlp::settings::{Compression, DEFAULT_IN_FLIGHT, Protocol};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use tonic::Status;

use super::received::Received;
use super::script::Script;
use super::server::Place;
use super::shop::{Shop, options};
use super::ways::{PROTOCOLS, all_sent, taker};
use super::{grpc, http};

/// More than a server should see at a time.
const BATCHES: u64 = 40;

#[tokio::test]
async fn a_slow_server_sees_as_many_requests_at_a_time_as_are_allowed() {
    for protocol in PROTOCOLS {
        for (configured, expected) in [(None, DEFAULT_IN_FLIGHT), (Some(7), 7), (Some(1), 1)] {
            let server = taker(protocol, Place::anywhere(), None).await;
            server.gate.wait_for(expected);
            let mut options = options(protocol, &server.url);
            options.max_in_flight = configured;
            options.batch.max_spans = 3;
            let shop = Shop::open(&options);
            shop.push("front", 1..=3 * BATCHES);
            assert_eq!(shop.close().await, all_sent(3 * BATCHES));
            assert_eq!(server.gate.most(), expected);
            let all: Vec<_> = (1..=3 * BATCHES).collect();
            assert_eq!(server.received.span_ids(), all);
        }
    }
}

#[tokio::test]
async fn a_server_that_is_busy_again_and_again_gets_every_span_once() {
    let script = Script::new((0..BATCHES).flat_map(|_| {
        [
            Err(Status::unavailable("busy")),
            Ok(ExportTraceServiceResponse::default()),
        ]
    }));
    let server = grpc::serve(grpc::anywhere(), &script).await;
    send(Protocol::Grpc, &server.url, &script.received).await;

    let script =
        Script::new((0..BATCHES).flat_map(|_| [http::status(503), http::Answer::default()]));
    let server = http::serve(&script).await;
    send(Protocol::HttpProtobuf, &server.url, &script.received).await;
}

async fn send(protocol: Protocol, url: &str, received: &Received) {
    let mut options = options(protocol, url);
    options.compression = Some(Compression::Zstd);
    options.batch.max_spans = 3;
    let shop = Shop::open(&options);
    shop.push("front", 1..=3 * BATCHES);
    let registry = shop.registry.clone();
    assert_eq!(shop.close().await, all_sent(3 * BATCHES));
    assert_eq!(received.span_ids(), (1..=3 * BATCHES).collect::<Vec<_>>());
    let samples = registry.snapshot();
    let counted = |name: &str| {
        let mut samples = samples.iter().map(ToString::to_string);
        samples.find_map(|sample| sample.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    };
    let attempts = "lanewire.exporter.request.duration";
    assert_eq!(counted("lanewire.exporter.retries"), Some(BATCHES));
    for outcome in ["taken", "again"] {
        let ended = counted(&format!("{attempts}{{outcome={outcome}}}"));
        assert_eq!(ended, Some(BATCHES), "{outcome}");
    }
}
