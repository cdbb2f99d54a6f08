//! A real Jaeger, without a collector before it.

use std::net::SocketAddr;

use lanewire::otlp::settings::Protocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::address::free_address;
use super::certificates::write;
use super::programs::{self, Program};
use super::shop::{LONG, Shop, options};
use super::ways::{COMPRESSIONS, PROTOCOLS, all_sent};

/// Spans of a test share a trace, and Jaeger's API gives a trace at one go.
const SPANS: u64 = 200;

#[tokio::test]
async fn jaeger_has_every_span_of_every_protocol_and_compression() {
    let Some(binary) = programs::jaeger() else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let [grpc, http] = [free_address().await, free_address().await];
    let [api, query] = [free_address().await, free_address().await];
    let config = format!(
        "extensions:
  jaeger_storage: {{backends: {{memory: {{memory: {{max_traces: 1000}}}}}}}}
  jaeger_query:
    storage: {{traces: memory}}
    http: {{endpoint: '{api}'}}
    grpc: {{endpoint: '{query}'}}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '{grpc}'}}
      http: {{endpoint: '{http}'}}
exporters:
  jaeger_storage_exporter: {{trace_storage: memory}}
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}
  telemetry: {{metrics: {{level: none}}}}
"
    );
    let config = write(directory.path(), "config.yaml", &config);
    let _jaeger = Program::start(
        &binary,
        &["--config".as_ref(), config.as_os_str()],
        &directory.path().join("log"),
    );
    let mut sent = 0;
    for protocol in PROTOCOLS {
        let address = match protocol {
            Protocol::Grpc => grpc,
            Protocol::HttpProtobuf => http,
        };
        for compression in COMPRESSIONS {
            let mut options = options(protocol, &format!("http://{address}"));
            options.compression = Some(compression);
            let shop = Shop::open(&options);
            shop.push("front", sent + 1..=sent + SPANS);
            assert_eq!(shop.close().await, all_sent(SPANS));
            sent += SPANS;
        }
    }
    let all = tokio::time::timeout(LONG, async {
        while spans(api).await.unwrap_or(0) != sent {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    all.await.expect("all spans in Jaeger");
}

/// How many spans Jaeger has of the trace of the tests.
async fn spans(api: SocketAddr) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(api).await?;
    let request = format!(
        "GET /api/traces/{:032x} HTTP/1.0\r\nHost: localhost\r\n\r\n",
        7
    );
    stream.write_all(request.as_bytes()).await?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await?;
    let body = reply.windows(4).position(|part| part == b"\r\n\r\n");
    let body = body.map_or(&reply[..0], |at| &reply[at + 4..]);
    let reply: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let spans = reply["data"][0]["spans"].as_array();
    Ok(spans.map_or(0, Vec::len) as u64)
}
