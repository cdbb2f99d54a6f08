//! The sink that writes OTLP.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::task::JoinHandle;

use super::Request;
use super::encode::EncodedSpans;
use super::replay::Replay;
use super::retry::Backoff;
use super::sender::{Attempt, Sender};
use super::settings::{OtlpSettings, RetrySettings};
use super::spool::SpoolError;
use super::spooling::Spooling;
use super::transport::{Client, Transport, TransportError};
use crate::pipeline::{DropReason, Gather, Outcome, Sink};
use crate::telemetry::Registry;

/// Why there can be no sink.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The way to the endpoint can't be set up.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The spool can't be opened.
    #[error("exporter.spool.directory: {0}")]
    Spool(#[from] SpoolError),
}

/// Sends encoded spans to an OTLP endpoint, again and again where that is allowed.
///
/// With a spool, what can't be sent at once goes to disk, and so does everything behind it until
/// the spool is empty again. A disk that fails leaves requests in memory, as without one.
#[derive(Debug)]
pub struct OtlpSink {
    sender: Arc<Sender>,
    spooling: Option<Arc<Spooling>>,
    replay: Mutex<Option<JoinHandle<()>>>,
    max_in_flight: usize,
    retry: RetrySettings,
}

impl Drop for OtlpSink {
    fn drop(&mut self) {
        if let Some(replay) = self.replay() {
            replay.abort();
        }
    }
}

impl OtlpSink {
    /// A sink for the endpoint in the settings; nothing is connected yet, and an endpoint that is
    /// not there is no error. Must be called inside a tokio runtime; blocks while it reads what is
    /// in the spool, and begins to send it.
    ///
    /// # Errors
    /// If certificates, proxies or the spool can't be used.
    pub fn new(settings: &OtlpSettings, registry: &Registry) -> Result<Self, SinkError> {
        let transport = Transport::new(settings, registry)?;
        let endpoint = settings.endpoint.to_string();
        let sender = Arc::new(Sender::new(transport, endpoint, registry));
        let spool = settings.spool.clone();
        let spooling = spool.map(|spool| Spooling::open(spool, registry).map(Arc::new));
        let spooling = spooling.transpose()?;
        let replay = spooling.as_ref().map(|spooling| {
            let (spooling, sender) = (Arc::clone(spooling), Arc::clone(&sender));
            let most = settings.max_in_flight;
            tokio::spawn(Replay::new(spooling, sender, settings.retry, most).run())
        });
        Ok(Self {
            sender,
            spooling,
            replay: Mutex::new(replay),
            max_in_flight: settings.max_in_flight,
            retry: settings.retry,
        })
    }

    pub(crate) fn client(&self) -> &Client {
        self.sender.client()
    }

    async fn deliver(&self, encoded: Request, spans: u64) -> Outcome {
        // It is kept without compression, since that may be another one at the next start.
        let kept = self.spooling.as_ref().map(|_| encoded.clone());
        let active = self.spooling.as_ref().is_some_and(|s| s.is_active());
        if active && let Some(outcome) = self.keep(kept.as_ref(), spans).await {
            return outcome;
        }
        let request = match self.sender.prepare(encoded, spans) {
            Ok(request) => request,
            Err(outcome) => return outcome,
        };
        let first = Instant::now();
        let mut backoff = Backoff::new(self.retry);
        loop {
            let attempt = self.sender.attempt(request.clone(), spans);
            let Some(attempt) = self.unless_closing(attempt).await else {
                break;
            };
            let (failure, asked) = match attempt {
                Attempt::Done(outcome) => return outcome,
                Attempt::Again(failure, asked) => (failure, asked),
            };
            let wait = backoff.next(asked, first.elapsed());
            if let Some(spooling) = &self.spooling {
                spooling.rest(wait.unwrap_or(self.retry.initial), asked);
            }
            if let Some(outcome) = self.keep(kept.as_ref(), spans).await {
                return outcome;
            }
            let Some(wait) = wait else {
                return self.sender.give_up(DropReason::RetryLimit, &failure, spans);
            };
            if self
                .unless_closing(tokio::time::sleep(wait))
                .await
                .is_none()
            {
                break;
            }
            self.sender.retries.add(1);
        }
        let kept = self.keep(kept.as_ref(), spans).await;
        kept.unwrap_or_else(|| Outcome::dropped(spans, DropReason::Shutdown))
    }

    /// Leaves a request to the spool, if there is one and it takes it.
    async fn keep(&self, encoded: Option<&Request>, spans: u64) -> Option<Outcome> {
        let spooling = self.spooling.as_ref()?;
        spooling.keep(encoded?, spans, &self.sender.outage).await
    }

    /// Does this, unless the sink is closed and can keep what it has.
    async fn unless_closing<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match &self.spooling {
            Some(spooling) => spooling.unless_closing(work).await,
            None => Some(work.await),
        }
    }

    fn replay(&self) -> Option<JoinHandle<()>> {
        let mut replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
        replay.take()
    }
}

impl Sink for OtlpSink {
    type Batch = EncodedSpans;

    async fn export(&self, batch: EncodedSpans) -> Outcome {
        let spans = batch.spans();
        self.deliver(batch.request(), spans).await
    }

    fn max_in_flight(&self) -> usize {
        self.max_in_flight
    }

    async fn close(&self) {
        if let Some(spooling) = &self.spooling {
            spooling.settled().await;
        }
    }

    async fn keep_rest(&self) -> bool {
        let Some(spooling) = &self.spooling else {
            return false;
        };
        spooling.close();
        if let Some(replay) = self.replay() {
            // That it has ended is all that counts.
            let _ = replay.await;
        }
        true
    }
}
