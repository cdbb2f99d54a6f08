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
#include "runtime.h"
#include "go.h"
#include "go_lots.h"
#include "python.h"
#include "worker.h"
#include "tls.h"
#include "flow.h"
#include "emit.h"
#include "head.h"
#include "baggage.h"
#include "traceparent.h"
#include "baggage_read.h"
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
	__u32 ended;
	__u32 pad;
	char bytes[HEAD_MAX];
};

struct baggage_test {
	__u64 reject_below;
	__u32 length;
	__u32 told;
	__u16 index;
	__u8 trusted;
	__u8 pad[5];
	char bytes[HEAD_MAX];
};

struct tls_test {
	struct tls state;
	__u32 length;
	__u8 from_client, kind, minor;
	__u8 early, quiet, asked; /* as tls_client_record() and tls_server_record() have them */
	__u8 says;
	__u8 pad;
};

struct hello_test {
	__u8 bytes[16];
	__u32 length;
	__u32 accepted;
};

const volatile struct baggage_test baggage_test_type;
const volatile struct hello_test hello_test_type;
const volatile struct tls_test tls_test_type;
const volatile enum tls_client tls_client_type;
const volatile enum tls_says tls_says_type;
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
	mint_trace(&root, reject_below);
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
	bpf_probe_read_kernel(h->bytes, HEAD_MAX,
			      t->bytes); /* head_bytes as it is without a loader */
	__u32 says = head_is_http_request(h) ? traceparent_read(h, t->length, &found) : 0;
	t->accepted = !!(says & HEAD_HAS_PARENT);
	t->ended = !!(says & HEAD_ENDED);
	t->found = found;
	ring_discard(h);
	return 0;
}

SEC("syscall")
int read_baggage(struct baggage_test *t)
{
	struct trace_context found = {};
	struct lane lane = {.reject_below = reject_below};
	struct head *h = ring_reserve(sizeof(struct head_record) + head_bytes);
	if (!h)
		return 1;
	bpf_probe_read_kernel(h->bytes, head_bytes, t->bytes);
	t->told = TOLD_NOTHING;
	if (head_is_http_request(h)) {
		traceparent_read(h, t->length, &found);
		t->told = baggage_read(h, t->length, t->trusted, &lane);
	}
	t->index = lane.index;
	t->reject_below = lane.reject_below;
	ring_discard(h);
	return 0;
}

SEC("syscall")
int read_tls_record(struct tls_test *t)
{
	struct tls state = t->state;
	if (t->from_client)
		t->says = tls_client_record(&state, t->kind, t->minor, t->length, t->early);
	else
		t->says = tls_server_record(&state, t->kind, t->length, t->quiet, t->asked);
	t->state = state;
	return 0;
}

SEC("syscall")
int find_tls_hello(struct hello_test *t)
{
	__u8 bytes[16];
	__builtin_memcpy(bytes, t->bytes, sizeof(bytes));
	t->accepted = tls_is_hello(bytes, t->length);
	return 0;
}
