//! The task that makes batches and hands them to the sink.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::queue::{Queue, Ready};
use super::{Gather, Sink, Totals};

/// How long a sink may take to keep what it did not deliver: the disk may hang.
const KEEPING: Duration = Duration::from_secs(3);

pub(super) struct Worker<S: Sink> {
    queue: Arc<Queue<S::Batch>>,
    sink: Arc<S>,
    delay: Duration,
    totals: Arc<Totals>,
}

impl<S: Sink> Worker<S> {
    pub(super) fn new(
        queue: Arc<Queue<S::Batch>>,
        sink: Arc<S>,
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

    /// Runs until the queue is closed and empty, or until the time that `closing` names; then the
    /// sink may keep the rest. When the other end of `closing` goes away, nobody waits for it.
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
                return true;
            }
            false
        };
        let delivered = async {
            self.drain(&mut exports).await;
            self.sink.close().await;
            true
        };
        let in_order = tokio::select! {
            in_order = delivered => in_order,
            in_order = too_late => in_order,
        };
        let keeping = async {
            if self.sink.keep_rest().await && in_order {
                self.drain(&mut exports).await;
            }
        };
        // What is left then is counted as dropped.
        let _ = timeout(KEEPING, keeping).await;
        exports.shutdown().await;
    }

    async fn drain(&self, exports: &mut JoinSet<()>) {
        let slots = Arc::new(Semaphore::new(self.sink.max_in_flight().max(1)));
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

    async fn next_batch(&self) -> Option<S::Batch> {
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
