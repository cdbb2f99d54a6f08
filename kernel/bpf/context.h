/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Ids: minted here, and nowhere else. */
#pragma once

#define FLAG_SAMPLED 0x01
#define FLAG_RANDOM 0x02 /* W3C Trace Context level 2 */

#define SPAN_LOW_BITS 40
#define SPAN_LOW_MASK ((1ULL << SPAN_LOW_BITS) - 1)

/* The high 24 bits of every span id that an agent mints: a mix of the trace id, so that 40 bits
 * are enough on the wire. */
static __always_inline __u64 span_high(__u64 trace_hi, __u64 trace_lo)
{
	__u64 x = trace_hi ^ (trace_lo << 32 | trace_lo >> 32);
	x *= 0x9e3779b97f4a7c15ULL;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return x & ~SPAN_LOW_MASK;
}

static __always_inline __u64 random64(void)
{
	return (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
}

static __always_inline __u64 mint_span_id(__u64 trace_hi, __u64 trace_lo)
{
	__u64 low = random64() & SPAN_LOW_MASK;
	/* Low bits of zero would make an id of zero where the mix is zero, too. */
	return span_high(trace_hi, trace_lo) | (low ?: 1);
}

/* Consistent with other samplers: the low 56 bits of a random trace id are compared with a
 * threshold (W3C Trace Context level 2, random flag). */
static __always_inline void sample(struct trace_context *c, __u64 threshold)
{
	bool sampled = (c->trace_lo & ((1ULL << 56) - 1)) >= threshold;
	c->flags = (c->flags & ~FLAG_SAMPLED) | (sampled ? FLAG_SAMPLED : 0);
}

static __always_inline void mint_trace(struct trace_context *c, __u64 threshold)
{
	c->trace_hi = random64();
	c->trace_lo = random64() ?: 1;
	c->span_id = mint_span_id(c->trace_hi, c->trace_lo);
	c->baggage = 0;
	c->flags = FLAG_RANDOM;
	sample(c, threshold);
}

/* A new span in the trace of parent, sampled as its parent is. */
static __always_inline void mint_child(struct trace_context *c, const struct trace_context *parent)
{
	c->trace_hi = parent->trace_hi;
	c->trace_lo = parent->trace_lo;
	c->span_id = mint_span_id(c->trace_hi, c->trace_lo);
	c->baggage = parent->baggage;
	c->flags = parent->flags;
}
