/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Reads the baggage tuple of an HTTP/1 request head, byte by byte, from the lines that the search for
 * the traceparent has noted. What it says is what user space says of the same head, or that it can't
 * tell. */
#pragma once

enum told {
	TOLD_NOTHING = 0, /* no key of a tuple */
	TOLD_TUPLE = 1,
	TOLD_UNKNOWN = 2, /* too complex, or the head is cut off */
};

struct lane {
	__u64 reject_below; /* of a trace that begins here */
	__u16 index;
};

#define HTTP_1_X 0x312e312f50545448ULL /* "HTTP/1.1"; of "HTTP/1.0", with the last bit set */

enum reading_state {
	READING_LINE = 0, /* the next line is to be begun */
	READING_KEY,
	READING_VALUE,
	READING_REST, /* of a member, up to the comma */
};

struct baggage_search {
	const struct head *head;
	struct notes *noted;
	__u32 length;
};

/* Counts the spaces in eight bytes of the request line. */
static long request_line_word(__u32 i, struct baggage_search *s)
{
	struct notes *b = s->noted;
	__u32 at = i * 8, end = b->fields;
	if (at >= end || at > head_bytes - 8)
		return 1;
	__u64 w = *(const __u64 *)(s->head->bytes + at) ^ ' ' * ONES;
	__u64 spaces = ~(((w & ~HIGH_BITS) + ~HIGH_BITS) | w) & HIGH_BITS;
	if (end - at < 8)
		spaces &= (1ULL << (end - at) * 8) - 1;
	b->spaces += (spaces >> 7) * ONES >> 56;
	return 0;
}

/* Capital letters and a space. Longer methods than CONNECT are none of ours. */
static __always_inline bool method_is_plain(__u64 w, __u32 *length)
{
	__u64 x = w ^ ' ' * ONES, space = (x - ONES) & ~x & HIGH_BITS;
	if (!space)
		return false;
	*length = first_byte(space);
	__u64 in = (1ULL << *length * 8) - 1;
	w = (w & in) | ('A' * ONES & ~in);
	return !(w & HIGH_BITS) && (w + (0x80 - 'A') * ONES & HIGH_BITS) == HIGH_BITS &&
	       !(w + (0x7f - 'Z') * ONES & HIGH_BITS);
}

/* "METHOD target HTTP/1.x" and no more: otherwise what follows may be anything. */
static __always_inline bool request_line_is_plain(struct baggage_search *s)
{
	struct notes *b = s->noted;
	const char *text = s->head->bytes;
	__u32 end = b->fields, method;
	if (end < 15 || end > head_bytes)
		return false;
	end -= text[end - 2] == '\r' ? 2 : 1;
	end -= 9;
	barrier_var(end);
	if (end > head_bytes - 16)
		return false;
	__u64 version = *(const __u64 *)(text + end + 1) | 1ULL << 56;
	if (text[end] != ' ' || version != HTTP_1_X ||
	    !method_is_plain(*(const __u64 *)text, &method) || end < method + 2)
		return false;
	b->spaces = 0;
	bpf_loop(head_bytes / 8, request_line_word, s, 0);
	return b->spaces == 2;
}

static __always_inline void value_begins(struct notes *b, __u32 slot)
{
	b->slot = slot;
	b->hash = slots[slot & 7].state;
	b->bytes = b->kept_bytes = 0;
	b->state = READING_VALUE;
}

static __always_inline void value_ends(struct notes *b)
{
	__u32 format = b->format & 1, slot = b->slot & 7;
	if (b->given[format] & 1 << slot || b->kept_bytes > VALUE_MAX)
		b->odd = 1;
	b->given[format] |= 1 << slot;
	b->length[format][slot] = b->kept_bytes;
	b->pairs[format][slot] = b->kept_bytes ? pair_finished(b->kept) : 0;
}

/* The key of slot was found: does it count? */
static __always_inline bool slot_counts(struct notes *b, __u32 slot, bool first)
{
	if (b->accepted & 1 << slot)
		return true;
	b->left_out = 1;
	b->maybe |= first;
	return false;
}

/* Between a member's key and its value. */
static __always_inline void key_ends(struct baggage_search *s)
{
	struct notes *b = s->noted;
	__u32 at = b->key;
	b->state = READING_REST;
	if (!at)
		return;
	barrier_var(at);
	if (at > head_bytes - 16) {
		b->odd = 1;
		return;
	}
	const __u64 *words = (const __u64 *)(s->head->bytes + at);
	bool exact = false;
	__u32 slot = slot_of(words[0], words[1], &exact);
	if (slot == NO_SLOT || !(baggage_keys & 1 << slot) ||
	    b->key_end - at != slots[slot & 7].length) {
		if (W3C_FIRST)
			b->maybe |= may_be_allowed(words[0]);
		return;
	}
	/* Keys of members have case: this may be another one. */
	if (!exact)
		b->odd = 1;
	else if (slot_counts(b, slot, W3C_FIRST))
		value_begins(b, slot);
}

/* The next one of the lines that were noted. */
static __always_inline long line_begins(struct baggage_search *s)
{
	struct notes *b = s->noted;
	__u32 n = b->next++;
	if (n >= b->found)
		return 1;
	__u32 at = b->lines[n & (BAGGAGE_LINES - 1)];
	barrier_var(at);
	if (at > head_bytes - 16)
		return 1;
	const char *text = s->head->bytes + at;
	const __u64 *words = (const __u64 *)text;
	if (READS_W3C && (words[0] | 0x20 * ONES) == WORD_BAGGAGE) {
		if (at + 8 > s->length || text[7] != ':')
			return 0;
		b->format = FORMAT_W3C;
		b->state = READING_KEY;
		b->key = 0;
		b->at = at + 8;
		if (b->w3c_lines++ && baggage_joylive)
			b->odd = 1;
		return b->odd != 0;
	}
	bool exact = false;
	__u32 slot = slot_of(words[0], words[1], &exact), length = slots[slot & 7].length & 15;
	if (slot == NO_SLOT || !(baggage_keys & 1 << slot) || text[length] != ':' ||
	    at + length + 1 > s->length) {
		if (LIVE_FIRST)
			b->maybe |= may_be_allowed(words[0]);
		return 0;
	}
	if (baggage_joylive && !exact)
		b->odd = 1;
	else if (slot_counts(b, slot, LIVE_FIRST)) {
		b->format = FORMAT_LIVE;
		b->at = at + length + 1;
		value_begins(b, slot);
	}
	return b->odd != 0;
}

static __always_inline long member_byte(struct baggage_search *s, __u8 c, __u32 at, bool white)
{
	struct notes *b = s->noted;
	if (c == ',') {
		b->state = READING_KEY;
		b->key = 0;
	} else if (b->state == READING_KEY && c == '=') {
		key_ends(s);
	} else if (b->state == READING_KEY && !white) {
		b->key = b->key ?: at;
		b->key_end = at + 1;
	}
	return b->odd != 0;
}

/* FNV-1a, of a value without the white space around it. */
static __always_inline long value_byte(struct notes *b, __u8 c, __u32 at, bool white)
{
	if (!b->bytes && white)
		return 0;
	if (!b->bytes)
		b->from[b->format & 1][b->slot & 7] = at;
	/* Several values: user space takes them apart. */
	if (!b->bytes && c == '[')
		b->odd = 1;
	b->hash = (b->hash ^ c) * FNV_PRIME;
	b->bytes++;
	if (!white) {
		b->kept = b->hash;
		b->kept_bytes = b->bytes;
	}
	return b->odd != 0;
}

static long baggage_step(__u32 i, struct baggage_search *s)
{
	struct notes *b = s->noted;
	if (b->state == READING_LINE)
		return line_begins(s);
	__u32 at = b->at;
	barrier_var(at);
	if (at >= s->length || at > head_bytes - 2)
		goto odd;
	const __u8 *text = (const __u8 *)s->head->bytes + at;
	__u8 c = text[0], next = text[1];
	bool next_known = at + 1 < s->length, value = b->state == READING_VALUE;
	b->at = at + 1;
	if (c == '\r' && next == '\n' && next_known)
		return 0;
	if (c == '\n') {
		/* The value may go on in the next line, or does. */
		if (!next_known || next == ' ' || next == '\t')
			goto odd;
		if (value)
			value_ends(b);
		b->state = READING_LINE;
		return b->odd != 0;
	}
	bool white = c == ' ' || c == '\t', w3c = b->format == FORMAT_W3C;
	if (!white && (c < 0x20 || c > 0x7e))
		goto odd;
	if (value && w3c && (c == ',' || c == ';')) {
		if (c == ';' && baggage_joylive)
			goto odd;
		value_ends(b);
		b->state = READING_REST;
		value = false;
	}
	if (!value)
		return member_byte(s, c, at, white);
	if (w3c && c == '%' && !baggage_joylive)
		goto odd;
	return value_byte(b, c, at, white);
odd:
	b->odd = 1;
	return 1;
}

/* The next byte of two values in the bracket form. */
static long joined_byte(__u32 i, struct baggage_search *s)
{
	struct notes *b = s->noted;
	__u32 at = b->at;
	__u8 c;
	if (b->bytes) {
		barrier_var(at);
		if (at > head_bytes - 2) {
			b->odd = 1;
			return 1;
		}
		c = s->head->bytes[at];
		b->at = at + 1;
		b->bytes--;
	} else if (b->next) {
		__u32 format = !(b->format & 1), slot = b->slot & 7;
		c = '|';
		b->next = 0;
		b->at = b->from[format][slot];
		b->bytes = b->length[format][slot];
	} else {
		b->hash = (b->hash ^ ']') * FNV_PRIME;
		return 1;
	}
	b->hash = (b->hash ^ c) * FNV_PRIME;
	return 0;
}

/* The pair of a key to which both formats gave a value. */
static __noinline void pair_join(struct baggage_search *s, __u32 slot)
{
	struct notes *b = s->noted;
	__u32 to = baggage_format & 1;
	/* joylive-agent reads W3C Baggage first, whatever is configured. */
	__u32 format = baggage_joylive ? FORMAT_W3C : to;
	slot &= 7;
	b->format = format;
	b->slot = slot;
	b->next = 1;
	b->at = b->from[format & 1][slot];
	b->bytes = b->length[format & 1][slot];
	b->hash = (slots[slot].state ^ '[') * FNV_PRIME;
	bpf_loop(2 * VALUE_MAX + 2, joined_byte, s, 0);
	b->pairs[to][slot] = pair_finished(b->hash);
}

/* From what each format gave to the tuple, which takes the first format's place, and its hash. Is
 * there one? */
static __always_inline bool tuple_of(struct baggage_search *s)
{
	struct notes *b = s->noted;
	__u64 *first = b->pairs[baggage_format & 1], *other = b->pairs[!(baggage_format & 1)];
	bool second = baggage_detect == DETECT_FIRST && !b->given[baggage_format & 1];
	__u64 sum = 0, any = 0;
#pragma unroll
	for (__u32 i = 0; i < SLOTS; i++) {
		if (baggage_detect == DETECT_ALL) {
			if (first[i] && other[i] && first[i] != other[i])
				pair_join(s, i);
			first[i] = first[i] ?: other[i];
		} else if (second) {
			first[i] = other[i];
		}
		sum += first[i];
		any |= first[i];
	}
	if (second && any && b->maybe)
		b->odd = 1;
	b->hash = sum;
	return any;
}

static long sampling_rule(__u32 i, struct baggage_search *s)
{
	struct notes *b = s->noted;
	const __u64 *tuple = b->pairs[baggage_format & 1];
	if (i >= SAMPLING_RULES)
		return 1;
#pragma unroll
	for (__u32 k = 0; k < SLOTS; k++) {
		__u64 pair = sampling_pairs[i][k];
		if (pair && pair != tuple[k])
			return 0;
	}
	b->rule = i + 1;
	return 1;
}

/* To be called right after traceparent_read() of the same head. */
static __noinline __u32 baggage_read(const struct head *h, __u32 length, bool trusted,
				     struct lane *lane)
{
	struct notes *b = notes_find();
	struct baggage_search s = {.head = h, .noted = b, .length = length};
	if (!b || !baggage_keys)
		return TOLD_NOTHING;
	b->accepted = baggage_keys & (trusted ? 0xff : baggage_untrusted);
	b->left_out = 0;
	b->given[0] = b->given[1] = 0;
	if (b->found) {
		b->next = b->state = b->w3c_lines = 0;
		__builtin_memset(b->pairs, 0, sizeof(b->pairs));
		if (request_line_is_plain(&s))
			bpf_loop(head_bytes + BAGGAGE_LINES, baggage_step, &s, 0);
		else
			b->odd = 1;
	}
	if (b->left_out)
		count(COUNT_BAGGAGE_UNTRUSTED);
	/* Whatever it says does not count, and it says it in vain that it is complex. */
	if (!b->accepted)
		return TOLD_NOTHING;
	bool any = b->found && !b->odd && tuple_of(&s);
	if (b->odd) {
		count(COUNT_BAGGAGE_COMPLEX);
		return TOLD_UNKNOWN;
	}
	if (!any)
		return b->ended ? TOLD_NOTHING : TOLD_UNKNOWN;
	lane->index = tuple_index(b->hash);
	b->rule = 0;
	if (sampling_rules)
		bpf_loop(sampling_rules, sampling_rule, &s, 0);
	__u32 rule = b->rule - 1;
	if (rule < SAMPLING_RULES)
		lane->reject_below = sampling_reject_below[rule];
	count(COUNT_BAGGAGE_HEADER);
	return TOLD_TUPLE;
}
