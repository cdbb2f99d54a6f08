//! From points and edges to spans, and the propagation of traces, lanes and units.
//!
//! This crate does no I/O and has no `unsafe`; it can be used alone.
#![forbid(unsafe_code)]

pub mod propagation;
pub mod record;
pub mod span;
