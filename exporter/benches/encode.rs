//! How fast finished spans become OTLP bytes, on one core: no mapping, no compression, no I/O.
//!
//! `cargo bench -p lanewire --bench encode` prints the best of several rounds, in which one request
//! of 2,048 spans with 12 attributes over 8 services is encoded again and again.
//!
//! Results, with their machine, are kept in `docs/benchmarks.md`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lanewire::otlp::encode::EncodedSpans;
use lanewire::otlp::{Request, Resource};
use lanewire::pipeline::Gather;
use lanewire_mapping::span::{Span, SpanKind, Status, Value};

const SPANS: u64 = 2048;
const SERVICES: u64 = 8;
const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(200);

fn span(number: u64) -> Span {
    let text = |text: &'static str| Value::Str(text.into());
    Span {
        trace_id: (u128::from(number) + 1).into(),
        span_id: (number + 1).into(),
        parent: (!number.is_multiple_of(4)).then(|| (number + 7).into()),
        flags: 0x301,
        trace_state: "".into(),
        kind: if number.is_multiple_of(2) {
            SpanKind::Server
        } else {
            SpanKind::Client
        },
        name: "GET".into(),
        start_unix_nano: 1_700_000_000_000_000_000 + number,
        end_unix_nano: 1_700_000_000_001_000_000 + number,
        attributes: [
            ("network.transport", text("tcp")),
            ("network.type", text("ipv4")),
            (
                "network.peer.address",
                Value::Str("10.0.12.7".to_owned().into()),
            ),
            ("network.peer.port", Value::Int(41_234)),
            (
                "network.local.address",
                Value::Str("10.0.3.20".to_owned().into()),
            ),
            ("network.local.port", Value::Int(8080)),
            ("http.request.method", text("GET")),
            ("http.response.status_code", Value::Int(200)),
            ("lanewire.parent", text("wire")),
            ("lanewire.tcp.srtt_us", Value::Int(180)),
            ("lanewire.tcp.bytes_sent", Value::Int(5_300)),
            ("x-lane-code", Value::Str("gray".to_owned().into())),
        ]
        .into_iter()
        .collect(),
        links: Vec::new(),
        status: Status::Unset,
        pid: 1,
        service: None,
    }
}

fn main() {
    let resources: Vec<_> = (0..SERVICES)
        .map(|number| {
            Arc::new(Resource::new(vec![
                (
                    "service.name".into(),
                    Value::Str(format!("service-{number}").into()),
                ),
                ("host.name".into(), Value::Str("bench".into())),
            ]))
        })
        .collect();
    let spans: Vec<Span> = (0..SPANS).map(span).collect();
    let length = encoded(&resources, spans.clone()).len();
    let best = (0..ROUNDS)
        .map(|_| round(&resources, &spans))
        .fold(f64::MAX, f64::min);
    println!("bytes a span:          {:.0}", length as f64 / SPANS as f64);
    println!("ns a span:             {best:.1}");
    println!("spans/s and core:      {:.2} M", 1e3 / best);
}

fn encoded(resources: &[Arc<Resource>], spans: Vec<Span>) -> Request {
    let mut batch = EncodedSpans::default();
    for (number, span) in (0..).zip(spans) {
        batch.add(&resources[number % resources.len()], &span);
    }
    batch.request()
}

/// Nanoseconds a span. Spans are given away, so each request has its own, made before.
fn round(resources: &[Arc<Resource>], spans: &[Span]) -> f64 {
    let mut elapsed = Duration::ZERO;
    let mut requests = 0u64;
    while elapsed < ROUND {
        let spans = spans.to_vec();
        let start = Instant::now();
        black_box(encoded(black_box(resources), black_box(spans)));
        elapsed += start.elapsed();
        requests += 1;
    }
    elapsed.as_nanos() as f64 / (requests * SPANS) as f64
}
