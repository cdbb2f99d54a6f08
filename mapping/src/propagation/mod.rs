//! What crosses a hop beside the ids of the trace: the baggage of multi-live units and lanes.
//!
//! A [`PropagationReader`] reads a [`Carrier`] from the header fields of a request: each [`Cargo`]
//! is a key that a [`CargoRequire`] wants, with its values. `traceparent` and `tracestate` are
//! those of W3C Trace Context level 2, `baggage` is that of W3C Baggage.

mod auto;
mod baggage;
pub mod bracket;
mod cargo;
mod carrier;
mod format;
mod live;
mod reader;
mod require;
#[cfg(test)]
mod tests;
mod trace_parent;
mod trace_state;
mod uid;

pub use cargo::Cargo;
pub use carrier::Carrier;
pub use format::{AutoDetect, Compat, Format};
pub use reader::{PropagationReader, read_trace_parent, read_trace_state};
pub use require::{
    CargoRequire, CargoRequires, DEFAULT_KEYS, DEFAULT_PREFIXES, LiveCargoRequire, RequireError,
};
pub use trace_parent::TraceParent;
pub use uid::{Uid, UidKey, UidKeyError};
