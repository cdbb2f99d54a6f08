//! What an agent says of itself, read from its own page while it traces.

use std::os::fd::OwnedFd;

use lanewire_tests::lab::{Lab, PORT};
use lanewire_tests::wait;

const HOSTS: &[&str] = &["client", "server"];
const PAGE: &str = "http://127.0.0.1:9464/metrics";

/// The value of a series, as `name` or `name{label="value"}`.
fn value(page: &str, series: &str) -> Option<f64> {
    let mut lines = page.lines();
    lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// The page of the server's agent, once all of these are above 0.
fn page_with(lab: &Lab, series: &[&str]) -> String {
    let host = lab.host("server");
    wait::until(&format!("{series:?} above 0"), || {
        let page = host.get(PAGE)?;
        let all = series.iter().all(|series| value(&page, series) > Some(0.0));
        Ok(all.then_some(page))
    })
    .unwrap()
}

/// The kernel counts the runs of programs for as long as this lives.
fn counting() -> Option<OwnedFd> {
    let counting = lanewire_kernel::testing::count_runs();
    if let Err(error) = &counting {
        lanewire_tests::need::skipped("programs' runs", &format!("they can't be counted: {error}"));
    }
    counting.ok()
}

#[test]
fn an_agent_tells_what_it_does_and_what_it_costs() {
    let test = "an_agent_tells_what_it_does_and_what_it_costs";
    let Some(lab) = Lab::start(test, HOSTS).unwrap() else {
        return;
    };
    assert_ne!(PORT, 9464);
    let counting = counting();
    let _server = lab.serve("server", "server.py", &[]).unwrap();
    let load = ["load", "told", "20", "1"];
    lab.run("client", "client.py", "server", &load).unwrap();

    // What became of visits and their spans, and how long it took to deliver them.
    let delivery = r#"lanewire_exporter_request_duration_seconds_count{outcome="taken"}"#;
    let page = page_with(
        &lab,
        &[
            r#"lanewire_visits_total{parent="wire"}"#,
            "lanewire_exporter_spans_sent_total",
            delivery,
            r#"lanewire_map_entries{map="processes"}"#,
            r#"lanewire_map_limit{map="open_visits"}"#,
        ],
    );
    let taken = value(&page, delivery);
    let longest = r#"lanewire_exporter_request_duration_seconds_bucket{outcome="taken",le="+Inf"}"#;
    assert_eq!(value(&page, longest), taken, "{page}");
    let requests = value(&page, "lanewire_exporter_requests_total");
    assert_eq!(requests, taken, "{page}");
    // Present though nothing was lost.
    for series in [
        r#"lanewire_kernel_dropped_total{reason="ring_full"}"#,
        r#"lanewire_exporter_spans_dropped_total{reason="queue_full"}"#,
        "lanewire_exporter_spans_rejected_total",
    ] {
        assert_eq!(value(&page, series), Some(0.0), "{series}: {page}");
    }
    for series in [
        "lanewire_exporter_queue_spans",
        "lanewire_exporter_queue_bytes",
        r#"lanewire_visits_total{parent="none:ingress"}"#,
        r#"lanewire_invocations_total{parent="worker"}"#,
    ] {
        assert!(value(&page, series).is_some(), "no {series}: {page}");
    }
    for line in page
        .lines()
        .filter(|l| l.starts_with("lanewire_map_entries{"))
    {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let limit = series.replace("map_entries", "map_limit");
        assert!(value(&page, series) <= value(&page, &limit), "{line}");
    }

    if counting.is_some() {
        let of = |what: &str, program: &str| {
            format!("lanewire_program_{what}_total{{program=\"{program}\"}}")
        };
        let runs = ["sock_ops", "receive"].map(|program| of("runs", program));
        let time = ["sock_ops", "receive"].map(|program| of("time_nanoseconds", program));
        let all: Vec<&str> = runs.iter().chain(&time).map(String::as_str).collect();
        let page = page_with(&lab, &all);
        for (runs, time) in runs.iter().zip(&time) {
            // No run is shorter than a nanosecond.
            assert!(value(&page, time) > value(&page, runs), "{page}");
        }
    }
    lab.finish().unwrap();
}
