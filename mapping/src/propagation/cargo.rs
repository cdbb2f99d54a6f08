//! One key and its values: the smallest thing that travels.

use std::fmt;

use super::bracket;

/// Read access to a key and its values.
///
/// ```
/// use lanewire_mapping::propagation::{Cargo, Label};
///
/// let cells = Cargo::with_values("x-live-cell", ["c1", "c2"]);
/// assert_eq!(cells.key(), "x-live-cell");
/// assert_eq!(cells.values(), ["c1", "c2"]);
/// assert_eq!(cells.first_value(), Some("c1"));
/// assert_eq!(cells.value(), "[c1|c2]");
/// ```
pub trait Label {
    /// The key.
    fn key(&self) -> &str;
    /// All values, in the order they were added.
    fn values(&self) -> &[String];

    /// The value that routing uses: the first, or `None` without any.
    fn first_value(&self) -> Option<&str> {
        self.values().first().map(String::as_str)
    }

    /// All values in one text: the bracket form of [`bracket::join`].
    fn value(&self) -> String {
        bracket::join(self.values())
    }
}

/// A key with an ordered list of values.
///
/// ```
/// use lanewire_mapping::propagation::{Label, Tag};
///
/// let zone = Tag::with_values("zone", ["a", "b", "a"]);
/// assert_eq!(zone.value(), "[a|b]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    key: String,
    values: Vec<String>,
}

impl Tag {
    /// A tag without values.
    pub fn new(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            values: Vec::new(),
        }
    }

    /// A tag with these values; repeated ones are kept once.
    pub fn with_values<V: Into<String>>(
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Cargo::with_values(key, values).tag
    }
}

impl Label for Tag {
    fn key(&self) -> &str {
        &self.key
    }

    fn values(&self) -> &[String] {
        &self.values
    }
}

/// A tag that crosses hops.
///
/// ```
/// use lanewire_mapping::propagation::{Cargo, Label};
///
/// let mut cell = Cargo::new("x-live-cell");
/// cell.add("c1");
/// cell.add("c2");
/// cell.add("c1");
/// assert_eq!(cell.first_value(), Some("c1"));
/// assert_eq!(cell.value(), "[c1|c2]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cargo {
    tag: Tag,
    properties: String,
}

impl Cargo {
    /// A cargo without values.
    pub fn new(key: impl Into<String>) -> Self {
        Self {
            tag: Tag::new(key),
            properties: String::new(),
        }
    }

    /// A cargo with these values; repeated ones are kept once.
    pub fn with_values<V: Into<String>>(
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let mut cargo = Self::new(key);
        cargo.extend(values);
        cargo
    }

    /// A cargo of a list that is its own; repeated values are kept once.
    pub(crate) fn of(key: impl Into<String>, mut values: Vec<String>) -> Self {
        let mut at = 1;
        while at < values.len() {
            if values[..at].contains(&values[at]) {
                values.remove(at);
            } else {
                at += 1;
            }
        }
        Self::verbatim(key, values)
    }

    /// A cargo with these values as they are, repeated ones included: what joylive-agent reads.
    pub(crate) fn verbatim(key: impl Into<String>, values: Vec<String>) -> Self {
        Self {
            tag: Tag {
                key: key.into(),
                values,
            },
            properties: String::new(),
        }
    }

    /// Adds a value, unless the same one (case-sensitive) is there already.
    pub fn add(&mut self, value: impl Into<String>) {
        let value = value.into();
        if !self.tag.values.contains(&value) {
            self.tag.values.push(value);
        }
    }

    /// The W3C Baggage properties as they were read, without the first `;`; empty if none.
    pub fn properties(&self) -> &str {
        &self.properties
    }

    pub(crate) fn set_properties(&mut self, properties: &str) {
        self.properties = properties.to_owned();
    }

    /// Takes over the other's values, and its properties if this one has none.
    pub(crate) fn merge(&mut self, other: Cargo) {
        self.extend(other.tag.values);
        if self.properties.is_empty() {
            self.properties = other.properties;
        }
    }
}

impl<V: Into<String>> Extend<V> for Cargo {
    fn extend<I: IntoIterator<Item = V>>(&mut self, values: I) {
        for value in values {
            self.add(value);
        }
    }
}

impl Label for Cargo {
    fn key(&self) -> &str {
        self.tag.key()
    }

    fn values(&self) -> &[String] {
        self.tag.values()
    }
}

impl fmt::Display for Cargo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key(), self.value())
    }
}
