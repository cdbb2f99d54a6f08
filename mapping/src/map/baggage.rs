//! What travels with requests, as it is shown on spans.

use std::ops::Deref;
use std::sync::Arc;

use crate::span::{Attributes, Key, Text};

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
pub struct Baggage(Option<Arc<Shared>>);

type Entry = (Key, Arc<[Text]>);

#[derive(Debug, PartialEq, Eq)]
struct Shared {
    entries: Box<[Entry]>,
    /// Those whose keys are none of our own, which all have a dot: as every span has them.
    foreign: Attributes,
    /// The places of the others.
    dotted: Box<[usize]>,
}

impl Baggage {
    /// Whether there are values for this key, or is none on purpose.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.iter().any(|(known, _)| known == key)
    }

    /// Whether both are one and the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    /// Writes what came from outside, unless the key is taken.
    pub(super) fn write(&self, attributes: &mut Attributes) {
        let Some(shared) = &self.0 else {
            return;
        };
        attributes.append(&shared.foreign);
        for entry in shared.dotted.iter().map(|at| &shared.entries[*at]) {
            if attributes.get(&entry.0).is_none() {
                put(entry, attributes);
            }
        }
    }
}

impl Shared {
    fn new(entries: Box<[Entry]>) -> Self {
        let mut foreign = Attributes::new();
        let mut dotted = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            match entry.0.contains('.') {
                true => dotted.push(at),
                false => put(entry, &mut foreign),
            }
        }
        Self {
            foreign,
            dotted: dotted.into(),
            entries,
        }
    }
}

/// Values are one text or a list.
fn put((key, values): &Entry, attributes: &mut Attributes) {
    match &**values {
        [] => {}
        [one] => attributes.push(key, one),
        several => attributes.push(key, several),
    }
}

impl Deref for Baggage {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        self.0.as_ref().map_or(&[], |shared| &shared.entries)
    }
}

impl FromIterator<Entry> for Baggage {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let entries: Box<[Entry]> = entries.into_iter().collect();
        Self((!entries.is_empty()).then(|| Arc::new(Shared::new(entries))))
    }
}
