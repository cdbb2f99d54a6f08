/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Everything that happens to a context or a record is counted here, per CPU, and exported. */
#pragma once

enum counter {
	/* the option, sending */
	COUNT_SCHEDULED,    /* contexts that waited to be written */
	COUNT_RESERVED,	    /* room was made for the option in a segment */
	COUNT_WRITTEN,	    /* the option was stored, retransmissions not included */
	COUNT_ACKNOWLEDGED, /* the peer has the segment that carried it */
	COUNT_NO_SPACE,	    /* no room beside other options: kept for the next segment */
	COUNT_OVERSIZE,	    /* the segment had no room below the MSS: left off (size guard) */
	COUNT_STORE_FAILED,
	COUNT_SUPERSEDED, /* never written: answered, closed or outrun by another context before */
	COUNT_RETRANSMITTED, /* written again */
	COUNT_PATH_SUSPECT,  /* peers towards which the option is left off */
	/* the option, receiving */
	COUNT_PARSED,	 /* contexts taken */
	COUNT_DUPLICATE, /* the same context on another segment */
	COUNT_FOREIGN,	 /* kind 253 with somebody else's ExID, or none of ours */
	COUNT_MALFORMED,
	COUNT_UNTRUSTED,    /* from a peer outside trust.from */
	COUNT_INBOUND_FULL, /* more contexts waited on one connection than fit */
	/* correlation: what opened, by how its parent was found */
	COUNT_VISIT_WIRE,
	COUNT_VISIT_HEADER,
	COUNT_VISIT_INGRESS,
	COUNT_VISIT_REFUSED, /* no context, and the ingress rules take no new trace here */
	COUNT_EDGE_WORKER,
	COUNT_EDGE_CONNECT,
	COUNT_EDGE_INHERITED,
	COUNT_EDGE_IDLE,
	COUNT_EDGE_ENDED,
	COUNT_EDGE_UNBELIEVED,
	COUNT_EDGE_OPENER,
	COUNT_EDGE_POOLED,
	COUNT_EDGE_UNKNOWN,
	COUNT_EDGE_REFUSED, /* no visit, and processes may not originate */
	COUNT_UNSAMPLED,    /* exchanges that were followed, but not recorded */
	COUNT_AGREEMENT,    /* R15 */
	COUNT_DISAGREEMENT, /* R15 */
	COUNT_BELIEF_LOST,  /* processes whose threads are no longer believed */
	/* runtimes */
	COUNT_PROBE_GO, /* times that a uprobe was hit */
	COUNT_PROBE_PYTHON,
	COUNT_RUNTIME_UNREADABLE, /* processes whose runtime is not believed any more, by why */
	COUNT_RUNTIME_DISAGREES,
	COUNT_RUNTIME_FULL, /* forked processes that have to do without their creator's */
	/* limits */
	COUNT_RECORD_DROPPED,  /* the ring buffer was full */
	COUNT_HEAD_UNREADABLE, /* the payload was not in memory, or not in a plain buffer */
	COUNT_HEAD_EVICTED,    /* more heads were being read in pieces than are remembered */
	COUNT_PIPELINE_FULL,   /* more exchanges in flight on one connection than are followed */
	COUNT_VISIT_EVICTED,   /* more open visits than are remembered */
	COUNT_PROCESS_FULL,
	COUNT_STORAGE_FAILED,	     /* no memory for a flow's or worker's state */
	COUNT_TRACEPARENT_UNTRUSTED, /* became a link */
	COUNT_TRACEPARENT_MALFORMED,
	/* baggage tuples */
	COUNT_BAGGAGE_HEADER,  /* read from a request's head */
	COUNT_BAGGAGE_INGRESS, /* the ingress rule's own */
	COUNT_BAGGAGE_COMPLEX, /* the head says more of it than is understood here: none */
	COUNT_BAGGAGE_UNTRUSTED, /* requests whose keys, or some, were left out: from a peer outside trust.from */
	COUNT_BAGGAGE_WITHHELD, /* the ingress rule's own: what the head says is not known */
	COUNTERS,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void count(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &which);
	if (n)
		(*n)++;
}
