/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The baggage tuple of a request: which keys it has, what is noted of it while a head is read, and
 * its index (docs/wire-format.md). */
#pragma once

enum baggage_format {
	FORMAT_LIVE = 0, /* one header line to a key */
	FORMAT_W3C = 1,	 /* members of `baggage` */
};

enum baggage_detect {
	DETECT_NONE = 0,  /* the configured format alone */
	DETECT_FIRST = 1, /* the other one, too, if the first gives no key that is carried */
	DETECT_ALL = 2,	  /* both */
};

#define SLOTS 6
#define NO_SLOT 7
#define INGRESS_RULES 32
#define SAMPLING_RULES 16
#define ALLOWED_WORDS 16

const volatile __u8 baggage_keys = (1 << SLOTS) - 1; /* bit i: slot i is carried */
const volatile __u8 baggage_untrusted;		     /* of these, whoever says it is believed */
const volatile __u8 baggage_format = FORMAT_LIVE;
const volatile __u8 baggage_detect = DETECT_NONE;
const volatile bool baggage_joylive;
const volatile bool baggage_pinned;
/* How the keys and prefixes that are carried begin: eight bytes at most, `| 0x20`. */
const volatile __u32 allowed_count;
const volatile __u64 allowed_words[ALLOWED_WORDS], allowed_masks[ALLOWED_WORDS];
/* The share of traces by tuple: pairs of each rule, 0 = any, and its threshold. */
const volatile __u32 sampling_rules;
const volatile __u64 sampling_pairs[SAMPLING_RULES][SLOTS];
const volatile __u64 sampling_reject_below[SAMPLING_RULES];
/* Of requests that name no tuple, by ingress rule. */
const volatile __u16 ingress_baggage[INGRESS_RULES];
const volatile __u64 ingress_reject_below[INGRESS_RULES];

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* of a tuple */
	__type(value, __u16);
} baggage_pins SEC(".maps");

#define ONES 0x0101010101010101ULL
#define HIGH_BITS (0x80 * ONES)
#define FNV_PRIME 0x100000001b3ULL

/* A key as two little-endian numbers, where its letters are, and FNV-1a of it and "=". */
struct slot {
	__u64 name[2], letters, mask; /* the last two of the second number */
	__u64 state;
	__u32 length;
};

#define FIRST_LETTERS 0x2000202020200020ULL /* of "x-live-s" and its like */

static const struct slot slots[8] = {
	/* x-live-space-id */
	{{0x732d6576696c2d78, 0x0064692d65636170},
	 0x0020200020202020,
	 0x00ffffffffffffff,
	 0x9627069a06163442,
	 15},
	/* x-live-rule-id */
	{{0x722d6576696c2d78, 0x000064692d656c75},
	 0x0000202000202020,
	 0x0000ffffffffffff,
	 0x00f6eebbe515c360,
	 14},
	/* x-live-unit */
	{{0x752d6576696c2d78, 0x000000000074696e}, 0x202020, 0xffffff, 0x5df91536a95e90fc, 11},
	/* x-live-cell */
	{{0x632d6576696c2d78, 0x00000000006c6c65}, 0x202020, 0xffffff, 0x86c0d9b926edb056, 11},
	/* x-lane-space-id */
	{{0x732d656e616c2d78, 0x0064692d65636170},
	 0x0020200020202020,
	 0x00ffffffffffffff,
	 0x14fd8473e1213e22,
	 15},
	/* x-lane-code */
	{{0x632d656e616c2d78, 0x000000000065646f}, 0x202020, 0xffffff, 0x6208d52747868915, 11},
};

/* The slot whose key these sixteen bytes begin with, in whatever case. */
static __always_inline __u32 slot_of(__u64 first, __u64 second, bool *exact)
{
#pragma unroll
	for (__u32 i = 0; i < SLOTS; i++) {
		const struct slot *s = &slots[i];
		if ((first | FIRST_LETTERS) != s->name[0] ||
		    ((second | s->letters) & s->mask) != s->name[1])
			continue;
		*exact = first == s->name[0] && (second & s->mask) == s->name[1];
		return i;
	}
	return NO_SLOT;
}

/* Might a key that begins like this be one that is carried? Says yes too often rather than once
 * too rarely. */
static __always_inline bool may_be_allowed(__u64 first)
{
	bool may = false;
	first |= 0x20 * ONES;
	for (__u32 i = 0; i < ALLOWED_WORDS && i < allowed_count; i++)
		may |= (first & allowed_masks[i]) == allowed_words[i];
	return may;
}

#define BAGGAGE_LINES 16
/* A longer value is no name of a lane or unit. */
#define VALUE_MAX 256

/* What is noted of the head that is being read. Its numbers lie in a map, not on the stack: before
 * 6.7 the verifier takes what a loop finds there in its first round for all that it ever finds, and
 * removes the rest of the code. */
struct notes {
	/* by the pass over the lines */
	__u32 traceparent; /* behind its colon */
	__u32 traceparents;
	__u32 fields; /* where the first header line begins */
	__u16 lines[BAGGAGE_LINES];
	__u8 found; /* of these */
	__u8 ended; /* the empty line is there */
	__u8 odd;   /* more than is understood here */
	__u8 maybe; /* the first format may have given a key */
	/* by the pass over the bytes of these lines */
	__u8 next;
	__u8 state;
	__u8 format, slot;
	__u8 accepted; /* slots that count */
	__u8 left_out; /* there were others */
	__u8 given[2]; /* slots, by format */
	__u8 w3c_lines;
	__u8 pad;
	__u16 bytes, kept_bytes;
	__u32 at, key, key_end;
	__u32 spaces; /* in the request line */
	__u32 rule;
	__u64 hash, kept;
	__u64 pairs[2][8];
	/* Where the values are. */
	__u16 from[2][8], length[2][8];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct notes);
} head_notes SEC(".maps");

/* Good until this run ends: another thread's on the same CPU comes later (run_begins()). */
static __always_inline struct notes *notes_find(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&head_notes, &zero);
}

static __always_inline void notes_begin(struct notes *b)
{
	b->traceparents = 0;
	b->fields = 0;
	b->found = b->ended = b->odd = b->maybe = 0;
}

#define READS_LIVE (baggage_format == FORMAT_LIVE || baggage_detect != DETECT_NONE)
#define READS_W3C (baggage_format == FORMAT_W3C || baggage_detect != DETECT_NONE)
#define LIVE_FIRST (baggage_format == FORMAT_LIVE && baggage_detect == DETECT_FIRST)
#define W3C_FIRST (baggage_format == FORMAT_W3C && baggage_detect == DETECT_FIRST)

#define WORD_LIVE 0x002d6576696c2d78ULL	   /* "x-live-", as a little-endian number */
#define WORD_LANE 0x002d656e616c2d78ULL	   /* "x-lane-" */
#define WORD_BAGGAGE 0x3a65676167676162ULL /* "baggage:" */

/* A line begins at offset at, and like this, `| 0x20`: is it worth reading? */
static __always_inline void baggage_line(struct notes *b, __u64 first, __u32 at)
{
	__u64 seven = first & 0x00ffffffffffffffULL;
	bool live = READS_LIVE && (seven == WORD_LIVE || seven == WORD_LANE);
	bool w3c = READS_W3C && first == WORD_BAGGAGE;
	if (LIVE_FIRST && !live)
		b->maybe |= may_be_allowed(first);
	if (!live && !w3c)
		return;
	__u32 n = b->found;
	barrier_var(n);
	if (n >= BAGGAGE_LINES) {
		b->odd = 1;
		return;
	}
	b->lines[n] = at;
	b->found = n + 1;
}

static __always_inline __u64 pair_finished(__u64 h)
{
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

/* Of the sum of the pairs' hashes. */
static __always_inline __u16 tuple_index(__u64 h)
{
	if (baggage_pinned) {
		__u16 *pinned = bpf_map_lookup_elem(&baggage_pins, &h);
		if (pinned)
			return *pinned;
	}
	h ^= h >> 32;
	h ^= h >> 16;
	return (__u16)h ?: 1;
}
