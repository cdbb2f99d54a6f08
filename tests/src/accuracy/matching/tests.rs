use serde_json::json;

use super::*;
use crate::stream::connections;
use crate::stream::tests::{segment, syn};

const CLIENT: &str = "10.77.0.2:40000";
const SERVER: &str = "10.77.0.3:6379";
const TRACE: &str = "0102030405060708090a0b0c0d0e0f10";

fn command(number: usize) -> String {
    format!("*2\r\n$3\r\nGET\r\n$21\r\ns1:lw-0000002a-{number:06}\r\n")
}

fn option(span: u8) -> Vec<u8> {
    let mut option = vec![253, 28, 0x4c, 0x57, 1];
    option.extend(1..=16);
    option.extend([0, 0, 0, 0, span, 0, 0]);
    option
}

/// Segments of whole commands: when, the context's span, which commands.
fn captured(segments: &[(u64, Option<u8>, Range<usize>)]) -> Line {
    let mut packets = vec![syn(1, CLIENT, SERVER, 100), syn(2, SERVER, CLIENT, 500)];
    let (mut sequence, mut reply) = (101, 501);
    for (time, span, commands) in segments {
        let text: String = commands.clone().map(command).collect();
        let mut packet = segment(*time, CLIENT, SERVER, sequence, &text);
        packet.options = span.map(option).unwrap_or_default();
        sequence += u32::try_from(text.len()).unwrap();
        packets.push(packet);
        packets.push(segment(time + 500_000, SERVER, CLIENT, reply, "$-1\r\n"));
        reply += 5;
    }
    let endpoints = [(SERVER.parse().unwrap(), Protocol::Redis)];
    let connections = connections(&packets).unwrap();
    let mut lines = lines(&endpoints, &packets, &connections).unwrap();
    lines.remove(0)
}

fn span(kind: Kind, id: u8, start: u64) -> Span {
    let own = format!("{:016x}", id);
    Span {
        trace_id: TRACE.into(),
        span_id: if kind == Kind::Client {
            own.clone()
        } else {
            format!("{:016x}", 900 + u64::from(id))
        },
        parent: (kind == Kind::Server).then_some(own),
        kind,
        name: String::new(),
        flags: 0,
        start,
        end: start + 100,
        attributes: [("lanewire.parent".to_owned(), json!("worker"))].into(),
        resource: crate::spans::Attributes::new(),
        links: Vec::new(),
    }
}

fn places(line: &Line, spans: &[Span]) -> Vec<Place> {
    line.places(&spans.iter().collect::<Vec<_>>())
}

const MS: u64 = 1_000_000;

#[test]
fn times_are_those_of_the_first_byte_and_of_what_came_back() {
    let line = captured(&[(MS, Some(1), 0..1), (3 * MS, Some(2), 1..2)]);
    let times: Vec<_> = line
        .requests
        .iter()
        .map(|asked| (asked.sent, asked.replied))
        .collect();
    assert_eq!(times, [(MS, Some(1_500_000)), (3 * MS, Some(3_500_000))]);
    assert_eq!(
        line.requests[1].request.id.as_deref(),
        Some("lw-0000002a-000001")
    );
}

#[test]
fn a_span_is_the_request_that_carried_its_context_whatever_the_time_says() {
    let line = captured(&[(MS, Some(1), 0..1), (3 * MS, Some(2), 1..2)]);
    for kind in [Kind::Client, Kind::Server] {
        let spans = [span(kind, 2, 10), span(kind, 1, 20)];
        assert_eq!(places(&line, &spans), [Place::Begins(1), Place::Begins(0)]);
    }
}

#[test]
fn an_adopted_span_is_found_by_the_trace_that_it_had() {
    let line = captured(&[(MS, Some(1), 0..1), (3 * MS, Some(2), 1..2)]);
    let mut adopted = span(Kind::Client, 2, MS);
    adopted.links = vec![(TRACE.into(), adopted.span_id.clone())];
    adopted.trace_id = "ff".repeat(16);
    assert_eq!(places(&line, &[adopted]), [Place::Begins(1)]);
}

#[test]
fn without_an_option_times_tell() {
    let line = captured(&[(MS, None, 0..1), (3 * MS, None, 1..2), (5 * MS, None, 2..3)]);
    let callers = [
        span(Kind::Client, 1, MS - 10),
        span(Kind::Client, 3, 5 * MS - 10),
    ];
    assert_eq!(
        places(&line, &callers),
        [Place::Begins(0), Place::Begins(2)]
    );
    let callees = [
        span(Kind::Server, 2, 3 * MS + 10),
        span(Kind::Server, 3, 5 * MS + 10),
    ];
    assert_eq!(
        places(&line, &callees),
        [Place::Begins(1), Place::Begins(2)]
    );
    assert_eq!(
        places(&line, &[span(Kind::Client, 4, 7 * MS)]),
        [Place::Nowhere]
    );
}

#[test]
fn several_requests_in_one_segment_are_told_by_their_order() {
    let line = captured(&[(MS, Some(1), 0..3), (3 * MS, Some(4), 3..4)]);
    let spans = [1, 2, 3, 4].map(|id| span(Kind::Client, id, MS - 100 + u64::from(id)));
    let expected = [0, 1, 2, 3].map(Place::Begins);
    assert_eq!(places(&line, &spans), expected);
    assert_eq!(line.context_of(0), None);
    assert_eq!(line.context_of(3).unwrap().span_id_low, "0000000004");
}

#[test]
fn the_rest_of_a_request_is_within_it() {
    let line = {
        let text = command(0);
        let (first, rest) = text.split_at(20);
        let mut packets = vec![syn(1, CLIENT, SERVER, 100), syn(2, SERVER, CLIENT, 500)];
        for (sequence, span, text) in [(101, 1, first), (121, 2, rest)] {
            let mut packet = segment(MS, CLIENT, SERVER, sequence, text);
            packet.options = option(span);
            packets.push(packet);
        }
        let endpoints = [(SERVER.parse().unwrap(), Protocol::Redis)];
        lines(&endpoints, &packets, &connections(&packets).unwrap())
            .unwrap()
            .remove(0)
    };
    let spans = [span(Kind::Client, 1, 10), span(Kind::Client, 2, 20)];
    assert_eq!(places(&line, &spans), [Place::Begins(0), Place::Within(0)]);
}

#[test]
fn a_malformed_context_is_an_error() {
    let mut packet = segment(3, CLIENT, SERVER, 101, &command(0));
    packet.options = option(1);
    packet.options[4] = 0x80;
    let packets = [
        syn(1, CLIENT, SERVER, 100),
        syn(2, SERVER, CLIENT, 500),
        packet,
    ];
    let endpoints = [(SERVER.parse().unwrap(), Protocol::Redis)];
    assert!(lines(&endpoints, &packets, &connections(&packets).unwrap()).is_err());
}
