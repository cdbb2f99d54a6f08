/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The state of one connection, kept in its socket and freed with it. */
#pragma once

enum role {
	ROLE_IGNORED = 0,
	ROLE_PASSIVE = 1, /* was accepted: its exchanges are visits */
	ROLE_ACTIVE = 2,  /* was connected: its exchanges are invocations */
};

enum phase {
	PHASE_IDLE = 0,
	PHASE_REQUEST = 1,
	PHASE_REPLY = 2,
};

enum exchange_state {
	EXCHANGE_FREE = 0,
	EXCHANGE_ARRIVED = 1, /* passive: its context is here, its bytes have not been read */
	EXCHANGE_OPEN = 2,
	EXCHANGE_GATHERING =
		3, /* passive, the oldest: its head is being read, its parent unknown */
};

/* How many exchanges can be in flight on one connection (R11). Power of two. */
#define EXCHANGES 8

struct exchange {
	struct trace_context context; /* its own; while ARRIVED, the one from the wire */
	__u64 parent_id;
	__u64 link_hi, link_lo, link_id;
	__u64 arrived, start;
	struct trace_context
		owner;	    /* active: the visit it is for, even if that is not believed yet */
	__u64 worker_visit; /* active: what its sender worked for */
	__u64 worker;	    /* who read it, or sent it: see worker_key() */
	__u32 seq; /* active: of the first byte. passive: of the segment with the context */
	__u32 sent_base, received_base; /* sequence numbers at its beginning */
	__u32 pid, tid;
	__u32 owner_pid; /* active: the process in which the owner is open */
	__u8 state;
	__u8 parent_kind;
	__u8 no_parent;
	__u8 writes; /* active: how often its context was written */
	__u8 reads_requests;
	__u8 inherited; /* active: its sender had the visit from its creator (R7) */
	__u8 pieces;	/* of its head, so far */
	__u16 head;	/* bytes of its head that were read so far, or HEAD_DONE */
	__u8 http;	/* its head is that of an HTTP/1 request */
	__u8 trusted;	/* what it says of itself may be believed */
	__u8 first;	/* active: of its connection */
};

/* What the head of a request says of its parent and its lane. */
struct header {
	struct trace_context context; /* with the index of its tuple */
	__u64 reject_below;	      /* of a trace that begins with it */
	__u8 told;		      /* enum told */
	__u8 pad[7];
};

/* The exchange that was reported last, and may still go on (R5). */
struct reported {
	__u64 trace_hi, trace_lo, span_id;
	__u64 start, end;
	__u64 bytes_sent, bytes_received;
	__u32 sent_base, received_base;
	__u32 pid;
	__u8 sampled;
	__u8 inherited;
	__u8 pooled; /* R13: no other connection was free */
	__u8 pad;
	__u32 owner_pid;
	struct trace_context owner; /* active: as in the exchange; none if there were several */
	__u8 pad2[4];
};

struct flow {
	__u64 cookie, netns;
	__u64 last_inbound; /* span id of the context taken last, against duplicates */
	__u64 closing;	    /* when this end began to close */
	struct trace_context opener_visit; /* R6 */
	__u64 opener;			   /* see worker_key() */
	__u32 opener_pid;
	__u32 copied_seq;
	__u32 announced; /* where in sequence space the send that began last ends */
	__u32 expected;	 /* the same, as far as only the program knows it (sendfile) */
	__u64 announced_buffer;
	__u64 announced_begins;	      /* with these bytes, as far as it is part of a head */
	struct header header;	      /* what the head that was read last says */
	__u64 call_buffer, call_time; /* the call that read last, while a head is being read */
	__u64 call_begins[2];	      /* the first bytes that it read */
	__u64 writer, written;	      /* go_http.h: who writes for others, and what */
	__u64 established;
	__u64 replier; /* descent.h: by whom it is served */
	__u32 call_tid;
	__u32 call_done;
	__u32 rules;	   /* ingress rules that the peer can match */
	__u32 suspect_seq; /* see path_suspected() */
	__u8 suspect;
	__u8 role;
	__u8 phase;
	__u8 inject, trust;
	__u8 oldest, in_flight; /* ring of exchanges */
	__u8 unacknowledged;	/* bit per exchange: its context has to be written */
	__u8 requests;		/* any so far? */
	__u8 pooled;		/* counted in its pool (R13) */
	__u8 opener_believed;
	__u8 opener_inherited;
	__u8 call_goes_on; /* enum call_end */
	__u8 pad[7];
	struct tls tls;
	struct reported reported;
	struct exchange exchanges[EXCHANGES];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct flow);
} flows SEC(".maps");

/* Are payload heads worth having? What is encrypted says nothing. */
static __always_inline bool flow_readable(const struct flow *f)
{
	return capture && (f->tls.state == TLS_UNKNOWN || f->tls.state == TLS_NONE);
}

/* May a send or read be of a TLS connection (R10)? */
static __always_inline bool flow_may_be_tls(const struct flow *f)
{
	return f->tls.state == TLS_UNKNOWN || f->tls.state == TLS_ON;
}

static __always_inline struct exchange *flow_exchange(struct flow *f, __u32 i)
{
	return &f->exchanges[(f->oldest + i) & (EXCHANGES - 1)];
}

static __always_inline struct exchange *flow_newest(struct flow *f)
{
	return f->in_flight ? flow_exchange(f, f->in_flight - 1) : NULL;
}

static __always_inline struct exchange *flow_push(struct flow *f)
{
	if (f->in_flight >= EXCHANGES)
		return NULL;
	struct exchange *e = flow_exchange(f, f->in_flight);
	__builtin_memset(e, 0, sizeof(*e));
	f->in_flight++;
	return e;
}

static __always_inline __u8 flow_bit(struct flow *f, __u32 i)
{
	return 1 << ((f->oldest + i) & (EXCHANGES - 1));
}

/* Is this the only request that is being worked on? Exchanges lie in the order of their bytes. */
static __always_inline bool flow_alone(struct flow *f, const struct exchange *e)
{
	const struct exchange *oldest = flow_exchange(f, 0);
	return oldest == e || oldest->state != EXCHANGE_OPEN;
}

/* Up to where this end has sent: a FIN takes a sequence number, too. */
static __always_inline __u32 flow_sent(const struct flow *f, const struct tcp_sock *tp)
{
	return tp->write_seq - (f->closing ? 1 : 0);
}

/* The oldest exchange is over. */
static __always_inline void flow_pop(struct flow *f)
{
	__u8 bit = flow_bit(f, 0);
	if (f->unacknowledged & bit) {
		count(f->exchanges[f->oldest & (EXCHANGES - 1)].writes ? COUNT_ACKNOWLEDGED
								       : COUNT_SUPERSEDED);
		f->unacknowledged &= ~bit;
	}
	f->exchanges[f->oldest & (EXCHANGES - 1)].state = EXCHANGE_FREE;
	f->oldest = (f->oldest + 1) & (EXCHANGES - 1);
	f->in_flight--;
}

static __always_inline void map_v4(__u8 out[16], __be32 address)
{
	__builtin_memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	__builtin_memcpy(out + 12, &address, 4);
}

static __always_inline void flow_addresses(const struct sock *sk, __u8 local[16], __u8 remote[16])
{
	if (sk->__sk_common.skc_family == AF_INET) {
		map_v4(local, sk->__sk_common.skc_rcv_saddr);
		map_v4(remote, sk->__sk_common.skc_daddr);
	} else {
		BPF_CORE_READ_INTO((struct in6_addr *)local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)remote, sk, __sk_common.skc_v6_daddr);
	}
}
