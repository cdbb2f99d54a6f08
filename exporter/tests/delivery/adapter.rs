//! Spans through an exporter of the SDK: what arrives is what our own encoder sends.

use std::collections::HashSet;
use std::sync::Arc;

use lanewire::otlp::settings::{BatchSettings, Protocol, QueueSettings};
use lanewire::otlp::{OtlpSettings, OtlpSink, Resource};
use lanewire::pipeline::{Pipeline, Sink};
use lanewire::sdk::SpanExporterSink;
use lanewire::telemetry::Registry;
use lanewire_mapping::span::{Key, Span, Value};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use proptest::collection::vec;
use proptest::prelude::*;

use super::generated::{attributes, span};
use super::server::Place;
use super::shop::{LONG, options};
use super::ways::{Taker, all_sent, taker};

type Service = (Vec<(Key, Value)>, Vec<Span>);

/// What the mapping hands on: a `tracestate` that is one, and flags that OTLP defines.
fn mapped() -> impl Strategy<Value = Span> {
    let state = "([a-z][a-z0-9_]{0,6}(@[a-j]{1,3})?=[a-zA-Z0-9:;]{1,8}(,[k-m]=[x-z]{1,4}){0,3})?";
    (span(), state, any::<u8>(), any::<bool>()).prop_map(|(span, trace_state, w3c, remote)| Span {
        trace_state: trace_state.into(),
        flags: u32::from(w3c) | 0x100 | u32::from(remote) << 9,
        ..span
    })
}

fn services() -> impl Strategy<Value = Vec<Service>> {
    let service = (attributes(), vec(mapped(), 1..6));
    vec(service, 1..4).prop_map(|mut services| {
        for (at, (attributes, _)) in services.iter_mut().enumerate() {
            // The SDK's resources are maps: a key appears once.
            let mut keys = HashSet::new();
            attributes.retain(|(key, _)| key != "service.name" && keys.insert(key.clone()));
            let name = Value::Str(format!("s{at}").into());
            attributes.push(("service.name".into(), name));
        }
        services
    })
}

/// The spans of all services through a pipeline into this sink, and what arrived of them.
async fn received<S: Sink>(
    sink: impl FnOnce(&Taker) -> S,
    services: &[Service],
) -> Vec<ResourceSpans> {
    let taker = taker(Protocol::Grpc, Place::anywhere(), None).await;
    let sink = Arc::new(sink(&taker));
    let (batch, queue) = (BatchSettings::default(), QueueSettings::default());
    let pipeline = Pipeline::start(sink, batch, queue, &Registry::default());
    let mut sent = 0;
    for (attributes, spans) in services {
        let resource = Arc::new(Resource::new(attributes.clone()));
        for span in spans {
            assert!(pipeline.producer().push(&resource, span.clone()));
            sent += 1;
        }
    }
    assert_eq!(pipeline.shutdown(LONG).await, all_sent(sent));
    taker.received.resource_spans()
}

fn of_ours(taker: &Taker) -> OtlpSink {
    let settings = OtlpSettings::resolve_with(&options(Protocol::Grpc, &taker.url), &|_| None);
    OtlpSink::new(&settings.expect("good settings"), &Registry::default()).expect("a sink")
}

fn of_the_sdk(taker: &Taker) -> SpanExporterSink<SpanExporter> {
    let exporter = SpanExporter::builder().with_tonic();
    let exporter = exporter.with_endpoint(&taker.url).with_timeout(LONG);
    SpanExporterSink::new(exporter.build().expect("an exporter"))
}

/// In the form in which both ways agree: the SDK says of links that it knows that they are local,
/// which we do not know, and of spans without a status that they have none.
fn same(mut received: Vec<ResourceSpans>) -> Vec<ResourceSpans> {
    for of_service in &mut received {
        let resource = of_service.resource.as_mut().expect("a resource");
        resource.attributes.sort_by(|a, b| a.key.cmp(&b.key));
        let scopes = of_service.scope_spans.iter_mut();
        for span in scopes.flat_map(|scope| &mut scope.spans) {
            span.status.get_or_insert_default();
            for link in &mut span.links {
                assert!([0, 0x100].contains(&link.flags), "{:#x}", link.flags);
                link.flags = 0;
            }
        }
    }
    received.sort_by_key(|of_service| format!("{:?}", of_service.resource));
    received
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_same_spans_arrive_by_our_encoder_and_by_an_exporter_of_the_sdk(services in services()) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (ours, theirs) = runtime.block_on(async {
            (received(of_ours, &services).await, received(of_the_sdk, &services).await)
        });
        prop_assert_eq!(same(ours), same(theirs));
    }
}

#[tokio::test]
async fn an_exporter_that_cannot_deliver_loses_nothing_without_a_count() {
    let taker = taker(Protocol::Grpc, Place::anywhere(), None).await;
    let sink = Arc::new(of_the_sdk(&taker));
    taker.close().await;
    let registry = Registry::default();
    let (batch, queue) = (BatchSettings::default(), QueueSettings::default());
    let pipeline = Pipeline::start(sink, batch, queue, &registry);
    let resource = Arc::new(Resource::new(Vec::new()));
    for id in 1..=10 {
        assert!(pipeline.producer().push(&resource, super::shop::span(id)));
    }
    assert_eq!(pipeline.shutdown(LONG).await.dropped, 10);
    let mut samples = registry
        .snapshot()
        .into_iter()
        .map(|sample| sample.to_string());
    let expected = "lanewire.exporter.spans.dropped{reason=exporter_failed}=10";
    assert!(samples.any(|sample| sample == expected));
}
