//! Baggage goes from a request to all that is done for it: most protocols have no place for it.
//! On one host it is handed down whole, and from another comes an index.

use super::exchanges::{Entry, Open};
use super::{Assembler, Key, Waiting};
use crate::map::{Application, Baggage};
use crate::slots::Place;

/// Ancestors that are asked. A chain on one host is shorter.
const GENERATIONS: usize = 32;

/// The baggage of an exchange.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    /// Its own values; for the keys that it has not, those of what it was done for; and for what
    /// is missing still, those that its index stands for.
    pub(super) baggage: Baggage,
    /// The index that these values explain, 0 for none. It is not looked up again for what was
    /// done with the same one: elsewhere it may stand for something else.
    pub(super) explains: u16,
}

impl Assembler {
    /// The baggage of an exchange whose span waits.
    pub(super) fn carried_by(&mut self, place: Place) -> Carried {
        self.carried_within(place, GENERATIONS)
    }

    /// Keeps what is known of an exchange whose span is finished, for what is finished later.
    pub(super) fn remember_baggage(&mut self, key: Key, carried: Carried) {
        if !carried.baggage.is_empty() {
            self.carried.insert(key, carried);
        }
    }

    fn carried_within(&mut self, place: Place, generations: usize) -> Carried {
        let Some((parent, index)) = self.exchanges.get_waiting(place).map(asks) else {
            return Carried::default();
        };
        let inherited = match parent {
            Some(parent) => self.baggage_within(parent, index, generations),
            None => Carried::default(),
        };
        let waiting = self.exchanges.get_waiting(place);
        let application = waiting.and_then(|waiting| waiting.application.as_ref());
        let own = application.and_then(Application::baggage);
        let explained = own.is_some_and(|(_, explains_index)| explains_index);
        let baggage = match own {
            Some((own, _)) => completed(own, inherited.baggage),
            None => inherited.baggage,
        };
        if index == 0 || explained || inherited.explains == index {
            return Carried {
                baggage,
                explains: index,
            };
        }
        match self.options.context.resolve(index) {
            Some(resolved) => Carried {
                baggage: completed(&baggage, resolved),
                explains: index,
            },
            None => Carried {
                baggage,
                explains: 0,
            },
        }
    }

    /// The baggage of an exchange for which something with this index was done.
    fn baggage_within(&mut self, key: Key, index: u16, generations: usize) -> Carried {
        if let Some(known) = self.carried.get(&key) {
            return known.clone();
        }
        let Some(generations) = generations.checked_sub(1) else {
            return Carried::default();
        };
        let place = self.exchanges.find(&key);
        let entry = place.and_then(|place| Some((place, self.exchanges.get(place)?)));
        let (carried, complete) = match entry {
            Some((place, Entry::Waiting(waiting))) => {
                let index = waiting.seen.baggage_index;
                let carried = self.carried_within(place, generations);
                let complete = carried.explains == index;
                (carried, complete)
            }
            Some((_, Entry::Open(open))) => self.baggage_of_open(open, index),
            None => return Carried::default(),
        };
        if complete {
            self.remember_baggage(key, carried.clone());
        }
        carried
    }

    /// A request that has not been answered yet: only its head is there. Also says whether there is
    /// no more to it.
    fn baggage_of_open(&self, open: &Open, index: u16) -> (Carried, bool) {
        let context = &self.options.context;
        let glimpse = open.request().and_then(|request| {
            let port = open.server_port;
            Application::fields_of_open(request, port, context.filter(), |medium, fields| {
                context.glimpse(medium, fields, open.trusted, index)
            })
        });
        let Some(glimpse) = glimpse else {
            return (Carried::default(), false);
        };
        let carried = Carried {
            baggage: glimpse.baggage,
            explains: if glimpse.explains_index { index } else { 0 },
        };
        (carried, glimpse.complete)
    }
}

/// What an exchange was done for, and the index that it came with.
fn asks(waiting: &Waiting) -> (Option<Key>, u16) {
    let seen = &waiting.seen;
    let parent = seen.parent();
    let parent = parent.map(|parent| Key::new(seen.trace_id(), parent));
    (parent, seen.baggage_index)
}

/// What is there, and the other values for the keys that it has not.
fn completed(present: &Baggage, others: Baggage) -> Baggage {
    if present.is_empty() {
        return others;
    }
    if present.is(&others) || others.iter().all(|(key, _)| present.has(key)) {
        return present.clone();
    }
    let missing = others.iter().filter(|(key, _)| !present.has(key));
    present.iter().chain(missing).cloned().collect()
}
