//! The agent's own counters, and their export.

mod metrics;
mod registry;

pub use metrics::{SelfTelemetry, TelemetryError};
pub use registry::{Counter, Gauge, Registry, Sample};
