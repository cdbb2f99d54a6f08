//! Exchanges that something is known of: heads of those that are not over, and what waits to be
//! handed out.

use std::collections::VecDeque;

use super::{Key, Waiting};
use crate::protocol::Heads;
use crate::record::{Head, HeadPart};
use crate::slots::{Place, Slots};

/// Buffers that are kept for the next heads. More heads than these wait only while requests take
/// long, and then little depends on an allocation.
const SPARE: usize = 1_024;
/// A larger buffer is not kept.
const SPARE_BYTES: usize = 4_096;

/// Exchanges by the ids that the kernel minted, which an adopted edge's extensions still have.
#[derive(Debug)]
pub(super) struct Exchanges {
    entries: Slots<Key, Entry>,
    /// Those that are not over, and some that were not, in the order of their first heads.
    open_order: VecDeque<Place>,
    open: usize,
    most_open: usize,
    spare: Vec<Vec<u8>>,
}

/// What is known of an exchange.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "both lie in the same slots, and the larger ones are the most"
)]
pub(super) enum Entry {
    /// It is not over.
    Open(Open),
    /// Its span waits.
    Waiting(Waiting),
}

/// The heads of an exchange that is not over.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) server_port: u16,
    pub(super) trusted: bool,
    request: Option<Vec<u8>>,
    reply: Option<Vec<u8>>,
}

/// What became of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// The oldest exchange made room for it.
    pub(super) evicted: bool,
    /// It came after its exchange, twice, or after a piece that was lost.
    pub(super) late: bool,
}

impl Exchanges {
    /// Keeps the heads of as many exchanges at the most; 0 is taken as 1.
    pub(super) fn new(most_open: usize) -> Self {
        Self {
            entries: Slots::new(),
            open_order: VecDeque::new(),
            open: 0,
            most_open: most_open.max(1),
            spare: Vec::new(),
        }
    }

    /// How many spans wait.
    pub(super) fn waiting(&self) -> usize {
        self.entries.len() - self.open
    }

    /// How many exchanges are not over.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    pub(super) fn find(&self, key: &Key) -> Option<Place> {
        self.entries.find(key)
    }

    pub(super) fn get(&self, place: Place) -> Option<&Entry> {
        self.entries.get(place)
    }

    pub(super) fn key(&self, place: Place) -> Option<Key> {
        self.entries.key(place).copied()
    }

    pub(super) fn get_waiting(&self, place: Place) -> Option<&Waiting> {
        match self.entries.get(place)? {
            Entry::Waiting(waiting) => Some(waiting),
            Entry::Open(_) => None,
        }
    }

    pub(super) fn get_waiting_mut(&mut self, place: Place) -> Option<&mut Waiting> {
        match self.entries.get_mut(place)? {
            Entry::Waiting(waiting) => Some(waiting),
            Entry::Open(_) => None,
        }
    }

    /// Keeps a head, or one more piece of it.
    pub(super) fn keep(&mut self, key: Key, head: &Head<'_>) -> Kept {
        let mut kept = Kept::default();
        let place = match self.entries.find(&key) {
            Some(place) => place,
            None => {
                kept.evicted = self.make_room();
                self.begin(key, head)
            }
        };
        let Some(Entry::Open(open)) = self.entries.get_mut(place) else {
            kept.late = true;
            return kept;
        };
        let part = match head.part {
            HeadPart::Request => &mut open.request,
            HeadPart::Reply => &mut open.reply,
        };
        match part {
            None if head.offset == 0 => {
                let mut bytes = self.spare.pop().unwrap_or_default();
                bytes.extend_from_slice(head.bytes);
                *part = Some(bytes);
            }
            Some(bytes) if head.offset == bytes.len() => bytes.extend_from_slice(head.bytes),
            _ => kept.late = true,
        }
        kept
    }

    /// Takes the heads of an exchange that is over. They are to be [put back](Self::put_back).
    pub(super) fn take_heads(&mut self, place: Place) -> Option<Open> {
        match self.entries.get_mut(place)? {
            Entry::Open(open) => Some(std::mem::take(open)),
            Entry::Waiting(_) => None,
        }
    }

    /// Keeps the buffers for other heads.
    pub(super) fn put_back(&mut self, open: Open) {
        for mut bytes in [open.request, open.reply].into_iter().flatten() {
            if self.spare.len() < SPARE && bytes.capacity() <= SPARE_BYTES {
                bytes.clear();
                self.spare.push(bytes);
            }
        }
    }

    /// Lets the span of an exchange wait. `place` is where its heads were, if there were any.
    pub(super) fn wait(&mut self, key: Key, place: Option<Place>, waiting: Waiting) -> Place {
        if let Some(place) = place
            && let Some(entry) = self.entries.get_mut(place)
        {
            *entry = Entry::Waiting(waiting);
            self.open -= 1;
            return place;
        }
        self.entries.insert(key, Entry::Waiting(waiting))
    }

    /// Forgets a span that was handed out.
    pub(super) fn discard(&mut self, place: Place) {
        self.entries.discard(place);
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.open_order.clear();
        self.open = 0;
    }

    fn begin(&mut self, key: Key, head: &Head<'_>) -> Place {
        let open = Open {
            server_port: head.server_port,
            trusted: head.trusted,
            ..Open::default()
        };
        let place = self.entries.insert(key, Entry::Open(open));
        self.open += 1;
        self.drop_leftovers();
        self.open_order.push_back(place);
        place
    }

    /// Forgets the oldest that is not over if there is no room for one more. Says whether it did.
    fn make_room(&mut self) -> bool {
        while self.open >= self.most_open {
            let Some(oldest) = self.open_order.pop_front() else {
                return false;
            };
            if let Some(open) = self.take_heads(oldest) {
                self.put_back(open);
                self.entries.discard(oldest);
                self.open -= 1;
                return true;
            }
        }
        false
    }

    /// Those that are over leave their places in the order: as many of these are kept as there are
    /// others.
    fn drop_leftovers(&mut self) {
        if self.open_order.len() > 2 * self.open + 64 {
            let entries = &self.entries;
            let is_open = |place: &Place| matches!(entries.get(*place), Some(Entry::Open(_)));
            self.open_order.retain(is_open);
        }
    }
}

impl Open {
    pub(super) fn request(&self) -> Option<&[u8]> {
        self.request.as_deref()
    }

    /// Both, as far as there is anything in them.
    pub(super) fn heads(&self) -> Heads<'_> {
        Heads {
            request: self.request.as_deref().filter(|head| !head.is_empty()),
            reply: self.reply.as_deref().filter(|head| !head.is_empty()),
            server_port: self.server_port,
        }
    }
}
