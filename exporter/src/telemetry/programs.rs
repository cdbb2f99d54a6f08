//! What the kernel says of the programs and their maps, among the agent's own metrics.

use std::sync::Arc;
use std::time::Duration;

use lanewire_kernel::Statistics;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::Registry;

/// Maps are counted by walking through them: a few milliseconds when they are full.
const INTERVAL: Duration = Duration::from_secs(10);

/// Keeps the metrics up to date until it is dropped.
#[derive(Debug)]
pub struct ProgramMetrics(JoinHandle<()>);

impl Drop for ProgramMetrics {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ProgramMetrics {
    /// Must be called inside a tokio runtime.
    pub fn start(statistics: Statistics, registry: &Registry) -> Self {
        let (statistics, registry) = (Arc::new(statistics), registry.clone());
        Self(tokio::spawn(async move {
            let mut interval = tokio::time::interval(INTERVAL);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                let (statistics, registry) = (Arc::clone(&statistics), registry.clone());
                let updated = tokio::task::spawn_blocking(move || update(&statistics, &registry));
                if let Ok(Err(error)) = updated.await {
                    tracing::warn!("cannot ask the kernel for the programs' statistics: {error}");
                    return;
                }
            }
        }))
    }
}

fn update(statistics: &Statistics, registry: &Registry) -> anyhow::Result<()> {
    for program in statistics.programs()? {
        // Nobody has had the kernel count: no number is better than none.
        if program.runs == 0 {
            continue;
        }
        let labels = [("program", program.program)];
        registry
            .counter(
                "lanewire.program.runs",
                "{run}",
                "Runs of the programs while the kernel counted them (kernel.bpf_stats_enabled)",
                &labels,
            )
            .set_total(program.runs);
        registry
            .counter(
                "lanewire.program.time",
                "ns",
                "Processor time of these runs",
                &labels,
            )
            .set_total(program.time.as_nanos().try_into().unwrap_or(u64::MAX));
    }
    for map in statistics.maps()? {
        let labels = [("map", map.map)];
        registry
            .gauge(
                "lanewire.map.entries",
                "{entry}",
                "Entries of the programs' maps, where they come and go",
                &labels,
            )
            .set(map.entries);
        registry
            .gauge(
                "lanewire.map.limit",
                "{entry}",
                "Entries that fit into these maps",
                &labels,
            )
            .set(map.limit);
    }
    Ok(())
}
