//! What becomes of the baggage in a request's head, on hosts that pass no header on: the index of
//! the tuple goes from hop to hop, and nothing of it comes from whom nobody trusts.

use std::cell::RefCell;
use std::collections::HashMap;
use std::process::Command;

use lanewire_kernel::raw::ExchangeRecord;
use lanewire_kernel::testing::settings;
use lanewire_kernel::{Agent, BaggageSettings, Cidr, IngressRule, Record, SamplingRule, Settings};
use lanewire_mapping::propagation::tuple::{Slots, Tuple, pair_hash};
use lanewire_tests::host::{Family, Host, Topology, Traced};
use lanewire_tests::lab::PORT;
use lanewire_tests::need::{self, Need, PYTHON};
use lanewire_tests::process::{Process, output};
use lanewire_tests::servers::fixture;

const READ: &str = "lanewire.baggage.read";
const REFUSED: &str = "lanewire.baggage.refused";
/// An index that no tuple of these tests has.
const OWN: u16 = 0x0e11;

fn index(pairs: &[(&str, &str)]) -> u16 {
    let values: Vec<_> = pairs.iter().map(|(_, v)| [(*v).to_owned()]).collect();
    let cargos = pairs
        .iter()
        .zip(&values)
        .map(|((key, _), v)| (*key, &v[..]));
    Tuple::of(cargos, Slots::ALL).index()
}

fn gray() -> u16 {
    index(&[("x-lane-code", "gray")])
}

/// What the agent of a host has to say.
struct Told {
    points: Vec<ExchangeRecord>,
    edges: Vec<ExchangeRecord>,
    paths: HashMap<u64, String>,
    counters: HashMap<(&'static str, &'static str), u64>,
}

impl Told {
    fn by(agent: &Agent) -> Self {
        let told = RefCell::new(Told {
            points: Vec::new(),
            edges: Vec::new(),
            paths: HashMap::new(),
            counters: HashMap::new(),
        });
        let records = agent.records(|record| match record.unwrap() {
            Record::Point(point) => told.borrow_mut().points.push(*point),
            Record::Edge(edge) => told.borrow_mut().edges.push(*edge),
            Record::Head(head, bytes) => {
                let text = String::from_utf8_lossy(bytes);
                if let Some(path) = text.split(' ').nth(1).filter(|path| path.starts_with('/')) {
                    told.borrow_mut()
                        .paths
                        .insert(head.span_id, path.to_owned());
                }
            }
            _ => {}
        });
        records.unwrap().consume().unwrap();
        let mut told = told.into_inner();
        let counters = agent.counters().unwrap().read().unwrap().into_iter();
        told.counters = counters
            .map(|(kind, count)| ((kind.metric, kind.attribute.1), count))
            .collect();
        told
    }

    /// The indexes in those of these records whose request has this path.
    fn of(&self, records: &[ExchangeRecord], path: &str) -> Vec<u16> {
        let has_path = |record: &&ExchangeRecord| {
            self.paths.get(&record.context.span_id).map(String::as_str) == Some(path)
        };
        let records = records.iter().filter(has_path);
        records.map(|record| record.context.baggage).collect()
    }

    fn count(&self, metric: &'static str, value: &'static str) -> u64 {
        self.counters[&(metric, value)]
    }
}

/// A service in the middle, which calls a server without any header of the request's.
struct Seen {
    middle: Told,
    server: Told,
}

impl Seen {
    /// The index of a request at its ingress, on the call behind it, and at the server.
    fn indexes(&self, path: &str) -> [Vec<u16>; 3] {
        [
            self.middle.of(&self.middle.points, path),
            self.middle.of(&self.middle.edges, path),
            self.server.of(&self.server.points, path),
        ]
    }

    fn everywhere(&self, path: &str, index: u16) {
        let [ingress, call, server] = self.indexes(path);
        assert_eq!(ingress, [index], "at the ingress of {path}");
        assert_eq!(call, [index], "on the call behind {path}");
        assert_eq!(server, [index], "at the server of {path}");
    }

    fn nowhere(&self, path: &str) {
        let records = self.indexes(path).concat();
        assert!(records.is_empty(), "{path} was recorded: {records:?}");
    }
}

fn on(host: &Host) -> Settings {
    Settings {
        cgroup: host.cgroup.clone(),
        ring_bytes: 1 << 20,
        processes: 256,
        visit_age: std::time::Duration::from_secs(30),
        inject_to: everybody(),
        trust_from: everybody(),
        ingress: vec![IngressRule {
            accept: true,
            ..IngressRule::default()
        }],
        ..settings(BaggageSettings::default())
    }
}

fn everybody() -> Vec<Cidr> {
    let address = "10.77.0.0".parse().unwrap();
    vec![Cidr { address, bits: 16 }]
}

fn python(host: &Host, script: &str, at: &Host, arguments: &[&str]) -> Command {
    let endpoint = at.endpoint(Family::V4, PORT);
    let mut command = host.command(Traced::Yes, PYTHON);
    command
        .args(["-u", "-B"])
        .arg(fixture("rules").join(script))
        .arg(endpoint.ip().to_string())
        .arg(endpoint.port().to_string())
        .args(arguments);
    command
}

/// Requests with these paths and fields from a host without an agent, seen by the others.
fn seen(
    test: &str,
    change: impl FnOnce(&mut Settings),
    requests: &[(&str, &[&str])],
) -> Option<Seen> {
    if need::skip(test, &[Need::Hosts]) {
        return None;
    }
    let topology = Topology::new(&["client", "middle", "server"]).unwrap();
    let [client, middle, server] = ["client", "middle", "server"].map(|name| topology.host(name));
    let mut of_middle = on(middle);
    change(&mut of_middle);
    let at_middle = Agent::load(&of_middle).unwrap();
    let at_server = Agent::load(&on(server)).unwrap();

    let serve = |host: &Host, script: &str, arguments: &[&str]| {
        let mut process = Process::start(script, python(host, script, host, arguments)).unwrap();
        process.wait_for_line("listening").unwrap();
        process
    };
    let down = server.endpoint(Family::V4, PORT);
    let (address, port) = (down.ip().to_string(), down.port().to_string());
    let _server = serve(server, "server.py", &[]);
    let _middle = serve(middle, "middle.py", &["direct", &address, &port]);
    for (path, fields) in requests {
        let arguments = [&["one", path, "10"], *fields].concat();
        output(python(client, "client.py", middle, &arguments)).unwrap();
    }
    Some(Seen {
        middle: Told::by(&at_middle),
        server: Told::by(&at_server),
    })
}

#[test]
fn a_lane_in_a_header_goes_on_where_there_is_none() {
    let test = "a_lane_in_a_header_goes_on_where_there_is_none";
    let requests: [(&str, &[&str]); 3] = [
        ("/gray", &["x-lane-code=gray"]),
        ("/unit", &["X-Live-Unit=u1", "x-live-uid=7"]),
        ("/none", &["x-live-uid=7"]),
    ];
    let Some(seen) = seen(test, |_| {}, &requests) else {
        return;
    };
    seen.everywhere("/gray", gray());
    seen.everywhere("/unit", index(&[("x-live-unit", "u1")]));
    seen.everywhere("/none", 0);
    assert_eq!(seen.middle.count(READ, "header"), 2);
    assert_eq!(
        seen.server.count(READ, "header"),
        0,
        "it came with the context"
    );
}

#[test]
fn a_head_that_is_too_complex_has_no_lane_and_is_counted() {
    let test = "a_head_that_is_too_complex_has_no_lane_and_is_counted";
    let change = |settings: &mut Settings| settings.ingress[0].baggage = OWN;
    let complex: [(&str, &[&str]); 1] = [("/list", &["x-lane-code=[gray|blue]"])];
    let Some(seen) = seen(test, change, &complex) else {
        return;
    };
    seen.everywhere("/list", 0);
    assert_eq!(seen.middle.count(REFUSED, "complex"), 1);
    assert_eq!(seen.middle.count(REFUSED, "ingress_rule_withheld"), 1);
}

#[test]
fn a_peer_that_is_not_trusted_chooses_no_lane() {
    let test = "a_peer_that_is_not_trusted_chooses_no_lane";
    let change = |settings: &mut Settings| {
        settings.trust_from.clear();
        settings.ingress[0].baggage = OWN;
        settings.baggage.accept_untrusted = 0b000100;
    };
    let requests: [(&str, &[&str]); 2] = [
        ("/lane", &["x-lane-code=gray"]),
        ("/unit", &["x-lane-code=gray", "x-live-unit=u1"]),
    ];
    let Some(seen) = seen(test, change, &requests) else {
        return;
    };
    seen.everywhere("/lane", OWN);
    seen.everywhere("/unit", index(&[("x-live-unit", "u1")]));
    assert_eq!(seen.middle.count(REFUSED, "untrusted"), 2);
}

#[test]
fn requests_that_name_no_lane_get_that_of_the_ingress_rule() {
    let test = "requests_that_name_no_lane_get_that_of_the_ingress_rule";
    let change = |settings: &mut Settings| {
        let other = IngressRule {
            ports: vec![1],
            accept: true,
            baggage: 1,
            ..IngressRule::default()
        };
        settings.ingress.insert(0, other);
        settings.ingress[1].baggage = OWN;
    };
    let requests: [(&str, &[&str]); 2] = [("/none", &[]), ("/gray", &["x-lane-code=gray"])];
    let Some(seen) = seen(test, change, &requests) else {
        return;
    };
    seen.everywhere("/none", OWN);
    seen.everywhere("/gray", gray());
    assert_eq!(seen.middle.count(READ, "ingress_rule"), 1);
}

fn lane_rule(value: &str, ratio: f64) -> SamplingRule {
    let mut pairs = [0; 6];
    pairs[5] = pair_hash("x-lane-code", value);
    SamplingRule { pairs, ratio }
}

const LANES: [(&str, &[&str]); 3] = [
    ("/gray", &["x-lane-code=gray"]),
    ("/blue", &["x-lane-code=blue"]),
    ("/none", &[]),
];

#[test]
fn a_sampling_rule_keeps_a_lane_and_drops_the_rest() {
    let test = "a_sampling_rule_keeps_a_lane_and_drops_the_rest";
    let change = |settings: &mut Settings| {
        settings.sampling_ratio = 0.0;
        settings.baggage.sampling = vec![lane_rule("gray", 1.0)];
    };
    let Some(seen) = seen(test, change, &LANES) else {
        return;
    };
    seen.everywhere("/gray", gray());
    for path in ["/blue", "/none"] {
        seen.nowhere(path);
    }
}

#[test]
fn a_sampling_rule_drops_a_lane_and_an_ingress_rule_has_a_share_of_its_own() {
    let test = "a_sampling_rule_drops_a_lane_and_an_ingress_rule_has_a_share_of_its_own";
    let change = |settings: &mut Settings| {
        settings.baggage.sampling = vec![lane_rule("blue", 0.0)];
        settings.ingress[0].baggage = OWN;
        settings.ingress[0].sampling_ratio = Some(0.0);
    };
    let Some(seen) = seen(test, change, &LANES) else {
        return;
    };
    seen.everywhere("/gray", gray());
    for path in ["/blue", "/none"] {
        seen.nowhere(path);
    }
}
