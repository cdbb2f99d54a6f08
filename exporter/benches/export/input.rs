//! What all ways start from: one batch of finished spans with 12 attributes.

use std::borrow::Cow;
use std::sync::Arc;

use lanewire::otlp::Resource;
use lanewire_mapping::span::{Span, SpanKind, Status, Value, ValueRef};

/// Spans of a batch, which is a request.
pub const SPANS: u64 = 2048;
const SERVICES: u64 = 8;

/// A span, and the parts of it that others have in another form.
pub struct Input {
    pub span: Span,
    pub name: String,
    pub attributes: Vec<(&'static str, Plain)>,
}

/// An attribute's value that is nobody's own.
#[derive(Clone, Debug)]
pub enum Plain {
    Text(Cow<'static, str>),
    Number(i64),
}

/// The spans of a batch.
pub fn spans() -> impl Iterator<Item = Span> {
    (0..SPANS).map(span)
}

/// The same for those who don't take our spans.
pub fn inputs() -> impl Iterator<Item = Input> {
    (0..SPANS).map(|number| Input {
        span: span(number),
        name: "GET".to_owned(),
        attributes: attributes(number),
    })
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
    let attributes = attributes(number);
    let attributes = attributes
        .iter()
        .map(|(key, value)| (key, ValueRef::from(value)));
    Span {
        trace_id: (u128::from(number) + 1).into(),
        span_id: (number + 1).into(),
        parent: Some((number + 7).into()),
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
        attributes: attributes.collect(),
        links: Vec::new(),
        status: Status::Unset,
        pid: 1,
        service: None,
    }
}

impl<'a> From<&'a Plain> for ValueRef<'a> {
    fn from(value: &'a Plain) -> Self {
        match value {
            Plain::Text(text) => Self::Str(text),
            Plain::Number(number) => Self::Int(*number),
        }
    }
}

/// Half of what is text is constant.
fn attributes(number: u64) -> Vec<(&'static str, Plain)> {
    let constant = |text: &'static str| Plain::Text(text.into());
    let read = |text: String| Plain::Text(text.into());
    let port = 41_000 + number as i64 % 500;
    vec![
        ("network.transport", constant("tcp")),
        ("network.type", constant("ipv4")),
        ("network.peer.address", read("10.0.12.7".to_owned())),
        ("network.peer.port", Plain::Number(port)),
        ("network.local.address", read("10.0.3.20".to_owned())),
        ("network.local.port", Plain::Number(8080)),
        ("http.request.method", constant("GET")),
        ("http.response.status_code", Plain::Number(200)),
        ("lanewire.parent", constant("wire")),
        ("lanewire.tcp.srtt_us", Plain::Number(100 + number as i64)),
        ("lanewire.tcp.bytes_sent", Plain::Number(5_300)),
        ("x-lane-code", read("gray".to_owned())),
    ]
}
