//! The Lanewire agent: configuration, pipeline, OTLP, operation.

pub mod demo;
