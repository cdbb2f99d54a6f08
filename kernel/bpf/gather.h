/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Heads of HTTP/1 requests that come in pieces. The parent may be in any of them, so the visit opens
 * with the last one, or when it is known that none will come any more. */
#pragma once

/* What the first piece, and those behind it, are kept in. By cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 512);
	__type(key, __u64);
	__type(value, struct head);
} gathered SEC(".maps");

/* Puts what is there so far into the scratch. What is evicted may be somebody else's a moment
 * later: as long as it can be found it is ours. */
static __always_inline bool gathered_copy(__u64 cookie, void *to, __u64 length)
{
	struct head *g = bpf_map_lookup_elem(&gathered, &cookie);
	length = head_length(length, HEAD_MAX);
	if (!g || bpf_probe_read_kernel(to, length, g->bytes))
		return false;
	return bpf_map_lookup_elem(&gathered, &cookie) == g;
}

static __always_inline bool gathered_keep(__u64 cookie, const struct head *h)
{
	return bpf_map_update_elem(&gathered, &cookie, h, BPF_ANY) == 0;
}

static __always_inline void gathered_forget(__u64 cookie)
{
	bpf_map_delete_elem(&gathered, &cookie);
}

/* Could these be the first bytes of an HTTP/1 request, if so few are there? */
static __always_inline bool head_may_be_http_request(const struct head *h, __u32 length)
{
	if (length >= 4)
		return head_is_http_request(h);
	if (!length)
		return false;
	switch (h->bytes[0]) {
	case 'G': /* the first letters of the methods */
	case 'P':
	case 'H':
	case 'D':
	case 'O':
	case 'T':
	case 'C':
	case 'Q':
		return true;
	}
	return false;
}

enum head_says {
	HEAD_IS_HTTP = 1,
	HEAD_IS_CUT = 2, /* there has to be more of it */
};

enum head_wanted {
	HEAD_BAGGAGE = 1, /* no index came with the context */
	HEAD_TRUSTED = 2,
};

/* What the head says so far. Global, so that the verifier goes through it once. */
__noinline __u32 head_examine(const struct head *h, __u32 length, __u32 wanted,
			      struct header *header)
{
	if (!h || !header)
		return 0;
	__builtin_memset(header, 0, sizeof(*header));
	if (!head_may_be_http_request(h, length))
		return 0;
	__u32 found = traceparent_read(h, length, &header->context);
	bool whole = found & HEAD_ENDED || length >= head_bytes;
	header->told = TOLD_UNKNOWN;
	/* Counted, and so only once. */
	if (whole && wanted & HEAD_BAGGAGE) {
		struct lane lane = {.reject_below = reject_below};
		header->told = baggage_read(h, length, wanted & HEAD_TRUSTED, &lane);
		header->reject_below = lane.reject_below;
		header->context.baggage = lane.index;
	}
	return found & HEAD_ENDED ? HEAD_IS_HTTP : HEAD_IS_HTTP | HEAD_IS_CUT;
}
