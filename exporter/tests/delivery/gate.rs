//! How many requests a server has at a time, and keeping them until there are enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::script::eventually;

#[derive(Clone, Default)]
pub struct Gate(Arc<Inner>);

#[derive(Default)]
struct Inner {
    inside: AtomicUsize,
    most: AtomicUsize,
    /// Nobody leaves before so many have been inside at a time.
    crowd: AtomicUsize,
    /// How long everybody stays, in milliseconds.
    latency: AtomicU64,
}

/// A request that is inside.
pub struct Inside(Arc<Inner>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gate {
    /// From now on requests wait until `crowd` of them are there, and stay a while.
    pub fn wait_for(&self, crowd: usize) {
        self.0.crowd.store(crowd, Ordering::SeqCst);
    }

    /// From now on requests stay so long.
    pub fn delay(&self, latency: Duration) {
        let milliseconds = latency.as_millis().try_into().expect("a short time");
        self.0.latency.store(milliseconds, Ordering::SeqCst);
    }

    /// The most requests that were inside at a time.
    pub fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }

    pub async fn enter(&self) -> Inside {
        let inside = self.0.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(inside, Ordering::SeqCst);
        let guard = Inside(Arc::clone(&self.0));
        let crowd = self.0.crowd.load(Ordering::SeqCst);
        if crowd > 0 {
            eventually("enough requests at a time", || self.most() >= crowd).await;
            // Room for one too many to show.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let latency = self.0.latency.load(Ordering::SeqCst);
        if latency > 0 {
            tokio::time::sleep(Duration::from_millis(latency)).await;
        }
        guard
    }
}
