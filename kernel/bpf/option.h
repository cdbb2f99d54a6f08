/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The TCP option: layout "native", an RFC 6994 shared experimental option of 28 bytes, which is
 * what is left beside timestamps. */
#pragma once

#define OPTION_KIND 253
#define OPTION_EXID 0x4c57
#define OPTION_BITS_SAMPLED 0x01
#define OPTION_BITS_RANDOM 0x02
#define OPTION_BITS_RESERVED 0xf8 /* two bits that are zero, three of version 0 */
/* A segment with the option that had to be sent again so often says that the path eats it. */
#define OPTION_LOST_WRITES 4

struct option {
	__u8 kind;
	__u8 length;
	__be16 exid;
	__u8 bits;
	__u8 trace_id[16];
	__u8 span_low[5];
	__u8 baggage[2];
} __attribute__((packed));
_Static_assert(sizeof(struct option) == 28, "what is left beside timestamps");

struct suspect {
	__u64 until;
};

struct address {
	__u8 bytes[16];
};

/* Peers towards which the option is left off for a while. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct address);
	__type(value, struct suspect);
} suspects SEC(".maps");

static __always_inline bool path_suspect(const __u8 remote[16])
{
	struct address key;
	__builtin_memcpy(key.bytes, remote, 16);
	struct suspect *s = bpf_map_lookup_elem(&suspects, &key);
	return s && bpf_ktime_get_ns() < s->until;
}

/* The option is left off on this connection. Whether the path eats it or the peer is out of reach
 * shows when the segment gets through without it, or never does. */
static __always_inline void path_suspected(struct flow *f, const struct exchange *e)
{
	f->inject = 0;
	f->unacknowledged = 0;
	f->suspect = 1;
	f->suspect_seq = e->seq;
}

static __noinline void path_eats_options(struct flow *f, const struct tcp_sock *tp)
{
	struct address key;
	__u8 local[16];
	struct suspect s = {.until = bpf_ktime_get_ns() + suspect_ns};
	flow_addresses(tcp_to_sock(tp), local, key.bytes);
	bpf_map_update_elem(&suspects, &key, &s, BPF_ANY);
	count(COUNT_PATH_SUSPECT);
	struct path_record *r = ring_reserve(sizeof(*r));
	if (!r)
		return;
	r->kind = RECORD_PATH;
	r->pad = 0;
	r->time = bpf_ktime_get_ns();
	__builtin_memcpy(r->remote, key.bytes, 16);
	ring_submit(r);
}

static __always_inline void path_judged(struct flow *f, const struct tcp_sock *tp)
{
	if (!f->suspect || !before(f->suspect_seq, tp->snd_una))
		return;
	f->suspect = 0;
	path_eats_options(f, tp);
}

static __always_inline void option_encode(struct option *o, const struct trace_context *c)
{
	__be64 hi = bpf_cpu_to_be64(c->trace_hi), lo = bpf_cpu_to_be64(c->trace_lo);
	__be64 span = bpf_cpu_to_be64(c->span_id);
	o->kind = OPTION_KIND;
	o->length = sizeof(*o);
	o->exid = bpf_htons(OPTION_EXID);
	o->bits = (c->flags & FLAG_SAMPLED ? OPTION_BITS_SAMPLED : 0) |
		  (c->flags & FLAG_RANDOM ? OPTION_BITS_RANDOM : 0);
	__builtin_memcpy(o->trace_id, &hi, 8);
	__builtin_memcpy(o->trace_id + 8, &lo, 8);
	__builtin_memcpy(o->span_low, (char *)&span + 3, 5);
	o->baggage[0] = c->baggage >> 8;
	o->baggage[1] = c->baggage;
}

/* False if it is not one of ours to believe. */
static __always_inline bool option_decode(const struct option *o, struct trace_context *c)
{
	__be64 hi, lo, span = 0;
	__builtin_memcpy(&hi, o->trace_id, 8);
	__builtin_memcpy(&lo, o->trace_id + 8, 8);
	__builtin_memcpy((char *)&span + 3, o->span_low, 5);
	c->trace_hi = bpf_be64_to_cpu(hi);
	c->trace_lo = bpf_be64_to_cpu(lo);
	c->span_id = bpf_be64_to_cpu(span);
	if (o->length != sizeof(*o) || o->bits & OPTION_BITS_RESERVED || !c->span_id ||
	    !(c->trace_hi | c->trace_lo))
		return false;
	c->span_id |= span_high(c->trace_hi, c->trace_lo);
	c->baggage = (__u16)o->baggage[0] << 8 | o->baggage[1];
	c->flags = (o->bits & OPTION_BITS_SAMPLED ? FLAG_SAMPLED : 0) |
		   (o->bits & OPTION_BITS_RANDOM ? FLAG_RANDOM : 0);
	return true;
}

/* The segment that a sock_ops program is called for. */
struct segment {
	__u32 seq, end; /* sequence numbers of its payload */
	__u32 largest;	/* payload of the largest packet it will be cut into */
};

/* Where the kernel's context cannot be had (before 6.2) the length tells nothing of
 * retransmissions: whoever asks then checks the header in the write call. */
static __always_inline bool segment_of(struct bpf_sock_ops *ctx, struct segment *s)
{
	if (!bpf_ksym_exists(bpf_cast_to_kern_ctx)) {
		s->seq = ctx->snd_nxt;
		s->end = s->seq + ctx->skb_len;
		s->largest = ctx->skb_len;
		return true;
	}
	struct bpf_sock_ops_kern *kern = bpf_cast_to_kern_ctx(ctx);
	struct sk_buff *skb = kern->skb;
	if (!skb)
		return false;
	const struct tcp_skb_cb *cb =
		bpf_rdonly_cast(skb->cb, bpf_core_type_id_kernel(struct tcp_skb_cb));
	s->seq = cb->seq;
	s->end = cb->end_seq;
	s->largest = ctx->skb_len;
	if (s->largest > ctx->mss_cache)
		s->largest = cb->tcp_gso_size;
	return true;
}

/* The exchange whose context this segment has to carry: it holds the first byte of its message. */
static __always_inline struct exchange *option_covered(struct flow *f, const struct segment *s)
{
#pragma unroll
	for (__u32 i = 0; i < EXCHANGES; i++) {
		struct exchange *e = &f->exchanges[i];
		if (f->unacknowledged & 1 << i && !before(e->seq, s->seq) && before(e->seq, s->end))
			return e;
	}
	return NULL;
}

/* Contexts whose first byte the peer has: nothing more to do for them. */
static __always_inline void option_acknowledge(struct flow *f, __u32 snd_una)
{
#pragma unroll
	for (__u32 i = 0; i < EXCHANGES; i++) {
		if (!(f->unacknowledged & 1 << i) || !before(f->exchanges[i].seq, snd_una))
			continue;
		count(f->exchanges[i].writes ? COUNT_ACKNOWLEDGED : COUNT_SUPERSEDED);
		f->unacknowledged &= ~(1 << i);
	}
}

/* tcp_current_mss: room must be made here while a context waits, or segments of full size outgrow
 * the MTU and the connection stalls for good. */
static __always_inline void option_reserve_mss(struct bpf_sock_ops *ctx, struct flow *f)
{
	if (!f->unacknowledged)
		return;
	option_acknowledge(f, ctx->snd_una);
	if (f->unacknowledged)
		bpf_reserve_hdr_opt(ctx, sizeof(struct option), 0);
}

/* A packet is about to be made. Data only: never SYN, bare ACK, FIN, RST or keep-alive probe. */
static __always_inline void option_reserve(struct bpf_sock_ops *ctx, struct flow *f)
{
	struct segment s;
	if (!f->unacknowledged || !ctx->skb_len)
		return;
	option_acknowledge(f, ctx->snd_una);
	if (!f->unacknowledged || !segment_of(ctx, &s))
		return;
	struct exchange *e = option_covered(f, &s);
	if (!e)
		return;
	if (e->writes >= OPTION_LOST_WRITES) {
		path_suspected(f, e);
		return;
	}
	/* Behind the reservation above, a guard. */
	if (s.largest + sizeof(struct option) > ctx->mss_cache) {
		count(COUNT_OVERSIZE);
		return;
	}
	long r = bpf_reserve_hdr_opt(ctx, sizeof(struct option), 0);
	count(r ? COUNT_NO_SPACE : COUNT_RESERVED);
}

static __always_inline void option_write(struct bpf_sock_ops *ctx, struct flow *f)
{
	struct segment s;
	struct option o;
	if (!segment_of(ctx, &s))
		return;
	/* What segment_of() takes for new data may be sent again: here the header is there to tell. */
	if (!bpf_ksym_exists(bpf_cast_to_kern_ctx)) {
		struct tcphdr *th = ctx->skb_data;
		if ((void *)(th + 1) > ctx->skb_data_end)
			return;
		s.seq = bpf_ntohl(th->seq);
		s.end = s.seq + ctx->skb_len - th->doff * 4;
	}
	struct exchange *e = option_covered(f, &s);
	if (!e)
		return;
	option_encode(&o, &e->context);
	if (bpf_store_hdr_opt(ctx, &o, sizeof(o), 0)) {
		count(COUNT_STORE_FAILED);
		return;
	}
	count(e->writes ? COUNT_RETRANSMITTED : COUNT_WRITTEN);
	if (e->writes < 255)
		e->writes++;
}

/* Is there an experimental option (RFC 6994) at all? The stack also calls for segments without
 * any unknown option, such as the last ACK. */
static __always_inline bool option_experimental(struct bpf_sock_ops *ctx)
{
	__u8 *data = ctx->skb_data, *end = ctx->skb_data_end;
	struct tcphdr *th = ctx->skb_data;
	if ((void *)(th + 1) > ctx->skb_data_end)
		return false;
	__u32 at = sizeof(*th), options_end = th->doff * 4;
	for (int i = 0; i < 40; i++) {
		__u8 *option = data + (at & 63);
		if (at >= options_end || option + 2 > end)
			return false;
		if (option[0] == OPTION_KIND || option[0] == OPTION_KIND + 1)
			return true;
		at += option[0] <= 1 ? 1 : option[1] ?: 1;
	}
	return false;
}

/* Is this a context that waits for its bytes to be read? If so, an earlier segment moves its
 * beginning forward. */
static __always_inline bool option_waits(struct flow *f, const struct trace_context *c, __u32 seq)
{
#pragma unroll
	for (__u32 i = 0; i < EXCHANGES; i++) {
		struct exchange *e = &f->exchanges[i];
		if (e->state != EXCHANGE_ARRIVED || e->context.span_id != c->span_id)
			continue;
		if (before(seq, e->seq))
			e->seq = seq;
		return true;
	}
	return false;
}

/* A segment that was sent again comes behind later ones: the newest exchange goes to its place. */
static __always_inline void option_in_order(struct flow *f)
{
	for (int i = EXCHANGES - 1; i > 0; i--) {
		if (i >= f->in_flight)
			continue;
		struct exchange *e = flow_exchange(f, i), *earlier = flow_exchange(f, i - 1);
		if (earlier->state != EXCHANGE_ARRIVED || !before(e->seq, earlier->seq))
			return;
		struct trace_context context = e->context;
		__u64 arrived = e->arrived;
		__u32 seq = e->seq;
		e->context = earlier->context;
		e->arrived = earlier->arrived;
		e->seq = earlier->seq;
		earlier->context = context;
		earlier->arrived = arrived;
		earlier->seq = seq;
	}
}

/* A segment with an option that the stack does not know has arrived. Runs in softirq, under a
 * foreign current: nothing about threads here. */
static __always_inline void option_parse(struct bpf_sock_ops *ctx, struct flow *f)
{
	struct option o = {.kind = OPTION_KIND, .length = 4, .exid = bpf_htons(OPTION_EXID)};
	struct trace_context c = {};
	long n = bpf_load_hdr_opt(ctx, &o, sizeof(o), 0);
	if (n == -ENOMSG) {
		if (option_experimental(ctx))
			count(COUNT_FOREIGN);
		return;
	}
	if (n != sizeof(o) || !option_decode(&o, &c)) {
		count(COUNT_MALFORMED);
		return;
	}
	if (!f->trust) {
		count(COUNT_UNTRUSTED);
		return;
	}

	struct tcphdr *th = ctx->skb_data;
	if ((void *)(th + 1) > ctx->skb_data_end)
		return;
	__u32 seq = bpf_ntohl(th->seq);
	__u32 end = seq + ctx->skb_len - th->doff * 4;
	if (end == seq) {
		count(COUNT_MALFORMED);
		return;
	}
	/* Segments of one super-packet, and what is sent again, carry the same context. */
	if (option_waits(f, &c, seq) || c.span_id == f->last_inbound ||
	    !before(ctx->rcv_nxt, end)) {
		count(COUNT_DUPLICATE);
		return;
	}
	struct exchange *e = flow_push(f);
	if (!e) {
		count(COUNT_INBOUND_FULL);
		return;
	}
	f->last_inbound = c.span_id;
	e->context = c;
	e->state = EXCHANGE_ARRIVED;
	e->seq = seq;
	e->arrived = bpf_ktime_get_ns();
	option_in_order(f);
	count(COUNT_PARSED);
}
