//! The structs of opentelemetry-proto, filled by hand, and tonic's generated client.

use lanewire::otlp::settings::Compression;
use lanewire_mapping::span::{Key, SpanKind, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as proto;
use tokio::runtime::Runtime;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};

use super::{Error, Way, runtime};
use crate::input::{Input, Plain, SPANS, inputs, resources};

/// Structs made of our spans, whose texts are moved where they are not constant.
pub struct Structs {
    runtime: Runtime,
    client: TraceServiceClient<Channel>,
    resources: Vec<Vec<KeyValue>>,
    next: Vec<Input>,
}

impl Structs {
    pub fn open(url: &str, compression: Compression) -> Result<Box<dyn Way>, Error> {
        let runtime = runtime()?;
        let channel = {
            let _inside = runtime.enter();
            Endpoint::from_shared(url.to_owned())?.connect_lazy()
        };
        let client = TraceServiceClient::new(channel);
        let client = match compression {
            Compression::None => client,
            Compression::Gzip => client.send_compressed(CompressionEncoding::Gzip),
            Compression::Zstd => client.send_compressed(CompressionEncoding::Zstd),
        };
        let attributes = |resource: std::sync::Arc<lanewire::otlp::Resource>| {
            resource.attributes().iter().map(of_resource).collect()
        };
        Ok(Box::new(Self {
            runtime,
            client,
            resources: resources().into_iter().map(attributes).collect(),
            next: Vec::new(),
        }))
    }
}

impl Way for Structs {
    fn prepare(&mut self) {
        self.next = inputs().collect();
    }

    fn send(&mut self) -> Result<(), Error> {
        let each = SPANS as usize / self.resources.len();
        let mut spans: Vec<_> = (0..self.resources.len())
            .map(|_| Vec::with_capacity(each))
            .collect();
        for (number, span) in self.next.drain(..).enumerate() {
            spans[number % self.resources.len()].push(of(span));
        }
        let groups = self.resources.iter().zip(spans);
        let resource_spans = groups.map(|(attributes, spans)| service(attributes, spans));
        let request = ExportTraceServiceRequest {
            resource_spans: resource_spans.collect(),
        };
        self.runtime.block_on(self.client.export(request))?;
        Ok(())
    }
}

fn service(attributes: &[KeyValue], spans: Vec<proto::Span>) -> proto::ResourceSpans {
    proto::ResourceSpans {
        resource: Some(Resource {
            attributes: attributes.to_vec(),
            ..Default::default()
        }),
        scope_spans: vec![proto::ScopeSpans {
            scope: Some(InstrumentationScope {
                name: "lanewire".into(),
                ..Default::default()
            }),
            spans,
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn of(input: Input) -> proto::Span {
    let span = input.span;
    proto::Span {
        trace_id: span.trace_id.to_bytes().to_vec(),
        span_id: span.span_id.to_bytes().to_vec(),
        parent_span_id: span
            .parent
            .map(|id| id.to_bytes().to_vec())
            .unwrap_or_default(),
        flags: span.flags,
        name: input.name,
        kind: match span.kind {
            SpanKind::Server => proto::span::SpanKind::Server,
            SpanKind::Client => proto::span::SpanKind::Client,
        } as i32,
        start_time_unix_nano: span.start_unix_nano,
        end_time_unix_nano: span.end_unix_nano,
        attributes: input.attributes.into_iter().map(pair).collect(),
        ..Default::default()
    }
}

fn pair((key, value): (&'static str, Plain)) -> KeyValue {
    let value = match value {
        Plain::Text(text) => Any::StringValue(text.into_owned()),
        Plain::Number(number) => Any::IntValue(number),
    };
    key_value(key, value)
}

fn of_resource((key, value): &(Key, Value)) -> KeyValue {
    let value = match value {
        Value::Str(text) => Any::StringValue(text.to_string()),
        Value::Int(number) => Any::IntValue(*number),
        other => unreachable!("resources have texts and numbers, not {other:?}"),
    };
    key_value(key, value)
}

fn key_value(key: &str, value: Any) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}
