//! A registry of counters that every part of the agent adds to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, ObservableCounter, ObservableGauge};

use super::histogram::{BOUNDS, Distribution, Histogram};
use super::number::{Counter, Gauge, Sample};

pub(super) type Labels = Vec<(&'static str, String)>;
type Series = Arc<Mutex<BTreeMap<Labels, Arc<AtomicU64>>>>;

/// The unit of all histograms.
const SECONDS: &str = "s";

/// All counters, gauges and histograms of the agent. Clones share them.
#[derive(Clone, Default)]
pub struct Registry {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    families: BTreeMap<&'static str, Family>,
    histograms: BTreeMap<&'static str, Distributed>,
    meter: Option<Meter>,
    counters: Vec<ObservableCounter<u64>>,
    gauges: Vec<ObservableGauge<u64>>,
}

struct Family {
    kind: Kind,
    unit: &'static str,
    description: &'static str,
    series: Series,
}

/// Histograms of one name.
struct Distributed {
    description: &'static str,
    series: BTreeMap<Labels, Histogram>,
}

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// What a metric says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Measured {
    Number(u64),
    Distribution(Distribution),
}

/// A metric and all its numbers, at one moment.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: &'static str,
    pub(super) description: &'static str,
    pub(super) series: Vec<(Labels, Measured)>,
}

impl Registry {
    /// The counter with this name and these labels; made on first use. Units are UCUM (`By`,
    /// `{span}`). The unit and description of a name are those of its first registration.
    pub fn counter(
        &self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Counter {
        Counter::of(self.register(Kind::Counter, name, unit, description, labels))
    }

    /// The gauge with this name and these labels; made on first use.
    pub fn gauge(
        &self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Gauge {
        Gauge::of(self.register(Kind::Gauge, name, unit, description, labels))
    }

    /// The histogram of durations with this name and these labels; made on first use.
    pub fn histogram(
        &self,
        name: &'static str,
        description: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Histogram {
        let labels = sorted(labels);
        let mut inner = self.inner();
        let family = inner.histograms.entry(name).or_insert_with(|| Distributed {
            description,
            series: BTreeMap::new(),
        });
        let histogram = family.series.entry(labels).or_default().clone();
        inner.observe_histograms(name);
        histogram
    }

    /// Every number there is, by name and labels.
    pub fn snapshot(&self) -> Vec<Sample> {
        let samples = |metric: Metric| {
            let name = metric.name;
            let series = metric.series.into_iter();
            series.map(move |(labels, measured)| Sample {
                name,
                labels,
                value: match measured {
                    Measured::Number(value) => value,
                    Measured::Distribution(distribution) => distribution.count,
                },
            })
        };
        self.metrics().into_iter().flat_map(samples).collect()
    }

    /// The same by metric, in the order of their names.
    pub(super) fn metrics(&self) -> Vec<Metric> {
        let metric = |(name, family): (&&'static str, &Family)| Metric {
            name,
            kind: family.kind,
            unit: family.unit,
            description: family.description,
            series: lock(&family.series)
                .iter()
                .map(|(labels, value)| {
                    let value = value.load(Ordering::Relaxed);
                    (labels.clone(), Measured::Number(value))
                })
                .collect(),
        };
        let histogram = |(name, family): (&&'static str, &Distributed)| Metric {
            name,
            kind: Kind::Histogram,
            unit: SECONDS,
            description: family.description,
            series: family
                .series
                .iter()
                .map(|(labels, histogram)| {
                    let distribution = histogram.distribution();
                    (labels.clone(), Measured::Distribution(distribution))
                })
                .collect(),
        };
        let inner = self.inner();
        let mut metrics: Vec<Metric> = inner.families.iter().map(metric).collect();
        metrics.extend(inner.histograms.iter().map(histogram));
        metrics.sort_unstable_by_key(|metric| metric.name);
        metrics
    }

    /// From now on everything here, and everything registered later, is observed through the meter.
    pub(crate) fn observe_with(&self, meter: Meter) {
        let mut inner = self.inner();
        inner.meter = Some(meter);
        let names: Vec<_> = inner.families.keys().copied().collect();
        for name in names {
            inner.observe(name);
        }
        let names: Vec<_> = inner.histograms.keys().copied().collect();
        for name in names {
            inner.observe_histograms(name);
        }
    }

    fn register(
        &self,
        kind: Kind,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Arc<AtomicU64> {
        let labels = sorted(labels);
        let mut inner = self.inner();
        let new = !inner.families.contains_key(name);
        let family = inner.families.entry(name).or_insert_with(|| Family {
            kind,
            unit,
            description,
            series: Series::default(),
        });
        debug_assert!(family.kind == kind, "{name} is both a counter and a gauge");
        let value = Arc::clone(lock(&family.series).entry(labels).or_default());
        if new {
            inner.observe(name);
        }
        value
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.snapshot().iter().map(Sample::to_string))
            .finish()
    }
}

fn sorted(labels: &[(&'static str, &str)]) -> Labels {
    let mut labels: Labels = labels
        .iter()
        .map(|(label, value)| (*label, (*value).to_owned()))
        .collect();
    labels.sort_unstable();
    labels
}

impl Inner {
    fn observe_histograms(&self, name: &'static str) {
        let (Some(meter), Some(family)) = (&self.meter, self.histograms.get(name)) else {
            return;
        };
        let instrument = meter
            .f64_histogram(name)
            .with_unit(SECONDS)
            .with_description(family.description)
            .with_boundaries(BOUNDS.to_vec())
            .build();
        for (labels, histogram) in &family.series {
            histogram.observe_with(instrument.clone(), attributes(labels));
        }
    }

    fn observe(&mut self, name: &'static str) {
        let (Some(meter), Some(family)) = (&self.meter, self.families.get(name)) else {
            return;
        };
        let series = Arc::clone(&family.series);
        let each = move |report: &dyn Fn(u64, &[KeyValue])| {
            for (labels, value) in lock(&series).iter() {
                report(value.load(Ordering::Relaxed), &attributes(labels));
            }
        };
        match family.kind {
            Kind::Counter => self.counters.push(
                meter
                    .u64_observable_counter(name)
                    .with_unit(family.unit)
                    .with_description(family.description)
                    .with_callback(move |to| each(&|value, labels| to.observe(value, labels)))
                    .build(),
            ),
            Kind::Gauge => self.gauges.push(
                meter
                    .u64_observable_gauge(name)
                    .with_unit(family.unit)
                    .with_description(family.description)
                    .with_callback(move |to| each(&|value, labels| to.observe(value, labels)))
                    .build(),
            ),
            // These are told of each duration.
            Kind::Histogram => {}
        }
    }
}

fn attributes(labels: &Labels) -> Vec<KeyValue> {
    let labels = labels.iter();
    labels
        .map(|(label, value)| KeyValue::new(*label, value.clone()))
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
