//! A bounded map that knows which of its entries is the oldest.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A map of at most `capacity` entries; the one that was inserted or touched longest ago makes
/// room for a new one.
#[derive(Debug)]
pub(crate) struct Ordered<K, V> {
    entries: HashMap<K, (u64, V)>,
    /// Stamps and keys in their order. Those whose stamp is no longer the entry's are leftovers.
    order: VecDeque<(u64, K)>,
    next_stamp: u64,
    capacity: usize,
}

impl<K: Copy + Eq + Hash, V> Ordered<K, V> {
    /// An empty map. A capacity of 0 is taken as 1.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            next_stamp: 0,
            capacity: capacity.max(1),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key).map(|(_, value)| value)
    }

    /// Makes the entry the newest. Gives what had to make room for it, if it is a new one.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let evicted = if self.entries.len() >= self.capacity && !self.entries.contains_key(&key) {
            self.pop_oldest()
        } else {
            None
        };
        let stamp = self.next_stamp;
        self.next_stamp += 1;
        self.entries.insert(key, (stamp, value));
        self.order.push_back((stamp, key));
        self.drop_leftovers();
        evicted
    }

    /// Makes the entry the newest, if it is there.
    pub(crate) fn touch(&mut self, key: &K) {
        if let Some((stamp, _)) = self.entries.get_mut(key) {
            *stamp = self.next_stamp;
            self.order.push_back((self.next_stamp, *key));
            self.next_stamp += 1;
            self.drop_leftovers();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
    }

    fn pop_oldest(&mut self) -> Option<V> {
        while let Some((stamp, key)) = self.order.pop_front() {
            if self.entries.get(&key).is_some_and(|entry| entry.0 == stamp) {
                return self.remove(&key);
            }
        }
        None
    }

    /// Keeps the order at most twice as long as the map; paid for by as many insertions
    /// and touches.
    fn drop_leftovers(&mut self) {
        if self.order.len() > 2 * self.entries.len() + 16 {
            let entries = &self.entries;
            self.order
                .retain(|(stamp, key)| entries.get(key).is_some_and(|entry| entry.0 == *stamp));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let mut map = Ordered::new(2);
        assert_eq!(map.insert(1, 'a'), None);
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
        map.insert(1, 'a');
        map.insert(2, 'b');
        for _ in 0..100 {
            map.touch(&1);
            map.touch(&3);
        }
        assert_eq!(map.insert(3, 'c'), Some('b'));
        assert_eq!(map.get(&1), Some(&'a'));
        assert!(map.order.len() < 64);
    }

    #[test]
    fn entries_that_come_and_go_leave_nothing_behind() {
        let mut map = Ordered::new(8);
        for key in 0..10_000 {
            map.insert(key, ());
            map.remove(&key);
        }
        assert_eq!(map.len(), 0);
        assert!(map.order.len() < 64);
    }
}
