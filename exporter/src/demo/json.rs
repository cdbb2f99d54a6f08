//! Spans as OTLP JSON: one `ExportTraceServiceRequest`, ids in hex, 64-bit numbers as text
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>).

use std::collections::BTreeMap;
use std::io::{self, Write};

use lanewire_mapping::span::{Span, SpanKind, Status, ValueRef};
use serde_json::{Value as Json, json};

use super::ResolvedSpan;

/// Writes the request on one line.
pub(super) fn write(out: &mut impl Write, spans: &[ResolvedSpan]) -> io::Result<()> {
    writeln!(out, "{}", request(spans))
}

fn request(spans: &[ResolvedSpan]) -> Json {
    let mut services: BTreeMap<&str, Vec<Json>> = BTreeMap::new();
    for resolved in spans {
        services
            .entry(&resolved.service)
            .or_default()
            .push(span(&resolved.span));
    }
    let resources: Vec<Json> = services
        .into_iter()
        .map(|(service, spans)| {
            json!({
                "resource": {
                    "attributes": [{"key": "service.name", "value": {"stringValue": service}}]
                },
                "scopeSpans": [{
                    "scope": {"name": "lanewire", "version": env!("CARGO_PKG_VERSION")},
                    "spans": spans,
                }],
            })
        })
        .collect();
    json!({ "resourceSpans": resources })
}

fn span(span: &Span) -> Json {
    let attributes: Vec<Json> = span
        .attributes
        .iter()
        .map(|(key, attribute)| json!({"key": key, "value": value(attribute)}))
        .collect();
    let links: Vec<Json> = span
        .links
        .iter()
        .map(|link| {
            json!({"traceId": link.trace_id.to_string(), "spanId": link.span_id.to_string()})
        })
        .collect();
    let status = match &span.status {
        Status::Unset => json!({}),
        Status::Error(message) => json!({"code": 2, "message": message.as_str()}),
    };
    json!({
        "traceId": span.trace_id.to_string(),
        "spanId": span.span_id.to_string(),
        // A root has an empty parent, not zeros.
        "parentSpanId": span.parent.map(|id| id.to_string()).unwrap_or_default(),
        "flags": span.flags,
        "traceState": span.trace_state.as_str(),
        "kind": match span.kind { SpanKind::Server => 2, SpanKind::Client => 3 },
        "name": span.name.as_str(),
        "startTimeUnixNano": span.start_unix_nano.to_string(),
        "endTimeUnixNano": span.end_unix_nano.to_string(),
        "attributes": attributes,
        "links": links,
        "status": status,
    })
}

fn value(value: ValueRef<'_>) -> Json {
    match value {
        ValueRef::Str(text) => json!({"stringValue": text}),
        ValueRef::Int(number) => json!({"intValue": number.to_string()}),
        ValueRef::Bool(truth) => json!({"boolValue": truth}),
        ValueRef::StrArray(texts) => {
            let values: Vec<Json> = texts
                .iter()
                .map(|text| json!({"stringValue": text}))
                .collect();
            json!({"arrayValue": {"values": values}})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chain::tests::whole;
    use super::*;

    #[test]
    fn each_service_has_one_resource_with_its_spans() {
        let request = request(&whole(1));
        let resources = request["resourceSpans"].as_array().unwrap();
        assert_eq!(resources.len(), 6);
        let client = &resources[0];
        assert_eq!(
            client["resource"]["attributes"][0]["value"]["stringValue"],
            "client"
        );
        let span = &client["scopeSpans"][0]["spans"][0];
        assert_eq!(span["traceId"], "01010101010101010101010101010101");
        assert_eq!(span["spanId"], "0101010101010101");
        assert_eq!(
            (&span["parentSpanId"], &span["kind"]),
            (&json!(""), &json!(3))
        );
        assert_eq!(span["endTimeUnixNano"], "1001001");
    }

    #[test]
    fn values_keep_their_types() {
        assert_eq!(value(ValueRef::Int(5)), json!({"intValue": "5"}));
        assert_eq!(value(ValueRef::Bool(true)), json!({"boolValue": true}));
        assert_eq!(
            value((&["a".into()][..]).into()),
            json!({"arrayValue": {"values": [{"stringValue": "a"}]}})
        );
    }
}
