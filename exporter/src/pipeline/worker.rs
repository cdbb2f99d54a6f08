//! The task that makes batches and hands them to the sink.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::queue::{Queue, Ready};
use super::{Batch, Sink, Totals};

/// Exports that run at a time: one round trip must not bound the throughput, and a receiver should
/// not see a crowd.
const IN_FLIGHT: usize = 4;

pub(super) struct Worker {
    queue: Arc<Queue>,
    sink: Arc<dyn Sink>,
    delay: Duration,
    totals: Arc<Totals>,
}

impl Worker {
    pub(super) fn new(
        queue: Arc<Queue>,
        sink: Arc<dyn Sink>,
        delay: Duration,
        totals: Arc<Totals>,
    ) -> Self {
        Self {
            queue,
            sink,
            delay,
            totals,
        }
    }

    /// Runs until the queue is closed and empty, or until the time that `closing` names. When the
    /// other end of `closing` goes away, nobody waits for the rest any more.
    pub(super) async fn run(self, mut closing: watch::Receiver<Option<Instant>>) {
        let mut exports = JoinSet::new();
        let too_late = async {
            if let Ok(deadline) = closing
                .wait_for(Option::is_some)
                .await
                .map(|deadline| *deadline)
                && let Some(deadline) = deadline
            {
                sleep_until(deadline).await;
            }
        };
        tokio::select! {
            () = self.drain(&mut exports) => {}
            () = too_late => {}
        }
        exports.shutdown().await;
    }

    async fn drain(&self, exports: &mut JoinSet<()>) {
        let slots = Arc::new(Semaphore::new(IN_FLIGHT));
        // The slot comes first: while all are taken, spans gather and the next batch is fuller.
        while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
            while exports.try_join_next().is_some() {}
            let Some(batch) = self.next_batch().await else {
                break;
            };
            let (queue, sink) = (Arc::clone(&self.queue), Arc::clone(&self.sink));
            let totals = Arc::clone(&self.totals);
            exports.spawn(async move {
                let (spans, bytes) = (batch.spans(), batch.bytes());
                let outcome = sink.export(batch).await;
                totals.count(&outcome);
                queue.done(spans, bytes);
                drop(slot);
            });
        }
        while exports.join_next().await.is_some() {}
    }

    async fn next_batch(&self) -> Option<Batch> {
        let mut due = false;
        loop {
            match self.queue.take(due) {
                Ready::Batch(batch) => return Some(batch),
                Ready::Since(since) => {
                    due = timeout_at(since + self.delay, self.queue.changed())
                        .await
                        .is_err();
                }
                Ready::Empty => self.queue.changed().await,
                Ready::End => return None,
            }
        }
    }
}
