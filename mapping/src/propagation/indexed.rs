//! The tuples that the configuration names, and the indices that stand for them.

use std::collections::HashMap;

use super::tuple::Tuple;

/// A tuple that the configuration names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownTuple {
    /// Its values.
    pub tuple: Tuple,
    /// The index that it shall have in the place of its own; not 0.
    pub pin: Option<u16>,
}

/// Why the tuples of a configuration can't be told apart. Numbers are their places in the list,
/// counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TupleError {
    /// Nothing has to stand for no value.
    #[error("a tuple without a value: give it one, or remove it")]
    Empty {
        /// The tuple.
        at: usize,
    },
    /// 0 says that there is no tuple.
    #[error("{tuple} is pinned to index 0, which means none: take one from 1 to 65535")]
    PinnedToNone {
        /// The tuple.
        at: usize,
        /// Its values.
        tuple: Tuple,
    },
    /// One index stands for two tuples.
    #[error("{tuple} and {first_tuple} have the same index {index}: pin one of them to another")]
    SameIndex {
        /// The earlier tuple.
        first: usize,
        /// Its values.
        first_tuple: Tuple,
        /// The later tuple.
        at: usize,
        /// Its values.
        tuple: Tuple,
        /// The index of both.
        index: u16,
    },
    /// One tuple has two indices.
    #[error("{tuple} is pinned to {first_pin} already: leave one of both pins out")]
    TwoPins {
        /// Where it is pinned first.
        first: usize,
        /// To which index.
        first_pin: u16,
        /// Where it is pinned again.
        at: usize,
        /// Its values.
        tuple: Tuple,
    },
}

/// The tuples of a configuration by their indices, none in the way of another.
#[derive(Clone, Debug, Default)]
pub struct IndexedTuples {
    /// Pinned indices by the hash of the tuple.
    pins: HashMap<u64, u16>,
    tuples: HashMap<u16, Tuple>,
}

impl IndexedTuples {
    /// Gives each tuple its index. One may be there several times.
    ///
    /// # Errors
    /// Every tuple that can't have one, or not one of its own.
    pub fn new(known: &[KnownTuple]) -> Result<Self, Vec<TupleError>> {
        let mut errors = Vec::new();
        let mut indexed = Self {
            pins: pins(known, &mut errors),
            tuples: HashMap::new(),
        };
        let mut places: HashMap<u16, usize> = HashMap::new();
        for (at, KnownTuple { tuple, .. }) in known.iter().enumerate() {
            if tuple.is_empty() {
                errors.push(TupleError::Empty { at });
                continue;
            }
            let index = indexed.index(tuple);
            let first = *places.entry(index).or_insert(at);
            match indexed.tuples.get(&index) {
                Some(first_tuple) if first_tuple != tuple => errors.push(TupleError::SameIndex {
                    first,
                    first_tuple: first_tuple.clone(),
                    at,
                    tuple: tuple.clone(),
                    index,
                }),
                Some(_) => {}
                None => {
                    indexed.tuples.insert(index, tuple.clone());
                }
            }
        }
        if errors.is_empty() {
            Ok(indexed)
        } else {
            Err(errors)
        }
    }

    /// What stands for a tuple on the wire; 0 for the empty one.
    pub fn index(&self, tuple: &Tuple) -> u16 {
        match self.pins.get(&tuple.hash()) {
            Some(pin) if !tuple.is_empty() => *pin,
            _ => tuple.index(),
        }
    }

    /// The tuple that an index stands for.
    pub fn tuple(&self, index: u16) -> Option<&Tuple> {
        self.tuples.get(&index)
    }

    /// Every tuple with its index, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &Tuple)> {
        self.tuples.iter().map(|(index, tuple)| (*index, tuple))
    }

    /// The hashes of pinned tuples and their indices, in the order of the hashes.
    pub fn pins(&self) -> Vec<(u64, u16)> {
        let mut pins: Vec<_> = self.pins.iter().map(|(hash, pin)| (*hash, *pin)).collect();
        pins.sort_unstable();
        pins
    }
}

fn pins(known: &[KnownTuple], errors: &mut Vec<TupleError>) -> HashMap<u64, u16> {
    let mut pins: HashMap<u64, (usize, u16)> = HashMap::new();
    for (at, KnownTuple { tuple, pin }) in known.iter().enumerate() {
        let Some(pin) = *pin else { continue };
        let tuple = tuple.clone();
        if pin == 0 {
            errors.push(TupleError::PinnedToNone { at, tuple });
            continue;
        }
        let (first, first_pin) = *pins.entry(tuple.hash()).or_insert((at, pin));
        if first_pin != pin {
            errors.push(TupleError::TwoPins {
                first,
                first_pin,
                at,
                tuple,
            });
        }
    }
    pins.into_iter()
        .map(|(hash, (_, pin))| (hash, pin))
        .collect()
}
