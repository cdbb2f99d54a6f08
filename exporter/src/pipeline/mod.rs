//! From the thread that polls the kernel to a sink: a bounded queue, and batches out of it.

mod batch;
mod queue;
mod sink;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use lanewire_mapping::span::Span;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use batch::{Batch, Group};
pub use sink::{DropReason, Exporting, Outcome, Sink};

use self::queue::{Push, Queue};
use self::worker::Worker;
use crate::otlp::Resource;
use crate::otlp::encode::span_len;
use crate::otlp::settings::{BatchSettings, QueueSettings};
use crate::telemetry::{Counter, Registry};

const DROPPED: &str = "lanewire.exporter.spans.dropped";

/// The queue and the task that empties it.
#[derive(Debug)]
pub struct Pipeline {
    producer: Producer,
    closing: watch::Sender<Option<Instant>>,
    worker: JoinHandle<()>,
    totals: Arc<Totals>,
}

/// Where finished spans are handed in. Clones feed the same queue.
#[derive(Clone, Debug)]
pub struct Producer {
    queue: Arc<Queue>,
    full: Counter,
    late: Counter,
}

impl Producer {
    /// Queues a span. Never waits: when the queue is full, or closed, the span is dropped and
    /// counted, and `false` comes back.
    pub fn push(&self, resource: Arc<Resource>, span: Span) -> bool {
        let bytes = span_len(&span);
        match self.queue.push(resource, span, bytes) {
            Push::Queued => return true,
            Push::Full => self.full.add(1),
            Push::Closed => self.late.add(1),
        }
        false
    }
}

/// What became of all spans so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Taken by the sink's endpoint.
    pub sent: u64,
    /// Rejected by the endpoint in a partial success.
    pub rejected: u64,
    /// Dropped, for whatever reason.
    pub dropped: u64,
}

impl Pipeline {
    /// Starts the task that empties the queue. Must be called inside a tokio runtime.
    pub fn start(
        sink: Arc<dyn Sink>,
        batch: BatchSettings,
        queue: QueueSettings,
        registry: &Registry,
    ) -> Self {
        let totals = Arc::new(Totals::new(registry));
        let queue = Arc::new(Queue::new(batch, queue, registry));
        let (closing, closed) = watch::channel(None);
        let worker = Worker::new(Arc::clone(&queue), sink, batch.delay, Arc::clone(&totals));
        let producer = Producer {
            queue,
            full: totals.dropped(&DropReason::QueueFull),
            late: totals.dropped(&DropReason::Shutdown),
        };
        Self {
            producer,
            closing,
            worker: tokio::spawn(worker.run(closed)),
            totals,
        }
    }

    /// A handle to push spans with, from any thread.
    pub fn producer(&self) -> Producer {
        self.producer.clone()
    }

    /// What became of all spans so far.
    pub fn summary(&self) -> Summary {
        self.totals.summary()
    }

    /// Delivers what is queued without waiting for full batches, and ends. What is not delivered
    /// `within` that time is dropped and counted.
    pub async fn shutdown(self, within: Duration) -> Summary {
        self.producer.queue.close();
        self.closing.send_replace(Some(Instant::now() + within));
        if let Err(error) = self.worker.await {
            tracing::error!("the export task failed: {error}");
        }
        let left = self.producer.queue.abandon();
        if left > 0 {
            self.producer.late.add(left);
            tracing::warn!(
                spans = left,
                "spans dropped: not delivered within {within:?} at the end"
            );
        }
        self.totals.summary()
    }
}

/// The counters of outcomes.
#[derive(Debug)]
struct Totals {
    registry: Registry,
    sent: Counter,
    rejected: Counter,
}

impl Totals {
    fn new(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            sent: registry.counter(
                "lanewire.exporter.spans.sent",
                "{span}",
                "Spans taken by the endpoint.",
                &[],
            ),
            rejected: registry.counter(
                "lanewire.exporter.spans.rejected",
                "{span}",
                "Spans the endpoint rejected in a partial success.",
                &[],
            ),
        }
    }

    fn dropped(&self, reason: &DropReason) -> Counter {
        let labels = [("reason", reason.name())];
        self.registry
            .counter(DROPPED, "{span}", "Spans dropped, by reason.", &labels)
    }

    fn count(&self, outcome: &Outcome) {
        self.sent.add(outcome.delivered);
        self.rejected.add(outcome.rejected);
        if let Some((spans, reason)) = &outcome.dropped {
            self.dropped(reason).add(*spans);
        }
    }

    fn summary(&self) -> Summary {
        let samples = self.registry.snapshot();
        let dropped = samples.iter().filter(|sample| sample.name == DROPPED);
        Summary {
            sent: self.sent.get(),
            rejected: self.rejected.get(),
            dropped: dropped.map(|sample| sample.value).sum(),
        }
    }
}
