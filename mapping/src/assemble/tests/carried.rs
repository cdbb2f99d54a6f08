//! Baggage is on all that is done for a request, whatever its protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::*;
use crate::fixture::{attribute, exchange, head, message, number, span, trace};
use crate::map::{Baggage, ContextReader, Fields, Glimpse, Origin, RequestContext};
use crate::propagation::Medium;
use crate::record::{Exchange, HeadPart};
use crate::span::{Text, ValueRef};

/// Takes each header field for a key of the baggage, of requests that are not over only for the
/// index 5, and knows the index 7 as soon as it is told.
#[derive(Default)]
struct EveryHeader {
    knows_seven: AtomicBool,
}

impl EveryHeader {
    fn all(fields: &mut Fields<'_, '_>) -> Baggage {
        let value = |value: &[u8]| [String::from_utf8_lossy(value).into_owned().into()].into();
        fields.map(|(n, v)| (Text::copied(n), value(v))).collect()
    }
}

impl ContextReader for EveryHeader {
    fn read<'h>(&self, _: Medium, fields: &mut Fields<'_, 'h>, origin: Origin) -> RequestContext {
        let baggage = Self::all(fields);
        RequestContext {
            baggage: if origin.trusted {
                baggage
            } else {
                Default::default()
            },
            explains_index: origin.index == 5,
            ..Default::default()
        }
    }

    fn glimpse<'h>(
        &self,
        _: Medium,
        fields: &mut Fields<'_, 'h>,
        trusted: bool,
        index: u16,
    ) -> Glimpse {
        match index {
            5 => Glimpse {
                baggage: Self::all(fields),
                explains_index: true,
                complete: true,
            },
            _ if trusted => Glimpse {
                baggage: Self::all(fields),
                ..Glimpse::default()
            },
            _ => Glimpse::default(),
        }
    }

    fn resolve(&self, index: u16) -> Option<Baggage> {
        let pair = |key: &'static str, value: &'static str| (key.into(), [value.into()].into());
        match index {
            7 if self.knows_seven.load(Relaxed) => {
                let both = [pair("lane", "blue"), pair("cell", "c1")];
                Some(both.into_iter().collect())
            }
            _ => None,
        }
    }
}

fn carrying() -> Bench {
    let mut bench = bench();
    bench.assembler.options.context = Arc::new(EveryHeader::default());
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

fn request(id: u64, head_bytes: &[u8]) -> Head<'_> {
    Head {
        trace_id: trace(1),
        ..head(id, HeadPart::Request, head_bytes)
    }
}

fn lane(span: &Span) -> Option<ValueRef<'_>> {
    attribute(span, "lane")
}

fn gray() -> ValueRef<'static> {
    ValueRef::Str("gray")
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
        assert_eq!(lane(span), Some(gray()), "{}", span.span_id);
    }
}

#[test]
fn a_visit_that_is_still_open_gives_its_baggage_as_well_as_one_that_is_long_over() {
    let mut bench = carrying();
    bench.push(Record::Head(request(
        1,
        b"GET / HTTP/1.1\r\nlane: gray\r\n\r\n",
    )));
    bench.push(Record::Edge(Exchange {
        baggage_index: 5,
        ..done_for(1, 2, 10, 13)
    }));
    let before = bench.ready(2_000 * MS);
    assert_eq!(lane(by_id(&before, 2)), Some(gray()));
    assert_eq!(bench.counters().baggage_unknown, 0);
    bench.push(Record::Point(exchange(1, 9, 3_000)));
    assert_eq!(lane(by_id(&bench.ready(9_000 * MS), 1)), Some(gray()));
    bench.push(Record::Edge(done_for(1, 4, 9_001, 9_002)));
    assert_eq!(lane(by_id(&bench.flush(), 4)), Some(gray()));
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
    assert_eq!(lane(edge), Some(ValueRef::Str("blue")));
    assert_eq!(attribute(edge, "unit"), Some(ValueRef::Str("u1")));
    assert_eq!(lane(by_id(&spans, 1)), Some(gray()));
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

#[test]
fn metadata_and_attachments_are_carried_from_requests_that_are_still_open() {
    let grpc = include_str!("../../protocol/http2/grpcio.txt");
    let dubbo = include_str!("../../protocol/dubbo/messages.txt");
    for bytes in [
        message(grpc, "first_request"),
        message(dubbo, "reserve_request"),
    ] {
        let mut bench = carrying();
        bench.push(Record::Head(request(1, &bytes)));
        bench.push(Record::Edge(Exchange {
            baggage_index: 5,
            ..done_for(1, 2, 10, 13)
        }));
        let spans = bench.flush();
        let code = attribute(by_id(&spans, 2), "x-lane-code");
        assert_eq!(code, Some(gray()));
    }
}

#[test]
fn what_of_a_context_can_not_be_read_is_counted() {
    let grpc = include_str!("../../protocol/http2/grpcio.txt");
    let dubbo = include_str!("../../protocol/dubbo/messages.txt");
    let whole = message(dubbo, "reserve_request");
    let refers = message(grpc, "second_request");
    let mut refused = message(dubbo, "fail_request");
    let argument = refused.windows(5).position(|part| part == b"\x04gone");
    refused[argument.unwrap()] = b'Z';
    let mut other = message(dubbo, "none_request");
    other[2] = 0xc0 | 23;
    let mut bench = carrying();
    for (id, bytes) in [&whole[..700], &refers, &refused, &other]
        .iter()
        .enumerate()
    {
        let id = id as u64 + 1;
        bench.push(Record::Head(head(id, HeadPart::Request, bytes)));
        bench.push(Record::Point(Exchange {
            cookie: id,
            ..exchange(id, 9, 14)
        }));
    }
    let counters = bench.counters();
    assert_eq!(counters.context_cut, 1);
    assert_eq!(counters.context_refused, 1);
    assert_eq!(counters.context_serialization_unknown, 1);
    assert_eq!(counters.header_fields_unknown, 6);
    assert_eq!(counters.protocol_unknown, 0);
}

#[test]
fn an_open_visit_hands_down_what_its_sender_may_say() {
    for (trusted, handed_down) in [(true, Some(gray())), (false, None)] {
        let mut bench = carrying();
        bench.push(Record::Head(Head {
            trusted,
            ..request(1, b"GET / HTTP/1.1\r\nlane: gray\r\n\r\n")
        }));
        bench.push(Record::Edge(done_for(1, 2, 10, 13)));
        let open = bench.ready(2_000 * MS);
        assert_eq!(lane(by_id(&open, 2)), handed_down);
        bench.push(Record::Point(Exchange {
            trusted,
            ..exchange(1, 9, 3_000)
        }));
        bench.push(Record::Edge(done_for(1, 3, 10, 3_000)));
        assert_eq!(lane(by_id(&bench.flush(), 3)), handed_down);
    }
}

#[test]
fn what_an_untrusted_sender_says_is_not_handed_down() {
    let mut bench = carrying();
    bench.push(Record::Head(Head {
        trusted: false,
        ..request(1, b"GET / HTTP/1.1\r\nlane: gray\r\n\r\n")
    }));
    bench.push(Record::Edge(done_for(1, 2, 10, 13)));
    bench.push(Record::Point(Exchange {
        trusted: false,
        ..exchange(1, 9, 14)
    }));
    let spans = bench.flush();
    assert!(spans.len() == 2 && spans.iter().all(|span| lane(span).is_none()));
}

fn carrying_seven() -> (Bench, Arc<EveryHeader>) {
    let mut bench = bench();
    let context = Arc::new(EveryHeader::default());
    bench.assembler.options.context = Arc::clone(&context) as _;
    (bench, context)
}

fn with_seven(exchange: Exchange) -> Exchange {
    Exchange {
        baggage_index: 7,
        ..exchange
    }
}

#[test]
fn own_values_go_before_inherited_ones_and_these_before_those_of_the_index() {
    let (mut bench, context) = carrying_seven();
    context.knows_seven.store(true, Relaxed);
    bench.push(Record::Head(request(
        1,
        b"GET / HTTP/1.1\r\nunit: u1\r\nlane: gray\r\n\r\n",
    )));
    bench.push(Record::Head(request(
        2,
        b"GET / HTTP/1.1\r\nunit: u2\r\n\r\n",
    )));
    bench.push(Record::Edge(with_seven(done_for(1, 2, 10, 13))));
    bench.push(Record::Point(exchange(1, 9, 14)));
    let spans = bench.flush();
    let edge = by_id(&spans, 2);
    assert_eq!(attribute(edge, "unit"), Some(ValueRef::Str("u2")));
    assert_eq!(lane(edge), Some(gray()));
    assert_eq!(attribute(edge, "cell"), Some(ValueRef::Str("c1")));
    assert_eq!(attribute(by_id(&spans, 1), "cell"), None);
}

#[test]
fn what_an_index_stands_for_is_handed_down() {
    let (mut bench, context) = carrying_seven();
    context.knows_seven.store(true, Relaxed);
    bench.push(Record::Point(with_seven(exchange(1, 9, 14))));
    // It has been adopted: no index travelled with it.
    bench.push(Record::Edge(done_for(1, 2, 10, 13)));
    let blue = ValueRef::Str("blue");
    assert_eq!(lane(by_id(&bench.flush(), 2)), Some(blue));
}

#[test]
fn an_index_that_nobody_knows_is_counted_and_used_as_soon_as_it_is_known() {
    let (mut bench, context) = carrying_seven();
    bench.push(Record::Point(with_seven(exchange(1, 9, 14))));
    let before = bench.ready(1_000 * MS);
    assert_eq!(number(by_id(&before, 1), "lanewire.baggage.index"), Some(7));
    assert_eq!(bench.counters().baggage_unknown, 1);

    bench.push(Record::Edge(with_seven(done_for(1, 2, 1_010, 1_020))));
    context.knows_seven.store(true, Relaxed);
    let after = bench.flush();
    assert_eq!(lane(by_id(&after, 2)), Some(ValueRef::Str("blue")));
    assert_eq!(attribute(by_id(&after, 2), "lanewire.baggage.index"), None);
    assert_eq!(bench.counters().baggage_unknown, 1);
}

#[test]
fn an_index_that_its_own_head_explains_is_not_looked_up_for_what_is_done_with_it() {
    let (mut bench, context) = carrying_seven();
    context.knows_seven.store(true, Relaxed);
    let five = |exchange| Exchange {
        baggage_index: 5,
        ..exchange
    };
    bench.push(Record::Head(request(
        1,
        b"GET / HTTP/1.1\r\nunit: u1\r\n\r\n",
    )));
    bench.push(Record::Edge(five(done_for(1, 2, 10, 13))));
    bench.push(Record::Point(five(exchange(1, 9, 14))));
    // Nobody would know 5 without the head.
    bench.push(Record::Edge(five(done_for(9, 3, 10, 13))));
    let spans = bench.flush();
    for id in [1, 2] {
        let unit = attribute(by_id(&spans, id), "unit");
        assert_eq!(unit, Some(ValueRef::Str("u1")));
    }
    assert_eq!(number(by_id(&spans, 3), "lanewire.baggage.index"), Some(5));
    assert_eq!(bench.counters().baggage_unknown, 1);
}

#[test]
fn what_a_message_carries_is_on_what_its_broker_does_for_it_meanwhile() {
    let recording = include_str!("../../protocol/amqp/messages.txt");
    let publish = message(recording, "confirmed");
    let mut bench = carrying();
    bench.push(Record::Head(Head {
        server_port: 5672,
        ..request(1, &publish)
    }));
    bench.push(Record::Edge(Exchange {
        baggage_index: 5,
        ..done_for(1, 2, 10, 13)
    }));
    let before = bench.ready(2_000 * MS);
    let lane = attribute(by_id(&before, 2), "x-lane-code");
    assert_eq!(lane, Some(gray()));
}

#[test]
fn messages_whose_headers_are_not_read_are_counted() {
    let kafka = include_str!("../../protocol/kafka/messages.txt");
    let mut bench = carrying();
    for (id, name) in [
        (1, "gzip_produce_request"),
        (2, "big_produce_request"),
        (3, "python_produce_request"),
    ] {
        bench.push(Record::Head(Head {
            server_port: 9092,
            ..head(id, HeadPart::Request, &message(kafka, name))
        }));
        bench.push(Record::Point(exchange(id, 9, 14)));
    }
    let counters = bench.counters();
    assert_eq!(counters.context_compressed, 1);
    assert_eq!(counters.context_cut, 1);
    assert_eq!(counters.context_refused, 0);
}
