/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* R8: a connection ends with exchanges open. */
#pragma once

struct ending {
	struct flow *f;
	struct tcp_sock *tp;
	struct progress progress;
};

static long exchange_failed(__u32 i, struct ending *c)
{
	struct flow *f = c->f;
	if (!f->in_flight)
		return 1;
	struct exchange *e = flow_exchange(f, 0);
	if (e->state == EXCHANGE_OPEN && e->context.span_id) {
		if (c->progress.end < e->start)
			c->progress.end = e->start;
		struct process *p = process_by_pid(e->pid);
		if (!f->tls.farewell)
			emit_exchange(f, e, c->tp, &c->progress, p);
		if (f->role == ROLE_PASSIVE) {
			visit_ended(e->context.span_id);
			process_visit_ended(p);
		}
	}
	flow_pop(f);
	return 0;
}

static __noinline void closed(struct flow *f, struct tcp_sock *tp)
{
	int error = tcp_to_sock(tp)->sk_err;
	struct ending c = {.f = f, .tp = tp};
	/* Whoever has only shut down its sending half still waits for the reply. */
	bool abandoned = f->closing && !tcp_to_sock(tp)->sk_socket;
	c.progress.end = abandoned ? f->closing : bpf_ktime_get_ns();
	c.progress.sent = flow_sent(f, tp);
	c.progress.received = f->copied_seq;
	c.progress.error = error ? error : EXCHANGE_CLOSED;
	/* The reply has come, behind it the other half's FIN; who waits for it reads it later. */
	if (f->role == ROLE_ACTIVE && !abandoned && f->closing && !error &&
	    before(f->copied_seq, tp->rcv_nxt - 1)) {
		c.progress.received = tp->rcv_nxt - 1;
		c.progress.replied = c.progress.end;
		c.progress.error = 0;
	}
	path_judged(f, tp);
	if (f->pooled)
		pool_left(f, tp);
	tls_closed(f, &c.progress);
	if (!f->in_flight)
		emit_settled(f, tp, f->copied_seq);
	if (f->role == ROLE_PASSIVE && f->in_flight &&
	    flow_exchange(f, 0)->state == EXCHANGE_GATHERING)
		visit_open_early(f, flow_exchange(f, 0), tp, NULL);
	bpf_loop(EXCHANGES, exchange_failed, &c, 0);
	f->role = ROLE_IGNORED;
}

static __always_inline void state_changed(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					  struct flow *f)
{
	__u32 to = ctx->args[1];
	if (to == BPF_TCP_FIN_WAIT1 || to == BPF_TCP_LAST_ACK)
		f->closing = bpf_ktime_get_ns();
	if (to != BPF_TCP_CLOSE || f->role == ROLE_IGNORED)
		return;
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	if (tp)
		closed(f, tp);
}
