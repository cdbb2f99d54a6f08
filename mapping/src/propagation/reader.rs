//! What the header fields of a request say, for the span that is made of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cargo::{Cargo, Label};
use super::carrier::Carrier;
use super::format::{AutoPropagation, PropagationConfig};
use super::header::Medium;
use super::indexed::IndexedTuples;
use super::known::{IndexCollision, Known};
use super::require::{CargoRequire, CargoRequires, LiveCargoRequire, RequireError};
use super::tuple::{Slots, Tuple};
use super::uid::Uid;
use crate::map::{Baggage, ContextReader, Fields, Glimpse, Origin, RequestContext};

/// Reads the propagated context of requests as the configuration says.
#[derive(Debug)]
pub struct PropagationReader {
    propagation: AutoPropagation,
    uid: Uid,
    /// Keys that are believed from anybody.
    accepted: CargoRequires,
    /// The keys of a tuple that are carried.
    slots: Slots,
    known: Mutex<Known>,
    traceparent_refused: AtomicU64,
    tracestate_refused: AtomicU64,
    tracestate_untrusted: AtomicU64,
    baggage_refused: AtomicU64,
    baggage_untrusted: AtomicU64,
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
            known: Mutex::new(Known::new(IndexedTuples::default())),
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
        Ok(self)
    }

    /// Knows these tuples from the start.
    pub fn knowing(mut self, tuples: IndexedTuples) -> Self {
        self.known = Mutex::new(Known::new(tuples));
        self
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing that can panic is done while it is locked, beside running out of memory.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a tuple that was read is what this index stands for; then it is learnt.
    fn explains(&self, tuple: &Tuple, index: u16) -> bool {
        index != 0 && self.known().learn(tuple, index)
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
            .filter_map(|cargo| Some((cargo.key().to_owned(), self.uid.show(cargo)?)))
            .collect()
    }
}

fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl ContextReader for PropagationReader {
    fn read<'h>(
        &self,
        medium: Medium,
        fields: &mut Fields<'_, 'h>,
        origin: Origin,
    ) -> RequestContext {
        let extracted = self.propagation.extract(medium, fields);
        count(&self.baggage_refused, extracted.discarded as u64);
        count(
            &self.traceparent_refused,
            extracted.trace_error.is_some().into(),
        );
        count(
            &self.tracestate_refused,
            extracted.trace_state_error.is_some().into(),
        );
        let carrier = &extracted.carrier;
        let believed = |cargo: &Cargo| origin.trusted || self.accepts(cargo);
        let left_out = carrier.iter().filter(|cargo| !believed(cargo)).count();
        count(&self.baggage_untrusted, left_out as u64);
        let explains_index = self.explains(&self.tuple(carrier, believed), origin.index);
        let mut trace_state = extracted.trace_state.to_string();
        if !origin.trusted && !origin.follows_traceparent && !trace_state.is_empty() {
            count(&self.tracestate_untrusted, 1);
            trace_state.clear();
        }
        RequestContext {
            trace_state,
            baggage: self.shown(carrier, believed),
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
        let carrier = self.propagation.extract(medium, fields).carrier;
        let believed = |cargo: &Cargo| trusted || self.accepts(cargo);
        let explains_index = self.explains(&self.tuple(&carrier, believed), index);
        Glimpse {
            baggage: self.shown(&carrier, believed),
            explains_index,
            complete: explains_index,
        }
    }

    fn resolve(&self, index: u16) -> Option<Arc<Baggage>> {
        self.known().resolve(index)
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            ("traceparent_refused", read(&self.traceparent_refused)),
            ("tracestate_refused", read(&self.tracestate_refused)),
            ("tracestate_untrusted", read(&self.tracestate_untrusted)),
            ("baggage_refused", read(&self.baggage_refused)),
            ("baggage_untrusted", read(&self.baggage_untrusted)),
            ("tuple_forgotten", self.known().forgotten()),
        ]
    }

    fn tuples(&self) -> Vec<(&'static str, u64)> {
        self.known().figures()
    }

    fn collisions(&self) -> Vec<IndexCollision> {
        self.known().collisions()
    }
}
