//! A network that hangs, and one that is slow.

use std::time::Duration;

use lanewire::otlp::settings::{KeepAlive, Protocol};
use tokio::net::{TcpListener, TcpStream};

use super::expect_all;
use crate::counting::Collector;
use crate::grpc::{self, anywhere};
use crate::load::{by_default, push_at_rate};
use crate::script::Script;
use crate::shop::{Shop, options};
use crate::ways::all_sent;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_hangs_costs_the_collector_no_span() {
    let Some(mut collector) = Collector::place().await else {
        return;
    };
    let _running = collector.start();
    let behind = collector.address;
    let front = TcpListener::bind(anywhere()).await.expect("a free port");
    let url = format!("http://{}", front.local_addr().expect("an address"));
    let proxy = tokio::spawn(async move {
        // The first connection is taken, and nobody reads from it.
        let (_hanging, _) = front.accept().await.expect("a connection");
        while let Ok((mut near, _)) = front.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(behind).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    let mut options = options(Protocol::Grpc, &url);
    options.timeout = Some(Duration::from_millis(500));
    options.keep_alive = KeepAlive {
        interval: Duration::from_millis(100),
        timeout: Duration::from_millis(100),
    };
    options.max_in_flight = Some(1);
    let shop = Shop::open(&options);
    shop.push("front", 1..=1000);
    assert_eq!(shop.close().await, all_sent(1000));
    collector.has(1000).await;
    // An answer that is late on a busy machine is a request sent again.
    let mut ids = collector.ids();
    ids.dedup();
    assert!(ids.into_iter().eq(1..=1000));
    proxy.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_at_a_high_rate_costs_the_collector_no_span() {
    const SPANS: u64 = 100_000;
    let Some(mut collector) = Collector::place().await else {
        return;
    };
    let _running = collector.start();
    let script = Script::new([]).before(&collector.url());
    script.gate.delay(Duration::from_millis(200));
    let server = grpc::serve(anywhere(), &script).await;
    let shop = Shop::open(&by_default(Protocol::Grpc, &server.url));
    push_at_rate(&shop, SPANS).await;
    expect_all(shop, &collector, SPANS).await;
}
