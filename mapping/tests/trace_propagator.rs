//! The propagator of the trace context: what goes in comes out, but for the span.

use http::{HeaderMap, HeaderName, HeaderValue};
use lanewire_mapping::propagation::{RANDOM, SAMPLED, TraceContextPropagator};
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn parent(flags: u8) -> String {
    format!("00-{TRACE}-00f067aa0ba902b7-{flags:02x}")
}

fn extracted(lines: &[(&str, &str)]) -> Context {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().expect("it is a token");
        headers.append(name, HeaderValue::from_str(value).expect("it is a value"));
    }
    TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(&headers))
}

fn injected(cx: &Context) -> (Option<String>, Option<String>) {
    let mut headers = HeaderMap::new();
    TraceContextPropagator::new().inject_context(cx, &mut HeaderInjector(&mut headers));
    let get = |name| Some(headers.get(name)?.to_str().ok()?.to_owned());
    (get("traceparent"), get("tracestate"))
}

/// A child as the SDK makes it: what it does not record loses its flags.
fn child(cx: &Context, state: TraceState) -> Context {
    let trace = cx.span().span_context().trace_id();
    let span = SpanContext::new(trace, 7.into(), TraceFlags::default(), false, state);
    cx.with_remote_span_context(span)
}

#[test]
fn an_unrecorded_child_keeps_the_random_flag_and_not_the_sampled_one() {
    let cx = extracted(&[("traceparent", &parent(SAMPLED | RANDOM))]);
    let state = cx.span().span_context().trace_state().clone();
    let (traceparent, tracestate) = injected(&child(&cx, state));
    let expected = format!("00-{TRACE}-0000000000000007-02");
    assert_eq!((traceparent, tracestate), (Some(expected), None));
}

#[test]
fn another_trace_in_the_same_context_has_its_own_flags_and_state() {
    let cx = extracted(&[("traceparent", &parent(RANDOM)), ("tracestate", "a=1")]);
    let span = SpanContext::new(
        1.into(),
        7.into(),
        TraceFlags::SAMPLED,
        false,
        TraceState::default(),
    );
    let (traceparent, tracestate) = injected(&cx.with_remote_span_context(span));
    let expected = format!("00-{:032x}-0000000000000007-01", 1);
    assert_eq!((traceparent, tracestate), (Some(expected), None));
}

#[test]
fn members_go_on_as_they_came_unless_somebody_changed_them() {
    let member = format!("t@{}=1", "v".repeat(15));
    let cx = extracted(&[
        ("traceparent", &parent(SAMPLED)),
        ("tracestate", "a=1"),
        ("tracestate", &member),
    ]);
    let state = cx.span().span_context().trace_state().clone();
    let (_, tracestate) = injected(&child(&cx, state.clone()));
    assert_eq!(tracestate, Some(format!("a=1,{member}")));

    let changed = state.insert("b", "2").expect("it is legal");
    let (_, tracestate) = injected(&child(&cx, changed));
    assert_eq!(tracestate, Some(format!("b=2,a=1,{member}")));
}

#[test]
fn a_request_that_cannot_be_followed_leaves_the_context_as_it_was() {
    let two = parent(SAMPLED);
    for lines in [
        &[("traceparent", two.as_str()), ("traceparent", two.as_str())][..],
        &[("traceparent", "00-0-0-00")],
        &[("tracestate", "a=1")],
        &[],
    ] {
        let cx = extracted(lines);
        assert!(!cx.span().span_context().is_valid(), "{lines:?}");
        assert_eq!(injected(&cx), (None, None));
    }
}
