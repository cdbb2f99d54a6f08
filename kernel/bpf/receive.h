/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* tcp_rcv_space_adjust: the current thread has read from a connection (steps 2 and 3: R1, R3, R5). */
#pragma once

/* Reads the message's bytes to where the scratch has had bytes already. How many there are now? */
static __always_inline __u32 receive_head(struct receiving *r, struct head_scratch *s, __u32 had)
{
	const struct payload *p = &r->payload;
	__u32 skip = r->from - r->read, length = r->until - r->from;
	if (!p->address) {
		count(COUNT_HEAD_UNREADABLE);
		return had;
	}
	if (skip >= p->length)
		return had;
	if (length > p->length - skip)
		length = p->length - skip;
	length = head_room(had, length);
	return head_append(s, had, p->address + skip, length) ? had + length : had;
}

/* May more of the head follow what was read? */
static __always_inline bool receive_head_open(struct flow *f, struct exchange *e,
					      struct receiving *r, __u32 length)
{
	return length - e->head == r->until - r->from && length < head_bytes &&
	       r->until == r->tp->copied_seq && flow_exchange(f, 0) == e;
}

/* The beginning of a request, or another piece of it, as far as it can be had. The visit opens unless
 * its head is gathered. How long it is now stands in the scratch. */
static __always_inline void head_gather(struct flow *f, struct exchange *e, struct receiving *r,
					struct head_scratch *s)
{
	__u32 had = e->head;
	__u64 cookie = f->cookie;
	bool gathering = e->state == EXCHANGE_GATHERING;
	e->state = EXCHANGE_OPEN;
	f->header.told = TOLD_UNKNOWN;
	s->head.record.length = 0;
	if (gathering && !gathered_copy(cookie, s->head.bytes, had)) {
		count(COUNT_HEAD_EVICTED);
		e->head = HEAD_DONE;
		return;
	}
	__u32 length = receive_head(r, s, had);
	bool open = receive_head_open(f, e, r, length);
	__u32 wanted = (f->trust ? HEAD_TRUSTED : 0) | (e->context.baggage ? 0 : HEAD_BAGGAGE);
	__u32 says = length ? head_examine(&s->head, length, wanted, &f->header) : 0;
	s->head.record.length = length;
	e->http = says & HEAD_IS_HTTP;
	if (says & HEAD_IS_CUT && open) {
		call_read(f, s->head.bytes + (had & (HEAD_MAX - 1)), length - had);
		e->head = length;
		e->state = EXCHANGE_GATHERING;
		if (gathered_keep(cookie, &s->head))
			return;
		e->state = EXCHANGE_OPEN;
		count(COUNT_HEAD_EVICTED);
	}
	if (gathering)
		gathered_forget(cookie);
	if (!e->http && open)
		call_read(f, s->head.bytes, length - had);
	e->head = !e->http && open ? length : HEAD_DONE;
	e->pieces = 1;
}

/* Of a number that a function returns 6.1 believes that it is 0 if it can be: this one is of no use.
 * Without it the verifier looks at what the compiler left there, and that may be a pointer. */
static __noinline int request_head(struct flow *f, struct exchange *e, struct receiving *r,
				   struct head_scratch *s)
{
	int nothing = 0;
	head_gather(f, e, r, s);
	barrier_var(nothing);
	return nothing;
}

/* R5: the next bytes of a head that is no HTTP/1 request's. */
static __noinline void request_head_goes_on(struct flow *f, struct exchange *e, struct receiving *r)
{
	__u32 at = e->head;
	struct head_scratch *s = head_scratch();
	if (!s)
		return;
	__u32 room = head_room(at, ~0U);
	if (r->until - r->from > room)
		r->until = r->from + room;
	__u32 length = receive_head(r, s, 0);
	if (!length) {
		e->head = HEAD_DONE;
		return;
	}
	call_read(f, s->head.bytes, length);
	bool told = head_output(s, e, at, length, tcp_to_sock(r->tp)->__sk_common.skc_num, r->now);
	e->head = told && ++e->pieces < HEAD_PIECES ? at + length : HEAD_DONE;
}

static __always_inline void request_begins(struct flow *f, struct exchange *e, struct receiving *r,
					   __u64 now)
{
	struct tcp_sock *tp = r->tp;
	__builtin_memset(&f->header, 0, sizeof(f->header));
	e->start = now;
	e->received_base = r->from;
	e->sent_base = tp->write_seq;
	e->reads_requests = 1;
	e->trusted = f->trust;
	if (!e->arrived) {
		/* The stack's clock of the last packet: no earlier than the first byte. */
		__u64 packet = tp->tcp_mstamp * 1000;
		e->arrived = packet && packet < now && now - packet < 1000000000ULL ? packet : 0;
	}
}

/* Who reads it, and works for none until the visit opens. Without a process it is not followed. Not
 * inlined: what it needs of the stack is free again when the head is read, which 6.1 has little
 * for. */
static __noinline int reader_found(struct flow *f, struct exchange *e, struct receiving *r,
				   struct opening *o)
{
	struct task_struct *task = r->task;
	struct process *p = process_of(task);
	o->now = r->now ?: bpf_ktime_get_ns();
	if (!p || p->excluded) {
		f->role = ROLE_IGNORED;
		return 0;
	}
	o->process = p;
	runtime_serves(task->tgid, p);
	struct worker *w = o->worker = worker_get(task, r->worker);
	if (!key_is_thread(r->worker))
		runtime_read(task->tgid, r->worker);
	if (w && key_is_object(r->worker))
		object_reads(w, f, o->now);
	else if (w && !key_is_thread(r->worker))
		exact_reads(task, w, f->cookie, o->now);
	if (w) {
		w->reads_requests = 1;
		worker_idle(w);
	}
	if (e->state != EXCHANGE_GATHERING)
		request_begins(f, e, r, o->now);
	e->pid = task->tgid;
	e->tid = task->pid;
	e->worker = r->worker;
	return 0;
}

/* R1. e holds the context from the wire, if there was one, or is the visit whose head is
 * gathered. */
static __noinline void request_read(struct flow *f, struct exchange *e, struct receiving *r)
{
	struct opening o = {};
	reader_found(f, e, r, &o);
	if (!o.process)
		return;
	struct head_scratch *s = head_scratch();
	if (!s)
		return;
	int nothing = 0;
	bool readable = flow_readable(f);
	if (readable)
		nothing = request_head(f, e, r, s);
	else
		e->state = EXCHANGE_OPEN;
	barrier_var(nothing);
	if (e->state == EXCHANGE_GATHERING)
		return;
	nothing = visit_open(f, e, r->tp, &o);
	barrier_var(nothing);
	__u32 length = readable && e->context.span_id ? s->head.record.length : 0;
	if (length && e->context.flags & FLAG_SAMPLED)
		head_output(s, e, 0, length, tcp_to_sock(r->tp)->__sk_common.skc_num, o.now);
}

struct arrivals {
	struct flow *f;
	struct receiving *r;
	bool opened;
};

/* A message ends where the next one begins that has a context of its own. What goes on from before
 * may have ended there already. */
static __always_inline void message_until(struct flow *f, struct receiving *r, bool goes_on)
{
	__u32 after = r->from - goes_on;
	r->until = r->tp->copied_seq;
	if (f->in_flight < 2)
		return;
#pragma unroll
	for (__u32 i = 0; i < EXCHANGES; i++) {
		const struct exchange *e = &f->exchanges[i];
		if (e->state == EXCHANGE_ARRIVED && before(after, e->seq) &&
		    before(e->seq, r->until))
			r->until = e->seq;
	}
}

/* A context whose segment begins within what was read starts a visit of its own. Before them, the
 * head that is gathered goes on. */
static long arrival_read(__u32 i, struct arrivals *a)
{
	struct flow *f = a->f;
	struct receiving *r = a->r;
	if (i >= f->in_flight)
		return 1;
	struct exchange *e = flow_exchange(f, i);
	if (e->state == EXCHANGE_ARRIVED && before(e->seq, r->tp->copied_seq)) {
		if (a->opened || before(r->read, e->seq))
			r->from = e->seq;
	} else if (e->state != EXCHANGE_GATHERING) {
		return 0;
	}
	message_until(f, r, e->state == EXCHANGE_GATHERING);
	request_read(f, e, r);
	a->opened = true;
	return 0;
}

/* R5: more of the same request. Whoever reads it works for it. */
static __always_inline void request_goes_on(struct flow *f, struct exchange *e, struct receiving *r)
{
	struct worker *w = worker_find(r->task, r->worker);
	if (e && e->state == EXCHANGE_OPEN && e->context.span_id && w && !w->shared &&
	    w->visit.span_id != e->context.span_id && flow_alone(f, e))
		worker_works_for(w, &e->context, e->pid, bpf_ktime_get_ns());
}

/* Is this the head whose next bytes have been read? */
static __always_inline bool head_goes_on(struct flow *f, const struct exchange *e,
					 const struct receiving *r)
{
	return flow_readable(f) && e->state == EXCHANGE_OPEN && e->context.span_id &&
	       e->context.flags & FLAG_SAMPLED && e->head < head_bytes &&
	       r->from - e->received_base == e->head;
}

static __always_inline void receive_request(struct flow *f, struct receiving *r)
{
	bool first = f->phase != PHASE_REQUEST;
	struct arrivals a = {.f = f, .r = r};
	struct exchange *e = flow_exchange(f, 0);
	bool gathering = f->in_flight && e->state == EXCHANGE_GATHERING;
	bool head = !first && f->in_flight && head_goes_on(f, e, r);
	f->phase = PHASE_REQUEST;
	if (first)
		emit_settled(f, r->tp, r->from);
	/* Behind other bytes, perhaps in a buffer that begins with them, a head can't be had. */
	if (first || gathering || head) {
		r->now = bpf_ktime_get_ns();
		if (flow_readable(f))
			call_locate(f, r, first);
	}
	if (head) {
		message_until(f, r, true);
		request_head_goes_on(f, e, r);
	}
	if (f->in_flight)
		bpf_loop(EXCHANGES, arrival_read, &a, 0);
	if (a.opened)
		return;
	if (!first) {
		request_goes_on(f, flow_newest(f), r);
		return;
	}
	e = flow_push(f);
	if (!e) {
		count(COUNT_PIPELINE_FULL);
		return;
	}
	message_until(f, r, false);
	request_read(f, e, r);
}

struct answered {
	struct flow *f;
	struct tcp_sock *tp;
	const struct progress *progress;
	__u32 from;
};

static long invocation_answered(__u32 i, struct answered *a)
{
	struct flow *f = a->f;
	if (!f->in_flight)
		return 1;
	struct exchange *e = flow_exchange(f, 0);
	e->received_base = a->from;
	if (e->context.span_id)
		emit_exchange(f, e, a->tp, a->progress, process_by_pid(e->pid));
	flow_pop(f);
	return 0;
}

/* R3: the invocation's owner is whom the thread now works for. Workers with exact keys keep their
 * own. */
static __always_inline void worker_answered(struct flow *f, struct worker *w, __u64 now)
{
	const struct reported *last = &f->reported;
	bool own = w->visit.span_id == last->owner.span_id && !w->inherited;
	if (last->owner.span_id && visit_is_open(last->owner.span_id)) {
		worker_works_for(w, &last->owner, last->owner_pid, now);
		w->acted = 1;
		if (last->inherited && !own)
			w->inherited = INHERITED_USED;
	} else {
		worker_idle(w);
	}
	if (last->pooled)
		w->pooled = f->cookie;
}

/* Whoever reads a reply first and sends later is nobody's. Whoever waits for its own works for one at a
 * time. */
static __always_inline void exact_answered(const struct flow *f, const struct exchange *e,
					   struct worker *w, const struct receiving *r,
					   bool several)
{
	__u64 key = r->worker;
	w->settled = 1;
	/* Connections are greeted by who makes them, for whoever they are made. */
	if (!several && e->worker == key && f->opener != key)
		w->reads_replies = 1;
}

/* Bytes that are the first of a call. */
static __always_inline void receive_locate(struct receiving *r)
{
	if (r->payload.total || r->task->flags & (PF_IO_WORKER | PF_USER_WORKER | PF_KTHREAD))
		return;
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(r->task);
	payload_locate(&r->payload, receive_shape(SYSCALL_NUMBER(regs)), regs);
}

/* Nobody is the owner, if there are several. */
static __noinline void response_begins(struct flow *f, struct receiving *r)
{
	struct tcp_sock *tp = r->tp;
	struct task_struct *task = r->task;
	__u64 now = bpf_ktime_get_ns();
	struct progress progress = {
		.replied = now,
		.end = now,
		.sent = flow_sent(f, tp),
		.received = tp->copied_seq,
		.tid = task->pid,
	};
	__u16 port = bpf_ntohs(tcp_to_sock(tp)->__sk_common.skc_dport);
	bool several = f->in_flight > 1;
	struct worker *w = worker_get(task, r->worker);
	struct reported *last = &f->reported;

	struct exchange *e = flow_exchange(f, 0);
	last->owner.span_id = 0;
	if (!several) {
		if (flow_readable(f) && e->context.flags & FLAG_SAMPLED) {
			receive_locate(r);
			const struct payload *p = &r->payload;
			__u32 length = tp->copied_seq - r->from;
			if (!p->address)
				count(COUNT_HEAD_UNREADABLE);
			head_reply(e, p->address, length < p->length ? length : p->length, port,
				   now);
		}
		last->owner = e->owner;
		last->owner_pid = e->owner_pid;
		last->inherited = e->inherited;
	}
	last->pooled = f->pooled && pool_free(f, tp);
	if (w && key_is_thread(r->worker))
		worker_answered(f, w, now);
	else if (w && key_is_object(r->worker))
		object_answered(w, e, r->worker);
	else if (w)
		exact_answered(f, e, w, r, several);
	if (!key_is_thread(r->worker))
		worker_goes_on(task, now);

	/* Which of several this answers only a parser could tell: all are taken as answered. */
	struct answered answered = {.f = f, .tp = tp, .progress = &progress, .from = r->from};
	invocation_answered(0, &answered);
	if (several)
		bpf_loop(EXCHANGES, invocation_answered, &answered, 0);
}

static __always_inline bool response_is_interim(struct receiving *r)
{
	__u32 length = r->tp->copied_seq - r->from;
	if (length > INTERIM_MAX)
		return false;
	receive_locate(r);
	return payload_is_interim(&r->payload, length);
}

static __always_inline void receive_response(struct flow *f, struct receiving *r)
{
	__u64 now = bpf_ktime_get_ns();
	path_judged(f, r->tp);
	if (f->phase == PHASE_REQUEST && f->in_flight) {
		if (response_is_interim(r))
			return;
		f->phase = PHASE_REPLY;
		response_begins(f, r);
		return;
	}
	f->phase = PHASE_REPLY;
	if (!f->reported.span_id)
		return;
	/* An event loop may have worked for others in between. */
	struct worker *w = key_is_thread(r->worker) ? thread_find(r->task) : NULL;
	if (w && w->visit.span_id != f->reported.owner.span_id)
		worker_answered(f, w, now);
	emit_extend(f, flow_sent(f, r->tp), r->tp->copied_seq, now);
}

/* R10: tls_follow.h */
static int tls_received(struct flow *f, struct receiving *r);

static __always_inline void received(struct sock *sk)
{
	struct flow *f = bpf_sk_storage_get(&flows, sk, NULL, 0);
	if (!f || f->role == ROLE_IGNORED || !sk->sk_lock.owned)
		return;
	struct receiving r = {
		.tp = bpf_skc_to_tcp_sock(sk), .read = f->copied_seq, .from = f->copied_seq};
	/* Also called with nothing read, and for MSG_PEEK. */
	if (!r.tp || r.tp->copied_seq == r.from)
		return;
	f->copied_seq = r.tp->copied_seq;
	r.task = bpf_get_current_task_btf();
	r.worker = worker_key(r.task);
	if (key_is_bare_thread(r.worker))
		python_reads(r.task, f);
	if (flow_may_be_tls(f) && !tls_received(f, &r))
		return;
	if (f->role == ROLE_PASSIVE)
		receive_request(f, &r);
	else
		receive_response(f, &r);
}
