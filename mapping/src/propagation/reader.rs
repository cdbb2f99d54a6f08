//! What the header fields of a request say, for the span that is made of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cargo::{Cargo, Label};
use super::carrier::Carrier;
use super::extract::Extracted;
use super::format::{AutoPropagation, PropagationConfig};
use super::header::Medium;
use super::indexed::IndexedTuples;
use super::known::{IndexCollision, Known};
use super::memo::{Keys, Memo, Said};
use super::name_filter::NameFilter;
use super::pick::{Field, Picked};
use super::require::{CargoRequire, CargoRequires, LiveCargoRequire, RequireError};
use super::tuple::{Slots, Tuple};
use super::uid::Uid;
use crate::map::{Baggage, ContextReader, Fields, Glimpse, Origin, RequestContext};
use crate::span::Text;

/// Reads the propagated context of requests as the configuration says.
#[derive(Debug)]
pub struct PropagationReader {
    propagation: AutoPropagation,
    uid: Uid,
    /// Keys that are believed from anybody.
    accepted: CargoRequires,
    /// The keys of a tuple that are carried.
    slots: Slots,
    state: Mutex<State>,
    traceparent_refused: AtomicU64,
    tracestate_refused: AtomicU64,
    tracestate_untrusted: AtomicU64,
    baggage_refused: AtomicU64,
    baggage_untrusted: AtomicU64,
}

/// What was read before.
#[derive(Debug)]
struct State {
    known: Known,
    memo: Memo,
}

impl State {
    fn new(tuples: IndexedTuples) -> Mutex<Self> {
        Mutex::new(Self {
            known: Known::new(tuples),
            memo: Memo::default(),
        })
    }
}

impl PropagationReader {
    /// A reader of this configuration; `uid` is what spans say of `x-live-uid`. It believes
    /// nothing of what untrusted peers say, and knows the tuples that it has read.
    ///
    /// # Errors
    /// If a key or a prefix can't be carried.
    pub fn new(config: &PropagationConfig, uid: Uid) -> Result<Self, RequireError> {
        let propagation = AutoPropagation::new(config)?;
        Ok(Self {
            slots: Slots::carried(propagation.requires()),
            propagation,
            uid,
            accepted: CargoRequires::new([])?,
            state: State::new(IndexedTuples::default()),
            traceparent_refused: AtomicU64::default(),
            tracestate_refused: AtomicU64::default(),
            tracestate_untrusted: AtomicU64::default(),
            baggage_refused: AtomicU64::default(),
            baggage_untrusted: AtomicU64::default(),
        })
    }

    /// Believes these keys from anybody, names compared as those of headers.
    ///
    /// # Errors
    /// If a key or a prefix could not be carried.
    pub fn accepting(mut self, keys: &LiveCargoRequire) -> Result<Self, RequireError> {
        self.accepted = CargoRequires::new([keys as &dyn CargoRequire])?;
        self.state().memo = Memo::default();
        Ok(self)
    }

    /// Knows these tuples from the start.
    pub fn knowing(mut self, tuples: IndexedTuples) -> Self {
        self.state = State::new(tuples);
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic is done while it is locked, beside running out of memory.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What fields that were picked say of keys, and whether this index stands for their tuple; then
    /// that is learnt.
    fn keys(&self, said: Said, fields: &[Field<'_>], index: u16) -> (Arc<Keys>, bool) {
        let State { known, memo } = &mut *self.state();
        let keys = memo.keys(said, fields, || self.read_keys(said, fields));
        let explains = index != 0 && known.learn(&keys.tuple, index);
        (keys, explains)
    }

    fn read_keys(&self, said: Said, fields: &[Field<'_>]) -> Keys {
        let mut carrier = Carrier::new();
        let read = self
            .propagation
            .read_keys(said.medium, fields, &mut carrier);
        let believed = |cargo: &Cargo| said.trusted || self.accepts(cargo);
        Keys {
            shown: self.shown(&carrier, believed),
            tuple: self.tuple(&carrier, believed),
            left_out: carrier.iter().filter(|cargo| !believed(cargo)).count() as u64,
            discarded: read.discarded as u64,
        }
    }

    fn pick<'h>(&self, medium: Medium, fields: &mut Fields<'_, 'h>) -> Picked<'h> {
        let propagation = &self.propagation;
        Picked::of(medium, fields, propagation.requires(), propagation.filter())
    }

    /// The `tracestate`, if there is one that counts.
    fn trace_state(&self, picked: &Picked<'_>, origin: Origin) -> Text {
        let (parents, states) = (picked.parents.as_slice(), picked.states.as_slice());
        if parents.is_empty() {
            return Text::EMPTY;
        }
        let mut extracted = Extracted::default();
        extracted.read_trace(parents, states);
        let refused = extracted.trace_error.is_some();
        count(&self.traceparent_refused, refused.into());
        let refused = extracted.trace_state_error.is_some();
        count(&self.tracestate_refused, refused.into());
        let state = extracted.trace_state;
        if !origin.trusted && !origin.follows_traceparent && !state.is_empty() {
            count(&self.tracestate_untrusted, 1);
            return Text::EMPTY;
        }
        Text::copied(state.as_str())
    }

    fn accepts(&self, cargo: &Cargo) -> bool {
        self.accepted.canonical(cargo.key()).is_some()
    }

    /// The tuple of what is believed of a carrier.
    fn tuple(&self, carrier: &Carrier, believed: impl Fn(&Cargo) -> bool) -> Tuple {
        let cargos = carrier.iter().filter(|cargo| believed(cargo));
        Tuple::of(
            cargos.map(|cargo| (cargo.key(), cargo.values())),
            self.slots,
        )
    }

    /// What spans may show of what is believed of a carrier.
    fn shown(&self, carrier: &Carrier, believed: impl Fn(&Cargo) -> bool) -> Baggage {
        let cargos = carrier.iter().filter(|cargo| believed(cargo));
        cargos
            .filter_map(|cargo| {
                let values = self.uid.show(cargo)?.into_iter().map(Text::from);
                Some((Text::copied(cargo.key()), values.collect()))
            })
            .collect()
    }
}

fn count(counter: &AtomicU64, more: u64) {
    if more > 0 {
        counter.fetch_add(more, Ordering::Relaxed);
    }
}

impl ContextReader for PropagationReader {
    fn filter(&self) -> &NameFilter {
        self.propagation.filter()
    }

    fn read<'h>(
        &self,
        medium: Medium,
        fields: &mut Fields<'_, 'h>,
        origin: Origin,
    ) -> RequestContext {
        let picked = self.pick(medium, fields);
        let trace_state = self.trace_state(&picked, origin);
        if picked.keys.as_slice().is_empty() {
            return RequestContext {
                trace_state,
                ..RequestContext::default()
            };
        }
        let said = Said {
            medium,
            trusted: origin.trusted,
        };
        let (keys, explains_index) = self.keys(said, picked.keys.as_slice(), origin.index);
        count(&self.baggage_refused, keys.discarded);
        count(&self.baggage_untrusted, keys.left_out);
        RequestContext {
            trace_state,
            baggage: keys.shown.clone(),
            explains_index,
        }
    }

    fn glimpse<'h>(
        &self,
        medium: Medium,
        fields: &mut Fields<'_, 'h>,
        trusted: bool,
        index: u16,
    ) -> Glimpse {
        let picked = self.pick(medium, fields);
        if picked.keys.as_slice().is_empty() {
            return Glimpse::default();
        }
        let said = Said { medium, trusted };
        let (keys, explains_index) = self.keys(said, picked.keys.as_slice(), index);
        Glimpse {
            baggage: keys.shown.clone(),
            explains_index,
            complete: explains_index,
        }
    }

    fn resolve(&self, index: u16) -> Option<Baggage> {
        self.state().known.resolve(index)
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            ("traceparent_refused", read(&self.traceparent_refused)),
            ("tracestate_refused", read(&self.tracestate_refused)),
            ("tracestate_untrusted", read(&self.tracestate_untrusted)),
            ("baggage_refused", read(&self.baggage_refused)),
            ("baggage_untrusted", read(&self.baggage_untrusted)),
            ("tuple_forgotten", self.state().known.forgotten()),
        ]
    }

    fn tuples(&self) -> Vec<(&'static str, u64)> {
        self.state().known.figures()
    }

    fn collisions(&self) -> Vec<IndexCollision> {
        self.state().known.collisions()
    }
}
