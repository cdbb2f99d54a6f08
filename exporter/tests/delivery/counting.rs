//! A real collector that tells which spans it got.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::address::free_address;
use super::certificates::{Identity, write};
use super::programs::{self, Program};
use super::shop::LONG;

/// A collector that writes down what it gets, over all of its lives.
pub struct Collector {
    binary: PathBuf,
    directory: TempDir,
    pub address: SocketAddr,
    lives: u32,
    tls: Option<(PathBuf, PathBuf)>,
}

impl Collector {
    /// An address for it. `None` with a word that the test is skipped.
    pub async fn place() -> Option<Self> {
        Some(Self {
            binary: programs::collector()?,
            directory: tempfile::tempdir().expect("a directory"),
            address: free_address().await,
            lives: 0,
            tls: None,
        })
    }

    /// From its next life on it has this certificate.
    pub fn certify(&mut self, identity: &Identity) {
        let write = |name, contents: &str| write(self.directory.path(), name, contents);
        let certificate = write("server.pem", &identity.certificate.pem());
        self.tls = Some((
            certificate,
            write("server.key", &identity.key.serialize_pem()),
        ));
    }

    pub fn url(&self) -> String {
        let scheme = self.tls.as_ref().map_or("http", |_| "https");
        format!("{scheme}://{}", self.address)
    }

    fn file(&self, life: u32) -> PathBuf {
        self.directory.path().join(format!("traces-{life}.jsonl"))
    }

    pub fn start(&mut self) -> Program {
        self.lives += 1;
        let tls = self.tls.as_ref().map(|(certificate, key)| {
            let (certificate, key) = (certificate.display(), key.display());
            format!(", tls: {{cert_file: '{certificate}', key_file: '{key}'}}")
        });
        let tls = tls.unwrap_or_default();
        let config = format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '{}'{tls}}}}}}}}}
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
    pub fn ids(&self) -> Vec<u64> {
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

    /// Waits until it has so many different spans.
    pub async fn has(&self, spans: u64) {
        let limit = Instant::now() + 2 * LONG;
        loop {
            let mut ids = self.ids();
            ids.dedup();
            if ids.len() as u64 >= spans {
                return;
            }
            assert!(Instant::now() < limit, "{} of {spans} spans", ids.len());
            // Each look reads all of its files.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
