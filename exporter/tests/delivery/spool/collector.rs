//! A real collector that is killed and comes back.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::time::Instant;

use super::*;
use crate::address::free_address;
use crate::certificates::write;
use crate::programs::{self, Program};

struct Collector {
    binary: PathBuf,
    directory: TempDir,
    address: SocketAddr,
    lives: u32,
}

impl Collector {
    async fn place() -> Option<Self> {
        Some(Self {
            binary: programs::collector()?,
            directory: temporary(),
            address: free_address().await,
            lives: 0,
        })
    }

    fn file(&self, life: u32) -> PathBuf {
        self.directory.path().join(format!("traces-{life}.jsonl"))
    }

    fn start(&mut self) -> Program {
        self.lives += 1;
        let config = format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '{}'}}}}}}}}
exporters: {{file: {{path: '{}', flush_interval: 20ms}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [file]}}}}
",
            self.address,
            self.file(self.lives).display(),
        );
        let config = write(self.directory.path(), "config.yaml", &config);
        let log = self.directory.path().join(format!("log-{}", self.lives));
        let arguments = ["--config".as_ref(), config.as_os_str()];
        Program::start(&self.binary, &arguments, &log)
    }

    /// The ids of all spans in its files, sorted.
    fn ids(&self) -> Vec<u64> {
        let mut ids = Vec::new();
        for life in 1..=self.lives {
            let text = std::fs::read_to_string(self.file(life)).unwrap_or_default();
            for (at, key) in text.match_indices("\"spanId\":\"") {
                let id = text.get(at + key.len()..at + key.len() + 16);
                ids.extend(id.and_then(|id| u64::from_str_radix(id, 16).ok()));
            }
        }
        ids.sort_unstable();
        ids
    }

    async fn has(&self, spans: u64) {
        // Each look reads all of its files.
        while (self.ids().len() as u64) < spans {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A collector that is away for so long, or for 2000 spans if that takes longer.
async fn outage(lasts: Duration) {
    let Some(mut collector) = Collector::place().await else {
        return;
    };
    let directory = temporary();
    let url = format!("http://{}", collector.address);
    let mut options = spooled_to(directory.path(), Protocol::Grpc, &url);
    options.batch.max_spans = 100;
    let first = collector.start();
    let shop = Shop::open(&options);
    shop.push("front", 1..=1000);
    // What it has answered for, and not yet written, would be lost in it.
    collector.has(1000).await;
    first.kill().await;

    let mut pushed = 1000;
    let end = Instant::now() + lasts;
    while pushed < 3000 || Instant::now() < end {
        shop.push("front", pushed + 1..=pushed + 100);
        pushed += 100;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shop.has_spooled(2000).await;
    let _second = collector.start();
    shop.push("front", pushed + 1..=pushed + 1000);
    pushed += 1000;
    collector.has(pushed).await;
    shop.has_sent(pushed).await;
    let summary = shop.close().await;
    let spooled = (summary.spooled, summary.dropped, summary.rejected);
    assert_eq!(spooled, (0, 0, 0), "{summary:?}");
    assert_eq!(summary.sent, pushed);
    assert_eq!(collector.ids(), (1..=pushed).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_killed_and_comes_back_has_every_span() {
    outage(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes more than a minute"]
async fn a_collector_that_is_away_for_a_minute_has_every_span() {
    outage(Duration::from_secs(60)).await;
}
