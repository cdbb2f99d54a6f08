//! Outages with a spool: no span is lost, and every one is accounted for.

pub mod agent;
mod collector;
pub mod disk;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use lanewire::otlp::settings::{Compression, DEFAULT_IN_FLIGHT, Protocol, SpoolSettings, WhenFull};
use lanewire::otlp::{OtlpOptions, OtlpSettings, OtlpSink};
use lanewire::pipeline::Summary;
use lanewire::telemetry::Registry;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::grpc::{self, anywhere, serve};
use super::http;
use super::received::Received;
use super::script::{Script, eventually};
use super::shop::{LONG, Shop, options};
use super::ways::all_sent;

const MIB: u64 = 1 << 20;

pub fn temporary() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

pub fn spooled_to(directory: &Path, protocol: Protocol, url: &str) -> OtlpOptions {
    let mut options = options(protocol, url);
    options.batch.max_spans = 10;
    options.spool = Some(SpoolSettings {
        directory: directory.to_owned(),
        max_bytes: 64 * MIB,
        when_full: WhenFull::DropNewest,
    });
    options
}

fn left(spooled: u64) -> Summary {
    Summary {
        spooled,
        ..Summary::default()
    }
}

/// Never a span that was not pushed, and each at least once.
fn all(received: &Received) -> BTreeSet<u64> {
    received.span_ids().into_iter().collect()
}

fn unavailable() -> Script<grpc::Answer> {
    Script::new((0..100_000).map(|_| Err(Status::unavailable("never"))))
}

impl Shop {
    async fn has_spooled(&self, spans: u64) {
        eventually("the spans in the spool", || {
            self.counted("lanewire.exporter.spool.kept") >= Some(spans)
        })
        .await;
    }

    async fn has_sent(&self, spans: u64) {
        eventually("answers for the spans", || {
            self.counted("lanewire.exporter.spans.sent") == Some(spans)
        })
        .await;
    }

    async fn has_replayed(&self, spans: u64) {
        eventually("the spans of the spool at the server", || {
            self.counted("lanewire.exporter.spool.replayed") == Some(spans)
        })
        .await;
    }
}

#[tokio::test]
async fn what_came_during_an_outage_arrives_in_order_and_what_comes_later_directly() {
    let directory = temporary();
    let script = Script::new((0..20).map(|_| Err(Status::unavailable("restarting"))));
    let server = serve(anywhere(), &script).await;
    let mut options = spooled_to(directory.path(), Protocol::Grpc, &server.url);
    options.max_in_flight = Some(1);
    options.compression = Some(Compression::Zstd);
    let shop = Shop::open(&options);
    shop.push("front", 1..=100);
    shop.has_replayed(100).await;
    let order = script.received.in_order();
    assert_eq!(order, (1..=100).collect::<Vec<_>>());

    eventually("an end of the outage", || {
        shop.counted("lanewire.exporter.spool.active") == Some(0)
    })
    .await;
    assert_eq!(shop.counted("lanewire.exporter.spool.spans"), Some(0));
    shop.push("front", 101..=150);
    let registry = shop.registry.clone();
    assert_eq!(shop.close().await, all_sent(150));
    assert_eq!(script.received.span_ids(), (1..=150).collect::<Vec<_>>());
    let kept = registry.snapshot().into_iter();
    let mut kept = kept.filter(|sample| sample.name == "lanewire.exporter.spool.kept");
    assert_eq!(kept.next().map(|sample| sample.value), Some(100));
}

#[tokio::test]
async fn an_outage_costs_the_queue_no_room() {
    let directory = temporary();
    let script = unavailable();
    let server = serve(anywhere(), &script).await;
    let mut options = spooled_to(directory.path(), Protocol::Grpc, &server.url);
    options.queue.max_bytes = 100_000;
    options.batch.max_bytes = 50_000;
    let shop = Shop::open(&options);
    // Many times what the queue could hold.
    for round in 0..100 {
        shop.push("front", round * 100 + 1..=round * 100 + 100);
        shop.has_spooled((round + 1) * 100).await;
    }
    eventually("an empty queue", || {
        shop.counted("lanewire.exporter.queue.bytes") == Some(0)
    })
    .await;
    assert_eq!(shop.close_within(Duration::ZERO).await, left(10_000));
}

#[tokio::test]
async fn many_short_outages_lose_nothing() {
    let directory = temporary();
    let busy = || {
        let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(3)));
        Status::with_error_details(Code::ResourceExhausted, "busy", details)
    };
    let script = Script::new((0..200).map(|n| match n % 5 {
        0 => Err(Status::unavailable("restarting")),
        1 => Err(busy()),
        _ => Ok(ExportTraceServiceResponse::default()),
    }));
    let server = serve(anywhere(), &script).await;
    let shop = Shop::open(&spooled_to(directory.path(), Protocol::Grpc, &server.url));
    for round in 0..40 {
        shop.push("front", round * 50 + 1..=round * 50 + 50);
        eventually("some of them", || {
            script.received.span_ids().len() as u64 >= round * 50
        })
        .await;
    }
    shop.has_sent(2000).await;
    assert_eq!(shop.close().await, all_sent(2000));
    assert_eq!(script.received.span_ids(), (1..=2000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_s_word_on_when_to_come_back_is_kept_by_the_spool() {
    let directory = temporary();
    let script = Script::new([http::retry_after(429, "86400")]);
    let server = http::serve(&script).await;
    let mut options = spooled_to(directory.path(), Protocol::HttpProtobuf, &server.url);
    options.max_in_flight = Some(1);
    let shop = Shop::open(&options);
    shop.push("front", 1..=50);
    shop.has_spooled(50).await;
    // Nothing but the first attempt, and the end does not wait for a day.
    assert_eq!(shop.close().await, left(50));
    assert_eq!(script.received.span_ids(), [0; 0]);

    // The next agent has not been told.
    let shop = Shop::open(&options);
    shop.has_replayed(50).await;
    assert_eq!(shop.close().await, all_sent(50));
    assert_eq!(script.received.span_ids(), (1..=50).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_refused_for_good_leaves_the_spool_and_is_counted() {
    let directory = temporary();
    let script = Script::new([
        Err(Status::unavailable("starting")),
        Err(Status::invalid_argument("bad id")),
    ]);
    let server = serve(anywhere(), &script).await;
    let mut options = spooled_to(directory.path(), Protocol::Grpc, &server.url);
    options.max_in_flight = Some(1);
    let shop = Shop::open(&options);
    shop.push("front", 1..=30);
    let dropped = "lanewire.exporter.spans.dropped{reason=INVALID_ARGUMENT}";
    eventually("a drop", || shop.counted(dropped) == Some(10)).await;
    let summary = shop.close().await;
    assert_eq!(
        (summary.sent, summary.dropped, summary.spooled),
        (20, 10, 0)
    );
    assert_eq!(script.received.span_ids(), (11..=30).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_not_delivered_at_the_end_is_sent_by_the_next_agent() {
    let directory = temporary();
    // Requests go in, and no answer comes out.
    let silent = Script::new([]);
    silent.gate.wait_for(usize::MAX);
    let server = serve(anywhere(), &silent).await;
    let mut options = spooled_to(directory.path(), Protocol::Grpc, &server.url);
    options.timeout = Some(LONG);
    let shop = Shop::open(&options);
    shop.push("front", 1..=200);
    eventually("requests that hang", || {
        silent.gate.most() == DEFAULT_IN_FLIGHT
    })
    .await;
    assert_eq!(shop.close_within(Duration::ZERO).await, left(200));

    let script = Script::new([]);
    let server = serve(anywhere(), &script).await;
    let shop = Shop::open(&spooled_to(directory.path(), Protocol::Grpc, &server.url));
    shop.push("front", 201..=220);
    assert_eq!(shop.close().await, all_sent(220));
    assert_eq!(script.received.span_ids(), (1..=220).collect::<Vec<_>>());
}

#[tokio::test]
async fn above_its_limit_spans_give_way_as_configured_and_are_counted() {
    for when_full in [WhenFull::DropNewest, WhenFull::DropOldest] {
        let directory = temporary();
        let script = unavailable();
        let server = serve(anywhere(), &script).await;
        let mut options = spooled_to(directory.path(), Protocol::Grpc, &server.url);
        let spool = options.spool.as_mut().expect("a spool");
        (spool.max_bytes, spool.when_full) = (MIB, when_full);
        let shop = Shop::open(&options);
        let full = "lanewire.exporter.spans.dropped{reason=spool_full}";
        let mut pushed = 0;
        while shop.counted(full) == Some(0) {
            shop.push("front", pushed + 1..=pushed + 500);
            pushed += 500;
            eventually("all of them to be somewhere", || {
                shop.counted("lanewire.exporter.queue.spans") == Some(0)
            })
            .await;
        }
        let summary = shop.close_within(Duration::ZERO).await;
        assert_eq!(summary.spooled + summary.dropped, pushed, "{when_full:?}");

        let script = Script::new([]);
        let server = serve(anywhere(), &script).await;
        let url = options.endpoint.insert(server.url.clone());
        assert!(url.starts_with("http"));
        let after = Shop::open(&options).close().await;
        assert_eq!(after, all_sent(summary.spooled));
        let ids = script.received.span_ids();
        let kept = match when_full {
            WhenFull::DropNewest => ids.first() == Some(&1) && ids.last() < Some(&pushed),
            WhenFull::DropOldest => ids.first() > Some(&1) && ids.last() == Some(&pushed),
        };
        assert!(kept, "{when_full:?}: {:?} to {:?}", ids.first(), ids.last());
    }
}

#[tokio::test]
async fn a_second_agent_on_the_directory_does_not_start_and_the_first_goes_on() {
    let directory = temporary();
    let script = Script::new([Err(Status::unavailable("starting"))]);
    let server = serve(anywhere(), &script).await;
    let options = spooled_to(directory.path(), Protocol::Grpc, &server.url);
    let shop = Shop::open(&options);
    let settings = OtlpSettings::resolve_with(&options, &|_| None).expect("good settings");
    let error = OtlpSink::new(&settings, &Registry::default()).expect_err("no sink");
    let said = error.to_string();
    let expected = format!(
        "exporter.spool.directory: the spool {} is in use by another process",
        directory.path().display()
    );
    assert_eq!(said, expected);
    shop.push("front", 1..=100);
    shop.has_sent(100).await;
    assert_eq!(shop.close().await, all_sent(100));
    assert_eq!(script.received.span_ids(), (1..=100).collect::<Vec<_>>());
}
