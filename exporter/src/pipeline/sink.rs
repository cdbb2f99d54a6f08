//! Where batches go.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use super::Batch;

/// Takes batches of spans, and says what became of them.
///
/// Several exports run at a time. A sink retries by itself, since it alone knows what is worth
/// retrying and in which form to keep it; the spans of a batch count against the queue's bound
/// until its export ends.
pub trait Sink: Send + Sync + 'static {
    /// Delivers a batch. The future is dropped when the agent ends before it is done.
    fn export(&self, batch: Batch) -> Exporting<'_>;
}

/// The future of [`Sink::export`].
pub type Exporting<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// What became of a batch; the counts add up to its spans.
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
}

impl DropReason {
    /// The reason as the counters have it.
    pub fn name(&self) -> &str {
        match self {
            Self::QueueFull => "queue_full",
            Self::RetryLimit => "retry_limit",
            Self::Refused(reason) => reason,
            Self::Shutdown => "shutdown",
        }
    }
}
