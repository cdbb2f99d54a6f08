/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The tcp_current_mss call: the current thread is about to send (steps 4 and 5: R2, R4, R5, R6). */
#pragma once

struct sending {
	struct task_struct *task;
	struct tcp_sock *tp;
	__u64 worker; /* who sends: see worker_key() */
	struct payload payload;
	__u64 now;
	__u32 from;	/* sequence number of the first byte of the message */
	__u32 end;	/* where in sequence space it will end, as far as known */
	bool continued; /* of a message of which not all could be sent at once */
	bool begins;	/* a call that was not seen before */
};

/* tcp_current_mss is also called for what is no send (setsockopt, a backlog with queued data). */
static __always_inline bool sending_now(struct sending *s)
{
	s->task = bpf_get_current_task_btf();
	if (s->task->flags & PF_KTHREAD)
		return false;
	if (s->task->flags & (PF_IO_WORKER | PF_USER_WORKER))
		return true;
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(s->task);
	enum syscall_shape shape = send_shape(SYSCALL_NUMBER(regs));
	if (shape == SHAPE_NOT_IO)
		return false;
	payload_locate(&s->payload, shape, regs);
	return true;
}

/* The same buffer as before, but with something else in it: only known while a head is sent. */
static __always_inline bool sent_anew(const struct flow *f, const struct sending *s)
{
	const struct exchange *e = flow_exchange((struct flow *)f, 0);
	const struct payload *p = &s->payload;
	__u64 begins;
	if (f->role != ROLE_ACTIVE || f->phase != PHASE_REQUEST || e->head >= head_bytes ||
	    f->in_flight != 1 || p->length < sizeof(begins) ||
	    bpf_probe_read_user(&begins, sizeof(begins), (void *)p->address))
		return false;
	return begins != f->announced_begins;
}

/* The hook is called again whenever a system call had to wait for room, and a program that does not
 * wait sends the rest later: what was announced is announced once. */
static __always_inline void send_announced(struct flow *f, struct sending *s)
{
	const struct payload *p = &s->payload;
	__u32 at = s->tp->write_seq;
	__u64 buffer = p->address ^ (__u64)p->total << 32;
	s->continued = before(at, f->expected);
	s->begins = !before(at, f->announced) &&
		    (at != f->announced || buffer != f->announced_buffer || sent_anew(f, s));
	if (s->begins) {
		f->announced = at + p->total;
		f->announced_buffer = buffer;
		if (!s->continued)
			f->expected = at + (p->total > p->hoped ? p->total : p->hoped);
	}
	s->end = f->announced;
}

static __always_inline void sent_reply_head(struct sending *s, const struct exchange *e, __u16 port)
{
	if (!(e->context.flags & FLAG_SAMPLED))
		return;
	if (!s->payload.address)
		count(COUNT_HEAD_UNREADABLE);
	head_reply(e, s->payload.address, s->payload.length, port, s->now);
}

/* Does an HTTP/1 head end before this address? It does, as a rule, where a write does. */
static __always_inline bool http_head_ends(__u64 address)
{
	__u32 last;
	return !bpf_probe_read_user(&last, sizeof(last), (void *)(address - sizeof(last))) &&
	       last == 0x0a0d0a0d;
}

/* What is announced of a request's head, or of what follows on it. The ring has slots of a fixed
 * size, and most heads are short. */
static __noinline void sent_request_head(struct flow *f, struct sending *s, struct exchange *e)
{
	const struct payload *p = &s->payload;
	__u16 port = bpf_ntohs(tcp_to_sock(s->tp)->__sk_common.skc_dport);
	__u32 at = e->head;
	__u64 length = head_room(at, p->length);
	if (!flow_readable(f) || !(e->context.flags & FLAG_SAMPLED))
		return;
	if (!p->address)
		count(COUNT_HEAD_UNREADABLE);
	if (!p->address || !length) {
		e->head = HEAD_DONE;
		return;
	}
	bool told;
	__u64 *first = &f->announced_begins;
	if (length <= 256)
		told = head_reserved(256, e, HEAD_REQUEST, at, length, p->address, port, s->now,
				     first);
	else if (length <= 1024)
		told = head_reserved(1024, e, HEAD_REQUEST, at, length, p->address, port, s->now,
				     first);
	else
		told = head_reserved(HEAD_MAX, e, HEAD_REQUEST, at, length, p->address, port,
				     s->now, first);
	if (!at)
		e->http = told && length >= 4 && http_method(*first);
	bool more = told && length == p->total && ++e->pieces < HEAD_PIECES &&
		    !(e->http && http_head_ends(p->address + length));
	e->head = more ? at + length : HEAD_DONE;
}

/* R15: is the thread's visit the one that it now answers? Only while visits overlap. */
static __always_inline void reply_agrees(const struct exchange *e, const struct sending *s,
					 struct worker *w, struct process *p)
{
	if (!p || p->open < 2)
		return;
	if (!key_is_thread(s->worker)) {
		if (!w || !worker_has_visit(w, s->now) ||
		    (w->inherited && !key_is_object(s->worker)))
			return;
		bool agrees = w->visit.span_id == e->context.span_id;
		struct worker *maker = agrees ? NULL : exact_find(s->task->tgid, w->maker);
		if (maker)
			maker->misled = 1;
		runtime_replied(s->task->tgid, agrees);
		return;
	}
	if (w && worker_has_visit(w, s->now)) {
		if (w->visit.span_id == e->context.span_id)
			process_agreed(p);
		else
			process_disagreed(p, e->pid);
	} else if (s->task->pid != e->tid) {
		process_disagreed(p, e->pid);
	}
}

struct replies {
	struct flow *f;
	struct sending *s;
	struct worker *w;
	const struct progress *progress;
	bool several;
};

static long visit_answered(__u32 i, struct replies *r)
{
	struct flow *f = r->f;
	struct sending *s = r->s;
	struct worker *w = r->w;
	struct exchange *e = flow_exchange(f, 0);
	if (!f->in_flight || e->state != EXCHANGE_OPEN)
		return 1;
	if (e->context.span_id) {
		struct process *p = process_by_pid(e->pid);
		if (!r->several) {
			reply_agrees(e, s, w, p);
			if (flow_readable(f))
				sent_reply_head(s, e, tcp_to_sock(s->tp)->__sk_common.skc_num);
		}
		e->sent_base = s->from;
		emit_exchange(f, e, s->tp, r->progress, p);
		visit_ended(e->context.span_id);
		process_visit_ended(p);
		/* Objects go on: what they had stays theirs, and is over. */
		if (key_is_object(s->worker))
			object_replied(f, e, s->worker, w);
		else if (w && w->visit.span_id == e->context.span_id)
			worker_idle(w);
	} else {
		f->reported.span_id = 0;
		f->reported.sampled = 0;
	}
	flow_pop(f);
	return 0;
}

/* R4: the reply begins, the visit closes. Requests that were read together are taken as answered
 * together. */
static __noinline void reply_begins(struct flow *f, struct sending *s)
{
	struct progress progress = {
		.replied = s->now,
		.end = s->now,
		.sent = s->end,
		.received = f->copied_seq,
		.tid = s->task->pid,
	};
	struct replies r = {
		.f = f,
		.s = s,
		.w = key_is_object(s->worker) ? object_worker(s->task->tgid, s->worker)
					      : worker_find(s->task, s->worker),
		.progress = &progress,
		.several = f->in_flight > 1 && flow_exchange(f, 1)->state == EXCHANGE_OPEN,
	};
	visit_answered(0, &r);
	if (r.several)
		bpf_loop(EXCHANGES, visit_answered, &r, 0);
	if (key_is_bare_thread(s->worker))
		python_answers();
}

/* A reply before the request's head was whole. Whoever read last works for it. */
static __always_inline void answered_early(struct flow *f, struct sending *s)
{
	struct exchange *e = flow_exchange(f, 0);
	bool reader = keys_agree(e->worker, s->worker);
	visit_open_early(f, e, s->tp, reader ? worker_find(s->task, s->worker) : NULL);
}

static __always_inline void send_reply(struct flow *f, struct sending *s)
{
	bool first = f->phase == PHASE_REQUEST && f->in_flight;
	if (first && payload_is_interim(&s->payload, s->payload.total))
		return;
	f->phase = PHASE_REPLY;
	if (first && flow_exchange(f, 0)->state == EXCHANGE_GATHERING)
		answered_early(f, s);
	if (first)
		reply_begins(f, s);
	else if (f->reported.span_id)
		emit_extend(f, s->end, f->copied_seq, s->now);
}

static __always_inline void owned_by(struct exchange *e, const struct trace_context *visit,
				     __u32 pid)
{
	e->owner = *visit;
	e->owner_pid = pid;
}

/* R6: the first request of a connection is its opener's, never what the sender happens to work for
 * now. */
static __always_inline bool first_invocation_parent(struct flow *f, struct exchange *e,
						    struct sending *s, struct worker *w)
{
	e->no_parent = NO_PARENT_OPENER;
	if (!f->opener_visit.span_id || !keys_agree(f->opener, s->worker))
		return false;
	e->no_parent = NO_PARENT_ENDED;
	if (!visit_is_open(f->opener_visit.span_id))
		return false;
	owned_by(e, &f->opener_visit, f->opener_pid);
	e->inherited = f->opener_inherited;
	if (w && w->inherited && w->visit.span_id == f->opener_visit.span_id)
		w->inherited = INHERITED_USED;
	struct process *p = process_by_pid(f->opener_pid);
	e->no_parent = NO_PARENT_UNBELIEVED;
	if (!f->opener_believed || !p || p->lost)
		return false;
	e->parent_kind = PARENT_CONNECT;
	return true;
}

/* It sends for a visit that has ended: how would one know what it does in the next one? */
static __always_inline void worker_outlives(struct worker *w)
{
	if (w->inherited)
		origin_outlived(w->pid, w->origin);
	else if (w->taken)
		object_overran(w->pid);
	w->judged = 1;
}

/* R2 for exact keys: the worker's own, or what it has from its creator. Who opened the connection, and
 * for whom, makes no difference, and neither does what R15 says of threads. */
static __always_inline bool exact_parent(struct flow *f, struct exchange *e, struct sending *s,
					 struct worker *w)
{
	e->no_parent = NO_PARENT_UNKNOWN;
	if (!w)
		return false;
	e->no_parent = NO_PARENT_IDLE;
	if (!w->visit.span_id)
		return false;
	struct process *p = process_by_pid(w->pid);
	e->no_parent = NO_PARENT_ENDED;
	if (!p || !worker_has_visit(w, s->now)) {
		worker_outlives(w);
		return false;
	}
	e->no_parent = NO_PARENT_IDLE;
	if (inheritance_spent(w, p))
		return false;
	e->no_parent = NO_PARENT_UNBELIEVED;
	if (object_overruns(w))
		return false;
	owned_by(e, &w->visit, w->pid);
	e->parent_kind = PARENT_WORKER;
	if (w->inherited) {
		w->inherited = INHERITED_USED;
		e->inherited = 1;
		e->parent_kind = PARENT_INHERITED;
	} else if (e->first && f->opener == s->worker &&
		   f->opener_visit.span_id == w->visit.span_id) {
		e->parent_kind = PARENT_CONNECT;
	}
	return true;
}

/* R2, R6, R13, R15: whose invocation is this? The owner is set, too, where it is not believed: R15
 * has to see whether it would have been right. */
static __always_inline bool invocation_parent(struct flow *f, struct exchange *e, struct sending *s,
					      struct worker *w, struct process *own)
{
	if (!key_is_thread(s->worker))
		return exact_parent(f, e, s, w);
	if (!f->requests)
		return first_invocation_parent(f, e, s, w);
	if (!w || !w->visit.span_id) {
		e->no_parent = NO_PARENT_IDLE;
		return false;
	}
	if (!worker_has_visit(w, s->now)) {
		e->no_parent = NO_PARENT_ENDED;
		return false;
	}
	struct process *p = w->pid == (__u32)s->task->tgid ? own : process_by_pid(w->pid);
	if (!p) {
		e->no_parent = NO_PARENT_ENDED;
		return false;
	}
	if (w->pooled == f->cookie && p->profile == PROFILE_LOOP && p->open > 1) {
		e->no_parent = NO_PARENT_POOLED;
		return false;
	}
	if (inheritance_spent(w, p)) {
		e->no_parent = NO_PARENT_IDLE;
		return false;
	}
	owned_by(e, &w->visit, w->pid);
	e->inherited = w->inherited != INHERITED_NOT;
	if (e->inherited)
		w->inherited = INHERITED_USED;
	if (!process_believed(p)) {
		e->no_parent = NO_PARENT_UNBELIEVED;
		return false;
	}
	e->parent_kind = e->inherited ? PARENT_INHERITED : PARENT_WORKER;
	return true;
}

static __always_inline void count_edge(const struct exchange *e)
{
	switch (e->parent_kind) {
	case PARENT_WORKER:
		count(COUNT_EDGE_WORKER);
		return;
	case PARENT_CONNECT:
		count(COUNT_EDGE_CONNECT);
		return;
	case PARENT_INHERITED:
		count(COUNT_EDGE_INHERITED);
		return;
	}
	switch (e->no_parent) {
	case NO_PARENT_IDLE:
		count(COUNT_EDGE_IDLE);
		return;
	case NO_PARENT_ENDED:
		count(COUNT_EDGE_ENDED);
		return;
	case NO_PARENT_UNBELIEVED:
		count(COUNT_EDGE_UNBELIEVED);
		return;
	case NO_PARENT_OPENER:
		count(COUNT_EDGE_OPENER);
		return;
	case NO_PARENT_POOLED:
		count(COUNT_EDGE_POOLED);
		return;
	case NO_PARENT_UNKNOWN:
		count(COUNT_EDGE_UNKNOWN);
		return;
	}
}

/* R2: an invocation opens. */
static __noinline void invocation_open(struct flow *f, struct sending *s, struct worker *w)
{
	struct tcp_sock *tp = s->tp;
	struct process *p = process_of(s->task);
	if (!p || p->excluded) {
		f->role = ROLE_IGNORED;
		return;
	}
	struct exchange *e = flow_push(f);
	if (!e) {
		count(COUNT_PIPELINE_FULL);
		return;
	}
	e->worker_visit = w ? w->visit.span_id : 0;
	e->reads_requests = w ? w->reads_requests : 0;
	e->trusted = 1;
	e->worker = s->worker;
	e->first = !f->requests;
	bool parent = invocation_parent(f, e, s, w, p);
	f->requests = 1;
	if (w)
		w->acted = 1;
	if (f->pooled && f->in_flight == 1)
		pool_busy(f, tp);
	e->state = EXCHANGE_OPEN;
	e->start = s->now;
	e->pid = s->task->tgid;
	e->tid = s->task->pid;
	e->seq = e->sent_base = s->from;
	e->received_base = tp->copied_seq;
	if (parent) {
		mint_child(&e->context, &e->owner);
		e->parent_id = e->owner.span_id;
	} else if (originate) {
		mint_trace(&e->context, reject_below);
	} else {
		count(COUNT_EDGE_REFUSED);
		e->context.span_id = 0;
		return;
	}
	count_edge(e);
	if (f->inject) {
		f->unacknowledged |= flow_bit(f, f->in_flight - 1);
		count(COUNT_SCHEDULED);
	}
	sent_request_head(f, s, e);
}

/* More of the same request, unless the thread works for another visit by now (R11). A loop that
 * could not send all at once sends the rest whenever there is room, whatever it works for then. */
static __always_inline bool same_request(struct flow *f, struct sending *s, struct worker *w)
{
	struct exchange *e = flow_newest(f);
	if (f->phase != PHASE_REQUEST || !e)
		return false;
	if (s->continued)
		return true;
	__u64 visit = w ? w->visit.span_id : 0;
	/* What one object makes sends on behalf of it. */
	if (visit && key_is_object(s->worker))
		return e->worker_visit == visit;
	return e->worker_visit == visit && keys_agree(e->worker, s->worker);
}

/* Whose work it is that is sent: the sender's, or that of whoever asked it to. */
static __always_inline struct worker *sends_for(struct flow *f, struct sending *s)
{
	if (key_is_thread(s->worker))
		return thread_find(s->task);
	if (key_is_object(s->worker))
		return object_worker(s->task->tgid, s->worker);
	if (go_writer(f, s->task->tgid, s->worker))
		return go_asker(f, s->task->tgid);
	return exact_settled(s->task, s->worker, s->now);
}

static __always_inline void send_request(struct flow *f, struct sending *s)
{
	struct worker *w = sends_for(f, s);
	struct exchange *e = flow_newest(f);
	if (!same_request(f, s, w))
		invocation_open(f, s, w);
	else if (s->begins && e && e->head < head_bytes &&
		 s->tp->write_seq - e->sent_base == e->head)
		sent_request_head(f, s, e);
	f->phase = PHASE_REQUEST;
}

/* R6: the connection remembers who opened it, and for whom. */
static __always_inline void connecting(struct flow *f)
{
	__u64 now = bpf_ktime_get_ns();
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 key = f->opener = worker_key(task);
	struct worker *w =
		key_is_object(key) ? object_worker(task->tgid, key) : worker_sends(task, key, now);
	f->opener_pid = task->tgid;
	process_of(task);
	if (!w || !worker_has_visit(w, now))
		return;
	struct process *p = process_by_pid(w->pid);
	if (!p || inheritance_spent(w, p))
		return;
	f->opener_inherited = w->inherited != INHERITED_NOT;
	f->opener_visit = w->visit;
	f->opener_pid = w->pid;
	f->opener_believed = process_believed(p);
}

/* R10: tls_follow.h */
static int tls_sent(struct flow *f, struct sending *s);

static __always_inline void sent(struct bpf_sock_ops *ctx, struct bpf_sock *bpf_sk, struct flow *f)
{
	struct sending s = {};
	if (f->role == ROLE_IGNORED)
		return;
	s.tp = bpf_skc_to_tcp_sock(bpf_sk);
	if (!s.tp)
		return;
	const struct sock *sk = tcp_to_sock(s.tp);
	unsigned char state = sk->__sk_common.skc_state;
	if (!sk->sk_lock.owned || (state != BPF_TCP_ESTABLISHED && state != BPF_TCP_CLOSE_WAIT))
		return;
	if (!sending_now(&s))
		return;
	s.now = bpf_ktime_get_ns();
	s.worker = worker_key(s.task);
	send_announced(f, &s);
	s.from = s.tp->write_seq;
	if (flow_may_be_tls(f) && !tls_sent(f, &s))
		return;
	if (f->role == ROLE_PASSIVE)
		send_reply(f, &s);
	else
		send_request(f, &s);
}
