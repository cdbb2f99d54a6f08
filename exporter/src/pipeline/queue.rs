//! The queue between the polling thread and the export task, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanewire_mapping::span::Span;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Batch;
use crate::otlp::Resource;
use crate::otlp::settings::{BatchSettings, QueueSettings};
use crate::telemetry::{Gauge, Registry};

/// What happened to a span that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push {
    Queued,
    Full,
    Closed,
}

/// What there is to do for the export task.
#[derive(Debug)]
pub(super) enum Ready {
    /// A batch to send, now.
    Batch(Batch),
    /// Something is waiting, since then.
    Since(Instant),
    /// Nothing is there.
    Empty,
    /// Nothing is there, and nothing will come.
    End,
}

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
    batch: BatchSettings,
    max_bytes: usize,
    spans: Gauge,
    bytes: Gauge,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// Bytes of `items`.
    waiting_bytes: usize,
    /// Bytes and spans of batches that were taken and have no outcome yet.
    in_flight_bytes: usize,
    in_flight_spans: u64,
    /// When the wait for a full batch began.
    since: Option<Instant>,
    closed: bool,
}

#[derive(Debug)]
struct Item {
    resource: Arc<Resource>,
    span: Span,
    bytes: usize,
}

impl Queue {
    pub(super) fn new(batch: BatchSettings, queue: QueueSettings, registry: &Registry) -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            batch,
            max_bytes: queue.max_bytes,
            spans: registry.gauge(
                "lanewire.exporter.queue.spans",
                "{span}",
                "Spans that are queued or in flight.",
                &[],
            ),
            bytes: registry.gauge(
                "lanewire.exporter.queue.bytes",
                "By",
                "Encoded length of the spans that are queued or in flight.",
                &[],
            ),
        }
    }

    pub(super) fn push(&self, resource: Arc<Resource>, span: Span, bytes: usize) -> Push {
        let mut state = self.state();
        if state.closed {
            return Push::Closed;
        }
        if state.waiting_bytes + state.in_flight_bytes + bytes > self.max_bytes {
            return Push::Full;
        }
        let was_full = self.is_full(&state);
        let first = state.items.is_empty();
        if first {
            state.since = Some(Instant::now());
        }
        state.items.push_back(Item {
            resource,
            span,
            bytes,
        });
        state.waiting_bytes += bytes;
        let wake = first || (!was_full && self.is_full(&state));
        self.show(&state);
        drop(state);
        if wake {
            self.changed.notify_one();
        }
        Push::Queued
    }

    /// What there is to do; `due` takes what is there even if it is no full batch.
    pub(super) fn take(&self, due: bool) -> Ready {
        let mut state = self.state();
        let Some(since) = state.since else {
            return if state.closed {
                Ready::End
            } else {
                Ready::Empty
            };
        };
        if !(due || state.closed || self.is_full(&state)) {
            return Ready::Since(since);
        }
        let mut batch = Batch::default();
        while let Some(next) = state.items.front() {
            let over = batch.bytes() + next.bytes > self.batch.max_bytes;
            // A span that is too long for any batch still leaves, alone.
            if batch.spans() > 0 && (over || batch.spans() as usize >= self.batch.max_spans) {
                break;
            }
            if let Some(item) = state.items.pop_front() {
                state.waiting_bytes -= item.bytes;
                batch.add(item.resource, item.span, item.bytes);
            }
        }
        state.in_flight_bytes += batch.bytes();
        state.in_flight_spans += batch.spans();
        state.since = (!state.items.is_empty()).then(Instant::now);
        self.show(&state);
        Ready::Batch(batch)
    }

    /// Waits until there may be more to do.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// A batch has its outcome; its room is free again.
    pub(super) fn done(&self, spans: u64, bytes: usize) {
        let mut state = self.state();
        state.in_flight_spans -= spans;
        state.in_flight_bytes -= bytes;
        self.show(&state);
    }

    /// Takes no more spans.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    /// Forgets all that has no outcome, and says how many spans that were.
    pub(super) fn abandon(&self) -> u64 {
        let mut state = self.state();
        let spans = state.items.len() as u64 + state.in_flight_spans;
        *state = State {
            closed: true,
            ..State::default()
        };
        self.show(&state);
        spans
    }

    fn is_full(&self, state: &State) -> bool {
        state.items.len() >= self.batch.max_spans || state.waiting_bytes >= self.batch.max_bytes
    }

    fn show(&self, state: &State) {
        self.spans
            .set(state.items.len() as u64 + state.in_flight_spans);
        self.bytes
            .set((state.waiting_bytes + state.in_flight_bytes) as u64);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
