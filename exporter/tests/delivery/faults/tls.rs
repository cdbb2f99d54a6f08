//! A collector whose certificate is replaced while the agent runs.

use lanewire::otlp::settings::Protocol;

use super::expect_all;
use crate::certificates::{Authority, named, write};
use crate::counting::Collector;
use crate::shop::{Shop, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_replaced_costs_the_collector_no_span() {
    let Some(mut collector) = Collector::place().await else {
        return;
    };
    let host = collector.address.ip().to_string();
    let directory = tempfile::tempdir().expect("a directory");
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let ca = write(directory.path(), "ca.pem", &old.pem());
    collector.certify(&old.identity(&[&host]));
    let first = collector.start();
    let mut options = options(Protocol::Grpc, &collector.url());
    options.tls.ca = Some(named(&ca));
    let shop = Shop::open(&options);
    shop.push("front", 1..=500);
    collector.has(500).await;
    first.kill().await;

    collector.certify(&new.identity(&[&host]));
    let _second = collector.start();
    shop.push("front", 501..=1000);
    shop.trouble().await;
    write(directory.path(), "ca.pem", &new.pem());
    expect_all(shop, &collector, 1000).await;
}
