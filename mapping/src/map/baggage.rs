//! What travels with requests, as it is shown on spans.

use std::ops::Deref;
use std::sync::Arc;

use crate::span::{Key, Text};

/// Baggage: keys as configured, in lower case where only a prefix is, each with its values in order.
/// Clones share it.
///
/// ```
/// use lanewire_mapping::map::Baggage;
///
/// let baggage: Baggage = [("x-lane-code".into(), ["gray".into()].into())].into_iter().collect();
/// let (key, values) = &baggage[0];
/// assert_eq!((key.as_str(), values[0].as_str()), ("x-lane-code", "gray"));
/// assert!(Baggage::default().is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baggage(Option<Arc<[Entry]>>);

type Entry = (Key, Arc<[Text]>);

impl Baggage {
    /// Whether there are values for this key, or is none on purpose.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.iter().any(|(known, _)| known == key)
    }
}

impl Deref for Baggage {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl FromIterator<Entry> for Baggage {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut entries = entries.into_iter().peekable();
        let some = entries.peek().is_some();
        Self(some.then(|| entries.collect()))
    }
}
