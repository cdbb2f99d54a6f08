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
	GO_M_OLD_P = 8,	 /* in an m: the same, from before it entered the kernel */
	GO_P_NEXT = 9,	 /* in a p: the id of the goroutine that is created on it next; then,
			  * behind the last one of its lot, the first that it does not have */
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
