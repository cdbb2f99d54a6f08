/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The first bytes of a request or reply, read from the program's own buffer on their way to user
 * space. A head can take several reads or writes: each makes a record that begins where the one
 * before ended. */
#pragma once

#define HEAD_MAX 4096
/* Whether it failed, and how, is in the first line of a reply. */
#define HEAD_REPLY_BYTES 128
/* A program that reads or writes single bytes would fill the ring. */
#define HEAD_PIECES 64
#define HEAD_DONE 0xffff /* no more of this head is wanted, or can be had */

struct head {
	struct head_record record;
	char bytes[HEAD_MAX];
};

/* Where tracepoints put a head together. Nobody else gets there meanwhile: they are not preempted,
 * and programs in softirq have no use for it. The verifier does not see that offset and length
 * together stay below HEAD_MAX: hence the room. */
struct head_scratch {
	struct head head;
	char room[HEAD_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct head_scratch);
} scratch SEC(".maps");

static __always_inline struct head_scratch *head_scratch(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&scratch, &zero);
}

/* In a form in which the verifier sees the bound, whatever the compiler makes of it. */
static __always_inline __u64 head_length(__u64 length, __u64 limit)
{
	barrier_var(length);
	if (length > limit)
		length = limit;
	barrier_var(length);
	return length;
}

/* How many of length bytes at an offset are within what is captured. */
static __always_inline __u64 head_room(__u64 at, __u64 length)
{
	__u64 left = at < head_bytes ? head_bytes - at : 0;
	return length < left ? length : left;
}

/* Reads length bytes behind those that are there. */
static __always_inline bool head_append(struct head_scratch *s, __u64 at, __u64 address,
					__u64 length)
{
	__u64 n = head_length(length, head_bytes);
	at = head_length(at, head_bytes);
	if (!address || !n)
		return false;
	if (bpf_probe_read_user(s->head.bytes + at, n, (void *)address)) {
		count(COUNT_HEAD_UNREADABLE);
		return false;
	}
	return true;
}

static __always_inline void head_describe(struct head_record *r, const struct exchange *e,
					  enum head_part part, __u16 server_port, __u64 now)
{
	r->kind = RECORD_HEAD;
	r->pid = e->pid;
	r->trace_hi = e->context.trace_hi;
	r->trace_lo = e->context.trace_lo;
	r->span_id = e->context.span_id;
	r->time = now;
	r->server_port = server_port;
	r->part = part;
	r->trusted = e->trusted;
}

/* Tells user space what is in the scratch: a request's bytes from this offset on. */
static __always_inline bool head_output(struct head_scratch *s, const struct exchange *e,
					__u16 offset, __u64 length, __u16 server_port, __u64 now)
{
	struct head_record *r = &s->head.record;
	head_describe(r, e, HEAD_REQUEST, server_port, now);
	r->offset = offset;
	r->length = length;
	__u64 n = head_length(length, HEAD_MAX);
	if (bpf_ringbuf_output(&records, &s->head, sizeof(*r) + n, BPF_RB_NO_WAKEUP) == 0)
		return true;
	count(COUNT_RECORD_DROPPED);
	return false;
}

/* What reserves in the ring needs a size that the verifier knows. There is no scratch where a
 * program can be interrupted by itself. first: the first bytes, as far as there are so many. */
#define head_reserved(size, e, part, from, n, address, server_port, now, first)       \
	({                                                                            \
		bool __told = false;                                                  \
		__u64 __n = head_length(n, size);                                     \
		struct head *__h = ring_reserve(sizeof(struct head_record) + (size)); \
		if (__h && bpf_probe_read_user(__h->bytes, __n, (void *)(address))) { \
			count(COUNT_HEAD_UNREADABLE);                                 \
			ring_discard(__h);                                            \
		} else if (__h) {                                                     \
			*(first) = *(__u64 *)__h->bytes;                              \
			__told = true;                                                \
			head_describe(&__h->record, e, part, server_port, now);       \
			__h->record.offset = from;                                    \
			__h->record.length = __n;                                     \
			ring_submit(__h);                                             \
		}                                                                     \
		__told;                                                               \
	})

/* A reply's first bytes, where they are read or about to be sent. */
static __always_inline void head_reply(const struct exchange *e, __u64 address, __u64 length,
				       __u16 server_port, __u64 now)
{
	__u64 first;
	if (capture && address && length)
		head_reserved(HEAD_REPLY_BYTES, e, HEAD_REPLY, 0, length, address, server_port, now,
			      &first);
}
