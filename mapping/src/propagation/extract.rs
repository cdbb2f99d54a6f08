//! From a parsed request head to its trace and its keys, in one pass.

use std::borrow::Cow;

use super::baggage::BAGGAGE;
use super::carrier::Carrier;
use super::format::{AutoPropagation, Propagation};
use super::header::{Lines, Medium};
use super::trace_context::{TRACEPARENT, TraceContext, TraceParentError};
use super::trace_state::{TRACESTATE, TraceState, TraceStateError};

/// What a request head says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// The caller's context, if there is one to follow.
    pub trace: Option<TraceContext>,
    /// Why a `traceparent` was not followed; to be counted.
    pub trace_error: Option<TraceParentError>,
    /// The vendors' notes; always empty without a trace.
    pub trace_state: TraceState,
    /// Why a `tracestate` was discarded; to be counted.
    pub trace_state_error: Option<TraceStateError>,
    /// The allowed keys.
    pub carrier: Carrier,
    /// Members of `baggage` that are none, or too many ([`Read`](super::Read)); to be counted.
    pub discarded: usize,
}

impl AutoPropagation {
    /// Reads the headers of a parsed HTTP head. Bytes that are no UTF-8 become U+FFFD.
    ///
    /// Headers that concern neither trace nor keys cost a comparison and nothing else.
    ///
    /// ```
    /// use lanewire_mapping::propagation::AutoPropagation;
    ///
    /// let head: [(&str, &[u8]); 2] = [
    ///     ("Traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ///     ("Baggage", b"x-lane-code=gray,other=1"),
    /// ];
    /// let extracted = AutoPropagation::default().extract_http(head);
    /// assert!(extracted.trace.is_some());
    /// assert_eq!(extracted.carrier.len(), 1);
    /// ```
    pub fn extract_http<'h>(
        &self,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    ) -> Extracted {
        self.extract(Medium::Header, headers)
    }

    /// The same for headers, attachments or properties, by their own rule for names.
    pub fn extract<'h>(
        &self,
        medium: Medium,
        fields: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    ) -> Extracted {
        let mut parents = Vec::new();
        let mut states = Vec::new();
        let mut keys: Vec<(&str, Cow<'_, str>)> = Vec::new();
        for (name, value) in fields {
            let list = if medium.same_name(name, TRACEPARENT) {
                &mut parents
            } else if medium.same_name(name, TRACESTATE) {
                &mut states
            } else if medium.same_name(name, BAGGAGE) || self.requires().carries(name) {
                keys.push((name, String::from_utf8_lossy(value)));
                continue;
            } else {
                continue;
            };
            list.push(String::from_utf8_lossy(value));
        }
        let mut extracted = Extracted::default();
        match TraceContext::from_headers(parents.iter().map(AsRef::as_ref)) {
            Ok(trace) => extracted.trace = trace,
            Err(error) => extracted.trace_error = Some(error),
        }
        if extracted.trace.is_some() {
            match TraceState::from_headers(states.iter().map(AsRef::as_ref)) {
                Ok(state) => extracted.trace_state = state,
                Err(error) => extracted.trace_state_error = Some(error),
            }
        }
        let read = self.read(&mut extracted.carrier, &Lines(medium, &keys));
        extracted.discarded = read.discarded;
        extracted
    }
}
