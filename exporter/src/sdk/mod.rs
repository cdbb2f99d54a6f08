//! Spans for the exporters of the OpenTelemetry SDK: opentelemetry-otlp's own, one that prints, one
//! of another program that Lanewire is built into.
//!
//! An SDK exporter has one resource at a time, that of its program, while an agent has one for
//! each service. So [`SpanExporterSink`] tells the exporter the resource of each group of spans
//! right before it hands them over, and a batch of eight services is eight exports, one after the
//! other. An exporter must therefore look at its resource at each export; one that writes it down
//! once (opentelemetry-stdout 0.33 does) shows all spans under the first service.
//!
//! It is made for what other exporters can do, not for speed: [`crate::otlp::OtlpSink`] takes a
//! fraction of the time, retries by the rules of OTLP, and sends all services in one request.

mod convert;
mod sink;
#[cfg(test)]
mod tests;

pub use convert::{resource, span_data};
pub use sink::SpanExporterSink;
