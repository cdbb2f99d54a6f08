//! A map from what the kernel minted to values in slots.
//!
//! The table in front of the values holds numbers of slots only, and slots come in pages: tens of
//! thousands of large values cost neither empty buckets nor moves when there are more of them.

use hashbrown::HashTable;

/// A key that the kernel minted: nobody can choose many that fall together.
pub(crate) trait Minted: Copy + Eq {
    /// A number that is spread over the whole range.
    fn hash(self) -> u64;
}

/// The id of a span, or the cookie of a socket.
impl Minted for u64 {
    fn hash(self) -> u64 {
        spread(self)
    }
}

/// The cookie of a socket, and a hash that nobody can foresee.
impl Minted for (u64, u64) {
    fn hash(self) -> u64 {
        spread(self.0 ^ self.1)
    }
}

/// A process and a thread.
impl Minted for (u32, u32) {
    fn hash(self) -> u64 {
        spread(u64::from(self.0) << 32 | u64::from(self.1))
    }
}

/// A process.
impl Minted for u32 {
    fn hash(self) -> u64 {
        spread(self.into())
    }
}

/// The index of a tuple, of which there are 65,535.
impl Minted for u16 {
    fn hash(self) -> u64 {
        spread(self.into())
    }
}

/// Counts and random numbers become the same: the table looks at the highest and the lowest bits.
fn spread(number: u64) -> u64 {
    let mixed = (number ^ number >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

/// Where a value is. Stays what it is while the value is there, and never means another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    slot: u32,
    generation: u32,
}

/// A map whose values can also be got at by their [`Place`].
#[derive(Debug)]
pub(crate) struct Slots<K, V> {
    index: HashTable<u32>,
    slots: Pages<Slot<K, V>>,
    free: Vec<u32>,
}

/// Items that stay where they are.
#[derive(Debug)]
struct Pages<T> {
    pages: Vec<Vec<T>>,
}

/// Items of a page, a power of two.
const PAGE: usize = 128;

impl<T> Pages<T> {
    #[inline]
    fn get(&self, at: u32) -> Option<&T> {
        let at = at as usize;
        self.pages.get(at / PAGE)?.get(at % PAGE)
    }

    #[inline]
    fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        let at = at as usize;
        self.pages.get_mut(at / PAGE)?.get_mut(at % PAGE)
    }

    /// Adds an item, and says where it is.
    fn push(&mut self, item: T) -> u32 {
        let last = match self.pages.last_mut() {
            Some(last) if last.len() < PAGE => last,
            _ => {
                self.pages.push(Vec::with_capacity(PAGE));
                let last = self.pages.len() - 1;
                &mut self.pages[last]
            }
        };
        last.push(item);
        let behind = last.len() - 1;
        // The bounds of all maps are far below four billion.
        ((self.pages.len() - 1) * PAGE + behind) as u32
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pages.iter_mut().flatten()
    }
}

#[derive(Debug)]
struct Slot<K, V> {
    key: K,
    /// How many values have been here.
    generation: u32,
    value: Option<V>,
}

impl<K: Minted, V> Slots<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            index: HashTable::new(),
            slots: Pages { pages: Vec::new() },
            free: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Where the value of a key is.
    pub(crate) fn find(&self, key: &K) -> Option<Place> {
        let slots = &self.slots;
        let is_it = |slot: &u32| slots.get(*slot).is_some_and(|slot| slot.key == *key);
        let slot = *self.index.find(key.hash(), is_it)?;
        let generation = slots.get(slot)?.generation;
        Some(Place { slot, generation })
    }

    pub(crate) fn key(&self, place: Place) -> Option<&K> {
        self.slot(place).map(|slot| &slot.key)
    }

    pub(crate) fn get(&self, place: Place) -> Option<&V> {
        self.slot(place)?.value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut V> {
        self.value(place)?.as_mut()
    }

    /// Adds a value for a key that has none.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Place {
        let slots = &mut self.slots;
        let reused = self.free.pop();
        let (slot, generation) = match reused.and_then(|at| Some((at, slots.get_mut(at)?))) {
            Some((at, slot)) => {
                slot.key = key;
                slot.value = Some(value);
                (at, slot.generation)
            }
            None => {
                let at = slots.push(Slot {
                    key,
                    generation: 0,
                    value: Some(value),
                });
                (at, 0)
            }
        };
        let hash = |slot: &u32| slots.get(*slot).map_or(0, |slot| slot.key.hash());
        self.index.insert_unique(key.hash(), slot, hash);
        Place { slot, generation }
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, place: Place) -> Option<V> {
        let value = self.value(place)?.take();
        self.vacate(place);
        value
    }

    /// Drops a value where it is.
    pub(crate) fn discard(&mut self, place: Place) {
        if let Some(value) = self.value(place) {
            *value = None;
            self.vacate(place);
        }
    }

    /// Makes a slot whose value is gone free for others.
    fn vacate(&mut self, place: Place) {
        let Some(slot) = self.slots.get_mut(place.slot) else {
            return;
        };
        slot.generation = slot.generation.wrapping_add(1);
        let hash = slot.key.hash();
        let entry = self.index.find_entry(hash, |other| *other == place.slot);
        if let Ok(entry) = entry {
            entry.remove();
        }
        self.free.push(place.slot);
    }

    pub(crate) fn clear(&mut self) {
        self.index.clear();
        self.free.clear();
        for (at, slot) in (0..).zip(self.slots.iter_mut()) {
            if slot.value.take().is_some() {
                slot.generation = slot.generation.wrapping_add(1);
            }
            self.free.push(at);
        }
    }

    fn slot(&self, place: Place) -> Option<&Slot<K, V>> {
        let slot = self.slots.get(place.slot)?;
        (slot.generation == place.generation).then_some(slot)
    }

    fn value(&mut self, place: Place) -> Option<&mut Option<V>> {
        let slot = self.slots.get_mut(place.slot)?;
        (slot.generation == place.generation).then_some(&mut slot.value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Keys are few, so that they come and go.
        #[test]
        fn what_is_in_is_what_was_put_in(steps in prop::collection::vec((0u64..9, any::<bool>()), 0..200)) {
            let mut slots = Slots::new();
            let mut model = HashMap::new();
            for (step, (key, add)) in steps.into_iter().enumerate() {
                match (slots.find(&key), add) {
                    (None, true) => {
                        let place = slots.insert(key, step);
                        model.insert(key, (place, step));
                    }
                    (Some(place), false) => {
                        prop_assert_eq!(slots.remove(place), model.remove(&key).map(|(_, step)| step));
                        prop_assert_eq!(slots.remove(place), None);
                        prop_assert_eq!(slots.get(place), None);
                        prop_assert_eq!(slots.key(place), None);
                    }
                    _ => {}
                }
                prop_assert_eq!(slots.len(), model.len());
                for (key, (place, step)) in &model {
                    prop_assert_eq!(slots.find(key), Some(*place));
                    prop_assert_eq!(slots.get(*place), Some(step));
                }
            }
            slots.clear();
            prop_assert_eq!(slots.len(), 0);
            for (key, (place, _)) in &model {
                prop_assert_eq!(slots.find(key), None);
                prop_assert_eq!(slots.get(*place), None);
            }
        }
    }

    #[test]
    fn a_place_is_never_that_of_another() {
        let mut slots = Slots::new();
        let first = slots.insert(1u64, 'a');
        slots.remove(first);
        let second = slots.insert(2, 'b');
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.get(second), Some(&'b'));
    }

    /// The table takes the place from the lowest bits and seven bits for comparison from the highest.
    #[test]
    fn numbers_in_a_row_and_random_ones_are_spread_over_the_table() {
        for step in [1, 1 << 20, 1 << 32] {
            let hashes: Vec<u64> = (0..4096).map(|n: u64| (n * step).hash()).collect();
            let low: HashSet<u64> = hashes.iter().map(|hash| hash & 0xfff).collect();
            let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
            assert!(low.len() > 1024, "step {step}: {} buckets", low.len());
            assert!(high.len() > 32, "step {step}: {} tags", high.len());
        }
    }
}
