// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Runs single functions of the real headers on input from a test (BPF_PROG_TEST_RUN). Not part of
 * the agent. */
#include "kernel_types.h"
#include "record.h"
#include "counters.h"
#include "settings.h"
#include "context.h"
#include "ring.h"
#include "visits.h"
#include "process.h"
#include "worker.h"
#include "flow.h"
#include "emit.h"
#include "head.h"
#include "traceparent.h"
#include "option.h"

char LICENSE[] SEC("license") = "GPL";

struct codec_test {
	struct trace_context context;
	__u8 option[sizeof(struct option)];
	__u32 accepted;
};

struct mint_test {
	struct trace_context parent, child, root;
};

struct traceparent_test {
	struct trace_context found;
	__u32 length;
	__u32 accepted;
	char bytes[HEAD_MAX];
};

const volatile struct codec_test codec_test_type;
const volatile struct mint_test mint_test_type;
const volatile struct traceparent_test traceparent_test_type;

SEC("syscall")
int encode_option(struct codec_test *t)
{
	struct trace_context c = t->context;
	struct option o = {};
	option_encode(&o, &c);
	__builtin_memcpy(t->option, &o, sizeof(o));
	return 0;
}

SEC("syscall")
int decode_option(struct codec_test *t)
{
	struct trace_context c = {};
	struct option o;
	__builtin_memcpy(&o, t->option, sizeof(o));
	t->accepted = option_decode(&o, &c);
	t->context = c;
	return 0;
}

SEC("syscall")
int mint_ids(struct mint_test *t)
{
	struct trace_context parent = t->parent, child = {}, root = {};
	mint_child(&child, &parent);
	mint_trace(&root);
	t->child = child;
	t->root = root;
	return 0;
}

SEC("syscall")
int find_traceparent(struct traceparent_test *t)
{
	struct trace_context found = {};
	struct head *h = ring_reserve(sizeof(struct head_record) + head_bytes);
	if (!h)
		return 1;
	bpf_probe_read_kernel(h->bytes, 1024, t->bytes); /* head_bytes as it is without a loader */
	t->accepted = head_is_http_request(h) && traceparent_read(h, t->length, &found);
	t->found = found;
	ring_discard(h);
	return 0;
}
