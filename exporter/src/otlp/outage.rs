//! What is said in the log about an endpoint: once when it changes, never for each batch.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::retry::Failure;
use super::spool::SpoolError;

/// The same is not said again before so long: an endpoint that takes every other batch would fill
/// the log.
const QUIET: Duration = Duration::from_secs(600);
/// An outage is over soon, or is a new one.
const QUIET_OUTAGE: Duration = Duration::from_secs(60);
const OUTAGE: &str = "outage";
const PARTIAL: &str = "partial success";
const SPOOL: &str = "spool";

/// What has been said so far.
#[derive(Debug)]
pub(crate) struct Outage {
    endpoint: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Since when nothing is delivered, if that was said.
    since: Option<Instant>,
    said: Said,
}

/// When things were said.
#[derive(Debug, Default)]
struct Said(HashMap<String, Instant>);

impl Said {
    /// Whether this should be said now.
    fn is_news(&mut self, what: &str, now: Instant, quiet: Duration) -> bool {
        let said = self.0.get(what);
        if said.is_some_and(|said| now.duration_since(*said) < quiet) {
            return false;
        }
        self.0.insert(what.to_owned(), now);
        true
    }
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
        let now = Instant::now();
        if state.since.is_none() && state.said.is_news(OUTAGE, now, QUIET_OUTAGE) {
            state.since = Some(now);
            tracing::warn!(
                endpoint = %self.endpoint,
                reason = %failure.reason,
                "cannot deliver spans, will keep trying: {}", failure.message
            );
        }
    }

    /// A request was given up.
    pub(crate) fn dropped(&self, reason: &str, message: &str, spans: u64) {
        if self.state().said.is_news(reason, Instant::now(), QUIET) {
            tracing::error!(
                endpoint = %self.endpoint,
                %reason,
                spans,
                "spans dropped; the next ones for this reason are only counted: {message}"
            );
        }
    }

    /// The spool's disk does not do what it should.
    pub(crate) fn spool_failed(&self, error: &SpoolError) {
        if self.state().said.is_news(SPOOL, Instant::now(), QUIET) {
            tracing::error!(
                "{error}; what it does not take stays in memory, within exporter.queue and \
                 exporter.retry"
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
        let partial = rejected > 0 || !message.is_empty();
        if partial && state.said.is_news(PARTIAL, Instant::now(), QUIET) {
            tracing::warn!(
                endpoint = %self.endpoint,
                rejected,
                "the endpoint rejects some spans; the next ones are only counted: {message}"
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_not_said_again_for_a_while() {
        let mut said = Said::default();
        let now = Instant::now();
        assert!(said.is_news("one", now, QUIET));
        assert!(!said.is_news("one", now + QUIET / 2, QUIET));
        assert!(said.is_news("other", now + QUIET / 2, QUIET));
        assert!(said.is_news("one", now + QUIET, QUIET));
    }
}
