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
    /// Go's version; empty: the one that is installed.
    go: &'static str,
    build: &'a [&'a str],
    requests: usize,
    concurrency: usize,
    configuration: &'a str,
    /// Its runtime is made use of.
    known: bool,
}

impl Case<'_> {
    fn spans(&self) -> Option<Spans> {
        if need::skip(self.test, &[Need::Program("go"), Need::Go(self.go)]) {
            return None;
        }
        let more = |host: &str| match host {
            "middle" => format!(
                "telemetry: {{log: 'info,lanewire::runtimes=debug'}}\n{}",
                self.configuration
            ),
            _ => String::new(),
        };
        let lab = Lab::start_with(self.test, HOSTS, more).unwrap()?;
        let program = go::build(&lab.host("middle").directory, self.go, self.build).unwrap();
        self.run(lab, &program)
    }

    fn run(&self, lab: Lab, program: &Path) -> Option<Spans> {
        let _server = lab.serve("server", "server.py", &[]).unwrap();
        let down = lab.host("server").endpoint(Family::V4, lab::PORT);
        let (address, port) = (down.ip().to_string(), down.port().to_string());
        let arguments = [self.mode, &address, &port];
        let _middle = lab.serve_program("middle", program, &arguments).unwrap();
        if self.known {
            lab.wait_until_said("middle", "is made of go").unwrap();
        }
        // What goroutines are made for has to be seen for a while.
        let warm_up = ["load", "w", "100", "1"];
        lab.run("client", "client.py", "middle", &warm_up).unwrap();
        let (requests, concurrency) = (self.requests.to_string(), self.concurrency.to_string());
        let load = ["load", "n", &requests, &concurrency];
        lab.run("client", "client.py", "middle", &load).unwrap();
        Some(lab.finish().unwrap())
    }
}

fn calls(spans: &Spans) -> Vec<&Span> {
    let calls = spans.on("middle", Kind::Client).into_iter();
    calls
        .filter(|span| path_of(span).starts_with("/n-"))
        .collect()
}

/// Every call of every request is the child of its own request, and no span is anybody else's. A
/// goroutine that may be older than its request is nobody's: no more than one in five hundred.
fn all_right(spans: &Spans, case: &Case<'_>, calls_each: usize) {
    let orphans = orphans_of(spans);
    assert!(orphans * 500 < calls(spans).len(), "{orphans} orphans");
    let mut visits = HashMap::new();
    for visit in spans.on("middle", Kind::Server) {
        let twice = visits.insert(path_of(visit), &visit.span_id);
        assert!(twice.is_none(), "{visit:#?}");
    }
    let mut each = HashMap::new();
    for call in calls(spans) {
        let visit = visits.get(path_of(call)).copied();
        let orphan = call.parent.is_none();
        assert!(orphan || call.parent.as_ref() == visit, "{call:#?}");
        *each.entry(path_of(call)).or_insert(0) += 1;
    }
    assert_eq!(each.len(), case.requests);
    assert!(each.values().all(|calls| *calls == calls_each), "{each:?}");
}

/// No span is anybody else's; and how many of the calls have no parent.
fn orphans_of(spans: &Spans) -> usize {
    let mut found = BTreeMap::new();
    for call in calls(spans) {
        *found.entry(call.parent_found_by()).or_insert(0) += 1;
    }
    eprintln!("parents of calls: {found:?}");
    let wrong = spans.wrong();
    let shown = &wrong[..wrong.len().min(2)];
    assert!(
        wrong.is_empty(),
        "{} wrong, such as {shown:#?}",
        wrong.len()
    );
    let calls = calls(spans).into_iter();
    calls.filter(|call| call.parent.is_none()).count()
}

const USUAL: Case<'_> = Case {
    test: "",
    mode: "calls",
    go: "",
    build: &[],
    requests: 1280,
    concurrency: 64,
    configuration: "",
    known: true,
};

#[test]
fn sixty_four_requests_at_once_keep_their_calls() {
    let case = Case {
        test: "sixty_four_requests_at_once_keep_their_calls",
        ..USUAL
    };
    if let Some(spans) = case.spans() {
        all_right(&spans, &case, CALLS);
    }
}

#[test]
fn a_stripped_program_keeps_its_calls() {
    let case = Case {
        test: "a_stripped_program_keeps_its_calls",
        build: &["-ldflags", "-s -w"],
        ..USUAL
    };
    if let Some(spans) = case.spans() {
        all_right(&spans, &case, CALLS);
    }
}

/// Up to 1.25 a thread has no processor while it is in the kernel.
#[test]
fn programs_of_older_versions_keep_their_calls() {
    for go in ["1.22.12", "1.25.5"] {
        let case = Case {
            test: "programs_of_older_versions_keep_their_calls",
            go,
            requests: 640,
            ..USUAL
        };
        if let Some(spans) = case.spans() {
            all_right(&spans, &case, CALLS);
        }
    }
}

#[test]
fn a_program_at_a_random_address_keeps_its_calls() {
    let case = Case {
        test: "a_program_at_a_random_address_keeps_its_calls",
        build: &["-buildmode=pie", "-ldflags", "-s -w"],
        requests: 320,
        concurrency: 16,
        ..USUAL
    };
    if let Some(spans) = case.spans() {
        all_right(&spans, &case, CALLS);
    }
}

#[test]
fn what_a_handler_of_its_own_starts_is_its_requests() {
    let case = Case {
        test: "what_a_handler_of_its_own_starts_is_its_requests",
        mode: "timeout",
        ..USUAL
    };
    if let Some(spans) = case.spans() {
        let orphans = orphans_of(&spans);
        assert!(orphans * 20 < calls(&spans).len(), "{orphans} orphans");
    }
}

#[test]
fn without_uprobes_the_clients_own_goroutines_are_nobodys() {
    let case = Case {
        test: "without_uprobes_the_clients_own_goroutines_are_nobodys",
        configuration: "runtimes: {go: {uprobes: false}}\n",
        ..USUAL
    };
    if let Some(spans) = case.spans() {
        let orphans = orphans_of(&spans);
        // Four of eight go by http.Client.
        assert!(orphans >= case.requests * 4, "{orphans} orphans");
        assert!(orphans < case.requests * 5, "{orphans} orphans");
    }
}

#[test]
fn a_runtime_that_is_not_looked_for_is_threads() {
    let case = Case {
        test: "a_runtime_that_is_not_looked_for_is_threads",
        configuration: "runtimes: {go: {enabled: false}}\n",
        known: false,
        requests: 640,
        ..USUAL
    };
    if let Some(spans) = case.spans() {
        assert!(orphans_of(&spans) * 2 > calls(&spans).len());
    }
}

#[test]
fn goroutines_of_a_pool_are_never_wrong() {
    let case = Case {
        test: "goroutines_of_a_pool_are_never_wrong",
        mode: "pooled",
        ..USUAL
    };
    if let Some(spans) = case.spans() {
        let orphans = orphans_of(&spans);
        // Each request's last call is by the goroutine that read it.
        assert!(orphans <= case.requests * 3, "{orphans} orphans");
    }
}

#[test]
fn what_is_left_behind_is_nobodys_later() {
    let case = Case {
        test: "what_is_left_behind_is_nobodys_later",
        mode: "leaving",
        requests: 6400,
        ..USUAL
    };
    if let Some(spans) = case.spans() {
        orphans_of(&spans);
        let late = spans.on("middle", Kind::Client).into_iter();
        let late: Vec<_> = late.filter(|s| path_of(s).starts_with("/late")).collect();
        assert!(late.len() > case.requests / 40, "{}", late.len());
        let parents = late.iter().filter(|span| span.parent.is_some());
        assert_eq!(parents.count(), 0);
    }
}

#[test]
fn a_loop_that_reads_for_everybody_hands_nothing_down() {
    let case = Case {
        test: "a_loop_that_reads_for_everybody_hands_nothing_down",
        mode: "loop",
        ..USUAL
    };
    if let Some(spans) = case.spans() {
        orphans_of(&spans);
    }
}
