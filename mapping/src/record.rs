//! What the kernel saw: the input of this crate.
//!
//! All times are nanoseconds of the kernel's monotonic clock (`CLOCK_MONOTONIC`).

use std::net::SocketAddr;

use opentelemetry::{SpanId, TraceFlags, TraceId};

/// One record from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A visit of a request to a component has been answered (or has failed).
    Point(Exchange),
    /// An invocation between two components has been answered (or has failed).
    Edge(Exchange),
    /// The first bytes of a request or of a reply. Always precedes the point or edge it belongs to,
    /// unless it was lost; a reply's head may come right before it.
    Head(Head<'a>),
    /// A point or edge that was already reported went on.
    Extend(Extend),
}

/// A request and its reply, as one of the two ends saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The trace this exchange belongs to; never all-zero.
    pub trace_id: TraceId,
    /// The id that the kernel minted for it; never all-zero.
    pub span_id: SpanId,
    /// The parent, or `None` for a root.
    pub parent: Option<SpanId>,
    /// How the parent was found, or why there is none.
    pub parent_kind: ParentKind,
    /// A context from the wire that a `traceparent` in the payload overruled: it becomes a link.
    pub link: Option<(TraceId, SpanId)>,
    /// W3C trace flags: 0x01 sampled, 0x02 random.
    pub flags: TraceFlags,
    /// The index of the baggage tuple (`tcp-option` section 4); 0 is none.
    pub baggage_index: u16,
    /// This end of the connection.
    pub local: SocketAddr,
    /// The other end of the connection.
    pub remote: SocketAddr,
    /// The socket's cookie: unique on a host as long as it is up.
    pub cookie: u64,
    /// The network namespace's cookie.
    pub netns: u64,
    /// The id of the process's cgroup (cgroup2).
    pub cgroup: u64,
    /// The process that read the request (point) or sent it (edge), in the initial pid namespace.
    pub pid: u32,
    /// The thread that read the request (point) or sent it (edge).
    pub first_tid: u32,
    /// The thread that sent the reply (point) or read it (edge); 0 when there was no reply.
    pub last_tid: u32,
    /// Whether `first_tid` (edge) had ever read a request when it sent this one. Threads that never
    /// do are pool threads: their orphans may be adopted (rule R16).
    pub reads_requests: bool,
    /// Whether its worker is what the process's runtime runs on its threads, or may be, as nobody has
    /// looked at the process yet: which thread it was tells nothing (rule R16).
    pub exact_worker: bool,
    /// Whether what the request says of itself may be believed: it was sent from this host, or by a
    /// peer within `trust.from`.
    pub trusted: bool,
    /// When the first byte arrived at this host, 0 when unknown. Points only.
    pub arrived: u64,
    /// When the request was first read (point) or first sent (edge).
    pub start: u64,
    /// When the first byte of the reply was sent (point) or read (edge); 0 when there was none.
    pub replied: u64,
    /// When the last byte known so far was sent or read.
    pub end: u64,
    /// Payload bytes that this end received in the exchange, as far as known.
    pub bytes_received: u64,
    /// Payload bytes that this end sent in the exchange, as far as known.
    pub bytes_sent: u64,
    /// The connection's figures at the end of the exchange.
    pub tcp: TcpStats,
    /// What went wrong, if anything did.
    pub error: Option<ExchangeError>,
}

/// How the parent of an exchange was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParentKind {
    /// Read from the TCP option.
    Wire,
    /// Read from a `traceparent` in the payload.
    Header,
    /// An opt-in helper in the process said so.
    Told,
    /// The visit that the worker was working for.
    Worker,
    /// The visit that opened the connection.
    Connect,
    /// The visit of the thread or process that created this one.
    Inherited,
    /// Found after the fact, in user space (rule R16).
    Adopted,
    /// There is no parent, and this is why.
    None(NoParent),
}

/// Why an exchange has no parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoParent {
    /// An ingress: the request came from outside, without a context. (A point's root.)
    Ingress,
    /// The worker was working for no visit.
    Idle,
    /// The worker's visit had already been answered, or is too old (rule R9).
    Ended,
    /// The thread's visit is not believed in this process, or not yet (rule R15).
    Unbelieved,
    /// The first request of a connection whose opener is unknown or another worker (rule R6).
    Opener,
    /// A connection that its pool may have handed to a waiting request (rule R13).
    Pooled,
    /// A helper said that this belongs to no visit (rule R17).
    Told,
    /// The process's runtime did not tell which of its workers it was.
    Unknown,
}

/// What ended an exchange other than its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExchangeError {
    /// The connection was closed in an orderly way before there was a reply.
    Closed,
    /// The connection was reset (`ECONNRESET`, `EPIPE`).
    Reset,
    /// The connection timed out (`ETIMEDOUT`).
    TimedOut,
    /// Any other socket error (an errno).
    Other(i32),
}

/// Figures of a TCP connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpStats {
    /// Smoothed round-trip time in microseconds.
    pub srtt_us: u32,
    /// Its variation in microseconds.
    pub rttvar_us: u32,
    /// Congestion window in segments.
    pub snd_cwnd: u32,
    /// Segments retransmitted since the connection was opened.
    pub retransmits: u32,
}

/// The first bytes of a request or of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The trace of the exchange it belongs to.
    pub trace_id: TraceId,
    /// The span id of the exchange it belongs to.
    pub span_id: SpanId,
    /// The process in which it was read.
    pub pid: u32,
    /// Request or reply.
    pub part: HeadPart,
    /// The port that was listened on: a hint for the protocol.
    pub server_port: u16,
    /// When it was read.
    pub time: u64,
    /// As in its exchange ([`Exchange::trusted`]).
    pub trusted: bool,
    /// Where in the request or reply the bytes begin: a head that took several reads comes in
    /// several records, in their order.
    pub offset: usize,
    /// The bytes, at most the configured number of them.
    pub bytes: &'a [u8],
}

/// Which half of an exchange a head belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeadPart {
    /// The request.
    Request,
    /// The reply.
    Reply,
}

/// News of a point or edge that was reported before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extend {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its span id.
    pub span_id: SpanId,
    /// When the last byte was sent or read.
    pub end: u64,
    /// Payload bytes received so far.
    pub bytes_received: u64,
    /// Payload bytes sent so far.
    pub bytes_sent: u64,
}
