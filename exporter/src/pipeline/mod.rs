//! From the thread that polls the kernel to a sink: a bounded queue, and batches out of it.

mod batch;
mod queue;
mod sink;
mod totals;
mod worker;

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Duration;

use lanewire_mapping::span::Span;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use batch::{Gather, Group, SpanGroups};
pub use sink::{DropReason, Outcome, Sink};
pub use totals::Summary;

use self::queue::{Push, Queue};
pub(crate) use self::totals::Totals;
use self::worker::Worker;
use crate::otlp::Resource;
use crate::otlp::encode::EncodedSpans;
use crate::otlp::settings::{BatchSettings, QueueSettings};
use crate::telemetry::{Counter, Registry};

/// The queue and the task that empties it, for a sink that wants spans in the form `B`.
#[derive(Debug)]
pub struct Pipeline<B = EncodedSpans> {
    producer: Producer<B>,
    closing: watch::Sender<Option<Instant>>,
    worker: JoinHandle<()>,
    totals: Arc<Totals>,
}

/// Where finished spans are handed in. Clones feed the same queue.
#[derive(Debug)]
pub struct Producer<B = EncodedSpans> {
    queue: Arc<Queue<B>>,
    full: Counter,
    late: Counter,
}

impl<B> Clone for Producer<B> {
    fn clone(&self) -> Self {
        Self {
            queue: Arc::clone(&self.queue),
            full: self.full.clone(),
            late: self.late.clone(),
        }
    }
}

impl<B: Gather> Producer<B> {
    /// Queues a span. Never waits: when the queue is full, the span or older ones are dropped, as
    /// the settings say, and when it is closed, the span. What is dropped is counted, and if it is
    /// this span, `false` comes back.
    pub fn push(&self, resource: &Arc<Resource>, span: impl Borrow<Span>) -> bool {
        match self.queue.push(resource, span.borrow()) {
            Push::Queued => return true,
            Push::Replaced(spans) => {
                self.full.add(spans);
                return true;
            }
            Push::Full => self.full.add(1),
            Push::Closed => self.late.add(1),
        }
        false
    }
}

impl<B: Gather> Pipeline<B> {
    /// Starts the task that empties the queue. Must be called inside a tokio runtime.
    pub fn start<S: Sink<Batch = B>>(
        sink: Arc<S>,
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
    pub fn producer(&self) -> Producer<B> {
        self.producer.clone()
    }

    /// What became of all spans so far.
    pub fn summary(&self) -> Summary {
        self.totals.summary()
    }

    /// Delivers what is queued without waiting for full batches, and ends. What is not delivered
    /// `within` that time is kept for the next start if the sink can do that, for which it has a few
    /// seconds more; else it is dropped and counted.
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
        let summary = self.totals.summary();
        if summary.spooled > 0 {
            let spans = summary.spooled;
            tracing::info!(spans, "spans are left in the spool, for the next start");
        }
        summary
    }
}
