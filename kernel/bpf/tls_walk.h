/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* R10: from record to record, through what is sent or was read. */
#pragma once

/* So many records, or buffers, of one send or read are looked at. */
#define TLS_RECORDS 1024
/* How many sends, or reads, of a connection may come before its ClientHello. */
#define TLS_TRIES 8

/* Bytes that lie in buffers of the program, and what their records say. */
struct tls_walk {
	__u64 address; /* of the buffer */
	__u64 iovec;   /* of the buffers behind it */
	__u32 begin;   /* sequence number of its first byte */
	__u32 length;
	__u32 end;   /* what lies behind this sequence number is not looked at */
	__u32 from;  /* what says the most begins here */
	__u32 first; /* what lies before it was looked at already */
	__u32 buffers;
	__u8 out;
	__u8 says; /* enum tls_says: the most */
	__u8 lost;
	__u8 pad[5];
};

struct tls_walking {
	struct flow *f;
	struct tls_walk *w;
};

static __always_inline void tls_lost(struct flow *f)
{
	f->tls.state = TLS_LOST;
	f->tls.doubt = f->tls.farewell = 0;
	count(COUNT_TLS_LOST);
}

/* What the server has sent up to the sequence number quiet is no reply, and what the client has is
 * early data. */
static __always_inline void tls_quiet(struct tls *t, __u32 until)
{
	t->quiet = until;
	t->hushed = 1;
}

static __always_inline bool tls_is_quiet(struct tls *t, __u32 begin)
{
	if (t->hushed && !before(begin, t->quiet))
		t->hushed = 0;
	return t->hushed;
}

static __always_inline enum tls_says tls_record_says(struct flow *f, bool out,
						     const struct tls_stream *d)
{
	struct tls *t = &f->tls;
	__u8 type = d->header[0];
	__u32 length = (__u32)d->header[3] << 8 | d->header[4];
	bool active = f->role == ROLE_ACTIVE;
	if (active == out) {
		bool early = !t->served || (!active && tls_is_quiet(t, d->next));
		return tls_client_record(t, type, d->header[2], length, early);
	}
	return tls_server_record(t, type, length, active && tls_is_quiet(t, d->next),
				 f->phase == PHASE_REQUEST && !t->farewell);
}

static __always_inline long tls_next_buffer(struct tls_walk *w)
{
	struct user_iovec v;
	if (!w->buffers || bpf_probe_read_user(&v, sizeof(v), (void *)w->iovec)) {
		/* What is sent ends here. */
		w->lost = !w->out || w->buffers;
		return 1;
	}
	w->buffers--;
	w->iovec += sizeof(v);
	w->begin += w->length;
	w->address = v.base;
	w->length = v.length;
	return 0;
}

/* The next header, or as much of it as there is. */
static long tls_header(__u32 i, struct tls_walking *walking)
{
	struct flow *f = walking->f;
	struct tls_walk *w = walking->w;
	struct tls_stream *d = w->out ? &f->tls.out : &f->tls.in;
	__u32 had = d->had & 7;
	__u32 at = d->next + had, skip = at - w->begin;
	if (!before(at, w->end))
		return 1;
	if (skip >= w->length)
		return tls_next_buffer(w);
	__u32 n = TLS_HEADER - had;
	if (n > w->length - skip)
		n = w->length - skip;
	if (n > w->end - at)
		n = w->end - at;
	n &= 7;
	barrier_var(n);
	if (!n || n > TLS_HEADER ||
	    bpf_probe_read_user(d->header + had, n, (void *)(w->address + skip))) {
		w->lost = 1;
		return 1;
	}
	d->had = had + n;
	if (d->had < TLS_HEADER)
		return 0;
	if (!tls_is_header(d->header)) {
		w->lost = 1;
		return 1;
	}
	d->says = tls_record_says(f, w->out, d);
	if (d->says > w->says) {
		w->says = d->says;
		w->from = d->next;
	}
	d->had = 0;
	d->next += TLS_HEADER + ((__u32)d->header[3] << 8 | d->header[4]);
	return 0;
}

/* Goes through all that was read or will be sent. Global, so that the verifier goes through it once. */
__noinline int tls_walk(struct flow *f, struct tls_walk *w)
{
	if (!f || !w)
		return 0;
	struct tls_stream *d = w->out ? &f->tls.out : &f->tls.in;
	struct tls_walking walking = {.f = f, .w = w};
	/* Within a record. */
	if (before(w->first, d->next))
		w->says = d->says;
	w->from = w->first;
	if (before(d->next + d->had, w->begin))
		w->lost = 1;
	else
		bpf_loop(TLS_RECORDS, tls_header, &walking, 0);
	if (before(w->from, w->first))
		w->from = w->first;
	if (!w->out && before(d->next + d->had, w->end))
		w->lost = 1;
	return 0;
}

/* Is this the first of a client's TLS? Both directions are counted from here on. */
static __always_inline bool tls_begins(struct flow *f, __u64 address, __u32 length, __u32 sent,
				       __u32 received)
{
	__u8 hello[TLS_HELLO_BYTES + 1] = {};
	struct tls *t = &f->tls;
	__u32 had = length < TLS_HELLO_BYTES ? TLS_HEADER : TLS_HELLO_BYTES;
	if (++t->tries > TLS_TRIES)
		t->state = TLS_NONE;
	if (!address || length < TLS_HEADER || bpf_probe_read_user(hello, had, (void *)address) ||
	    !tls_is_hello(hello, length))
		return false;
	t->state = TLS_ON;
	t->out.next = sent;
	t->in.next = received;
	count(COUNT_TLS);
	return true;
}
