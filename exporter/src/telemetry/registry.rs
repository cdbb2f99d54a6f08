//! A registry of counters that every part of the agent adds to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, ObservableCounter, ObservableGauge};

pub(super) type Labels = Vec<(&'static str, String)>;
type Series = Arc<Mutex<BTreeMap<Labels, Arc<AtomicU64>>>>;

/// All counters and gauges of the agent. Clones share them.
#[derive(Clone, Default)]
pub struct Registry {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    families: BTreeMap<&'static str, Family>,
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

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

/// A metric and all its numbers, at one moment.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: &'static str,
    pub(super) description: &'static str,
    pub(super) series: Vec<(Labels, u64)>,
}

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
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
    /// Its value at that moment.
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
        Counter(self.register(Kind::Counter, name, unit, description, labels))
    }

    /// The gauge with this name and these labels; made on first use.
    pub fn gauge(
        &self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Gauge {
        Gauge(self.register(Kind::Gauge, name, unit, description, labels))
    }

    /// Every number there is, by name and labels.
    pub fn snapshot(&self) -> Vec<Sample> {
        let samples = |metric: Metric| {
            let name = metric.name;
            let series = metric.series.into_iter();
            series.map(move |(labels, value)| Sample {
                name,
                labels,
                value,
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
                .map(|(labels, value)| (labels.clone(), value.load(Ordering::Relaxed)))
                .collect(),
        };
        self.inner().families.iter().map(metric).collect()
    }

    /// From now on everything here, and everything registered later, is observed through the meter.
    pub(crate) fn observe_with(&self, meter: Meter) {
        let mut inner = self.inner();
        inner.meter = Some(meter);
        let names: Vec<_> = inner.families.keys().copied().collect();
        for name in names {
            inner.observe(name);
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
        let mut labels: Labels = labels
            .iter()
            .map(|(label, value)| (*label, (*value).to_owned()))
            .collect();
        labels.sort_unstable();
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

impl Inner {
    fn observe(&mut self, name: &'static str) {
        let (Some(meter), Some(family)) = (&self.meter, self.families.get(name)) else {
            return;
        };
        let series = Arc::clone(&family.series);
        let each = move |report: &dyn Fn(u64, &[KeyValue])| {
            for (labels, value) in lock(&series).iter() {
                let labels: Vec<_> = labels
                    .iter()
                    .map(|(label, value)| KeyValue::new(*label, value.clone()))
                    .collect();
                report(value.load(Ordering::Relaxed), &labels);
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
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
