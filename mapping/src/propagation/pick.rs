//! Of a message's fields, those that are about its trace or its keys.

use super::baggage::BAGGAGE;
use super::header::Medium;
use super::name_filter::NameFilter;
use super::require::CargoRequires;
use super::trace_context::TRACEPARENT;
use super::trace_state::TRACESTATE;

/// A field.
pub(super) type Field<'h> = (&'h str, &'h [u8]);

/// What was picked, each kind in its order.
#[derive(Debug, Default)]
pub(super) struct Picked<'h> {
    /// Values of `traceparent`.
    pub(super) parents: Few<&'h [u8], 2>,
    /// Values of `tracestate`.
    pub(super) states: Few<&'h [u8], 2>,
    /// `baggage`, and the fields of keys that are carried.
    pub(super) keys: Few<Field<'h>, 4>,
}

/// Lets the names pass that can be picked.
pub(super) fn filter(requires: &CargoRequires) -> NameFilter {
    NameFilter::of([TRACEPARENT, TRACESTATE, BAGGAGE]).and(&requires.filter())
}

impl<'h> Picked<'h> {
    /// Looks at all fields that pass the [`filter`].
    pub(super) fn of(
        medium: Medium,
        fields: impl IntoIterator<Item = Field<'h>>,
        requires: &CargoRequires,
        filter: &NameFilter,
    ) -> Self {
        let mut picked = Self::default();
        for (name, value) in fields {
            if !filter.passes(name) {
                continue;
            }
            if medium.same_name(name, TRACEPARENT) {
                picked.parents.push(value);
            } else if medium.same_name(name, TRACESTATE) {
                picked.states.push(value);
            } else if medium.same_name(name, BAGGAGE) || requires.carries(name) {
                picked.keys.push((name, value));
            }
        }
        picked
    }
}

/// A list that needs no allocation as long as it has at most `N` items.
#[derive(Debug)]
pub(super) struct Few<T, const N: usize> {
    first: [T; N],
    length: usize,
    /// All of them, if they are more than `N`.
    all: Vec<T>,
}

impl<T: Copy + Default, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Self {
            first: [T::default(); N],
            length: 0,
            all: Vec::new(),
        }
    }
}

impl<T: Copy, const N: usize> Few<T, N> {
    fn push(&mut self, item: T) {
        match self.first.get_mut(self.length) {
            Some(place) => {
                *place = item;
                self.length += 1;
            }
            None => {
                if self.all.is_empty() {
                    self.all.extend(self.first);
                }
                self.all.push(item);
            }
        }
    }

    pub(super) fn as_slice(&self) -> &[T] {
        match self.all.is_empty() {
            true => &self.first[..self.length],
            false => &self.all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_what_was_put_in_however_much_that_is() {
        for length in 0..9 {
            let mut few = Few::<_, 3>::default();
            let items: Vec<usize> = (1..=length).collect();
            items.iter().for_each(|item| few.push(*item));
            assert_eq!(few.as_slice(), items);
        }
    }
}
