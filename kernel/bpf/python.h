/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* CPython: a worker is what a contextvars.Context was entered for (a task or a callback of asyncio), or
 * a greenlet; where there is neither, the thread. Keys are the objects' addresses. */
#pragma once

/* The runtime's numbers: offsets in bytes, if nothing else is said. They count from _PyRuntime
 * (runtime.base) where they are of no structure. */
enum python_number {
	PYTHON_CONTEXT_TYPE = 0,    /* PyContext_Type */
	PYTHON_INTERPRETERS = 1,    /* in _PyRuntime: the interpreter */
	PYTHON_THREADS = 2,	    /* in an interpreter: the thread state that was made last */
	PYTHON_NEXT = 3,	    /* in a thread state */
	PYTHON_THREAD_ID = 4,	    /* the same */
	PYTHON_CONTEXT = 5,	    /* the same: the current context */
	PYTHON_THREAD_CONTEXTS = 6, /* bool: each thread enters a context of its own (3.14) */
	/* the greenlet package, if it is loaded */
	GREENLET_TLS_INDEX = 7, /* two halves of an address: its module's number and offset */
	GREENLET_TLS_STATE = 9, /* in its thread-local memory: the state of the thread */
	GREENLET_TYPE = 10,	/* PyGreenlet_Type, from the TLS index */
	GREENLET_FIRST = 11,	/* bool: contexts tell nothing, greenlets do (gevent) */
	/* the frames of what is called */
	PYTHON_FRAME = 12,	    /* in a thread state: the innermost one */
	PYTHON_FRAME_BEHIND = 13,   /* where that is: from what the pointer points to; or -1 */
	PYTHON_FRAME_CODE = 14,	    /* in a frame */
	PYTHON_FRAME_PREVIOUS = 15, /* the same */
};

struct python_context {
	__u64 references, type, previous, variables, weak;
	__u32 entered, pad;
};

/* What is known of a thread: asking anew takes a walk through all of the process's threads. */
struct python_thread {
	__u64 state;	/* its thread state */
	__u64 searched; /* when it was not found */
	__u64 visit;	/* that it has opened by reading, outside of any context; see descent.h */
	__u64 stack;	/* where its stack ended then */
	__u64 answers;	/* bool: has answered a request, outside of any context */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct python_thread);
} python_threads SEC(".maps");

#define PYTHON_THREADS_MAX 1024
/* Threads without a thread state (those of libraries) are not looked for in every call. */
#define PYTHON_SEARCH_AGAIN_NS 100000000ULL

static const struct python_thread python_unknown;

static __always_inline struct python_thread *python_thread(bool make)
{
	const struct task_struct *task = bpf_get_current_task_btf();
	__u64 id = (__u64)task->tgid << 32 | (__u32)task->pid;
	struct python_thread *t = bpf_map_lookup_elem(&python_threads, &id);
	if (t || !make)
		return t;
	bpf_map_update_elem(&python_threads, &id, &python_unknown, BPF_NOEXIST);
	return bpf_map_lookup_elem(&python_threads, &id);
}

struct python_search {
	__u64 state, thread_id;
	__u32 next_at, thread_id_at;
};

static long python_search_step(__u32 i, struct python_search *s)
{
	if (!s->state || user_word(s->state + s->thread_id_at) == s->thread_id)
		return 1;
	s->state = user_word(s->state + s->next_at);
	return 0;
}

/* The thread state of the current thread; 0 if it has none. */
static __noinline __u64 python_state(const struct task_struct *task, const struct runtime *r)
{
	struct python_thread *t = python_thread(true);
	struct python_search s = {
		.thread_id = thread_pointer(task),
		.next_at = r->numbers[PYTHON_NEXT],
		.thread_id_at = r->numbers[PYTHON_THREAD_ID],
	};
	if (!t || !s.thread_id)
		return 0;
	if (t->state && user_word(t->state + s.thread_id_at) == s.thread_id)
		return t->state;
	__u64 now = bpf_ktime_get_ns();
	if (!t->state && t->searched && now - t->searched < PYTHON_SEARCH_AGAIN_NS)
		return 0;
	__u64 interpreter = user_word(r->base + r->numbers[PYTHON_INTERPRETERS]);
	s.state = interpreter ? user_word(interpreter + r->numbers[PYTHON_THREADS]) : 0;
	bpf_loop(PYTHON_THREADS_MAX, python_search_step, &s, 0);
	if (s.state && user_word(s.state + s.thread_id_at) != s.thread_id)
		s.state = 0;
	t->state = s.state;
	t->searched = now;
	return s.state;
}

#define PYTHON_FRAMES 6

/* What the current thread is about to do, by the functions that it is in; 0 if that is not known. */
static __noinline __u64 python_origin(const struct task_struct *task, const struct runtime *r)
{
	__u64 state = python_state(task, r), origin = 0;
	__u64 frame = state ? user_word(state + r->numbers[PYTHON_FRAME]) : 0;
	if (frame && r->numbers[PYTHON_FRAME_BEHIND] >= 0)
		frame = user_word(frame + r->numbers[PYTHON_FRAME_BEHIND]);
	for (int i = 0; frame && i < PYTHON_FRAMES; i++) {
		origin = (origin + user_word(frame + r->numbers[PYTHON_FRAME_CODE])) *
			 0x9e3779b97f4a7c15;
		frame = user_word(frame + r->numbers[PYTHON_FRAME_PREVIOUS]);
	}
	return origin;
}

/* The context that the thread has entered. What it has without having entered it is the thread's own,
 * and so is the first that it enters where threads do that. 0: what should be a context is none. */
static __always_inline __u64 python_context_key(const struct task_struct *task,
						const struct runtime *r)
{
	struct python_context context;
	__u64 state = python_state(task, r);
	__u64 address = state ? user_word(state + r->numbers[PYTHON_CONTEXT]) : 0;
	if (!address)
		return KEY_OF_BARE_THREAD | (__u32)task->pid;
	if (bpf_probe_read_user(&context, sizeof(context), (void *)address) ||
	    context.type != r->base + r->numbers[PYTHON_CONTEXT_TYPE])
		return 0;
	if (!context.entered || (r->numbers[PYTHON_THREAD_CONTEXTS] && !context.previous))
		return KEY_OF_BARE_THREAD | (__u32)task->pid;
	return KEY_OF_OBJECT | address;
}

/* The greenlet that the thread runs, by way of its thread-local memory (glibc's layout); 0 if it has
 * none but its main one. */
static __noinline __u64 greenlet_key(const struct task_struct *task, const struct runtime *r)
{
	__u64 index = (__u32)r->numbers[GREENLET_TLS_INDEX] |
		      (__u64)(__u32)r->numbers[GREENLET_TLS_INDEX + 1] << 32;
	__u64 module = user_word(index), offset = user_word(index + 8);
	__u64 vector = user_word(thread_pointer(task) + 8);
	/* In front of the vector stands how long it is. */
	if (!vector || !module || user_word(vector - 16) < module)
		return 0;
	__u64 block = user_word(vector + 16 * module);
	if (!block || block == ~0ULL)
		return 0;
	/* 1: not made yet. */
	__u64 state = user_word(block + offset + r->numbers[GREENLET_TLS_STATE]);
	if (state <= 1)
		return 0;
	__u64 main = user_word(state), current = user_word(state + 8);
	if (!current || current == main || user_word(main + 8) != index + r->numbers[GREENLET_TYPE])
		return 0;
	return KEY_OF_OBJECT | current;
}

static __always_inline __u64 python_key(const struct task_struct *task, const struct runtime *r)
{
	bool greenlets = r->numbers[GREENLET_TLS_INDEX];
	__u64 key;
	if (greenlets && r->numbers[GREENLET_FIRST])
		return greenlet_key(task, r) ?: key_of_thread(task);
	/* Where contexts come from only uprobes tell. */
	if (!r->probed)
		return key_of_thread(task);
	key = python_context_key(task, r);
	if (greenlets && key_is_thread(key))
		return greenlet_key(task, r) ?: key;
	return key;
}
