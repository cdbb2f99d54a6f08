//! The counters of the programs and of the assembler, on their way to the agent's own telemetry.

use anyhow::Context;
use lanewire_kernel::Counters;
use lanewire_mapping::assemble::Counters as Assembled;
use lanewire_mapping::map::ContextReader;

use crate::telemetry::Registry;

/// Keeps the registry up to date.
pub(super) struct Metrics {
    registry: Registry,
    kernel: Counters,
}

impl Metrics {
    pub(super) fn new(registry: &Registry, kernel: Counters) -> Metrics {
        Metrics {
            registry: registry.clone(),
            kernel,
        }
    }

    /// Records that found the ring buffer full.
    pub(super) fn records_dropped(&self) -> anyhow::Result<u64> {
        self.kernel
            .records_dropped()
            .context("reading the programs' counters")
    }

    pub(super) fn update(
        &mut self,
        assembled: &Assembled,
        context: &dyn ContextReader,
        malformed: u64,
    ) -> anyhow::Result<()> {
        for (kind, total) in self
            .kernel
            .read()
            .context("reading the programs' counters")?
        {
            let (key, value) = kind.attribute;
            self.registry
                .counter(kind.metric, "1", kind.description, &[(key, value)])
                .set_total(total);
        }
        for (event, total) in assembled.iter() {
            self.registry
                .counter(
                    "lanewire.assembler.events",
                    "1",
                    "What became of records on their way to spans",
                    &[("event", event)],
                )
                .set_total(total);
        }
        for (reason, total) in context.counters() {
            self.registry
                .counter(
                    "lanewire.propagation.discarded",
                    "1",
                    "Propagated context that was not taken over, by reason",
                    &[("reason", reason)],
                )
                .set_total(total);
        }
        for (state, tuples) in context.tuples() {
            self.registry
                .gauge(
                    "lanewire.baggage.tuples",
                    "{tuple}",
                    "Values of unit and lane that an index stands for, by how they are known",
                    &[("state", state)],
                )
                .set(tuples);
        }
        self.registry
            .counter(
                "lanewire.records.malformed",
                "{record}",
                "Records of the programs that could not be read",
                &[],
            )
            .set_total(malformed);
        Ok(())
    }
}
