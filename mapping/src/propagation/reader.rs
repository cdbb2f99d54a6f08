//! What spans are told of the header fields of a request.

use std::sync::atomic::{AtomicU64, Ordering};

use super::carrier::Carrier;
use super::format::AutoPropagation;
use super::trace_context::TraceParentError;
use super::uid::Uid;
use crate::map::{Baggage, ContextReader, RequestContext};
use crate::protocol::http1::Headers;

/// Reads the propagated context of requests for their spans, and counts what it refuses.
///
/// By default it reads W3C Baggage with the default keys, and spans say nothing of `x-live-uid`.
#[derive(Debug, Default)]
pub struct PropagationReader {
    propagation: AutoPropagation,
    uid: Uid,
    refused: Refused,
}

/// Counts since the start; each only grows.
#[derive(Debug, Default)]
struct Refused {
    trace_parent_illegal: AtomicU64,
    trace_parent_several: AtomicU64,
    trace_state_illegal: AtomicU64,
}

impl PropagationReader {
    /// Reads as this propagation does, and says of `x-live-uid` what `uid` says.
    pub fn new(propagation: AutoPropagation, uid: Uid) -> Self {
        Self {
            propagation,
            uid,
            refused: Refused::default(),
        }
    }

    /// Everything that a request carries, `x-live-uid` too: for passing it on, not for showing it.
    /// Counts nothing.
    pub fn carrier(&self, headers: Headers<'_>) -> Carrier {
        let headers = headers.map(|header| (header.name, header.value));
        self.propagation.extract_http(headers).carrier
    }
}

impl ContextReader for PropagationReader {
    fn read(&self, headers: Headers<'_>) -> RequestContext {
        let headers = headers.map(|header| (header.name, header.value));
        let extracted = self.propagation.extract_http(headers);
        match extracted.trace_error {
            None => {}
            Some(TraceParentError::Several) => count(&self.refused.trace_parent_several),
            Some(_) => count(&self.refused.trace_parent_illegal),
        }
        if extracted.trace_state_error.is_some() {
            count(&self.refused.trace_state_illegal);
        }
        let cargos = extracted.carrier.into_iter();
        RequestContext {
            trace_state: extracted.trace_state.into(),
            baggage: cargos.filter_map(|cargo| self.uid.show(cargo)).collect(),
        }
    }

    fn resolve(&self, _index: u16) -> Option<Baggage> {
        None
    }

    fn refused(&self) -> Vec<(&'static str, u64)> {
        let refused = &self.refused;
        [
            ("trace_parent_illegal", &refused.trace_parent_illegal),
            ("trace_parent_several", &refused.trace_parent_several),
            ("trace_state_illegal", &refused.trace_state_illegal),
        ]
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
        .into()
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
