use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use lanewire_mapping::span::{Attributes, Link, Span, SpanKind, Status, Value};
use opentelemetry::trace::{self, SpanContext, TraceFlags, TraceState};
use opentelemetry::{Array, Key, KeyValue, SpanId};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::*;
use crate::otlp::Resource;
use crate::otlp::encode::{SCOPE_NAME, SCOPE_VERSION};
use crate::otlp::settings::{BatchSettings, QueueSettings};
use crate::pipeline::{DropReason, Gather, Outcome, Pipeline, Sink, SpanGroups, Summary};
use crate::telemetry::Registry;

const LONG: Duration = Duration::from_secs(30);

fn span(id: u64) -> Span {
    Span {
        trace_id: 7u128.into(),
        span_id: id.into(),
        parent: None,
        flags: 0x101,
        trace_state: "".into(),
        kind: SpanKind::Server,
        name: "GET".into(),
        start_unix_nano: 1_700_000_000_000_000_001,
        end_unix_nano: 1_700_000_000_000_000_002,
        attributes: Attributes::new(),
        links: Vec::new(),
        status: Status::Unset,
        pid: 1,
        service: None,
    }
}

fn service(name: &str) -> Arc<Resource> {
    let name = Value::Str(name.to_owned().into());
    Arc::new(Resource::new(vec![("service.name".into(), name)]))
}

#[test]
fn every_field_of_a_span_has_its_place() {
    let data = span_data(Span {
        parent: Some(9u64.into()),
        flags: 0x303,
        trace_state: "a=b,c=d".into(),
        kind: SpanKind::Client,
        attributes: [
            ("text", Value::Str("x".into())),
            ("number", Value::Int(-5)),
            ("truth", Value::Bool(true)),
            ("texts", Value::StrArray(["x".into(), "y".into()].into())),
        ]
        .into_iter()
        .collect(),
        links: vec![Link {
            trace_id: 3u128.into(),
            span_id: 4u64.into(),
        }],
        status: Status::Error("reset".into()),
        ..span(8)
    });
    let state: TraceState = "a=b,c=d".parse().expect("a tracestate");
    let context = SpanContext::new(7u128.into(), 8u64.into(), TraceFlags::new(3), false, state);
    assert_eq!(data.span_context, context);
    assert_eq!(data.parent_span_id, SpanId::from(9u64));
    assert!(data.parent_span_is_remote);
    assert_eq!(data.span_kind, trace::SpanKind::Client);
    assert_eq!(data.name, "GET");
    let at = |nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
    assert_eq!(data.start_time, at(1_700_000_000_000_000_001));
    assert_eq!(data.end_time, at(1_700_000_000_000_000_002));
    let texts = Array::String(vec!["x".into(), "y".into()]);
    assert_eq!(
        data.attributes,
        [
            KeyValue::new("text", "x"),
            KeyValue::new("number", -5),
            KeyValue::new("truth", true),
            KeyValue::new("texts", opentelemetry::Value::Array(texts)),
        ]
    );
    assert_eq!(data.links.len(), 1);
    let link = &data.links[0].span_context;
    assert_eq!(link.trace_id(), 3u128.into());
    assert_eq!(link.span_id(), 4u64.into());
    assert_eq!(data.status, trace::Status::error("reset"));
    assert_eq!(data.instrumentation_scope.name(), SCOPE_NAME);
    assert_eq!(data.instrumentation_scope.version(), Some(SCOPE_VERSION));
    assert_eq!(data.dropped_attributes_count, 0);
    assert!(data.events.is_empty());
}

#[test]
fn a_root_has_no_valid_parent_and_a_local_parent_is_not_remote() {
    let root = span_data(span(1));
    assert_eq!(root.parent_span_id, SpanId::INVALID);
    assert!(!root.parent_span_is_remote);
    assert_eq!(root.span_kind, trace::SpanKind::Server);
    assert_eq!(root.status, trace::Status::Unset);
    assert_eq!(root.span_context.trace_flags(), TraceFlags::SAMPLED);
}

#[test]
fn a_tracestate_that_is_not_one_is_left_out() {
    let broken = Span {
        trace_state: "no pair".into(),
        ..span(1)
    };
    assert_eq!(
        *span_data(broken).span_context.trace_state(),
        TraceState::NONE
    );
}

#[test]
fn a_resource_has_its_attributes_and_nothing_of_this_process() {
    let of_sdk = resource(&service("shop"));
    let name = of_sdk.get(&Key::new("service.name"));
    assert_eq!(name, Some("shop".into()));
    assert_eq!(of_sdk.len(), 1);
}

/// Remembers what it is told, and fails as the name of the service says.
#[derive(Clone, Debug, Default)]
struct Memory {
    service: String,
    told: Arc<Mutex<Vec<String>>>,
}

impl Memory {
    fn note(&self, what: String) {
        self.told.lock().expect("a lock").push(what);
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().expect("a lock").clone()
    }
}

impl SpanExporter for Memory {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        // A timer of the runtime around it is there.
        tokio::time::sleep(Duration::ZERO).await;
        self.note(format!("{} of {}", batch.len(), self.service));
        match self.service.as_str() {
            "slow" => Err(OTelSdkError::Timeout(LONG)),
            "broken" => Err(OTelSdkError::InternalFailure("full".into())),
            "late" => Err(OTelSdkError::AlreadyShutdown),
            "mad" => panic!("as it was told"),
            _ => Ok(()),
        }
    }

    fn set_resource(&mut self, resource: &opentelemetry_sdk::Resource) {
        let name = resource.get(&Key::new("service.name"));
        self.service = name.expect("a name").to_string();
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.note("flush".into());
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.note("shutdown".into());
        Ok(())
    }
}

fn batch(services: &[&str]) -> SpanGroups {
    let mut batch = SpanGroups::default();
    for (id, name) in (1..).zip(services) {
        batch.add(&service(name), &span(id));
    }
    batch
}

#[tokio::test]
async fn an_exporter_is_told_the_resource_of_each_group_before_its_spans() {
    let memory = Memory::default();
    let sink = SpanExporterSink::new(memory.clone());
    let outcome = sink.export(batch(&["front", "stock", "front"])).await;
    assert_eq!(outcome, Outcome::delivered(3));
    assert_eq!(sink.export(batch(&["front"])).await, Outcome::delivered(1));
    assert_eq!(memory.told(), ["2 of front", "1 of stock", "1 of front"]);
}

#[tokio::test]
async fn an_error_drops_its_group_alone_and_says_why() {
    for (service, reason) in [
        ("slow", "exporter_timeout"),
        ("broken", "exporter_failed"),
        ("late", "exporter_shut_down"),
    ] {
        let sink = SpanExporterSink::new(Memory::default());
        let outcome = sink
            .export(batch(&["front", service, service, "stock"]))
            .await;
        assert_eq!(outcome.delivered, 2);
        let dropped = outcome.dropped.expect("a reason");
        assert_eq!(dropped, (2, DropReason::Refused(reason.into())));
    }
}

#[tokio::test]
async fn an_exporter_that_panics_loses_its_batch_and_is_asked_again() {
    let sink = SpanExporterSink::new(Memory::default());
    let outcome = sink.export(batch(&["mad"])).await;
    let reason = DropReason::Refused("exporter_failed".into());
    assert_eq!(outcome, Outcome::dropped(1, reason));
    assert_eq!(sink.export(batch(&["front"])).await, Outcome::delivered(1));
}

#[tokio::test]
async fn the_end_of_the_pipeline_flushes_the_exporter_and_shuts_it_down() {
    let memory = Memory::default();
    let sink = Arc::new(SpanExporterSink::new(memory.clone()));
    let (settings, queue) = (BatchSettings::default(), QueueSettings::default());
    let pipeline = Pipeline::start(sink, settings, queue, &Registry::default());
    assert!(pipeline.producer().push(&service("front"), span(1)));
    let summary = pipeline.shutdown(LONG).await;
    let sent = Summary {
        sent: 1,
        ..Summary::default()
    };
    assert_eq!(summary, sent);
    assert_eq!(memory.told(), ["1 of front", "flush", "shutdown"]);
}
