//! The Lanewire agent: configuration, pipeline, OTLP, operation.

pub mod cli;
pub mod config;
pub mod demo;
mod escape;
pub mod kubernetes;
pub mod otlp;
pub mod output;
pub mod pipeline;
pub mod run;
pub mod runtimes;
pub mod sdk;
pub mod service;
pub mod telemetry;
pub mod tracer;
pub mod wiring;
