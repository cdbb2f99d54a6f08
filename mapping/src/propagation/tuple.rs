//! The keys that choose unit and lane, and the 16 bits that stand for their values on the wire.
//!
//! The same sums are done in the kernel, which has to know the index before user space wakes up:
//! what changes here changes the wire format.

use std::fmt;

use super::bracket;
use super::require::CargoRequires;

/// The keys of a tuple, in the order of their slots. A user's account is none of them.
pub const TUPLE_KEYS: [&str; 6] = [
    "x-live-space-id",
    "x-live-rule-id",
    "x-live-unit",
    "x-live-cell",
    "x-lane-space-id",
    "x-lane-code",
];

const SLOTS: usize = TUPLE_KEYS.len();

const FNV_OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

const fn fnv1a(mut state: u64, bytes: &[u8]) -> u64 {
    let mut at = 0;
    while at < bytes.len() {
        state = (state ^ bytes[at] as u64).wrapping_mul(FNV_PRIME);
        at += 1;
    }
    state
}

/// The state of 64-bit FNV-1a behind `key=`: a constant for each key, given in lower case.
pub const fn key_state(key: &str) -> u64 {
    fnv1a(fnv1a(FNV_OFFSET_BASIS, key.as_bytes()), b"=")
}

/// The hash of a key, in lower case, and a value in its joined form ([`bracket::join`]): FNV-1a
/// over `key=value`, and a finaliser, since sums of FNV alone collide.
pub const fn pair_hash(key: &str, value: &str) -> u64 {
    let mut hash = fnv1a(key_state(key), value.as_bytes());
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

/// The slot of a key, spelt in lower case; `None` if it is no key of a tuple.
pub fn slot(key: &str) -> Option<usize> {
    TUPLE_KEYS.iter().position(|known| *known == key)
}

/// A set of slots, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slots(u8);

impl Slots {
    /// All of them.
    pub const ALL: Self = Self((1 << SLOTS) - 1);
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Those whose key passes.
    pub fn which(passes: impl Fn(&str) -> bool) -> Self {
        let bits = (0..SLOTS).filter(|slot| passes(TUPLE_KEYS[*slot]));
        Self(bits.fold(0, |bits, slot| bits | 1 << slot))
    }

    /// Those that are carried under these requirements. A key that the configuration spells with
    /// capitals is another key, which the kernel does not look for.
    pub fn carried(requires: &CargoRequires) -> Self {
        Self::which(|key| requires.canonical(key).is_some_and(|known| known == key))
    }

    /// Whether the slot of this key is among them.
    pub fn contains(self, key: &str) -> bool {
        slot(key).is_some_and(|slot| self.has(slot))
    }

    /// One bit to a slot, slot 0 the lowest.
    pub fn bits(self) -> u8 {
        self.0
    }

    fn has(self, slot: usize) -> bool {
        self.0 & 1 << slot != 0
    }
}

/// The values of a request's tuple keys. Two are equal if their values are, each in joined form.
///
/// ```
/// use lanewire_mapping::propagation::tuple::{Slots, Tuple};
///
/// let gray = ("x-lane-code", &["gray".to_owned()][..]);
/// let user = ("x-live-uid", &["7".to_owned()][..]);
/// let tuple = Tuple::of([gray, user], Slots::ALL);
/// assert_eq!(tuple.index(), 0x4c29);
/// assert_eq!(tuple, Tuple::of([gray], Slots::ALL));
/// ```
#[derive(Clone, Debug, Default, Eq)]
pub struct Tuple([String; SLOTS]);

impl PartialEq for Tuple {
    fn eq(&self, other: &Self) -> bool {
        // Most values are empty. Some processors take their time to compare no bytes at no address,
        // as the C library does it with AVX-512.
        let same = |(a, b): (&String, &String)| a.len() == b.len() && (a.is_empty() || a == b);
        self.0.iter().zip(&other.0).all(same)
    }
}

impl std::hash::Hash for Tuple {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Tuple {
    /// The tuple among these keys and values, as far as its slots are among `slots`.
    pub fn of<'a, V: AsRef<str> + 'a>(
        baggage: impl IntoIterator<Item = (&'a str, &'a [V])>,
        slots: Slots,
    ) -> Self {
        let mut tuple = Self::default();
        for (key, values) in baggage {
            if let Some(slot) = slot(key).filter(|slot| slots.has(*slot)) {
                tuple.0[slot] = bracket::join(values);
            }
        }
        tuple
    }

    /// Keys and joined values of the slots that have one.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let values = self.0.iter().map(String::as_str);
        TUPLE_KEYS
            .into_iter()
            .zip(values)
            .filter(|(_, v)| !v.is_empty())
    }

    /// Whether no key has a value.
    pub fn is_empty(&self) -> bool {
        self.pairs().next().is_none()
    }

    /// The sum of the hashes of its pairs; 0 without any.
    pub fn hash(&self) -> u64 {
        self.pairs().fold(0, |sum, (key, value)| {
            sum.wrapping_add(pair_hash(key, value))
        })
    }

    /// The hash of each slot's pair, 0 where there is no value.
    pub fn pair_hashes(&self) -> [u64; SLOTS] {
        let mut hashes = [0; SLOTS];
        for (key, value) in self.pairs() {
            if let Some(slot) = slot(key) {
                hashes[slot] = pair_hash(key, value);
            }
        }
        hashes
    }

    /// What stands for it on the wire unless it is pinned: 0 for the empty tuple alone.
    pub fn index(&self) -> u16 {
        if self.is_empty() {
            return 0;
        }
        fold(self.hash())
    }
}

/// `key=value, key=value`, in the order of the slots.
impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (key, value)) in self.pairs().enumerate() {
            write!(f, "{}{key}={value}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// The index of a tuple that is not empty, by its hash.
pub const fn fold(mut hash: u64) -> u16 {
    hash ^= hash >> 32;
    hash ^= hash >> 16;
    match hash as u16 {
        0 => 1,
        index => index,
    }
}

#[cfg(test)]
mod tests;
