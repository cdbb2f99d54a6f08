//! What crosses a hop: the trace context, and the keys of multi-live units and traffic lanes.
//!
//! It can be used without the rest of this crate. From the outside in:
//!
//! # In a service that uses OpenTelemetry
//!
//! Install the propagators once; what propagates contexts by OpenTelemetry's API then propagates
//! lanes and units, too.
//!
//! ```
//! use lanewire_mapping::propagation::{
//!     AutoDetect, AutoPropagator, PropagationConfig, RequireError, TraceContextPropagator,
//! };
//! use opentelemetry::global;
//! use opentelemetry::propagation::TextMapCompositePropagator;
//! use opentelemetry_sdk::propagation::BaggagePropagator;
//!
//! // Reads W3C Baggage or else Live headers, writes W3C Baggage.
//! let config = PropagationConfig {
//!     auto_detect: AutoDetect::First,
//!     ..PropagationConfig::default()
//! };
//! global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
//!     Box::new(TraceContextPropagator::new()),
//!     Box::new(BaggagePropagator::new()), // other people's baggage
//!     Box::new(AutoPropagator::new(&config)?), // last: it completes `baggage`
//! ]));
//! # Ok::<(), RequireError>(())
//! ```
//!
//! [`W3cBaggagePropagator`] and [`LivePropagator`] know one format each. [`TraceContextPropagator`]
//! is W3C Trace Context at level 2; [`TraceContext`] and [`TraceState`] are its two headers.
//!
//! # The current request
//!
//! [`RequestContext`] is what a handler asks for its lane, and what a filter may change. It lives in
//! the OpenTelemetry context. A [`Snapshot`] takes it to another thread or task, attributes and
//! deadline included; neither of these leaves the process.
//!
//! ```
//! use lanewire_mapping::propagation::{Label, RequestContext};
//!
//! let _scope = RequestContext::create();
//! if let Some(request) = RequestContext::get() {
//!     request.with_carrier_mut(|carrier| carrier.set("x-lane-code", "gray"));
//! }
//! let lane = RequestContext::get().and_then(|request| request.cargo("x-lane-code"));
//! assert_eq!(lane.as_ref().and_then(Label::first_value), Some("gray"));
//! ```
//!
//! # Without OpenTelemetry's propagators
//!
//! A [`Carrier`] holds [`Cargo`]s, one to a key. [`CargoRequires`] says which keys may cross: by
//! default those of [`LiveCargoRequire`], and any [`CargoRequire`] of one's own. A [`Propagation`]
//! reads and writes carriers, and copies them from message to message. [`AutoPropagation`] does it
//! as a [`PropagationConfig`] says:
//!
//! | | |
//! |---|---|
//! | [`Format`] | W3C Baggage, all keys in one header, or Live, a header for each key |
//! | [`AutoDetect`] | which formats are read besides |
//! | [`Compat`] | by the standards, or byte for byte as joylive-agent does it today |
//! | [`Medium`] | HTTP headers, RPC attachments, MQ properties: whether names have case, values line breaks |
//!
//! Several values of a key are written in the [`bracket`] form. [`HeaderReader`] and
//! [`HeaderWriter`] are implemented for maps of strings (attachments) and [`HeaderList`], and are
//! to be implemented for a client library's own types. A [`Location`] is written for the next hop
//! only. What a read discards and a write drops is counted in [`Read`] and [`Written`].
//!
//! # From a parsed request head
//!
//! [`AutoPropagation::extract_http`] gives trace and carrier in one pass ([`Extracted`]).
//! [`PropagationReader`] makes of them what spans show, [`Uid`] included.
//! Where there are no headers, a [`tuple`] crosses as an index; a [`PropagationReader`] knows what it
//! stands for.

pub mod bracket;
pub mod tuple;

mod baggage;
mod cargo;
mod carrier;
mod extract;
mod format;
mod header;
mod indexed;
mod known;
mod live;
mod location;
mod memo;
mod name_filter;
mod otel;
mod pick;
mod reader;
mod request_context;
mod require;
mod syntax;
mod trace_context;
mod trace_propagator;
mod trace_state;
mod uid;

pub use baggage::{BAGGAGE, MAX_BYTES, MAX_MEMBERS};
pub use cargo::{Cargo, Label, Tag};
pub use carrier::Carrier;
pub use extract::Extracted;
pub use format::{
    AutoDetect, AutoPropagation, Compat, Format, Propagation, PropagationConfig, Read, Written,
};
pub use header::{HeaderList, HeaderReader, HeaderWriter, Lines, Medium};
pub use indexed::{IndexedTuples, KnownTuple, TupleError};
pub use known::IndexCollision;
pub use location::Location;
pub use name_filter::{EVERY_NAME, NameFilter};
pub use otel::{AutoPropagator, LivePropagator, W3cBaggagePropagator};
pub use reader::PropagationReader;
pub use request_context::{RequestContext, Scope, Snapshot};
pub use require::{
    CargoRequire, CargoRequires, DEFAULT_KEYS, DEFAULT_PREFIXES, LiveCargoRequire, RequireError,
};
pub use trace_context::{RANDOM, SAMPLED, TRACEPARENT, TraceContext, TraceParentError};
pub use trace_propagator::TraceContextPropagator;
pub use trace_state::{TRACESTATE, TraceState, TraceStateError};
pub use uid::{Uid, UidKey, UidKeyError};
