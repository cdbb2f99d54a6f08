//! Lanes on three hosts: given as a header of their own, as W3C Baggage, as both, or by the
//! configuration alone; seen on HTTP, Redis and PostgreSQL; and found where a request left its own.

use std::collections::BTreeMap;

use lanewire_tests::chain::{Chain, FRONT, SPANS_PER_REQUEST, Setting};
use lanewire_tests::load::Outcome;
use lanewire_tests::need;
use lanewire_tests::spans::{Kind, Span};
use serde_json::{Value, json};

const LIVE_GRAY: &str = "x-lane-code: gray";
const W3C_BLUE: &str = "baggage: x-lane-code=blue,other=1";
const BOTH: &str = "X-Lane-Code: gray\nBaggage: other=1, x-lane-code=blue";
const NEITHER: &str = "accept: */*";
const FORMS: [&str; 4] = [LIVE_GRAY, W3C_BLUE, BOTH, NEITHER];

const EACH: usize = 10;

/// What is known of lanes on every host: no header comes by where Redis and PostgreSQL are.
const TUPLES: &str = "baggage:
  tuples:
    - values: {x-lane-code: gray}
    - values: {x-lane-code: blue}
    - values: {x-lane-code: [gray, blue]}
";

fn read_as(format: &str, detect: &str) -> String {
    format!(
        "agent: {{governance: {{transmission: {{type: {format}, autoDetect: {detect}}}}}}}\n{TUPLES}"
    )
}

/// The measured requests' spans, by the form that their lane was given in.
fn spans_by_form<'f>(
    test: &str,
    setting: Setting,
    forms: &[&'f str],
) -> Option<Vec<(&'f str, Vec<Span>)>> {
    if need::skip(test, need::CHAIN) || need::skip_without_collector(test) {
        return None;
    }
    let chain = Chain::start(setting).unwrap();
    let load = chain.load_with(20, EACH * forms.len(), 1, forms).unwrap();
    let outcomes = load.finish().unwrap();
    assert!(outcomes.iter().all(Outcome::succeeded), "{outcomes:?}");
    let evidence = chain.finish(&outcomes).unwrap();

    let mut traces: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    for span in &evidence.spans {
        traces.entry(&span.trace_id).or_default().push(span);
    }
    let mut by_form: Vec<(&str, Vec<Span>)> = forms.iter().map(|form| (*form, vec![])).collect();
    for outcome in &outcomes {
        let Some(form) = outcome.headers else {
            continue;
        };
        let path = format!("/order/{}", outcome.id);
        let of_request = |spans: &&Vec<&Span>| {
            let mut paths = spans.iter().filter_map(|span| span.text("url.path"));
            paths.any(|seen| seen == path)
        };
        for trace in traces.values().filter(of_request) {
            by_form[form].1.extend(trace.iter().copied().cloned());
        }
    }
    Some(by_form)
}

fn setting(configuration: fn(&str) -> String) -> Setting {
    Setting {
        configuration,
        middle_environment: &[("X_LANE_CODE", "blue")],
        ..Setting::new(env!("CARGO_BIN_EXE_lanewire-load"))
    }
}

/// Whether it is the visit of a request to the middle service, which is in lane blue.
fn is_middle_visit(span: &Span) -> bool {
    span.kind == Kind::Server && span.ends().is_some_and(|(local, _)| local.port() == 9000)
}

/// Every span of every request says `lane`, whatever its protocol; and the middle service's say
/// that the request left it, if `escapes`.
fn expect_lane(spans: &[Span], per_request: usize, lane: Option<&Value>, escapes: bool) {
    assert_eq!(spans.len(), EACH * per_request, "{spans:#?}");
    for span in spans {
        assert_eq!(span.attributes.get("x-lane-code"), lane, "{span:#?}");
        let index = span.attributes.get("lanewire.baggage.index");
        assert_eq!(index, None, "{span:#?}");
        let escape = span.attributes.get("lanewire.lane.escape");
        let expected = (escapes && is_middle_visit(span)).then_some(&Value::Bool(true));
        assert_eq!(escape, expected, "{span:#?}");
    }
    let middle = spans.iter().filter(|span| is_middle_visit(span));
    let placed = middle.filter(|span| span.resource.get("x-lane-code") == Some(&json!("blue")));
    assert_eq!(placed.count(), EACH, "{spans:#?}");
}

fn forms_give(test: &str, configuration: fn(&str) -> String, lanes: [Option<Value>; 4]) {
    let Some(by_form) = spans_by_form(test, setting(configuration), &FORMS) else {
        return;
    };
    for ((form, spans), lane) in by_form.iter().zip(lanes) {
        eprintln!("{form:?}: {lane:?}");
        let escapes = lane == Some(json!("gray"));
        expect_lane(spans, SPANS_PER_REQUEST, lane.as_ref(), escapes);
    }
}

#[test]
fn a_format_alone_reads_its_own_form() {
    let test = "a_format_alone_reads_its_own_form";
    let lanes = [None, Some("blue"), Some("blue"), None];
    forms_give(
        test,
        |_| read_as("w3c", "NONE"),
        lanes.map(|lane| lane.map(Value::from)),
    );
}

#[test]
fn the_first_format_that_gives_a_lane_is_the_last_that_is_read() {
    let test = "the_first_format_that_gives_a_lane_is_the_last_that_is_read";
    let lanes = [Some("gray"), Some("blue"), Some("gray"), None];
    forms_give(
        test,
        |_| read_as("live", "FIRST"),
        lanes.map(|lane| lane.map(Value::from)),
    );
}

#[test]
fn lanes_of_all_formats_are_merged() {
    let lanes = [
        Some(json!("gray")),
        Some(json!("blue")),
        Some(json!(["gray", "blue"])),
        None,
    ];
    let test = "lanes_of_all_formats_are_merged";
    forms_give(test, |_| read_as("live", "ALL"), lanes);
}

/// The client is outside: no context comes from it, and none is made for it.
fn gateway(host: &str) -> String {
    let transmission = read_as("w3c", "NONE");
    if host != FRONT {
        return transmission;
    }
    transmission
        + "ingress:
  originate: false
  rules:
    - {baggage: {x-lane-code: gray}, accept: true}
sampling:
  ratio: 0.0
  rules:
    - {baggage: {x-lane-code: gray}, ratio: 1.0}
"
}

#[test]
fn a_gateway_gives_a_lane_to_requests_without_one_and_samples_by_it() {
    let test = "a_gateway_gives_a_lane_to_requests_without_one_and_samples_by_it";
    let Some(by_form) = spans_by_form(test, setting(gateway), &[W3C_BLUE, NEITHER]) else {
        return;
    };
    let [(_, blue), (_, plain)] = &by_form[..] else {
        panic!("{by_form:?}");
    };
    assert!(blue.is_empty(), "{blue:#?}");
    // The client has no span.
    let gray = json!("gray");
    expect_lane(plain, SPANS_PER_REQUEST - 1, Some(&gray), true);
}
