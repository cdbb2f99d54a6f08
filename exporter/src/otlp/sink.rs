//! The sink that writes OTLP.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::encode::Encoder;
use super::outage::Outage;
use super::retry::{Backoff, Failure, Verdict};
use super::settings::{OtlpSettings, RetrySettings};
use super::transport::{Accepted, Transport, TransportError};
use crate::pipeline::{Batch, DropReason, Exporting, Outcome, Sink};
use crate::telemetry::{Counter, Registry};

/// Encodes batches and sends them to an OTLP endpoint, again and again where that is allowed.
#[derive(Debug)]
pub struct OtlpSink {
    encoder: Mutex<Encoder>,
    transport: Transport,
    retry: RetrySettings,
    outage: Outage,
    requests: Counter,
    retries: Counter,
    bytes: Counter,
}

impl OtlpSink {
    /// A sink for the endpoint in the settings; nothing is connected yet, and an endpoint that is
    /// not there is no error. Must be called inside a tokio runtime.
    pub fn new(settings: &OtlpSettings, registry: &Registry) -> Result<Self, TransportError> {
        Ok(Self {
            encoder: Mutex::default(),
            transport: Transport::new(settings)?,
            retry: settings.retry,
            outage: Outage::new(settings.endpoint.to_string()),
            requests: registry.counter(
                "lanewire.exporter.requests",
                "{request}",
                "Export requests that were taken by the endpoint.",
                &[],
            ),
            retries: registry.counter(
                "lanewire.exporter.retries",
                "{request}",
                "Export requests that were sent again.",
                &[],
            ),
            bytes: registry.counter(
                "lanewire.exporter.sent",
                "By",
                "Bytes of export requests that were taken by the endpoint, after compression.",
                &[],
            ),
        })
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    async fn deliver(&self, batch: Batch) -> Outcome {
        let spans = batch.spans();
        let encoded = {
            let mut encoder = self.encoder.lock().unwrap_or_else(PoisonError::into_inner);
            encoder.encode(batch.groups())
        };
        // From here on only the bytes are kept.
        drop(batch);
        let request = match self.transport.prepare(encoded) {
            Ok(request) => request,
            Err(error) => {
                tracing::error!(spans, "spans dropped, cannot compress a request: {error}");
                return Outcome::dropped(spans, DropReason::Refused("compression".into()));
            }
        };
        let length = request.len() as u64;
        match self.send(request, spans).await {
            Ok(accepted) => {
                self.requests.add(1);
                self.bytes.add(length);
                let rejected = accepted.rejected.min(spans);
                self.outage.delivered(rejected, &accepted.message);
                Outcome {
                    delivered: spans - rejected,
                    rejected,
                    dropped: None,
                }
            }
            Err(reason) => Outcome::dropped(spans, reason),
        }
    }

    async fn send(&self, request: bytes::Bytes, spans: u64) -> Result<Accepted, DropReason> {
        let first = Instant::now();
        let mut backoff = Backoff::new(self.retry);
        loop {
            let failure = match self.transport.send(request.clone()).await {
                Ok(accepted) => return Ok(accepted),
                Err(failure) => failure,
            };
            match failure.verdict {
                Verdict::Retry(asked) => {
                    self.outage.failed(&failure);
                    let Some(wait) = backoff.next(asked, first.elapsed()) else {
                        return Err(self.give_up(DropReason::RetryLimit, &failure, spans));
                    };
                    tokio::time::sleep(wait).await;
                    self.retries.add(1);
                }
                Verdict::Drop => {
                    let reason = DropReason::Refused(failure.reason.clone());
                    return Err(self.give_up(reason, &failure, spans));
                }
            }
        }
    }

    fn give_up(&self, reason: DropReason, failure: &Failure, spans: u64) -> DropReason {
        self.outage.dropped(reason.name(), failure, spans);
        reason
    }
}

impl Sink for OtlpSink {
    fn export(&self, batch: Batch) -> Exporting<'_> {
        Box::pin(self.deliver(batch))
    }
}
