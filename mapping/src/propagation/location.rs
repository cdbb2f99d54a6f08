//! Where a call comes from.

use super::cargo::{Cargo, Label};

/// The keys that say where a caller stands, in their order.
///
/// They are written for the next hop only: the default requirements do not carry them further.
///
/// ```
/// use lanewire_mapping::propagation::Location;
///
/// let here = Location::new().with("x-location-unit", "u1");
/// assert_eq!(here.tags().collect::<Vec<_>>(), [("x-location-unit", "u1")]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    tags: Vec<(String, String)>,
}

impl Location {
    /// Nowhere.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let key = key.into();
        self.tags.retain(|(k, _)| *k != key);
        self.tags.push((key, value.into()));
        self
    }

    /// Keys and values, in order.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    pub(super) fn has(&self, cargo: &Cargo) -> bool {
        self.tags.iter().any(|(k, _)| k == cargo.key())
    }

    pub(super) fn cargos(&self) -> impl Iterator<Item = Cargo> {
        self.tags().map(|(k, v)| Cargo::with_values(k, [v]))
    }
}
