//! What tests build records from. Times are milliseconds here.

use std::sync::Arc;

use opentelemetry::{SpanId, TraceFlags, TraceId};

use crate::map::{MapOptions, NoContext};
use crate::record::{Exchange, Extend, Head, HeadPart, NoParent, ParentKind, TcpStats};
use crate::span::{Span, ValueRef};

pub(crate) const MS: u64 = 1_000_000;

pub(crate) fn options() -> MapOptions {
    MapOptions::new(Arc::new(NoContext))
}

pub(crate) fn trace(id: u128) -> TraceId {
    TraceId::from_bytes(id.to_be_bytes())
}

pub(crate) fn span(id: u64) -> SpanId {
    SpanId::from_bytes(id.to_be_bytes())
}

/// An exchange of trace `id` and span `id`: a root, sent or read by thread 11 of process 10.
pub(crate) fn exchange(id: u64, start: u64, end: u64) -> Exchange {
    Exchange {
        trace_id: trace(id.into()),
        span_id: span(id),
        parent: None,
        parent_kind: ParentKind::None(NoParent::Idle),
        link: None,
        flags: TraceFlags::SAMPLED,
        baggage_index: 0,
        local: "10.0.0.1:8080".parse().unwrap(),
        remote: "10.0.0.2:40000".parse().unwrap(),
        cookie: 1,
        netns: 1,
        cgroup: 1,
        pid: 10,
        first_tid: 11,
        last_tid: 11,
        reads_requests: true,
        exact_worker: false,
        trusted: true,
        arrived: 0,
        start: start * MS,
        replied: end * MS,
        end: end * MS,
        bytes_received: 10,
        bytes_sent: 20,
        tcp: TcpStats::default(),
        error: None,
    }
}

pub(crate) fn head(id: u64, part: HeadPart, bytes: &[u8]) -> Head<'_> {
    Head {
        trace_id: trace(id.into()),
        span_id: span(id),
        pid: 10,
        part,
        server_port: 8080,
        time: 0,
        trusted: true,
        offset: 0,
        bytes,
    }
}

pub(crate) fn extend(id: u64, end: u64) -> Extend {
    Extend {
        trace_id: trace(id.into()),
        span_id: span(id),
        end: end * MS,
        bytes_received: 100,
        bytes_sent: 200,
    }
}

pub(crate) fn attribute<'a>(span: &'a Span, key: &str) -> Option<ValueRef<'a>> {
    let mut values = span.attributes.iter().filter(|(name, _)| *name == key);
    let value = values.next().map(|(_, value)| value);
    assert!(values.next().is_none(), "{key} is there twice");
    value
}

pub(crate) fn text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    match attribute(span, key)? {
        ValueRef::Str(text) => Some(text),
        other => panic!("{key} is {other:?}"),
    }
}

pub(crate) fn number(span: &Span, key: &str) -> Option<i64> {
    match attribute(span, key)? {
        ValueRef::Int(number) => Some(number),
        other => panic!("{key} is {other:?}"),
    }
}

/// A message of a recording: `name:` and lines of hexadecimal digits, up to an empty line.
pub(crate) fn message(recording: &str, name: &str) -> Vec<u8> {
    let start = format!("{name}:");
    let mut lines = recording.lines().skip_while(|line| *line != start);
    assert!(lines.next().is_some(), "there is no message {name}");
    let digits: String = lines.take_while(|line| !line.is_empty()).collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}
