/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What user space is told. The Rust types are generated from these (BTF of the object); kind
 * numbers are never used again for something else. */
#pragma once

enum record_kind {
	RECORD_POINT = 1,   /* struct exchange_record: a visit was answered, or failed */
	RECORD_EDGE = 2,    /* struct exchange_record: an invocation was answered, or failed */
	RECORD_EXTEND = 3,  /* struct extend_record: a reported exchange went on */
	RECORD_HEAD = 4,    /* struct head_record: first bytes of a request or reply */
	RECORD_PROCESS = 5, /* struct process_record: a process was seen for the first time */
	RECORD_BELIEF =
		6, /* struct process_record: its threads' visits are no longer believed (R15) */
	RECORD_PATH = 7, /* struct path_record: a path seems to eat the option */
	RECORD_RUNTIME =
		8, /* struct runtime_record: what was known of a process's runtime is given up */
};

enum parent_kind {
	PARENT_NONE = 0,
	PARENT_WIRE = 1,
	PARENT_HEADER = 2,
	PARENT_TOLD = 3,
	PARENT_WORKER = 4,
	PARENT_CONNECT = 5,
	PARENT_INHERITED = 6,
};

enum no_parent {
	NO_PARENT_INGRESS = 0,	  /* from outside, without a context */
	NO_PARENT_IDLE = 1,	  /* the worker was working for no visit */
	NO_PARENT_ENDED = 2,	  /* its visit was answered already, or is too old (R9) */
	NO_PARENT_UNBELIEVED = 3, /* R15 */
	NO_PARENT_OPENER = 4,	  /* first request of a connection, opener unknown (R6) */
	NO_PARENT_POOLED = 5,	  /* R13 */
	NO_PARENT_TOLD = 6,	  /* R17 */
	NO_PARENT_UNKNOWN = 7,	  /* the runtime did not tell which worker it was */
};

enum head_part {
	HEAD_REQUEST = 0,
	HEAD_REPLY = 1,
};

/* Which worker: a thread's id with this bit, or a number that its runtime has for what it runs on its
 * threads. 0: not known, in a process whose runtime should have said it. */
#define KEY_OF_THREAD (1ULL << 63)

static __always_inline bool key_is_thread(__u64 key)
{
	return key & KEY_OF_THREAD;
}

/* Beside it: a thread that runs outside of what its runtime could have named (python.h). */
#define KEY_OF_BARE_THREAD (KEY_OF_THREAD | 1ULL << 60)

static __always_inline bool key_is_bare_thread(__u64 key)
{
	return (key & KEY_OF_BARE_THREAD) == KEY_OF_BARE_THREAD;
}

/* Are they one worker? Of a thread it may have become known only in between that it is a bare one. */
static __always_inline bool keys_agree(__u64 one, __u64 other)
{
	return one == other ||
	       (key_is_thread(one) && key_is_thread(other) && (__u32)one == (__u32)other);
}

/* The number is the address of an object, and uprobes tell when another one begins there. */
#define KEY_OF_OBJECT (1ULL << 62)

/* An object that is gone, but others come from it; the rest of the number is when it was made. */
#define KEY_OF_DEAD_OBJECT (3ULL << 61)

static __always_inline bool key_is_object(__u64 key)
{
	return !key_is_thread(key) && key & KEY_OF_OBJECT;
}

/* A trace id, a span id and what travels with them. Numbers in host order. */
struct trace_context {
	__u64 trace_hi;
	__u64 trace_lo;
	__u64 span_id; /* 0: there is no context */
	__u16 baggage; /* index of the baggage tuple, 0 = none */
	__u8 flags;    /* W3C trace flags */
	__u8 pad[5];
};
_Static_assert(sizeof(struct trace_context) == 32, "trace_context");

struct exchange_record {
	__u32 kind; /* RECORD_POINT or RECORD_EDGE */
	__u32 pid;  /* tgid, initial pid namespace */
	struct trace_context context;
	__u64 parent_id;
	__u64 link_hi, link_lo, link_id; /* link_id 0: no link */
	__u64 cookie, netns, cgroup;
	__u64 arrived; /* ns, CLOCK_MONOTONIC, as all times; 0 = unknown */
	__u64 start;
	__u64 replied; /* 0 = no reply */
	__u64 end;
	__u64 bytes_received, bytes_sent;
	__u32 first_tid, last_tid;
	__u32 srtt_us, rttvar_us, snd_cwnd, retransmits;
	__u8 local[16], remote[16];    /* IPv4 as ::ffff:a.b.c.d */
	__u16 local_port, remote_port; /* host order */
	__u16 error;		       /* 0, an errno, or EXCHANGE_CLOSED */
	__u8 parent_kind;
	__u8 no_parent;
	__u8 reads_requests;
	__u8 trusted; /* what the request says of itself may be believed */
	__u8 exact;   /* its worker is no thread, or may be none: nobody has looked yet */
	__u8 tls;     /* 0: none, or not known; 3 is 1.2, 4 is 1.3 */
	char comm[16];
	__u8 pad2[4];
};
_Static_assert(sizeof(struct exchange_record) == 232, "exchange_record");

/* An exchange that ended with an orderly close and no reply: no errno says this. */
#define EXCHANGE_CLOSED 0xffff

struct extend_record {
	__u32 kind;
	__u32 pid;
	__u64 trace_hi, trace_lo, span_id;
	__u64 end;
	__u64 bytes_received, bytes_sent;
};
_Static_assert(sizeof(struct extend_record) == 56, "extend_record");

/* Followed by length bytes of payload. */
struct head_record {
	__u32 kind;
	__u32 pid;
	__u64 trace_hi, trace_lo, span_id;
	__u64 time;
	__u16 length;
	__u16 server_port; /* host order */
	__u8 part;
	__u8 trusted; /* as in the exchange */
	__u16 offset; /* of the first byte, in the request or reply */
};
_Static_assert(sizeof(struct head_record) == 48, "head_record");

/* Long enough for the base name of any executable worth naming in a rule. */
#define EXECUTABLE_NAME 32

struct process_record {
	__u32 kind;
	__u32 pid;
	__u64 cgroup;
	__u64 time;
	__u32 agreements;
	__u32 profile;
	char executable[EXECUTABLE_NAME]; /* base name, cut at 31 bytes */
	char comm[16];
};
_Static_assert(sizeof(struct process_record) == 80, "process_record");

/* Why what was known of a runtime does not hold. */
enum runtime_lost {
	RUNTIME_HOLDS = 0,
	RUNTIME_UNREADABLE = 1, /* requests were read by workers that could not be told */
	RUNTIME_DISAGREES = 2,	/* replies were sent by workers of other visits */
};

struct runtime_record {
	__u32 kind;
	__u32 pid;
	__u64 time;
	__u32 good, bad; /* what spoke for it, and against */
	__u8 profile;
	__u8 lost; /* enum runtime_lost */
	__u8 pad[6];
	char comm[16];
};
_Static_assert(sizeof(struct runtime_record) == 48, "runtime_record");

struct path_record {
	__u32 kind;
	__u32 pad;
	__u64 time;
	__u8 remote[16];
};
_Static_assert(sizeof(struct path_record) == 32, "path_record");
