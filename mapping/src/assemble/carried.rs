//! Baggage goes from a request to all that is done for it, as far as that is on this host: most
//! protocols have no place for it.

use std::sync::Arc;

use super::{Assembler, Key};
use crate::map::{Application, Baggage};
use crate::protocol::http1;

/// Ancestors that are asked. A chain on one host is shorter.
const GENERATIONS: usize = 32;

impl Assembler {
    /// The baggage that an exchange has or was done with.
    pub(super) fn baggage_of(&mut self, key: Key) -> Arc<Baggage> {
        self.baggage_within(key, GENERATIONS)
    }

    /// Keeps what is known of an exchange whose span is finished, for what is finished later.
    pub(super) fn remember_baggage(&mut self, key: Key, baggage: Arc<Baggage>) {
        if !baggage.is_empty() {
            self.carried.insert(key, baggage);
        }
    }

    fn baggage_within(&mut self, key: Key, generations: usize) -> Arc<Baggage> {
        if let Some(known) = self.carried.get(&key) {
            return Arc::clone(known);
        }
        let Some(generations) = generations.checked_sub(1) else {
            return Arc::default();
        };
        let baggage = match self.waiting.get(&key) {
            Some(waiting) => {
                let own = own_baggage(waiting.application.as_ref());
                let parent = waiting.exchange.parent;
                let trace_id = waiting.exchange.trace_id;
                match parent {
                    Some(parent) => {
                        let inherited = self.baggage_within((trace_id, parent), generations);
                        completed(own, inherited)
                    }
                    None => Arc::new(own),
                }
            }
            None => Arc::new(self.baggage_of_open(&key)),
        };
        self.remember_baggage(key, Arc::clone(&baggage));
        baggage
    }

    /// A request that has not been answered yet: only its head is there.
    fn baggage_of_open(&self, key: &Key) -> Baggage {
        self.heads
            .get(key)
            .and_then(|heads| heads.request.as_deref())
            .and_then(http1::Request::parse)
            .map(|request| self.options.context.read(request.headers()).baggage)
            .unwrap_or_default()
    }
}

/// What the headers of an exchange said.
pub(super) fn own_baggage(application: Option<&Application>) -> Baggage {
    application
        .and_then(Application::context)
        .map(|context| context.baggage.clone())
        .unwrap_or_default()
}

/// An exchange's own values, and those of its parent for the keys that it has not.
pub(super) fn completed(mut own: Baggage, inherited: Arc<Baggage>) -> Arc<Baggage> {
    if own.is_empty() {
        return inherited;
    }
    for (key, values) in inherited.iter() {
        if own.iter().all(|(known, _)| known != key) {
            own.push((key.clone(), values.clone()));
        }
    }
    Arc::new(own)
}
