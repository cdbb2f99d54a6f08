//! The Lanewire agent: configuration, pipeline, OTLP, operation.

pub mod cli;
pub mod config;
pub mod demo;
pub mod otlp;
mod output;
pub mod pipeline;
pub mod run;
pub mod service;
pub mod telemetry;
pub mod tracer;
pub mod wiring;
