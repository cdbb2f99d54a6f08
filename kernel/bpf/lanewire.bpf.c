// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* The programs: thin entry points. Each header beside this file holds one subject, and the rules
 * (R1 to R15) stand in receive.h, send.h, close.h, process.h, worker.h and pool.h. */
#include "kernel_types.h"
#include "record.h"
#include "counters.h"
#include "settings.h"
#include "context.h"
#include "ring.h"
#include "visits.h"
#include "process.h"
#include "runtime.h"
#include "go.h"
#include "go_lots.h"
#include "python.h"
#include "worker.h"
#include "tls.h"
#include "flow.h"
#include "descent.h"
#include "emit.h"
#include "syscall.h"
#include "tls_walk.h"
#include "head.h"
#include "baggage.h"
#include "traceparent.h"
#include "baggage_read.h"
#include "call.h"
#include "gather.h"
#include "visit.h"
#include "option.h"
#include "pool.h"
#include "tls_doubt.h"
#include "go_http.h"
#include "receive.h"
#include "send.h"
#include "tls_follow.h"
#include "close.h"

/* Some helpers are for GPL-compatible programs only; see the file's dual licence. */
char LICENSE[] SEC("license") = "GPL";

/* Never used: they bring the records into the object's BTF, and so into Rust. */
const volatile struct exchange_record exchange_record_type;
const volatile struct extend_record extend_record_type;
const volatile struct head_record head_record_type;
const volatile struct process_record process_record_type;
const volatile struct path_record path_record_type;
const volatile struct runtime_record runtime_record_type;
const volatile enum counter counter_type;
const volatile enum record_kind record_kind_type;
const volatile enum parent_kind parent_kind_type;
const volatile enum no_parent no_parent_type;
const volatile enum head_part head_part_type;
const volatile enum profile profile_type;
const volatile enum runtime_lost runtime_lost_type;
const volatile enum go_number go_number_type;
const volatile enum python_number python_number_type;

#if defined(__TARGET_ARCH_x86)
#define RETURNED(ctx) ((ctx)->ax)
#define SECOND_ARGUMENT(ctx) ((ctx)->si)
#elif defined(__TARGET_ARCH_arm64)
#define RETURNED(ctx) ((ctx)->regs[0])
#define SECOND_ARGUMENT(ctx) ((ctx)->regs[1])
#endif

#define CALLBACKS                                                          \
	(BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG | BPF_SOCK_OPS_STATE_CB_FLAG | \
	 BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG)

/* The port that the server listens on, and the other one, may both be excluded. */
static __always_inline bool connection_excluded(struct bpf_sock_ops *ctx)
{
	return port_excluded(ctx->local_port) || port_excluded(bpf_ntohl(ctx->remote_port));
}

static __always_inline void established(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					enum role role)
{
	if (connection_excluded(ctx))
		return;
	struct flow *f = bpf_sk_storage_get(&flows, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!f) {
		count(COUNT_STORAGE_FAILED);
		return;
	}
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	__u8 local[16], remote[16];
	flow_addresses(tcp_to_sock(tp), local, remote);
	struct peer peer = peer_of(remote);
	f->role = role;
	f->established = bpf_ktime_get_ns();
	f->copied_seq = tp->copied_seq;
	f->announced = f->expected = tp->write_seq;
	f->announced_buffer = ~0ULL;
	f->cookie = bpf_get_socket_cookie(ctx);
	f->netns = bpf_get_netns_cookie(ctx);
	f->rules = peer.rules;
	f->trust = peer.trust;
	f->inject = role == ROLE_ACTIVE && peer.inject && !path_suspect(remote);
	if (role == ROLE_ACTIVE && f->opener_pid) {
		struct process *p = process_by_pid(f->opener_pid);
		if (p && p->profile == PROFILE_LOOP)
			pool_joined(f, tp);
	}
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | CALLBACKS);
	/* The handshake may have been completed by a segment with data. */
	if (role == ROLE_PASSIVE && ctx->skb_len > 0)
		option_parse(ctx, f);
}

SEC("sockops")
int lanewire_sock_ops(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct flow *f;
	if (!sk)
		return 1;
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		/* What it is made of should be known by its first request. */
		if (!connection_excluded(ctx))
			process_of(bpf_get_current_task_btf());
		return 1;
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		if (connection_excluded(ctx))
			return 1;
		f = bpf_sk_storage_get(&flows, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
		if (f)
			connecting(f);
		else
			count(COUNT_STORAGE_FAILED);
		return 1;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		established(ctx, sk, ROLE_ACTIVE);
		return 1;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		established(ctx, sk, ROLE_PASSIVE);
		return 1;
	}

	f = bpf_sk_storage_get(&flows, sk, NULL, 0);
	if (!f)
		return 1;
	switch (ctx->op) {
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		if (ctx->args[0] == BPF_WRITE_HDR_TCP_CURRENT_MSS) {
			sent(ctx, sk, f);
			option_reserve_mss(ctx, f);
		} else {
			option_reserve(ctx, f);
		}
		return 1;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		option_write(ctx, f);
		return 1;
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		if (f->role == ROLE_PASSIVE)
			option_parse(ctx, f);
		return 1;
	case BPF_SOCK_OPS_STATE_CB:
		state_changed(ctx, sk, f);
		return 1;
	}
	return 1;
}

/* While a thread is in a tracing program the kernel leaves out that program's runs for all others on
 * the same CPU: no other thread may get there meanwhile. What remains is the way in and out. */
static __always_inline void run_begins(void)
{
	if (preemptible)
		bpf_preempt_disable();
}

static __always_inline void run_ends(void)
{
	if (preemptible)
		bpf_preempt_enable();
}

SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(lanewire_receive, struct sock *sk)
{
	run_begins();
	received(sk);
	run_ends();
	return 0;
}

/* Loaded where the run above can be left out, which would cost more than a record: the next request
 * would be taken for this one. Finds nothing to do where it was not. */
SEC("?tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(lanewire_receive_again, struct sock *sk)
{
	run_begins();
	received(sk);
	run_ends();
	return 0;
}

SEC("uprobe")
int lanewire_go_round_trip(struct pt_regs *ctx)
{
	count(COUNT_PROBE_GO);
	go_asks(bpf_get_current_task_btf(), GO_RECEIVER(ctx));
	return 0;
}

SEC("uprobe")
int lanewire_go_write_loop(struct pt_regs *ctx)
{
	count(COUNT_PROBE_GO);
	go_writes(bpf_get_current_task_btf(), GO_RECEIVER(ctx));
	return 0;
}

/* PyContext_CopyCurrent: what the current context makes inherits from it. */
SEC("uretprobe")
int lanewire_python_context(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 made = RETURNED(ctx);
	count(COUNT_PROBE_PYTHON);
	if (made)
		object_begins(task, KEY_OF_OBJECT | made, worker_key(task), ctx->sp);
	return 0;
}

/* The other functions that return a new context. */
SEC("uretprobe")
int lanewire_python_context_new(struct pt_regs *ctx)
{
	__u64 made = RETURNED(ctx);
	count(COUNT_PROBE_PYTHON);
	if (made)
		object_begins(bpf_get_current_task_btf(), KEY_OF_OBJECT | made, 0, 0);
	return 0;
}

/* greenlet::UserGreenlet::UserGreenlet(PyGreenlet *, ...) */
SEC("uprobe")
int lanewire_greenlet_new(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	count(COUNT_PROBE_PYTHON);
	object_begins(task, KEY_OF_OBJECT | SECOND_ARGUMENT(ctx), worker_key(task), 0);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(lanewire_fork, struct task_struct *creator, struct task_struct *task)
{
	run_begins();
	worker_created(creator, task);
	/* It has none of its creator's uprobes: user space is told before its first request. */
	if (creator->tgid != task->tgid && runtime_forked(creator->tgid, task->tgid))
		process_of(task);
	run_ends();
	return 0;
}

/* Another program runs in this process now: what was known of the old one does not hold, but for
 * the visits that it has open. */
static __always_inline void process_executed(struct task_struct *task)
{
	__u32 pid = task->tgid;
	struct process *p = process_by_pid(pid);
	__s32 open = p ? p->open : 0;
	bpf_map_delete_elem(&processes, &pid);
	runtime_gone(pid);
	if (open <= 0)
		return;
	p = process_first_seen(task);
	if (p)
		p->open = open;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(lanewire_exec, struct task_struct *task)
{
	run_begins();
	process_executed(task);
	run_ends();
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(lanewire_exit, struct task_struct *task)
{
	__u32 pid = task->tgid;
	run_begins();
	worker_gone(task);
	if (task->pid == task->tgid) {
		bpf_map_delete_elem(&processes, &pid);
		runtime_gone(pid);
	}
	run_ends();
	return 0;
}
