//! Which service a process is, and the rest of its OTLP resource.

mod cgroup;
mod environ;
mod host;
mod identity;
mod process;
mod resolver;
mod rules;

#[cfg(test)]
mod tests;

pub use host::Host;
pub use resolver::Resolver;
