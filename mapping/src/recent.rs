//! A bounded map of what came last.

use hashbrown::HashTable;

use crate::slots::Minted;

/// A map of at most `capacity` entries; the one that came longest ago makes room for a new one. They
/// lie in the order in which they came: to give one up costs next to nothing.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    index: HashTable<u32>,
    entries: Vec<(K, V)>,
    /// The oldest, when there is no room.
    oldest: usize,
    capacity: usize,
}

impl<K: Minted, V> Recent<K, V> {
    /// An empty map. A capacity of 0 is taken as 1.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            index: HashTable::new(),
            entries: Vec::new(),
            oldest: 0,
            capacity: capacity.clamp(1, u32::MAX as usize),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let at = self.find(key)?;
        self.entries.get(at).map(|(_, value)| value)
    }

    /// Adds an entry, or gives one that is there another value.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if let Some(at) = self.find(&key) {
            self.entries[at].1 = value;
            return;
        }
        let at = self.entries.len();
        let at = if at < self.capacity {
            self.entries.push((key, value));
            at
        } else {
            self.replace_oldest(key, value)
        };
        let entries = &self.entries;
        let hash = |at: &u32| entries[*at as usize].0.hash();
        // The capacity fits.
        self.index.insert_unique(key.hash(), at as u32, hash);
    }

    fn find(&self, key: &K) -> Option<usize> {
        let is_it = |at: &u32| self.entries[*at as usize].0 == *key;
        let at = self.index.find(key.hash(), is_it)?;
        Some(*at as usize)
    }

    /// Says where the new entry is.
    fn replace_oldest(&mut self, key: K, value: V) -> usize {
        let at = self.oldest;
        self.oldest = (at + 1) % self.capacity;
        let (gone, _) = std::mem::replace(&mut self.entries[at], (key, value));
        let is_it = |other: &u32| *other as usize == at;
        if let Ok(entry) = self.index.find_entry(gone.hash(), is_it) {
            entry.remove();
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_oldest_makes_room(steps in prop::collection::vec(0u64..9, 0..200), capacity in 0usize..5) {
            let mut map = Recent::new(capacity);
            let mut model: VecDeque<(u64, usize)> = VecDeque::new();
            for (step, key) in steps.into_iter().enumerate() {
                map.insert(key, step);
                match model.iter_mut().find(|(other, _)| *other == key) {
                    Some((_, known)) => *known = step,
                    None => model.push_back((key, step)),
                }
                if model.len() > capacity.max(1) {
                    model.pop_front();
                }
                for key in 0..9 {
                    let known = model.iter().find(|(other, _)| *other == key);
                    prop_assert_eq!(map.get(&key), known.map(|(_, step)| step));
                }
            }
        }
    }
}
