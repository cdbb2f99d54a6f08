//! Generated spans.

use lanewire_mapping::span::{Key, Link, Span, SpanKind, Status, Text, Value};
use opentelemetry::{SpanId, TraceId};
use proptest::collection::vec;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z./ ]{0,20}", "\\PC{0,8}", "x{120,300}"]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|text| Value::Str(text.into())),
        any::<i64>().prop_map(Value::Int),
        (0i64..600).prop_map(Value::Int),
        any::<bool>().prop_map(Value::Bool),
        vec(text().prop_map(Text::from), 0..4).prop_map(|texts| Value::StrArray(texts.into())),
    ]
}

/// Attributes of every kind.
pub fn attributes() -> impl Strategy<Value = Vec<(Key, Value)>> {
    vec((text().prop_map(Key::from), value()), 0..16)
}

fn link() -> impl Strategy<Value = Link> {
    (1u128.., 1u64..).prop_map(|(trace, span)| Link {
        trace_id: trace.into(),
        span_id: span.into(),
    })
}

/// Spans with anything in them.
pub fn span() -> impl Strategy<Value = Span> {
    let ids = (1u128.., 1u64.., proptest::option::of(1u64..), any::<u32>());
    let texts = (text(), text(), proptest::option::of(text()));
    (
        ids,
        texts,
        any::<bool>(),
        any::<(u64, u64)>(),
        attributes(),
        vec(link(), 0..4),
    )
        .prop_map(
            |(
                (trace, id, parent, flags),
                (name, state, error),
                server,
                times,
                attributes,
                links,
            )| {
                Span {
                    trace_id: TraceId::from(trace),
                    span_id: SpanId::from(id),
                    parent: parent.map(SpanId::from),
                    flags,
                    trace_state: state.into(),
                    kind: if server {
                        SpanKind::Server
                    } else {
                        SpanKind::Client
                    },
                    name: name.into(),
                    start_unix_nano: times.0,
                    end_unix_nano: times.1,
                    attributes: attributes.into_iter().collect(),
                    links,
                    status: error.map_or(Status::Unset, |message| Status::Error(message.into())),
                    pid: 1,
                    service: None,
                }
            },
        )
}
