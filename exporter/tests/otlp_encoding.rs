//! What is written is what `opentelemetry-proto` reads, field by field.

mod generated;

use std::sync::Arc;

use generated::{attributes, span};
use lanewire::otlp::Resource;
use lanewire::otlp::encode::{EncodedSpans, SCOPE_NAME, SCOPE_VERSION, span_len};
use lanewire::pipeline::Gather;
use lanewire_mapping::span::{Attributes, Key, Span, SpanKind, Status, Value, ValueRef};
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

fn any_value(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn expected_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a str, ValueRef<'a>)>,
) -> Vec<KeyValue> {
    let value = |value: ValueRef<'_>| match value {
        ValueRef::Str(text) => Any::StringValue(text.to_owned()),
        ValueRef::Int(number) => Any::IntValue(number),
        ValueRef::Bool(truth) => Any::BoolValue(truth),
        ValueRef::StrArray(texts) => Any::ArrayValue(ArrayValue {
            values: texts
                .iter()
                .map(|text| any_value(Any::StringValue(text.to_owned())))
                .collect(),
        }),
    };
    let pair = |(key, of): (&str, _)| KeyValue {
        key: key.to_owned(),
        value: Some(any_value(value(of))),
        ..KeyValue::default()
    };
    attributes.into_iter().map(pair).collect()
}

fn expected_span(span: &Span) -> proto::Span {
    proto::Span {
        trace_id: span.trace_id.to_bytes().to_vec(),
        span_id: span.span_id.to_bytes().to_vec(),
        trace_state: span.trace_state.to_string(),
        parent_span_id: span
            .parent
            .map(|id| id.to_bytes().to_vec())
            .unwrap_or_default(),
        flags: span.flags,
        name: span.name.to_string(),
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
                message: message.to_string(),
                code: proto::status::StatusCode::Error as i32,
            }),
        },
        ..Default::default()
    }
}

fn expected_service(attributes: &[(Key, Value)], spans: &[Span]) -> proto::ResourceSpans {
    proto::ResourceSpans {
        resource: Some(ProtoResource {
            attributes: expected_attributes(attributes.iter().map(|(k, v)| (&**k, v.into()))),
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
        let mut batch = EncodedSpans::default();
        let mut expected = Vec::new();
        for (at, (attributes, spans)) in services.iter().enumerate() {
            // Generated resources may be equal; a service is told by its name.
            let mut attributes = attributes.clone();
            attributes.push(("service.name".into(), Value::Str(format!("s{at}").into())));
            expected.push(expected_service(&attributes, spans));
            let resource = Arc::new(Resource::new(attributes));
            for span in spans {
                let (before, length) = (batch.bytes(), span_len(span));
                batch.add(&resource, span);
                // Tag and length come on top.
                prop_assert!((length + 2..length + 11).contains(&(batch.bytes() - before)));
            }
        }
        let decoded = ExportTraceServiceRequest::decode(batch.request().to_bytes()).expect("decodes");
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
        trace_state: "".into(),
        kind: SpanKind::Server,
        name: "GET".into(),
        start_unix_nano: 1,
        end_unix_nano: 2,
        attributes: Attributes::new(),
        links: Vec::new(),
        status: Status::Unset,
        pid: 1,
        service: None,
    };
    let mut batch = EncodedSpans::default();
    batch.add(&resource(), &span());
    batch.add(&resource(), &span());
    let decoded = ExportTraceServiceRequest::decode(batch.request().to_bytes()).expect("decodes");
    assert_eq!(decoded.resource_spans.len(), 1);
    let spans = &decoded.resource_spans[0].scope_spans[0].spans;
    assert_eq!(spans.len(), 2);
    assert!(
        spans[0].parent_span_id.is_empty(),
        "a root has an empty parent, not eight zero bytes"
    );
}
