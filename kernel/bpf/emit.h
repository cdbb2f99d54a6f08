/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Points and edges on their way to user space, and what is said when they go on (R5). */
#pragma once

/* Bytes and times so far; the base numbers are those of the exchange. */
struct progress {
	__u64 replied, end;
	__u32 sent, received; /* sequence numbers up to which this end has sent and read */
	__u32 tid;
	__u16 error;
};

static __always_inline void emit_exchange(struct flow *f, const struct exchange *e,
					  const struct tcp_sock *tp, const struct progress *p,
					  const struct process *process)
{
	struct reported *last = &f->reported;
	last->trace_hi = e->context.trace_hi;
	last->trace_lo = e->context.trace_lo;
	last->span_id = e->context.span_id;
	last->start = e->start;
	last->end = p->end;
	last->bytes_sent = p->sent - e->sent_base;
	last->bytes_received = p->received - e->received_base;
	last->sent_base = e->sent_base;
	last->received_base = e->received_base;
	last->pid = e->pid;
	last->sampled = e->context.flags & FLAG_SAMPLED;
	if (!last->sampled) {
		count(COUNT_UNSAMPLED);
		return;
	}

	struct exchange_record *r = ring_reserve(sizeof(*r));
	if (!r)
		return;
	const struct sock *sk = tcp_to_sock(tp);
	r->kind = f->role == ROLE_PASSIVE ? RECORD_POINT : RECORD_EDGE;
	r->pid = e->pid;
	r->context = e->context;
	r->parent_id = e->parent_id;
	r->link_hi = e->link_hi;
	r->link_lo = e->link_lo;
	r->link_id = e->link_id;
	r->cookie = f->cookie;
	r->netns = f->netns;
	r->arrived = e->arrived;
	r->start = e->start;
	r->replied = p->replied;
	r->end = p->end;
	r->bytes_received = last->bytes_received;
	r->bytes_sent = last->bytes_sent;
	r->first_tid = e->tid;
	r->last_tid = p->tid;
	r->srtt_us = tp->srtt_us >> 3;
	r->rttvar_us = tp->mdev_us >> 2;
	r->snd_cwnd = tp->snd_cwnd;
	r->retransmits = tp->total_retrans;
	flow_addresses(sk, r->local, r->remote);
	r->local_port = sk->__sk_common.skc_num;
	r->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	r->error = p->error;
	r->parent_kind = e->parent_kind;
	r->no_parent = e->no_parent;
	r->reads_requests = e->reads_requests;
	r->trusted = e->trusted;
	r->exact = !key_is_thread(e->worker) || !runtime_is_threads(e->pid);
	r->tls = f->tls.state == TLS_ON ? f->tls.version : 0;
	__builtin_memset(r->pad2, 0, sizeof(r->pad2));
	if (process) {
		r->cgroup = process->cgroup;
		__builtin_memcpy(r->comm, process->comm, sizeof(r->comm));
	} else {
		r->cgroup = 0;
		__builtin_memset(r->comm, 0, sizeof(r->comm));
	}
	ring_submit(r);
}

/* R5: only when the end or the bytes have moved by more than an eighth, so that a stream costs a
 * logarithmic number of records. */
static __always_inline void emit_extend(struct flow *f, __u32 sent, __u32 received, __u64 now)
{
	struct reported *last = &f->reported;
	if (!last->sampled)
		return;
	/* Sequence numbers wrap at 4 GiB; between two records no more than that goes by. */
	__u64 bytes_sent =
		last->bytes_sent + (__u32)(sent - last->sent_base - (__u32)last->bytes_sent);
	__u64 bytes_received = last->bytes_received + (__u32)(received - last->received_base -
							      (__u32)last->bytes_received);
	__u64 bytes = last->bytes_sent + last->bytes_received;
	if (now - last->end <= (last->end - last->start) >> 3 &&
	    bytes_sent + bytes_received - bytes <= bytes >> 3)
		return;
	struct extend_record *r = ring_reserve(sizeof(*r));
	if (!r)
		return;
	last->end = now;
	last->bytes_sent = bytes_sent;
	last->bytes_received = bytes_received;
	r->kind = RECORD_EXTEND;
	r->pid = last->pid;
	r->trace_hi = last->trace_hi;
	r->trace_lo = last->trace_lo;
	r->span_id = last->span_id;
	r->end = now;
	r->bytes_received = bytes_received;
	r->bytes_sent = bytes_sent;
	ring_submit(r);
}

/* Nothing more comes: what the program announced, or did not, is now known exactly. */
static __always_inline void emit_settled(struct flow *f, const struct tcp_sock *tp, __u32 received)
{
	if (f->reported.span_id)
		emit_extend(f, flow_sent(f, tp), received, f->reported.end);
}
