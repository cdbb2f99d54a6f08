//! When spans are due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::slots::Place;

/// When a span is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) at: u64,
    pub(super) place: Place,
}

/// How long a span waits. Of each kind, one that comes later is due later, or nearly always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Settle,
    Longest,
}

/// Spans in the order in which they are due. What is due in the order in which it came costs next to
/// nothing.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    rows: [VecDeque<Due>; 2],
    others: BinaryHeap<Reverse<Other>>,
}

/// Ordered by the time alone.
#[derive(Debug)]
struct Other(Due);

impl Ord for Other {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.at.cmp(&other.0.at)
    }
}

impl PartialOrd for Other {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Other {
    fn eq(&self, other: &Self) -> bool {
        self.0.at == other.0.at
    }
}

impl Eq for Other {}

impl Timeline {
    pub(super) fn len(&self) -> usize {
        self.others.len() + self.rows.iter().map(VecDeque::len).sum::<usize>()
    }

    pub(super) fn push(&mut self, wait: Wait, due: Due) {
        let row = &mut self.rows[wait as usize];
        match row.back() {
            Some(last) if last.at > due.at => self.others.push(Reverse(Other(due))),
            _ => row.push_back(due),
        }
    }

    /// The time of the first.
    pub(super) fn first(&self) -> Option<u64> {
        let rows = self.rows.iter().filter_map(|row| row.front());
        let other = self.others.peek().map(|Reverse(Other(due))| due);
        rows.chain(other).map(|due| due.at).min()
    }

    pub(super) fn pop(&mut self) -> Option<Due> {
        let first = self.first()?;
        let is_first = |due: Option<&Due>| due.is_some_and(|due| due.at == first);
        if let Some(row) = self.rows.iter_mut().find(|row| is_first(row.front())) {
            return row.pop_front();
        }
        self.others.pop().map(|Reverse(Other(due))| due)
    }

    /// Forgets what is of no use.
    pub(super) fn retain(&mut self, of_use: impl Fn(&Due) -> bool) {
        for row in &mut self.rows {
            row.retain(&of_use);
        }
        self.others.retain(|Reverse(Other(due))| of_use(due));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::slots::Slots;

    proptest! {
        #[test]
        fn spans_come_in_the_order_of_their_times(
            times in prop::collection::vec((0u64..20, any::<bool>()), 0..50)
        ) {
            let mut slots = Slots::new();
            let mut timeline = Timeline::default();
            for (key, (at, settle)) in (0u64..).zip(&times) {
                let wait = if *settle { Wait::Settle } else { Wait::Longest };
                timeline.push(wait, Due { at: *at, place: slots.insert(key, *at) });
            }
            prop_assert_eq!(timeline.len(), times.len());
            timeline.retain(|due| due.at != 7);
            let mut expected: Vec<u64> = times.iter().map(|(at, _)| *at).collect();
            expected.retain(|at| *at != 7);
            expected.sort_unstable();
            for at in expected {
                prop_assert_eq!(timeline.first(), Some(at));
                let due = timeline.pop().unwrap();
                prop_assert_eq!((due.at, slots.remove(due.place)), (at, Some(at)));
            }
            prop_assert_eq!(timeline.pop(), None);
        }
    }
}
