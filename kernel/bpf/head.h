/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The first bytes of a request or reply, read from the program's own buffer on their way to user
 * space. They are read straight into the ring: a buffer per CPU could be overwritten by another
 * thread that preempts this one. */
#pragma once

#define HEAD_MAX 4096
/* Whether it failed, and how, is in the first line of a reply. */
#define HEAD_REPLY_BYTES 128

struct head {
	struct head_record record;
	char bytes[HEAD_MAX];
};

/* The verifier of 6.1 believes that a record of the ring may be NULL however often it was compared:
 * whether there is one is a number of its own. */
struct reading {
	struct head *head;
	__u32 there;
};

/* In a form in which the verifier sees the bound, whatever the compiler makes of it. */
static __always_inline __u64 head_length(__u64 length, __u64 limit)
{
	barrier_var(length);
	if (length > limit)
		length = limit;
	barrier_var(length);
	return length;
}

static __always_inline struct reading head_fill(struct head *h, __u64 address, __u64 length)
{
	struct reading none = {}, r = {.head = h, .there = 1};
	if (!h)
		return none;
	if (bpf_probe_read_user(h->bytes, length, (void *)address)) {
		count(COUNT_HEAD_UNREADABLE);
		ring_discard(h);
		return none;
	}
	h->record.length = length;
	barrier_var(r.there);
	return r;
}

/* Reads up to length bytes at address, if there is anything to read and somewhere to put it.
 * What comes back has to be sent or discarded. */
static __always_inline struct reading head_read(__u64 address, __u64 length)
{
	__u64 n = head_length(length, head_bytes);
	if (!capture || !address || !n)
		return (struct reading){};
	return head_fill(ring_reserve(sizeof(struct head_record) + head_bytes), address, n);
}

/* The same for a reply. */
static __always_inline struct reading head_read_reply(__u64 address, __u64 length)
{
	__u64 n = head_length(length, HEAD_REPLY_BYTES);
	if (!capture || !address || !n)
		return (struct reading){};
	return head_fill(ring_reserve(sizeof(struct head_record) + HEAD_REPLY_BYTES), address, n);
}

static __always_inline void head_send(struct head *h, const struct exchange *e, enum head_part part,
				      __u16 server_port, __u64 now)
{
	if (!(e->context.flags & FLAG_SAMPLED)) {
		ring_discard(h);
		return;
	}
	struct head_record *r = &h->record;
	r->kind = RECORD_HEAD;
	r->pid = e->pid;
	r->trace_hi = e->context.trace_hi;
	r->trace_lo = e->context.trace_lo;
	r->span_id = e->context.span_id;
	r->time = now;
	r->server_port = server_port;
	r->part = part;
	__builtin_memset(r->pad, 0, sizeof(r->pad));
	ring_submit(r);
}
