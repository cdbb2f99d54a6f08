/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* R10: what a send or read on a TLS connection is to the rules. */
#pragma once

/* The client's Finished has been sent, or read. Nothing comes of itself between the server's and the
 * client's but tickets. */
static __always_inline void tls_handshake_done(struct flow *f, const struct tcp_sock *tp)
{
	struct tls *t = &f->tls;
	t->hushed = 0;
	if (f->role != ROLE_ACTIVE || t->client != TLS_OPEN_13)
		return;
	tls_opened(t, before(t->in.next, tp->rcv_nxt));
	tls_quiet(t, tp->rcv_nxt);
}

/* Nothing but alerts so far? Such a request is none if the connection ends behind it. */
static __always_inline void tls_farewell(struct flow *f, const struct tls_walk *w)
{
	if (w->says == TLS_DATA || f->phase != PHASE_REQUEST)
		f->tls.farewell = w->says == TLS_DOUBT;
}

/* More of a request that what was read in between did not answer? */
static __always_inline bool tls_request_goes_on(const struct flow *f, const struct sending *s)
{
	return s->continued || f->tls.full || f->tls.doubt == TLS_UNLIKELY;
}

static __always_inline int tls_request_sent(struct flow *f, struct sending *s,
					    const struct tls_walk *w)
{
	struct tls *t = &f->tls;
	if (w->says == TLS_NOTHING)
		return 0;
	s->from = w->from;
	if (t->doubt && !tls_request_goes_on(f, s))
		tls_invocation_was_answered(f, s->tp);
	t->doubt = 0;
	tls_farewell(f, w);
	if (t->tickets && f->phase != PHASE_REQUEST)
		tls_quiet(t, s->tp->rcv_nxt);
	return 1;
}

static __always_inline int tls_reply_sent(struct flow *f, struct sending *s,
					  const struct tls_walk *w)
{
	struct tls *t = &f->tls;
	if (w->says == TLS_NOTHING)
		return 0;
	s->from = w->from;
	if (w->says == TLS_DOUBT) {
		/* Not asked for. */
		if (f->phase != PHASE_REQUEST)
			return 0;
		struct worker *worker = worker_find(s->task, s->worker);
		if (tls_reply_doubtful(f, worker, s->worker)) {
			tls_reply_doubted(f, worker, w->from, s->end, s->task->pid, s->now);
			return 0;
		}
		t->tickets = 0;
	}
	t->doubt = 0;
	return 1;
}

/* The hook is called again while a call waits for room, and when it lets go of the socket. Another one
 * may have the same buffer, but what is encrypted differs. */
static __always_inline void tls_send_begins(struct tls *t, const struct payload *p, __u32 at)
{
	__u64 begins[2] = {}, buffer = p->address ^ (__u64)p->total << 32;
	__u32 length = p->length < sizeof(begins) ? 6 : sizeof(begins);
	if (p->length >= 6 && bpf_probe_read_user(begins, length, (void *)p->address))
		begins[0] = begins[1] = 0;
	if (buffer == t->buffer && begins[0] == t->begins[0] && begins[1] == t->begins[1] &&
	    before(t->base, at) && !before(t->base + p->total, at))
		return;
	t->base = at;
	t->buffer = buffer;
	t->begins[0] = begins[0];
	t->begins[1] = begins[1];
}

/* Is there anything for the rules in what is about to be sent? It begins at s->from, then. */
static __noinline int tls_sent(struct flow *f, struct sending *s)
{
	struct tls *t = &f->tls;
	const struct payload *p = &s->payload;
	__u32 at = s->tp->write_seq;
	bool active = f->role == ROLE_ACTIVE;
	if (t->state == TLS_UNKNOWN &&
	    (!active || !s->begins || !tls_begins(f, p->address, p->length, at, s->tp->copied_seq)))
		return 1;

	tls_send_begins(t, p, at);
	struct tls_walk w = {
		.first = at,
		.out = 1,
		.begin = t->base,
		.end = t->base + (1U << 30),
		.address = p->address,
		.length = p->length,
		.lost = !p->address,
	};
	if (p->buffers > 1) {
		w.iovec = p->iovec;
		w.buffers = p->buffers;
		w.length = 0;
	}
	bool open = t->client >= TLS_OPEN_12;
	if (!w.lost)
		tls_walk(f, &w);
	if (w.lost) {
		tls_lost(f);
		return 1;
	}
	if (active) {
		if (!open && t->client >= TLS_OPEN_12)
			tls_handshake_done(f, s->tp);
		return tls_request_sent(f, s, &w);
	}
	if (!t->served) {
		t->served = 1;
		tls_quiet(t, s->tp->rcv_nxt);
	}
	return tls_reply_sent(f, s, &w);
}

/* Contexts that came with a handshake, from an end that took it for exchanges: theirs is not the
 * request that begins here. */
static long tls_context_passed(__u32 i, struct receiving *r)
{
	struct flow *f = r->flow;
	if (f->in_flight < 2)
		return 1;
	const struct exchange *first = flow_exchange(f, 0), *next = flow_exchange(f, 1);
	if (first->state != EXCHANGE_ARRIVED || next->state != EXCHANGE_ARRIVED ||
	    before(r->from, next->seq))
		return 1;
	flow_pop(f);
	count(COUNT_HANDSHAKE);
	return 0;
}

/* More of the request, behind what may have been its reply? A client that is traced would have said
 * of another request whose it is, and none begins one before it has the reply. */
static __always_inline bool tls_visit_goes_on(struct flow *f, const struct receiving *r)
{
	const struct exchange *e = flow_exchange(f, 0), *next = flow_exchange(f, 1);
	bool another = f->in_flight > 1 && next->state == EXCHANGE_ARRIVED &&
		       before(next->seq, r->tp->copied_seq);
	if (another)
		return false;
	return e->parent_kind == PARENT_WIRE || f->tls.full ||
	       before(r->tp->snd_una, f->tls.doubt_end);
}

static __always_inline int tls_request_read(struct flow *f, struct receiving *r,
					    const struct tls_walk *w)
{
	struct tls *t = &f->tls;
	if (w->says == TLS_NOTHING)
		return 0;
	r->from = w->from;
	/* Tickets are sent before anything else is read. */
	if (t->client == TLS_OPEN_13 && !t->fresh)
		t->tickets = 0;
	if (t->doubt && !tls_visit_goes_on(f, r)) {
		tls_visit_was_answered(f, r->tp, r->read);
	} else if (t->doubt) {
		struct worker *worker = worker_find(r->task, r->worker);
		if (worker && worker->visit.span_id == flow_exchange(f, 0)->context.span_id)
			worker->since = r->now;
	}
	t->doubt = 0;
	tls_farewell(f, w);
	if (f->in_flight > 1)
		bpf_loop(EXCHANGES, tls_context_passed, r, 0);
	return 1;
}

/* R3: the thread works for the invocation's owner, whatever this was. Others keep their own. */
static __noinline void tls_response_doubted(struct flow *f, struct receiving *r)
{
	struct reported *last = &f->reported;
	const struct exchange *e = flow_exchange(f, 0);
	bool incomplete = before(r->tp->snd_una, r->tp->write_seq);
	tls_doubted(&f->tls, incomplete ? TLS_UNLIKELY : TLS_LIKELY, r->from, r->tp->copied_seq,
		    r->task->pid, r->now);
	last->owner = e->owner;
	last->owner_pid = e->owner_pid;
	last->inherited = e->inherited;
	last->pooled = f->pooled && pool_is_full(f, r->tp);
	struct worker *worker = key_is_thread(r->worker) ? thread_get(r->task) : NULL;
	if (worker)
		worker_answered(f, worker, r->now);
}

static __always_inline int tls_response_read(struct flow *f, struct receiving *r,
					     const struct tls_walk *w)
{
	f->tls.served = 1;
	if (w->says == TLS_NOTHING)
		return 0;
	r->from = w->from;
	if (w->says == TLS_DOUBT) {
		if (f->phase != PHASE_REQUEST)
			return 0;
		if (f->in_flight == 1) {
			tls_response_doubted(f, r);
			return 0;
		}
	}
	f->tls.doubt = 0;
	return 1;
}

/* The bytes that the call began with, so that it can be told from the next. */
static __always_inline void tls_call_begins(struct flow *f, __u64 address)
{
	if (bpf_probe_read_user(f->call_begins, sizeof(f->call_begins), (void *)address))
		f->call_begins[0] = f->call_begins[1] = 0;
}

/* Is this the first of the client's TLS? A server reads it with a call of its own. */
static __noinline int tls_begins_here(struct flow *f, struct receiving *r)
{
	struct payload p = {};
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(r->task);
	__u32 bytes = r->tp->copied_seq - r->read;
	if (r->task->flags & (PF_IO_WORKER | PF_USER_WORKER | PF_KTHREAD))
		return 0;
	payload_locate(&p, receive_shape(SYSCALL_NUMBER(regs)), regs);
	return tls_begins(f, p.address, bytes < p.length ? bytes : p.length, r->tp->write_seq,
			  r->read);
}

/* Is there anything for the rules in what has been read? It begins at r->from, then. */
static __noinline int tls_received(struct flow *f, struct receiving *r)
{
	struct tls *t = &f->tls;
	bool active = f->role == ROLE_ACTIVE, first = t->state == TLS_UNKNOWN;
	if (first && (active || !tls_begins_here(f, r)))
		return 1;

	r->flow = f;
	r->now = bpf_ktime_get_ns();
	call_locate(f, r, first);
	bool same = f->call_done != r->tp->copied_seq - r->read;
	if (!same) {
		t->fresh = 0;
		if (r->payload.address)
			tls_call_begins(f, r->payload.address);
	}
	struct tls_walk w = {
		.first = r->read,
		.begin = r->read,
		.end = r->tp->copied_seq,
		.address = r->payload.address,
		.length = r->payload.address ? r->payload.length : 0,
	};
	bool open = t->client >= TLS_OPEN_12;
	tls_walk(f, &w);
	if (w.lost) {
		tls_lost(f);
		return 1;
	}
	if (active)
		return tls_response_read(f, r, &w);
	if (!open && t->client >= TLS_OPEN_12) {
		tls_handshake_done(f, r->tp);
		t->fresh = 1;
	}
	return tls_request_read(f, r, &w);
}
