/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What is known of a process: what it runs, how many visits it has open, and whether its threads
 * are what its requests are worked on by (R15). */
#pragma once

/* So many replies must agree, while visits overlap, before thread parents are believed. */
#define AGREEMENTS_TO_BELIEVE 50

struct process {
	__u64 cgroup;
	__s32 open; /* visits */
	__u32 agreements;
	__u32 rules; /* ingress rules that its executable can match */
	__u8 profile;
	__u8 excluded;
	__u8 believed; /* without further proof */
	__u8 known;    /* one request per thread, by name or by configuration */
	__u8 lost;     /* a disagreement turned belief off for good */
	__u8 pad[3];
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct process);
} processes SEC(".maps");

static __always_inline void process_report(__u32 kind, __u32 pid, const struct process *p,
					   const struct program_name *executable)
{
	struct process_record *r = ring_reserve(sizeof(*r));
	if (!r)
		return;
	__builtin_memset(r, 0, sizeof(*r));
	r->kind = kind;
	r->pid = pid;
	r->time = bpf_ktime_get_ns();
	r->cgroup = p->cgroup;
	r->agreements = p->agreements;
	r->profile = p->profile;
	__builtin_memcpy(r->comm, p->comm, sizeof(r->comm));
	if (executable)
		__builtin_memcpy(r->executable, executable->name, sizeof(r->executable));
	ring_submit(r);
}

static __noinline struct process *process_first_seen(struct task_struct *task)
{
	struct process fresh = {.rules = default_rules};
	struct program_name name = {};
	__u32 pid = task->tgid;

	const unsigned char *base = BPF_CORE_READ(task, mm, exe_file, f_path.dentry, d_name.name);
	bpf_probe_read_kernel_str(name.name, sizeof(name.name), base);
	BPF_CORE_READ_INTO(&fresh.comm, task, group_leader, comm);
	fresh.cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);

	/* By what it is, or by what it was started as: redis-server is a link. */
	struct program *program = bpf_map_lookup_elem(&programs, &name);
	if (!program) {
		struct program_name alias = {};
		__builtin_memcpy(alias.name, fresh.comm, sizeof(fresh.comm));
		program = bpf_map_lookup_elem(&programs, &alias);
	}
	if (program) {
		fresh.rules = program->rules;
		fresh.profile = program->profile;
		fresh.excluded = program->excluded;
		fresh.believed = fresh.known = program->believed;
	}
	if (pid == agent_pid)
		fresh.excluded = 1;
	if (bpf_map_update_elem(&processes, &pid, &fresh, BPF_NOEXIST) == 0 && !fresh.excluded)
		process_report(RECORD_PROCESS, pid, &fresh, &name);
	struct process *p = bpf_map_lookup_elem(&processes, &pid);
	if (!p)
		count(COUNT_PROCESS_FULL);
	return p;
}

static __always_inline struct process *process_of(struct task_struct *task)
{
	__u32 pid = task->tgid;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);
	return p ?: process_first_seen(task);
}

static __always_inline struct process *process_by_pid(__u32 pid)
{
	return bpf_map_lookup_elem(&processes, &pid);
}

/* R15: may the visit that a thread of this process works for be a parent? */
static __always_inline bool process_believed(const struct process *p)
{
	if (p->lost)
		return false;
	return p->believed || p->open == 1 || p->agreements >= AGREEMENTS_TO_BELIEVE;
}

static __always_inline void process_agreed(struct process *p)
{
	count(COUNT_AGREEMENT);
	__sync_fetch_and_add(&p->agreements, 1);
}

/* A program that is known to be one request per thread has to earn belief anew: its answers to
 * time-outs come from no event of the visit. For all others once is enough. */
static __always_inline void process_disagreed(struct process *p, __u32 pid)
{
	count(COUNT_DISAGREEMENT);
	if (p->known) {
		p->believed = 0;
		p->agreements = 0;
		return;
	}
	if (p->lost)
		return;
	p->lost = 1;
	count(COUNT_BELIEF_LOST);
	process_report(RECORD_BELIEF, pid, p, NULL);
}

static __always_inline void process_visit_opened(struct process *p)
{
	__sync_fetch_and_add(&p->open, 1);
}

static __always_inline void process_visit_ended(struct process *p)
{
	if (p && p->open > 0)
		__sync_fetch_and_add(&p->open, -1);
}
