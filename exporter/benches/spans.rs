//! How fast records become OTLP bytes, on one core: heads read, spans mapped and encoded; no
//! compression, no I/O.
//!
//! `cargo bench -p lanewire --bench spans [-- ROUNDS]` prints the median of several rounds. Each exchange has
//! the heads of an HTTP request with six headers, one of them a lane, and of its reply.
//!
//! Results, with their machine, are kept in `docs/benchmarks.md`.

use std::sync::Arc;
use std::time::Duration;

use lanewire::otlp::Resource;
use lanewire::otlp::encode::EncodedSpans;
use lanewire::pipeline::Gather;
use lanewire_mapping::assemble::{Assembler, Limits};
use lanewire_mapping::clock::ClockOffset;
use lanewire_mapping::map::MapOptions;
use lanewire_mapping::propagation::{PropagationConfig, PropagationReader, Uid};
use lanewire_mapping::record::{Exchange, Head, HeadPart, ParentKind, Record, TcpStats};
use lanewire_mapping::span::{Span, Spans, Value};
use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};
use opentelemetry::TraceFlags;

const VISITS: u64 = 50_000;
const BATCH: u64 = 2048;

const REQUEST: &[u8] = b"GET /order/4711?x=y HTTP/1.1\r\nHost: shop.example:8080\r\n\
    User-Agent: curl/8.10.1\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n\
    x-lane-code: gray\r\nX-Request-Id: 7f1c2a90\r\n\r\n";
const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
const HEADS: [&[u8]; 4] = [REQUEST, REQUEST, REPLY, REPLY];

fn main() -> Result<(), Errno> {
    let resource = Arc::new(Resource::new(vec![(
        "service.name".into(),
        Value::Str("shop".into()),
    )]));
    let asked = std::env::args().find_map(|arg| arg.parse().ok());
    let rounds = (0..asked.unwrap_or(9)).map(|_| round(&resource));
    let mut rounds = rounds.collect::<Result<Vec<_>, Errno>>()?;
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ns, bytes) = rounds[rounds.len() / 2];
    println!(
        "{bytes} bytes and {ns:.0} ns a span: {:.2} M spans/s and core \
         (median of {} rounds of {} spans; {:.0} to {:.0} ns)",
        1e3 / ns,
        rounds.len(),
        2 * VISITS,
        rounds[0].0,
        rounds[rounds.len() - 1].0
    );
    Ok(())
}

/// Nanoseconds and bytes for one span.
fn round(resource: &Arc<Resource>) -> Result<(f64, usize), Errno> {
    // Each head has bytes of its own, as in the ring buffer.
    let heads: Vec<Vec<u8>> = (0..VISITS)
        .flat_map(|_| HEADS.map(<[u8]>::to_vec))
        .collect();
    let records: Vec<Record<'_>> = (1..=VISITS)
        .zip(heads.chunks(HEADS.len()))
        .flat_map(|(visit, heads)| records(visit, heads))
        .collect();
    let reader = PropagationReader::new(&PropagationConfig::default(), Uid::Off);
    let options = MapOptions::new(Arc::new(reader.expect("the defaults can be carried")));
    let mut assembler = Assembler::new(Limits::default(), options, ClockOffset::default());
    let mut out = Encoding {
        resource,
        batch: EncodedSpans::default(),
        encoded: 0,
        bytes: 0,
    };

    let start = processor_time()?;
    feed(&records, &mut assembler, &mut out);
    let elapsed = processor_time()? - start;
    assert_eq!(out.encoded, 2 * VISITS);
    Ok((
        elapsed.as_nanos() as f64 / out.encoded as f64,
        out.bytes / out.encoded as usize,
    ))
}

/// What is measured.
#[inline(never)]
fn feed(records: &[Record<'_>], assembler: &mut Assembler, out: &mut Encoding<'_>) {
    for (i, record) in records.iter().enumerate() {
        assembler.push(*record, out);
        // The agent comes by every few milliseconds.
        if i % 1024 == 0 {
            assembler.ready(i as u64 * 10_000, out);
        }
    }
    assembler.flush(out);
    out.request();
}

/// Of this thread, since other programs may keep the machine busy.
fn processor_time() -> Result<Duration, Errno> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Encodes spans as they come.
struct Encoding<'r> {
    resource: &'r Arc<Resource>,
    batch: EncodedSpans,
    encoded: u64,
    bytes: usize,
}

impl Encoding<'_> {
    fn request(&mut self) {
        self.bytes += std::mem::take(&mut self.batch).request().len();
    }
}

impl Spans for Encoding<'_> {
    fn span(&mut self, span: &mut Span) {
        self.batch.add(self.resource, span);
        self.encoded += 1;
        if self.batch.spans() >= BATCH {
            self.request();
        }
    }
}

/// What the kernel says of one request that is served by one downstream call.
fn records(visit: u64, heads: &[Vec<u8>]) -> [Record<'_>; 6] {
    let (point, edge) = (2 * visit, 2 * visit + 1);
    let at = visit * 60_000;
    [
        head(visit, point, HeadPart::Request, &heads[0], at),
        head(visit, edge, HeadPart::Request, &heads[1], at),
        head(visit, edge, HeadPart::Reply, &heads[2], at),
        Record::Edge(exchange(visit, edge, point, ParentKind::Worker, at)),
        head(visit, point, HeadPart::Reply, &heads[3], at),
        Record::Point(exchange(visit, point, 1, ParentKind::Wire, at)),
    ]
}

fn head(trace: u64, span: u64, part: HeadPart, bytes: &[u8], time: u64) -> Record<'_> {
    Record::Head(Head {
        trace_id: u128::from(trace).into(),
        span_id: span.into(),
        pid: 1,
        part,
        server_port: 8080,
        time,
        trusted: true,
        offset: 0,
        bytes,
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
