//! A first look at names: most header fields concern nobody here.

/// Bytes of a name that are looked at.
const LOOK: usize = 8;

/// Whether a name may be one of some, or begin like one: by its first eight bytes, letters in any
/// case. It may let others pass.
///
/// ```
/// use lanewire_mapping::propagation::NameFilter;
///
/// let filter = NameFilter::of(["x-lane-code", "Baggage"]);
/// assert!(filter.passes("X-Lane-Code") && filter.passes("baggage"));
/// assert!(!filter.passes("X-Request-Id") && !filter.passes("Accept") && !filter.passes(""));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameFilter {
    /// First bytes, letters in both cases. What is not ASCII is in no name of a header.
    initials: [bool; 128],
    /// The bits that count and what they have to be. None if all names pass.
    beginnings: Vec<(u64, u64)>,
}

/// Lets every name pass that begins with a character of ASCII.
pub static EVERY_NAME: NameFilter = NameFilter {
    initials: [true; 128],
    beginnings: Vec::new(),
};

impl NameFilter {
    /// Lets these names pass, and those that begin with them. With an empty one among them, every
    /// name passes.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut filter = Self {
            initials: [false; 128],
            beginnings: Vec::new(),
        };
        for name in names {
            let Some(first) = name.bytes().next() else {
                return EVERY_NAME.clone();
            };
            for first in [first.to_ascii_lowercase(), first.to_ascii_uppercase()] {
                if let Some(initial) = filter.initials.get_mut(usize::from(first)) {
                    *initial = true;
                }
            }
            let mask = word(&[0xff; LOOK][..name.len().min(LOOK)]);
            let beginning = (mask, fold(word(name.as_bytes())) & mask);
            if !filter.beginnings.contains(&beginning) {
                filter.beginnings.push(beginning);
            }
        }
        filter
    }

    /// Lets pass what either does.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        if *self == EVERY_NAME || *other == EVERY_NAME {
            return EVERY_NAME.clone();
        }
        let mut both = self.clone();
        for (initial, other) in both.initials.iter_mut().zip(other.initials) {
            *initial |= other;
        }
        both.beginnings.extend(&other.beginnings);
        both
    }

    /// Whether a name may be one of them. There may be more behind the name.
    #[inline]
    pub fn passes(&self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        let initial = name
            .first()
            .and_then(|&first| self.initials.get(usize::from(first)));
        initial == Some(&true) && self.begins_like_one(name)
    }

    fn begins_like_one(&self, name: &[u8]) -> bool {
        let word = fold(word(name));
        let like = |&(mask, beginning): &(u64, u64)| word & mask == beginning;
        self.beginnings.is_empty() || self.beginnings.iter().any(like)
    }
}

/// The first bytes, and zeros if there are too few.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(first) => u64::from_le_bytes(*first),
        None => {
            let mut first = [0; LOOK];
            first[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(first)
        }
    }
}

/// Letters in lower case; some other characters become the same, too.
#[inline]
const fn fold(word: u64) -> u64 {
    word | 0x2020_2020_2020_2020
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_name_is_held_back_that_is_wanted(
            names in prop::collection::vec("[!-~]{1,12}", 1..4),
            behind in "[!-~]{0,4}",
            upper: bool,
        ) {
            let filter = NameFilter::of(names.iter().map(String::as_str));
            let both = filter.and(&NameFilter::of(["host"]));
            for name in &names {
                let sent = if upper { name.to_ascii_uppercase() } else { name.to_ascii_lowercase() };
                prop_assert!(filter.passes(&sent) && both.passes(&sent));
                let longer = sent + &behind;
                prop_assert!(filter.passes(&longer) && both.passes(&longer));
            }
            prop_assert!(both.passes("Host") && filter.and(&EVERY_NAME).passes("z"));
        }
    }

    #[test]
    fn an_empty_prefix_lets_everything_pass() {
        assert!(NameFilter::of(["host", ""]).passes("accept"));
    }

    #[test]
    fn a_short_name_is_no_longer_one() {
        assert!(!NameFilter::of(["x-live-"]).passes("x-li"));
        assert!(!NameFilter::of(["host"]).passes("hos"));
    }
}
