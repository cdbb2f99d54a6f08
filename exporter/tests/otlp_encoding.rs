//! What is written is what `opentelemetry-proto` reads, field by field.

use std::borrow::Cow;
use std::sync::Arc;

use lanewire::otlp::Resource;
use lanewire::otlp::encode::{Encoder, SCOPE_NAME, SCOPE_VERSION, span_len};
use lanewire::pipeline::Batch;
use lanewire_mapping::span::{Key, Link, Span, SpanKind, Status, Value};
use opentelemetry::{SpanId, TraceId};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue,
};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use opentelemetry_proto::tonic::trace::v1 as proto;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z./ ]{0,20}", "\\PC{0,8}", "x{120,300}"]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|text| Value::Str(Cow::Owned(text))),
        any::<i64>().prop_map(Value::Int),
        (0i64..600).prop_map(Value::Int),
        any::<bool>().prop_map(Value::Bool),
        vec(text(), 0..4).prop_map(Value::StrArray),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<(Key, Value)>> {
    vec((text().prop_map(Key::Owned), value()), 0..16)
}

fn link() -> impl Strategy<Value = Link> {
    (1u128.., 1u64..).prop_map(|(trace, span)| Link {
        trace_id: trace.into(),
        span_id: span.into(),
    })
}

fn span() -> impl Strategy<Value = Span> {
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
                    trace_state: state,
                    kind: if server {
                        SpanKind::Server
                    } else {
                        SpanKind::Client
                    },
                    name,
                    start_unix_nano: times.0,
                    end_unix_nano: times.1,
                    attributes,
                    links,
                    status: error.map_or(Status::Unset, Status::Error),
                    pid: 1,
                    service: None,
                }
            },
        )
}

fn any_value(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn expected_attributes(attributes: &[(Key, Value)]) -> Vec<KeyValue> {
    let value = |value: &Value| match value {
        Value::Str(text) => Any::StringValue(text.to_string()),
        Value::Int(number) => Any::IntValue(*number),
        Value::Bool(truth) => Any::BoolValue(*truth),
        Value::StrArray(texts) => Any::ArrayValue(ArrayValue {
            values: texts
                .iter()
                .map(|text| any_value(Any::StringValue(text.clone())))
                .collect(),
        }),
    };
    let pair = |(key, of): &(Key, Value)| KeyValue {
        key: key.to_string(),
        value: Some(any_value(value(of))),
        ..KeyValue::default()
    };
    attributes.iter().map(pair).collect()
}

fn expected_span(span: &Span) -> proto::Span {
    proto::Span {
        trace_id: span.trace_id.to_bytes().to_vec(),
        span_id: span.span_id.to_bytes().to_vec(),
        trace_state: span.trace_state.clone(),
        parent_span_id: span
            .parent
            .map(|id| id.to_bytes().to_vec())
            .unwrap_or_default(),
        flags: span.flags,
        name: span.name.clone(),
        kind: match span.kind {
            SpanKind::Server => proto::span::SpanKind::Server,
            SpanKind::Client => proto::span::SpanKind::Client,
        } as i32,
        start_time_unix_nano: span.start_unix_nano,
        end_time_unix_nano: span.end_unix_nano,
        attributes: expected_attributes(&span.attributes),
        links: span
            .links
            .iter()
            .map(|link| proto::span::Link {
                trace_id: link.trace_id.to_bytes().to_vec(),
                span_id: link.span_id.to_bytes().to_vec(),
                ..Default::default()
            })
            .collect(),
        status: match &span.status {
            Status::Unset => None,
            Status::Error(message) => Some(proto::Status {
                message: message.clone(),
                code: proto::status::StatusCode::Error as i32,
            }),
        },
        ..Default::default()
    }
}

fn expected_service(attributes: &[(Key, Value)], spans: &[Span]) -> proto::ResourceSpans {
    proto::ResourceSpans {
        resource: Some(ProtoResource {
            attributes: expected_attributes(attributes),
            ..Default::default()
        }),
        scope_spans: vec![proto::ScopeSpans {
            scope: Some(InstrumentationScope {
                name: SCOPE_NAME.into(),
                version: SCOPE_VERSION.into(),
                ..Default::default()
            }),
            spans: spans.iter().map(expected_span).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

proptest! {
    #[test]
    fn every_field_of_every_span_reads_back(
        services in vec((attributes(), vec(span(), 1..6)), 0..4)
    ) {
        let mut batch = Batch::default();
        for (at, (attributes, spans)) in services.iter().enumerate() {
            // Generated resources may be equal; a service is told by its name.
            let mut attributes = attributes.clone();
            attributes.push((Key::Borrowed("service.name"), Value::Str(format!("s{at}").into())));
            let resource = Arc::new(Resource::new(attributes));
            for span in spans {
                batch.add(Arc::clone(&resource), span.clone(), span_len(span));
            }
        }
        let mut encoder = Encoder::default();
        let bytes = encoder.encode(batch.groups());
        // The buffer is used again, and what was handed out is not touched by that.
        let again = encoder.encode(batch.groups());
        prop_assert_eq!(&bytes, &again);

        let decoded = ExportTraceServiceRequest::decode(bytes).expect("decodes");
        let expected = batch
            .groups()
            .iter()
            .map(|group| expected_service(group.resource.attributes(), &group.spans))
            .collect::<Vec<_>>();
        prop_assert_eq!(decoded.resource_spans, expected);
    }
}

#[test]
fn equal_resources_share_one_resource_spans() {
    let resource = || {
        Arc::new(Resource::new(vec![(
            "service.name".into(),
            Value::Str("shop".into()),
        )]))
    };
    let span = || Span {
        trace_id: 1u128.into(),
        span_id: 1u64.into(),
        parent: None,
        flags: 0x101,
        trace_state: String::new(),
        kind: SpanKind::Server,
        name: "GET".into(),
        start_unix_nano: 1,
        end_unix_nano: 2,
        attributes: Vec::new(),
        links: Vec::new(),
        status: Status::Unset,
        pid: 1,
        service: None,
    };
    let mut batch = Batch::default();
    batch.add(resource(), span(), 50);
    batch.add(resource(), span(), 50);
    let bytes = Encoder::default().encode(batch.groups());
    let decoded = ExportTraceServiceRequest::decode(bytes).expect("decodes");
    assert_eq!(decoded.resource_spans.len(), 1);
    let spans = &decoded.resource_spans[0].scope_spans[0].spans;
    assert_eq!(spans.len(), 2);
    assert!(
        spans[0].parent_span_id.is_empty(),
        "a root has an empty parent, not eight zero bytes"
    );
}
