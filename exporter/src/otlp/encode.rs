//! Spans to the bytes of an `ExportTraceServiceRequest`.
//!
//! Lengths come before contents on the wire: that of a span is filled in when it has been written,
//! and those around it when the request leaves.

use std::collections::HashMap;
use std::sync::Arc;

use lanewire_mapping::span::{Link, Span, SpanKind, Status};

use bytes::Bytes;

use super::chunks::Chunks;
use super::wire::{PutField, field_len, fixed32_len, fixed64_len, varint_field_len};
use super::{Request, Resource};
use crate::pipeline::Gather;

/// The instrumentation scope of every span.
pub const SCOPE_NAME: &str = "lanewire";
/// The version in the scope: the agent's own.
pub const SCOPE_VERSION: &str = env!("CARGO_PKG_VERSION");

const REQUEST_RESOURCE_SPANS: u32 = 1;
const RESOURCE_SPANS_SCOPE_SPANS: u32 = 2;
const SCOPE_SPANS_SCOPE: u32 = 1;
const SCOPE_SPANS_SPANS: u32 = 2;
const SCOPE_FIELD_NAME: u32 = 1;
const SCOPE_FIELD_VERSION: u32 = 2;

/// Field numbers of `opentelemetry.proto.trace.v1.Span`.
mod span_field {
    pub const TRACE_ID: u32 = 1;
    pub const SPAN_ID: u32 = 2;
    pub const TRACE_STATE: u32 = 3;
    pub const PARENT_SPAN_ID: u32 = 4;
    pub const NAME: u32 = 5;
    pub const KIND: u32 = 6;
    pub const START: u32 = 7;
    pub const END: u32 = 8;
    pub const LINKS: u32 = 13;
    pub const STATUS: u32 = 15;
    pub const FLAGS: u32 = 16;
}

const LINK_TRACE_ID: u32 = 1;
const LINK_SPAN_ID: u32 = 2;
const STATUS_MESSAGE: u32 = 2;
const STATUS_CODE: u32 = 3;
const STATUS_CODE_ERROR: u64 = 2;

const TRACE_ID_BYTES: usize = 16;
const SPAN_ID_BYTES: usize = 8;
const LINK_BYTES: usize =
    field_len(LINK_TRACE_ID, TRACE_ID_BYTES) + field_len(LINK_SPAN_ID, SPAN_ID_BYTES);
const SCOPE_BYTES: usize = field_len(SCOPE_FIELD_NAME, SCOPE_NAME.len())
    + field_len(SCOPE_FIELD_VERSION, SCOPE_VERSION.len());

/// Spans as the bytes that they leave as, by resource. A span is written once, when it is added.
#[derive(Debug, Default)]
pub struct EncodedSpans {
    groups: Vec<EncodedGroup>,
    index: HashMap<Arc<Resource>, usize>,
    /// The group of the span that came last: spans of a process come in rows.
    last: usize,
    spans: u64,
    bytes: usize,
}

#[derive(Debug)]
struct EncodedGroup {
    resource: Arc<Resource>,
    /// The `spans` fields of its `ScopeSpans`, each with tag and length.
    spans: Chunks,
}

/// Less room than this is soon full: most spans are shorter.
const SPAN_BYTES: usize = 1 << 10;
/// Groups that are looked through for a resource before it is hashed. If there are more, most have
/// few spans, and must not take the memory for many: the queue counts the length of what is written.
const NEAR_GROUPS: usize = 16;

impl EncodedSpans {
    /// The bytes of one `ExportTraceServiceRequest`, with one `ResourceSpans` for each resource.
    pub fn request(self) -> Request {
        // What comes before the spans of each group.
        let mut heads = Vec::with_capacity(self.groups.iter().map(EncodedGroup::head_room).sum());
        let mut ends = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            group.put_head(&mut heads);
            ends.push(heads.len());
        }
        let (heads, mut begin) = (Bytes::from(heads), 0);
        let groups = self.groups.into_iter().zip(ends);
        let pieces = groups.flat_map(|(group, end)| {
            let head = heads.slice(std::mem::replace(&mut begin, end)..end);
            std::iter::once(head).chain(group.spans.into_pieces())
        });
        pieces.collect()
    }

    fn group(&mut self, resource: &Arc<Resource>) -> &mut EncodedGroup {
        let same = |group: &EncodedGroup| Arc::ptr_eq(&group.resource, resource);
        if self.groups.get(self.last).is_some_and(same) {
            return &mut self.groups[self.last];
        }
        if let Some(near) = self.groups.iter().take(NEAR_GROUPS).position(same) {
            self.last = near;
        } else {
            let next = self.groups.len();
            self.last = *self.index.entry(Arc::clone(resource)).or_insert(next);
            if self.last == next {
                self.groups.push(EncodedGroup {
                    resource: Arc::clone(resource),
                    spans: match next < NEAR_GROUPS {
                        true => Chunks::default(),
                        false => Chunks::small(),
                    },
                });
            }
        }
        &mut self.groups[self.last]
    }
}

impl EncodedGroup {
    /// A little more than what its head takes.
    fn head_room(&self) -> usize {
        const TAGS_AND_LENGTHS: usize = 24;
        self.resource.encoded().len() + SCOPE_BYTES + TAGS_AND_LENGTHS
    }

    fn put_head(&self, out: &mut Vec<u8>) {
        let scope_spans = field_len(SCOPE_SPANS_SCOPE, SCOPE_BYTES) + self.spans.len();
        let resource = self.resource.encoded();
        let resource_spans = resource.len() + field_len(RESOURCE_SPANS_SCOPE_SPANS, scope_spans);
        out.open(REQUEST_RESOURCE_SPANS, resource_spans);
        out.extend_from_slice(resource);
        out.open(RESOURCE_SPANS_SCOPE_SPANS, scope_spans);
        out.open(SCOPE_SPANS_SCOPE, SCOPE_BYTES);
        out.bytes_field(SCOPE_FIELD_NAME, SCOPE_NAME.as_bytes());
        out.bytes_field(SCOPE_FIELD_VERSION, SCOPE_VERSION.as_bytes());
    }
}

impl Gather for EncodedSpans {
    fn add(&mut self, resource: &Arc<Resource>, span: &Span) {
        let out = self.group(resource).spans.with_room(SPAN_BYTES);
        let before = out.len();
        let opened = out.open_unknown(SCOPE_SPANS_SPANS);
        put_span(out, span);
        out.close(opened);
        let written = out.len() - before;
        self.bytes += written;
        self.spans += 1;
    }

    fn spans(&self) -> u64 {
        self.spans
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Bytes of an encoded span, without the tag and length in front of it.
pub fn span_len(span: &Span) -> usize {
    use span_field::*;
    let mut len = field_len(TRACE_ID, TRACE_ID_BYTES)
        + field_len(SPAN_ID, SPAN_ID_BYTES)
        + field_len(NAME, span.name.len())
        + varint_field_len(KIND, kind(span.kind))
        + fixed64_len(START)
        + fixed64_len(END)
        + span.attributes.as_otlp().len()
        + span.links.len() * field_len(LINKS, LINK_BYTES)
        + fixed32_len(FLAGS);
    if !span.trace_state.is_empty() {
        len += field_len(TRACE_STATE, span.trace_state.len());
    }
    if span.parent.is_some() {
        len += field_len(PARENT_SPAN_ID, SPAN_ID_BYTES);
    }
    if let Status::Error(message) = &span.status {
        len += field_len(STATUS, status_len(message));
    }
    len
}

fn put_span(out: &mut Vec<u8>, span: &Span) {
    use span_field::*;
    out.bytes_field(TRACE_ID, &span.trace_id.to_bytes());
    out.bytes_field(SPAN_ID, &span.span_id.to_bytes());
    if !span.trace_state.is_empty() {
        out.bytes_field(TRACE_STATE, span.trace_state.as_bytes());
    }
    // A root's parent is empty: eight zero bytes would be a parent that nobody ever finds.
    if let Some(parent) = span.parent {
        out.bytes_field(PARENT_SPAN_ID, &parent.to_bytes());
    }
    out.bytes_field(NAME, span.name.as_bytes());
    out.varint_field(KIND, kind(span.kind));
    out.fixed64_field(START, span.start_unix_nano);
    out.fixed64_field(END, span.end_unix_nano);
    out.extend_from_slice(span.attributes.as_otlp());
    for link in &span.links {
        put_link(out, link);
    }
    if let Status::Error(message) = &span.status {
        out.open(STATUS, status_len(message));
        out.bytes_field(STATUS_MESSAGE, message.as_bytes());
        out.varint_field(STATUS_CODE, STATUS_CODE_ERROR);
    }
    out.fixed32_field(FLAGS, span.flags);
}

fn put_link(out: &mut Vec<u8>, link: &Link) {
    out.open(span_field::LINKS, LINK_BYTES);
    out.bytes_field(LINK_TRACE_ID, &link.trace_id.to_bytes());
    out.bytes_field(LINK_SPAN_ID, &link.span_id.to_bytes());
}

fn status_len(message: &str) -> usize {
    field_len(STATUS_MESSAGE, message.len()) + varint_field_len(STATUS_CODE, STATUS_CODE_ERROR)
}

fn kind(kind: SpanKind) -> u64 {
    match kind {
        SpanKind::Server => 2,
        SpanKind::Client => 3,
    }
}
