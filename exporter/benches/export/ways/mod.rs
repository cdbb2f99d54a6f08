//! The ways out.

mod ours;
mod proto;
mod sdk;

use lanewire::otlp::settings::Compression;
use tokio::runtime::{Builder, Runtime};

use super::receiver::Error;

/// A way out.
pub trait Way {
    /// Makes the input of one batch.
    fn prepare(&mut self);
    /// Sends it, drops it, and comes back when the receiver has answered.
    fn send(&mut self) -> Result<(), Error>;
}

type Open = fn(&str, Compression) -> Result<Box<dyn Way>, Error>;

/// By name; the first is what the others are compared with.
pub const WAYS: [(&str, Open); 7] = [
    ("SDK tracer, BatchSpanProcessor", sdk::Tracing::open),
    ("SDK SpanExporter::export", sdk::Exporting::open),
    ("opentelemetry-proto, tonic", proto::Structs::open),
    ("lanewire: sink", ours::Direct::grpc),
    ("lanewire: queue and sink", ours::Queued::open),
    ("lanewire: sink, over HTTP/1.1", ours::Direct::http),
    ("(lanewire: not sent, not compressed)", ours::Encoding::open),
];

/// A runtime on the thread that waits for it.
fn runtime() -> Result<Runtime, Error> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}
