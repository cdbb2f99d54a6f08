//! A bounded map that knows which of its entries is the oldest.

use crate::slots::{Minted, Place, Slots};

/// A map of at most `capacity` entries; the one that was inserted or touched longest ago makes
/// room for a new one.
#[derive(Debug)]
pub(crate) struct Ordered<K, V> {
    entries: Slots<K, Entry<V>>,
    oldest: Option<Place>,
    newest: Option<Place>,
    capacity: usize,
}

/// A value in the row of all of them by age.
#[derive(Debug)]
struct Entry<V> {
    value: V,
    older: Option<Place>,
    newer: Option<Place>,
}

impl<K: Minted, V> Ordered<K, V> {
    /// An empty map. A capacity of 0 is taken as 1.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            entries: Slots::new(),
            oldest: None,
            newest: None,
            capacity: capacity.max(1),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let place = self.entries.find(key)?;
        self.entries.get(place).map(|entry| &entry.value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.entries.find(key)?;
        self.entries.get_mut(place).map(|entry| &mut entry.value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.entries.find(key)?;
        self.take(place)
    }

    /// Makes the entry the newest. Gives what had to make room for it, if it is a new one.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(place) = self.entries.find(&key) {
            self.take(place);
        }
        let evicted = self.make_room();
        self.append(key, value);
        evicted
    }

    /// Makes the entry the newest, if it is there.
    pub(crate) fn touch(&mut self, key: &K) {
        if let Some(place) = self.entries.find(key)
            && self.newest != Some(place)
        {
            self.unlink(place);
            self.link(place);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.oldest = None;
        self.newest = None;
    }

    fn make_room(&mut self) -> Option<V> {
        if self.entries.len() < self.capacity {
            return None;
        }
        self.take(self.oldest?)
    }

    fn append(&mut self, key: K, value: V) -> Place {
        let entry = Entry {
            value,
            older: None,
            newer: None,
        };
        let place = self.entries.insert(key, entry);
        self.link(place);
        place
    }

    fn take(&mut self, place: Place) -> Option<V> {
        self.unlink(place);
        self.entries.remove(place).map(|entry| entry.value)
    }

    /// Puts an entry that is in no row at its end.
    fn link(&mut self, place: Place) {
        let before = self.newest.replace(place);
        if let Some(entry) = self.entries.get_mut(place) {
            (entry.older, entry.newer) = (before, None);
        }
        match before.and_then(|before| self.entries.get_mut(before)) {
            Some(before) => before.newer = Some(place),
            None => self.oldest = Some(place),
        }
    }

    fn unlink(&mut self, place: Place) {
        let Some(entry) = self.entries.get(place) else {
            return;
        };
        let (older, newer) = (entry.older, entry.newer);
        match older.and_then(|older| self.entries.get_mut(older)) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
        match newer.and_then(|newer| self.entries.get_mut(newer)) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let mut map = Ordered::new(2);
        assert_eq!(map.insert(1u64, 'a'), None);
        assert_eq!(map.insert(2, 'b'), None);
        assert_eq!(map.insert(1, 'c'), None);
        assert_eq!(map.insert(3, 'd'), Some('b'));
        assert_eq!(map.get(&1), Some(&'c'));
        assert_eq!(map.remove(&1), Some('c'));
        assert_eq!(map.insert(4, 'e'), None);
        assert_eq!(map.insert(5, 'f'), Some('d'));
        assert_eq!(map.len(), 2);
    }

    #[test]
    fn what_was_touched_is_no_longer_the_oldest() {
        let mut map = Ordered::new(2);
        map.insert(1u64, 'a');
        map.insert(2, 'b');
        map.touch(&1);
        map.touch(&3);
        assert_eq!(map.insert(3, 'c'), Some('b'));
        assert_eq!(map.get(&1), Some(&'a'));
    }

    proptest! {
        #[test]
        fn entries_go_in_the_order_of_their_last_use(
            steps in prop::collection::vec((0u64..6, 0..3), 0..200)
        ) {
            let mut map = Ordered::new(3);
            let mut model: VecDeque<(u64, usize)> = VecDeque::new();
            for (step, (key, what)) in steps.into_iter().enumerate() {
                let at = model.iter().position(|(other, _)| *other == key);
                let there = at.and_then(|at| model.remove(at));
                match what {
                    0 => {
                        let full = there.is_none() && model.len() == 3;
                        let evicted = if full { model.pop_front() } else { None };
                        model.push_back((key, step));
                        prop_assert_eq!(map.insert(key, step), evicted.map(|(_, step)| step));
                    }
                    1 => {
                        model.extend(there);
                        map.touch(&key);
                    }
                    _ => prop_assert_eq!(map.remove(&key), there.map(|(_, step)| step)),
                }
                prop_assert_eq!(map.len(), model.len());
                for (key, step) in &model {
                    prop_assert_eq!(map.get(key), Some(step));
                }
            }
        }
    }
}
