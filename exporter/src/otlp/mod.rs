//! Spans to OTLP: encoding, transport, retry.

mod attributes;
mod buffers;
pub mod encode;
mod environment;
mod outage;
mod resource;
mod retry;
pub mod settings;
mod sink;
mod transport;
mod wire;

pub use resource::Resource;
pub use settings::{OtlpOptions, OtlpSettings, SettingsError};
pub use sink::OtlpSink;
pub(crate) use transport::Transport;
pub use transport::TransportError;

/// What the agent calls itself to servers.
pub(crate) const USER_AGENT: &str = concat!("lanewire/", env!("CARGO_PKG_VERSION"));
