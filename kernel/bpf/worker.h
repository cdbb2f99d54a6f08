/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Which visit a worker is working for, and since when. A worker is a thread, or what the process's
 * runtime runs on its threads. */
#pragma once

/* R7: a visit that a worker has from its creator is good for one invocation, and for more only
 * while no other visit is open that it might as well be for. */
enum inherited {
	INHERITED_NOT = 0,
	INHERITED_FRESH = 1,
	INHERITED_USED = 2,
};

struct worker {
	struct trace_context visit; /* span_id 0: none */
	__u64 since;
	__u64 pooled; /* R13: the connection whose response was read last, all others being busy */
	__u32 pid;    /* the process in which the visit is open */
	__u8 inherited;
	__u8 reads_requests; /* has ever read one: not a pool thread (R16) */
	__u8 acted;	     /* has sent something for its visit */
	/* Those with exact keys: */
	__u8 settled;	    /* what it inherits is decided */
	__u64 serves;	    /* the connection whose request it has read last */
	__u64 origin;	    /* what its creator has it do, as far as that is told: see origins */
	__u8 reads_replies; /* to what it has sent itself, on connections that others made */
	__u8 shared;	    /* works for several at a time, and so for none: a loop */
	/* Objects (descent.h): */
	__u8 misled;   /* what it has made has answered another visit */
	__u8 ancestor; /* there are some that come from it */
	__u8 judged;   /* it has spoken for those of its origin, or against them */
	__u8 taken;    /* others read for it: so many requests of this connection, up to two */
	__u8 makes;    /* it has made another since it has its visit */
	__u8 pad;
	__u64 creator, creator_born;
	__u64 bound_since; /* what it has made before might be for another request; 0: for none */
	__u64 born;	   /* when it was made; 0 if that was not seen */
	__u64 bound;	   /* the connection on which it has answered */
	__u64 maker;	   /* it has its visit by way of this one, which has none itself */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct worker);
} workers SEC(".maps");

/* The same, where sock_ops programs may not use task storage. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct worker);
} workers_by_tid SEC(".maps");

/* Those with exact keys. Nothing says when one has ended: the least used goes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct exact_id);
	__type(value, struct worker);
} workers_by_key SEC(".maps");

/* Workers that were made for the same thing (a function) go the same way: do they end with the visit
 * that they have from their creator, or are they there for whatever comes? */
struct origin_id {
	__u64 code;
	__u32 pid;
	__u32 pad;
};

struct origin {
	__u32 made;
	__u32 outlived; /* sends for a visit that had ended */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct origin_id);
	__type(value, struct origin);
} origins SEC(".maps");

/* So many have to be seen before they are believed, as with replies (R15). */
#define ORIGIN_MADE 50
/* Objects are counted when they have done what they were made for. */
#define ORIGIN_ENDED 16
/* And no more than one send in so many may be for a visit that has ended. */
#define ORIGIN_OUTLIVED 16

static const struct worker nobody;

/* Which worker the current thread is: the thread itself, with the bit of threads; or what its
 * runtime says; or 0 if the runtime should know, and does not. */
static __noinline __u64 worker_key(struct task_struct *task)
{
	struct runtime *r = runtime_of(task->tgid);
	if (r && r->profile == PROFILE_GO)
		return go_key(task, r);
	if (r && (r->profile == PROFILE_ASYNCIO || r->profile == PROFILE_GREENLET))
		return python_key(task, r);
	return key_of_thread(task);
}

/* Who created the current worker, by its runtime; 0 if that is not known. */
static __noinline __u64 worker_parent(struct task_struct *task)
{
	struct runtime *r = runtime_of(task->tgid);
	if (r && r->profile == PROFILE_GO)
		return go_parent(task, r);
	return 0;
}

/* What the current worker was created to do, or what it creates another one for, by its runtime: a
 * number that stands for code; 0 if that is not known. */
static __noinline __u64 worker_origin(struct task_struct *task)
{
	struct runtime *r = runtime_of(task->tgid);
	if (r && r->profile == PROFILE_GO)
		return go_origin(task, r);
	if (r && (r->profile == PROFILE_ASYNCIO || r->profile == PROFILE_GREENLET))
		return python_origin(task, r);
	return 0;
}

/* Was the worker of this key, in the current process, made after that time? False unless it is sure. */
static __always_inline bool worker_made_since(struct task_struct *task, __u64 key, __u64 since)
{
	struct runtime *r = runtime_of(task->tgid);
	if (r && r->profile == PROFILE_GO)
		return go_made_since(task, r, key, since);
	return false;
}

/* The current worker reads a request at this time: who is there already can't be made for it. */
static __always_inline void worker_takes_stock(struct task_struct *task, __u64 now)
{
	struct runtime *r = runtime_of(task->tgid);
	if (r && r->profile == PROFILE_GO)
		go_look_around(task, r, now);
}

/* The current worker goes on, perhaps elsewhere. */
static __always_inline void worker_goes_on(struct task_struct *task, __u64 now)
{
	struct runtime *r = runtime_of(task->tgid);
	if (r && r->profile == PROFILE_GO)
		go_look_here(task, r, now);
}

static __always_inline struct worker *thread_find(struct task_struct *task)
{
	if (task_storage)
		return bpf_task_storage_get(&workers, task, NULL, 0);
	__u32 tid = task->pid;
	return bpf_map_lookup_elem(&workers_by_tid, &tid);
}

static __always_inline struct worker *thread_get(struct task_struct *task)
{
	struct worker *w;
	if (task_storage) {
		w = bpf_task_storage_get(&workers, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	} else {
		__u32 tid = task->pid;
		w = bpf_map_lookup_elem(&workers_by_tid, &tid);
		if (!w) {
			bpf_map_update_elem(&workers_by_tid, &tid, &nobody, BPF_NOEXIST);
			w = bpf_map_lookup_elem(&workers_by_tid, &tid);
		}
	}
	if (!w)
		count(COUNT_STORAGE_FAILED);
	return w;
}

static __always_inline struct worker *exact_find(__u32 pid, __u64 key)
{
	struct exact_id id = {.key = key, .pid = pid};
	return key ? bpf_map_lookup_elem(&workers_by_key, &id) : NULL;
}

static __always_inline struct worker *exact_get(__u32 pid, __u64 key)
{
	struct exact_id id = {.key = key, .pid = pid};
	if (!key)
		return NULL;
	struct worker *w = bpf_map_lookup_elem(&workers_by_key, &id);
	if (w)
		return w;
	bpf_map_update_elem(&workers_by_key, &id, &nobody, BPF_NOEXIST);
	w = bpf_map_lookup_elem(&workers_by_key, &id);
	if (!w)
		count(COUNT_STORAGE_FAILED);
	return w;
}

/* The worker that has this key in the current thread. */
static __always_inline struct worker *worker_find(struct task_struct *task, __u64 key)
{
	return key_is_thread(key) ? thread_find(task) : exact_find(task->tgid, key);
}

static __always_inline struct worker *worker_get(struct task_struct *task, __u64 key)
{
	return key_is_thread(key) ? thread_get(task) : exact_get(task->tgid, key);
}

static __always_inline void worker_gone(struct task_struct *task)
{
	__u32 tid = task->pid;
	if (!task_storage)
		bpf_map_delete_elem(&workers_by_tid, &tid);
}

static __always_inline void worker_works_for(struct worker *w, const struct trace_context *visit,
					     __u32 pid, __u64 now)
{
	w->visit = *visit;
	w->since = now;
	w->pid = pid;
	w->inherited = INHERITED_NOT;
	w->pooled = 0;
	w->acted = 0;
	w->makes = 0;
}

static __always_inline void worker_idle(struct worker *w)
{
	w->visit.span_id = 0;
	w->inherited = INHERITED_NOT;
	w->pooled = 0;
}

/* R9: a visit is not believed after its reply, nor for ever. */
static __always_inline bool worker_has_visit(const struct worker *w, __u64 now)
{
	return w->visit.span_id && now - w->since < visit_age_ns && visit_is_open(w->visit.span_id);
}

static __always_inline struct origin *origin_of(__u32 pid, __u64 code)
{
	struct origin_id id = {.code = code, .pid = pid};
	return code ? bpf_map_lookup_elem(&origins, &id) : NULL;
}

static __always_inline void origin_made(__u32 pid, __u64 code)
{
	struct origin_id id = {.code = code, .pid = pid};
	struct origin first = {.made = 1};
	struct origin *o = origin_of(pid, code);
	if (o)
		__sync_fetch_and_add(&o->made, 1);
	else if (code)
		bpf_map_update_elem(&origins, &id, &first, BPF_NOEXIST);
}

static __always_inline void origin_outlived(__u32 pid, __u64 code)
{
	struct origin *o = origin_of(pid, code);
	if (o)
		__sync_fetch_and_add(&o->outlived, 1);
}

static __always_inline bool origin_believed(const struct worker *w)
{
	const struct origin *o = origin_of(w->pid, w->origin);
	__u32 enough = w->born ? ORIGIN_ENDED : ORIGIN_MADE;
	return o && o->made >= enough && o->outlived <= o->made / ORIGIN_OUTLIVED;
}

static __always_inline bool inheritance_spent(const struct worker *w, const struct process *p)
{
	/* Objects that wait for whatever comes may begin with another request's. */
	bool doubtful = w->inherited == INHERITED_USED || (w->inherited && w->born);
	return doubtful && p->open > 1 && !origin_believed(w);
}

/* R1 with exact keys: a worker that reads a request while one of another connection is open is a loop
 * that reads for everybody. It works for none, and hands none down. */
static __always_inline void exact_reads(struct task_struct *task, struct worker *w,
					__u64 connection, __u64 now)
{
	if (w->serves != connection && !w->inherited && w->visit.span_id &&
	    visit_is_open(w->visit.span_id))
		w->shared = 1;
	w->serves = connection;
	w->settled = 1;
	worker_takes_stock(task, now);
}

/* May it hand down what it works for to the worker of this key? Not what it works for by now, if the
 * other may have been there before. Of two in a row the one between has to be seen to wait for replies: else it
 * may be what makes connections, and the last one what writes to them on behalf of everybody. */
static __always_inline bool hands_down(const struct worker *w, struct task_struct *task, __u64 key,
				       __u64 now)
{
	return !w->shared && (!w->inherited || w->reads_replies) && worker_has_visit(w, now) &&
	       worker_made_since(task, key, w->since);
}

/* R7 with exact keys: the first time that a worker is seen to send it gets what its creator works
 * for, once and for all; later its creator may work for another. */
static __noinline struct worker *exact_settled(struct task_struct *task, __u64 key, __u64 now)
{
	__u32 pid = task->tgid;
	struct worker *w = exact_get(pid, key);
	if (!w || w->settled)
		return w;
	w->settled = 1;
	struct worker *from = exact_find(pid, worker_parent(task));
	if (!from || !hands_down(from, task, key, now))
		return w;
	worker_works_for(w, &from->visit, from->pid, from->since);
	w->inherited = INHERITED_FRESH;
	w->origin = worker_origin(task);
	origin_made(pid, w->origin);
	return w;
}

/* Whoever sends or connects. */
static __always_inline struct worker *worker_sends(struct task_struct *task, __u64 key, __u64 now)
{
	return key_is_thread(key) ? thread_find(task) : exact_settled(task, key, now);
}

/* R7: a new thread or process inherits only from a creator in whose process one visit is open. Not a
 * thread that its runtime makes, to run anything. */
static __always_inline void worker_created(struct task_struct *creator, struct task_struct *task)
{
	__u64 now = bpf_ktime_get_ns(), key = worker_key(creator);
	if (!key_is_thread(key) && creator->tgid == task->tgid)
		return;
	struct worker *from = worker_find(creator, key);
	if (!from || !worker_has_visit(from, now))
		return;
	struct process *p = process_by_pid(from->pid);
	if (!p || p->open > 1 || (p->lost && key_is_thread(key)))
		return;
	struct worker *w = thread_get(task);
	if (!w)
		return;
	worker_works_for(w, &from->visit, from->pid, now);
	w->inherited = INHERITED_FRESH;
}
