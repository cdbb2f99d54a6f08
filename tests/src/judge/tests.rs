//! A judge that can't find anything wrong proves nothing: each test spoils a good trace in one way.

use std::net::SocketAddr;

use serde_json::json;

use super::*;
use crate::stream::ConnectionId;

const HOPS: [(&str, &str, &str); 4] = [
    ("client", "nginx", "10.77.0.1:8080"),
    ("nginx", "middle", "10.77.0.2:9000"),
    ("middle", "redis", "10.77.0.3:6379"),
    ("middle", "postgres", "10.77.0.3:5432"),
];

fn hops() -> Vec<Hop> {
    let hops = HOPS.iter();
    hops.map(|(client, server, endpoint)| Hop {
        client,
        server,
        endpoint: endpoint.parse().unwrap(),
    })
    .collect()
}

fn connection(hop: usize) -> ConnectionId {
    let server: SocketAddr = HOPS[hop].2.parse().unwrap();
    let client = SocketAddr::new(server.ip(), 40_000 + u16::try_from(hop).unwrap());
    ConnectionId {
        client,
        server,
        initial: 0,
    }
}

/// `requests` one after the other, each once over every hop.
fn good(requests: usize) -> (Vec<Message>, Vec<Span>) {
    let mut messages = Vec::new();
    let mut spans = Vec::new();
    for request in 0..requests {
        let mut server_spans = [String::new(), String::new()];
        for hop in 0..HOPS.len() {
            let start = 1_000_000_000 * (request as u64 + 1) + 10_000_000 * hop as u64;
            messages.push(Message {
                hop,
                connection: connection(hop),
                number: request,
                id: Some(format!("lw-00000001-{request:06}")),
                set_up: false,
                start,
                replied: Some(start + 5_000_000),
                end: start + 5_000_000,
                request: String::new(),
                reply: String::new(),
            });
            let parent = match hop {
                0 => None,
                1 => Some(server_spans[0].clone()),
                _ => Some(server_spans[1].clone()),
            };
            let client = span(request, hop, Kind::Client, parent, start - 1000);
            let server = span(
                request,
                hop,
                Kind::Server,
                Some(client.span_id.clone()),
                start + 1000,
            );
            if hop < 2 {
                server_spans[hop] = server.span_id.clone();
            }
            spans.extend([client, server]);
        }
    }
    (messages, spans)
}

fn span(request: usize, hop: usize, kind: Kind, parent: Option<String>, start: u64) -> Span {
    let ConnectionId { client, server, .. } = connection(hop);
    let (local, peer) = if kind == Kind::Client {
        (client, server)
    } else {
        (server, client)
    };
    let attributes = [
        ("network.local.address", json!(local.ip().to_string())),
        ("network.local.port", json!(local.port())),
        ("network.peer.address", json!(peer.ip().to_string())),
        ("network.peer.port", json!(peer.port())),
        ("lanewire.parent", json!("wire")),
    ];
    Span {
        trace_id: format!("{:032x}", request + 1),
        span_id: format!("{:016x}", 1000 * (request + 1) + 10 * hop + kind as usize),
        parent,
        kind,
        name: "GET".into(),
        flags: 0,
        start,
        end: start + 4_000_000,
        attributes: attributes
            .map(|(key, value)| (key.to_owned(), value))
            .into(),
        resource: Default::default(),
        links: Vec::new(),
    }
}

/// The spans of one message: `good` writes them in this order.
fn place(request: usize, hop: usize, kind: Kind) -> usize {
    2 * (HOPS.len() * request + hop) + usize::from(kind == Kind::Server)
}

fn findings(messages: &[Message], spans: &[Span]) -> Vec<(Finding, usize)> {
    let report = judge(&hops(), messages, spans);
    let all = [
        Finding::Right,
        Finding::Orphan,
        Finding::Wrong,
        Finding::Merged,
        Finding::Missing,
        Finding::Extra,
        Finding::Dangling,
    ];
    let counted = all.map(|finding| (finding, report.count(finding)));
    counted
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .collect()
}

#[test]
fn whole_traces_are_right() {
    let (messages, spans) = good(3);
    assert_eq!(findings(&messages, &spans), [(Finding::Right, 24)]);
    judge(&hops(), &messages, &spans)
        .expect_only(&[Finding::Right])
        .unwrap();
}

#[test]
fn no_spans_at_all_are_not_right() {
    let (messages, _) = good(2);
    assert_eq!(findings(&messages, &[]), [(Finding::Missing, 16)]);
    assert!(
        judge(&hops(), &messages, &[])
            .expect_only(&[Finding::Right])
            .is_err()
    );
    assert!(
        judge(&hops(), &[], &[])
            .expect_only(&[Finding::Right])
            .is_err()
    );
}

#[test]
fn a_parent_of_another_request_is_wrong() {
    let (messages, mut spans) = good(3);
    // The trace goes with the parent, as it would in the kernel.
    let stolen = spans[place(2, 1, Kind::Server)].clone();
    for kind in [Kind::Client, Kind::Server] {
        spans[place(1, 3, kind)].trace_id = stolen.trace_id.clone();
    }
    spans[place(1, 3, Kind::Client)].parent = Some(stolen.span_id);
    let expected = [
        (Finding::Right, 23),
        (Finding::Wrong, 1),
        (Finding::Merged, 1),
    ];
    let found = findings(&messages, &spans);
    assert_eq!(found[..2], expected[..2]);
    assert!(found.iter().any(|(finding, _)| *finding == Finding::Merged));
}

#[test]
fn the_wrong_span_of_the_right_request_is_wrong() {
    let (messages, mut spans) = good(1);
    let nginx = spans[place(0, 0, Kind::Server)].span_id.clone();
    spans[place(0, 2, Kind::Client)].parent = Some(nginx);
    assert_eq!(
        findings(&messages, &spans),
        [(Finding::Right, 7), (Finding::Wrong, 1)]
    );
}

#[test]
fn a_parent_that_nobody_exported_is_wrong() {
    let (messages, mut spans) = good(1);
    spans[place(0, 2, Kind::Client)].parent = Some("00000000deadbeef".into());
    assert_eq!(
        findings(&messages, &spans),
        [(Finding::Right, 7), (Finding::Wrong, 1)]
    );
}

#[test]
fn a_parent_where_none_belongs_is_wrong() {
    let (messages, mut spans) = good(2);
    let other = spans[place(0, 3, Kind::Server)].span_id.clone();
    spans[place(1, 0, Kind::Client)].parent = Some(other);
    assert_eq!(
        findings(&messages, &spans),
        [(Finding::Right, 15), (Finding::Wrong, 1)]
    );
}

#[test]
fn a_span_without_a_parent_is_an_orphan() {
    let (messages, mut spans) = good(2);
    let trace = format!("{:032x}", 99);
    for kind in [Kind::Client, Kind::Server] {
        spans[place(1, 2, kind)].trace_id = trace.clone();
    }
    let orphan = &mut spans[place(1, 2, Kind::Client)];
    orphan.parent = None;
    orphan
        .attributes
        .insert("lanewire.parent".into(), json!("none:unbelieved"));
    assert_eq!(
        findings(&messages, &spans),
        [(Finding::Right, 15), (Finding::Orphan, 1)]
    );
    let report = judge(&hops(), &messages, &spans);
    assert!(report.to_string().contains("none:unbelieved"), "{report}");
}

#[test]
fn a_right_parent_in_another_trace_is_an_orphan() {
    let (messages, mut spans) = good(2);
    spans[place(1, 2, Kind::Server)].trace_id = format!("{:032x}", 99);
    assert_eq!(
        findings(&messages, &spans),
        [(Finding::Right, 15), (Finding::Orphan, 1)]
    );
}

#[test]
fn a_missing_span_is_told_apart_from_its_neighbours() {
    for missing in 0..3 {
        let (messages, mut spans) = good(3);
        spans.remove(place(missing, 2, Kind::Server));
        assert_eq!(
            findings(&messages, &spans),
            [(Finding::Right, 23), (Finding::Missing, 1)]
        );
        let report = judge(&hops(), &messages, &spans);
        let verdict = report
            .verdicts
            .iter()
            .find(|v| v.finding == Finding::Missing)
            .unwrap();
        assert_eq!(verdict.id, Some(format!("lw-00000001-{missing:06}")));
    }
}

#[test]
fn a_missing_parent_leaves_its_child_dangling() {
    let (messages, mut spans) = good(3);
    spans.remove(place(1, 2, Kind::Client));
    let expected = [
        (Finding::Right, 22),
        (Finding::Missing, 1),
        (Finding::Dangling, 1),
    ];
    assert_eq!(findings(&messages, &spans), expected);
}

#[test]
fn an_extra_span_on_a_known_connection_is_found() {
    for kind in [Kind::Client, Kind::Server] {
        let (messages, mut spans) = good(3);
        let mut extra = spans[place(1, 2, kind)].clone();
        extra.span_id = format!("{:016x}", 77);
        extra.start += 100_000;
        spans.push(extra);
        let found = findings(&messages, &spans);
        assert!(found.contains(&(Finding::Extra, 1)), "{found:?}");
    }
}

#[test]
fn a_span_of_an_unknown_connection_and_one_exported_twice_are_extra() {
    let (messages, mut spans) = good(1);
    let mut foreign = spans[place(0, 2, Kind::Client)].clone();
    foreign.span_id = format!("{:016x}", 77);
    foreign
        .attributes
        .insert("network.peer.port".into(), json!(1));
    spans.push(foreign);
    spans.push(spans[0].clone());
    assert_eq!(
        findings(&messages, &spans),
        [(Finding::Right, 8), (Finding::Extra, 2)]
    );
}

#[test]
fn two_messages_in_one_span_are_merged() {
    let (messages, mut spans) = good(2);
    spans[place(0, 3, Kind::Client)].end = 2_500_000_000;
    spans.remove(place(1, 3, Kind::Client));
    let found = findings(&messages, &spans);
    assert!(found.contains(&(Finding::Merged, 1)), "{found:?}");
    assert!(
        !found
            .iter()
            .any(|(finding, _)| *finding == Finding::Missing),
        "{found:?}"
    );
}

#[test]
fn two_requests_with_one_trace_id_are_merged() {
    let (messages, mut spans) = good(2);
    for span in &mut spans {
        span.trace_id = format!("{:032x}", 1);
    }
    assert_eq!(
        findings(&messages, &spans),
        [(Finding::Right, 16), (Finding::Merged, 8)]
    );
}

#[test]
fn a_path_that_is_not_the_wires_is_found() {
    let (messages, mut spans) = good(2);
    let server = &mut spans[place(1, 0, Kind::Server)];
    server
        .attributes
        .insert("url.path".into(), json!("/order/lw-00000001-000000"));
    assert_eq!(
        findings(&messages, &spans),
        [(Finding::Right, 16), (Finding::Merged, 1)]
    );
}

#[test]
fn a_set_up_that_belongs_to_no_request_has_no_parent() {
    let (mut messages, mut spans) = good(1);
    messages[2].id = None;
    messages[2].set_up = true;
    let found = findings(&messages, &spans);
    assert!(found.contains(&(Finding::Wrong, 1)), "{found:?}");
    spans[place(0, 2, Kind::Client)].parent = None;
    assert_eq!(findings(&messages, &spans), [(Finding::Right, 8)]);
}

#[test]
fn verdicts_are_kept_apart_by_request() {
    let (messages, mut spans) = good(2);
    spans[place(0, 2, Kind::Client)].parent = None;
    let report = judge(&hops(), &messages, &spans);
    assert_eq!(
        report.about(["lw-00000001-000000"]).count(Finding::Orphan),
        1
    );
    assert_eq!(
        report.about(["lw-00000001-000001"]).count(Finding::Orphan),
        0
    );
    assert_eq!(report.about(["lw-00000001-000001"]).verdicts.len(), 8);
}
