//! The attributes of a span, as they go over the wire.

mod read;
mod value;
mod write;

use std::fmt;

pub use read::{Iter, Texts};
pub use value::{Value, ValueRef};
pub(crate) use write::{Key, key};

/// Attributes in the order in which they were added.
///
/// They are kept as the bytes that they leave as, so that encoding a span takes one copy for all of
/// them, and reading them means to decode them. Whoever adds one sees to it that its key is not there
/// yet.
///
/// ```
/// use lanewire_mapping::span::{Attributes, ValueRef};
///
/// let mut attributes = Attributes::new();
/// attributes.push("http.request.method", "GET");
/// attributes.push("http.response.status_code", 200);
/// assert_eq!(attributes.get("http.request.method"), Some(ValueRef::Str("GET")));
/// assert_eq!(attributes.iter().map(|(key, _)| key).last(), Some("http.response.status_code"));
/// ```
#[derive(Default)]
pub struct Attributes {
    /// `attributes` fields of a `Span`, each with tag and length; and behind them, room for more.
    otlp: Vec<u8>,
    /// How many bytes of that are taken.
    used: usize,
}

impl Attributes {
    /// None.
    pub const fn new() -> Self {
        Self {
            otlp: Vec::new(),
            used: 0,
        }
    }

    /// Adds one.
    pub fn push<'a>(&mut self, key: &str, value: impl Into<ValueRef<'a>>) {
        self.put(key, write::Content::Value(value.into()));
    }

    /// The value of a key. Looks at all that were added before it.
    pub fn get(&self, key: &str) -> Option<ValueRef<'_>> {
        let pair = self.pairs().find(|pair| pair.has_key(key));
        pair.and_then(|pair| pair.value())
    }

    /// Keys and values.
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self.pairs())
    }

    /// How many there are: counts them.
    pub fn len(&self) -> usize {
        self.pairs().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Removes them, and keeps the memory.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// The `attributes` fields of an OTLP `Span`, each with its tag and length.
    pub fn as_otlp(&self) -> &[u8] {
        self.otlp.get(..self.used).unwrap_or_default()
    }

    /// The `KeyValue` message of each.
    pub fn key_values(&self) -> impl Iterator<Item = &[u8]> {
        self.pairs().map(read::Pair::message)
    }

    fn pairs(&self) -> read::Pairs<'_> {
        read::Pairs::new(self.as_otlp())
    }
}

impl Clone for Attributes {
    fn clone(&self) -> Self {
        Self {
            otlp: self.as_otlp().to_vec(),
            used: self.used,
        }
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        self.as_otlp() == other.as_otlp()
    }
}

impl Eq for Attributes {}

impl<'a> IntoIterator for &'a Attributes {
    type Item = (&'a str, ValueRef<'a>);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<K: AsRef<str>> FromIterator<(K, Value)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(pairs: I) -> Self {
        let mut attributes = Self::new();
        for (key, value) in pairs {
            attributes.push(key.as_ref(), &value);
        }
        attributes
    }
}

impl<'v, K: AsRef<str>> FromIterator<(K, ValueRef<'v>)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (K, ValueRef<'v>)>>(pairs: I) -> Self {
        let mut attributes = Self::new();
        for (key, value) in pairs {
            attributes.push(key.as_ref(), value);
        }
        attributes
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

#[cfg(test)]
mod tests;
