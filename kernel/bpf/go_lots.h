/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Go: since when there may have been a goroutine, by its id. Go's processors (p) take ids in lots and
 * give them in order. Whenever a request is read it is noted how far each processor has come. */
#pragma once

#define GO_LOT 16

/* A lot of ids: times of the kernel's monotonic clock; 0: not seen so. */
struct go_lot {
	__u64 first;
	__u64 untaken;	     /* no processor had taken it yet */
	__u64 given[GO_LOT]; /* so many of its ids were given, and no more */
	__u32 processor;
	__u32 pad;
};

struct go_processor {
	__u64 address;
	__u64 first; /* id of its lot; or GO_LOT_CHANGES */
	__u64 seen;
	struct go_lot lot;
};

#define GO_LOT_CHANGES ~0ULL

/* The processors that are looked at for each request. Those above are seen when they do something. */
#define GO_PROCESSORS 64

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct exact_id);
	__type(value, struct go_processor);
} go_processors SEC(".maps");

/* By their first ids, in steps of GO_LOT: threads of C take ids one by one, and lots begin anywhere.
 * Of those that are in use the processor knows more. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct exact_id);
	__type(value, struct go_lot);
} go_lots SEC(".maps");

static __always_inline struct go_processor *go_processor(__u32 pid, __u32 number)
{
	struct exact_id id = {.key = number, .pid = pid};
	return bpf_map_lookup_elem(&go_processors, &id);
}

static const struct go_processor go_no_processor;

static __always_inline struct go_processor *go_processor_met(__u32 pid, __u32 number)
{
	struct exact_id id = {.key = number, .pid = pid};
	struct go_processor *p = go_processor(pid, number);
	if (!p) {
		bpf_map_update_elem(&go_processors, &id, &go_no_processor, BPF_NOEXIST);
		p = go_processor(pid, number);
	}
	if (!p)
		count(COUNT_STORAGE_FAILED);
	return p;
}

static __always_inline void go_lot_keep(__u32 pid, const struct go_lot *lot)
{
	struct exact_id id = {.key = lot->first / GO_LOT, .pid = pid};
	bpf_map_update_elem(&go_lots, &id, lot, BPF_ANY);
}

/* The processor has another lot than the one that was known. False if somebody else notes that. */
static __noinline bool go_lot_taken(struct go_processor *p, __u64 address, __u64 first, __u32 pid,
				    __u64 since)
{
	__u64 before = p->first;
	/* Else it was another process, of the same id. */
	bool known = p->address == address && p->seen >= since;
	if (known && before >= first)
		return false;
	if (known)
		go_lot_keep(pid, &p->lot);
	if (__sync_val_compare_and_swap(&p->first, before, GO_LOT_CHANGES) != before)
		return false;
	__builtin_memset(p->lot.given, 0, sizeof(p->lot.given));
	p->lot.first = first;
	p->lot.untaken = known ? p->seen : 0;
	p->address = address;
	__sync_lock_test_and_set(&p->first, first);
	go_lot_keep(pid, &p->lot);
	return true;
}

/* How far the processor has come; no earlier than now. */
static __always_inline void go_look(struct go_processor *p, __u64 address, const struct runtime *r,
				    __u32 pid, __u64 now)
{
	struct {
		__u64 next, end;
	} ids;
	if (bpf_probe_read_user(&ids, sizeof(ids), (void *)(address + r->numbers[GO_P_NEXT])))
		return;
	__u64 first = ids.end - GO_LOT, given = ids.next - first;
	/* Not before the first lot, and not while it takes another. */
	if (ids.end <= GO_LOT || given > GO_LOT)
		return;
	if ((p->first != first || p->address != address || p->seen < r->since) &&
	    !go_lot_taken(p, address, first, pid, r->since))
		return;
	/* Others look, too, and may have begun earlier. */
	if (given < GO_LOT && p->lot.given[given] < now)
		p->lot.given[given] = now;
	if (p->seen < now)
		p->seen = now;
}

/* The processor that a goroutine runs on, or that its thread had when it entered the kernel. */
static __always_inline __u64 go_processor_of(__u64 g, const struct runtime *r)
{
	__u64 m = user_word(g + r->numbers[GO_G_M]);
	if (!m)
		return 0;
	return user_word(m + r->numbers[GO_M_P]) ?: user_word(m + r->numbers[GO_M_OLD_P]);
}

/* Looks at the current processor. */
static __noinline int go_look_here(const struct task_struct *task, struct runtime *r, __u64 now)
{
	__u32 pid = task->tgid, number = 0;
	__u64 g = go_current(task, r), address = g ? go_processor_of(g, r) : 0;
	/* A p begins with its number. */
	if (!address || bpf_probe_read_user(&number, sizeof(number), (void *)address))
		return 0;
	if (!r->since)
		r->since = now;
	if (number >= r->processors)
		r->processors = number + 1;
	struct go_processor *p = go_processor_met(pid, number);
	if (!p)
		return 0;
	p->lot.processor = number;
	go_look(p, address, r, pid, now);
	return 0;
}

struct go_looking {
	const struct runtime *r;
	__u64 now;
	__u32 pid;
};

static long go_look_at(__u32 i, struct go_looking *l)
{
	struct go_processor *p = go_processor(l->pid, i);
	if (p && p->address)
		go_look(p, p->address, l->r, l->pid, l->now);
	return 0;
}

/* Looks at all processors that have been seen. */
static __noinline int go_look_around(const struct task_struct *task, struct runtime *r, __u64 now)
{
	struct go_looking l = {.r = r, .now = now, .pid = task->tgid};
	go_look_here(task, r, now);
	__u32 processors = r->processors;
	bpf_loop(processors < GO_PROCESSORS ? processors : GO_PROCESSORS, go_look_at, &l, 0);
	return 0;
}

/* The lot that has this id, if it begins in this step. */
static __always_inline const struct go_lot *go_lot_of(__u32 pid, __u64 goid, __u64 step)
{
	struct exact_id id = {.key = step, .pid = pid};
	const struct go_lot *lot = bpf_map_lookup_elem(&go_lots, &id);
	return lot && goid - lot->first < GO_LOT ? lot : NULL;
}

/* A time at which there was no goroutine of this id yet: the last one that is known, or 0. */
static __noinline __u64 go_unborn(__u32 pid, __u64 goid)
{
	__u64 step = goid / GO_LOT;
	const struct go_lot *lot = go_lot_of(pid, goid, step);
	if (!lot)
		lot = go_lot_of(pid, goid, step - 1);
	if (!lot)
		return 0;
	__u64 first = lot->first, unborn = lot->untaken;
	const struct go_processor *p = go_processor(pid, lot->processor);
	if (p && p->first == first)
		lot = &p->lot;
#pragma unroll
	for (__u32 given = 0; given < GO_LOT; given++) {
		if (first + given <= goid && lot->given[given] > unborn)
			unborn = lot->given[given];
	}
	return unborn;
}

/* Is it sure that the goroutine of this id, which runs, was made after that time? */
static __noinline bool go_made_since(const struct task_struct *task, struct runtime *r, __u64 goid,
				     __u64 since)
{
	__u32 pid = task->tgid;
	__u64 unborn = go_unborn(pid, goid);
	/* Of a lot that nobody has seen yet. */
	if (!unborn) {
		go_look_around(task, r, bpf_ktime_get_ns());
		unborn = go_unborn(pid, goid);
	}
	return unborn >= since;
}
