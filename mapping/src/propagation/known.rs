//! The tuples that are known here, by the index that stands for them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

use super::bracket;
use super::indexed::IndexedTuples;
use super::tuple::Tuple;
use crate::map::Baggage;
use crate::ordered::Ordered;
use crate::span::Text;

/// Tuples that are remembered from headers; the one that was seen longest ago makes room. A host
/// with as many would find two with one index among them all the time.
const LEARNT: usize = 4_096;

/// The longest value that is remembered, in bytes: the kernel computes no index of a longer one.
const LONGEST: usize = 256;

/// Collisions that wait to be told; more are only counted.
const UNTOLD: usize = 16;

/// Two tuples with one index, of which at least one was read from headers. What arrives with the
/// index alone can't be told apart any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexCollision {
    /// The index of both.
    pub index: u16,
    /// The tuple that was known first.
    pub first: Tuple,
    /// The other one.
    pub second: Tuple,
    /// Whether the configuration names the first: then the index stands for it still.
    pub configured: bool,
}

impl fmt::Display for IndexCollision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            index,
            first,
            second,
            ..
        } = self;
        write!(
            f,
            "the baggage of {first} and of {second} has the same index {index}"
        )
    }
}

/// The tuples that are known here: those of the configuration, and those that were read in headers.
#[derive(Debug)]
pub(super) struct Known {
    indexed: IndexedTuples,
    configured: HashMap<u16, Baggage>,
    learnt: Ordered<u16, (Tuple, Baggage)>,
    /// What stands for more than one tuple. There are 65,535 at the most.
    ambiguous: HashSet<u16>,
    untold: VecDeque<IndexCollision>,
    forgotten: u64,
}

impl Known {
    pub(super) fn new(indexed: IndexedTuples) -> Self {
        Self {
            configured: indexed
                .iter()
                .map(|(index, tuple)| (index, shown(tuple)))
                .collect(),
            indexed,
            learnt: Ordered::new(LEARNT),
            ambiguous: HashSet::new(),
            untold: VecDeque::new(),
            forgotten: 0,
        }
    }

    pub(super) fn index(&self, tuple: &Tuple) -> u16 {
        self.indexed.index(tuple)
    }

    /// Takes note of a tuple that was read here and of the index that the kernel gave it, if both
    /// agree: the kernel may have seen less, or believed less. Says whether they do.
    pub(super) fn learn(&mut self, tuple: &Tuple, index: u16) -> bool {
        let agree = index != 0 && self.index(tuple) == index;
        if agree {
            self.note(tuple, index);
        }
        agree
    }

    fn note(&mut self, tuple: &Tuple, index: u16) {
        if tuple.pairs().any(|(_, value)| value.len() > LONGEST) {
            return;
        }
        if let Some(first) = self.indexed.tuple(index) {
            if first != tuple {
                let first = first.clone();
                self.collide(index, first, tuple, true);
            }
            return;
        }
        if self.ambiguous.contains(&index) {
            return;
        }
        match self.learnt.get(&index) {
            Some((first, _)) if first == tuple => self.learnt.touch(&index),
            Some(_) => {
                if let Some((first, _)) = self.learnt.remove(&index) {
                    self.collide(index, first, tuple, false);
                }
            }
            None => {
                let entry = (tuple.clone(), shown(tuple));
                self.forgotten += u64::from(self.learnt.insert(index, entry).is_some());
            }
        }
    }

    /// What an index stands for, if that is one tuple.
    pub(super) fn resolve(&mut self, index: u16) -> Option<Baggage> {
        if let Some(known) = self.configured.get(&index) {
            return Some(known.clone());
        }
        self.learnt.touch(&index);
        self.learnt.get(&index).map(|(_, known)| known.clone())
    }

    fn collide(&mut self, index: u16, first: Tuple, second: &Tuple, configured: bool) {
        if self.ambiguous.insert(index) && self.untold.len() < UNTOLD {
            let second = second.clone();
            self.untold.push_back(IndexCollision {
                index,
                first,
                second,
                configured,
            });
        }
    }

    /// Collisions that nobody was told of yet.
    pub(super) fn collisions(&mut self) -> Vec<IndexCollision> {
        self.untold.drain(..).collect()
    }

    /// How many tuples there are of each kind.
    pub(super) fn figures(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("configured", self.configured.len() as u64),
            ("learnt", self.learnt.len() as u64),
            ("ambiguous", self.ambiguous.len() as u64),
        ]
    }

    /// Learnt tuples that made room for others.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

/// What spans show of a tuple.
fn shown(tuple: &Tuple) -> Baggage {
    let values = |joined| bracket::parse(joined).into_iter().map(Text::from).collect();
    let pairs = tuple.pairs();
    pairs
        .map(|(key, joined)| (key.into(), values(joined)))
        .collect()
}

#[cfg(test)]
mod tests;
