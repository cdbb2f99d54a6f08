//! The agent of the demo: the same tracer as that of `lanewire run`, which keeps its spans.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::bail;
use lanewire_mapping::span::Value;
use tokio::runtime::Handle;

use super::{ResolvedSpan, Target};
use crate::config::Config;
use crate::config::schema::services::{Match, ServiceRule};
use crate::kubernetes::Pods;
use crate::otlp::{OtlpSettings, OtlpSink, Resource};
use crate::output::{Resolved, Resources};
use crate::pipeline::Pipeline;
use crate::telemetry::Registry;
use crate::tracer::Tracer;
use crate::wiring;

/// How long the export may take in the end.
const EXPORT: Duration = Duration::from_secs(10);

/// An attached agent.
pub(super) struct Agent {
    tracer: Tracer,
    spans: Receiver<ResolvedSpan>,
    pipeline: Option<Pipeline>,
    runtime: Handle,
}

impl Agent {
    pub(super) fn attach(target: &Target, runtime: &Handle) -> anyhow::Result<Agent> {
        let config = configuration(target);
        let registry = Registry::default();
        let pipeline = target
            .otlp
            .is_some()
            .then(|| {
                let _entered = runtime.enter();
                let settings = OtlpSettings::resolve(&wiring::otlp_options(&config))?;
                let sink = Arc::new(OtlpSink::new(&settings, &registry)?);
                anyhow::Ok(Pipeline::start(
                    sink,
                    settings.batch,
                    settings.queue,
                    &registry,
                ))
            })
            .transpose()?;
        let producer = pipeline.as_ref().map(Pipeline::producer);
        let (keep, spans) = channel();
        let resources = Resources::new(&config, Pods::default(), &registry);
        let output = Resolved::new(resources, &registry, move |resource, span| {
            if let Some(producer) = &producer {
                // What is dropped is told at the end.
                let _ = producer.push(resource, span.clone());
            }
            let service = service_name(resource);
            // Nobody listens any more when the demo was interrupted.
            let span = span.clone();
            let _ = keep.send(ResolvedSpan { span, service });
        });
        let options = wiring::tracer_options(&config)?;
        Ok(Agent {
            tracer: Tracer::start(options, &registry, output)?,
            spans,
            pipeline,
            runtime: runtime.clone(),
        })
    }

    /// Detaches, and returns all spans.
    pub(super) fn finish(self) -> anyhow::Result<Vec<ResolvedSpan>> {
        self.tracer.stop()?;
        let spans = self.spans.iter().collect();
        if let Some(pipeline) = self.pipeline {
            let summary = self.runtime.block_on(pipeline.shutdown(EXPORT));
            if summary.rejected + summary.dropped > 0 {
                bail!(
                    "{} spans were exported, but {} were not: is the endpoint there?",
                    summary.sent,
                    summary.rejected + summary.dropped
                );
            }
        }
        Ok(spans)
    }
}

fn configuration(target: &Target) -> Config {
    let mut config = Config::default();
    config.process.cgroup = target.cgroup.display().to_string();
    // The demo's own client is traced: it is where the chains begin.
    config.process.exclude.executables.clear();
    config.exporter.endpoint = target.otlp.clone().unwrap_or_default();
    config.services.rules = target
        .names
        .iter()
        .map(|(executable, name)| ServiceRule {
            name: (*name).into(),
            matches: Match {
                executable: (*executable).into(),
                ..Match::default()
            },
            ..ServiceRule::default()
        })
        .collect();
    config
}

fn service_name(resource: &Resource) -> String {
    resource
        .attributes()
        .iter()
        .find_map(|(key, value)| match value {
            Value::Str(name) if key == "service.name" => Some(name.to_string()),
            _ => None,
        })
        .unwrap_or_default()
}
