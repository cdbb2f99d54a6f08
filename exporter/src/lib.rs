//! The Lanewire agent: configuration, pipeline, OTLP, operation.

pub mod otlp;
pub mod pipeline;
pub mod telemetry;
pub mod tracer;
