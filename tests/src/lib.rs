//! What the end-to-end tests stand on: hosts, servers, back ends and the truth.
//!
//! A [`host::Topology`] makes hosts out of network namespaces and cgroups, [`servers`] puts real
//! programs on them, [`agent`] the agent, [`backends`] a real collector beside them. [`capture`]
//! records what crossed the wire; [`truth`] reads from it which request caused which message, and
//! [`judge`] holds the exported spans against that. [`accuracy`] does so for many programs under load.

pub mod accuracy;
pub mod agent;
pub mod backends;
pub mod bpf;
pub mod capture;
pub mod chain;
pub mod go;
pub mod host;
pub mod judge;
pub mod lab;
pub mod load;
pub mod need;
pub mod option;
pub mod process;
pub mod servers;
pub mod spans;
pub mod stream;
pub mod sweep;
pub mod truth;
pub mod wait;
