/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Which visit a worker is working for, and since when. A worker is a thread here. */
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
	__u8 pad;
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

static __always_inline struct worker *worker_find(struct task_struct *task)
{
	if (task_storage)
		return bpf_task_storage_get(&workers, task, NULL, 0);
	__u32 tid = task->pid;
	return bpf_map_lookup_elem(&workers_by_tid, &tid);
}

static __always_inline struct worker *worker_get(struct task_struct *task)
{
	struct worker *w;
	if (task_storage) {
		w = bpf_task_storage_get(&workers, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	} else {
		__u32 tid = task->pid;
		w = bpf_map_lookup_elem(&workers_by_tid, &tid);
		if (!w) {
			struct worker fresh = {};
			bpf_map_update_elem(&workers_by_tid, &tid, &fresh, BPF_NOEXIST);
			w = bpf_map_lookup_elem(&workers_by_tid, &tid);
		}
	}
	if (!w)
		count(COUNT_STORAGE_FAILED);
	return w;
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

static __always_inline bool inheritance_spent(const struct worker *w, const struct process *p)
{
	return w->inherited == INHERITED_USED && p->open > 1;
}

/* R7: a new thread or process inherits only from a creator in whose process one visit is open. */
static __always_inline void worker_created(struct task_struct *creator, struct task_struct *task)
{
	__u64 now = bpf_ktime_get_ns();
	struct worker *from = worker_find(creator);
	if (!from || !worker_has_visit(from, now))
		return;
	struct process *p = process_by_pid(from->pid);
	if (!p || p->open > 1 || p->lost)
		return;
	struct worker *w = worker_get(task);
	if (!w)
		return;
	worker_works_for(w, &from->visit, from->pid, now);
	w->inherited = INHERITED_FRESH;
}
