//! Spans through the pipeline to real servers on loopback that fail on demand.

mod adapter;
mod address;
mod certificates;
mod collector;
mod connection;
mod counting;
mod faults;
mod flight;
mod gate;
#[path = "../generated/mod.rs"]
mod generated;
mod grpc;
mod http;
mod jaeger;
mod load;
mod log;
mod programs;
mod proxy;
mod received;
mod rotel;
mod script;
mod server;
mod shop;
mod spool;
mod telemetry;
mod tls;
mod ways;
