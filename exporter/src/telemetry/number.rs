//! Single numbers, and what they are at one moment.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    pub(super) fn of(number: Arc<AtomicU64>) -> Self {
        Self(number)
    }

    /// Adds to it.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Takes over a total that is counted elsewhere, e.g. in the kernel. A smaller one is ignored.
    pub fn set_total(&self, total: u64) {
        self.0.fetch_max(total, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    pub(super) fn of(number: Arc<AtomicU64>) -> Self {
        Self(number)
    }

    /// Sets it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One number of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The metric's name.
    pub name: &'static str,
    /// What tells it from others of that name.
    pub labels: Vec<(&'static str, String)>,
    /// Its value at that moment; of a histogram, how many durations there were.
    pub value: u64,
}

impl fmt::Display for Sample {
    /// `name{label=value}=42`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        for (at, (label, value)) in self.labels.iter().enumerate() {
            write!(f, "{}{label}={value}", if at == 0 { '{' } else { ',' })?;
        }
        write!(
            f,
            "{}={}",
            if self.labels.is_empty() { "" } else { "}" },
            self.value
        )
    }
}
