/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Go: a worker is a goroutine, and its key the goroutine's id, which is never used again. */
#pragma once

/* The runtime's numbers: offsets in bytes. */
enum go_number {
	GO_TLS_G = 0, /* of the g that runs, from the thread pointer (x86-64) */
	GO_G_M = 1,   /* in a g: its m, the thread */
	GO_G_GOID = 2,
	GO_G_PARENT = 3, /* in a g: the id of the goroutine that created it */
	GO_M_PROCID = 4, /* in an m: the thread's id */
	GO_M_CURG = 5,	 /* in an m: the goroutine that runs, while the g is the thread's own */
	GO_G_START = 6,	 /* in a g: the function that it runs */
	GO_M_P = 7,	 /* in an m: its p, the processor */
	GO_P_NEXT = 8,	 /* in a p: the id of the goroutine that is created on it next */
	GO_BEHIND = 9,	 /* so far may that be behind what other processors have */
};

/* The goroutine that the thread runs; 0 if what is there can't be one. */
static __always_inline __u64 go_current(const struct task_struct *task, const struct runtime *r)
{
#if defined(__TARGET_ARCH_x86)
	__u64 g = user_word(thread_pointer(task) + r->numbers[GO_TLS_G]);
#elif defined(__TARGET_ARCH_arm64)
	/* By the calling convention; code that is not Go's may have it hold anything. */
	__u64 g = 0;
	const struct pt_regs *regs =
		(const struct pt_regs *)bpf_task_pt_regs((struct task_struct *)task);
	bpf_core_read(&g, sizeof(g), &regs->regs[28]);
#endif
	if (!g)
		return 0;
	__u64 m = user_word(g + r->numbers[GO_G_M]);
	if (!m || user_word(m + r->numbers[GO_M_PROCID]) != tid_inside(task))
		return 0;
	return user_word(g + r->numbers[GO_G_GOID]) ? g : user_word(m + r->numbers[GO_M_CURG]);
}

static __always_inline __u64 go_key(const struct task_struct *task, const struct runtime *r)
{
	__u64 g = go_current(task, r);
	return g ? user_word(g + r->numbers[GO_G_GOID]) : 0;
}

static __always_inline __u64 go_parent(const struct task_struct *task, const struct runtime *r)
{
	__u64 g = go_current(task, r);
	return g ? user_word(g + r->numbers[GO_G_PARENT]) : 0;
}

static __always_inline __u64 go_origin(const struct task_struct *task, const struct runtime *r)
{
	__u64 g = go_current(task, r);
	return g ? user_word(g + r->numbers[GO_G_START]) : 0;
}

/* Processors take ids in lots, and may keep theirs while others take many. */
#define GO_LOT 16

/* The id of the goroutine that the current processor creates next. */
static __always_inline __u64 go_next(const struct task_struct *task, const struct runtime *r)
{
	__u64 g = go_current(task, r);
	__u64 m = g ? user_word(g + r->numbers[GO_G_M]) : 0;
	__u64 p = m ? user_word(m + r->numbers[GO_M_P]) : 0;
	return p ? user_word(p + r->numbers[GO_P_NEXT]) : 0;
}

static __always_inline __u64 go_youngest(const struct task_struct *task, const struct runtime *r)
{
	__u64 next = go_next(task, r), behind = r->numbers[GO_BEHIND];
	return next > behind ? next - behind : 0;
}

/* Is the goroutine of this id from the lot that the current processor uses? Ids begin at 1. */
static __always_inline bool go_recent(const struct task_struct *task, const struct runtime *r,
				      __u64 id)
{
	__u64 next = go_next(task, r);
	return next > 1 && id < next && (id - 1) / GO_LOT == (next - 2) / GO_LOT;
}
