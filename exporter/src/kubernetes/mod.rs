//! The pods of this node, from the API server.
//!
//! A task asks for all of them once in a while, and at once when a process turns up whose pod is not
//! known. Nobody waits for it.

mod client;
#[cfg(test)]
pub(crate) mod fixture;
mod pod;
mod pods;
#[cfg(test)]
mod tests;
mod watch;

pub use client::KubernetesError;
pub use pod::Pod;
pub use pods::{Lookup, Pods};
pub use watch::Watch;
