//! What crosses a hop: the trace context, and the keys of multi-live units and traffic lanes.
//!
//! A [`Carrier`] holds [`Cargo`]s, one to a key. A [`Propagation`] reads it from and writes it to
//! headers, attachments or properties, in the W3C Baggage format or the Live format (one header
//! to a key). [`RequestContext`] holds the carrier of the current request, and the propagators of
//! this module plug into OpenTelemetry. [`AutoPropagation::extract_http`] reads a whole head.

pub mod bracket;

mod baggage;
mod cargo;
mod carrier;
mod extract;
mod format;
mod header;
mod live;
mod location;
mod otel;
mod reader;
mod request_context;
mod require;
mod syntax;
mod trace_context;
mod trace_state;
mod uid;

pub use baggage::{BAGGAGE, MAX_BYTES, MAX_MEMBERS};
pub use cargo::{Cargo, Label, Tag};
pub use carrier::Carrier;
pub use extract::Extracted;
pub use format::{
    AutoDetect, AutoPropagation, Compat, Format, Propagation, PropagationConfig, Written,
};
pub use header::{HeaderList, HeaderReader, HeaderWriter, Lines, Medium};
pub use location::Location;
pub use otel::{AutoPropagator, LivePropagator, W3cBaggagePropagator};
pub use reader::PropagationReader;
pub use request_context::{RequestContext, Scope, Snapshot};
pub use require::{
    CargoRequire, CargoRequires, DEFAULT_KEYS, DEFAULT_PREFIXES, LiveCargoRequire, RequireError,
};
pub use trace_context::{RANDOM, SAMPLED, TRACEPARENT, TraceContext, TraceParentError};
pub use trace_state::{TRACESTATE, TraceState, TraceStateError};
pub use uid::{Uid, UidKey, UidKeyError};
