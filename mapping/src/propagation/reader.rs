//! What the header fields of a request say, for the span that is made of it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::cargo::Label;
use super::format::{AutoPropagation, PropagationConfig};
use super::require::RequireError;
use super::uid::Uid;
use crate::map::{Baggage, ContextReader, RequestContext};
use crate::protocol::http1::Headers;

/// Reads the propagated context of requests as the configuration says.
#[derive(Debug)]
pub struct PropagationReader {
    propagation: AutoPropagation,
    uid: Uid,
    traceparent_refused: AtomicU64,
    tracestate_refused: AtomicU64,
}

impl PropagationReader {
    /// A reader of this configuration; `uid` is what spans say of `x-live-uid`.
    ///
    /// # Errors
    /// If a key or a prefix can't be carried.
    pub fn new(config: &PropagationConfig, uid: Uid) -> Result<Self, RequireError> {
        Ok(Self {
            propagation: AutoPropagation::new(config)?,
            uid,
            traceparent_refused: AtomicU64::default(),
            tracestate_refused: AtomicU64::default(),
        })
    }
}

impl ContextReader for PropagationReader {
    fn read(&self, headers: Headers<'_>) -> RequestContext {
        let extracted = self
            .propagation
            .extract_http(headers.map(|header| (header.name, header.value)));
        let refused = |counter: &AtomicU64, refused: bool| {
            counter.fetch_add(refused.into(), Ordering::Relaxed);
        };
        refused(&self.traceparent_refused, extracted.trace_error.is_some());
        refused(
            &self.tracestate_refused,
            extracted.trace_state_error.is_some(),
        );
        let cargos = extracted.carrier.iter();
        RequestContext {
            trace_state: extracted.trace_state.to_string(),
            baggage: cargos
                .filter_map(|cargo| Some((cargo.key().to_owned(), self.uid.show(cargo)?)))
                .collect(),
        }
    }

    fn resolve(&self, _index: u16) -> Option<Baggage> {
        None
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            ("traceparent_refused", read(&self.traceparent_refused)),
            ("tracestate_refused", read(&self.tracestate_refused)),
        ]
    }
}
