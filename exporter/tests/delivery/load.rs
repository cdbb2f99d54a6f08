//! Batches: small while there is little to send, full while there is much.

use std::time::Duration;

use lanewire::config::Config;
use lanewire::otlp::OtlpOptions;
use lanewire::otlp::settings::{BatchSettings, Protocol};
use lanewire::wiring::otlp_options;
use tokio::time::MissedTickBehavior;

use super::script::eventually;
use super::server::Place;
use super::shop::{LONG, Shop, options};
use super::ways::{PROTOCOLS, all_sent, taker};

/// What an agent does that nobody has configured.
pub fn by_default(protocol: Protocol, url: &str) -> OtlpOptions {
    let agent = otlp_options(&Config::default());
    OtlpOptions {
        batch: agent.batch,
        queue: agent.queue,
        max_in_flight: agent.max_in_flight,
        ..options(protocol, url)
    }
}

#[tokio::test]
async fn a_span_alone_does_not_wait_for_others() {
    for protocol in PROTOCOLS {
        let server = taker(protocol, Place::anywhere(), None).await;
        let options = by_default(protocol, &server.url);
        let BatchSettings {
            max_spans, delay, ..
        } = options.batch;
        assert!(max_spans > 1 && delay < Duration::from_secs(1));
        let shop = Shop::open(&options);
        for id in 1..=3 {
            shop.push("front", [id]);
            eventually("the span", || server.received.span_ids().len() as u64 == id).await;
        }
        // A request counts when its answer has come.
        eventually("three requests", || {
            shop.counted("lanewire.exporter.requests") == Some(3)
        })
        .await;
        assert_eq!(shop.close().await, all_sent(3));
    }
}

/// Spans a second and in all.
const RATE: u64 = 50_000;
const SPANS: u64 = 4 * RATE;

/// Pushes spans at that rate.
pub async fn push_at_rate(shop: &Shop, spans: u64) {
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    // What a busy machine has delayed comes at once.
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for first in (1..=spans).step_by(RATE as usize / 100) {
        tick.tick().await;
        shop.push("front", first..first + RATE / 100);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_far_away_gets_every_span_of_a_busy_host_in_full_batches() {
    for protocol in PROTOCOLS {
        let server = taker(protocol, Place::anywhere(), None).await;
        server.gate.delay(Duration::from_millis(200));
        let options = by_default(protocol, &server.url);
        let shop = Shop::open(&options);
        push_at_rate(&shop, SPANS).await;
        let registry = shop.registry.clone();
        assert_eq!(shop.close_within(2 * LONG).await, all_sent(SPANS));
        let ids = server.received.span_ids();
        assert!(
            ids.into_iter().eq(1..=SPANS),
            "spans are missing or came twice"
        );
        let requests = registry.snapshot().into_iter();
        let mut requests = requests.filter(|s| s.name == "lanewire.exporter.requests");
        let requests = requests.next().expect("requests").value;
        let full = SPANS / options.batch.max_spans as u64;
        assert!(
            requests < 2 * full,
            "{requests} requests, {full} full ones would do"
        );
        assert!(server.gate.most() > 1);
    }
}
