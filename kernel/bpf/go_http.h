/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Go's http.Client: what a goroutine asks for another one writes, which belongs to the connection
 * (persistConn) and lives as long. Uprobes tell who has asked, and which goroutine writes where. */
#pragma once

/* By a persistConn's address: what the goroutine that has asked last works for, or nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct exact_id);
	__type(value, struct worker);
} askers SEC(".maps");

/* By a goroutine that writes: its persistConn's address. Until it sends; then its connection knows. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct exact_id);
	__type(value, __u64);
} writers SEC(".maps");

#if defined(__TARGET_ARCH_x86)
#define GO_RECEIVER(ctx) ((ctx)->ax)
#elif defined(__TARGET_ARCH_arm64)
#define GO_RECEIVER(ctx) ((ctx)->regs[0])
#endif

/* net/http.(*persistConn).roundTrip begins. */
static __always_inline void go_asks(struct task_struct *task, __u64 connection)
{
	__u64 key = worker_key(task);
	struct exact_id id = {.key = connection, .pid = task->tgid};
	if (key_is_thread(key))
		return;
	struct worker *w = exact_settled(task, key, bpf_ktime_get_ns());
	if (!w) {
		bpf_map_update_elem(&askers, &id, &nobody, BPF_ANY);
		return;
	}
	bpf_map_update_elem(&askers, &id, w, BPF_ANY);
	/* That it will be sent by another makes it no less an invocation. */
	if (w->inherited)
		w->inherited = INHERITED_USED;
}

/* net/http.(*persistConn).writeLoop begins: once for each connection. */
static __always_inline void go_writes(struct task_struct *task, __u64 connection)
{
	struct exact_id id = {.key = worker_key(task), .pid = task->tgid};
	if (id.key && !key_is_thread(id.key))
		bpf_map_update_elem(&writers, &id, &connection, BPF_ANY);
}

/* Does the sender write for others? */
static __always_inline bool go_writer(struct flow *f, __u32 pid, __u64 key)
{
	struct exact_id id = {.key = key, .pid = pid};
	if (f->writer == key)
		return true;
	__u64 *connection = bpf_map_lookup_elem(&writers, &id);
	if (!connection)
		return false;
	f->writer = key;
	f->written = *connection;
	bpf_map_delete_elem(&writers, &id);
	return true;
}

/* For whom it writes now. */
static __always_inline struct worker *go_asker(const struct flow *f, __u32 pid)
{
	struct exact_id id = {.key = f->written, .pid = pid};
	return bpf_map_lookup_elem(&askers, &id);
}
