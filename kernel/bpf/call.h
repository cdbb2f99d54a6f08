/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Where the bytes lie that a thread has just read. One call passes by once for each buffer of the
 * stack that it empties, and puts them one behind the other: which bytes are a new call's has to be
 * known, or a head would be put together from the wrong ones. Followed only while a head is read. */
#pragma once

struct receiving {
	struct task_struct *task;
	struct tcp_sock *tp;
	__u64 worker;		/* who has read: see worker_key() */
	__u32 read;		/* sequence number of the first byte that was read */
	__u32 from;		/* of the first byte of the message among them */
	__u32 until;		/* where the message's bytes among them end */
	struct payload payload; /* from the first byte that was read on */
	__u64 now;
};

enum call_end {
	CALL_OVER = 0,	    /* its buffer was full */
	CALL_MAY_GO_ON = 1, /* nothing more was there: it returns, unless something comes */
	CALL_WAITS = 2,	    /* for its buffer to be full */
	CALL_GOES_ON = 3,   /* there is more, and room for it */
};

enum call {
	CALL_NEW = 0,
	CALL_SAME = 1,
	CALL_UNKNOWN = 2,
};

/* A thread that is on its way out of a call, and finds something to read nevertheless, has it in no
 * time. */
#define CALL_RETURNS_NS 1000000ULL

static __always_inline __u64 low_bytes(__u32 n)
{
	return n >= 8 ? ~0ULL : (1ULL << n * 8) - 1;
}

/* Is the thread still in the call in which it read before? The buffer begins with the same bytes,
 * then; but few may as well be the same by chance. */
static __always_inline enum call call_compare(const struct flow *f, const struct payload *p,
					      __u32 tid, __u64 now)
{
	__u64 begins[2];
	__u32 done = f->call_done;
	if (!f->call_goes_on || f->call_tid != tid || f->call_buffer != p->address ||
	    done >= p->total)
		return CALL_NEW;
	if (f->call_goes_on == CALL_GOES_ON)
		return CALL_SAME;
	if (bpf_probe_read_user(begins, sizeof(begins), (void *)p->address))
		return CALL_UNKNOWN;
	if ((begins[0] ^ f->call_begins[0]) & low_bytes(done) ||
	    (done > 8 && (begins[1] ^ f->call_begins[1]) & low_bytes(done - 8)))
		return CALL_NEW;
	if (done >= sizeof(begins) || f->call_goes_on == CALL_WAITS)
		return CALL_SAME;
	return now - f->call_time > CALL_RETURNS_NS ? CALL_NEW : CALL_UNKNOWN;
}

/* The first bytes of a message are taken for the first of a call. */
static __noinline void call_locate(struct flow *f, struct receiving *r, bool first)
{
	struct task_struct *task = r->task;
	struct payload *p = &r->payload;
	if (task->flags & (PF_IO_WORKER | PF_USER_WORKER | PF_KTHREAD))
		return;
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(task);
	int number = SYSCALL_NUMBER(regs);
	payload_locate(p, receive_shape(number), regs);
	if (!p->address)
		return;
	__u32 flags = receive_flags(number, regs);
	__u32 tid = task->pid, done = 0, bytes = r->tp->copied_seq - r->read;
	enum call call = first ? CALL_NEW : call_compare(f, p, tid, r->now);
	if (call == CALL_SAME)
		done = f->call_done;
	f->call_buffer = p->address;
	f->call_tid = tid;
	f->call_time = r->now;
	f->call_done = done + bytes;
	if (f->call_done >= p->total)
		f->call_goes_on = CALL_OVER;
	else if (before(r->tp->copied_seq, r->tp->rcv_nxt))
		f->call_goes_on = CALL_GOES_ON;
	else
		f->call_goes_on = flags & MSG_WAITALL ? CALL_WAITS : CALL_MAY_GO_ON;
	if (call == CALL_UNKNOWN || flags & MSG_TRUNC || done > p->length) {
		p->address = 0;
		return;
	}
	p->address += done;
	p->length -= done;
}

/* What has been read is at hand: was it the first of a call? */
static __always_inline void call_read(struct flow *f, const char *bytes, __u32 length)
{
	if (f->call_done != length)
		return;
	f->call_begins[0] = ((const __u64 *)bytes)[0];
	f->call_begins[1] = ((const __u64 *)bytes)[1];
}
