//! One attempt after the other: what is counted of them, and what is said.

use std::time::{Duration, Instant};

use super::Request;
use super::outage::Outage;
use super::retry::{Failure, Verdict};
use super::transport::{Client, Transport};
use crate::pipeline::{DropReason, Outcome};
use crate::telemetry::{Counter, Histogram, Registry};

/// What became of an attempt.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The server's last word.
    Done(Outcome),
    /// To be made again, not before the server's word if it gave one.
    Again(Failure, Option<Duration>),
}

/// Makes attempts.
#[derive(Debug)]
pub(super) struct Sender {
    transport: Transport,
    pub(super) outage: Outage,
    requests: Counter,
    pub(super) retries: Counter,
    bytes: Counter,
    taken: Histogram,
    again: Histogram,
    refused: Histogram,
}

impl Sender {
    pub(super) fn new(transport: Transport, endpoint: String, registry: &Registry) -> Self {
        let counter = |name, unit, description| registry.counter(name, unit, description, &[]);
        let duration = |outcome| {
            registry.histogram(
                "lanewire.exporter.request.duration",
                "How long attempts to send an export request took, by what became of them.",
                &[("outcome", outcome)],
            )
        };
        Self {
            transport,
            outage: Outage::new(endpoint),
            requests: counter(
                "lanewire.exporter.requests",
                "{request}",
                "Export requests that were taken by the endpoint.",
            ),
            retries: counter(
                "lanewire.exporter.retries",
                "{request}",
                "Export requests that were sent again.",
            ),
            bytes: counter(
                "lanewire.exporter.sent",
                "By",
                "Bytes of export requests that were taken by the endpoint, after compression.",
            ),
            taken: duration("taken"),
            again: duration("again"),
            refused: duration("refused"),
        }
    }

    pub(super) fn client(&self) -> &Client {
        self.transport.client()
    }

    /// Does once what would otherwise be done for each attempt; or else the spans are dropped.
    pub(super) fn prepare(&self, encoded: Request, spans: u64) -> Result<Request, Outcome> {
        self.transport.prepare(encoded).map_err(|error| {
            tracing::error!(spans, "spans dropped, cannot compress a request: {error}");
            Outcome::dropped(spans, DropReason::Refused("compression".into()))
        })
    }

    /// One attempt with a request that is prepared.
    pub(super) async fn attempt(&self, request: Request, spans: u64) -> Attempt {
        let length = request.len() as u64;
        let begin = Instant::now();
        let result = self.transport.send(request).await;
        let took = begin.elapsed();
        match result {
            Ok(accepted) => {
                self.taken.record(took);
                self.requests.add(1);
                self.bytes.add(length);
                let rejected = accepted.rejected.min(spans);
                self.outage.delivered(rejected, &accepted.message);
                Attempt::Done(Outcome {
                    delivered: spans - rejected,
                    rejected,
                    dropped: None,
                })
            }
            Err(failure) => match failure.verdict {
                Verdict::Retry(asked) => {
                    self.again.record(took);
                    self.outage.failed(&failure);
                    Attempt::Again(failure, asked)
                }
                Verdict::Drop => {
                    self.refused.record(took);
                    let reason = DropReason::Refused(failure.reason.clone());
                    Attempt::Done(self.give_up(reason, &failure, spans))
                }
            },
        }
    }

    /// Says that spans are dropped.
    pub(super) fn give_up(&self, reason: DropReason, failure: &Failure, spans: u64) -> Outcome {
        self.outage.dropped(reason.name(), &failure.message, spans);
        Outcome::dropped(spans, reason)
    }
}
