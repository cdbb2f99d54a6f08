//! The spool as the tasks see it: files are touched off their threads, and what it does is counted.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};

use super::Request;
use super::outage::Outage;
use super::rest::Rest;
use super::spool::{Entry, Spool, SpoolError, SpoolSettings};
use crate::pipeline::{DropReason, Outcome, Totals};
use crate::telemetry::{Counter, Gauge, Registry};

/// How the spool is getting empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is: requests are sent without it.
    Empty,
    /// The endpoint takes what it is sent, as far as is known.
    Sending,
    /// The last attempt failed.
    Failing,
    /// So did one that was begun at the end of the agent: the next one will go on.
    GivenUp,
}

/// The spool of one sink.
#[derive(Debug)]
pub(super) struct Spooling {
    directory: PathBuf,
    spool: Arc<Mutex<Spool>>,
    /// Changes to and from `Empty` are made with the spool locked.
    progress: watch::Sender<Progress>,
    closing: watch::Sender<bool>,
    rest: Rest,
    totals: Totals,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Metrics {
    active: Gauge,
    spans: Gauge,
    bytes: Gauge,
    kept: Counter,
    replayed: Counter,
    damaged: Counter,
    failures: Counter,
    full: Counter,
    lost: Counter,
}

impl Spooling {
    /// Opens the spool, which reads all that is in it.
    pub(super) fn open(settings: SpoolSettings, registry: &Registry) -> Result<Self, SpoolError> {
        let totals = Totals::new(registry);
        let metrics = Metrics::new(&totals, registry);
        let directory = settings.directory.clone();
        let spool = Spool::open(settings)?;
        metrics.show(&spool);
        metrics.active.set(u64::from(!spool.is_empty()));
        if spool.damaged_bytes() > 0 {
            tracing::warn!(
                directory = %directory.display(),
                bytes = spool.damaged_bytes(),
                "the end of the spool was not whole, and is cut off"
            );
        }
        let progress = match spool.is_empty() {
            true => Progress::Empty,
            false => {
                tracing::info!(
                    directory = %directory.display(),
                    spans = spool.spans(),
                    "sending what an earlier agent has left in the spool"
                );
                Progress::Sending
            }
        };
        Ok(Self {
            directory,
            spool: Arc::new(Mutex::new(spool)),
            progress: watch::Sender::new(progress),
            closing: watch::Sender::new(false),
            rest: Rest::default(),
            totals,
            metrics: Arc::new(metrics),
        })
    }

    /// Whether requests should go to the spool at once, behind those that are there.
    pub(super) fn is_active(&self) -> bool {
        *self.progress.borrow() != Progress::Empty
    }

    /// Puts a request last. `None` if the disk fails: it should be kept in memory then.
    pub(super) async fn keep(
        self: &Arc<Self>,
        request: &Request,
        spans: u64,
        outage: &Outage,
    ) -> Option<Outcome> {
        let (this, request) = (Arc::clone(self), request.to_bytes());
        let pushed = self
            .on_disk(move |spool| {
                let before = spool.spans();
                // A batch is far smaller.
                let pushed = spool.push(&request, spans.try_into().unwrap_or(u32::MAX));
                let gone = match &pushed {
                    Ok(pushed) => pushed.dropped,
                    Err(_) => before.saturating_sub(spool.spans()),
                };
                this.metrics.full.add(gone);
                if pushed.as_ref().is_ok_and(|pushed| pushed.taken) {
                    this.metrics.kept.add(spans);
                    this.begin();
                }
                pushed.map(|pushed| (pushed.taken, gone))
            })
            .await;
        match pushed {
            Ok((taken, gone)) => {
                let gone = if taken { gone } else { spans };
                if gone > 0 {
                    let message = "exporter.spool.max_bytes is reached";
                    outage.dropped(DropReason::SpoolFull.name(), message, gone);
                }
                Some(match taken {
                    true => Outcome::kept(),
                    false => Outcome::dropped(spans, DropReason::SpoolFull),
                })
            }
            Err(error) => {
                outage.spool_failed(&error);
                None
            }
        }
    }

    /// The oldest requests, `most` of them at most. None: it is empty.
    pub(super) async fn next(self: &Arc<Self>, most: usize, outage: &Outage) -> Option<Vec<Entry>> {
        let this = Arc::clone(self);
        let next = self.on_disk(move |spool| {
            let entries: Vec<_> = spool.next(most)?.cloned().collect();
            if entries.is_empty() {
                this.progress.send_replace(Progress::Empty);
                this.metrics.active.set(0);
            }
            Ok(entries)
        });
        next.await
            .inspect_err(|error| outage.spool_failed(error))
            .ok()
    }

    /// Forgets the oldest requests, and counts what became of them.
    pub(super) async fn forget(self: &Arc<Self>, outcomes: Vec<Outcome>, outage: &Outage) {
        if outcomes.is_empty() {
            return;
        }
        let this = Arc::clone(self);
        let forgotten = self.on_disk(move |spool| {
            let mut result = Ok(());
            for outcome in outcomes {
                let popped = spool.pop();
                // What has given way meanwhile is counted as dropped already.
                if !matches!(popped, Ok(false)) {
                    this.totals.count(&outcome);
                    this.metrics.replayed.add(outcome.delivered);
                }
                result = result.and(popped.map(drop));
            }
            result
        });
        if let Err(error) = forgotten.await {
            outage.spool_failed(&error);
        }
    }

    /// The endpoint takes requests.
    pub(super) fn goes_on(&self) {
        self.goes(Progress::Sending);
    }

    /// The endpoint takes no requests for now, and none for as long as it asked for. `last`: the
    /// attempt was begun after the [end](Self::is_ending).
    pub(super) fn fails(&self, asked: Option<Duration>, last: bool) {
        // Before it shows: who waits for the end looks at both.
        self.rest.ask(asked);
        self.goes(if last {
            Progress::GivenUp
        } else {
            Progress::Failing
        });
    }

    fn goes(&self, progress: Progress) {
        self.progress.send_if_modified(|now| {
            let filled = *now != Progress::Empty;
            if filled {
                *now = progress;
            }
            filled
        });
    }

    /// Nothing should be sent from the spool for so long.
    pub(super) fn rest(&self, own: Duration, asked: Option<Duration>) {
        self.rest.begin(own, asked);
    }

    /// Waits for so long, and as the endpoint has asked.
    pub(super) async fn pause(&self, own: Duration) {
        self.rest.pause(own).await;
    }

    /// Waits until there is something to send, and may be sent.
    pub(super) async fn filled(&self) {
        self.until(|progress| progress != Progress::Empty).await;
        self.rest.over().await;
    }

    /// Whether no attempts will be made after the next one that fails.
    pub(super) fn is_ending(&self) -> bool {
        self.rest.is_hurried()
    }

    /// Waits until everything is sent, or until that fails: not as it did when it was tried last,
    /// but once more, unless the endpoint has asked for a longer wait.
    pub(super) async fn settled(&self) {
        self.rest.hurry();
        self.until(|progress| match progress {
            Progress::Empty | Progress::GivenUp => true,
            Progress::Sending | Progress::Failing => self.rest.is_asked_for(),
        })
        .await;
    }

    async fn until(&self, condition: impl Fn(Progress) -> bool) {
        let mut progress = self.progress.subscribe();
        // The other end is here: this does not fail.
        let _ = progress.wait_for(|now| condition(*now)).await;
    }

    /// The end: what is not delivered is kept.
    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Does this, unless the end comes first.
    pub(super) async fn unless_closing<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut closing = self.closing.subscribe();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => None,
            done = work => Some(done),
        }
    }

    /// With something in it, requests go here.
    fn begin(&self) {
        self.progress.send_if_modified(|now| {
            let empty = *now == Progress::Empty;
            if empty {
                self.metrics.active.set(1);
                *now = match self.rest.is_over() {
                    true => Progress::Sending,
                    false => Progress::Failing,
                };
            }
            empty
        });
    }

    /// One after the other, in the order in which they come here.
    async fn on_disk<T, F>(&self, work: F) -> Result<T, SpoolError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Spool) -> Result<T, SpoolError> + Send + 'static,
    {
        let mut spool = Arc::clone(&self.spool).lock_owned().await;
        let metrics = Arc::clone(&self.metrics);
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&mut spool);
            metrics.show(&spool);
            metrics.failures.add(u64::from(result.is_err()));
            result
        });
        done.await.unwrap_or_else(|error| {
            Err(SpoolError::Io {
                path: self.directory.clone(),
                source: io::Error::other(error),
            })
        })
    }
}

impl Metrics {
    fn new(totals: &Totals, registry: &Registry) -> Self {
        let counter = |name, unit, description| registry.counter(name, unit, description, &[]);
        Self {
            active: registry.gauge(
                "lanewire.exporter.spool.active",
                "1",
                "1 while requests go to the spool, and not directly to the endpoint.",
                &[],
            ),
            spans: totals.spooled(),
            bytes: registry.gauge(
                "lanewire.exporter.spool.bytes",
                "By",
                "Size of the files of the spool.",
                &[],
            ),
            kept: counter(
                "lanewire.exporter.spool.kept",
                "{span}",
                "Spans that were written to the spool.",
            ),
            replayed: counter(
                "lanewire.exporter.spool.replayed",
                "{span}",
                "Spans of the spool that were taken by the endpoint.",
            ),
            damaged: counter(
                "lanewire.exporter.spool.damaged",
                "By",
                "Bytes of the spool that could not be read back.",
            ),
            failures: counter(
                "lanewire.exporter.spool.failures",
                "{operation}",
                "Times that the disk of the spool failed, such as for lack of room.",
            ),
            full: totals.dropped(&DropReason::SpoolFull),
            lost: totals.dropped(&DropReason::SpoolDamaged),
        }
    }

    fn show(&self, spool: &Spool) {
        self.spans.set(spool.spans());
        self.bytes.set(spool.bytes());
        self.damaged.set_total(spool.damaged_bytes());
        self.lost.set_total(spool.lost_spans());
    }
}
