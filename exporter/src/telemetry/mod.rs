//! The agent's own counters, and their export.

mod bounded;
mod metrics;
mod prometheus;
mod registry;
mod status;

pub use bounded::{BoundedCounter, MAX_SERIES};
pub use metrics::{SelfTelemetry, TelemetryError};
pub use registry::{Counter, Gauge, Registry, Sample};
pub use status::{Readiness, StatusError, StatusServer};
