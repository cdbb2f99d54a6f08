//! The counters of outcomes.

use super::{DropReason, Outcome};
use crate::telemetry::{Counter, Gauge, Registry};

const DROPPED: &str = "lanewire.exporter.spans.dropped";
const SPOOLED: &str = "lanewire.exporter.spool.spans";

/// What became of all spans so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Taken by the sink's endpoint.
    pub sent: u64,
    /// Rejected by the endpoint in a partial success.
    pub rejected: u64,
    /// Dropped, for whatever reason.
    pub dropped: u64,
    /// In the spool: they will be sent, by the next agent if this one has ended. With them the
    /// numbers add up to the spans that were pushed and those that were in the spool at the start.
    pub spooled: u64,
}

/// The counters of outcomes. Those with one registry are the same.
#[derive(Debug)]
pub(crate) struct Totals {
    registry: Registry,
    sent: Counter,
    rejected: Counter,
}

impl Totals {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            sent: registry.counter(
                "lanewire.exporter.spans.sent",
                "{span}",
                "Spans taken by the endpoint.",
                &[],
            ),
            rejected: registry.counter(
                "lanewire.exporter.spans.rejected",
                "{span}",
                "Spans the endpoint rejected in a partial success.",
                &[],
            ),
        }
    }

    pub(crate) fn dropped(&self, reason: &DropReason) -> Counter {
        let labels = [("reason", reason.name())];
        self.registry
            .counter(DROPPED, "{span}", "Spans dropped, by reason.", &labels)
    }

    /// How many spans are in the spool.
    pub(crate) fn spooled(&self) -> Gauge {
        let description = "Spans in the spool.";
        self.registry.gauge(SPOOLED, "{span}", description, &[])
    }

    pub(crate) fn count(&self, outcome: &Outcome) {
        self.sent.add(outcome.delivered);
        self.rejected.add(outcome.rejected);
        if let Some((spans, reason)) = &outcome.dropped {
            self.dropped(reason).add(*spans);
        }
    }

    pub(crate) fn summary(&self) -> Summary {
        let samples = self.registry.snapshot();
        let of = |name| {
            let named = samples.iter().filter(move |sample| sample.name == name);
            named.map(|sample| sample.value).sum()
        };
        Summary {
            sent: self.sent.get(),
            rejected: self.rejected.get(),
            dropped: of(DROPPED),
            spooled: of(SPOOLED),
        }
    }
}
