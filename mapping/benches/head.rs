//! How long it takes to read trace and lanes out of a request head of 1 KiB with 12 headers: our
//! reader, which reads the head in place, against the `http` crate's map filled by `httparse`, as
//! hyper does it, and read by the propagators of the OpenTelemetry SDK.
//!
//! `cargo bench -p lanewire-mapping --bench head` runs the two in turn (A B A B ...) and prints the
//! medians of the rounds, their ratio, and the allocations a head.
//!
//! Results, with their machine, are kept in `docs/benchmarks.md`.

use std::hint::black_box;
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue};
use lanewire_mapping::propagation::{AutoPropagation, Format, Label, PropagationConfig};
use lanewire_mapping::protocol::http1::Request;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

/// Rounds are short, so that few are interrupted, and many.
const ROUNDS: usize = 2_001;
const HEADS: u32 = 200;
const SIZE: usize = 1024;

/// Trace, lane and cell, as both have to find them.
type Found = (String, String, String);

fn main() {
    let w3c = head(&[
        "baggage: userId=alice,x-lane-code=gray,serverNode=DF%2028;prod,x-live-cell=c1,isProduction=false",
        "X-Request-Id: 7f1c2a90-3c1e-4d0b-9a53-6f1f0f7f1c2a",
    ]);
    let live = head(&["X-Lane-Code: gray", "X-Live-Cell: c1"]);
    compare("W3C Baggage", Format::W3c, &w3c);
    compare("Live", Format::Live, &live);
}

/// A head with these two headers and ten others.
fn head(headers: &[&str; 2]) -> Vec<u8> {
    let mut head = String::from("GET /api/v1/orders/4711?expand=lines HTTP/1.1\r\n");
    for header in [
        "Host: shop.example:8080",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Accept-Language: en-US,en;q=0.5",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "tracestate: rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        headers[0],
        headers[1],
        "X-Forwarded-For: 203.0.113.7, 10.0.12.7",
        "Connection: keep-alive",
    ] {
        head.push_str(header);
        head.push_str("\r\n");
    }
    let frame = "Cookie: session=\r\n\r\n".len();
    let session = "0123456789abcdef".repeat(SIZE / 16);
    let session = &session[..SIZE - head.len() - frame];
    head.push_str(&format!("Cookie: session={session}\r\n\r\n"));
    assert_eq!((head.len(), head.lines().count()), (SIZE, 14));
    head.into_bytes()
}

fn compare(name: &str, format: Format, head: &[u8]) {
    let ours = AutoPropagation::new(&PropagationConfig {
        format,
        ..PropagationConfig::default()
    })
    .expect("the default keys can be carried");
    let mut ours = || read_ours(&ours, head);
    let mut theirs = || read_theirs(format, head);
    assert_eq!(found_ours(&ours()), found_theirs(format, &theirs()));

    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        a.push(round(&mut ours));
        b.push(round(&mut theirs));
    }
    let mut ratios: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b / a).collect();
    println!(
        "{name}: ours {:.0} ns and {}; http and opentelemetry_sdk {:.0} ns and {}; x{:.2} \
         (medians of {ROUNDS} rounds of {HEADS} heads each)",
        median(&mut a),
        allocations(&mut ours),
        median(&mut b),
        allocations(&mut theirs),
        median(&mut ratios),
    );
}

/// Nanoseconds a head.
fn round<T>(read: &mut impl FnMut() -> T) -> f64 {
    let start = Instant::now();
    for _ in 0..HEADS {
        black_box(read());
    }
    start.elapsed().as_nanos() as f64 / f64::from(HEADS)
}

fn allocations<T>(read: &mut impl FnMut() -> T) -> String {
    let info = allocation_counter::measure(|| drop(black_box(read())));
    format!(
        "{} allocations ({} bytes)",
        info.count_total, info.bytes_total
    )
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn read_ours(
    propagation: &AutoPropagation,
    head: &[u8],
) -> lanewire_mapping::propagation::Extracted {
    let request = Request::parse(black_box(head)).expect("it is a request");
    propagation.extract_http(request.fields())
}

fn found_ours(extracted: &lanewire_mapping::propagation::Extracted) -> Found {
    let value = |key| extracted.carrier.get(key).map(Label::value);
    let trace = extracted.trace.expect("there is a trace");
    (
        trace.trace_id().to_string(),
        value("x-lane-code").expect("there is a lane"),
        value("x-live-cell").expect("there is a cell"),
    )
}

/// The map as hyper fills it. Baggage is read by the SDK; it knows no Live headers, so that those
/// are looked up in the map.
fn read_theirs(format: Format, head: &[u8]) -> (Context, HeaderMap) {
    let mut slots = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut slots);
    let status = request.parse(black_box(head)).expect("it is a request");
    assert!(status.is_complete());
    let mut headers = HeaderMap::with_capacity(request.headers.len());
    for header in request.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).expect("it is a token");
        let value = HeaderValue::from_bytes(header.value).expect("it is a value");
        headers.append(name, value);
    }
    let extractor = HeaderExtractor(&headers);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &extractor);
    let context = match format {
        Format::W3c => BaggagePropagator::new().extract_with_context(&context, &extractor),
        Format::Live => context,
    };
    (context, headers)
}

fn found_theirs(format: Format, (context, headers): &(Context, HeaderMap)) -> Found {
    let value = |key: &str| match format {
        Format::W3c => context.baggage().get(key).map(|value| value.to_string()),
        Format::Live => headers.get(key)?.to_str().ok().map(str::to_owned),
    };
    (
        context.span().span_context().trace_id().to_string(),
        value("x-lane-code").expect("there is a lane"),
        value("x-live-cell").expect("there is a cell"),
    )
}
