//! Faults between the agent and a real collector: what was sent is what the collector has.
//!
//! That it is killed and comes back is in `spool/collector.rs`.

mod answers;
mod disk;
mod name;
mod network;
mod tls;

use super::counting::Collector;
use super::shop::Shop;
use super::ways::all_sent;

/// All spans were answered for, and the collector has each.
async fn expect_all(shop: Shop, collector: &Collector, spans: u64) {
    let registry = shop.registry.clone();
    assert_eq!(shop.close().await, all_sent(spans), "{registry:?}");
    collector.has(spans).await;
    assert!(collector.ids().into_iter().eq(1..=spans), "twice");
}
