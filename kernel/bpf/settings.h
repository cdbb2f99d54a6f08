/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the configuration decides: constants that the loader sets before the programs are
 * verified, and the maps it fills with programs, ports and peers. */
#pragma once

const volatile __u32 agent_pid;			    /* never traced */
const volatile __u64 visit_age_ns = 30000000000ULL; /* R9 */
const volatile __u64 suspect_ns = 600000000000ULL; /* how long a path that eats options is spared */
const volatile __u64 reject_below;		   /* of 2^56: trace ids below are not sampled */
const volatile bool parent_based = true;
const volatile bool originate = true;
const volatile bool capture = true; /* payload heads */
const volatile __u32 head_bytes = 4096;
const volatile __u32 default_rules;	 /* ingress rules that name no executable */
const volatile __u32 port_default_rules; /* ingress rules that name no port */
const volatile __u32 accepting_rules;
/* Task storage can be used by sock_ops programs since 6.14 or so; the loader tries. */
const volatile bool task_storage = true;
/* Threads can be preempted within tracepoints; the loader goes by the version. */
const volatile bool preemptible = false;

enum profile {
	PROFILE_THREAD = 0,
	PROFILE_LOOP = 1,
	/* Exact: a worker is what the program itself schedules (runtime.h). */
	PROFILE_GO = 2,
	PROFILE_ASYNCIO = 3,
	PROFILE_GREENLET = 4,
};

struct program {
	__u32 rules; /* ingress rules that this executable can match */
	__u8 profile;
	__u8 believed; /* starts believed, and is never given up for good (R15) */
	__u8 excluded;
	__u8 pad;
};

struct program_name {
	char name[EXECUTABLE_NAME];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct program_name);
	__type(value, struct program);
} programs SEC(".maps");

struct port {
	__u32 rules;
	__u32 excluded;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct port);
} ports SEC(".maps");

struct prefix {
	__u32 length; /* bits; IPv4 counts from the 96 bits of ::ffff:0:0/96 */
	__u8 address[16];
};

struct peer {
	__u32 rules;
	__u8 inject;
	__u8 trust;
	__u8 pad[2];
};

/* The loader writes into every prefix what holds for all prefixes that contain it: the longest
 * match says it all. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct prefix);
	__type(value, struct peer);
} peers SEC(".maps");

static __always_inline bool port_excluded(__u32 port)
{
	struct port *p = bpf_map_lookup_elem(&ports, &port);
	return p && p->excluded;
}

static __always_inline struct peer peer_of(const __u8 address[16])
{
	struct prefix key = {.length = 128};
	struct peer none = {};
	__builtin_memcpy(key.address, address, 16);
	struct peer *p = bpf_map_lookup_elem(&peers, &key);
	return p ? *p : none;
}

#define NO_RULE 32

/* The number of the ingress rule that takes the request: the first that matches decides. */
static __always_inline __u32 ingress_rule(__u32 program_rules, __u32 peer_rules, __u32 port)
{
	struct port *p = bpf_map_lookup_elem(&ports, &port);
	__u32 match = program_rules & peer_rules & (p ? p->rules : port_default_rules);
	__u32 first = match & -match, rule = 0;
	if (!(first & accepting_rules))
		return NO_RULE;
	rule |= first & 0xffff0000 ? 16 : 0;
	rule |= first & 0xff00ff00 ? 8 : 0;
	rule |= first & 0xf0f0f0f0 ? 4 : 0;
	rule |= first & 0xcccccccc ? 2 : 0;
	return rule | (first & 0xaaaaaaaa ? 1 : 0);
}
