//! Spans through the pipeline to real servers on loopback that fail on demand.

mod collector;
mod grpc;
mod http;
mod received;
mod script;
mod shop;
mod telemetry;
