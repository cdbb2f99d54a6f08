//! A real collector, and a real Jaeger behind it, on a host of their own.
//!
//! Each program comes from an environment variable (`LANEWIRE_OTELCOL`, `LANEWIRE_JAEGER`), from
//! `PATH`, or from the cache directory that the project's script fills. The ports are fixed: the host
//! has a network namespace, so nobody else is there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::host::{Family, Host, Traced};
use crate::process::Process;
use crate::servers::fixture;
use crate::spans::{self, Span};
use crate::wait;

/// A collector that takes spans.
#[derive(Debug)]
pub struct Collector {
    process: Process,
    host: Host,
    file: PathBuf,
}

/// A Jaeger beside the collector.
#[derive(Debug)]
pub struct Jaeger {
    process: Process,
    host: Host,
}

/// Where OTLP/gRPC is taken.
pub const OTLP_GRPC: u16 = 4317;
/// Where OTLP over HTTP is taken.
pub const OTLP_HTTP: u16 = 4318;

const JAEGER_OTLP: u16 = 24317;
const JAEGER_API: u16 = 16686;
const METRICS: u16 = 8889;

/// The collector's program.
///
/// # Errors
/// When there is none.
pub fn collector_program() -> Result<PathBuf> {
    find("LANEWIRE_OTELCOL", &["otelcol-contrib", "otelcol"])
}

/// Jaeger's program.
///
/// # Errors
/// When there is none.
pub fn jaeger_program() -> Result<PathBuf> {
    find("LANEWIRE_JAEGER", &["jaeger"])
}

fn find(variable: &str, names: &[&str]) -> Result<PathBuf> {
    if let Some(given) = env::var_os(variable) {
        let given = PathBuf::from(given);
        return given
            .is_file()
            .then_some(given)
            .with_context(|| format!("{variable} names no file"));
    }
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or(home);
    let cached = |name: &&str| {
        let file = cache.as_ref()?.join("lanewire-backends").join(name);
        file.is_file().then_some(file)
    };
    let mut found = names.iter().filter_map(|name| crate::need::program(name));
    let found = found.next().or_else(|| names.iter().find_map(cached));
    found.with_context(|| format!("no {} in {variable}, PATH or the cache", names.join(" or ")))
}

impl Collector {
    /// Starts it, and waits until it takes spans.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(host: &Host) -> Result<Collector> {
        let file = host.directory.join("spans.jsonl");
        let mut command = host.command(Traced::No, collector_program()?);
        command
            .arg("--config")
            .arg(fixture("collector.yaml"))
            .env("SPANS_FILE", &file);
        let mut process = Process::start("the collector", command)?;
        let ready = host.wait_for(host.endpoint(Family::V4, OTLP_GRPC));
        if process.ended()?.is_some() || ready.is_err() {
            bail!("the collector does not start: {}", process.log().text());
        }
        Ok(Collector {
            process,
            host: host.clone(),
            file,
        })
    }

    /// Where agents send to, over gRPC.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.host.endpoint(Family::V4, OTLP_GRPC))
    }

    /// Stops it, which flushes, and reads everything it was sent.
    ///
    /// # Errors
    /// When it does not stop, or was sent what no agent may send.
    pub fn finish(mut self) -> Result<Vec<Span>> {
        self.process.stop()?;
        spans::parse(&fs::read_to_string(&self.file).context("reading the collector's file")?)
    }

    /// Reads what it has written so far: whole lines only.
    ///
    /// # Errors
    /// When it was sent what no agent may send.
    pub fn spans_so_far(&self) -> Result<Vec<Span>> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        spans::parse(text.rsplit_once('\n').map_or("", |(whole, _)| whole))
    }

    /// Its metrics in Prometheus's text form, among them the service graph's.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn metrics(&self) -> Result<String> {
        self.host
            .get(&format!("http://127.0.0.1:{METRICS}/metrics"))
    }
}

impl Jaeger {
    /// Starts it on the collector's host, and waits until it answers.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(host: &Host) -> Result<Jaeger> {
        let mut command = host.command(Traced::No, jaeger_program()?);
        command.arg("--config").arg(fixture("jaeger.yaml"));
        // It would trace its own API, into the collector under test.
        command.env("OTEL_TRACES_SAMPLER", "always_off");
        let mut process = Process::start("Jaeger", command)?;
        for port in [JAEGER_OTLP, JAEGER_API] {
            let ready = host.wait_for(([127, 0, 0, 1], port).into());
            if process.ended()?.is_some() || ready.is_err() {
                bail!("Jaeger does not start: {}", process.log().text());
            }
        }
        Ok(Jaeger {
            process,
            host: host.clone(),
        })
    }

    /// The `data` of an API call, for example `/api/services`.
    ///
    /// # Errors
    /// When it does not answer, or not with JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
        let reply = self
            .host
            .get(&format!("http://127.0.0.1:{JAEGER_API}{path}"));
        let reply = reply.with_context(|| self.process.log().text())?;
        let mut reply: Value = serde_json::from_str(&reply).context("Jaeger's reply")?;
        Ok(reply["data"].take())
    }

    /// Calls between services, as `(parent, child)`, once there are all of `expected`.
    ///
    /// # Errors
    /// When some never come.
    pub fn wait_for_dependencies(&self, expected: &[(String, String)]) -> Result<()> {
        let mut seen = Vec::new();
        wait::until("Jaeger's dependencies", || {
            let now = std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_millis();
            let path = format!("/api/dependencies?endTs={now}&lookback=3600000");
            let edges = self.get(&path)?;
            let text = |edge: &Value, key: &str| edge[key].as_str().unwrap_or("").to_owned();
            let edges = edges.as_array().into_iter().flatten();
            seen = edges
                .map(|edge| (text(edge, "parent"), text(edge, "child")))
                .collect();
            Ok(expected
                .iter()
                .all(|edge| seen.contains(edge))
                .then_some(()))
        })
        .with_context(|| format!("expected {expected:?}, saw {seen:?}"))
    }
}
