//! Requests that are served outside their lane or unit.

use std::borrow::Cow;

use lanewire_mapping::propagation::bracket;
use lanewire_mapping::span::{Key, Span, SpanKind, Value};

use crate::telemetry::{BoundedCounter, Registry};

/// What a request can escape from.
struct Boundary {
    /// The key of the lane or unit.
    key: &'static str,
    /// The key of the space within which its names are unique.
    space: &'static str,
    /// The attribute of a span whose request has escaped.
    escape: &'static str,
}

const LANE: Boundary = Boundary {
    key: "x-lane-code",
    space: "x-lane-space-id",
    escape: "lanewire.lane.escape",
};
const UNIT: Boundary = Boundary {
    key: "x-live-unit",
    space: "x-live-space-id",
    escape: "lanewire.unit.escape",
};

/// Where a request belongs, and where it was served.
#[derive(Debug, PartialEq, Eq)]
struct Escape<'a> {
    from: Cow<'a, str>,
    to: Cow<'a, str>,
}

impl Boundary {
    /// Compares what a request is tagged with and where its server is placed. Only where both are
    /// known is there anything to escape from and to.
    fn escape<'a>(
        &self,
        request: &'a [(Key, Value)],
        server: &'a [(Key, Value)],
    ) -> Option<Escape<'a>> {
        let tagged = values(request, self.key)?;
        let placed = text(server, self.key)?;
        let spaces = values(request, self.space).zip(text(server, self.space));
        let spaces = spaces.filter(|(tagged, placed)| !has(tagged, placed));
        if spaces.is_none() && has(tagged, placed) {
            return None;
        }
        Some(match spaces {
            // Lanes of the same name in two spaces are two lanes.
            Some((from, to)) => Escape {
                from: format!("{}/{}", joined(from), joined(tagged)).into(),
                to: format!("{to}/{placed}").into(),
            },
            None => Escape {
                from: joined(tagged),
                to: placed.into(),
            },
        })
    }
}

/// The values of a key; `None` where there is none.
fn values<'a>(attributes: &'a [(Key, Value)], key: &str) -> Option<&'a Value> {
    let (_, value) = attributes.iter().find(|(other, _)| other == key)?;
    match value {
        Value::Str(text) => !text.is_empty(),
        Value::StrArray(texts) => !texts.is_empty(),
        Value::Int(_) | Value::Bool(_) => false,
    }
    .then_some(value)
}

fn text<'a>(attributes: &'a [(Key, Value)], key: &str) -> Option<&'a str> {
    match values(attributes, key)? {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

/// A request with several values may be served by any of them.
fn has(tagged: &Value, placed: &str) -> bool {
    match tagged {
        Value::Str(text) => text == placed,
        Value::StrArray(texts) => texts.iter().any(|text| text == placed),
        Value::Int(_) | Value::Bool(_) => false,
    }
}

/// The values as a header has them.
fn joined(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Str(text) => Cow::Borrowed(text),
        Value::StrArray(texts) => bracket::join(texts).into(),
        Value::Int(_) | Value::Bool(_) => Cow::Borrowed(""),
    }
}

/// Marks the spans of requests that have escaped, and counts them.
#[derive(Debug)]
pub struct Escapes {
    lanes: BoundedCounter<3>,
    units: BoundedCounter<3>,
}

impl Escapes {
    /// Counts in `registry`: `lanewire.lane.escapes` and `lanewire.unit.escapes`.
    pub fn new(registry: &Registry) -> Escapes {
        let counter = |name, description| {
            let labels = ["service", "from", "to"];
            BoundedCounter::new(registry, name, "{request}", description, labels)
        };
        Escapes {
            lanes: counter(
                "lanewire.lane.escapes",
                "Requests of one lane that were served by another",
            ),
            units: counter(
                "lanewire.unit.escapes",
                "Requests of one unit that were served by another",
            ),
        }
    }

    /// Looks at a span and the resource of the process that it was seen in. Only a server serves.
    pub fn mark(&mut self, span: &mut Span, resource: &[(Key, Value)]) {
        if span.kind != SpanKind::Server {
            return;
        }
        let found = [(&LANE, &mut self.lanes), (&UNIT, &mut self.units)];
        let found = found.map(|(boundary, counter)| {
            let escape = boundary.escape(&span.attributes, resource)?;
            let service = text(resource, "service.name").unwrap_or_default();
            counter.add(1, [service, &escape.from, &escape.to]);
            Some(boundary.escape)
        });
        for attribute in found.into_iter().flatten() {
            span.attributes.push((attribute.into(), Value::Bool(true)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::{SpanId, TraceId};

    fn attributes(pairs: &[(&'static str, &str)]) -> Vec<(Key, Value)> {
        let value = |text: &str| match bracket::parse(text) {
            several if several.len() > 1 => Value::StrArray(several),
            _ => Value::Str(text.to_owned().into()),
        };
        let pairs = pairs.iter().map(|(key, text)| ((*key).into(), value(text)));
        pairs.collect()
    }

    /// `from` and `to`, where a request of this lane and lane space has escaped.
    fn lane(request: [&str; 2], server: [&str; 2]) -> Option<(String, String)> {
        let both = |[code, space]: [&str; 2]| {
            attributes(&[("x-lane-code", code), ("x-lane-space-id", space)])
        };
        let (request, server) = (both(request), both(server));
        let escape = LANE.escape(&request, &server)?;
        Some((escape.from.into(), escape.to.into()))
    }

    fn from_to(from: &str, to: &str) -> Option<(String, String)> {
        Some((from.into(), to.into()))
    }

    #[test]
    fn a_request_that_another_lane_serves_has_escaped() {
        assert_eq!(lane(["gray", ""], ["blue", ""]), from_to("gray", "blue"));
        assert_eq!(lane(["gray", ""], ["gray", ""]), None);
    }

    #[test]
    fn nothing_escapes_from_no_lane_or_to_no_lane() {
        assert_eq!(lane(["", ""], ["blue", ""]), None);
        assert_eq!(lane(["gray", ""], ["", ""]), None);
        assert_eq!(lane(["", "1"], ["", "2"]), None);
        assert_eq!(LANE.escape(&[], &[]), None);
    }

    #[test]
    fn lanes_of_one_name_in_two_spaces_are_two() {
        let other = lane(["gray", "1"], ["gray", "2"]);
        assert_eq!(other, from_to("1/gray", "2/gray"));
        assert_eq!(lane(["gray", "1"], ["gray", "1"]), None);
        assert_eq!(lane(["gray", "1"], ["gray", ""]), None);
        assert_eq!(lane(["gray", ""], ["gray", "2"]), None);
    }

    #[test]
    fn any_of_several_values_will_do() {
        assert_eq!(lane(["[gray|blue]", ""], ["blue", ""]), None);
        let other = lane(["[gray|blue]", ""], ["red", ""]);
        assert_eq!(other, from_to("[gray|blue]", "red"));
        assert_eq!(lane(["gray", "[1|2]"], ["gray", "2"]), None);
    }

    #[test]
    fn a_unit_is_escaped_from_like_a_lane_and_a_cell_is_inside_one() {
        let request = attributes(&[("x-live-unit", "u1"), ("x-live-cell", "c1")]);
        let other_cell = attributes(&[("x-live-unit", "u1"), ("x-live-cell", "c2")]);
        assert_eq!(UNIT.escape(&request, &other_cell), None);
        let other_unit = attributes(&[("x-live-unit", "u2"), ("x-live-cell", "c1")]);
        assert!(UNIT.escape(&request, &other_unit).is_some());
    }

    fn span(kind: SpanKind, pairs: &[(&'static str, &str)]) -> Span {
        Span {
            trace_id: TraceId::from(1),
            span_id: SpanId::from(1),
            parent: None,
            flags: 0,
            trace_state: String::new(),
            kind,
            name: "GET".into(),
            start_unix_nano: 0,
            end_unix_nano: 0,
            attributes: attributes(pairs),
            links: Vec::new(),
            status: lanewire_mapping::span::Status::Unset,
            pid: 1,
            service: None,
        }
    }

    #[test]
    fn a_span_is_marked_and_counted_for_what_it_escaped_from() {
        let registry = Registry::default();
        let mut escapes = Escapes::new(&registry);
        let resource = attributes(&[
            ("service.name", "shop"),
            ("x-lane-code", "blue"),
            ("x-live-unit", "u1"),
        ]);
        let mut both = |tags| {
            let mut span = span(SpanKind::Server, tags);
            escapes.mark(&mut span, &resource);
            let marked = |key: &str| {
                span.attributes
                    .contains(&(key.to_owned().into(), Value::Bool(true)))
            };
            [marked(LANE.escape), marked(UNIT.escape)]
        };
        let gray = [("x-lane-code", "gray"), ("x-live-unit", "u1")];
        assert_eq!(both(&gray), [true, false]);
        assert_eq!(both(&gray), [true, false]);
        assert_eq!(both(&[("x-live-unit", "u2")]), [false, true]);
        assert_eq!(both(&[("x-lane-code", "blue")]), [false, false]);
        let counted: Vec<String> = registry.snapshot().iter().map(|s| s.to_string()).collect();
        assert_eq!(
            counted,
            [
                "lanewire.lane.escapes{from=gray,service=shop,to=blue}=2",
                "lanewire.unit.escapes{from=u2,service=shop,to=u1}=1"
            ]
        );
    }

    #[test]
    fn a_caller_serves_nobody() {
        let mut span = span(SpanKind::Client, &[("x-lane-code", "gray")]);
        let before = span.clone();
        let blue = attributes(&[("x-lane-code", "blue")]);
        Escapes::new(&Registry::default()).mark(&mut span, &blue);
        assert_eq!(span, before);
    }
}
