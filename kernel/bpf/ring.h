/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The way to user space. Never with a wake-up: the reader comes by every few milliseconds, and a
 * wake-up would cost the traced program more than all the rest. */
#pragma once

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24); /* bytes; the loader sets what the configuration says */
} records SEC(".maps");

/* size must be a constant. */
#define ring_reserve(size)                                          \
	({                                                          \
		void *__r = bpf_ringbuf_reserve(&records, size, 0); \
		if (!__r)                                           \
			count(COUNT_RECORD_DROPPED);                \
		__r;                                                \
	})

static __always_inline void ring_submit(void *record)
{
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

static __always_inline void ring_discard(void *record)
{
	bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
}
