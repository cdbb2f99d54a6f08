//! Where spans go.

use std::time::Duration;

use rustls::pki_types::ServerName;

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
        /// Zstandard.
        Zstd = "zstd",
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
    /// Certificates.
    pub tls: Tls,
    /// How a dead connection is found out.
    pub keep_alive: KeepAlive,
    /// Requests that are under way at a time.
    pub max_in_flight: u32,
    /// When a batch is sent.
    pub batch: Batch,
    /// What waits to be sent.
    pub queue: Queue,
    /// Retries of a request that failed for a while.
    pub retry: Retry,
    /// What waits on disk.
    pub spool: Spool,
}

/// `exporter.tls`: PEM files; what is empty is left to the variables of OTLP.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// Authorities that are trusted instead of the system's.
    pub ca_file: String,
    /// The client's certificate, and those that lead to its authority.
    pub cert_file: String,
    /// The key of that certificate.
    pub key_file: String,
    /// The name that the server's certificate is for, if not the endpoint's.
    pub server_name_override: String,
    /// How often the files are looked at for changes.
    pub reload_interval: Duration,
}

/// `exporter.keep_alive`: HTTP/2 pings while an answer is due.
#[derive(Clone, Debug, PartialEq)]
pub struct KeepAlive {
    /// Silence before a ping.
    pub interval: Duration,
    /// Silence after it that ends the connection.
    pub timeout: Duration,
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
    /// Which spans are dropped when there is no room.
    pub drop: Drop,
}

names! {
    /// `exporter.queue.drop`.
    Drop {
        /// Those that come.
        Newest = "newest",
        /// Those that have waited longest, by the batch.
        Oldest = "oldest",
    }
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

/// `exporter.spool`: requests on disk while they can't be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Spool {
    /// The directory, for this agent alone. Empty: none.
    pub directory: String,
    /// The size of its files.
    pub max_bytes: ByteSize,
    /// Which requests are dropped when there is no room.
    pub drop: Drop,
}

impl Default for Exporter {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            protocol: None,
            headers: Vec::new(),
            timeout: None,
            compression: None,
            tls: Tls {
                ca_file: String::new(),
                cert_file: String::new(),
                key_file: String::new(),
                server_name_override: String::new(),
                reload_interval: Duration::from_secs(60),
            },
            keep_alive: KeepAlive {
                interval: Duration::from_secs(30),
                timeout: Duration::from_secs(10),
            },
            max_in_flight: 8,
            batch: Batch {
                max_spans: 2048,
                max_bytes: ByteSize(3 << 20),
                delay: Duration::from_millis(200),
            },
            queue: Queue {
                max_bytes: ByteSize(64 << 20),
                drop: Drop::Newest,
            },
            retry: Retry {
                initial: Duration::from_secs(1),
                max: Duration::from_secs(30),
                max_elapsed: Duration::from_secs(300),
            },
            spool: Spool {
                directory: String::new(),
                max_bytes: ByteSize(1 << 30),
                drop: Drop::Newest,
            },
        }
    }
}

fn endpoint(url: &String) -> Result<(), String> {
    if let Some(path) = url.strip_prefix("unix://") {
        return match path.starts_with('/') && path.len() > 1 {
            true => Ok(()),
            false => Err(format!(
                "{url:?}; expected a socket such as unix:///run/otelcol.sock"
            )),
        };
    }
    let host = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    match host {
        Some(host) if host.contains('@') => {
            Err("a URL with a user name; put credentials into exporter.headers".into())
        }
        Some(host) if !host.is_empty() && !host.starts_with(['/', ':']) && !host.contains(' ') => {
            Ok(())
        }
        None if url.is_empty() => Ok(()),
        _ => Err(format!(
            "{url:?}; expected a URL such as http://localhost:4317"
        )),
    }
}

fn at_least_a_second(duration: &Duration) -> Result<(), String> {
    within(
        duration,
        Duration::from_secs(1)..=Duration::from_secs(86_400),
    )
}

fn server_name(name: &String) -> Result<(), String> {
    match name.is_empty() || ServerName::try_from(name.as_str()).is_ok() {
        true => Ok(()),
        false => Err(format!(
            "{name:?}; expected the name of a host, or its address"
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
        v.section("tls", &mut self.tls);
        v.section("keep_alive", &mut self.keep_alive);
        v.scalar("max_in_flight", &mut self.max_in_flight, |n| {
            within(n, 1..=64)
        });
        v.section("batch", &mut self.batch);
        v.section("queue", &mut self.queue);
        v.section("retry", &mut self.retry);
        v.section("spool", &mut self.spool);
    }
}

fn directory(path: &String) -> Result<(), String> {
    match path.is_empty() || path.starts_with('/') {
        true => Ok(()),
        false => Err(format!(
            "{path:?}; expected an absolute path such as /var/lib/lanewire/spool"
        )),
    }
}

impl Section for Tls {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("ca_file", &mut self.ca_file, any);
        v.scalar("cert_file", &mut self.cert_file, any);
        v.scalar("key_file", &mut self.key_file, any);
        v.scalar(
            "server_name_override",
            &mut self.server_name_override,
            server_name,
        );
        v.scalar(
            "reload_interval",
            &mut self.reload_interval,
            at_least_a_second,
        );
    }
}

impl Section for KeepAlive {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("interval", &mut self.interval, at_least_a_second);
        v.scalar("timeout", &mut self.timeout, at_least_a_millisecond);
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
        v.scalar("drop", &mut self.drop, any);
    }
}

impl Section for Retry {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("initial", &mut self.initial, at_least_a_millisecond);
        v.scalar("max", &mut self.max, at_least_a_millisecond);
        v.scalar("max_elapsed", &mut self.max_elapsed, at_least_a_millisecond);
    }
}

impl Section for Spool {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("directory", &mut self.directory, directory);
        v.scalar("max_bytes", &mut self.max_bytes, |n| {
            within(n, ByteSize(1 << 20)..=ByteSize(1 << 40))
        });
        v.scalar("drop", &mut self.drop, any);
    }
}
