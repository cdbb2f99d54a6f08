//! How fast records become OTLP bytes, on one core: heads read, spans mapped and encoded; no
//! compression, no I/O.
//!
//! `cargo bench -p lanewire --bench spans` prints the median of several rounds. Each exchange has
//! the heads of an HTTP request with six headers, one of them a lane, and of its reply.
//!
//! Results, with their machine, are kept in `docs/benchmarks.md`.

use std::sync::Arc;
use std::time::Instant;

use lanewire::otlp::Resource;
use lanewire::otlp::encode::EncodedSpans;
use lanewire::pipeline::Gather;
use lanewire_mapping::assemble::{Assembler, Limits};
use lanewire_mapping::clock::ClockOffset;
use lanewire_mapping::map::MapOptions;
use lanewire_mapping::propagation::{PropagationConfig, PropagationReader, Uid};
use lanewire_mapping::record::{Exchange, Head, HeadPart, ParentKind, Record, TcpStats};
use lanewire_mapping::span::Value;
use opentelemetry::TraceFlags;

const ROUNDS: usize = 9;
const VISITS: u64 = 50_000;
const BATCH: usize = 2048;

const REQUEST: &[u8] = b"GET /order/4711?x=y HTTP/1.1\r\nHost: shop.example:8080\r\n\
    User-Agent: curl/8.10.1\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n\
    x-lane-code: gray\r\nX-Request-Id: 7f1c2a90\r\n\r\n";
const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";

fn main() {
    let resource = Arc::new(Resource::new(vec![(
        "service.name".into(),
        Value::Str("shop".into()),
    )]));
    let mut rounds: Vec<(f64, usize)> = (0..ROUNDS).map(|_| round(&resource)).collect();
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ns, bytes) = rounds[ROUNDS / 2];
    println!(
        "{bytes} bytes and {ns:.0} ns a span: {:.2} M spans/s and core \
         (median of {ROUNDS} rounds of {} spans; {:.0} to {:.0} ns)",
        1e3 / ns,
        2 * VISITS,
        rounds[0].0,
        rounds[ROUNDS - 1].0
    );
}

/// Nanoseconds and bytes for one span.
fn round(resource: &Arc<Resource>) -> (f64, usize) {
    let records: Vec<Record> = (1..=VISITS).flat_map(records).collect();
    let reader = PropagationReader::new(&PropagationConfig::default(), Uid::Off);
    let options = MapOptions::new(Arc::new(reader.expect("the defaults can be carried")));
    let mut assembler = Assembler::new(Limits::default(), options, ClockOffset::default());
    let mut spans = Vec::new();
    let (mut encoded, mut bytes) = (0u64, 0);

    let start = Instant::now();
    let mut batch = EncodedSpans::default();
    let mut encode = |spans: &mut Vec<_>, last: bool| {
        for span in spans.drain(..) {
            batch.add(resource, span);
            encoded += 1;
        }
        if last || batch.spans() >= BATCH as u64 {
            bytes += std::mem::take(&mut batch).request().len();
        }
    };
    for (i, record) in records.into_iter().enumerate() {
        assembler.push(record, &mut spans);
        // The agent comes by every few milliseconds.
        if i % 1024 == 0 {
            assembler.ready(i as u64 * 10_000, &mut spans);
            encode(&mut spans, false);
        }
    }
    assembler.flush(&mut spans);
    encode(&mut spans, true);
    let elapsed = start.elapsed();
    assert_eq!(encoded, 2 * VISITS);
    (
        elapsed.as_nanos() as f64 / encoded as f64,
        bytes / encoded as usize,
    )
}

/// What the kernel says of one request that is served by one downstream call.
fn records(visit: u64) -> Vec<Record> {
    let (point, edge) = (2 * visit, 2 * visit + 1);
    let at = visit * 60_000;
    vec![
        head(visit, point, HeadPart::Request, REQUEST, at),
        head(visit, edge, HeadPart::Request, REQUEST, at),
        head(visit, edge, HeadPart::Reply, REPLY, at),
        Record::Edge(exchange(visit, edge, point, ParentKind::Worker, at)),
        head(visit, point, HeadPart::Reply, REPLY, at),
        Record::Point(exchange(visit, point, 1, ParentKind::Wire, at)),
    ]
}

fn head(trace: u64, span: u64, part: HeadPart, bytes: &[u8], time: u64) -> Record {
    Record::Head(Head {
        trace_id: u128::from(trace).into(),
        span_id: span.into(),
        pid: 1,
        part,
        server_port: 8080,
        time,
        trusted: true,
        offset: 0,
        bytes: bytes.to_vec(),
    })
}

fn exchange(trace: u64, span: u64, parent: u64, parent_kind: ParentKind, at: u64) -> Exchange {
    Exchange {
        trace_id: u128::from(trace).into(),
        span_id: span.into(),
        parent: Some(parent.into()),
        parent_kind,
        link: None,
        flags: TraceFlags::SAMPLED,
        baggage_index: 0,
        local: ([10, 0, 3, 20], 8080).into(),
        remote: ([10, 0, 12, 7], 41_234).into(),
        cookie: trace % 64,
        netns: 1,
        cgroup: 1,
        pid: 1,
        first_tid: 1,
        last_tid: 1,
        reads_requests: true,
        exact_worker: false,
        trusted: true,
        comm: "shop".into(),
        arrived: at,
        start: at + 1_000,
        replied: at + 50_000,
        end: at + 50_000,
        bytes_received: 300,
        bytes_sent: 5_300,
        tcp: TcpStats::default(),
        error: None,
    }
}
