//! A sink in front of an exporter of the SDK.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_executor::block_on;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::SpanExporter;

use super::convert::{resource, span_data};
use crate::otlp::Resource;
use crate::pipeline::{DropReason, Gather, Group, Outcome, Sink, SpanGroups};

/// Hands spans to an exporter of the SDK, one group after the other and never two at a time, which
/// is what exporters are promised.
///
/// The exporter runs on one of tokio's threads for blocking work, so it may block, and it may use
/// the runtime. It retries by itself, if at all: what it gives back as an error is dropped and
/// counted, as `exporter_timeout`, `exporter_failed` or `exporter_shut_down`; if groups of one
/// batch fail for several reasons, by the first. What an endpoint rejects in a partial success the
/// exporter keeps to itself.
///
/// [`Sink::close`] flushes it and shuts it down.
#[derive(Debug)]
pub struct SpanExporterSink<E> {
    inner: Arc<Inner<E>>,
}

#[derive(Debug)]
struct Inner<E> {
    state: Mutex<State<E>>,
}

#[derive(Debug)]
struct State<E> {
    exporter: E,
    /// The resource that the exporter was told last.
    resource: Option<Arc<Resource>>,
    /// Reasons that were explained in the log.
    explained: HashSet<&'static str>,
}

impl<E: SpanExporter + 'static> SpanExporterSink<E> {
    /// A sink for this exporter. Its exports must happen inside a tokio runtime.
    pub fn new(exporter: E) -> Self {
        let state = Mutex::new(State {
            exporter,
            resource: None,
            explained: HashSet::new(),
        });
        Self {
            inner: Arc::new(Inner { state }),
        }
    }

    /// Does something with the exporter where it may block.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State<E>) -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&mut inner.state())).await
    }
}

impl<E: SpanExporter + 'static> Sink for SpanExporterSink<E> {
    type Batch = SpanGroups;

    async fn export(&self, batch: SpanGroups) -> Outcome {
        let spans = batch.spans();
        match self.with(|state| state.export(batch)).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::error!(spans, "spans dropped, the exporter panicked: {error}");
                Outcome::dropped(spans, DropReason::Refused(FAILED.into()))
            }
        }
    }

    fn max_in_flight(&self) -> usize {
        1
    }

    async fn close(&self) {
        let closed = self.with(|state| {
            let flushed = state.exporter.force_flush();
            flushed.and(state.exporter.shutdown())
        });
        match closed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("the exporter did not shut down well: {error}"),
            Err(error) => tracing::error!("the exporter panicked as it shut down: {error}"),
        }
    }
}

impl<E> Inner<E> {
    fn state(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: SpanExporter> State<E> {
    fn export(&mut self, batch: SpanGroups) -> Outcome {
        let mut outcome = Outcome::default();
        for group in batch.into_groups() {
            let spans = group.spans.len() as u64;
            match self.export_group(group) {
                Ok(()) => outcome.delivered += spans,
                Err(error) => {
                    let reason = self.explain(&error, spans);
                    let (dropped, _) = outcome
                        .dropped
                        .get_or_insert((0, DropReason::Refused(reason.into())));
                    *dropped += spans;
                }
            }
        }
        outcome
    }

    fn export_group(&mut self, group: Group) -> OTelSdkResult {
        if self.resource.as_ref() != Some(&group.resource) {
            self.exporter.set_resource(&resource(&group.resource));
            self.resource = Some(group.resource);
        }
        let spans = group.spans.into_iter().map(span_data).collect();
        block_on(self.exporter.export(spans))
    }

    fn explain(&mut self, error: &OTelSdkError, spans: u64) -> &'static str {
        let reason = match error {
            OTelSdkError::AlreadyShutdown => "exporter_shut_down",
            OTelSdkError::Timeout(_) => "exporter_timeout",
            OTelSdkError::InternalFailure(_) => FAILED,
        };
        if self.explained.insert(reason) {
            tracing::error!(
                reason,
                spans,
                "spans dropped; the next ones for this reason are only counted: {error}"
            );
        }
        reason
    }
}

const FAILED: &str = "exporter_failed";
