//! Which service a process is, and the rest of its OTLP resource.

mod cgroup;
mod environ;
mod host;
mod identity;
mod placement;
mod process;
mod resolver;
mod rules;

#[cfg(test)]
mod placement_tests;
#[cfg(test)]
mod tests;

pub use host::Host;
pub use identity::of_agent;
pub use resolver::{Resolver, Sources};
