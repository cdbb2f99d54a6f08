//! What the agent says of itself.

use std::net::SocketAddr;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::{
    super::visit::{Section, Visitor, any},
    within,
};

/// `telemetry`.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// The agent's own metrics.
    pub metrics: Metrics,
    /// Pages about the agent itself.
    pub status: Status,
    /// The log's level, or directives such as `info,lanewire::config=debug`; `RUST_LOG` goes first.
    pub log: String,
}

/// `telemetry.status`.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Where `/metrics`, `/healthz` and `/readyz` are served; empty: nowhere.
    pub listen: String,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9464".into(),
        }
    }
}

/// `telemetry.metrics`.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// Whether they are exported, to where the spans go.
    pub enabled: bool,
    /// How often.
    pub interval: Duration,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            metrics: Metrics {
                enabled: true,
                interval: Duration::from_secs(60),
            },
            status: Status::default(),
            log: "info".into(),
        }
    }
}

fn log(directives: &String) -> Result<(), String> {
    // A bare word that is no level would be taken for a module's name.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let known = directives.split(',').all(|directive| {
        let level = directive.rsplit('=').next().unwrap_or_default();
        levels.contains(&level.to_ascii_lowercase().as_str())
    });
    match known && EnvFilter::builder().parse(directives).is_ok() {
        true => Ok(()),
        false => Err(format!(
            "{directives:?}; expected {}, or directives such as info,lanewire::config=debug",
            levels.join(", ")
        )),
    }
}

impl Section for Telemetry {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.section("metrics", &mut self.metrics);
        v.section("status", &mut self.status);
        v.scalar("log", &mut self.log, log);
    }
}

impl Section for Status {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("listen", &mut self.listen, |listen| {
            let address: Result<SocketAddr, _> = listen.parse();
            match listen.is_empty() || address.is_ok() {
                true => Ok(()),
                false => Err(format!(
                    "{listen:?}; expected an address and a port, such as 127.0.0.1:9464 or [::1]:9464, or nothing"
                )),
            }
        });
    }
}

impl Section for Metrics {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("enabled", &mut self.enabled, any);
        v.scalar("interval", &mut self.interval, |interval| {
            within(interval, Duration::from_secs(1)..=Duration::from_secs(3600))
        });
    }
}
