//! How durations are distributed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram as Instrument;

/// Upper bounds of the buckets, in seconds: those that the semantic conventions advise for the
/// durations of requests.
pub(super) const BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Durations by how long they were.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// One for each bound, and one for what is longer than all.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
    /// Where each duration is told, too, and with which labels.
    instrument: OnceLock<(Instrument<f64>, Vec<KeyValue>)>,
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Distribution {
    /// How many durations were up to each of [`BOUNDS`], the shorter ones included.
    pub(super) up_to: [u64; BOUNDS.len()],
    /// How many there were.
    pub(super) count: u64,
    /// Their sum, in seconds.
    pub(super) sum: f64,
}

impl Histogram {
    /// Adds a duration.
    pub fn record(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        self.0.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = duration.as_nanos().try_into().unwrap_or(u64::MAX);
        self.0.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        if let Some((instrument, labels)) = self.0.instrument.get() {
            instrument.record(seconds, labels);
        }
    }

    /// How many durations there were.
    pub fn count(&self) -> u64 {
        self.distribution().count
    }

    /// From now on durations are told to the instrument as well; only the first one counts.
    pub(super) fn observe_with(&self, instrument: Instrument<f64>, labels: Vec<KeyValue>) {
        let _ = self.0.instrument.set((instrument, labels));
    }

    pub(super) fn distribution(&self) -> Distribution {
        let mut count = 0;
        let mut add = |bucket: &AtomicU64| {
            count += bucket.load(Ordering::Relaxed);
            count
        };
        let (longer, buckets) = (&self.0.buckets[BOUNDS.len()], &self.0.buckets);
        let up_to = std::array::from_fn(|bound| add(&buckets[bound]));
        Distribution {
            up_to,
            count: add(longer),
            sum: Duration::from_nanos(self.0.nanoseconds.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_every_bucket_that_it_is_not_longer_than() {
        let histogram = Histogram::default();
        for milliseconds in [0, 5, 6, 100, 10_000, 10_001] {
            histogram.record(Duration::from_millis(milliseconds));
        }
        let found = histogram.distribution();
        assert_eq!(found.up_to, [2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5]);
        assert_eq!((found.count, histogram.count()), (6, 6));
        assert!((found.sum - 20.112).abs() < 1e-9, "{}", found.sum);
    }
}
