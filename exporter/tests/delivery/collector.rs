//! A real OpenTelemetry Collector, where one can be had: its binary is named by
//! `LANEWIRE_OTELCOL`, or `otelcol` or `otelcol-contrib` on the `PATH`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use lanewire::otlp::settings::{Compression, Protocol};
use lanewire::pipeline::Summary;
use lanewire::telemetry::SelfTelemetry;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::script::eventually;
use super::shop::{LONG, Shop, options};

struct Collector {
    process: Child,
    directory: PathBuf,
    grpc: u16,
    http: u16,
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.start_kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn binary() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("LANEWIRE_OTELCOL") {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["otelcol", "otelcol-contrib"];
    let places = std::env::split_paths(&path);
    let mut all = places.flat_map(|place| names.map(|name| place.join(name)));
    all.find(|candidate| candidate.is_file())
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("an address").port()
}

async fn start(binary: &Path) -> Collector {
    assert!(
        binary.is_file(),
        "LANEWIRE_OTELCOL names no file: {}",
        binary.display()
    );
    let (grpc, http) = (free_port().await, free_port().await);
    let directory = std::env::temp_dir().join(format!("lanewire-otlp-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let out = |name: &str| directory.join(name).display().to_string();
    let config = format!(
        "receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '127.0.0.1:{grpc}'}}
      http: {{endpoint: '127.0.0.1:{http}'}}
exporters:
  file/traces: {{path: '{}', flush_interval: 50ms}}
  file/metrics: {{path: '{}', flush_interval: 50ms}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file/traces]}}
    metrics: {{receivers: [otlp], exporters: [file/metrics]}}
",
        out("traces.jsonl"),
        out("metrics.jsonl"),
    );
    let path = directory.join("config.yaml");
    let mut file = std::fs::File::create(&path).expect("a configuration");
    file.write_all(config.as_bytes()).expect("a configuration");
    let process = Command::new(binary)
        .arg("--config")
        .arg(&path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(directory.join("log")).expect("a log"))
        .kill_on_drop(true)
        .spawn()
        .expect("the collector starts");
    Collector {
        process,
        directory,
        grpc,
        http,
    }
}

impl Collector {
    fn lines(&self, name: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.directory.join(name)).unwrap_or_default();
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
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_collector_takes_spans_and_metrics_both_ways() {
    let Some(binary) = binary() else {
        // Not `eprintln!`, which the test harness hides when a test passes.
        let skipped: &[u8] = b"SKIPPED: no real collector; name one in LANEWIRE_OTELCOL, \
            or put otelcol on the PATH\n";
        std::io::stderr().write_all(skipped).expect("stderr");
        return;
    };
    let collector = start(&binary).await;
    let grpc = (Protocol::Grpc, collector.grpc, Compression::Gzip);
    let http = (Protocol::HttpProtobuf, collector.http, Compression::None);
    for (first, (protocol, port, compression)) in [(1u64, grpc), (1001, http)] {
        // The collector may still be starting: that is what retrying is for.
        let mut options = options(protocol, &format!("http://127.0.0.1:{port}"));
        options.compression = Some(compression);
        let shop = Shop::open(&options);
        shop.push("front", first..first + 500);
        shop.push("stock", first + 500..first + 1000);
        let (settings, sink, registry) = (
            shop.settings.clone(),
            shop.sink.clone(),
            shop.registry.clone(),
        );
        assert_eq!(
            shop.close().await,
            Summary {
                sent: 1000,
                ..Summary::default()
            }
        );
        let telemetry = SelfTelemetry::start(&settings, &sink, LONG, &registry, []);
        telemetry
            .expect("telemetry")
            .shutdown()
            .await
            .expect("a last export");
    }
    eventually("all spans in the collector's file", || {
        collector.spans().len() >= 2000
    })
    .await;
    eventually("metrics in the collector's file", || {
        collector.lines("metrics.jsonl").len() >= 2
    })
    .await;

    let spans = collector.spans();
    let mut ids: Vec<_> = spans
        .iter()
        .map(|span| span["spanId"].to_string())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((spans.len(), ids.len()), (2000, 2000));
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
