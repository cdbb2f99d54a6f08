/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Workers that are objects of a runtime (contexts, greenlets): whom they come from, and which visit
 * they have from there. Uprobes tell of each when it is made: whatever was known of an object at the
 * same address ends then. Only those that others come from are kept beyond. */
#pragma once

/* So many that have no visit themselves lie between a worker and the one that it has it from. */
#define DESCENT 6
/* The worker has answered on more than one connection. */
#define BOUND_TO_NONE (~0ULL)

static __always_inline struct worker *object_creator(__u32 pid, const struct worker *w)
{
	struct worker *creator = exact_find(pid, w->creator);
	if (!creator || creator->born == w->creator_born)
		return creator;
	/* Its place has been taken. */
	return exact_find(pid, KEY_OF_DEAD_OBJECT | w->creator_born);
}

/* The worker whose visit this one works for: itself, or the nearest that it comes from. A visit that
 * has ended hides those behind it: what goes on after the reply belongs to none. Its own entry if there
 * is none. */
static __noinline struct worker *object_worker(__u32 pid, __u64 key)
{
	struct worker *own = exact_find(pid, key), *w = own;
	for (int i = 0; w && i < DESCENT; i++) {
		if (w->shared)
			break;
		if (w->visit.span_id)
			return w;
		__u64 born = w->born;
		w = object_creator(pid, w);
		if (w && born < w->bound_since)
			break;
	}
	return own;
}

static __always_inline void object_is_nobodys(struct worker *w)
{
	w->shared = 1;
	w->visit.span_id = 0;
}

/* Before a request is read. One that reads on several connections at a time works for none of them, and
 * neither do those that it makes. */
static __always_inline void object_reads(struct worker *w, const struct flow *f, __u64 now)
{
	if (w->serves && w->serves != f->cookie && worker_has_visit(w, now))
		object_is_nobodys(w);
	w->serves = f->cookie;
}

static __always_inline bool object_takes(struct worker *w, const struct flow *f,
					 const struct trace_context *visit, __u32 pid, __u64 now)
{
	object_reads(w, f, now);
	if (w->shared)
		return false;
	if (w->taken < 2)
		w->taken++;
	worker_works_for(w, visit, pid, now);
	return true;
}

/* R1: a request was read, and what was made for this connection since it is there works for it; so does
 * the one that has answered the request before and is older. */
static __noinline int objects_take(const struct flow *f, const struct trace_context *visit,
				   __u64 reader, __u64 now)
{
	__u32 pid = bpf_get_current_task_btf()->tgid;
	struct worker *w = key_is_object(reader) ? exact_find(pid, reader) : NULL;
	for (int i = 0; w && i < DESCENT; i++) {
		w = object_creator(pid, w);
		if (!w || w->inherited || w->born < f->established ||
		    !object_takes(w, f, visit, pid, now))
			break;
	}
	w = exact_find(pid, f->replier);
	if (!w || w->bound != f->cookie)
		return 0;
	if (!w->taken)
		w->bound_since = now;
	/* It has had one before. */
	w->taken = 1;
	object_takes(w, f, visit, pid, now);
	return 0;
}

static __always_inline void object_overran(__u32 pid)
{
	struct runtime *r = runtime_of(pid);
	if (r)
		r->overrun++;
}

/* Others read what it is to work for, perhaps while it still does something for the request before. It
 * is believed as long as this program's hardly ever are seen to send after their replies. */
static __always_inline bool object_overruns(const struct worker *w)
{
	struct runtime *r = w->taken > 1 ? runtime_of(w->pid) : NULL;
	return r && r->overrun > r->served / ORIGIN_OUTLIVED;
}

/* R4: the nearest of those that the reply comes from which is older than the request, but younger than
 * the connection, is what the connection is served by, if it serves no other. */
static __noinline int object_binds(struct flow *f, __u64 asked, __u64 key)
{
	__u32 pid = bpf_get_current_task_btf()->tgid;
	struct worker *w = exact_find(pid, key);
	f->replier = 0;
	for (int i = 0; w && i < DESCENT; i++) {
		if (w->shared || w->born < f->established)
			return 0;
		if (w->born < asked) {
			w->bound = w->bound && w->bound != f->cookie ? BOUND_TO_NONE : f->cookie;
			f->replier = key;
			return 0;
		}
		key = w->creator;
		w = object_creator(pid, w);
	}
	return 0;
}

/* Did it end with its visit, as far as anybody saw? */
static __always_inline void object_judged(struct worker *w)
{
	if (w->inherited && !w->judged)
		origin_made(w->pid, w->origin);
	w->judged = 1;
}

/* w is whose visit it has. */
static __always_inline void object_replied(struct flow *f, const struct exchange *e, __u64 key,
					   struct worker *w)
{
	struct runtime *r = runtime_of(e->pid);
	if (r)
		r->served++;
	if (w && w->visit.span_id == e->context.span_id)
		object_judged(w);
	object_binds(f, e->start, key);
}

/* R3: one that reads what others have asked for runs whatever comes of it, for all of them. */
static __always_inline void object_answered(struct worker *w, const struct exchange *e, __u64 key)
{
	if (key_is_object(e->worker) && e->worker != key)
		object_is_nobodys(w);
}

/* Outside of all contexts a request was read (uvloop). While the function that has read it runs, the
 * first context that is made belongs to it, if that is how this program does it: see python_makes(). */
static __always_inline void python_read(const struct trace_context *visit)
{
	struct python_thread *t = python_thread(false);
	if (!t)
		return;
	t->visit = visit->span_id;
	t->stack = user_stack(bpf_get_current_task_btf());
}

static __always_inline void python_answers(void)
{
	struct python_thread *t = python_thread(false);
	if (t)
		t->answers = 1;
}

/* The thread reads again. Unless it is more of the same, nothing was made for the request before, which
 * counts once for each connection. */
static __always_inline void python_reads(struct task_struct *task, struct flow *f)
{
	struct python_thread *t = python_thread(false);
	if (!t || !t->visit)
		return;
	const struct exchange *e = flow_newest(f);
	if (f->role == ROLE_PASSIVE && e && e->context.span_id == t->visit) {
		t->stack = user_stack(task);
		return;
	}
	t->visit = 0;
	struct runtime *r = runtime_of(task->tgid);
	if (r)
		r->missed++;
}

/* For the visit that the thread has just opened by reading it. Not once the reader's stack is gone, nor
 * if requests are read without that, nor if the maker has been wrong before. */
static __always_inline struct worker *python_makes(struct task_struct *task, __u64 maker,
						   __u64 stack)
{
	struct python_thread *t = python_thread(false);
	if (!t || !t->visit || stack >= t->stack)
		return NULL;
	__u64 visit = t->visit;
	t->visit = 0;
	struct runtime *r = runtime_of(task->tgid);
	struct worker *w = thread_find(task), *m = exact_get(task->tgid, maker);
	if (!r || !m || !w || w->visit.span_id != visit)
		return NULL;
	r->made++;
	return r->missed > r->made || m->misled ? NULL : w;
}

/* The first context that a request's reader makes is what works for the request. */
static __always_inline bool object_begets(struct worker *w, __u64 stack)
{
	bool first = stack && w->serves && !w->taken && !w->inherited && !w->acted && !w->makes;
	w->makes = 1;
	return first;
}

static __always_inline void object_inherits(struct worker *w, const struct worker *from)
{
	worker_works_for(w, &from->visit, from->pid, from->since);
	w->maker = from->maker;
}

/* R7: like other workers that have their visit from whoever made them; see inheritance_spent(). */
static __always_inline void object_is_heir(struct task_struct *task, struct worker *w)
{
	w->inherited = INHERITED_FRESH;
	w->origin = worker_origin(task);
}

/* Not from a loop's thread, which works for whatever it has read last. */
static __always_inline void thread_hands_down(struct task_struct *task, struct worker *w, __u64 now)
{
	struct python_thread *t = python_thread(false);
	struct process *p = process_by_pid(task->tgid);
	struct worker *from = thread_find(task);
	if (!t || !t->answers || !p || !process_believed(p) || !from || from->inherited ||
	    !worker_has_visit(from, now))
		return;
	object_inherits(w, from);
	object_is_heir(task, w);
}

/* Those that come from an heir that is not believed yet share what it may do: they ask it. */
static __always_inline bool object_asks(const struct worker *from, __u64 now)
{
	return from->inherited && worker_has_visit(from, now) && !origin_believed(from);
}

/* Another one takes its place. */
static __always_inline void object_ends(__u32 pid, struct worker *w)
{
	struct exact_id id = {.key = KEY_OF_DEAD_OBJECT | w->born, .pid = pid};
	if (w->acted || w->ancestor)
		object_judged(w);
	if (w->ancestor && w->born)
		bpf_map_update_elem(&workers_by_key, &id, w, BPF_ANY);
	__builtin_memset(w, 0, sizeof(*w));
}

static __always_inline void object_made_by(struct worker *w, __u32 pid, __u64 creator)
{
	struct worker *from = exact_get(pid, creator);
	if (!from)
		return;
	w->creator = creator;
	w->creator_born = from->born;
	/* It will be asked. */
	if (!w->visit.span_id)
		from->ancestor = 1;
}

/* Of a visit that has ended, too: what is made after the reply is for no later one. */
static __always_inline void object_hands_down(struct task_struct *task, struct worker *w,
					      __u64 creator, __u64 stack, __u64 now)
{
	struct worker *from = object_worker(task->tgid, creator);
	if (from && (from->shared || object_overruns(from)))
		return;
	if (from && from->visit.span_id) {
		if (object_asks(from, now))
			return;
		bool first = from == exact_find(task->tgid, creator) && object_begets(from, stack);
		object_inherits(w, from);
		if (!first)
			object_is_heir(task, w);
		return;
	}
	from = stack ? python_makes(task, creator, stack) : NULL;
	if (from && worker_has_visit(from, now)) {
		object_inherits(w, from);
		w->maker = creator;
	}
}

/* The current thread makes an object that may work. */
static __noinline int object_begins(struct task_struct *task, __u64 key, __u64 creator, __u64 stack)
{
	__u64 now = bpf_ktime_get_ns();
	struct worker *w = exact_get(task->tgid, key);
	struct runtime *r = runtime_of(task->tgid);
	if (!w)
		return 0;
	object_ends(task->tgid, w);
	w->settled = 1;
	w->born = now;
	if (!creator)
		return 0;
	if (r && !r->objects)
		r->objects = 1;
	if (key_is_thread(creator))
		thread_hands_down(task, w, now);
	if (key_is_object(creator)) {
		object_hands_down(task, w, creator, stack, now);
		object_made_by(w, task->tgid, creator);
	}
	return 0;
}
