//! A judge that can't find anything wrong proves nothing: each test spoils a good run in one way.

use serde_json::json;

use super::*;
use crate::accuracy::matching::Context;
use crate::accuracy::requests::Request;
use crate::stream::ConnectionId;

const HOPS: [Hop; 2] = [
    Hop {
        client: "load",
        server: "program",
    },
    Hop {
        client: "program",
        server: "far",
    },
];
const MS: u64 = 1_000_000;

fn id(request: usize) -> String {
    format!("lw-0000002a-{request:06}")
}

fn connection(hop: usize) -> ConnectionId {
    ConnectionId {
        client: format!("10.77.0.{}:40000", hop + 1).parse().unwrap(),
        server: format!("10.77.0.{}:8000", hop + 2).parse().unwrap(),
        initial: 0,
    }
}

/// A run in which each request has one call, all of them overlapping, and everything is right.
struct Run {
    lines: Vec<Line>,
    spans: Vec<Span>,
}

impl Run {
    fn new(requests: usize) -> Run {
        let mut run = Run {
            lines: Vec::new(),
            spans: Vec::new(),
        };
        for hop in 0..2 {
            let asked = (0..requests).map(|number| Asked {
                request: Request {
                    bytes: 100 * number..100 * (number + 1),
                    id: Some(id(number)),
                    step: if hop == 0 { String::new() } else { "s1".into() },
                    beside: false,
                },
                sent: at(hop, number),
                replied: Some(at(hop, number) + 100 * MS),
            });
            let mut line = Line::new(hop, connection(hop), 1, asked.collect());
            for number in 0..requests {
                line.carries(Context {
                    bytes: 100 * number..100 * (number + 1),
                    trace_id: trace(number),
                    span_id_low: span_id(hop, Kind::Client, number)[6..].to_owned(),
                });
                let caller = Some(span_id(0, Kind::Server, number)).filter(|_| hop == 1);
                let own = Some(span_id(hop, Kind::Client, number));
                run.spans.push(span(hop, Kind::Client, number, caller));
                run.spans.push(span(hop, Kind::Server, number, own));
            }
            run.lines.push(line);
        }
        run
    }

    fn edge(&mut self, number: usize) -> &mut Span {
        self.span(1, Kind::Client, number)
    }

    fn span(&mut self, hop: usize, kind: Kind, number: usize) -> &mut Span {
        let id = span_id(hop, kind, number);
        self.spans
            .iter_mut()
            .find(|span| span.span_id == id)
            .unwrap()
    }

    fn remove(&mut self, hop: usize, kind: Kind, number: usize) {
        let id = span_id(hop, kind, number);
        self.spans.retain(|span| span.span_id != id);
    }

    fn judge(&self) -> Report {
        judge(&HOPS, &self.lines, &self.spans)
    }

    /// What is found at the caller and at the far end, request by request.
    fn findings(&self) -> (Vec<Finding>, Vec<Finding>) {
        let verdicts = self.judge().verdicts.into_iter();
        verdicts
            .map(|verdict| (verdict.finding, verdict.far))
            .unzip()
    }
}

fn at(hop: usize, number: usize) -> u64 {
    1000 * MS + 10 * MS * hop as u64 + MS * number as u64
}

fn trace(number: usize) -> String {
    format!("{:032x}", number + 1)
}

fn span_id(hop: usize, kind: Kind, number: usize) -> String {
    format!("{:016x}", 1000 * (number + 1) + 10 * hop + kind as usize)
}

fn span(hop: usize, kind: Kind, number: usize, parent: Option<String>) -> Span {
    let ConnectionId { client, server, .. } = connection(hop);
    let (local, peer, start) = match kind {
        Kind::Client => (client, server, at(hop, number) - 1000),
        Kind::Server => (server, client, at(hop, number) + 1000),
    };
    let attributes = [
        ("network.local.address", json!(local.ip().to_string())),
        ("network.local.port", json!(local.port())),
        ("network.peer.address", json!(peer.ip().to_string())),
        ("network.peer.port", json!(peer.port())),
        ("lanewire.parent", json!("worker")),
    ];
    let attributes = attributes
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value));
    Span {
        trace_id: trace(number),
        span_id: span_id(hop, kind, number),
        parent,
        kind,
        name: "GET".into(),
        flags: 0,
        start,
        end: start + 50 * MS,
        attributes: attributes.collect(),
        resource: crate::spans::Attributes::new(),
        links: Vec::new(),
    }
}

fn wrong() -> Finding {
    Finding::Wrong("worker".into())
}

fn orphan() -> Finding {
    Finding::Orphan("worker".into())
}

#[test]
fn a_good_run_is_right_at_both_ends() {
    let run = Run::new(3);
    let report = run.judge();
    assert!(
        report
            .verdicts
            .iter()
            .all(|v| v.finding == Finding::Right && v.far == Finding::Right)
    );
    assert_eq!(
        (report.verdicts.len(), report.visits, report.visits_missing),
        (3, 3, 0)
    );
    assert!(report.extra.is_empty() && report.misread.is_empty());
}

#[test]
fn somebody_elses_parent_is_wrong_and_so_is_the_far_end() {
    let mut run = Run::new(3);
    run.edge(1).parent = Some(span_id(0, Kind::Server, 2));
    run.edge(1).trace_id = trace(2);
    run.span(1, Kind::Server, 1).trace_id = trace(2);
    let mut line = Line::new(1, connection(1), 1, run.lines[1].requests.clone());
    for number in 0..3 {
        line.carries(Context {
            bytes: 100 * number..100 * (number + 1),
            trace_id: trace(if number == 1 { 2 } else { number }),
            span_id_low: span_id(1, Kind::Client, number)[6..].to_owned(),
        });
    }
    run.lines[1] = line;
    let (findings, far) = run.findings();
    assert_eq!(findings, [Finding::Right, wrong(), Finding::Right]);
    assert_eq!(far, [Finding::Right, wrong(), Finding::Right]);
    assert_eq!(run.judge().wrong().count(), 1);
}

#[test]
fn a_parent_in_the_right_trace_may_be_wrong() {
    let mut run = Run::new(1);
    run.edge(0).parent = Some(span_id(0, Kind::Client, 0));
    assert_eq!(run.findings().0, [wrong()]);
}

#[test]
fn a_parent_that_nobody_exported_is_wrong_unless_the_visit_was_lost() {
    let mut run = Run::new(2);
    run.edge(0).parent = Some("00000000deadbeef".into());
    assert_eq!(run.findings().0, [wrong(), Finding::Right]);
    let mut run = Run::new(2);
    run.remove(0, Kind::Server, 0);
    assert_eq!(run.findings().0, [Finding::Right, Finding::Right]);
    assert_eq!(run.judge().visits_missing, 1);
}

#[test]
fn no_parent_is_an_orphan_and_says_why() {
    let mut run = Run::new(2);
    for kind in [Kind::Client, Kind::Server] {
        run.span(1, kind, 0).trace_id = trace(77);
    }
    run.edge(0).parent = None;
    run.lines[1].carries(Context {
        bytes: 0..100,
        trace_id: trace(77),
        span_id_low: span_id(1, Kind::Client, 0)[6..].to_owned(),
    });
    let (findings, far) = run.findings();
    assert_eq!(findings, [orphan(), Finding::Right]);
    assert_eq!(far, [orphan(), Finding::Right]);
}

#[test]
fn an_adopted_span_is_right_and_its_far_end_an_orphan() {
    let mut run = Run::new(1);
    let own = trace(77);
    let edge = run.edge(0);
    edge.links = vec![(own.clone(), edge.span_id.clone())];
    run.span(1, Kind::Server, 0).trace_id = own.clone();
    let mut line = Line::new(1, connection(1), 1, run.lines[1].requests.clone());
    line.carries(Context {
        bytes: 0..100,
        trace_id: own,
        span_id_low: span_id(1, Kind::Client, 0)[6..].to_owned(),
    });
    run.lines[1] = line;
    assert_eq!(run.findings(), (vec![Finding::Right], vec![orphan()]));
}

#[test]
fn a_request_in_anothers_span_is_merged() {
    let mut run = Run::new(3);
    run.remove(1, Kind::Client, 1);
    run.remove(1, Kind::Server, 1);
    let (findings, far) = run.findings();
    assert_eq!(findings, [Finding::Right, Finding::Merged, Finding::Right]);
    assert_eq!(far, [Finding::Right, Finding::Merged, Finding::Right]);
}

#[test]
fn several_requests_of_one_visit_in_one_span_are_right() {
    let mut run = Run::new(3);
    run.lines[1].requests[1].request.id = Some(id(0));
    run.remove(1, Kind::Client, 1);
    run.remove(1, Kind::Server, 1);
    assert_eq!(
        run.findings(),
        (vec![Finding::Right; 3], vec![Finding::Right; 3])
    );
}

#[test]
fn a_request_behind_the_end_of_the_span_before_is_missing() {
    let mut run = Run::new(3);
    run.remove(1, Kind::Client, 1);
    run.edge(0).end = run.edge(0).start + 1;
    assert_eq!(run.findings().0[1], Finding::Missing);
}

#[test]
fn a_lost_span_whose_context_was_anothers_is_wrong() {
    let mut run = Run::new(2);
    run.remove(1, Kind::Client, 0);
    assert_eq!(run.findings().0[0], Finding::Missing);
    let mut line = Line::new(1, connection(1), 1, run.lines[1].requests.clone());
    line.carries(Context {
        bytes: 0..100,
        trace_id: trace(1),
        span_id_low: "0000000007".into(),
    });
    run.lines[1] = line;
    assert_eq!(run.findings().0[0], Finding::Wrong("unexported".into()));
}

#[test]
fn spans_about_nothing_are_extra() {
    let mut run = Run::new(2);
    run.spans.push(run.spans[0].clone());
    let mut elsewhere = span(1, Kind::Client, 9, None);
    elsewhere
        .attributes
        .insert("network.peer.port".into(), json!(1));
    let late = Span {
        start: at(1, 50),
        ..span(1, Kind::Client, 8, None)
    };
    run.spans.extend([elsewhere, late]);
    let report = run.judge();
    assert_eq!(report.extra.len(), 3, "{:?}", report.extra);
    assert!(
        report
            .verdicts
            .iter()
            .all(|verdict| verdict.finding == Finding::Right)
    );
}

#[test]
fn a_span_of_what_is_said_beside_requests_is_extra() {
    let mut run = Run::new(2);
    let request = &mut run.lines[1].requests[0].request;
    (request.id, request.beside) = (None, true);
    let report = run.judge();
    assert_eq!(
        (report.extra.len(), report.verdicts.len()),
        (2, 1),
        "{:?}",
        report.extra
    );
}

#[test]
fn a_head_that_was_read_for_another_request_is_told() {
    let mut run = Run::new(2);
    let path = json!(format!("/d/s1/{}", id(1)));
    run.edge(0).attributes.insert("url.path".into(), path);
    assert_eq!(run.judge().misread.len(), 1);
}

#[test]
fn two_requests_that_come_in_one_trace_are_told() {
    let mut run = Run::new(2);
    let mut line = Line::new(0, connection(0), 1, run.lines[0].requests.clone());
    for number in 0..2 {
        line.carries(Context {
            bytes: 100 * number..100 * (number + 1),
            trace_id: trace(0),
            span_id_low: span_id(0, Kind::Client, number)[6..].to_owned(),
        });
    }
    run.lines[0] = line;
    assert_eq!(run.judge().misread.len(), 1);
}

#[test]
fn the_parent_of_a_log_in_must_have_been_open() {
    let mut run = Run::new(2);
    run.lines[1].requests[0].request.id = None;
    assert_eq!(run.findings().0, [Finding::Right]);
    run.lines[0].requests[0].replied = Some(at(0, 0) + MS);
    assert_eq!(run.findings().0, [wrong(), Finding::Right]);
    run.edge(0).parent = None;
    assert_eq!(run.findings().0, [Finding::Right]);
}
