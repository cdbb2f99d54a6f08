/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What a process is made of: where its runtime keeps which unit of work a thread runs at the moment.
 * Written by user space, which has looked into the executable; removed with the process. */
#pragma once

/* Numbers that a profile needs, each profile its own; see there. */
#define RUNTIME_NUMBERS 24

struct runtime {
	__u8 profile;	 /* an exact one, or PROFILE_THREAD: its threads are its workers */
	__u8 probed;	 /* its uprobes are attached */
	__u8 look_again; /* user space wants to hear of its first request: it may have loaded more */
	__u8 objects;	 /* other workers than threads have been made */
	__u32 lost;	 /* enum runtime_lost */
	/* Is it plausible? Requests whose reader could be told, and could not; replies that were sent
	 * by a worker of their visit, and by one of another. */
	__u32 told, untold;
	__u32 agreed, disagreed;
	__u32 made, missed;    /* Python: see descent.h */
	__u32 served, overrun; /* the same */
	__u64 base;	  /* an address of the process that the numbers count from, if they do */
	__u64 since;	  /* when its processors were first looked at: see go_lots.h */
	__u32 processors; /* so many may there be */
	__u32 pad2;
	__s32 numbers[RUNTIME_NUMBERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct runtime);
} runtimes SEC(".maps");

/* What is a process's own, by a number or an address that it has for it. */
struct exact_id {
	__u64 key;
	__u32 pid;
	__u32 pad;
};

/* So much has to speak against a runtime, and more than for it, before it is given up. */
#define DOUBTS 16

static __always_inline struct runtime *runtime_of(__u32 pid)
{
	struct runtime *r = bpf_map_lookup_elem(&runtimes, &pid);
	return r && !r->lost ? r : NULL;
}

/* Is it known, and does it hold, that its threads are its workers? */
static __always_inline bool runtime_is_threads(__u32 pid)
{
	struct runtime *r = runtime_of(pid);
	return r && (r->profile == PROFILE_THREAD ||
		     (r->profile == PROFILE_ASYNCIO && r->probed && !r->objects));
}

/* What a thread-local variable's offset counts from. */
static __always_inline __u64 thread_pointer(const struct task_struct *task)
{
#if defined(__TARGET_ARCH_x86)
	return task->thread.fsbase;
#elif defined(__TARGET_ARCH_arm64)
	return task->thread.uw.tp_value;
#endif
}

static __always_inline __u64 key_of_thread(const struct task_struct *task)
{
	return KEY_OF_THREAD | (__u32)task->pid;
}

/* Where the thread's stack ended when it called the kernel. */
static __always_inline __u64 user_stack(struct task_struct *task)
{
	__u64 stack = 0;
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(task);
	bpf_core_read(&stack, sizeof(stack), &regs->sp);
	return stack;
}

/* The thread's id as it sees it itself, in its own pid namespace. */
static __always_inline __u32 tid_inside(const struct task_struct *task)
{
	const struct pid *pid = NULL;
	const struct upid *inside;
	__u32 level = 0, tid = 0;
	/* As a number: with a pointer, 6.1 lets nobody calculate. */
	if (bpf_core_read(&pid, sizeof(pid), &task->thread_pid) ||
	    bpf_core_read(&level, sizeof(level), &pid->level))
		return 0;
	inside = (const void *)__builtin_preserve_access_index(&pid->numbers[0]);
	inside = (const void *)inside + (__u64)level * bpf_core_type_size(struct upid);
	bpf_core_read(&tid, sizeof(tid), &inside->nr);
	return tid;
}

/* A word of the process's memory; 0 if it is not there. */
static __always_inline __u64 user_word(__u64 address)
{
	__u64 word = 0;
	bpf_probe_read_user(&word, sizeof(word), (void *)address);
	return word;
}

/* Once for each runtime. */
static __noinline int runtime_give_up(struct runtime *r, __u32 pid, __u32 lost)
{
	bool unreadable = lost == RUNTIME_UNREADABLE;
	if (__sync_val_compare_and_swap(&r->lost, RUNTIME_HOLDS, lost) != RUNTIME_HOLDS)
		return 0;
	count(unreadable ? COUNT_RUNTIME_UNREADABLE : COUNT_RUNTIME_DISAGREES);
	struct runtime_record *record = ring_reserve(sizeof(*record));
	if (!record)
		return 0;
	__builtin_memset(record, 0, sizeof(*record));
	record->kind = RECORD_RUNTIME;
	record->pid = pid;
	record->time = bpf_ktime_get_ns();
	record->good = unreadable ? r->told : r->agreed;
	record->bad = unreadable ? r->untold : r->disagreed;
	record->profile = r->profile;
	record->lost = lost;
	struct process *p = process_by_pid(pid);
	if (p)
		__builtin_memcpy(record->comm, p->comm, sizeof(record->comm));
	ring_submit(record);
	return 0;
}

/* A request was read: could its reader be told? Counts need not be exact. */
static __always_inline void runtime_read(__u32 pid, bool told)
{
	struct runtime *r = runtime_of(pid);
	if (!r)
		return;
	if (told) {
		r->told++;
		return;
	}
	r->untold++;
	if (r->untold >= DOUBTS && r->untold > r->told)
		runtime_give_up(r, pid, RUNTIME_UNREADABLE);
}

/* A reply was sent by a worker that has a visit of its own: this one's? */
static __always_inline void runtime_replied(__u32 pid, bool agrees)
{
	struct runtime *r = runtime_of(pid);
	if (!r)
		return;
	if (agrees) {
		r->agreed++;
		return;
	}
	r->disagreed++;
	if (r->disagreed >= DOUBTS && r->disagreed > r->agreed)
		runtime_give_up(r, pid, RUNTIME_DISAGREES);
}

/* It reads a request. */
static __always_inline void runtime_serves(__u32 pid, const struct process *p)
{
	struct runtime *r = runtime_of(pid);
	if (!r || !r->look_again)
		return;
	r->look_again = 0;
	process_report(RECORD_PROCESS, pid, p, NULL);
}

/* A forked process has its creator's memory, but none of its uprobes. */
static __always_inline bool runtime_forked(__u32 creator, __u32 pid)
{
	struct runtime *from = runtime_of(creator);
	if (!from)
		return false;
	struct runtime copy = *from;
	copy.probed = 0;
	copy.since = copy.processors = 0;
	copy.told = copy.untold = copy.agreed = copy.disagreed = 0;
	copy.made = copy.missed = copy.served = copy.overrun = 0;
	if (bpf_map_update_elem(&runtimes, &pid, &copy, BPF_ANY))
		count(COUNT_RUNTIME_FULL);
	return true;
}

static __always_inline void runtime_gone(__u32 pid)
{
	bpf_map_delete_elem(&runtimes, &pid);
}
