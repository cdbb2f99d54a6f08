//! Counters by values that come from outside, so that nobody knows how many there will be.

use std::collections::HashMap;

use super::{Counter, Registry};

/// Series of one metric. The rest of the agent's has some dozens; the SDK's own bound is 2000.
pub const MAX_SERIES: usize = 1000;
/// Bytes of one value. Longer ones are counted as others.
const MAX_VALUE: usize = 128;
/// What everything beyond the bounds is counted under.
const OTHER: &str = "other";

/// A counter with `N` labels, for at most [`MAX_SERIES`] combinations of their values. What comes
/// beyond that is counted under `other` in every label.
#[derive(Debug)]
pub struct BoundedCounter<const N: usize> {
    registry: Registry,
    name: &'static str,
    unit: &'static str,
    description: &'static str,
    labels: [&'static str; N],
    series: HashMap<[String; N], Counter>,
}

impl<const N: usize> BoundedCounter<N> {
    /// A counter without any series yet. See [`Registry::counter`].
    pub fn new(
        registry: &Registry,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        labels: [&'static str; N],
    ) -> Self {
        Self {
            registry: registry.clone(),
            name,
            unit,
            description,
            labels,
            series: HashMap::new(),
        }
    }

    /// Adds to the counter with these values.
    pub fn add(&mut self, amount: u64, values: [&str; N]) {
        let key = values.map(str::to_owned);
        if let Some(counter) = self.series.get(&key) {
            return counter.add(amount);
        }
        let long = values.iter().any(|value| value.len() > MAX_VALUE);
        // One place is for the others.
        if long || self.series.len() >= MAX_SERIES - 1 {
            return self.counter([OTHER; N]).add(amount);
        }
        let counter = self.counter(values);
        counter.add(amount);
        self.series.insert(key, counter);
    }

    fn counter(&self, values: [&str; N]) -> Counter {
        let labels: Vec<_> = self.labels.into_iter().zip(values).collect();
        self.registry
            .counter(self.name, self.unit, self.description, &labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(registry: &Registry) -> BoundedCounter<2> {
        BoundedCounter::new(registry, "escapes", "1", "", ["from", "to"])
    }

    fn value(registry: &Registry, from: &str) -> Option<u64> {
        let samples = registry.snapshot();
        let mut of_it = samples.iter().filter(|sample| sample.labels[0].1 == from);
        of_it.next().map(|sample| sample.value)
    }

    #[test]
    fn each_combination_has_a_number_until_there_are_too_many() {
        let registry = Registry::default();
        let mut escapes = counter(&registry);
        for n in 0..MAX_SERIES + 10 {
            escapes.add(1, [&n.to_string(), "blue"]);
        }
        escapes.add(2, ["0", "blue"]);
        assert_eq!(registry.snapshot().len(), MAX_SERIES);
        assert_eq!(value(&registry, "0"), Some(3));
        assert_eq!(value(&registry, OTHER), Some(11));
        let total: u64 = registry.snapshot().iter().map(|sample| sample.value).sum();
        assert_eq!(total, MAX_SERIES as u64 + 12);
    }

    #[test]
    fn a_value_that_nobody_could_read_is_an_other() {
        let registry = Registry::default();
        counter(&registry).add(1, [&"x".repeat(MAX_VALUE + 1), "blue"]);
        assert_eq!(value(&registry, OTHER), Some(1));
        assert_eq!(registry.snapshot().len(), 1);
    }
}
