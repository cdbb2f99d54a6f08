//! What all ways start from: one batch of finished spans with 12 attributes.

use std::sync::Arc;

use lanewire::otlp::Resource;
use lanewire_mapping::span::{Key, Span, SpanKind, Status, Value};

/// Spans of a batch, which is a request.
pub const SPANS: u64 = 2048;
const SERVICES: u64 = 8;

/// The spans of a batch. Half of what is text in the attributes is constant, as the mapping has it.
pub fn spans() -> impl Iterator<Item = Span> {
    (0..SPANS).map(span)
}

/// The services, to be taken in turn. Ways that have one resource only take the first.
pub fn resources() -> Vec<Arc<Resource>> {
    let attributes = |number| {
        let name = Value::Str(format!("service-{number}").into());
        let host = Value::Str("bench".into());
        vec![("service.name".into(), name), ("host.name".into(), host)]
    };
    (0..SERVICES)
        .map(|number| Arc::new(Resource::new(attributes(number))))
        .collect()
}

fn span(number: u64) -> Span {
    Span {
        trace_id: (u128::from(number) + 1).into(),
        span_id: (number + 1).into(),
        parent: Some((number + 7).into()),
        flags: 0x301,
        trace_state: String::new(),
        kind: if number.is_multiple_of(2) {
            SpanKind::Server
        } else {
            SpanKind::Client
        },
        name: "GET".into(),
        start_unix_nano: 1_700_000_000_000_000_000 + number,
        end_unix_nano: 1_700_000_000_001_000_000 + number,
        attributes: attributes(number),
        links: Vec::new(),
        status: Status::Unset,
        pid: 1,
        service: None,
    }
}

fn attributes(number: u64) -> Vec<(Key, Value)> {
    let constant = |text: &'static str| Value::Str(text.into());
    let read = |text: String| Value::Str(text.into());
    let port = 41_000 + number as i64 % 500;
    vec![
        ("network.transport".into(), constant("tcp")),
        ("network.type".into(), constant("ipv4")),
        ("network.peer.address".into(), read("10.0.12.7".to_owned())),
        ("network.peer.port".into(), Value::Int(port)),
        ("network.local.address".into(), read("10.0.3.20".to_owned())),
        ("network.local.port".into(), Value::Int(8080)),
        ("http.request.method".into(), constant("GET")),
        ("http.response.status_code".into(), Value::Int(200)),
        ("lanewire.parent".into(), constant("wire")),
        (
            "lanewire.tcp.srtt_us".into(),
            Value::Int(100 + number as i64),
        ),
        ("lanewire.tcp.bytes_sent".into(), Value::Int(5_300)),
        ("x-lane-code".into(), read("gray".to_owned())),
    ]
}
