/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* tcp_rcv_space_adjust: the current thread has read from a connection (steps 2 and 3: R1, R3, R5). */
#pragma once

struct receiving {
	struct task_struct *task;
	struct tcp_sock *tp;
	__u32 from;	/* sequence number of the first byte of the message */
	bool with_head; /* the program's buffer begins with it */
};

/* What the current thread has just read: it lies in its own buffer. */
static __always_inline struct payload receive_payload(struct task_struct *task)
{
	struct payload p = {};
	if (!(task->flags & (PF_IO_WORKER | PF_USER_WORKER | PF_KTHREAD))) {
		const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(task);
		payload_locate(&p, receive_shape(SYSCALL_NUMBER(regs)), regs);
	}
	if (!p.address)
		count(COUNT_HEAD_UNREADABLE);
	return p;
}

static __always_inline struct reading receive_head(struct task_struct *task, __u32 bytes)
{
	struct payload p = receive_payload(task);
	return head_read(p.address, p.length < bytes ? p.length : bytes);
}

static __always_inline struct reading receive_reply_head(struct task_struct *task, __u32 bytes)
{
	struct payload p = receive_payload(task);
	return head_read_reply(p.address, p.length < bytes ? p.length : bytes);
}

/* R1, the parent: the traceparent in the payload, else the context from the wire, else a new
 * trace where the rules allow one. False: this request is not traced. */
static __always_inline bool visit_parent(struct flow *f, struct exchange *e, struct process *p,
					 const struct reading *head, __u16 port)
{
	struct trace_context wire = e->context, header = {};
	if (head->there && head_is_http_request(head->head))
		traceparent_read(head->head, head->head->record.length, &header);
	if (header.span_id && !f->trust) {
		count(COUNT_TRACEPARENT_UNTRUSTED);
		e->link_hi = header.trace_hi;
		e->link_lo = header.trace_lo;
		e->link_id = header.span_id;
		header.span_id = 0;
	}
	if (header.span_id && (header.span_id != wire.span_id || header.trace_lo != wire.trace_lo ||
			       header.trace_hi != wire.trace_hi)) {
		if (wire.span_id) {
			e->link_hi = wire.trace_hi;
			e->link_lo = wire.trace_lo;
			e->link_id = wire.span_id;
			header.baggage = wire.baggage;
		}
		mint_child(&e->context, &header);
		e->parent_id = header.span_id;
		e->parent_kind = PARENT_HEADER;
		count(COUNT_VISIT_HEADER);
		return true;
	}
	if (wire.span_id) {
		mint_child(&e->context, &wire);
		e->parent_id = wire.span_id;
		e->parent_kind = PARENT_WIRE;
		count(COUNT_VISIT_WIRE);
		return true;
	}
	if (!ingress_accepted(p->rules, f->rules, port)) {
		count(COUNT_VISIT_REFUSED);
		return false;
	}
	mint_trace(&e->context);
	e->no_parent = NO_PARENT_INGRESS;
	count(COUNT_VISIT_INGRESS);
	return true;
}

/* R1. e holds the context from the wire, if there was one. */
static __noinline void visit_open(struct flow *f, struct exchange *e, struct receiving *r)
{
	struct tcp_sock *tp = r->tp;
	struct task_struct *task = r->task;
	__u64 now = bpf_ktime_get_ns();
	__u16 port = tcp_to_sock(tp)->__sk_common.skc_num;
	struct process *p = process_of(task);
	if (!p || p->excluded) {
		f->role = ROLE_IGNORED;
		return;
	}
	struct reading head = {};
	if (r->with_head)
		head = receive_head(task, tp->copied_seq - r->from);
	bool traced = visit_parent(f, e, p, &head, port);

	struct worker *w = worker_get(task);
	if (w) {
		w->reads_requests = 1;
		worker_idle(w);
	}
	e->state = EXCHANGE_OPEN;
	e->start = now;
	e->received_base = r->from;
	e->sent_base = tp->write_seq;
	e->pid = task->tgid;
	e->tid = task->pid;
	e->reads_requests = 1;
	if (!e->arrived) {
		/* The stack's clock of the last packet: no earlier than the first byte. */
		__u64 packet = tp->tcp_mstamp * 1000;
		e->arrived = packet && packet < now && now - packet < 1000000000ULL ? packet : 0;
	}
	if (!traced) {
		e->context.span_id = 0;
		if (head.there)
			ring_discard(head.head);
		return;
	}
	visit_opened(e->context.span_id);
	process_visit_opened(p);
	/* Which of several requests it works on first, nobody can tell (R11). */
	if (w && flow_alone(f, e))
		worker_works_for(w, &e->context, e->pid, now);
	if (head.there)
		head_send(head.head, e, HEAD_REQUEST, port, now);
}

struct arrivals {
	struct flow *f;
	struct receiving *r;
	__u32 from;
	bool opened;
};

/* A context whose segment begins within what was read starts a visit of its own. */
static long arrival_read(__u32 i, struct arrivals *a)
{
	struct flow *f = a->f;
	struct receiving *r = a->r;
	if (i >= f->in_flight)
		return 1;
	struct exchange *e = flow_exchange(f, i);
	if (e->state != EXCHANGE_ARRIVED || !before(e->seq, r->tp->copied_seq))
		return 0;
	if (a->opened || before(a->from, e->seq))
		r->from = e->seq;
	r->with_head = r->with_head && !a->opened && r->from == a->from;
	visit_open(f, e, r);
	a->opened = true;
	return 0;
}

static __always_inline void receive_request(struct flow *f, struct receiving *r)
{
	bool first = f->phase != PHASE_REQUEST;
	struct arrivals a = {.f = f, .r = r, .from = r->from};
	f->phase = PHASE_REQUEST;
	if (first)
		emit_settled(f, r->tp, r->from);
	/* Behind other bytes, perhaps in a buffer that begins with them. */
	r->with_head = first;
	if (f->in_flight)
		bpf_loop(EXCHANGES, arrival_read, &a, 0);
	if (a.opened)
		return;
	if (first) {
		struct exchange *e = flow_push(f);
		if (e)
			visit_open(f, e, r);
		else
			count(COUNT_PIPELINE_FULL);
		return;
	}
	/* R5: more of the same request. Whoever reads it works for it. */
	struct exchange *e = flow_newest(f);
	struct worker *w = worker_find(r->task);
	if (e && e->state == EXCHANGE_OPEN && e->context.span_id && w &&
	    w->visit.span_id != e->context.span_id && flow_alone(f, e))
		worker_works_for(w, &e->context, e->pid, bpf_ktime_get_ns());
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

/* R3: the invocation's owner is whom the thread now works for. */
static __always_inline void worker_answered(struct flow *f, struct worker *w, __u64 now)
{
	const struct reported *last = &f->reported;
	bool own = w->visit.span_id == last->owner.span_id && !w->inherited;
	if (last->owner.span_id && visit_is_open(last->owner.span_id)) {
		worker_works_for(w, &last->owner, last->owner_pid, now);
		if (last->inherited && !own)
			w->inherited = INHERITED_USED;
	} else {
		worker_idle(w);
	}
	if (last->pooled)
		w->pooled = f->cookie;
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
	struct worker *w = worker_get(task);
	struct reported *last = &f->reported;

	struct exchange *e = flow_exchange(f, 0);
	last->owner.span_id = 0;
	if (!several) {
		if (e->context.flags & FLAG_SAMPLED) {
			struct reading h = receive_reply_head(task, tp->copied_seq - r->from);
			if (h.there)
				head_send(h.head, e, HEAD_REPLY, port, now);
		}
		last->owner = e->owner;
		last->owner_pid = e->owner_pid;
		last->inherited = e->inherited;
	}
	last->pooled = f->pooled && pool_free(f, tp);
	if (w)
		worker_answered(f, w, now);

	/* Which of several this answers only a parser could tell: all are taken as answered. */
	struct answered answered = {.f = f, .tp = tp, .progress = &progress, .from = r->from};
	invocation_answered(0, &answered);
	if (several)
		bpf_loop(EXCHANGES, invocation_answered, &answered, 0);
}

static __always_inline bool response_is_interim(struct receiving *r)
{
	__u32 length = r->tp->copied_seq - r->from;
	if (length > INTERIM_MAX || r->task->flags & (PF_IO_WORKER | PF_USER_WORKER | PF_KTHREAD))
		return false;
	struct payload p = {};
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(r->task);
	payload_locate(&p, receive_shape(SYSCALL_NUMBER(regs)), regs);
	return payload_is_interim(&p, length);
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
	struct worker *w = worker_find(r->task);
	if (w && w->visit.span_id != f->reported.owner.span_id)
		worker_answered(f, w, now);
	emit_extend(f, flow_sent(f, r->tp), r->tp->copied_seq, now);
}

static __always_inline void received(struct sock *sk)
{
	struct flow *f = bpf_sk_storage_get(&flows, sk, NULL, 0);
	if (!f || f->role == ROLE_IGNORED || !sk->sk_lock.owned)
		return;
	struct receiving r = {
		.tp = bpf_skc_to_tcp_sock(sk), .from = f->copied_seq, .with_head = true};
	/* Also called with nothing read, and for MSG_PEEK. */
	if (!r.tp || r.tp->copied_seq == r.from)
		return;
	f->copied_seq = r.tp->copied_seq;
	r.task = bpf_get_current_task_btf();
	if (f->role == ROLE_PASSIVE)
		receive_request(f, &r);
	else
		receive_response(f, &r);
}
