//! What a real collector, Jaeger and the service graph make of the chain.

use std::collections::{BTreeMap, BTreeSet};

use lanewire_tests::agent::TRANSMISSION;
use lanewire_tests::chain::{self, Chain, SPANS_PER_REQUEST, Setting};
use lanewire_tests::judge::Finding;
use lanewire_tests::load::CLIENT_SERVICE;
use lanewire_tests::servers::MIDDLE_SERVICE;
use lanewire_tests::spans::{Kind, Span};
use lanewire_tests::{backends, need, wait};
use serde_json::{Value, json};

/// The `Host` that the load sends.
const FRONT: &str = "shop";
/// The name of nginx's upstream, which is the `Host` that it sends.
const UPSTREAM: &str = "middle";
const LANE: &str = "gray";
/// Redis and PostgreSQL are on a host that no header comes by: it knows lanes from here.
const LANES: &str = "baggage:\n  tuples:\n    - values: {x-lane-code: gray}\n";
const REQUESTS: usize = 40;

/// The flag bits of OTLP that say whether a parent is on another process.
const IS_REMOTE_KNOWN: u64 = 0x100;
const IS_REMOTE: u64 = 0x200;
const SAMPLED: u64 = 0x01;

fn started(test: &str) -> Option<Chain> {
    if need::skip(test, need::CHAIN) || need::skip_without_collector(test) {
        return None;
    }
    let jaeger = backends::jaeger_program();
    if let Err(error) = &jaeger {
        need::skipped(test, &format!("what Jaeger says: {error}"));
    }
    let setting = Setting {
        jaeger: jaeger.is_ok(),
        configuration: |_| format!("{TRANSMISSION}{LANES}"),
        ..Setting::new(env!("CARGO_BIN_EXE_lanewire-load"))
    };
    Some(Chain::start(setting).unwrap())
}

#[test]
fn the_collectors_configuration_that_is_shipped_is_valid() {
    let test = "the_collectors_configuration_that_is_shipped_is_valid";
    if need::skip_without_collector(test) {
        return;
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../otel-collector-config.yaml");
    let said = std::process::Command::new(backends::collector_program().unwrap())
        .args(["validate", "--config", file])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{errors}");
}

#[test]
fn collector_jaeger_and_service_graph_show_the_chain() {
    let test = "collector_jaeger_and_service_graph_show_the_chain";
    let Some(mut chain) = started(test) else {
        return;
    };
    let every_other = ["baggage: x-lane-code=gray", ""];
    let load = chain.load_with(20, REQUESTS, 1, &every_other).unwrap();
    let outcomes = load.finish().unwrap();
    assert!(outcomes.iter().all(|o| o.succeeded()), "{outcomes:?}");
    // What they know is with the collector once they have ended.
    chain.stop_agents().unwrap();

    let collector = chain.collector.as_ref().unwrap();
    let measured: BTreeSet<String> = chain::ids(&outcomes, false).map(str::to_owned).collect();
    let expected = (outcomes.len()) * SPANS_PER_REQUEST;
    let spans = wait::until("all spans in the collector's file", || {
        let spans = collector.spans_so_far()?;
        Ok((spans.len() >= expected).then_some(spans))
    });
    let services = services(&spans.unwrap());
    let edges = [
        ("client", "nginx"),
        ("nginx", "middle"),
        ("middle", "redis"),
        ("middle", "postgres"),
    ]
    .map(|(parent, child)| (services[parent].clone(), services[child].clone()));
    service_graph_has(collector, &edges);

    if let Some(jaeger) = &chain.jaeger {
        wait::until("all services in Jaeger", || {
            let known = jaeger.get("/api/services")?;
            let known = known.as_array().cloned().unwrap_or_default();
            let all = services.values().all(|name| known.contains(&json!(name)));
            Ok(all.then_some(()))
        })
        .unwrap();
        jaeger.wait_for_dependencies(&edges).unwrap();
        let trace_id = trace_of(
            &collector.spans_so_far().unwrap(),
            measured.first().unwrap(),
        );
        let traces = jaeger.get(&format!("/api/traces/{trace_id}")).unwrap();
        let spans = traces[0]["spans"].as_array().map_or(0, Vec::len);
        assert_eq!(spans, SPANS_PER_REQUEST, "{traces}");
    }

    let evidence = chain.finish(&outcomes).unwrap();
    let report = evidence.judge().about(measured.iter().map(String::as_str));
    report.expect_only(&[Finding::Right]).unwrap();
    let lanes: BTreeMap<&str, Option<&str>> = outcomes
        .iter()
        .map(|outcome| {
            (
                outcome.id.as_str(),
                (outcome.headers == Some(0)).then_some(LANE),
            )
        })
        .collect();
    let mut checked = 0;
    for id in &measured {
        let trace_id = trace_of(&evidence.spans, id);
        let of_trace = evidence.spans.iter().filter(|s| s.trace_id == trace_id);
        for span in of_trace {
            expect_attributes(span, lanes[id.as_str()]);
            checked += 1;
        }
    }
    assert_eq!(checked, REQUESTS * SPANS_PER_REQUEST);
}

/// Component to the service name it was exported under.
fn services(spans: &[Span]) -> BTreeMap<&'static str, String> {
    let names: BTreeSet<&str> = spans.iter().map(Span::service).collect();
    let find = |part: &str| {
        let found = names.iter().find(|name| name.contains(part));
        found
            .unwrap_or_else(|| panic!("no service of {part} in {names:?}"))
            .to_string()
    };
    BTreeMap::from([
        ("client", find(CLIENT_SERVICE)),
        ("nginx", find("nginx")),
        ("middle", find(MIDDLE_SERVICE)),
        ("redis", find("redis")),
        ("postgres", find("postgres")),
    ])
}

fn trace_of(spans: &[Span], id: &str) -> String {
    let path = format!("/order/{id}");
    let found = spans
        .iter()
        .find(|span| span.text("url.path") == Some(&path));
    let found = found.unwrap_or_else(|| panic!("no span with url.path {path}"));
    found.trace_id.clone()
}

fn service_graph_has(collector: &backends::Collector, edges: &[(String, String)]) {
    let mut last = String::new();
    let found = wait::until("the edges of the lane in the service graph", || {
        last = collector.metrics()?;
        let has = |(client, server): &(String, String)| {
            last.lines().any(|line| {
                line.starts_with("traces_service_graph_request_total{")
                    && line.contains(&format!("client=\"{client}\""))
                    && line.contains(&format!("server=\"{server}\""))
                    && line.contains(&format!("client_x_lane_code=\"{LANE}\""))
            })
        };
        Ok(edges.iter().all(has).then_some(()))
    });
    let graph = last.lines().filter(|line| line.contains("request_total"));
    let graph: Vec<_> = graph.collect();
    found.unwrap_or_else(|error| panic!("{error:#}: {graph:#?}"));
}

fn expect_attributes(span: &Span, lane: Option<&str>) {
    let has = |key: &str, value: Value| {
        assert_eq!(span.attributes.get(key), Some(&value), "{key} of {span:#?}");
    };
    has("network.transport", json!("tcp"));
    has("network.type", json!("ipv4"));
    let (local, peer) = span.ends().unwrap_or_else(|| panic!("no ends: {span:#?}"));
    let server = if span.kind == Kind::Client {
        peer
    } else {
        local
    };
    // HTTP says by which name the server is called.
    let called = match server.port() {
        8080 => FRONT.into(),
        9000 => UPSTREAM.into(),
        _ => server.ip().to_string(),
    };
    has("server.address", json!(called));
    has("server.port", json!(server.port()));
    if span.kind == Kind::Server {
        has("client.address", json!(peer.ip().to_string()));
    }
    for figure in [
        "srtt_us",
        "rttvar_us",
        "snd_cwnd",
        "retransmits",
        "bytes_sent",
        "bytes_received",
    ] {
        let key = format!("lanewire.tcp.{figure}");
        let number = span.attributes.get(&key).and_then(Value::as_i64);
        assert!(
            number.is_some_and(|number| number >= 0),
            "{key} of {span:#?}"
        );
    }
    match server.port() {
        8080 | 9000 => {
            has("http.request.method", json!("GET"));
            has("http.response.status_code", json!(200));
            has("network.protocol.name", json!("http"));
            assert!(span.name.starts_with("GET"), "{span:#?}");
            assert!(
                !span.name.contains("lw-"),
                "a raw path as a name: {span:#?}"
            );
        }
        6379 => assert!(["GET", "SET"].contains(&span.name.as_str()), "{span:#?}"),
        5432 => assert!(span.name.starts_with("SELECT"), "{span:#?}"),
        port => panic!("nobody listens at {port}: {span:#?}"),
    }
    if let Some(text) = span.text("db.query.text") {
        assert!(!text.contains("42"), "a literal in {text}");
    }
    assert_eq!(span.text("x-lane-code"), lane, "{span:#?}");
    assert_eq!(span.flags & SAMPLED, SAMPLED, "{span:#?}");
    if span.parent.is_some() {
        let remote = if span.kind == Kind::Server {
            IS_REMOTE
        } else {
            0
        };
        let flags = span.flags & (IS_REMOTE_KNOWN | IS_REMOTE);
        assert_eq!(flags, IS_REMOTE_KNOWN | remote, "{span:#?}");
    }
    for key in [
        "service.name",
        "service.instance.id",
        "host.name",
        "process.executable.name",
    ] {
        let text = span.resource.get(key).and_then(Value::as_str);
        assert!(
            text.is_some_and(|text| !text.is_empty()),
            "{key} of {span:#?}"
        );
    }
    let pid = span.resource.get("process.pid").and_then(Value::as_i64);
    assert!(pid.is_some_and(|pid| pid > 0), "{span:#?}");
}
