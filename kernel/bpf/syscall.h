/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Where the payload of the system call that the current thread is in lies. */
#pragma once

struct user_iovec {
	__u64 base, length;
};

struct payload {
	__u64 address; /* of the first plain buffer; 0: there is none (sendfile, splice, io_uring) */
	__u32 length;  /* of that buffer */
	__u32 total;   /* of all that the call wants to send, as far as known */
	__u32 hoped;   /* what the call asks for, though there may be less of it (sendfile) */
	__u64 iovec;   /* where its buffers are listed, if they are */
	__u32 buffers; /* how many there are */
	__u32 pad;
};

enum syscall_shape {
	SHAPE_NOT_IO = 0,
	SHAPE_BUFFER,  /* (fd, buffer, length) */
	SHAPE_IOVEC,   /* (fd, iovec, count) */
	SHAPE_MESSAGE, /* (fd, msghdr) */
	SHAPE_OPAQUE,  /* data, but no plain buffer */
};

#if defined(__TARGET_ARCH_x86)
#define SYSCALL_NUMBER(r) ((int)(r)->orig_ax)
#define SYSCALL_ARG2(r) ((r)->si)
#define SYSCALL_ARG3(r) ((r)->dx)
#define SYSCALL_ARG4(r) ((r)->r10)
#define SYSCALL_SENDFILE 40
static __always_inline enum syscall_shape send_shape(int number)
{
	switch (number) {
	case 1:	 /* write */
	case 44: /* sendto */
		return SHAPE_BUFFER;
	case 20:  /* writev */
	case 328: /* pwritev2 */
		return SHAPE_IOVEC;
	case 46:  /* sendmsg */
	case 307: /* sendmmsg */
		return SHAPE_MESSAGE;
	case SYSCALL_SENDFILE:
	case 275: /* splice */
	case 278: /* vmsplice */
	case 426: /* io_uring_enter */
		return SHAPE_OPAQUE;
	}
	return SHAPE_NOT_IO;
}
static __always_inline enum syscall_shape receive_shape(int number)
{
	switch (number) {
	case 0:	 /* read */
	case 45: /* recvfrom */
		return SHAPE_BUFFER;
	case 19:  /* readv */
	case 327: /* preadv2 */
		return SHAPE_IOVEC;
	case 47:  /* recvmsg */
	case 299: /* recvmmsg */
		return SHAPE_MESSAGE;
	}
	return SHAPE_OPAQUE;
}
#define SYSCALL_RECVFROM 45
#define SYSCALL_RECVMSG 47
#define SYSCALL_RECVMMSG 299
#else
#define SYSCALL_NUMBER(r) ((r)->syscallno)
#define SYSCALL_ARG2(r) ((r)->regs[1])
#define SYSCALL_ARG3(r) ((r)->regs[2])
#define SYSCALL_ARG4(r) ((r)->regs[3])
#define SYSCALL_SENDFILE 71
static __always_inline enum syscall_shape send_shape(int number)
{
	switch (number) {
	case 64:  /* write */
	case 206: /* sendto */
		return SHAPE_BUFFER;
	case 66:  /* writev */
	case 287: /* pwritev2 */
		return SHAPE_IOVEC;
	case 211: /* sendmsg */
	case 269: /* sendmmsg */
		return SHAPE_MESSAGE;
	case SYSCALL_SENDFILE:
	case 76:  /* splice */
	case 75:  /* vmsplice */
	case 426: /* io_uring_enter */
		return SHAPE_OPAQUE;
	}
	return SHAPE_NOT_IO;
}
static __always_inline enum syscall_shape receive_shape(int number)
{
	switch (number) {
	case 63:  /* read */
	case 207: /* recvfrom */
		return SHAPE_BUFFER;
	case 65:  /* readv */
	case 286: /* preadv2 */
		return SHAPE_IOVEC;
	case 212: /* recvmsg */
	case 243: /* recvmmsg */
		return SHAPE_MESSAGE;
	}
	return SHAPE_OPAQUE;
}
#define SYSCALL_RECVFROM 207
#define SYSCALL_RECVMSG 212
#define SYSCALL_RECVMMSG 243
#endif

#define MSG_TRUNC 0x20 /* nothing is copied */
#define MSG_WAITALL 0x100

static __always_inline __u32 receive_flags(int number, const struct pt_regs *regs)
{
	switch (number) {
	case SYSCALL_RECVMSG:
		return SYSCALL_ARG3(regs);
	case SYSCALL_RECVFROM:
	case SYSCALL_RECVMMSG:
		return SYSCALL_ARG4(regs);
	}
	return 0;
}

/* More buffers than this in one call are rare; what is in them is not counted in total. */
#define IOVECS 8

static __always_inline void payload_of_iovec(struct payload *p, __u64 iovec, __u64 n)
{
	struct user_iovec v[IOVECS] = {};
	p->iovec = iovec;
	p->buffers = n;
	if (n > IOVECS)
		n = IOVECS;
	if (!n || bpf_probe_read_user(v, n * sizeof(v[0]), (void *)iovec))
		return;
#pragma unroll
	for (int i = 0; i < IOVECS; i++) {
		/* Servers like to put an empty buffer first. */
		if (!p->address && v[i].length) {
			p->address = v[i].base;
			p->length = v[i].length;
		}
		p->total += v[i].length;
	}
}

/* Not inlined: with the buffers of its callers the stack would be too small before 6.18. */
static __noinline void payload_locate(struct payload *p, enum syscall_shape shape,
				      const struct pt_regs *regs)
{
	__u64 second = SYSCALL_ARG2(regs), third = SYSCALL_ARG3(regs);
	if (shape == SHAPE_BUFFER) {
		p->address = second;
		p->length = p->total = third;
	} else if (shape == SHAPE_IOVEC) {
		payload_of_iovec(p, second, third);
	} else if (shape == SHAPE_MESSAGE) {
		struct user_iovec message; /* msg_iov and msg_iovlen of struct msghdr */
		if (bpf_probe_read_user(&message, sizeof(message), (void *)(second + 16)) == 0)
			payload_of_iovec(p, message.base, message.length);
	}
	if (SYSCALL_NUMBER(regs) == SYSCALL_SENDFILE)
		p->hoped = SYSCALL_ARG4(regs) < 1U << 30 ? SYSCALL_ARG4(regs) : 1U << 30;
}

/* HTTP's "100 Continue" (RFC 9110 section 15.2.1) by itself: the reply is still to come. */
#define INTERIM_MAX 48
#define HTTP_1_1 0x312e312f50545448ULL /* "HTTP/1.1", as a little-endian number */
#define HTTP_CONTINUE 0x30303120       /* " 100" */

static __always_inline bool payload_is_interim(const struct payload *p, __u32 length)
{
	char text[12];
	if (!p->address || length < 25 || length > INTERIM_MAX ||
	    bpf_probe_read_user(text, sizeof(text), (void *)p->address))
		return false;
	return *(__u64 *)text == HTTP_1_1 && *(__u32 *)(text + 8) == HTTP_CONTINUE;
}
