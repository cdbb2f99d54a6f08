//! The queue between the polling thread and the export task, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanewire_mapping::span::Span;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Gather;
use crate::otlp::Resource;
use crate::otlp::settings::{BatchSettings, QueueSettings, WhenFull};
use crate::telemetry::{Gauge, Registry};

/// What happened to a span that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push {
    Queued,
    /// This many older ones gave way.
    Replaced(u64),
    Full,
    Closed,
}

/// What there is to do for the export task.
#[derive(Debug)]
pub(super) enum Ready<B> {
    /// A batch to send, now.
    Batch(B),
    /// Something is waiting, since then.
    Since(Instant),
    /// Nothing is there.
    Empty,
    /// Nothing is there, and nothing will come.
    End,
}

#[derive(Debug)]
pub(super) struct Queue<B> {
    state: Mutex<State<B>>,
    changed: Notify,
    batch: BatchSettings,
    queue: QueueSettings,
    spans: Gauge,
    bytes: Gauge,
}

#[derive(Debug)]
struct State<B> {
    /// Full ones in front; spans are added to the last.
    batches: VecDeque<Waiting<B>>,
    /// Of `batches`.
    waiting: Amount,
    /// Of batches that were taken and have no outcome yet.
    in_flight: Amount,
    closed: bool,
}

#[derive(Debug)]
struct Waiting<B> {
    batch: B,
    /// When its first span came.
    since: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    spans: u64,
    bytes: usize,
}

impl Amount {
    fn of(batch: &impl Gather) -> Self {
        Self {
            spans: batch.spans(),
            bytes: batch.bytes(),
        }
    }

    fn add(&mut self, other: Self) {
        self.spans += other.spans;
        self.bytes += other.bytes;
    }

    fn subtract(&mut self, other: Self) {
        self.spans -= other.spans;
        self.bytes -= other.bytes;
    }
}

impl<B: Gather> Queue<B> {
    pub(super) fn new(batch: BatchSettings, queue: QueueSettings, registry: &Registry) -> Self {
        Self {
            state: Mutex::new(State {
                batches: VecDeque::new(),
                waiting: Amount::default(),
                in_flight: Amount::default(),
                closed: false,
            }),
            changed: Notify::new(),
            batch,
            queue,
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

    pub(super) fn push(&self, resource: &Arc<Resource>, span: &Span) -> Push {
        let mut state = self.state();
        if state.closed {
            return Push::Closed;
        }
        let mut replaced = 0;
        while state.waiting.bytes + state.in_flight.bytes >= self.queue.max_bytes {
            // What is in flight may have arrived: only what waits can give way.
            if self.queue.when_full == WhenFull::DropNewest || state.batches.is_empty() {
                return Push::Full;
            }
            replaced += state.pop().map_or(0, |oldest| oldest.batch.spans());
        }
        let begins = state
            .batches
            .back()
            .is_none_or(|last| self.is_full(&last.batch));
        if begins {
            state.batches.push_back(Waiting {
                batch: B::default(),
                since: Instant::now(),
            });
        }
        let State {
            batches, waiting, ..
        } = &mut *state;
        let mut wake = batches.len() == 1 && begins;
        if let Some(last) = batches.back_mut() {
            let before = last.batch.bytes();
            last.batch.add(resource, span);
            waiting.add(Amount {
                spans: 1,
                bytes: last.batch.bytes() - before,
            });
            wake |= self.is_full(&last.batch);
        }
        self.show(&state);
        drop(state);
        if wake {
            self.changed.notify_one();
        }
        match replaced {
            0 => Push::Queued,
            replaced => Push::Replaced(replaced),
        }
    }

    /// What there is to do; `due` takes what is there even if it is no full batch.
    pub(super) fn take(&self, due: bool) -> Ready<B> {
        let mut state = self.state();
        let Some(first) = state.batches.front() else {
            return if state.closed {
                Ready::End
            } else {
                Ready::Empty
            };
        };
        if !(due || state.closed || self.is_full(&first.batch)) {
            return Ready::Since(first.since);
        }
        let Some(Waiting { batch, .. }) = state.pop() else {
            return Ready::Empty;
        };
        state.in_flight.add(Amount::of(&batch));
        self.show(&state);
        Ready::Batch(batch)
    }

    /// Waits until there may be more to do.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// A batch of this many spans and bytes has its outcome; its room is free again.
    pub(super) fn done(&self, spans: u64, bytes: usize) {
        let mut state = self.state();
        state.in_flight.subtract(Amount { spans, bytes });
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
        let spans = state.waiting.spans + state.in_flight.spans;
        *state = State {
            batches: VecDeque::new(),
            waiting: Amount::default(),
            in_flight: Amount::default(),
            closed: true,
        };
        self.show(&state);
        spans
    }

    /// A batch can be longer than its limit by its last span.
    fn is_full(&self, batch: &B) -> bool {
        batch.spans() >= self.batch.max_spans as u64 || batch.bytes() >= self.batch.max_bytes
    }

    fn show(&self, state: &State<B>) {
        self.spans.set(state.waiting.spans + state.in_flight.spans);
        self.bytes
            .set((state.waiting.bytes + state.in_flight.bytes) as u64);
    }

    fn state(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Gather> State<B> {
    fn pop(&mut self) -> Option<Waiting<B>> {
        let first = self.batches.pop_front()?;
        self.waiting.subtract(Amount::of(&first.batch));
        Some(first)
    }
}
