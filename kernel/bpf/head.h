/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The first bytes of a request or reply, read from the program's own buffer on their way to user
 * space. They are read straight into the ring: a buffer per CPU could be overwritten by another
 * thread that preempts this one. */
#pragma once

#define HEAD_MAX 4096

struct head {
	struct head_record record;
	char bytes[HEAD_MAX];
};

/* Reads up to length bytes at address. NULL if there is nothing to read or nowhere to put it.
 * What comes back has to be sent or discarded. */
static __always_inline struct head *head_read(__u64 address, __u64 length)
{
	__u64 limit = head_bytes;
	__u64 n = length < limit ? length : limit;
	if (!address || !n)
		return NULL;
	struct head *h = ring_reserve(sizeof(struct head_record) + head_bytes);
	if (!h)
		return NULL;
	if (bpf_probe_read_user(h->bytes, n, (void *)address)) {
		count(COUNT_HEAD_UNREADABLE);
		ring_discard(h);
		return NULL;
	}
	h->record.length = n;
	return h;
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
