/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* W3C Trace Context level 2: finds and reads the traceparent of an HTTP/1 request head. It has to
 * be known before the visit sends anything, long before user space hears of it. So has the baggage:
 * the same pass notes its lines. */
#pragma once

#define TRACEPARENT_LENGTH 55 /* of version 00 */

static __always_inline bool http_method(__u32 first)
{
	switch (bpf_ntohl(first)) {
	case 0x47455420: /* "GET " */
	case 0x504f5354: /* POST */
	case 0x50555420: /* "PUT " */
	case 0x48454144: /* HEAD */
	case 0x44454c45: /* DELETE */
	case 0x4f505449: /* OPTIONS */
	case 0x50415443: /* PATCH */
	case 0x54524143: /* TRACE */
	case 0x434f4e4e: /* CONNECT */
	case 0x51554552: /* QUERY */
		return true;
	}
	return false;
}

static __always_inline bool head_is_http_request(const struct head *h)
{
	return http_method(*(const __u32 *)h->bytes);
}

struct header_search {
	const struct head *head;
	struct notes *notes;
	__u32 length;
};

/* A line begins with a CR: true if it is the empty line. A lone CR is no line break, but part of one
 * that is read here as another than in user space. */
static __always_inline bool line_is_empty(struct header_search *s, __u32 at)
{
	__u32 next = at + 1;
	barrier_var(next);
	if (next >= s->length || next >= head_bytes)
		return false;
	if (s->head->bytes[next] == '\n')
		return true;
	s->notes->odd = 1;
	return false;
}

/* What traceparent_read() says of a head. */
#define HEAD_ENDED 1
#define HEAD_HAS_PARENT 2

/* A line begins at offset at: is it the traceparent, or the empty one? True ends the search. */
static __always_inline bool header_line(struct header_search *s, __u32 at)
{
	struct notes *n = s->notes;
	if (!n->fields && at <= s->length)
		n->fields = at;
	if (at >= s->length || at >= head_bytes)
		return true;
	char c = s->head->bytes[at];
	if (c == '\r' || c == '\n') {
		n->ended = c == '\n' || line_is_empty(s, at);
		return true;
	}
	/* Or the pointer of above is used again, whose bound is not good enough. */
	barrier_var(at);
	if (at > head_bytes - 16) {
		/* A whole line can have fifteen bytes, the next one's first among them. */
		n->odd |= s->length - at == 15;
		n->maybe = 1;
		return false;
	}
	const char *line = s->head->bytes + at;
	__u64 first = *(const __u64 *)line | 0x20 * ONES;
	baggage_line(n, first, at);
	if (at + 16 > s->length)
		return false;
	__u32 rest = *(const __u32 *)(line + 8) | 0x00202020;
	if (first != 0x7261706563617274ULL /* "tracepar" */ || rest != 0x3a746e65 /* "ent:" */)
		return false;
	n->traceparent = at + 12;
	n->traceparents++;
	return false;
}

/* Which byte the lowest set bit is in. */
static __always_inline __u32 first_byte(__u64 bits)
{
	return (((((bits & -bits) >> 7) - 1) & ONES) * ONES >> 56) & 7;
}

/* Eight bytes of the head: does a line end here? */
static long header_word(__u32 i, struct header_search *s)
{
	__u32 at = i * 8;
	if (at >= s->length || at > head_bytes - 8)
		return 1;
	__u64 w = *(const __u64 *)(s->head->bytes + at) ^ '\n' * ONES;
	__u64 newline = ~(((w & ~HIGH_BITS) + ~HIGH_BITS) | w) & HIGH_BITS;
	/* Four at the most, since an empty line ends it all. */
	for (__u32 lines = 0; lines < 4 && newline; lines++) {
		if (header_line(s, at + first_byte(newline) + 1))
			return 1;
		newline &= newline - 1;
	}
	return 0;
}

/* Eight lower-case hex digits. */
static __always_inline __u32 hex8(const char *text, bool *bad)
{
	__u64 w = *(const __u64 *)text;
	__u64 nibbles = (w & 0x0f * ONES) + (w >> 6 & ONES) * 9;
	__u64 letters = (nibbles + 118 * ONES) >> 7 & ONES;
	if (nibbles & 0xf0 * ONES || nibbles + '0' * ONES + letters * ('a' - '0' - 10) != w)
		*bad = true;
	__u64 x = bpf_be64_to_cpu(nibbles);
	x = (x | x >> 4) & 0x00ff00ff00ff00ffULL;
	x = (x | x >> 8) & 0x0000ffff0000ffffULL;
	return x | x >> 16;
}

static __always_inline __u8 hex1(char c, bool *bad)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	*bad = true;
	return 0;
}

static __always_inline __u64 hex16(const char *text, bool *bad)
{
	return (__u64)hex8(text, bad) << 32 | hex8(text + 8, bad);
}

/* Does the first line end with a version? HTTP is not alone to GET and POST. */
static __always_inline bool request_line_is_http(const struct head *h, __u32 end)
{
	if (end < 14 || end > head_bytes)
		return false;
	const char *version = h->bytes + end - 10;
	if (h->bytes[end - 2] != '\r')
		version++;
	return (*(const __u64 *)version & 0x00ffffffffffffffULL) ==
	       0x2e312f50545448ULL; /* HTTP/1. */
}

/* Is there a traceparent that may be continued, and the whole head? Notes for baggage_read() where to
 * look. */
static __noinline __u32 traceparent_read(const struct head *h, __u32 length,
					 struct trace_context *out)
{
	struct header_search s = {.head = h, .notes = notes_find(), .length = length};
	struct notes *n = s.notes;
	if (!n)
		return 0;
	notes_begin(n);
	bpf_loop(head_bytes / 8, header_word, &s, 0);
	__u32 ended = n->ended ? HEAD_ENDED : 0;
	if (n->fields && !request_line_is_http(h, n->fields))
		ended = HEAD_ENDED;
	if (!n->traceparents)
		return ended;
	__u32 at = n->traceparent;
	barrier_var(at);
	if (n->traceparents > 1 || at > head_bytes - TRACEPARENT_LENGTH - 10)
		goto malformed;
	const char *value = h->bytes + at;
	if (*value == ' ' || *value == '\t') {
		value++;
		at++;
	}
	if (at + TRACEPARENT_LENGTH + 1 > length)
		goto malformed;
	bool bad = value[2] != '-' || value[35] != '-' || value[52] != '-';
	__u8 version = hex1(value[0], &bad) << 4 | hex1(value[1], &bad);
	char behind = value[TRACEPARENT_LENGTH];
	bool ends = behind == '\r' || behind == '\n' || behind == ' ' || behind == '\t';
	bad |= version == 0xff || !(ends || (version && behind == '-'));
	out->trace_hi = hex16(value + 3, &bad);
	out->trace_lo = hex16(value + 19, &bad);
	out->span_id = hex16(value + 36, &bad);
	out->flags =
		(hex1(value[53], &bad) << 4 | hex1(value[54], &bad)) & (FLAG_SAMPLED | FLAG_RANDOM);
	if (!bad && (out->trace_hi || out->trace_lo) && out->span_id)
		return ended | HEAD_HAS_PARENT;
malformed:
	out->span_id = 0;
	/* It may only not be whole yet. */
	if (ended || length >= head_bytes)
		count(COUNT_TRACEPARENT_MALFORMED);
	return ended;
}
