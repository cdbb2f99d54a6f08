//! What the propagators of the OpenTelemetry SDK write we read, and the reverse.

use std::collections::HashMap;

use lanewire_mapping::propagation::*;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TraceState as OtelTraceState};
use opentelemetry::{KeyValue, propagation::Extractor};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn one(name: &str, value: &str) -> HashMap<String, String> {
    HashMap::from([(name.to_owned(), value.to_owned())])
}

#[test]
fn each_reads_the_other_s_traceparent() {
    let ours: TraceContext = PARENT.parse().expect("legal");
    let theirs = TraceContextPropagator::new().extract(&one("traceparent", &ours.to_string()));
    let read = theirs.span().span_context().clone();
    assert_eq!(TraceContext::from_span_context(&read), Some(ours));

    let state = OtelTraceState::from_key_value([("a", "1")]).expect("legal");
    let cx = Context::new().with_remote_span_context(ours.to_span_context(state));
    let mut out = HashMap::new();
    TraceContextPropagator::new().inject_context(&cx, &mut out);
    let lines = out.iter().map(|(n, v)| (n.as_str(), v.as_bytes()));
    let extracted = AutoPropagation::default().extract_http(lines);
    assert_eq!(extracted.trace, Some(ours));
    assert_eq!(extracted.trace_state.get("a"), Some("1"));
}

#[test]
fn each_reads_the_other_s_baggage() {
    let value = "gray, 50% a=b;ü";
    let cx = Context::new().with_baggage([KeyValue::new("x-lane-code", value)]);
    let mut out = HashMap::new();
    BaggagePropagator::new().inject_context(&cx, &mut out);
    // The SDK leaves `%` as it is, which is nobody's to read but as a literal.
    let cx = W3cBaggagePropagator::default().extract(&out);
    let request = RequestContext::of(&cx).expect("there is a lane");
    let cargo = request.cargo("x-lane-code").expect("there is a lane");
    assert_eq!(cargo.first_value(), Some(value));

    let mut back = HashMap::new();
    W3cBaggagePropagator::default().inject_context(&cx, &mut back);
    let theirs = BaggagePropagator::new().extract(&back);
    let got = theirs
        .baggage()
        .get("x-lane-code")
        .map(|v| v.as_str().to_owned());
    assert_eq!(got.as_deref(), Some(value));
}

#[test]
fn beside_the_sdk_s_propagator_foreign_baggage_goes_on() {
    let both = TextMapCompositePropagator::new(vec![
        Box::new(BaggagePropagator::new()),
        Box::new(W3cBaggagePropagator::default()),
    ]);
    let cx = both.extract(&one("baggage", "other=1;p,x-lane-code=gray"));
    let mut out = HashMap::new();
    both.inject_context(&cx, &mut out);
    assert_eq!(
        Extractor::get(&out, "baggage"),
        Some("other=1;p,x-lane-code=gray")
    );
}

#[test]
fn a_live_header_read_by_auto_goes_on_as_baggage_and_as_itself_by_live() {
    let auto = AutoPropagator::new(&PropagationConfig {
        auto_detect: AutoDetect::First,
        ..PropagationConfig::default()
    })
    .expect("the default keys are legal");
    let cx = auto.extract(&one("x-lane-code", "gray"));
    let (mut baggage, mut live) = (HashMap::new(), HashMap::new());
    auto.inject_context(&cx, &mut baggage);
    LivePropagator::default().inject_context(&cx, &mut live);
    assert_eq!(baggage, one("baggage", "x-lane-code=gray"));
    assert_eq!(live, one("x-lane-code", "gray"));
}

#[test]
fn without_an_allowed_key_the_context_stays_as_it_was() {
    let cx = W3cBaggagePropagator::default().extract(&one("baggage", "other=1"));
    assert!(RequestContext::of(&cx).is_none());
}
