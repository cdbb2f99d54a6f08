//! From the spool to the endpoint, the oldest first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Request;
use super::retry::Backoff;
use super::sender::{Attempt, Sender};
use super::settings::RetrySettings;
use super::spooling::Spooling;
use crate::pipeline::Outcome;

/// The task that empties the spool.
#[derive(Debug)]
pub(super) struct Replay {
    spooling: Arc<Spooling>,
    sender: Arc<Sender>,
    retry: RetrySettings,
    backoff: Backoff,
    most: usize,
    /// Requests at a time: one while there is an outage.
    crowd: usize,
}

/// A request that is out of the spool.
#[derive(Debug)]
struct Sent {
    request: Request,
    spans: u64,
    outcome: Option<Outcome>,
}

impl Replay {
    pub(super) fn new(
        spooling: Arc<Spooling>,
        sender: Arc<Sender>,
        retry: RetrySettings,
        most: usize,
    ) -> Self {
        // The disk is the limit.
        let retry = RetrySettings {
            max_elapsed: Duration::ZERO,
            ..retry
        };
        Self {
            spooling,
            sender,
            retry,
            backoff: Backoff::new(retry),
            most,
            // What was in the way before may still be.
            crowd: 1,
        }
    }

    /// Runs until the sink is closed.
    pub(super) async fn run(mut self) {
        while self.some().await.is_some() {}
    }

    /// Sends the oldest requests until each has its outcome; `None` when the sink is closed first.
    async fn some(&mut self) -> Option<()> {
        let spooling = Arc::clone(&self.spooling);
        spooling.unless_closing(spooling.filled()).await?;
        let Some(entries) = spooling.next(self.crowd, &self.sender.outage).await else {
            spooling.fails(None, spooling.is_ending());
            return self.pause().await;
        };
        let sent = entries.into_iter().map(|entry| {
            let spans = u64::from(entry.spans);
            let (request, outcome) = match self.sender.prepare(entry.request.into(), spans) {
                Ok(request) => (request, None),
                Err(outcome) => (Request::default(), Some(outcome)),
            };
            Sent {
                request,
                spans,
                outcome,
            }
        });
        let mut sent: VecDeque<_> = sent.collect();
        while !sent.is_empty() {
            let last = spooling.is_ending();
            let round = spooling.unless_closing(self.round(&mut sent)).await;
            // Before it shows in the numbers.
            match round {
                Some(Ok(())) => spooling.goes_on(),
                Some(Err(asked)) => spooling.fails(asked, last),
                None => {}
            }
            let arrived = sent.iter().take_while(|sent| sent.outcome.is_some());
            let arrived = arrived.count();
            let outcomes = sent.drain(..arrived).filter_map(|sent| sent.outcome);
            spooling
                .forget(outcomes.collect(), &self.sender.outage)
                .await;
            match round? {
                Ok(()) => {
                    self.backoff = Backoff::new(self.retry);
                    self.crowd = self.most;
                }
                Err(_) => {
                    self.crowd = 1;
                    self.pause().await?;
                    self.sender.retries.add(1);
                }
            }
        }
        Some(())
    }

    /// An attempt with each of the first that have no outcome; or else the wait that was asked for.
    async fn round(&self, sent: &mut VecDeque<Sent>) -> Result<(), Option<Duration>> {
        let mut attempts = JoinSet::new();
        let waiting = sent.iter().enumerate();
        let waiting = waiting.filter(|(_, sent)| sent.outcome.is_none());
        for (at, next) in waiting.take(self.crowd) {
            let (sender, request, spans) =
                (Arc::clone(&self.sender), next.request.clone(), next.spans);
            attempts.spawn(async move { (at, sender.attempt(request, spans).await) });
        }
        let mut result = Ok(());
        while let Some(attempt) = attempts.join_next().await {
            match attempt {
                Ok((at, Attempt::Done(outcome))) => sent[at].outcome = Some(outcome),
                Ok((_, Attempt::Again(_, asked))) => {
                    result = Err(asked.max(result.err().flatten()));
                }
                // It panicked, and is made again like one that failed.
                Err(_) => result = Err(result.err().flatten()),
            }
        }
        result
    }

    async fn pause(&mut self) -> Option<()> {
        let wait = self.backoff.next(None, Duration::ZERO);
        // Without a limit there always is a next one.
        let wait = wait.unwrap_or(self.retry.max);
        self.spooling
            .unless_closing(self.spooling.pause(wait))
            .await
    }
}
