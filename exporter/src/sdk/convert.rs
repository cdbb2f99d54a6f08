//! Our spans and resources in the SDK's types.

use std::str::FromStr;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use lanewire_mapping::span::{Link, Span, SpanKind, Status, ValueRef};
use opentelemetry::trace::{self, SpanContext, TraceFlags, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, SpanId};
use opentelemetry_sdk::trace::{SpanData, SpanLinks};

use crate::otlp::Resource;
use crate::otlp::encode::{SCOPE_NAME, SCOPE_VERSION};

/// OTLP's flag for a parent of another process.
const PARENT_IS_REMOTE: u32 = 0x200;

static SCOPE: LazyLock<InstrumentationScope> = LazyLock::new(|| {
    InstrumentationScope::builder(SCOPE_NAME)
        .with_version(SCOPE_VERSION)
        .build()
});

/// A span as the SDK has it.
///
/// A root's parent is [`SpanId::INVALID`], which exporters leave out. The SDK has no place for the
/// flag "is_remote is known": it is implied. It knows of every link whether its context is remote,
/// which we don't: ours are not. A `tracestate` that is not one (W3C Trace Context, 3.3) is left
/// out.
pub fn span_data(span: Span) -> SpanData {
    SpanData {
        span_context: SpanContext::new(
            span.trace_id,
            span.span_id,
            // The W3C flags are the low byte.
            TraceFlags::new(span.flags as u8),
            false,
            trace_state(&span.trace_state),
        ),
        parent_span_id: span.parent.unwrap_or(SpanId::INVALID),
        parent_span_is_remote: span.flags & PARENT_IS_REMOTE != 0,
        span_kind: match span.kind {
            SpanKind::Server => trace::SpanKind::Server,
            SpanKind::Client => trace::SpanKind::Client,
        },
        name: span.name.into(),
        start_time: time(span.start_unix_nano),
        end_time: time(span.end_unix_nano),
        attributes: span.attributes.iter().map(pair).collect(),
        dropped_attributes_count: 0,
        events: Default::default(),
        links: links(&span.links),
        status: match span.status {
            Status::Unset => trace::Status::Unset,
            Status::Error(message) => trace::Status::error(message),
        },
        instrumentation_scope: SCOPE.clone(),
    }
}

/// A resource as the SDK has it: with its attributes in any order, and nothing of this process.
pub fn resource(resource: &Resource) -> opentelemetry_sdk::Resource {
    let attributes = resource.attributes();
    opentelemetry_sdk::Resource::builder_empty()
        .with_attributes(
            attributes
                .iter()
                .map(|(key, value)| pair((key, value.into()))),
        )
        .build()
}

fn trace_state(header: &str) -> TraceState {
    if header.is_empty() {
        return TraceState::NONE;
    }
    TraceState::from_str(header).unwrap_or_else(|error| {
        tracing::debug!("a tracestate is left out: {error}");
        TraceState::NONE
    })
}

fn time(unix_nano: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(unix_nano)
}

fn links(links: &[Link]) -> SpanLinks {
    let context = |link: &Link| {
        let flags = TraceFlags::default();
        SpanContext::new(link.trace_id, link.span_id, flags, false, TraceState::NONE)
    };
    let link = |link| trace::Link::new(context(link), Vec::new(), 0);
    // It can be made in no other way outside of the SDK.
    let mut of_sdk = SpanLinks::default();
    of_sdk.links = links.iter().map(link).collect();
    of_sdk
}

fn pair((key, value): (&str, ValueRef<'_>)) -> KeyValue {
    KeyValue::new(
        key.to_owned(),
        match value {
            ValueRef::Str(text) => text.to_owned().into(),
            ValueRef::Int(number) => opentelemetry::Value::I64(number),
            ValueRef::Bool(truth) => truth.into(),
            ValueRef::StrArray(texts) => {
                let texts = texts.iter().map(|text| text.to_owned().into());
                opentelemetry::Value::Array(Array::String(texts.collect()))
            }
        },
    )
}
