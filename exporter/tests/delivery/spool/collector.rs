//! A real collector that is killed and comes back.

use tokio::time::Instant;

use super::*;
use crate::counting::Collector;

/// A collector that is away for so long, or for 2000 spans if that takes longer.
async fn outage(lasts: Duration) {
    let Some(mut collector) = Collector::place().await else {
        return;
    };
    let directory = temporary();
    let url = collector.url();
    let mut options = spooled_to(directory.path(), Protocol::Grpc, &url);
    options.batch.max_spans = 100;
    let first = collector.start();
    let shop = Shop::open(&options);
    shop.push("front", 1..=1000);
    // What it has answered for, and not yet written, would be lost in it.
    collector.has(1000).await;
    first.kill().await;

    let mut pushed = 1000;
    let end = Instant::now() + lasts;
    while pushed < 3000 || Instant::now() < end {
        shop.push("front", pushed + 1..=pushed + 100);
        pushed += 100;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shop.has_spooled(2000).await;
    let _second = collector.start();
    shop.push("front", pushed + 1..=pushed + 1000);
    pushed += 1000;
    collector.has(pushed).await;
    shop.has_sent(pushed).await;
    let summary = shop.close().await;
    let spooled = (summary.spooled, summary.dropped, summary.rejected);
    assert_eq!(spooled, (0, 0, 0), "{summary:?}");
    assert_eq!(summary.sent, pushed);
    let ids = collector.ids();
    println!("{pushed} spans sent, {} received", ids.len());
    assert_eq!(ids, (1..=pushed).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_killed_and_comes_back_has_every_span() {
    outage(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes more than a minute"]
async fn a_collector_that_is_away_for_a_minute_has_every_span() {
    outage(Duration::from_secs(60)).await;
}
