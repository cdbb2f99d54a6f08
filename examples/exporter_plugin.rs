//! A program with Lanewire built in, which hands the spans of a whole host to an exporter of its
//! own: any `opentelemetry_sdk::trace::SpanExporter` would do in its place, opentelemetry-otlp's
//! for one. Needs root, as the agent does; ends when its standard input does, or by Ctrl-C.
//!
//! ```sh
//! cargo run -p lanewire --example exporter_plugin -- config.yaml
//! ```

use std::io::{Write, stdout};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lanewire::config::Config;
use lanewire::kubernetes::Pods;
use lanewire::output::{Resolved, Resources};
use lanewire::pipeline::Pipeline;
use lanewire::sdk::SpanExporterSink;
use lanewire::telemetry::Registry;
use lanewire::tracer::Tracer;
use lanewire::wiring;
use opentelemetry::Key;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::sync::oneshot;

/// How long the last spans may take.
const LAST: Duration = Duration::from_secs(5);

/// Writes a line for each span: trace, span, parent, kind, service and name.
#[derive(Debug, Default)]
struct Lines {
    /// That of the spans that come next: a host has many.
    service: String,
}

impl SpanExporter for Lines {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut out = stdout().lock();
        for span in batch {
            writeln!(
                out,
                "{} {} {} {:?} {} {}",
                span.span_context.trace_id(),
                span.span_context.span_id(),
                span.parent_span_id,
                span.span_kind,
                self.service,
                span.name
            )
            .map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?;
        }
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        let service = resource.get(&Key::new("service.name"));
        self.service = service.map_or_else(String::new, |name| name.to_string());
    }
}

/// Reading stdin blocks for good, so it has a thread that nobody waits for.
fn end_of_input() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = ended.send(());
    });
    end
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let file = std::env::args().nth(1);
    let config = Config::load(file.context("usage: exporter_plugin CONFIG_FILE")?)?;
    let registry = Registry::default();

    let sink = Arc::new(SpanExporterSink::new(Lines::default()));
    let options = wiring::otlp_options(&config);
    let pipeline = Pipeline::start(sink, options.batch, options.queue, &registry);
    let producer = pipeline.producer();
    let resources = Resources::new(&config, Pods::default(), &registry);
    let output = Resolved::new(resources, &registry, move |resource, span| {
        // What does not fit is counted in the registry.
        let _ = producer.push(resource, span);
    });
    let tracer = Tracer::start(wiring::tracer_options(&config)?, &registry, output)?;
    eprintln!("ready");

    tokio::select! {
        _ = end_of_input() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tokio::task::spawn_blocking(|| tracer.stop()).await??;
    // Flushes the exporter, and shuts it down.
    let summary = pipeline.shutdown(LAST).await;
    eprintln!("{} spans, {} dropped", summary.sent, summary.dropped);
    Ok(())
}
