//! What the programs count.

use std::os::fd::OwnedFd;

use libbpf_rs::{MapCore, MapFlags, MapHandle};

use crate::skel::types::counter;
use crate::statistics::program_info;

/// What a counter counts: the name of its metric, and the value of its one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CounterKind {
    /// The metric.
    pub metric: &'static str,
    /// What the metric is.
    pub description: &'static str,
    /// The metric's attribute, and this counter's value of it.
    pub attribute: (&'static str, &'static str),
}

/// Each metric once, with its description.
const METRICS: &[(&str, &str)] = &[
    (
        "lanewire.option.contexts",
        "Contexts on their way into TCP options",
    ),
    (
        "lanewire.option.received",
        "TCP options with contexts that arrived",
    ),
    (
        "lanewire.visits",
        "Requests that were received, by how their parent was found",
    ),
    (
        "lanewire.invocations",
        "Requests that were sent, by how their parent was found",
    ),
    (
        "lanewire.invocations.refused",
        "Requests that were sent for no visit and not traced",
    ),
    (
        "lanewire.exchanges.unsampled",
        "Exchanges that were followed but not recorded",
    ),
    (
        "lanewire.belief",
        "Replies while visits overlapped: was the thread's visit the one answered?",
    ),
    (
        "lanewire.belief.lost",
        "Processes whose threads are no longer believed",
    ),
    (
        "lanewire.tls.connections",
        "Connections with TLS whose records are followed, and those of them that got lost",
    ),
    (
        "lanewire.runtimes.probes",
        "Times that the uprobes of a runtime were hit",
    ),
    (
        "lanewire.runtimes.lost",
        "Processes whose runtime was not what it seemed to be: their workers are threads now",
    ),
    (
        "lanewire.kernel.dropped",
        "What the programs had to leave out",
    ),
    (
        "lanewire.traceparent.refused",
        "traceparent headers that were not continued",
    ),
    (
        "lanewire.baggage.read",
        "Requests that have a baggage tuple, besides those that came with its index",
    ),
    (
        "lanewire.baggage.refused",
        "Requests that say more of their baggage than is taken",
    ),
];

const fn description(metric: &str) -> &'static str {
    let mut i = 0;
    while i < METRICS.len() {
        if same(METRICS[i].0.as_bytes(), metric.as_bytes()) {
            return METRICS[i].1;
        }
        i += 1;
    }
    panic!("a metric without a description")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

macro_rules! counters {
    ($($c:ident $metric:literal $key:literal = $value:literal)*) => {
        const KINDS: &[(counter, CounterKind)] = &[
            $((counter::$c, CounterKind {
                metric: $metric,
                description: description($metric),
                attribute: ($key, $value),
            }),)*
        ];
    };
}

counters! {
    COUNT_SCHEDULED "lanewire.option.contexts" "state" = "scheduled"
    COUNT_RESERVED "lanewire.option.contexts" "state" = "reserved"
    COUNT_WRITTEN "lanewire.option.contexts" "state" = "written"
    COUNT_ACKNOWLEDGED "lanewire.option.contexts" "state" = "acknowledged"
    COUNT_NO_SPACE "lanewire.option.contexts" "state" = "no_space"
    COUNT_OVERSIZE "lanewire.option.contexts" "state" = "oversize"
    COUNT_STORE_FAILED "lanewire.option.contexts" "state" = "store_failed"
    COUNT_SUPERSEDED "lanewire.option.contexts" "state" = "superseded"
    COUNT_RETRANSMITTED "lanewire.option.contexts" "state" = "retransmitted"
    COUNT_PATH_SUSPECT "lanewire.option.contexts" "state" = "path_suspect"
    COUNT_PARSED "lanewire.option.received" "outcome" = "parsed"
    COUNT_DUPLICATE "lanewire.option.received" "outcome" = "duplicate"
    COUNT_FOREIGN "lanewire.option.received" "outcome" = "foreign"
    COUNT_MALFORMED "lanewire.option.received" "outcome" = "malformed"
    COUNT_UNTRUSTED "lanewire.option.received" "outcome" = "untrusted"
    COUNT_INBOUND_FULL "lanewire.option.received" "outcome" = "queue_full"
    COUNT_HANDSHAKE "lanewire.option.received" "outcome" = "handshake"
    COUNT_VISIT_WIRE "lanewire.visits" "parent" = "wire"
    COUNT_VISIT_HEADER "lanewire.visits" "parent" = "header"
    COUNT_VISIT_INGRESS "lanewire.visits" "parent" = "none:ingress"
    COUNT_VISIT_REFUSED "lanewire.visits" "parent" = "none:refused"
    COUNT_EDGE_WORKER "lanewire.invocations" "parent" = "worker"
    COUNT_EDGE_CONNECT "lanewire.invocations" "parent" = "connect"
    COUNT_EDGE_INHERITED "lanewire.invocations" "parent" = "inherited"
    COUNT_EDGE_IDLE "lanewire.invocations" "parent" = "none:idle"
    COUNT_EDGE_ENDED "lanewire.invocations" "parent" = "none:ended"
    COUNT_EDGE_UNBELIEVED "lanewire.invocations" "parent" = "none:unbelieved"
    COUNT_EDGE_OPENER "lanewire.invocations" "parent" = "none:opener"
    COUNT_EDGE_POOLED "lanewire.invocations" "parent" = "none:pooled"
    COUNT_EDGE_UNKNOWN "lanewire.invocations" "parent" = "none:unknown"
    COUNT_EDGE_REFUSED "lanewire.invocations.refused" "reason" = "no_visit"
    COUNT_UNSAMPLED "lanewire.exchanges.unsampled" "reason" = "sampling"
    COUNT_AGREEMENT "lanewire.belief" "reply" = "agreed"
    COUNT_DISAGREEMENT "lanewire.belief" "reply" = "disagreed"
    COUNT_BELIEF_LOST "lanewire.belief.lost" "unit" = "process"
    COUNT_TLS "lanewire.tls.connections" "state" = "recognised"
    COUNT_TLS_LOST "lanewire.tls.connections" "state" = "lost"
    COUNT_PROBE_GO "lanewire.runtimes.probes" "runtime" = "go"
    COUNT_PROBE_PYTHON "lanewire.runtimes.probes" "runtime" = "python"
    COUNT_RUNTIME_UNREADABLE "lanewire.runtimes.lost" "reason" = "unreadable"
    COUNT_RUNTIME_DISAGREES "lanewire.runtimes.lost" "reason" = "disagrees"
    COUNT_RUNTIME_FULL "lanewire.kernel.dropped" "reason" = "runtime_full"
    COUNT_RECORD_DROPPED "lanewire.kernel.dropped" "reason" = "ring_full"
    COUNT_HEAD_UNREADABLE "lanewire.kernel.dropped" "reason" = "head_unreadable"
    COUNT_HEAD_EVICTED "lanewire.kernel.dropped" "reason" = "head_evicted"
    COUNT_PIPELINE_FULL "lanewire.kernel.dropped" "reason" = "pipeline_full"
    COUNT_VISIT_EVICTED "lanewire.kernel.dropped" "reason" = "visit_evicted"
    COUNT_PROCESS_FULL "lanewire.kernel.dropped" "reason" = "process_full"
    COUNT_STORAGE_FAILED "lanewire.kernel.dropped" "reason" = "no_memory"
    COUNT_TRACEPARENT_UNTRUSTED "lanewire.traceparent.refused" "reason" = "untrusted"
    COUNT_TRACEPARENT_MALFORMED "lanewire.traceparent.refused" "reason" = "malformed"
    COUNT_BAGGAGE_HEADER "lanewire.baggage.read" "from" = "header"
    COUNT_BAGGAGE_INGRESS "lanewire.baggage.read" "from" = "ingress_rule"
    COUNT_BAGGAGE_COMPLEX "lanewire.baggage.refused" "reason" = "complex"
    COUNT_BAGGAGE_UNTRUSTED "lanewire.baggage.refused" "reason" = "untrusted"
    COUNT_BAGGAGE_WITHHELD "lanewire.baggage.refused" "reason" = "ingress_rule_withheld"
}

/// The kernel leaves out a run of a tracing program while another thread is in it on the same CPU,
/// and keeps count of that itself. An upper bound of what was missed: reads are followed by two
/// programs where this can happen.
const SKIPPED: CounterKind = CounterKind {
    metric: "lanewire.kernel.dropped",
    description: description("lanewire.kernel.dropped"),
    attribute: ("reason", "run_skipped"),
};

/// A handle on the counters of attached programs; may be used from any thread.
#[derive(Debug)]
pub struct Counters {
    map: MapHandle,
    tracing: Vec<OwnedFd>,
}

impl Counters {
    /// Takes the map, and the tracing programs.
    pub(crate) fn new(map: MapHandle, tracing: Vec<OwnedFd>) -> Counters {
        Counters { map, tracing }
    }

    /// All counters, added up over the processors, since the programs were loaded.
    ///
    /// # Errors
    /// If the kernel refuses to read the map, or to tell of the programs.
    pub fn read(&self) -> Result<Vec<(CounterKind, u64)>, libbpf_rs::Error> {
        let skipped = self.tracing.iter().map(skipped_runs);
        let skipped = skipped.sum::<Result<u64, _>>();
        KINDS
            .iter()
            .map(|(which, kind)| Ok((*kind, self.one(*which)?)))
            .chain([skipped.map(|n| (SKIPPED, n))])
            .collect()
    }

    /// How many records were lost because the ring buffer was full.
    ///
    /// # Errors
    /// If the kernel refuses to read the map.
    pub fn records_dropped(&self) -> Result<u64, libbpf_rs::Error> {
        self.one(counter::COUNT_RECORD_DROPPED)
    }

    fn one(&self, which: counter) -> Result<u64, libbpf_rs::Error> {
        let per_cpu = self
            .map
            .lookup_percpu(&which.0.to_ne_bytes(), MapFlags::ANY)?;
        Ok(per_cpu
            .into_iter()
            .flatten()
            .filter_map(|v| v.first_chunk().map(|v| u64::from_ne_bytes(*v)))
            .sum())
    }
}

fn skipped_runs(program: &OwnedFd) -> Result<u64, libbpf_rs::Error> {
    Ok(program_info(program)?.recursion_misses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_of_the_programs_is_exported_once() {
        let exported: Vec<u32> = KINDS.iter().map(|(which, _)| which.0).collect();
        assert_eq!(exported, (0..counter::COUNTERS.0).collect::<Vec<_>>());
        let mut kinds: Vec<_> = KINDS
            .iter()
            .map(|(_, k)| (k.metric, k.attribute.1))
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), KINDS.len());
    }
}
