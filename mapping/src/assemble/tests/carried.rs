//! Baggage is on all that is done for a request, whatever its protocol.

use std::sync::Arc;

use super::*;
use crate::fixture::{attribute, exchange, head, span, trace};
use crate::map::{Baggage, ContextReader, RequestContext};
use crate::protocol::http1::Headers;
use crate::record::Exchange;
use crate::span::Value;

/// Takes each header field for a key of the baggage.
struct EveryHeader;

impl ContextReader for EveryHeader {
    fn read(&self, headers: Headers<'_>) -> RequestContext {
        let value = |value: &[u8]| vec![String::from_utf8_lossy(value).into_owned()];
        RequestContext {
            baggage: headers.map(|h| (h.name.into(), value(h.value))).collect(),
            ..Default::default()
        }
    }

    fn resolve(&self, _: u16) -> Option<Baggage> {
        None
    }
}

fn carrying() -> Bench {
    let mut bench = bench();
    bench.assembler.options.context = Arc::new(EveryHeader);
    bench
}

/// An exchange of trace 1, done for `parent`.
fn done_for(parent: u64, id: u64, start: u64, end: u64) -> Exchange {
    Exchange {
        trace_id: trace(1),
        parent: Some(span(parent)),
        ..exchange(id, start, end)
    }
}

fn request(id: u64, head_bytes: &[u8]) -> Head {
    Head {
        trace_id: trace(1),
        ..head(id, HeadPart::Request, head_bytes)
    }
}

fn lane(span: &Span) -> Option<&Value> {
    attribute(span, "lane")
}

fn gray() -> Value {
    Value::Str("gray".into())
}

#[test]
fn what_a_request_carries_is_on_what_is_done_for_it() {
    let mut bench = carrying();
    bench.push(Record::Head(request(
        1,
        b"GET / HTTP/1.1\r\nlane: gray\r\n\r\n",
    )));
    bench.push(Record::Head(request(2, b"*1\r\n$4\r\nPING\r\n")));
    // The server's record comes before that of its caller, and that before the visit's.
    bench.push(Record::Point(done_for(2, 3, 11, 12)));
    bench.push(Record::Edge(done_for(1, 2, 10, 13)));
    bench.push(Record::Point(exchange(1, 9, 14)));
    let spans = bench.flush();
    assert_eq!(spans.len(), 3);
    for span in &spans {
        assert_eq!(lane(span), Some(&gray()), "{}", span.span_id);
    }
}

#[test]
fn a_visit_that_is_still_open_gives_its_baggage_as_well_as_one_that_is_long_over() {
    let mut bench = carrying();
    bench.push(Record::Head(request(
        1,
        b"GET / HTTP/1.1\r\nlane: gray\r\n\r\n",
    )));
    bench.push(Record::Edge(done_for(1, 2, 10, 13)));
    let before = bench.ready(2_000 * MS);
    assert_eq!(lane(by_id(&before, 2)), Some(&gray()));
    bench.push(Record::Point(exchange(1, 9, 3_000)));
    assert_eq!(lane(by_id(&bench.ready(9_000 * MS), 1)), Some(&gray()));
    bench.push(Record::Edge(done_for(1, 4, 9_001, 9_002)));
    assert_eq!(lane(by_id(&bench.flush(), 4)), Some(&gray()));
}

#[test]
fn an_exchange_with_values_of_its_own_keeps_them_and_gets_the_others() {
    let mut bench = carrying();
    bench.push(Record::Head(request(
        1,
        b"GET / HTTP/1.1\r\nlane: gray\r\nunit: u1\r\n\r\n",
    )));
    bench.push(Record::Head(request(
        2,
        b"GET / HTTP/1.1\r\nlane: blue\r\n\r\n",
    )));
    bench.push(Record::Edge(done_for(1, 2, 10, 13)));
    bench.push(Record::Point(exchange(1, 9, 14)));
    let spans = bench.flush();
    let edge = by_id(&spans, 2);
    assert_eq!(lane(edge), Some(&Value::Str("blue".into())));
    assert_eq!(attribute(edge, "unit"), Some(&Value::Str("u1".into())));
    assert_eq!(lane(by_id(&spans, 1)), Some(&gray()));
}

#[test]
fn nothing_is_carried_into_another_trace() {
    let mut bench = carrying();
    bench.push(Record::Head(request(
        1,
        b"GET / HTTP/1.1\r\nlane: gray\r\n\r\n",
    )));
    bench.push(Record::Edge(Exchange {
        trace_id: trace(7),
        ..done_for(1, 2, 10, 13)
    }));
    bench.push(Record::Point(exchange(1, 9, 14)));
    assert_eq!(lane(by_id(&bench.flush(), 2)), None);
}
