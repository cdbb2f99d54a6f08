/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* R10: which records of a TLS connection are application data. Nothing is decrypted: type and length
 * of each record are all that is known (RFC 8446 section 5.1), and both ends have to come to the same
 * result. */
#pragma once

#define TLS_HEADER 5
#define TLS_RECORD_MAX (16384 + 2048) /* RFC 5246 section 6.2.3 */
#define TLS_FULL 16384		      /* a message goes on behind a record of this length */

enum tls_type {
	TLS_CHANGE_CIPHER_SPEC = 20,
	TLS_ALERT = 21,
	TLS_HANDSHAKE = 22,
	TLS_APPLICATION_DATA = 23,
	TLS_HEARTBEAT = 24,
};

enum tls_state {
	TLS_UNKNOWN = 0, /* it may still begin (STARTTLS) */
	TLS_ON = 1,
	TLS_NONE = 2,
	TLS_LOST = 3, /* a header could not be read: taken for plain data from there on */
};

/* How far the client is, by what it has sent. */
enum tls_client {
	TLS_HELLO = 0,	     /* ClientHello, and what else is sent in the clear */
	TLS_CHANGED = 1,     /* ChangeCipherSpec */
	TLS_CERTIFICATE = 2, /* 1.3: encrypted, but no Finished */
	TLS_VERIFY = 3,	     /* 1.3: a Finished has to follow */
	TLS_OPEN_12 = 4,     /* its Finished is through: 1.2 or older */
	TLS_OPEN_13 = 5,
};

enum tls_says {
	TLS_NOTHING = 0,
	TLS_DOUBT = 1, /* application data, or a session ticket, or an alert */
	TLS_DATA = 2,
};

/* The number of tickets a server sends of its own, and how long they get (with the client's
 * certificates in them). OpenSSL, BoringSSL and rustls send two, others one. */
#define TLS_TICKETS 2
#define TLS_TICKET_MAX 4096

/* In 1.3 these are told by their lengths: content, its type, and a tag of 16 bytes. */
#define TLS_ALERT_13 (2 + 1 + 16)
#define TLS_PADDING 16 /* Java's, of all records but the first with a key */
#define TLS_ALERT_PADDED (TLS_ALERT_13 + TLS_PADDING)
#define TLS_END_OF_EARLY_DATA (4 + 1 + 16)
#define TLS_EMPTY_CERTIFICATE (8 + 1 + 16)
/* The longest encrypted Finished of 1.2, and shorter than any hello that stands in its place. */
#define TLS_FINISHED_12_MAX 100

/* One direction. */
struct tls_stream {
	__u32 next; /* sequence number of the next record's header */
	__u8 had;   /* bytes of it that were seen already */
	__u8 says;  /* enum tls_says, of the record before */
	__u8 pad[2];
	__u8 header[8];
};

struct tls {
	struct tls_stream in, out;
	__u64 buffer;	  /* of the send whose records were looked at last */
	__u64 begins[2];  /* with these bytes */
	__u64 doubt_time; /* of what is the reply, unless more of it comes */
	__u32 base;	  /* sequence number of the buffer's first byte */
	__u32 quiet;	  /* see tls_quiet() */
	__u32 doubt_from, doubt_end;
	__u32 doubt_tid;
	__u8 state;
	__u8 client;	      /* enum tls_client */
	__u8 version;	      /* as in its headers; 4 is 1.3. 0: not known yet */
	__u8 tries;	      /* how often a ClientHello was looked for */
	__u8 tickets;	      /* that may still come */
	__u8 early;	      /* there is early data (0-RTT) */
	__u8 served;	      /* the server has said something */
	__u8 hushed;	      /* quiet holds */
	__u8 full;	      /* the client's last record was */
	__u8 flight;	      /* 1.3: the server's encrypted records before its Finished */
	__u8 finished, after; /* its Finished was seen; records behind it */
	__u8 fresh;	      /* passive: the client's Finished was read in the same call */
	__u8 doubt;	      /* enum tls_doubt */
	__u8 farewell;	      /* the request may be no more than alerts */
	__u8 pad;
};

/* A Finished has the length of the handshake's hash. */
static __always_inline bool tls_is_finished(__u32 length)
{
	return length == 4 + 32 + 17 || length == 4 + 48 + 17 || length == 4 + 32 + 9;
}

/* The same, where it is not the first. */
static __always_inline bool tls_finishes(__u32 length)
{
	return tls_is_finished(length) || tls_is_finished(length - TLS_PADDING);
}

/* A CertificateVerify has that of a signature: Ed25519, ECDSA (P-256, P-384, P-521), Ed448, RSA. */
static __always_inline bool tls_is_verify(__u32 length)
{
	__u32 signature = length - (8 + 17);
	return signature == 64 || signature - 66 <= 6 || signature - 100 <= 4 ||
	       signature - 135 <= 4 || signature == 114 || signature == 256 || signature == 384 ||
	       signature == 512;
}

/* How many tickets may come behind the client's Finished. Of a resumed session, which needs no
 * certificate, one is sent at most; and none if they came before. */
static __always_inline void tls_opened(struct tls *t, bool tickets_came)
{
	t->client = TLS_OPEN_13;
	t->version = 4;
	t->tickets = TLS_TICKETS;
	if (!t->finished)
		return;
	if (t->after || tickets_came)
		t->tickets = 0;
	else if (t->flight <= 1)
		t->tickets = 1;
}

/* Messages of a client that proves who it is may have a record each, or share one. */
static __always_inline enum tls_says tls_client_encrypted(struct tls *t, __u32 length)
{
	if (t->client < TLS_CERTIFICATE ? tls_is_finished(length) : tls_finishes(length)) {
		tls_opened(t, false);
		return TLS_NOTHING;
	}
	if (t->client < TLS_CERTIFICATE) {
		if (!(t->early && length == TLS_END_OF_EARLY_DATA))
			t->client = length == TLS_EMPTY_CERTIFICATE ? TLS_VERIFY : TLS_CERTIFICATE;
		return TLS_NOTHING;
	}
	if (t->client == TLS_CERTIFICATE &&
	    (tls_is_verify(length) || tls_is_verify(length - TLS_PADDING))) {
		t->client = TLS_VERIFY;
		return TLS_NOTHING;
	}
	tls_opened(t, false);
	return TLS_DATA;
}

/* A record from the client. early: it was on its way before the server had said anything. */
static __always_inline enum tls_says tls_client_record(struct tls *t, __u8 type, __u8 minor,
						       __u32 length, bool early)
{
	if (type == TLS_CHANGE_CIPHER_SPEC && t->client == TLS_HELLO)
		t->client = TLS_CHANGED;
	if (type == TLS_HANDSHAKE && t->client == TLS_CHANGED) {
		t->client = length > TLS_FINISHED_12_MAX ? TLS_HELLO : TLS_OPEN_12;
		if (t->client == TLS_OPEN_12)
			t->version = minor;
	}
	if (type != TLS_APPLICATION_DATA)
		return TLS_NOTHING;
	t->full = length >= TLS_FULL;
	if (t->client == TLS_OPEN_12)
		return TLS_DATA;
	if (t->client == TLS_OPEN_13 && length == TLS_ALERT_13)
		return TLS_NOTHING;
	if (t->client == TLS_OPEN_13)
		return length == TLS_ALERT_PADDED ? TLS_DOUBT : TLS_DATA;
	if (early && t->client < TLS_CERTIFICATE) {
		t->early = 1;
		return TLS_DATA;
	}
	return tls_client_encrypted(t, length);
}

/* A record from the server. quiet: it was on its way before the client had asked anything; asked:
 * there is a request without a reply. */
static __always_inline enum tls_says tls_server_record(struct tls *t, __u8 type, __u32 length,
						       bool quiet, bool asked)
{
	if (type != TLS_APPLICATION_DATA)
		return TLS_NOTHING;
	if (t->client == TLS_OPEN_12)
		return TLS_DATA;
	if (t->client != TLS_OPEN_13) {
		if (tls_finishes(length)) {
			t->flight += t->after + t->finished;
			t->finished = 1;
			t->after = 0;
			return TLS_NOTHING;
		}
		if (!t->finished) {
			t->flight++;
			return TLS_NOTHING;
		}
		if (t->after < 255)
			t->after++;
		return t->early ? TLS_DATA : TLS_NOTHING;
	}
	if (length == TLS_ALERT_13 || (length == TLS_ALERT_PADDED && !asked))
		return TLS_NOTHING;
	if (quiet || (t->tickets && length <= TLS_TICKET_MAX)) {
		t->tickets -= !!t->tickets;
		return quiet ? TLS_NOTHING : TLS_DOUBT;
	}
	t->tickets = 0;
	return TLS_DATA;
}

static __always_inline bool tls_is_header(const __u8 h[TLS_HEADER])
{
	__u32 length = (__u32)h[3] << 8 | h[4];
	return h[0] >= TLS_CHANGE_CIPHER_SPEC && h[0] <= TLS_HEARTBEAT && h[1] == 3 && h[2] <= 4 &&
	       length && length <= TLS_RECORD_MAX;
}

/* Up to its legacy_version; a ClientHello is one record (RFC 8446 section 4.1.2). */
#define TLS_HELLO_BYTES 11

/* Whoever reads headers by themselves has no more than that. */
static __always_inline bool tls_is_hello(const __u8 h[TLS_HELLO_BYTES], __u32 had)
{
	__u32 length = (__u32)h[3] << 8 | h[4];
	if (h[0] != TLS_HANDSHAKE || h[1] != 3 || h[2] > 3 || length < 42 || length > 16384)
		return false;
	if (had < TLS_HELLO_BYTES)
		return had == TLS_HEADER;
	return h[5] == 1 && !h[6] && ((__u32)h[7] << 8 | h[8]) + 4 == length && h[9] == 3 &&
	       h[10] <= 3;
}
