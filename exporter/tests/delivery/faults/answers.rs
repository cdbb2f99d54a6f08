//! A receiver that refuses for a while, and hands what it takes on to a real collector.

use std::time::Duration;

use lanewire::otlp::settings::Protocol;
use lanewire::pipeline::Summary;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::expect_all;
use crate::counting::Collector;
use crate::grpc::{self, anywhere};
use crate::script::Script;
use crate::shop::{Shop, options};
use crate::{http, ways::all_sent};

const SPANS: u64 = 1000;

fn exhausted(come_back: Option<Duration>) -> Status {
    match come_back {
        None => Status::resource_exhausted("busy"),
        wait => {
            let details = ErrorDetails::with_retry_info(wait);
            Status::with_error_details(Code::ResourceExhausted, "busy", details)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_and_exhausted_with_a_time_lose_nothing() {
    let Some(mut collector) = Collector::place().await else {
        return;
    };
    let _running = collector.start();
    let wait = Some(Duration::from_millis(20));
    let script = Script::new((0..30).map(|n| match n % 3 {
        0 => Err(Status::unavailable("restarting")),
        1 => Err(exhausted(wait)),
        _ => Ok(Default::default()),
    }));
    let script = script.before(&collector.url());
    let server = grpc::serve(anywhere(), &script).await;
    let mut options = options(Protocol::Grpc, &server.url);
    options.batch.max_spans = 20;
    let shop = Shop::open(&options);
    shop.push("front", 1..=SPANS);
    expect_all(shop, &collector, SPANS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exhausted_without_a_time_is_final_and_what_it_costs_is_counted() {
    let Some(mut collector) = Collector::place().await else {
        return;
    };
    let _running = collector.start();
    let script = Script::new([Err(exhausted(None))]).before(&collector.url());
    let server = grpc::serve(anywhere(), &script).await;
    let mut options = options(Protocol::Grpc, &server.url);
    options.batch.max_spans = 100;
    options.batch.delay = crate::shop::LONG;
    options.max_in_flight = Some(1);
    let shop = Shop::open(&options);
    shop.push("front", 1..=SPANS);
    let expected = Summary {
        dropped: 100,
        ..all_sent(SPANS - 100)
    };
    assert_eq!(shop.close().await, expected);
    collector.has(SPANS - 100).await;
    assert!(collector.ids().into_iter().eq(101..=SPANS));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_with_a_time_lose_nothing() {
    let Some(mut collector) = Collector::place().await else {
        return;
    };
    let _running = collector.start();
    let answers = [http::retry_after(429, "1"), http::status(429)];
    let script = Script::new(answers).before(&collector.url());
    let server = http::serve(&script).await;
    let mut options = options(Protocol::HttpProtobuf, &server.url);
    options.batch.max_spans = 100;
    let shop = Shop::open(&options);
    shop.push("front", 1..=SPANS);
    expect_all(shop, &collector, SPANS).await;
}
