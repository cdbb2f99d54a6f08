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
		w = object_creator(pid, w);
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
	worker_works_for(w, visit, pid, now);
	return true;
}

/* R1: a request was read, and what was made for this connection since it is there works for it; so does
 * the one that has answered the request before and is older. Without a visit: it is not known for
 * which. */
static __noinline int objects_take(const struct flow *f, const struct trace_context *visit,
				   __u64 reader, __u64 now)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct worker *w = key_is_object(reader) ? exact_find(pid, reader) : NULL;
	for (int i = 0; w && i < DESCENT; i++) {
		w = object_creator(pid, w);
		if (!w || w->born < f->established || !object_takes(w, f, visit, pid, now))
			break;
	}
	w = exact_find(pid, f->replier);
	if (w && w->bound == f->cookie)
		object_takes(w, f, visit, pid, now);
	return 0;
}

/* R4: the nearest of those that the reply comes from which is older than the request, but younger than
 * the connection, is what the connection is served by, if it serves no other. */
static __noinline int object_replied(struct flow *f, __u64 asked, __u64 key)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
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

/* Whose visit an object has from the worker that makes it. */
static __always_inline struct worker *object_heir(struct task_struct *task, __u64 creator,
						  __u64 stack, __u64 now, bool *made)
{
	struct worker *from;
	if (key_is_thread(creator)) {
		struct process *p = process_by_pid(task->tgid);
		from = thread_find(task);
		return from && p && process_believed(p) ? from : NULL;
	}
	from = object_worker(task->tgid, creator);
	if (from && (from->visit.span_id || from->shared))
		return from;
	*made = true;
	return stack ? python_makes(task, creator, stack) : NULL;
}

/* Another one takes its place. */
static __always_inline void object_ends(__u32 pid, struct worker *w)
{
	struct worker_id id = {.key = KEY_OF_DEAD_OBJECT | w->born, .pid = pid};
	if (w->ancestor && w->born)
		bpf_map_update_elem(&workers_by_key, &id, w, BPF_ANY);
	__builtin_memset(w, 0, sizeof(*w));
}

/* The current thread makes an object that may work. */
static __noinline int object_begins(struct task_struct *task, __u64 key, __u64 creator, __u64 stack)
{
	__u64 now = bpf_ktime_get_ns();
	struct worker *w = exact_get(task->tgid, key);
	bool made = false;
	if (!w)
		return 0;
	object_ends(task->tgid, w);
	w->settled = 1;
	w->born = now;
	if (!creator)
		return 0;
	struct worker *from = object_heir(task, creator, stack, now, &made);
	if (from && !from->inherited && worker_has_visit(from, now)) {
		worker_works_for(w, &from->visit, from->pid, from->since);
		w->maker = made ? creator : from->maker;
		return 0;
	}
	from = key_is_object(creator) ? exact_get(task->tgid, creator) : NULL;
	if (!from)
		return 0;
	w->creator = creator;
	w->creator_born = from->born;
	from->ancestor = 1;
	return 0;
}
