/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* R13: how many connections a process has to one peer, and how many of them are busy. When all
 * are, an event loop's pool may hand the one that gets free to a request that waited for it.
 * Kept only for processes of the loop profile. */
#pragma once

struct pool_key {
	__u32 pid;
	__u16 port;
	__u16 pad;
	__u8 address[16];
};

struct pool {
	__s32 connections, busy;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct pool_key);
	__type(value, struct pool);
} pools SEC(".maps");

static __always_inline struct pool *pool_of(struct flow *f, const struct tcp_sock *tp, bool create)
{
	struct pool_key key = {.pid = f->opener_pid};
	struct pool fresh = {};
	__u8 local[16];
	const struct sock *sk = tcp_to_sock(tp);
	flow_addresses(sk, local, key.address);
	key.port = bpf_ntohs(sk->__sk_common.skc_dport);
	struct pool *p = bpf_map_lookup_elem(&pools, &key);
	if (p || !create)
		return p;
	bpf_map_update_elem(&pools, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&pools, &key);
}

static __noinline void pool_joined(struct flow *f, const struct tcp_sock *tp)
{
	struct pool *p = pool_of(f, tp, true);
	if (!p)
		return;
	f->pooled = 1;
	__sync_fetch_and_add(&p->connections, 1);
}

static __noinline void pool_left(struct flow *f, const struct tcp_sock *tp)
{
	struct pool *p = pool_of(f, tp, false);
	if (!p)
		return;
	__sync_fetch_and_add(&p->connections, -1);
	if (f->in_flight)
		__sync_fetch_and_add(&p->busy, -1);
}

static __noinline void pool_busy(struct flow *f, const struct tcp_sock *tp)
{
	struct pool *p = pool_of(f, tp, false);
	if (p)
		__sync_fetch_and_add(&p->busy, 1);
}

/* Is no other connection free? */
static __noinline bool pool_is_full(struct flow *f, const struct tcp_sock *tp)
{
	struct pool *p = pool_of(f, tp, false);
	return p && p->busy >= p->connections;
}

/* True if no other connection was free. */
static __noinline bool pool_free(struct flow *f, const struct tcp_sock *tp)
{
	struct pool *p = pool_of(f, tp, false);
	if (!p)
		return false;
	bool full = p->busy >= p->connections;
	__sync_fetch_and_add(&p->busy, -1);
	return full;
}
