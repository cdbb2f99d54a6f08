//! From a parsed request head to its trace and its keys, in one pass.

use super::Read;
use super::carrier::Carrier;
use super::format::{AutoPropagation, Propagation};
use super::header::{Lines, Medium};
use super::pick::{Field, Picked};
use super::trace_context::{TraceContext, TraceParentError};
use super::trace_state::{TraceState, TraceStateError};

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
        let picked = Picked::of(medium, fields, self.requires(), self.filter());
        let mut extracted = Extracted::default();
        extracted.read_trace(picked.parents.as_slice(), picked.states.as_slice());
        let read = self.read_keys(medium, picked.keys.as_slice(), &mut extracted.carrier);
        extracted.discarded = read.discarded;
        extracted
    }

    /// Reads fields that were picked for their keys.
    pub(super) fn read_keys(
        &self,
        medium: Medium,
        keys: &[Field<'_>],
        carrier: &mut Carrier,
    ) -> Read {
        let lossy = keys.iter().map(|(n, v)| (*n, String::from_utf8_lossy(v)));
        let lines: Vec<_> = lossy.collect();
        self.read(carrier, &Lines(medium, &lines))
    }
}

impl Extracted {
    /// Reads the values of `traceparent`, and those of `tracestate` if there is a trace.
    pub(super) fn read_trace(&mut self, parents: &[&[u8]], states: &[&[u8]]) {
        let trace = match parents {
            [] => return,
            [parent] => String::from_utf8_lossy(parent).parse(),
            _ => Err(TraceParentError::Several),
        };
        match trace {
            Ok(trace) => self.trace = Some(trace),
            Err(error) => return self.trace_error = Some(error),
        }
        let states: Vec<_> = states
            .iter()
            .map(|state| String::from_utf8_lossy(state))
            .collect();
        match TraceState::from_headers(states.iter().map(AsRef::as_ref)) {
            Ok(state) => self.trace_state = state,
            Err(error) => self.trace_state_error = Some(error),
        }
    }
}
