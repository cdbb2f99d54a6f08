//! What the propagators of the OpenTelemetry SDK write we read, and the reverse.

use std::collections::{BTreeMap, HashMap};

use lanewire_mapping::propagation::{
    AutoDetect, AutoPropagation, AutoPropagator, Cargo, Carrier, Label, LivePropagator,
    PropagationConfig, RequestContext, TraceContext, W3cBaggagePropagator,
};
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::trace::{
    SpanContext, TraceContextExt, TraceFlags, TraceState as OtelTraceState,
};
use opentelemetry::{KeyValue, propagation::Extractor};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use proptest::prelude::*;

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

/// Ids that are not zero, flags of level 1, and members that both sides take for legal.
fn span_contexts() -> impl Strategy<Value = SpanContext> {
    let members = prop::collection::btree_map("[a-z][a-z0-9_*/-]{0,9}", "[!-+\\--<>-~]{1,9}", 0..9);
    let ids = (1..=u128::MAX, 1..=u64::MAX, 0..2_u8);
    (ids, members).prop_map(|((trace, span, flags), members)| {
        let state = OtelTraceState::from_key_value(members).expect("the members are legal");
        let flags = TraceFlags::new(flags);
        SpanContext::new(trace.into(), span.into(), flags, true, state)
    })
}

/// What the SDK can say: it writes `%` as it is, and takes white space at the ends away.
fn value() -> impl Strategy<Value = String> {
    r"[^%\[\]\p{C}]{1,20}".prop_filter("ends are trimmed", |v| v.trim() == v)
}

fn entries(key: &'static str) -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map(key, value(), 0..6)
}

fn in_baggage(cx: &Context) -> BTreeMap<String, String> {
    let baggage = cx.baggage().iter();
    baggage
        .map(|(key, (value, _))| (key.to_string(), value.to_string()))
        .collect()
}

fn in_carrier(cx: &Context) -> BTreeMap<String, String> {
    let carrier = RequestContext::of(cx).map(|request| request.with_carrier(Carrier::clone));
    carrier
        .unwrap_or_default()
        .iter()
        .map(|cargo| (cargo.key().to_owned(), cargo.value()))
        .collect()
}

/// What arrives when one propagator writes and another reads.
fn passed(cx: &Context, from: &dyn TextMapPropagator, to: &dyn TextMapPropagator) -> Context {
    let mut headers = HashMap::new();
    from.inject_context(cx, &mut headers);
    to.extract_with_context(&Context::new(), &headers)
}

proptest! {
    #[test]
    fn any_trace_context_passes_in_both_directions(sent in span_contexts()) {
        let ours = lanewire_mapping::propagation::TraceContextPropagator::new();
        let theirs = TraceContextPropagator::new();
        let cx = Context::new().with_remote_span_context(sent.clone());
        let pairs: [(&dyn TextMapPropagator, &dyn TextMapPropagator); 3] =
            [(&theirs, &ours), (&ours, &theirs), (&ours, &ours)];
        for (from, to) in pairs {
            let received = passed(&cx, from, to);
            let span = received.span();
            prop_assert_eq!(span.span_context(), &sent);
        }
    }

    #[test]
    fn any_baggage_of_theirs_is_read_and_the_rest_goes_on(
        own in entries("x-(live|lane|service)-[a-z0-9]{1,6}"),
        foreign in entries("[a-w][a-zA-Z0-9_-]{0,6}"),
    ) {
        let baggage = own.iter().chain(&foreign);
        let baggage = baggage.map(|(k, v)| KeyValue::new(k.clone(), v.clone()));
        let cx = Context::new().with_baggage(baggage);
        let received = passed(&cx, &BaggagePropagator::new(), &W3cBaggagePropagator::default());
        prop_assert_eq!(in_carrier(&received), own.clone());

        let both = || TextMapCompositePropagator::new(vec![
            Box::new(BaggagePropagator::new()),
            Box::new(W3cBaggagePropagator::default()),
        ]);
        let received = passed(&cx, &BaggagePropagator::new(), &both());
        let next = passed(&received, &both(), &both());
        let all: BTreeMap<_, _> = own.clone().into_iter().chain(foreign).collect();
        prop_assert_eq!(in_baggage(&next), all);
        prop_assert_eq!(in_carrier(&next), own);
    }

    #[test]
    fn any_carrier_of_ours_is_baggage_to_them(
        own in entries("x-(live|lane|service)-[a-z0-9]{1,6}"),
        cells in prop::collection::vec("[a-z0-9é %]{1,8}", 0..4),
    ) {
        let mut carrier: Carrier = own
            .into_iter()
            .map(|(key, value)| Cargo::with_values(key, [value]))
            .collect();
        let cells = cells.iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty());
        carrier.set_cargo(Cargo::with_values("x-live-cells", cells));
        let sent: BTreeMap<String, String> =
            carrier.iter().map(|cargo| (cargo.key().to_owned(), cargo.value())).collect();
        let cx = RequestContext::new(carrier).in_context(&Context::new());
        let received = passed(&cx, &W3cBaggagePropagator::default(), &BaggagePropagator::new());
        prop_assert_eq!(in_baggage(&received), sent);
    }
}
