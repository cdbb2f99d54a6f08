//! The agent's own counters, and their export.

mod bounded;
mod histogram;
mod metrics;
mod number;
mod programs;
mod prometheus;
mod registry;
mod status;

pub use bounded::{BoundedCounter, MAX_SERIES};
pub use histogram::Histogram;
pub use metrics::{SelfTelemetry, TelemetryError};
pub use number::{Counter, Gauge, Sample};
pub use programs::ProgramMetrics;
pub use registry::Registry;
pub use status::{Readiness, StatusError, StatusServer};
