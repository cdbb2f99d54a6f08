/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* R1: a visit opens. */
#pragma once

/* What the ingress rule says of a request that says nothing. */
static __always_inline void ingress_lane(__u32 rule, __u32 told, struct lane *lane)
{
	if (rule >= INGRESS_RULES || told == TOLD_TUPLE)
		return;
	__u16 index = ingress_baggage[rule];
	if (told == TOLD_UNKNOWN) {
		if (index)
			count(COUNT_BAGGAGE_WITHHELD);
		return;
	}
	lane->index = index;
	lane->reject_below = ingress_reject_below[rule];
	if (index)
		count(COUNT_BAGGAGE_INGRESS);
}

/* R1, the parent: the traceparent in the payload, else the context from the wire, else a new
 * trace where the rules allow one. False: this request is not traced. */
static __always_inline bool visit_parent(struct flow *f, struct exchange *e, struct process *p,
					 __u16 port)
{
	struct trace_context wire = e->context, header = f->header.context;
	struct lane lane = {.reject_below = reject_below, .index = wire.baggage};
	__u32 told = f->header.told;
	/* What came with the context is what the first one read. */
	if (wire.baggage) {
		told = TOLD_TUPLE;
	} else if (told == TOLD_TUPLE) {
		lane.index = header.baggage;
		lane.reject_below = f->header.reject_below;
	}
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
		}
		mint_child(&e->context, &header);
		e->parent_id = header.span_id;
		e->parent_kind = PARENT_HEADER;
		count(COUNT_VISIT_HEADER);
	} else if (wire.span_id) {
		mint_child(&e->context, &wire);
		e->parent_id = wire.span_id;
		e->parent_kind = PARENT_WIRE;
		count(COUNT_VISIT_WIRE);
	} else {
		__u32 rule = ingress_rule(p->rules, f->rules, port);
		if (rule == NO_RULE) {
			count(COUNT_VISIT_REFUSED);
			return false;
		}
		ingress_lane(rule, told, &lane);
		mint_trace(&e->context, lane.reject_below);
		e->no_parent = NO_PARENT_INGRESS;
		count(COUNT_VISIT_INGRESS);
	}
	e->context.baggage = lane.index;
	if (!parent_based)
		sample(&e->context, lane.reject_below);
	return true;
}

struct opening {
	struct process *process;
	struct worker *worker; /* whoever works for it now, as far as known */
	__u64 now;
};

static __noinline int visit_begins(struct flow *f, struct exchange *e, const struct tcp_sock *tp,
				   const struct opening *o)
{
	__u16 port = tcp_to_sock(tp)->__sk_common.skc_num;
	int nothing = 0;
	e->state = EXCHANGE_OPEN;
	if (visit_parent(f, e, o->process, port)) {
		visit_opened(e->context.span_id);
		process_visit_opened(o->process);
	} else {
		e->context.span_id = 0;
	}
	barrier_var(nothing);
	return nothing;
}

/* Whoever has read it works for it, and whoever it was read for. */
static __always_inline void visit_taken(struct flow *f, struct exchange *e, const struct opening *o)
{
	struct worker *w = o->worker;
	if (!w->shared)
		worker_works_for(w, &e->context, e->pid, o->now);
	if (f->replier || key_is_object(e->worker))
		objects_take(f, &e->context, e->worker, o->now);
	if (key_is_bare_thread(e->worker))
		python_read(&e->context);
}

/* What its reader noted in e, and the head in f->header, is all that there is to know. It has no
 * context afterwards if it is not traced; what is returned is of no use, as in request_head(). */
static __noinline int visit_open(struct flow *f, struct exchange *e, const struct tcp_sock *tp,
				 const struct opening *o)
{
	int nothing = visit_begins(f, e, tp, o);
	barrier_var(nothing);
	/* Which of several requests it works on first, nobody can tell (R11). */
	if (e->context.span_id && o->worker && flow_alone(f, e))
		visit_taken(f, e, o);
	barrier_var(nothing);
	return nothing;
}

/* What was gathered of its head goes to user space. */
static __always_inline void gathered_send(struct flow *f, const struct exchange *e, __u16 port,
					  __u64 now)
{
	struct head *h = ring_reserve(sizeof(*h));
	if (!h)
		return;
	if (!gathered_copy(f->cookie, h->bytes, e->head)) {
		count(COUNT_HEAD_EVICTED);
		ring_discard(h);
		return;
	}
	head_describe(&h->record, e, HEAD_REQUEST, port, now);
	h->record.offset = 0;
	h->record.length = e->head;
	ring_submit(h);
}

/* The rest of its head does not come any more: this end replies, or the connection ends. */
static __noinline void visit_open_early(struct flow *f, struct exchange *e,
					const struct tcp_sock *tp, struct worker *w)
{
	__u16 port = tcp_to_sock(tp)->__sk_common.skc_num;
	struct opening o = {
		.process = process_by_pid(e->pid), .worker = w, .now = bpf_ktime_get_ns()};
	int nothing = 0;
	e->state = EXCHANGE_OPEN;
	if (o.process)
		nothing = visit_open(f, e, tp, &o);
	else
		e->context.span_id = 0;
	barrier_var(nothing);
	if (e->context.span_id && e->context.flags & FLAG_SAMPLED)
		gathered_send(f, e, port, o.now);
	e->head = HEAD_DONE;
	gathered_forget(f->cookie);
}
