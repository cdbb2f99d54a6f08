//! Go: the worker is the goroutine, whichever thread it runs on.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use lanewire_tests::go;
use lanewire_tests::host::Family;
use lanewire_tests::lab::{self, Lab, Spans, path_of};
use lanewire_tests::need::{self, Need};
use lanewire_tests::spans::{Kind, Span};

const HOSTS: &[&str] = &["client", "middle", "server"];
/// How many calls the service makes for one request.
const CALLS: usize = 8;

/// A service of this mode in the middle, under this load.
struct Case<'a> {
    test: &'a str,
    mode: &'a str,
    build: &'a [&'a str],
    requests: usize,
    concurrency: usize,
    configuration: &'a str,
}

impl Case<'_> {
    fn spans(&self) -> Option<Spans> {
        if need::skip(self.test, &[Need::Program("go")]) {
            return None;
        }
        let more = |host: &str| match host {
            "middle" => self.configuration.to_owned(),
            _ => String::new(),
        };
        let lab = Lab::start_with(self.test, HOSTS, more).unwrap()?;
        let program = go::build(&lab.host("middle").directory, self.build).unwrap();
        self.run(lab, &program)
    }

    fn run(&self, lab: Lab, program: &Path) -> Option<Spans> {
        let _server = lab.serve("server", "server.py", &[]).unwrap();
        let down = lab.host("server").endpoint(Family::V4, lab::PORT);
        let (address, port) = (down.ip().to_string(), down.port().to_string());
        let arguments = [self.mode, &address, &port];
        let _middle = lab.serve_program("middle", program, &arguments).unwrap();
        let (requests, concurrency) = (self.requests.to_string(), self.concurrency.to_string());
        let load = ["load", "n", &requests, &concurrency];
        lab.run("client", "client.py", "middle", &load).unwrap();
        Some(lab.finish().unwrap())
    }
}

fn calls<'a>(spans: &'a Spans) -> Vec<&'a Span> {
    let calls = spans.on("middle", Kind::Client).into_iter();
    calls
        .filter(|span| path_of(span).starts_with("/n-"))
        .collect()
}

/// Every call of every request is the child of its own request, and no span is anybody else's.
fn all_right(spans: &Spans, requests: usize, calls_each: usize) {
    let mut found = BTreeMap::new();
    for call in calls(spans) {
        *found.entry(call.parent_found_by()).or_insert(0) += 1;
    }
    eprintln!("parents of calls: {found:?}");
    let wrong = spans.wrong();
    assert!(
        wrong.is_empty(),
        "{} wrong, such as {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(2)]
    );
    let orphans: Vec<_> = calls(spans)
        .into_iter()
        .filter(|call| call.parent.is_none())
        .collect();
    assert!(
        orphans.is_empty(),
        "{} orphans of {}, such as {:#?}",
        orphans.len(),
        calls(spans).len(),
        &orphans[..orphans.len().min(3)]
    );
    let mut visits = HashMap::new();
    for visit in spans.on("middle", Kind::Server) {
        let twice = visits.insert(path_of(visit), &visit.span_id);
        assert!(twice.is_none(), "{visit:#?}");
    }
    let mut each = HashMap::new();
    for call in calls(spans) {
        let visit = visits.get(path_of(call)).copied();
        assert_eq!(call.parent.as_ref(), visit, "{call:#?}");
        *each.entry(path_of(call)).or_insert(0) += 1;
    }
    assert_eq!(each.len(), requests);
    assert!(each.values().all(|calls| *calls == calls_each), "{each:?}");
}

#[test]
fn sixty_four_requests_at_once_keep_their_calls() {
    let case = Case {
        test: "sixty_four_requests_at_once_keep_their_calls",
        mode: "calls",
        build: &[],
        requests: 1280,
        concurrency: 64,
        configuration: "",
    };
    if let Some(spans) = case.spans() {
        all_right(&spans, case.requests, CALLS);
    }
}
