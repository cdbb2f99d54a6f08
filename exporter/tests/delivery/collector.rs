//! A real OpenTelemetry Collector, where one can be had.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lanewire::otlp::OtlpOptions;
use lanewire::telemetry::SelfTelemetry;
use tempfile::TempDir;

use super::address::free_address;
use super::certificates::{Authority, named, write};
use super::programs::{self, Program};
use super::script::eventually;
use super::shop::{LONG, Shop, options};
use super::ways::{COMPRESSIONS, PROTOCOLS, all_sent};
use lanewire::otlp::settings::Protocol;

/// A collector that is reached in each way, and its clients' files.
struct Collector {
    _program: Program,
    directory: TempDir,
    plain: [SocketAddr; 2],
    secure: [SocketAddr; 2],
}

fn path(directory: &TempDir, name: &str) -> PathBuf {
    directory.path().join(name)
}

async fn start(binary: &Path) -> Collector {
    let directory = tempfile::tempdir().expect("a directory");
    let plain = [free_address().await, free_address().await];
    let secure = [free_address().await, free_address().await];
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let (server, client) = (
        servers.identity(&[&secure[0].ip().to_string(), &secure[1].ip().to_string()]),
        clients.identity(&[]),
    );
    for (name, contents) in [
        ("servers.pem", servers.pem()),
        ("clients.pem", clients.pem()),
        ("server.pem", server.certificate.pem()),
        ("server.key", server.key.serialize_pem()),
        ("client.pem", client.certificate.pem()),
        ("client.key", client.key.serialize_pem()),
    ] {
        write(directory.path(), name, &contents);
    }
    let at = |name: &str| path(&directory, name).display().to_string();
    let tls = format!(
        "tls: {{cert_file: '{}', key_file: '{}', client_ca_file: '{}'}}",
        at("server.pem"),
        at("server.key"),
        at("clients.pem"),
    );
    let config = format!(
        "receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '{}'}}
      http: {{endpoint: '{}'}}
  otlp/secure:
    protocols:
      grpc: {{endpoint: '{}', {tls}}}
      http: {{endpoint: '{}', {tls}}}
  otlp/socket:
    protocols:
      grpc: {{endpoint: '{}', transport: unix}}
exporters:
  file/traces: {{path: '{}', flush_interval: 50ms}}
  file/metrics: {{path: '{}', flush_interval: 50ms}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp, otlp/secure, otlp/socket], exporters: [file/traces]}}
    metrics: {{receivers: [otlp, otlp/secure, otlp/socket], exporters: [file/metrics]}}
",
        plain[0],
        plain[1],
        secure[0],
        secure[1],
        at("grpc.sock"),
        at("traces.jsonl"),
        at("metrics.jsonl"),
    );
    let config = write(directory.path(), "config.yaml", &config);
    Collector {
        _program: Program::start(
            binary,
            &["--config".as_ref(), config.as_os_str()],
            &path(&directory, "log"),
        ),
        directory,
        plain,
        secure,
    }
}

impl Collector {
    fn lines(&self, name: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path(&self.directory, name)).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    fn spans(&self) -> Vec<serde_json::Value> {
        let each = |value: &serde_json::Value, key: &str| {
            value[key].as_array().cloned().unwrap_or_default()
        };
        let lines = self.lines("traces.jsonl");
        let resources = lines.iter().flat_map(|line| each(line, "resourceSpans"));
        let scopes = resources.flat_map(|resource| each(&resource, "scopeSpans"));
        scopes.flat_map(|scope| each(&scope, "spans")).collect()
    }

    /// Every way in: by each protocol with each compression, with TLS and without, and the socket.
    fn ways(&self) -> Vec<OtlpOptions> {
        let mut ways = Vec::new();
        let at = |name| named(&path(&self.directory, name));
        for (protocol, plain, secure) in [
            (PROTOCOLS[0], self.plain[0], self.secure[0]),
            (PROTOCOLS[1], self.plain[1], self.secure[1]),
        ] {
            for compression in COMPRESSIONS {
                for (scheme, address) in [("http", plain), ("https", secure)] {
                    let mut options = options(protocol, &format!("{scheme}://{address}"));
                    options.compression = Some(compression);
                    options.tls.ca = Some(at("servers.pem"));
                    options.tls.identity = Some((at("client.pem"), at("client.key")));
                    ways.push(options);
                }
            }
        }
        let socket = path(&self.directory, "grpc.sock");
        let socket = format!("unix://{}", socket.display());
        ways.push(options(Protocol::Grpc, &socket));
        ways
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_collector_takes_spans_and_metrics_in_every_way() {
    let Some(binary) = programs::collector() else {
        return;
    };
    let collector = start(&binary).await;
    let ways = collector.ways();
    for (way, options) in ways.iter().enumerate() {
        // The collector may still be starting: that is what retrying is for.
        let shop = Shop::open(options);
        let first = way as u64 * 1000 + 1;
        shop.push("front", first..first + 500);
        shop.push("stock", first + 500..first + 1000);
        let (settings, sink, registry) = (
            shop.settings.clone(),
            shop.sink.clone(),
            shop.registry.clone(),
        );
        assert_eq!(shop.close().await, all_sent(1000), "{options:?}");
        let telemetry = SelfTelemetry::start(&settings, &sink, LONG, &registry, []);
        telemetry
            .expect("telemetry")
            .shutdown()
            .await
            .expect("a last export");
    }
    let expected = ways.len() * 1000;
    eventually("all spans in the collector's file", || {
        collector.spans().len() >= expected
    })
    .await;
    eventually("metrics in the collector's file", || {
        collector.lines("metrics.jsonl").len() >= ways.len()
    })
    .await;

    let spans = collector.spans();
    let ids: BTreeSet<_> = spans
        .iter()
        .map(|span| span["spanId"].to_string())
        .collect();
    assert_eq!((spans.len(), ids.len()), (expected, expected));
    assert!(
        spans
            .iter()
            .all(|span| span["parentSpanId"].as_str().is_none_or(str::is_empty))
    );
    assert!(
        spans
            .iter()
            .all(|span| span["kind"] == 2 && span["flags"] == 0x101)
    );
}
