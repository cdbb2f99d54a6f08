//! Where spans go.

use std::time::Duration;

use super::{
    super::{
        value::{ByteSize, Secret, names},
        visit::{Section, Visitor, any},
    },
    at_least_a_millisecond, within,
};

names! {
    /// The protocol of OTLP.
    Protocol {
        /// OTLP/gRPC.
        Grpc = "grpc",
        /// OTLP/HTTP with protobuf bodies.
        HttpProtobuf = "http/protobuf",
    }
}

names! {
    /// The compression of requests.
    Compression {
        /// None: best on loopback.
        None = "none",
        /// gzip.
        Gzip = "gzip",
    }
}

/// `exporter`.
#[derive(Clone, Debug, PartialEq)]
pub struct Exporter {
    /// The collector's URL. Empty: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, then
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, then `http://localhost:4317`.
    pub endpoint: String,
    /// The protocol. `None`: `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL`, then
    /// `OTEL_EXPORTER_OTLP_PROTOCOL`, then gRPC.
    pub protocol: Option<Protocol>,
    /// Headers (gRPC: metadata) of every request. Names are unique, whatever their case.
    pub headers: Vec<(String, Secret)>,
    /// How long one request may take. `None`: the variables for it, then 10 s.
    pub timeout: Option<Duration>,
    /// The compression. `None`: the variables for it, then none.
    pub compression: Option<Compression>,
    /// When a batch is sent.
    pub batch: Batch,
    /// What waits to be sent.
    pub queue: Queue,
    /// Retries of a request that failed for a while.
    pub retry: Retry,
}

/// `exporter.batch`: whichever bound is reached first sends it.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Spans.
    pub max_spans: u32,
    /// Encoded bytes; gRPC servers refuse more than 4 MiB unless told otherwise.
    pub max_bytes: ByteSize,
    /// Time since its first span.
    pub delay: Duration,
}

/// `exporter.queue`.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// Encoded bytes that may wait; spans beyond are dropped and counted.
    pub max_bytes: ByteSize,
}

/// `exporter.retry`: exponential backoff.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// The first wait.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// After this long, the batch is dropped and counted.
    pub max_elapsed: Duration,
}

impl Default for Exporter {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            protocol: None,
            headers: Vec::new(),
            timeout: None,
            compression: None,
            batch: Batch {
                max_spans: 512,
                max_bytes: ByteSize(3 << 20),
                delay: Duration::from_millis(200),
            },
            queue: Queue {
                max_bytes: ByteSize(64 << 20),
            },
            retry: Retry {
                initial: Duration::from_secs(1),
                max: Duration::from_secs(30),
                max_elapsed: Duration::from_secs(300),
            },
        }
    }
}

fn endpoint(url: &String) -> Result<(), String> {
    let host = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.starts_with(['/', ':']) && !host.contains(' ') => {
            Ok(())
        }
        None if url.is_empty() => Ok(()),
        _ => Err(format!(
            "{url:?}; expected a URL such as http://localhost:4317"
        )),
    }
}

fn header(value: &Secret) -> Result<(), String> {
    // The value itself may be a credential and must not be in the message.
    match value
        .0
        .bytes()
        .all(|b| b == b'\t' || (b' '..=b'~').contains(&b))
    {
        true => Ok(()),
        false => Err("a header value with other than printable ASCII characters".into()),
    }
}

impl Section for Exporter {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("endpoint", &mut self.endpoint, endpoint);
        v.scalar("protocol", &mut self.protocol, any);
        v.pairs("headers", &mut self.headers, header);
        v.scalar("timeout", &mut self.timeout, |timeout| {
            timeout.as_ref().map_or(Ok(()), at_least_a_millisecond)
        });
        v.scalar("compression", &mut self.compression, any);
        v.section("batch", &mut self.batch);
        v.section("queue", &mut self.queue);
        v.section("retry", &mut self.retry);
    }
}

impl Section for Batch {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("max_spans", &mut self.max_spans, |n| within(n, 1..=65_536));
        v.scalar("max_bytes", &mut self.max_bytes, |n| {
            within(n, ByteSize(64 << 10)..=ByteSize(64 << 20))
        });
        v.scalar("delay", &mut self.delay, |n| {
            within(n, Duration::from_millis(1)..=Duration::from_secs(60))
        });
    }
}

impl Section for Queue {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("max_bytes", &mut self.max_bytes, |n| {
            within(n, ByteSize(1 << 20)..=ByteSize(16 << 30))
        });
    }
}

impl Section for Retry {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("initial", &mut self.initial, at_least_a_millisecond);
        v.scalar("max", &mut self.max, at_least_a_millisecond);
        v.scalar("max_elapsed", &mut self.max_elapsed, at_least_a_millisecond);
    }
}
