//! The Lanewire agent: configuration, pipeline, OTLP, operation.
