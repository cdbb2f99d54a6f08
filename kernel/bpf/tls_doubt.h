/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* R10: the first records of a TLS 1.3 server may be session tickets as well as its reply. Nothing
 * tells the two apart, so what they would do is put off: such a record becomes the reply if there is
 * nothing more of it before the next request, or the end of the connection. */
#pragma once

enum tls_doubt {
	TLS_NO_DOUBT = 0,
	TLS_LIKELY = 1,
	TLS_UNLIKELY = 2, /* active: the server did not have the whole request yet */
};

/* How long a worker that may just have replied is believed to work on. */
#define TLS_GRACE_NS 100000000ULL

static __always_inline void tls_doubted(struct tls *t, enum tls_doubt doubt, __u32 from, __u32 end,
					__u32 tid, __u64 now)
{
	if (!t->doubt)
		t->doubt_from = from;
	t->doubt = doubt;
	t->doubt_end = end;
	t->doubt_time = now;
	t->doubt_tid = tid;
}

/* Passive: a send by the worker that has read the request, and has done nothing for it so far, may be
 * a ticket. */
static __always_inline bool tls_reply_doubtful(struct flow *f, const struct worker *w, __u64 key)
{
	const struct exchange *e = flow_exchange(f, 0);
	return f->in_flight && e->state == EXCHANGE_OPEN && e->context.span_id &&
	       keys_agree(e->worker, key) && w && w->visit.span_id == e->context.span_id &&
	       !w->acted;
}

static __always_inline void tls_reply_doubted(struct flow *f, struct worker *w, __u32 from,
					      __u32 end, __u32 tid, __u64 now)
{
	tls_doubted(&f->tls, TLS_LIKELY, from, end, tid, now);
	__u64 since = now + TLS_GRACE_NS - visit_age_ns;
	if (visit_age_ns < now && since < w->since)
		w->since = since;
}

/* It was the reply: what it was put off for is about to happen. */
static __always_inline void tls_progress(const struct tls *t, struct progress *p)
{
	p->replied = p->end = t->doubt_time;
	p->tid = t->doubt_tid;
	p->error = 0;
}

static __noinline void tls_visit_was_answered(struct flow *f, const struct tcp_sock *tp,
					      __u32 received)
{
	struct progress progress = {.sent = f->tls.doubt_end, .received = received};
	struct exchange *e = flow_exchange(f, 0);
	struct process *p = process_by_pid(e->pid);
	tls_progress(&f->tls, &progress);
	f->tls.doubt = f->tls.tickets = 0;
	e->sent_base = f->tls.doubt_from;
	emit_exchange(f, e, tp, &progress, p);
	visit_ended(e->context.span_id);
	process_visit_ended(p);
	flow_pop(f);
	f->phase = PHASE_REPLY;
}

static __noinline void tls_invocation_was_answered(struct flow *f, const struct tcp_sock *tp)
{
	struct progress progress = {.sent = flow_sent(f, tp), .received = f->tls.doubt_end};
	struct exchange *e = flow_exchange(f, 0);
	tls_progress(&f->tls, &progress);
	f->tls.doubt = f->tls.tickets = 0;
	if (f->pooled)
		f->reported.pooled = pool_free(f, tp);
	e->received_base = f->tls.doubt_from;
	if (e->context.span_id)
		emit_exchange(f, e, tp, &progress, process_by_pid(e->pid));
	flow_pop(f);
	f->phase = PHASE_REPLY;
}

/* R8: the connection ends. */
static __always_inline void tls_closed(struct flow *f, struct progress *p)
{
	const struct tls *t = &f->tls;
	struct exchange *e = flow_exchange(f, 0);
	if (t->doubt != TLS_LIKELY || !f->in_flight)
		return;
	tls_progress(t, p);
	if (f->role == ROLE_PASSIVE) {
		e->sent_base = t->doubt_from;
		p->sent = t->doubt_end;
	} else {
		e->received_base = t->doubt_from;
		p->received = t->doubt_end;
	}
}
