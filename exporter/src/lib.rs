//! The Lanewire agent: configuration, pipeline, OTLP, operation.

pub mod cli;
pub mod config;
pub mod run;
pub mod service;
