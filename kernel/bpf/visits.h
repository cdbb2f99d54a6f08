/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Which visits are open on this host: a set of span ids. Whoever works for a visit keeps a copy of
 * its context and asks here whether it has been answered (R9). Small and lossy on purpose: when a
 * bucket is full an old visit is forgotten, and what belongs to it becomes an orphan. */
#pragma once

#define VISIT_WAYS 4
#define VISIT_BUCKETS 16384

struct visit_bucket {
	__u64 span_id[VISIT_WAYS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VISIT_BUCKETS);
	__type(key, __u32);
	__type(value, struct visit_bucket);
} open_visits SEC(".maps");

static __always_inline struct visit_bucket *visit_bucket(__u64 span_id)
{
	__u32 i = span_id & (VISIT_BUCKETS - 1);
	return bpf_map_lookup_elem(&open_visits, &i);
}

static __always_inline void visit_opened(__u64 span_id)
{
	struct visit_bucket *b = visit_bucket(span_id);
	if (!b)
		return;
#pragma unroll
	for (int i = 0; i < VISIT_WAYS; i++)
		if (!b->span_id[i] && !__sync_val_compare_and_swap(&b->span_id[i], 0, span_id))
			return;
	count(COUNT_VISIT_EVICTED);
	b->span_id[(span_id >> 20) & (VISIT_WAYS - 1)] = span_id;
}

static __always_inline bool visit_is_open(__u64 span_id)
{
	struct visit_bucket *b = visit_bucket(span_id);
	bool found = false;
	if (!b)
		return false;
#pragma unroll
	for (int i = 0; i < VISIT_WAYS; i++)
		found |= b->span_id[i] == span_id;
	return found;
}

static __always_inline void visit_ended(__u64 span_id)
{
	struct visit_bucket *b = visit_bucket(span_id);
	if (!b)
		return;
#pragma unroll
	for (int i = 0; i < VISIT_WAYS; i++)
		if (b->span_id[i] == span_id)
			b->span_id[i] = 0;
}
