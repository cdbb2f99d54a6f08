//! The `run` command: everything wired together, from the start to the last flush.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::otlp::{OtlpSettings, OtlpSink};
use crate::output::{Resolved, Resources};
use crate::pipeline::Pipeline;
use crate::telemetry::{Registry, SelfTelemetry};
use crate::tracer::Tracer;
use crate::wiring;

/// How long the last spans may take to be delivered. Service managers kill after 10 s or more.
const LAST_FLUSH: Duration = Duration::from_secs(5);
/// How often it is looked whether the tracer is still there.
const WATCH: Duration = Duration::from_millis(500);

/// Runs the agent with this configuration until SIGINT or SIGTERM.
///
/// # Errors
/// If something that the agent can't do without is missing; with what it is. An endpoint that
/// does not answer is none of that.
pub async fn run(config: Config) -> anyhow::Result<()> {
    for notice in config.notices() {
        tracing::info!("{notice}");
    }
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;

    let registry = Registry::default();
    let settings =
        OtlpSettings::resolve(&wiring::otlp_options(&config)).context("the exporter's settings")?;
    let sink = Arc::new(OtlpSink::new(&settings, &registry).context("the exporter")?);
    let telemetry = config
        .telemetry
        .metrics
        .enabled
        .then(|| {
            SelfTelemetry::start(
                &settings,
                &sink,
                config.telemetry.metrics.interval,
                &registry,
                [],
            )
        })
        .transpose()
        .context("the agent's own metrics")?;
    let pipeline = Pipeline::start(sink, settings.batch, settings.queue, &registry);
    let producer = pipeline.producer();
    let output = Resolved::new(Resources::new(&config), move |resource, span| {
        // What does not fit is counted by the producer.
        let _ = producer.push(resource, span);
    });
    let options = wiring::tracer_options(&config)?;
    let cgroup = options.kernel.cgroup.clone();
    let tracer = Tracer::start(options, &registry, output)?;
    tracing::info!(
        cgroup = %cgroup.display(),
        endpoint = %settings.endpoint,
        "ready"
    );

    let mut watch = tokio::time::interval(WATCH);
    let signal = loop {
        tokio::select! {
            _ = interrupt.recv() => break Some("SIGINT"),
            _ = terminate.recv() => break Some("SIGTERM"),
            _ = watch.tick() => if tracer.has_failed() { break None },
        }
    };
    match signal {
        Some(signal) => tracing::info!("{signal}: detaching, and sending what is left"),
        None => tracing::error!("the tracer has ended: sending what is left"),
    }

    let stopped = tokio::task::spawn_blocking(|| tracer.stop())
        .await
        .context("stopping the tracer")?;
    let summary = pipeline.shutdown(LAST_FLUSH).await;
    if let Some(telemetry) = telemetry {
        let last = tokio::time::timeout(LAST_FLUSH, telemetry.shutdown()).await;
        if !matches!(last, Ok(Ok(()))) {
            tracing::warn!("the agent's own metrics could not be sent a last time");
        }
    }
    tracing::info!(
        sent = summary.sent,
        rejected = summary.rejected,
        dropped = summary.dropped,
        "ended"
    );
    for sample in registry.snapshot().into_iter().filter(|s| s.value > 0) {
        tracing::debug!("{sample}");
    }
    stopped
}
