//! The `run` command: everything wired together, from the start to the last flush.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use opentelemetry::KeyValue;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::kubernetes;
use crate::otlp::{OtlpSettings, OtlpSink};
use crate::output::{Resolved, Resources};
use crate::pipeline::Pipeline;
use crate::service::{Host, of_agent};
use crate::telemetry::{ProgramMetrics, Readiness, Registry, SelfTelemetry, StatusServer};
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
    let readiness = Readiness::default();
    // Before anything that takes time: whoever asks hears that it is not ready yet.
    let status = status(&config.telemetry.status.listen, &registry, &readiness).await?;
    let settings =
        OtlpSettings::resolve(&wiring::otlp_options(&config)).context("the exporter's settings")?;
    let sink = sink(&settings, &registry).await?;
    let host = Host::read(Path::new("/"));
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
                of_agent(&host)
                    .into_iter()
                    .map(|(key, value)| KeyValue::new(key, value)),
            )
        })
        .transpose()
        .context("the agent's own metrics")?;
    let pipeline = Pipeline::start(sink, settings.batch, settings.queue, &registry);
    let producer = pipeline.producer();
    let kubernetes = config
        .kubernetes
        .enabled
        .then(|| kubernetes::Watch::start(config.kubernetes.clone(), &registry));
    let pods = kubernetes.as_ref().map(|watch| watch.pods());
    let resources = Resources::new(&config, pods.unwrap_or_default(), &registry);
    let output = Resolved::new(resources, &registry, move |resource, span| {
        // What does not fit is counted by the producer.
        let _ = producer.push(resource, span);
    });
    let options = wiring::tracer_options(&config)?;
    let cgroup = options.kernel.cgroup.clone();
    let mut tracer = Tracer::start(options, &registry, output)?;
    let statistics = tracer.take_statistics();
    let _programs = statistics.map(|statistics| ProgramMetrics::start(statistics, &registry));
    readiness.ready();
    tracing::info!(
        cgroup = %cgroup.display(),
        endpoint = %settings.endpoint,
        status = status.as_ref().map(|status| tracing::field::display(status.address())),
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
        None => {
            readiness.failed("the tracer has ended");
            tracing::error!("the tracer has ended: sending what is left");
        }
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
        spooled = summary.spooled,
        "ended"
    );
    for sample in registry.snapshot().into_iter().filter(|s| s.value > 0) {
        tracing::debug!("{sample}");
    }
    stopped
}

/// The sink, which may have much to read in its spool first.
async fn sink(settings: &OtlpSettings, registry: &Registry) -> anyhow::Result<Arc<OtlpSink>> {
    let (settings, registry) = (settings.clone(), registry.clone());
    let sink = tokio::task::spawn_blocking(move || OtlpSink::new(&settings, &registry));
    let sink = sink.await.context("opening the exporter")?;
    Ok(Arc::new(sink.context("the exporter")?))
}

async fn status(
    listen: &str,
    registry: &Registry,
    readiness: &Readiness,
) -> anyhow::Result<Option<StatusServer>> {
    if listen.is_empty() {
        return Ok(None);
    }
    let address = listen.parse().context("telemetry.status.listen")?;
    Ok(Some(
        StatusServer::start(address, registry, readiness).await?,
    ))
}
