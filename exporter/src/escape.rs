//! Requests that are served outside their lane or unit.

use std::borrow::Cow;

use lanewire_mapping::propagation::bracket;
use lanewire_mapping::span::{Attributes, Key, Span, SpanKind, Text, Value, ValueRef};

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

/// Where a server is placed, as far as requests can escape from there.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    service: Text,
    lane: Option<Placed>,
    unit: Option<Placed>,
}

/// The name of a lane or unit, and of its space if it has one.
#[derive(Debug, PartialEq, Eq)]
struct Placed {
    name: Text,
    space: Option<Text>,
}

impl Place {
    /// What the attributes of a server's resource say. `None` if it is in no lane and in no unit.
    pub fn of(resource: &[(Key, Value)]) -> Option<Self> {
        let (lane, unit) = (LANE.placed(resource), UNIT.placed(resource));
        (lane.is_some() || unit.is_some()).then(|| Self {
            service: text(resource, "service.name").cloned().unwrap_or_default(),
            lane,
            unit,
        })
    }
}

impl Boundary {
    fn placed(&self, server: &[(Key, Value)]) -> Option<Placed> {
        Some(Placed {
            name: text(server, self.key)?.clone(),
            space: text(server, self.space).cloned(),
        })
    }

    /// Compares what a request is tagged with and where its server is placed. Only where both are
    /// known is there anything to escape from and to.
    fn escape<'a>(
        &self,
        request: &'a Attributes,
        server: Option<&'a Placed>,
    ) -> Option<Escape<'a>> {
        let Placed { name, space } = server?;
        let tagged = values(request, self.key)?;
        let spaces = space.as_ref().and_then(|space| {
            let tagged = values(request, self.space)?;
            (!has(tagged, space)).then_some((tagged, space))
        });
        if spaces.is_none() && has(tagged, name) {
            return None;
        }
        Some(match spaces {
            // Lanes of the same name in two spaces are two lanes.
            Some((from, to)) => Escape {
                from: format!("{}/{}", joined(from), joined(tagged)).into(),
                to: format!("{to}/{name}").into(),
            },
            None => Escape {
                from: joined(tagged),
                to: name.as_str().into(),
            },
        })
    }
}

/// A text that is not empty.
fn text<'a>(server: &'a [(Key, Value)], key: &str) -> Option<&'a Text> {
    match server.iter().find(|(other, _)| other == key)? {
        (_, Value::Str(text)) => Some(text).filter(|text| !text.is_empty()),
        _ => None,
    }
}

/// The values of a key; `None` where there is none.
fn values<'a>(request: &'a Attributes, key: &str) -> Option<ValueRef<'a>> {
    request.get(key).filter(|value| match value {
        ValueRef::Str(text) => !text.is_empty(),
        ValueRef::StrArray(texts) => texts.iter().next().is_some(),
        ValueRef::Int(_) | ValueRef::Bool(_) => false,
    })
}

/// A request with several values may be served by any of them.
fn has(tagged: ValueRef<'_>, placed: &Text) -> bool {
    match tagged {
        ValueRef::Str(text) => placed == text,
        ValueRef::StrArray(texts) => texts.iter().any(|text| placed == text),
        ValueRef::Int(_) | ValueRef::Bool(_) => false,
    }
}

/// The values as a header has them.
fn joined(value: ValueRef<'_>) -> Cow<'_, str> {
    match value {
        ValueRef::Str(text) => Cow::Borrowed(text),
        ValueRef::StrArray(texts) => bracket::join(&texts.iter().collect::<Vec<_>>()).into(),
        ValueRef::Int(_) | ValueRef::Bool(_) => Cow::Borrowed(""),
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

    /// Looks at a span and the place of the process that it was seen in. Only a server serves.
    pub fn mark(&mut self, span: &mut Span, place: &Place) {
        if span.kind != SpanKind::Server {
            return;
        }
        let Place {
            service,
            lane,
            unit,
        } = place;
        let found = [
            (&LANE, lane, &mut self.lanes),
            (&UNIT, unit, &mut self.units),
        ];
        let found = found.map(|(boundary, placed, counter)| {
            let escape = boundary.escape(&span.attributes, placed.as_ref())?;
            counter.add(1, [service, &escape.from, &escape.to]);
            Some(boundary.escape)
        });
        for attribute in found.into_iter().flatten() {
            span.attributes.push(attribute, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::{SpanId, TraceId};

    fn attributes(pairs: &[(&'static str, &str)]) -> Vec<(Key, Value)> {
        let value = |text: &str| match bracket::parse(text) {
            several if several.len() > 1 => {
                Value::StrArray(several.into_iter().map(Text::from).collect())
            }
            _ => Value::Str(Text::copied(text)),
        };
        let pairs = pairs.iter().map(|(key, text)| ((*key).into(), value(text)));
        pairs.collect()
    }

    /// `from` and `to`, where a request of this lane and lane space has escaped.
    fn lane(request: [&str; 2], server: [&str; 2]) -> Option<(String, String)> {
        let both = |[code, space]: [&str; 2]| {
            attributes(&[("x-lane-code", code), ("x-lane-space-id", space)])
        };
        let request = both(request).into_iter().collect();
        let placed = LANE.placed(&both(server));
        let escape = LANE.escape(&request, placed.as_ref())?;
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
        assert_eq!(Place::of(&[]), None);
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
        let request = request.into_iter().collect();
        let other_cell = attributes(&[("x-live-unit", "u1"), ("x-live-cell", "c2")]);
        let escape = |server: &[_]| {
            UNIT.escape(&request, UNIT.placed(server).as_ref())
                .is_some()
        };
        assert!(!escape(&other_cell));
        let other_unit = attributes(&[("x-live-unit", "u2"), ("x-live-cell", "c1")]);
        assert!(escape(&other_unit));
    }

    fn span(kind: SpanKind, pairs: &[(&'static str, &str)]) -> Span {
        Span {
            trace_id: TraceId::from(1),
            span_id: SpanId::from(1),
            parent: None,
            flags: 0,
            trace_state: Text::EMPTY,
            kind,
            name: "GET".into(),
            start_unix_nano: 0,
            end_unix_nano: 0,
            attributes: attributes(pairs).into_iter().collect(),
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
            escapes.mark(&mut span, &Place::of(&resource).unwrap());
            let marked = |key: &str| span.attributes.get(key) == Some(ValueRef::Bool(true));
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
        Escapes::new(&Registry::default()).mark(&mut span, &Place::of(&blue).unwrap());
        assert_eq!(span, before);
    }
}
