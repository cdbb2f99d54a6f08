//! Where batches go.

use std::borrow::Cow;
use std::future::Future;

use super::Gather;

/// Takes batches of spans, and says what became of them.
///
/// Several exports run at a time. A sink retries by itself, since it alone knows what is worth
/// retrying and in which form to keep it; the spans of a batch count against the queue's bound
/// until its export ends.
pub trait Sink: Send + Sync + 'static {
    /// The form in which it wants spans.
    type Batch: Gather;

    /// Delivers a batch, or keeps it to deliver it later. The future is dropped when the agent ends
    /// before it is done.
    fn export(&self, batch: Self::Batch) -> impl Future<Output = Outcome> + Send;

    /// How many exports may run at a time: one round trip must not bound the throughput, and a
    /// receiver should not see a crowd. They may end in any order.
    fn max_in_flight(&self) -> usize {
        4
    }

    /// Everything has its outcome, and nothing will come any more: delivers what was kept, as far as
    /// the receiver takes it now. Called once, unless time ran out before; the future is dropped when
    /// it does.
    fn close(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// The last call, after `close` or instead of it. A sink that can keep batches for the next start
    /// says `true`: exports under way end soon then, and what is still queued is handed in. Otherwise
    /// all that is dropped.
    fn keep_rest(&self) -> impl Future<Output = bool> + Send {
        std::future::ready(false)
    }
}

/// What became of a batch; the counts add up to its spans, unless the sink keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Taken by the receiver.
    pub delivered: u64,
    /// Rejected by the receiver while it took the rest.
    pub rejected: u64,
    /// Dropped, and why.
    pub dropped: Option<(u64, DropReason)>,
}

impl Outcome {
    /// All of a batch was delivered.
    pub fn delivered(spans: u64) -> Self {
        Self {
            delivered: spans,
            ..Self::default()
        }
    }

    /// All of a batch is kept by the sink, which delivers and counts it later.
    pub fn kept() -> Self {
        Self::default()
    }

    /// All of a batch was dropped.
    pub fn dropped(spans: u64, reason: DropReason) -> Self {
        Self {
            dropped: Some((spans, reason)),
            ..Self::default()
        }
    }
}

/// Why spans were dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The queue had no room left.
    QueueFull,
    /// The endpoint did not take them for as long as retrying is allowed.
    RetryLimit,
    /// The endpoint refused them for good: a gRPC code (`INVALID_ARGUMENT`) or an HTTP status
    /// (`http_400`).
    Refused(Cow<'static, str>),
    /// The agent ended before they were delivered.
    Shutdown,
    /// The spool had no room left.
    SpoolFull,
    /// The disk of the spool did not give them back.
    SpoolDamaged,
}

impl DropReason {
    /// The reason as the counters have it.
    pub fn name(&self) -> &str {
        match self {
            Self::QueueFull => "queue_full",
            Self::RetryLimit => "retry_limit",
            Self::Refused(reason) => reason,
            Self::Shutdown => "shutdown",
            Self::SpoolFull => "spool_full",
            Self::SpoolDamaged => "spool_damaged",
        }
    }
}
