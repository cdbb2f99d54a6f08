//! W3C Trace Context, level 2, as an OpenTelemetry propagator.

use std::sync::LazyLock;

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TraceState as OtelTraceState};

use super::trace_context::{TRACEPARENT, TraceContext};
use super::trace_state::{MAX_MEMBERS, TRACESTATE, TraceState};

static FIELDS: LazyLock<[String; 2]> =
    LazyLock::new(|| [TRACEPARENT, TRACESTATE].map(str::to_owned));

/// Reads and writes `traceparent` and `tracestate` as level 2 has them.
///
/// It takes the place of the SDK's propagator of the same name, which knows level 1: it keeps the
/// random flag, holds version 00 to its 55 characters, refuses a request with several
/// `traceparent` headers, joins several `tracestate` headers, and passes every legal `tracestate`
/// on as it came, also where OpenTelemetry's own type cannot hold it.
///
/// ```
/// use std::collections::HashMap;
/// use lanewire_mapping::propagation::TraceContextPropagator;
/// use opentelemetry::propagation::TextMapPropagator;
///
/// let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03";
/// let incoming = HashMap::from([
///     ("traceparent".to_string(), parent.to_string()),
///     ("tracestate".to_string(), "tenant@a@b=1".to_string()),
/// ]);
/// let propagator = TraceContextPropagator::new();
/// let context = propagator.extract(&incoming);
///
/// let mut outgoing = HashMap::new();
/// propagator.inject_context(&context, &mut outgoing);
/// assert_eq!(outgoing, incoming);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceContextPropagator(());

/// What came with a request and may be lost between: the SDK clears the flags of spans that it does
/// not record, and its type cannot hold every legal `tracestate`.
struct Received {
    trace: TraceContext,
    state: TraceState,
    /// Its members that OpenTelemetry's type can hold.
    held: OtelTraceState,
}

impl Received {
    fn new(trace: TraceContext, state: TraceState) -> Self {
        let holds = |member: &(&str, &str)| OtelTraceState::from_key_value([*member]).is_ok();
        let held = OtelTraceState::from_key_value(state.members().filter(holds));
        Self {
            held: held.unwrap_or_default(),
            trace,
            state,
        }
    }

    /// The `tracestate` to send where the span has this one: as it came if nobody changed it, and
    /// else with the members that could not be held behind the others.
    fn passed_on(&self, now: &OtelTraceState) -> String {
        if self.held == *now {
            return self.state.to_string();
        }
        let kept = self.state.members();
        let kept = kept.filter(|(key, _)| self.held.get(key).is_none() && now.get(key).is_none());
        let all = now.into_iter().chain(kept).take(MAX_MEMBERS);
        let all: Vec<String> = all.map(|(key, value)| format!("{key}={value}")).collect();
        all.join(",")
    }
}

impl TraceContextPropagator {
    /// The propagator; it has nothing to be configured.
    pub fn new() -> Self {
        Self(())
    }
}

impl TextMapPropagator for TraceContextPropagator {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        let span = cx.span();
        let span = span.span_context();
        let Some(context) = TraceContext::from_span_context(span) else {
            return;
        };
        let received = cx.get::<Received>();
        let received = received.filter(|received| received.trace.trace_id() == context.trace_id());
        let context = match received {
            // The flag is about the trace id, which is the same.
            Some(received) if received.trace.is_random() => context.with_random(),
            _ => context,
        };
        injector.set(TRACEPARENT, context.to_string());
        let state = match received {
            Some(received) => received.passed_on(span.trace_state()),
            None => span.trace_state().header(),
        };
        // An empty one need not be sent (level 2, section 3.3.1.1).
        if !state.is_empty() {
            injector.set(TRACESTATE, state);
        }
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        let parents = lines(extractor, TRACEPARENT);
        let Ok(Some(context)) = TraceContext::from_headers(parents) else {
            return cx.clone();
        };
        let state = TraceState::from_headers(lines(extractor, TRACESTATE)).unwrap_or_default();
        let received = Received::new(context, state);
        let span = context.to_span_context(received.held.clone());
        cx.with_value(received).with_remote_span_context(span)
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(FIELDS.as_slice())
    }
}

/// Every line of a header, whatever the case of its name.
fn lines<'e>(extractor: &'e dyn Extractor, name: &str) -> Vec<&'e str> {
    let mut names = extractor.keys();
    names.retain(|key| key.eq_ignore_ascii_case(name));
    // Some extractors name a header once for each of its lines.
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .flat_map(|key| extractor.get_all(key).unwrap_or_default())
        .collect()
}
