//! A disk that is full, and an agent that is killed, while there is no collector.

use lanewire::otlp::settings::Protocol;

use super::expect_all;
use crate::counting::Collector;
use crate::script::eventually;
use crate::shop::Shop;
use crate::spool::agent::Agent;
use crate::spool::disk::{Disk, fill};
use crate::spool::{spooled_to, temporary};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_the_collector_no_span() {
    let Some(mut collector) = Collector::place().await else {
        return;
    };
    let Some(disk) = Disk::mount(256 << 10) else {
        return;
    };
    let shop = Shop::open(&spooled_to(disk.0.path(), Protocol::Grpc, &collector.url()));
    let pushed = fill(&shop).await;
    shop.push("front", pushed + 1..=pushed + 500);
    let _running = collector.start();
    expect_all(shop, &collector, pushed + 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_s_spool_reaches_the_collector() {
    let Some(mut collector) = Collector::place().await else {
        return;
    };
    let directory = temporary();
    let (path, url) = (directory.path().to_owned(), collector.url());
    let mut agent = Agent::start(&path, &url, 1);
    // It blocks on the other process's words.
    let killed = tokio::task::spawn_blocking(move || {
        let spooled = agent.spooled(3000);
        agent.kill();
        spooled
    });
    let spooled = killed.await.expect("the agent");
    let _running = collector.start();
    let shop = Shop::open(&spooled_to(directory.path(), Protocol::Grpc, &url));
    // The collector has been started and does not listen yet: the end of an agent waits for neither.
    eventually("an empty spool", || {
        shop.counted("lanewire.exporter.spool.active") == Some(0)
    })
    .await;
    let summary = shop.close().await;
    assert_eq!((summary.dropped, summary.spooled), (0, 0));
    // More than it has said may be there: it was killed before it could say so.
    assert!(summary.sent >= spooled, "{summary:?}");
    collector.has(summary.sent).await;
    let ids = collector.ids();
    assert_eq!(ids.len() as u64, summary.sent);
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "twice");
}
