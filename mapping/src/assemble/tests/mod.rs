mod adoption;
mod carried;

use adoption::{orphan, visit};

use super::*;
use crate::fixture::{MS, exchange, extend, head, number, options, span, text, trace};
use crate::record::{HeadPart, NoParent};

/// An assembler and what it has handed out.
struct Bench {
    assembler: Assembler,
    out: Vec<Span>,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let assembler = Assembler::new(limits, options(), ClockOffset::default());
        Self {
            assembler,
            out: Vec::new(),
        }
    }

    fn push(&mut self, record: Record<'_>) -> &mut Self {
        self.assembler.push(record, &mut self.out);
        self
    }

    /// What is due at `now` milliseconds.
    fn ready(&mut self, now: u64) -> Vec<Span> {
        self.assembler.ready(now * MS, &mut self.out);
        std::mem::take(&mut self.out)
    }

    fn flush(&mut self) -> Vec<Span> {
        self.assembler.flush(&mut self.out);
        std::mem::take(&mut self.out)
    }

    fn counters(&self) -> Counters {
        *self.assembler.counters()
    }
}

fn bench() -> Bench {
    Bench::new(Limits::default())
}

fn by_id(spans: &[Span], id: u64) -> &Span {
    spans
        .iter()
        .find(|candidate| candidate.span_id == span(id))
        .unwrap()
}

#[test]
fn a_span_waits_until_it_has_settled() {
    let mut bench = bench();
    bench.push(Record::Point(exchange(1, 0, 100)));
    assert!(bench.ready(599).is_empty());
    let spans = bench.ready(600);
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].end_unix_nano, 100 * MS);
    assert_eq!(bench.counters().spans, 1);
}

#[test]
fn heads_join_the_exchange_with_their_ids() {
    let mut bench = bench();
    bench
        .push(Record::Head(head(
            1,
            HeadPart::Request,
            b"GET /a HTTP/1.1\r\n",
        )))
        .push(Record::Head(head(
            2,
            HeadPart::Request,
            b"PUT /b HTTP/1.1\r\n",
        )))
        .push(Record::Head(head(
            2,
            HeadPart::Reply,
            b"HTTP/1.1 201 Created\r\n",
        )))
        .push(Record::Point(exchange(2, 0, 1)))
        .push(Record::Point(exchange(1, 0, 2)))
        .push(Record::Point(exchange(3, 0, 3)));
    let spans = bench.flush();
    assert_eq!(by_id(&spans, 1).name, "GET");
    assert_eq!(by_id(&spans, 2).name, "PUT");
    assert_eq!(
        number(by_id(&spans, 2), "http.response.status_code"),
        Some(201)
    );
    assert_eq!(by_id(&spans, 3).name, "tcp 8080");
}

#[test]
fn an_extension_moves_the_end_and_the_bytes_and_the_wait() {
    let mut bench = bench();
    bench.push(Record::Point(exchange(1, 0, 100)));
    bench.push(Record::Extend(extend(1, 400)));
    assert!(bench.ready(899).is_empty());
    let spans = bench.ready(900);
    assert_eq!(spans[0].end_unix_nano, 400 * MS);
    assert_eq!(number(&spans[0], "lanewire.tcp.bytes_sent"), Some(200));
}

#[test]
fn an_extension_that_comes_too_late_is_counted() {
    let mut bench = bench();
    bench.push(Record::Point(exchange(1, 0, 100)));
    assert_eq!(bench.ready(600).len(), 1);
    bench.push(Record::Extend(extend(1, 700)));
    assert_eq!(bench.counters().extends_late, 1);
}

#[test]
fn a_stream_that_goes_on_is_handed_out_after_the_longest_wait() {
    let mut bench = bench();
    bench.push(Record::Point(exchange(1, 0, 100)));
    for end in (200..6_000).step_by(100) {
        bench.push(Record::Extend(extend(1, end)));
        if end < 5_100 {
            assert!(bench.ready(end).is_empty(), "at {end}");
        }
    }
    assert_eq!(bench.ready(6_000).len(), 1);
}

#[test]
fn an_exchange_that_comes_twice_is_one_span() {
    let mut bench = bench();
    bench
        .push(Record::Point(exchange(1, 0, 100)))
        .push(Record::Point(exchange(1, 0, 150)));
    let spans = bench.flush();
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].end_unix_nano, 150 * MS);
    assert_eq!(bench.counters().repeated, 1);
}

#[test]
fn too_many_spans_are_handed_out_early_and_none_is_lost() {
    let mut bench = Bench::new(Limits {
        waiting: 2,
        ..Limits::default()
    });
    for id in 1..=5 {
        bench.push(Record::Point(exchange(id, 0, id)));
    }
    assert_eq!(bench.out.len(), 3);
    assert_eq!(bench.counters().hurried, 3);
    assert_eq!(bench.flush().len(), 5);
}

#[test]
fn too_many_heads_make_room_and_are_counted() {
    let mut bench = Bench::new(Limits {
        pending_heads: 2,
        ..Limits::default()
    });
    for id in 1..=3 {
        bench.push(Record::Head(head(
            id,
            HeadPart::Request,
            b"GET / HTTP/1.1\r\n",
        )));
    }
    bench
        .push(Record::Point(exchange(1, 0, 1)))
        .push(Record::Point(exchange(3, 0, 1)));
    let spans = bench.flush();
    assert_eq!(by_id(&spans, 1).name, "tcp 8080");
    assert_eq!(by_id(&spans, 3).name, "GET");
    assert_eq!(bench.counters().heads_evicted, 1);
    assert_eq!(bench.counters().heads_unclaimed, 1);
}

#[test]
fn a_span_keeps_the_clock_offset_of_its_record() {
    let mut bench = bench();
    bench
        .assembler
        .set_clock_offset(ClockOffset::between(0, 1_000 * MS));
    bench.push(Record::Point(exchange(1, 10, 20)));
    bench.assembler.set_clock_offset(ClockOffset::between(0, 0));
    let spans = bench.flush();
    assert_eq!(spans[0].start_unix_nano, 1_010 * MS);
    assert_eq!(spans[0].end_unix_nano, 1_020 * MS);
}

#[test]
fn every_counter_has_a_name() {
    let mut bench = bench();
    bench.push(Record::Point(exchange(1, 0, 1)));
    assert!(
        bench
            .counters()
            .iter()
            .any(|counter| counter == ("points", 1))
    );
}

proptest::proptest! {
    #[test]
    fn every_exchange_becomes_one_span_whatever_the_order(
        events in proptest::collection::vec((0u8..5, 1u64..12, 0u64..50, 0u64..50, 11u32..14), 0..80),
        waiting in 1usize..8,
        ready_every in 1usize..9,
    ) {
        let limits =
            Limits { waiting, pending_heads: 3, threads: 2, orphans_per_thread: 2, ..Limits::default() };
        let mut bench = Bench::new(limits);
        let mut spans = Vec::new();
        for (at, (kind, id, start, length, tid)) in events.into_iter().enumerate() {
            let end = start + length;
            let edge = Exchange { first_tid: tid, last_tid: tid, ..orphan(id, start, end) };
            let point = Exchange { last_tid: tid, ..visit(id, start, end) };
            bench.push(match kind {
                0 => Record::Head(head(id, HeadPart::Request, b"GET / HTTP/1.1\r\n")),
                1 => Record::Extend(extend(id, end)),
                2 => Record::Point(point),
                _ => Record::Edge(edge),
            });
            if at % ready_every == 0 {
                spans.extend(bench.ready(end * 100));
            }
        }
        spans.extend(bench.flush());
        let counters = bench.counters();
        let exchanges = counters.points + counters.edges - counters.repeated;
        proptest::prop_assert_eq!(spans.len() as u64, exchanges);
        proptest::prop_assert_eq!(counters.spans, exchanges);
        for span in &spans {
            proptest::prop_assert!(span.start_unix_nano <= span.end_unix_nano);
            let adopted = text(span, "lanewire.parent") == Some("adopted");
            proptest::prop_assert_eq!(span.parent.is_some(), adopted);
        }
    }
}
