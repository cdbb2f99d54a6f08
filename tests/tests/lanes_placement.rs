//! Where processes belong, and requests that are served elsewhere.

use lanewire_tests::backends::Jaeger;
use lanewire_tests::lab::Lab;
use lanewire_tests::spans::{Kind, Span};
use lanewire_tests::wait;
use serde_json::{Value, json};

const HOSTS: &[&str] = &["client", "blue", "gray", "cell", "nowhere"];
const ESCAPES: [&str; 2] = ["lanewire.lane.escape", "lanewire.unit.escape"];

/// Lanes come as headers of their own; `cell` is placed by its port, as a server has to be that
/// writes its title over its environment.
fn configuration(host: &str) -> String {
    let rules = match host {
        "cell" => {
            "placement:\n  rules:\n\
             \x20   - match: {port: 8000}\n\
             \x20     values: {x-lane-code: gray, x-live-unit: unit1, x-live-cell: cell1}\n"
        }
        _ => "",
    };
    // The configuration that this follows ends within `transmission`.
    format!("      autoDetect: FIRST\ntelemetry: {{metrics: {{interval: 1s}}}}\n{rules}")
}

fn resource<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    span.resource.get(key).and_then(Value::as_str)
}

fn escapes(span: &Span) -> [bool; 2] {
    ESCAPES.map(|key| match span.attributes.get(key) {
        None => false,
        Some(value) => {
            assert_eq!(value, &json!(true), "{key} of {span:#?}");
            true
        }
    })
}

/// The tag search that the README gives.
fn found_in_jaeger(jaeger: &Jaeger) {
    let search = |service: &str| {
        let tags = "%7B%22lanewire.lane.escape%22%3A%22true%22%7D";
        let traces = jaeger.get(&format!(
            "/api/traces?service={service}&tags={tags}&limit=20"
        ));
        traces.map(|traces| traces.as_array().map_or(0, Vec::len))
    };
    wait::until("the escape in Jaeger", || {
        Ok((search("blue")? == 1).then_some(()))
    })
    .unwrap();
    assert_eq!(search("gray").unwrap(), 0);
}

#[test]
fn a_request_that_another_lane_serves_is_marked_and_counted() {
    let test = "a_request_that_another_lane_serves_is_marked_and_counted";
    let Some(lab) = Lab::start_with(test, HOSTS, configuration).unwrap() else {
        return;
    };
    let jaeger = lab.jaeger(test).unwrap();
    let named = |host: &'static str| ("OTEL_SERVICE_NAME", host);
    let serve = |host, lane: &[_]| {
        let environment = [&[named(host)], lane].concat();
        lab.serve_with(host, "server.py", &[], &environment)
            .unwrap()
    };
    let _servers = [
        serve("blue", &[("X_LANE_CODE", "blue"), ("X_LIVE_UNIT", "unit2")]),
        serve("gray", &[("X_LANE_CODE", "gray")]),
        serve("cell", &[]),
        serve("nowhere", &[]),
    ];
    for host in &HOSTS[1..] {
        let ask = |path: &str, tags: &[&str]| {
            let arguments = [&["one", path, "0"], tags].concat();
            lab.run("client", "client.py", host, &arguments).unwrap();
        };
        ask("/tagged", &["x_lane_code=gray", "x_live_unit=unit1"]);
        ask("/several", &["x_lane_code=[gray|blue]"]);
        ask("/untagged", &[]);
    }
    let counted = |metric: &str, from: &str, to: &str| {
        let labels = format!("from=\"{from}\"");
        let (metric, to) = (metric.to_owned(), format!("to=\"{to}\""));
        move |line: &str| {
            line.starts_with(&metric)
                && [&*labels, &*to, "service=\"blue\""]
                    .iter()
                    .all(|label| line.contains(label))
                && line.ends_with(" 1")
        }
    };
    let lanes = counted("lanewire_lane_escapes_total{", "gray", "blue");
    let units = counted("lanewire_unit_escapes_total{", "unit1", "unit2");
    lab.wait_for_metric("the lane's escape", lanes).unwrap();
    let metrics = lab.wait_for_metric("the unit's escape", units).unwrap();
    let series = metrics
        .lines()
        .filter(|line| !line.starts_with('#') && line.contains("_escapes_total{"));
    assert_eq!(series.count(), 2, "{metrics}");
    lab.wait_for_metric("the escape in the service graph", |line| {
        line.starts_with("traces_service_graph_request_total{")
            && line.contains("server=\"blue\"")
            && line.contains("server_lanewire_lane_escape=\"true\"")
    })
    .unwrap();
    if let Some(jaeger) = jaeger {
        found_in_jaeger(&jaeger);
    }

    let spans = lab.finish().unwrap();
    for (host, lane, unit, escaped) in [
        ("blue", Some("blue"), Some("unit2"), [true, true]),
        ("gray", Some("gray"), None, [false, false]),
        ("cell", Some("gray"), Some("unit1"), [false, false]),
        ("nowhere", None, None, [false, false]),
    ] {
        let tagged = spans.one(host, Kind::Server, "/tagged");
        assert_eq!(tagged.text("x-lane-code"), Some("gray"), "{tagged:#?}");
        assert_eq!(tagged.text("x-live-unit"), Some("unit1"), "{tagged:#?}");
        assert_eq!(resource(tagged, "x-lane-code"), lane, "{tagged:#?}");
        assert_eq!(resource(tagged, "x-live-unit"), unit, "{tagged:#?}");
        assert_eq!(escapes(tagged), escaped, "{tagged:#?}");
        for path in ["/several", "/untagged"] {
            let other = spans.one(host, Kind::Server, path);
            assert_eq!(escapes(other), [false, false], "{other:#?}");
        }
    }
    let several = spans.one("blue", Kind::Server, "/several");
    assert_eq!(several.attributes["x-lane-code"], json!(["gray", "blue"]));
    for span in spans.on("client", Kind::Client) {
        assert_eq!(escapes(span), [false, false], "{span:#?}");
    }
}
