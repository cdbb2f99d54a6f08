//! Rule R16.

use super::*;
use crate::record::ParentKind;

/// An orphan edge of pool thread 12.
pub(super) fn orphan(id: u64, start: u64, end: u64) -> Exchange {
    Exchange {
        first_tid: 12,
        last_tid: 12,
        reads_requests: false,
        ..exchange(id, start, end)
    }
}

/// A visit that thread 11 read and pool thread 12 replied to.
pub(super) fn visit(id: u64, start: u64, replied: u64) -> Exchange {
    Exchange {
        last_tid: 12,
        parent_kind: ParentKind::None(NoParent::Ingress),
        ..exchange(id, start, replied)
    }
}

/// A bench whose process has shown its pool: thread 12 has replied to what thread 11 had read.
fn pool() -> Bench {
    let mut bench = bench();
    for id in 1_000..1_050 {
        let shown = visit(id, 1, 2);
        let key = crate::assemble::Key::new(shown.trace_id, shown.span_id);
        bench.assembler.orphans.reply(key, &shown);
    }
    bench
}

#[test]
fn an_orphan_of_a_pool_thread_belongs_to_the_visit_that_the_thread_replies_to() {
    let mut bench = pool();
    bench
        .push(Record::Edge(orphan(5, 10, 20)))
        .push(Record::Edge(orphan(6, 20, 30)))
        .push(Record::Point(visit(1, 0, 40)));
    let spans = bench.flush();
    for id in [5, 6] {
        let edge = by_id(&spans, id);
        assert_eq!(edge.trace_id, trace(1));
        assert_eq!(edge.parent, Some(span(1)));
        assert_eq!(text(edge, "lanewire.parent"), Some("adopted"));
        assert_eq!(
            edge.links,
            [Link {
                trace_id: trace(id.into()),
                span_id: span(id)
            }]
        );
    }
    assert_eq!(bench.counters().adopted, 2);
    assert_eq!(bench.counters().orphans_left, 0);
}

#[test]
fn an_orphan_waits_longer_for_its_visit_than_other_spans_for_news() {
    let mut bench = pool();
    bench.push(Record::Edge(orphan(5, 10, 20)));
    assert!(bench.ready(3_000).is_empty());
    bench.push(Record::Point(visit(1, 0, 3_000)));
    assert_eq!(bench.ready(3_500).len(), 2);
    assert_eq!(bench.counters().adopted, 1);
}

#[test]
fn an_orphan_whose_thread_never_replies_is_given_up() {
    let mut bench = pool();
    bench.push(Record::Edge(orphan(5, 10, 20)));
    let spans = bench.ready(5_020);
    assert_eq!(text(&spans[0], "lanewire.parent"), Some("none:idle"));
    assert_eq!(bench.counters().orphans_left, 1);
}

#[test]
fn an_edge_that_is_not_inside_the_visit_stays_an_orphan() {
    let mut bench = pool();
    bench
        .push(Record::Edge(orphan(5, 10, 20)))
        .push(Record::Edge(orphan(6, 30, 50)))
        .push(Record::Point(visit(1, 15, 40)));
    let spans = bench.flush();
    assert!(by_id(&spans, 5).parent.is_none());
    assert!(by_id(&spans, 6).parent.is_none());
    assert_eq!(bench.counters().orphans_left, 2);
}

#[test]
fn an_edge_from_before_the_threads_last_reply_stays_an_orphan() {
    let mut bench = pool();
    // The edge of visit 1 was answered only after the reply to 1, within visit 2.
    bench
        .push(Record::Point(visit(1, 0, 40)))
        .push(Record::Edge(orphan(5, 30, 50)))
        .push(Record::Point(visit(2, 20, 60)));
    assert!(by_id(&bench.flush(), 5).parent.is_none());
}

#[test]
fn work_while_a_reply_is_still_being_sent_belongs_to_no_later_visit() {
    let mut bench = pool();
    bench
        .push(Record::Point(visit(1, 0, 40)))
        .push(Record::Extend(extend(1, 70)))
        .push(Record::Edge(orphan(5, 50, 60)))
        .push(Record::Point(visit(2, 20, 90)));
    assert!(by_id(&bench.flush(), 5).parent.is_none());
}

#[test]
fn only_pool_threads_have_their_orphans_adopted() {
    let cases = [
        Exchange {
            reads_requests: true,
            ..orphan(5, 10, 20)
        },
        Exchange {
            first_tid: 13,
            last_tid: 13,
            ..orphan(5, 10, 20)
        },
        Exchange {
            last_tid: 13,
            ..orphan(5, 10, 20)
        },
        Exchange {
            pid: 99,
            ..orphan(5, 10, 20)
        },
        Exchange {
            exact_worker: true,
            ..orphan(5, 10, 20)
        },
        Exchange {
            parent_kind: ParentKind::None(NoParent::Told),
            ..orphan(5, 10, 20)
        },
        Exchange {
            parent_kind: ParentKind::None(NoParent::Unbelieved),
            ..orphan(5, 10, 20)
        },
    ];
    for case in cases {
        let mut bench = pool();
        bench
            .push(Record::Edge(case))
            .push(Record::Point(visit(1, 0, 40)));
        assert!(by_id(&bench.flush(), 5).parent.is_none(), "{case:?}");
    }
}

#[test]
fn a_thread_that_reads_the_visit_itself_adopts_nothing() {
    let mut bench = pool();
    let own = Exchange {
        first_tid: 12,
        ..visit(1, 0, 40)
    };
    bench
        .push(Record::Edge(orphan(5, 10, 20)))
        .push(Record::Point(own));
    assert!(by_id(&bench.flush(), 5).parent.is_none());
}

#[test]
fn a_thread_that_waits_for_two_replies_at_once_is_not_believed_any_more() {
    let mut bench = pool();
    bench
        .push(Record::Edge(orphan(5, 10, 20)))
        .push(Record::Edge(orphan(6, 15, 25)))
        .push(Record::Point(visit(1, 0, 40)))
        .push(Record::Edge(orphan(7, 50, 60)))
        .push(Record::Point(visit(2, 45, 70)));
    let spans = bench.flush();
    for id in [5, 6, 7] {
        assert!(by_id(&spans, id).parent.is_none());
    }
    assert_eq!(bench.counters().threads_multiplexing, 1);
}

#[test]
fn a_thread_that_replies_while_it_waits_for_a_reply_is_not_believed_any_more() {
    let mut bench = pool();
    bench
        .push(Record::Point(visit(1, 0, 40)))
        .push(Record::Edge(orphan(5, 30, 50)))
        .push(Record::Edge(orphan(6, 50, 55)))
        .push(Record::Point(visit(2, 20, 60)));
    let spans = bench.flush();
    assert!(by_id(&spans, 6).parent.is_none());
    assert_eq!(bench.counters().threads_multiplexing, 1);
}

#[test]
fn nothing_is_adopted_across_lost_records() {
    let mut bench = pool();
    bench.push(Record::Edge(orphan(5, 10, 20)));
    bench.assembler.records_lost(25 * MS);
    bench.push(Record::Point(visit(1, 0, 40)));
    assert!(by_id(&bench.flush(), 5).parent.is_none());
}

#[test]
fn the_far_end_of_an_adopted_edge_keeps_its_trace_and_gets_a_link() {
    let mut bench = pool();
    let far_end = Exchange {
        trace_id: trace(5),
        parent: Some(span(5)),
        parent_kind: ParentKind::Wire,
        pid: 20,
        first_tid: 21,
        last_tid: 21,
        ..exchange(7, 12, 18)
    };
    bench
        .push(Record::Point(far_end))
        .push(Record::Edge(orphan(5, 10, 20)))
        .push(Record::Point(visit(1, 0, 40)));
    let spans = bench.flush();
    let far_end = by_id(&spans, 7);
    assert_eq!(
        (far_end.trace_id, far_end.parent),
        (trace(5), Some(span(5)))
    );
    assert_eq!(
        far_end.links,
        [Link {
            trace_id: trace(1),
            span_id: span(5)
        }]
    );
}

#[test]
fn an_adopted_edge_can_still_be_extended() {
    let mut bench = pool();
    bench
        .push(Record::Edge(orphan(5, 10, 20)))
        .push(Record::Point(visit(1, 0, 40)))
        .push(Record::Extend(extend(5, 60)));
    assert_eq!(by_id(&bench.flush(), 5).end_unix_nano, 60 * MS);
}

#[test]
fn a_busy_pool_thread_leaves_nothing_behind() {
    let mut bench = pool();
    for round in 0..5_000 {
        let start = 100_000 + 4 * round;
        bench
            .push(Record::Edge(orphan(200_000 + round, start + 1, start + 2)))
            .push(Record::Point(visit(300_000 + round, start, start + 3)));
        bench.ready(start);
        assert!(bench.assembler.timeline.len() <= 2 * bench.assembler.exchanges.waiting() + 1_026);
    }
    assert_eq!(bench.counters().adopted, 5_000);
}

#[test]
fn nothing_is_adopted_before_the_process_has_shown_its_pool() {
    let mut bench = bench();
    for id in 1..=49 {
        let start = 10 * id;
        bench
            .push(Record::Edge(orphan(100 + id, start + 1, start + 2)))
            .push(Record::Point(visit(id, start, start + 3)));
    }
    assert!(bench.ready(500).iter().all(|span| span.parent.is_none()));
    assert_eq!(bench.counters().adopted, 0);
    bench
        .push(Record::Edge(orphan(150, 501, 502)))
        .push(Record::Point(visit(50, 500, 503)));
    assert_eq!(bench.counters().adopted, 50);
    let spans = bench.flush();
    for id in 1..=50 {
        assert_eq!(by_id(&spans, 100 + id).parent, Some(span(id)));
    }
}

#[test]
fn what_is_promised_for_too_long_stays_an_orphan() {
    let mut bench = bench();
    bench
        .push(Record::Edge(orphan(5, 10, 20)))
        .push(Record::Point(visit(1, 0, 40)));
    let spans = bench.ready(5_020);
    assert_eq!(text(by_id(&spans, 5), "lanewire.parent"), Some("none:idle"));
    for id in 1_000..1_050 {
        bench.push(Record::Point(visit(id, 5_030, 5_031)));
    }
    assert_eq!(bench.counters().adopted, 0);
}

/// Thread 12 reads a request of its own, as any thread of an event loop or of a scheduler does.
fn read_by_12(id: u64, start: u64) -> Exchange {
    Exchange {
        first_tid: 12,
        ..visit(id, start, start + 1)
    }
}

#[test]
fn threads_that_read_requests_and_reply_to_those_of_others_are_no_pool() {
    let roles: [fn(&mut Bench); 2] = [
        |bench| {
            bench.push(Record::Point(read_by_12(2, 50)));
        },
        |bench| {
            let of_11 = Exchange {
                first_tid: 12,
                last_tid: 11,
                ..visit(2, 50, 51)
            };
            bench.push(Record::Point(of_11));
        },
    ];
    for becomes_mixed in roles {
        // Before it has shown its pool, and after.
        for mut bench in [bench(), pool()] {
            bench
                .push(Record::Edge(orphan(5, 10, 20)))
                .push(Record::Point(visit(1, 0, 40)));
            let adopted = bench.counters().adopted;
            becomes_mixed(&mut bench);
            for id in 0..60 {
                bench
                    .push(Record::Edge(orphan(100 + id, 100 + 4 * id, 101 + 4 * id)))
                    .push(Record::Point(visit(200 + id, 99 + 4 * id, 102 + 4 * id)));
            }
            assert_eq!(bench.counters().adopted, adopted);
            // They don't wait for it either.
            assert!(
                bench
                    .ready(1_000)
                    .iter()
                    .any(|edge| edge.span_id == span(155))
            );
        }
    }
}

#[test]
fn a_new_process_of_the_same_id_has_to_show_its_own_pool() {
    let mut bench = pool();
    bench.assembler.process_started(visit(1, 0, 40).pid);
    bench
        .push(Record::Edge(orphan(5, 10, 20)))
        .push(Record::Point(visit(1, 0, 40)));
    assert!(by_id(&bench.flush(), 5).parent.is_none());
}
