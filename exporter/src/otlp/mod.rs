//! Spans to OTLP: encoding, transport, retry.

mod advice;
mod chunks;
pub(crate) mod compress;
mod connection;
pub mod encode;
mod endpoint;
mod environment;
mod outage;
mod replay;
mod request;
mod resource;
mod rest;
mod retry;
mod sender;
pub mod settings;
mod sink;
pub mod spool;
mod spooling;
mod transport;
mod wire;

pub use endpoint::Endpoint;
pub use request::Request;
pub use resource::Resource;
pub use settings::{OtlpOptions, OtlpSettings, SettingsError};
pub use sink::{OtlpSink, SinkError};
pub use transport::{CertificateError, TransportError};
pub(crate) use transport::{Client, HttpTransport, use_ring};

/// What the agent calls itself to servers.
pub(crate) const USER_AGENT: &str = concat!("lanewire/", env!("CARGO_PKG_VERSION"));
