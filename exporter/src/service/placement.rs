//! Where a process itself belongs: its unit, its cell, its lane.

use super::{process::Process, rules::matches};
use crate::config::schema::placement::{Placement, is_key};

/// Keys in the order in which they were given; the first value of a key stays.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<(String, String)>);

impl Places {
    /// What the sources say of a process, one after the other. `own` is what it says of its resource.
    pub fn of(process: &Process, placement: &Placement, own: &[(String, String)]) -> Self {
        let mut places = Self::default();
        let pod = process.pod.pod();
        let label = |name: &String| pod.and_then(|pod| pod.labels.get(name));
        let of_it = |rule: &&_| matches(rule, process);
        for rule in placement.rules.iter().filter(|rule| of_it(&&rule.matches)) {
            for (key, value) in &rule.values {
                places.give(key, value);
            }
            for (key, variable) in &rule.environment {
                if let Some(value) = process.environ.get(variable) {
                    places.give(key, value);
                }
            }
            for (key, name) in &rule.labels {
                if let Some(value) = label(name).filter(|value| !value.is_empty()) {
                    places.give(key, value);
                }
            }
        }
        if placement.by_name {
            for (key, value) in process.environ.placement() {
                places.give(&key, value);
            }
            places.give_all(pod.into_iter().flat_map(|pod| &pod.labels));
        }
        places.give_all(own.iter().map(|(key, value)| (key, value)));
        for (key, value) in &placement.default {
            places.give(key, value);
        }
        places
    }

    /// Whether something was said of this key, be it that the process belongs to none.
    pub fn knows(&self, key: &str) -> bool {
        self.0.iter().any(|(known, _)| known == key)
    }

    /// Where it belongs.
    pub fn into_attributes(self) -> impl Iterator<Item = (String, String)> {
        self.0.into_iter().filter(|(_, value)| !value.is_empty())
    }

    fn give(&mut self, key: &str, value: &str) {
        if !self.knows(key) {
            self.0.push((key.to_owned(), value.to_owned()));
        }
    }

    fn give_all<'a>(&mut self, pairs: impl Iterator<Item = (&'a String, &'a String)>) {
        let mut pairs: Vec<_> = pairs
            .filter(|(key, value)| is_key(key) && !value.is_empty())
            .collect();
        // Labels have no order of their own, and equal resources should look equal.
        pairs.sort_unstable();
        for (key, value) in pairs {
            self.give(key, value);
        }
    }
}
