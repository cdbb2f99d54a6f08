//! A finished span: the output of this crate, in the terms of OTLP.

use opentelemetry::{SpanId, TraceId};

pub use crate::attributes::{Attributes, Iter, Texts, Value, ValueRef};
pub use crate::text::Text;

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
    pub trace_state: Text,
    /// `SERVER` for a point, `CLIENT` for an edge.
    pub kind: SpanKind,
    /// A low-cardinality name (`otlp` section 2).
    pub name: Text,
    /// Nanoseconds since the Unix epoch.
    pub start_unix_nano: u64,
    /// Nanoseconds since the Unix epoch; never before the start.
    pub end_unix_nano: u64,
    /// Attributes; a key appears once.
    pub attributes: Attributes,
    /// Links to other contexts.
    pub links: Vec<Link>,
    /// Whether it failed, and how.
    pub status: Status,
    /// The process it was seen in: the exporter finds the resource by it.
    pub pid: u32,
    /// A service that is not the process's: the client outside, who has no process here.
    pub service: Option<Text>,
}

/// An attribute's key: nearly always a constant.
pub type Key = Text;

/// `SERVER` or `CLIENT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// A point.
    Server,
    /// An edge.
    Client,
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
    Error(Text),
}

/// Where finished spans go, one by one.
pub trait Spans {
    /// Takes a span, or copies of it what is needed: what is left is used for the next one.
    fn span(&mut self, span: &mut Span);
}

/// Spans are moved here.
impl Spans for Vec<Span> {
    fn span(&mut self, span: &mut Span) {
        self.push(std::mem::replace(span, Span::empty()));
    }
}

impl Span {
    /// A span that says nothing, without an allocation.
    pub(crate) const fn empty() -> Self {
        Self {
            trace_id: TraceId::INVALID,
            span_id: SpanId::INVALID,
            parent: None,
            flags: 0,
            trace_state: Text::EMPTY,
            kind: SpanKind::Server,
            name: Text::EMPTY,
            start_unix_nano: 0,
            end_unix_nano: 0,
            attributes: Attributes::new(),
            links: Vec::new(),
            status: Status::Unset,
            pid: 0,
            service: None,
        }
    }
}
