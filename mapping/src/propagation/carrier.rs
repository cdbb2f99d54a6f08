//! The cargos of one request, and notes on it that stay at home.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::cargo::{Cargo, Label};

/// Cargos by key, in the order they came, so that writing is deterministic.
///
/// Attributes are for the process alone: no format writes them.
///
/// ```
/// use lanewire_mapping::propagation::{Carrier, Label};
///
/// let mut carrier = Carrier::new();
/// carrier.add("x-lane-code", "gray");
/// carrier.set_attribute("retries", 3_u32);
/// assert_eq!(carrier.get("x-lane-code").and_then(Label::first_value), Some("gray"));
/// assert_eq!(carrier.attribute::<u32>("retries"), Some(&3));
///
/// carrier.set("x-lane-code", "blue");
/// carrier.add("x-live-cell", "c1");
/// let texts: Vec<String> = carrier.iter().map(ToString::to_string).collect();
/// assert_eq!(texts, ["x-lane-code=blue", "x-live-cell=c1"]);
/// assert!(carrier.remove("x-live-cell").is_some());
/// ```
#[derive(Clone, Default)]
pub struct Carrier {
    // A handful of keys: a scan beats a map.
    cargos: Vec<Cargo>,
    attributes: HashMap<String, Arc<dyn Any + Send + Sync>>,
}

impl Carrier {
    /// An empty carrier.
    pub fn new() -> Self {
        Self::default()
    }

    /// The cargo with this key.
    pub fn get(&self, key: &str) -> Option<&Cargo> {
        self.cargos.iter().find(|c| c.key() == key)
    }

    /// Adds one value to the cargo with this key.
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        match self.cargos.iter_mut().find(|c| c.key() == key) {
            Some(cargo) => cargo.add(value),
            None => self.cargos.push(Cargo::with_values(key, [value])),
        }
    }

    /// Merges a cargo with the one of the same key, or appends it.
    pub fn add_cargo(&mut self, cargo: Cargo) {
        match self.cargos.iter_mut().find(|c| c.key() == cargo.key()) {
            Some(present) => present.merge(cargo),
            None => self.cargos.push(cargo),
        }
    }

    /// Adds, of these keys and values, those whose key passes the predicate.
    ///
    /// ```
    /// use lanewire_mapping::propagation::{CargoRequire, CargoRequires, Carrier};
    ///
    /// let metadata = [("x-lane-code", vec!["gray"]), ("cookie", vec!["secret"])];
    /// let requires = CargoRequires::default();
    /// let mut carrier = Carrier::new();
    /// carrier.add_matching(|key| requires.matches(key), metadata);
    /// assert_eq!(carrier.len(), 1);
    /// ```
    pub fn add_matching<K, V, I>(
        &mut self,
        matches: impl Fn(&str) -> bool,
        entries: impl IntoIterator<Item = (K, I)>,
    ) where
        K: AsRef<str>,
        V: Into<String>,
        I: IntoIterator<Item = V>,
    {
        for (key, values) in entries {
            if matches(key.as_ref()) {
                self.add_cargo(Cargo::with_values(key.as_ref(), values));
            }
        }
    }

    /// Replaces all values of a key by one; the cargo keeps its place.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.set_cargo(Cargo::with_values(key, [value]));
    }

    /// Replaces the cargo of the same key, in its place, or appends this one.
    pub fn set_cargo(&mut self, cargo: Cargo) {
        match self.cargos.iter_mut().find(|c| c.key() == cargo.key()) {
            Some(present) => *present = cargo,
            None => self.cargos.push(cargo),
        }
    }

    /// Takes a cargo out.
    pub fn remove(&mut self, key: &str) -> Option<Cargo> {
        let at = self.cargos.iter().position(|c| c.key() == key)?;
        Some(self.cargos.remove(at))
    }

    /// The cargos, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Cargo> {
        self.cargos.iter()
    }

    /// How many cargos there are.
    pub fn len(&self) -> usize {
        self.cargos.len()
    }

    /// Whether there is no cargo; attributes do not count.
    pub fn is_empty(&self) -> bool {
        self.cargos.is_empty()
    }

    /// The attribute of this name, if it is a `T`.
    pub fn attribute<T: Any>(&self, name: &str) -> Option<&T> {
        self.attributes.get(name)?.downcast_ref()
    }

    /// Whether there is an attribute of this name, whatever its type.
    pub fn has_attribute(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }

    /// Sets an attribute; copies of the carrier share its value.
    pub fn set_attribute<T: Any + Send + Sync>(&mut self, name: impl Into<String>, value: T) {
        self.attributes.insert(name.into(), Arc::new(value));
    }

    /// Takes an attribute out.
    pub fn remove_attribute(&mut self, name: &str) -> Option<Arc<dyn Any + Send + Sync>> {
        self.attributes.remove(name)
    }

    /// The names of the attributes, in no order.
    pub fn attribute_names(&self) -> impl Iterator<Item = &str> {
        self.attributes.keys().map(String::as_str)
    }
}

/// Equal cargos in equal order; attributes are not compared.
impl PartialEq for Carrier {
    fn eq(&self, other: &Self) -> bool {
        self.cargos == other.cargos
    }
}

impl Eq for Carrier {}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier")
            .field("cargos", &self.cargos)
            .field("attributes", &self.attributes.keys())
            .finish()
    }
}

impl<'a> IntoIterator for &'a Carrier {
    type Item = &'a Cargo;
    type IntoIter = std::slice::Iter<'a, Cargo>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Cargo> for Carrier {
    fn from_iter<I: IntoIterator<Item = Cargo>>(cargos: I) -> Self {
        let mut carrier = Self::new();
        for cargo in cargos {
            carrier.add_cargo(cargo);
        }
        carrier
    }
}
