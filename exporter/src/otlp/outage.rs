//! What is said in the log about an endpoint: once when it changes, never for each batch.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::retry::Failure;

/// What has been said so far.
#[derive(Debug)]
pub(crate) struct Outage {
    endpoint: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    /// Reasons for dropping that were explained since the last delivery.
    explained: HashSet<String>,
    partial: bool,
}

impl Outage {
    pub(crate) fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            state: Mutex::default(),
        }
    }

    /// An attempt failed and will be made again.
    pub(crate) fn failed(&self, failure: &Failure) {
        let mut state = self.state();
        if state.since.is_none() {
            state.since = Some(Instant::now());
            tracing::warn!(
                endpoint = %self.endpoint,
                reason = %failure.reason,
                "cannot deliver spans, will keep trying: {}", failure.message
            );
        }
    }

    /// A request was given up.
    pub(crate) fn dropped(&self, reason: &str, failure: &Failure, spans: u64) {
        if self.state().explained.insert(reason.to_owned()) {
            tracing::error!(
                endpoint = %self.endpoint,
                %reason,
                spans,
                "spans dropped; the next ones for this reason are only counted: {}",
                failure.message
            );
        }
    }

    /// A request was taken, apart from `rejected` spans.
    pub(crate) fn delivered(&self, rejected: u64, message: &str) {
        let mut state = self.state();
        if let Some(since) = state.since.take() {
            tracing::info!(
                endpoint = %self.endpoint,
                "spans are delivered again after {:.1} s", since.elapsed().as_secs_f64()
            );
        }
        state.explained.clear();
        let partial = rejected > 0 || !message.is_empty();
        if partial && !state.partial {
            tracing::warn!(
                endpoint = %self.endpoint,
                rejected,
                "the endpoint rejects some spans; the next ones are only counted: {message}"
            );
        }
        state.partial = partial;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
