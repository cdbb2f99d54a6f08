//! A finished span: the output of this crate, in the terms of OTLP.

use opentelemetry::{SpanId, TraceId};

/// One span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its own id.
    pub span_id: SpanId,
    /// Its parent; `None` for a root.
    pub parent: Option<SpanId>,
    /// OTLP span flags: W3C flags in the low byte, 0x100 "is_remote is known", 0x200 "is remote".
    pub flags: u32,
    /// The `tracestate` header of the request, if one was read.
    pub trace_state: String,
    /// `SERVER` for a point, `CLIENT` for an edge.
    pub kind: SpanKind,
    /// A low-cardinality name (`otlp` section 2).
    pub name: String,
    /// Nanoseconds since the Unix epoch.
    pub start_unix_nano: u64,
    /// Nanoseconds since the Unix epoch; never before the start.
    pub end_unix_nano: u64,
    /// Attributes; a key appears once.
    pub attributes: Vec<(Key, Value)>,
    /// Links to other contexts.
    pub links: Vec<Link>,
    /// Whether it failed, and how.
    pub status: Status,
    /// The process it was seen in: the exporter finds the resource by it.
    pub pid: u32,
    /// A service that is not the process's: the client outside, who has no process here.
    pub service: Option<std::borrow::Cow<'static, str>>,
}

/// An attribute's key: nearly always a constant.
pub type Key = std::borrow::Cow<'static, str>;

/// `SERVER` or `CLIENT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// A point.
    Server,
    /// An edge.
    Client,
}

/// An attribute's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Str(std::borrow::Cow<'static, str>),
    /// A whole number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// Several texts.
    StrArray(Vec<String>),
}

/// A link to another context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The other trace.
    pub trace_id: TraceId,
    /// The other span.
    pub span_id: SpanId,
}

/// OTLP status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Nothing is said.
    #[default]
    Unset,
    /// It failed, with this message.
    Error(String),
}
