//! Reads what the header fields of a request carry.

use super::auto;
use super::carrier::Carrier;
use super::format::{AutoDetect, Compat, Format};
use super::require::{CargoRequires, LiveCargoRequire};
use super::trace_parent::TraceParent;
use super::trace_state;
use super::uid::Uid;
use crate::map::{Baggage, ContextReader, RequestContext};
use crate::protocol::http1::Headers;

/// Reads the propagated context of requests as the configuration says.
#[derive(Debug)]
pub struct PropagationReader {
    /// The configured format.
    pub format: Format,
    /// Whether other formats are read too.
    pub auto_detect: AutoDetect,
    /// The keys that are carried.
    pub requires: CargoRequires,
    /// Whose reading counts where joylive and the standards differ.
    pub compat: Compat,
    /// What spans say of `x-live-uid`.
    pub uid: Uid,
}

/// W3C Baggage with the default keys; spans say nothing of `x-live-uid`.
impl Default for PropagationReader {
    fn default() -> Self {
        Self {
            format: Format::default(),
            auto_detect: AutoDetect::default(),
            requires: CargoRequires::default().with(LiveCargoRequire::default()),
            compat: Compat::default(),
            uid: Uid::default(),
        }
    }
}

impl PropagationReader {
    /// Everything that a request carries, `x-live-uid` too: for passing it on, not for showing it.
    pub fn carrier(&self, headers: Headers<'_>) -> Carrier {
        auto::read(
            headers,
            self.format,
            self.auto_detect,
            &self.requires,
            self.compat,
        )
    }
}

impl ContextReader for PropagationReader {
    fn read(&self, headers: Headers<'_>) -> RequestContext {
        let baggage = self.carrier(headers.clone()).into_iter();
        RequestContext {
            trace_state: read_trace_state(&headers),
            baggage: baggage.filter_map(|cargo| self.uid.show(cargo)).collect(),
        }
    }

    fn resolve(&self, _index: u16) -> Option<Baggage> {
        None
    }
}

/// The `traceparent`: `None` without exactly one that is valid.
pub fn read_trace_parent(headers: &Headers<'_>) -> Option<TraceParent> {
    let mut lines = headers.clone().filter(|header| header.is("traceparent"));
    let line = lines.next()?;
    match lines.next() {
        Some(_) => None,
        None => TraceParent::parse(line.value),
    }
}

/// The `tracestate`, which belongs to the `traceparent` and counts for nothing without it.
pub fn read_trace_state(headers: &Headers<'_>) -> String {
    if read_trace_parent(headers).is_none() {
        return String::new();
    }
    let lines = headers.clone().filter(|header| header.is("tracestate"));
    trace_state::read(lines.map(|header| header.value))
}
