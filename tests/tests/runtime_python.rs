//! Python: the worker is what a context was entered for, or a greenlet, whichever thread runs it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

use lanewire_tests::host::Family;
use lanewire_tests::lab::{self, Lab, Spans, path_of};
use lanewire_tests::need::{self, Need, PYTHON};
use lanewire_tests::spans::{Kind, Span};
use lanewire_tests::wait;

const HOSTS: &[&str] = &["client", "middle", "server"];
/// It is off by default.
const ENABLED: &str = "runtimes: {python: {enabled: true}}\n";
/// How many calls tasks.py makes for a request, and the others.
const OF_TASKS: usize = 6;
const OF_GREENLETS: usize = 5;
const OF_LEFTOVERS: usize = 10;
const OF_LEFT_GREENLETS: usize = 9;

/// A service in the middle, under this load.
#[derive(Clone)]
struct Case<'a> {
    test: &'a str,
    interpreter: &'a Path,
    script: &'a str,
    mode: Option<&'a str>,
    environment: &'a [(&'a str, &'a str)],
    needs: &'a [Need],
    configuration: &'a str,
    /// How many processes of it the agent knows to be Python's.
    known: usize,
    /// It is asked to end what it has left behind.
    leaves: bool,
    requests: usize,
    concurrency: usize,
}

impl<'a> Case<'a> {
    fn tasks(test: &'a str, mode: &'a str) -> Case<'a> {
        Case {
            test,
            interpreter: Path::new(PYTHON),
            script: "../python/tasks.py",
            mode: Some(mode),
            environment: &[],
            needs: &[],
            configuration: ENABLED,
            known: 1,
            leaves: false,
            requests: 640,
            concurrency: 64,
        }
    }

    fn spans(&self) -> Option<Spans> {
        if need::skip(self.test, self.needs) {
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
        let _server = lab.serve("server", "server.py", &[]).unwrap();
        let down = lab.host("server").endpoint(Family::V4, lab::PORT);
        let (address, port) = (down.ip().to_string(), down.port().to_string());
        let arguments: Vec<&str> = self.mode.into_iter().chain([&*address, &*port]).collect();
        let (interpreter, script) = (self.interpreter, self.script);
        let _middle = lab
            .serve_by(interpreter, "middle", script, &arguments, self.environment)
            .unwrap();
        self.wait_until_known(&lab);
        let load = |prefix: &str, requests: usize, concurrency: usize| {
            let (requests, concurrency) = (requests.to_string(), concurrency.to_string());
            let load = ["load", prefix, &requests, &concurrency];
            lab.run("client", "client.py", "middle", &load).unwrap();
        };
        // What tasks are made for has to be seen for a while.
        load("w", 100, 1);
        load("n", self.requests, self.concurrency);
        if self.leaves {
            load("end", 1, 1);
        }
        eprintln!("{}", lab.said("middle"));
        Some(lab.finish().unwrap())
    }

    fn wait_until_known(&self, lab: &Lab) {
        wait::until("what the middle is made of", || {
            let said = lab.said("middle");
            Ok((said.matches("is made of python").count() >= self.known).then_some(()))
        })
        .unwrap();
    }
}

fn calls(spans: &Spans) -> Vec<&Span> {
    let calls = spans.on("middle", Kind::Client).into_iter();
    calls
        .filter(|span| path_of(span).starts_with("/n-"))
        .collect()
}

/// No span is anybody else's, and all calls have been seen. Gives the orphans among them.
fn none_wrong(spans: &Spans, case: &Case<'_>, calls_each: usize) -> Vec<String> {
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
    let mut visits = HashMap::new();
    for visit in spans.on("middle", Kind::Server) {
        let twice = visits.insert(path_of(visit), &visit.span_id);
        assert!(twice.is_none(), "{visit:#?}");
    }
    let (mut each, mut orphans) = (HashMap::new(), Vec::new());
    for call in calls(spans) {
        *each.entry(path_of(call)).or_insert(0) += 1;
        match &call.parent {
            None => orphans.push(path_of(call).to_owned()),
            parent => assert_eq!(
                parent.as_ref(),
                visits.get(path_of(call)).copied(),
                "{call:#?}"
            ),
        }
    }
    assert_eq!(each.len(), case.requests);
    assert!(each.values().all(|calls| *calls == calls_each), "{each:?}");
    orphans
}

fn all_right(spans: &Spans, case: &Case<'_>, calls_each: usize) {
    let orphans = none_wrong(spans, case, calls_each);
    assert!(
        orphans.is_empty(),
        "{} orphans of {}, such as {:?}",
        orphans.len(),
        calls(spans).len(),
        &orphans[..orphans.len().min(3)]
    );
}

#[test]
fn a_task_for_each_connection_keeps_the_calls_of_each_request() {
    let case = Case::tasks(
        "a_task_for_each_connection_keeps_the_calls_of_each_request",
        "streams",
    );
    if let Some(spans) = case.spans() {
        all_right(&spans, &case, OF_TASKS);
    }
}

#[test]
fn a_task_for_each_request_keeps_its_calls() {
    let case = Case::tasks("a_task_for_each_request_keeps_its_calls", "protocol");
    if let Some(spans) = case.spans() {
        all_right(&spans, &case, OF_TASKS);
    }
}

#[test]
fn tasks_that_read_by_themselves_keep_their_calls() {
    let case = Case::tasks("tasks_that_read_by_themselves_keep_their_calls", "sockets");
    if let Some(spans) = case.spans() {
        all_right(&spans, &case, OF_TASKS);
    }
}

/// An interpreter that has uvloop: what versions before 0.22 send is not sent by a task.
fn uvloop(test: &str) -> Option<PathBuf> {
    const CHECK: &str = "import sys, uvloop; \
        sys.exit([int(n) for n in uvloop.__version__.split('.')[:2]] < [0, 22])";
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let venv = home.join(".cache/lanewire-accuracy/python/venv/bin/python");
    let has = |interpreter: &PathBuf| {
        let status = Command::new(interpreter).args(["-c", CHECK]).output();
        status.is_ok_and(|output| output.status.success())
    };
    let found = [venv, PYTHON.into()].into_iter().find(has);
    if found.is_none() {
        need::skipped(test, "no interpreter has uvloop 0.22 or later");
    }
    found
}

#[test]
fn uvloop_keeps_the_calls_of_tasks_for_each_request() {
    let test = "uvloop_keeps_the_calls_of_tasks_for_each_request";
    let Some(interpreter) = uvloop(test) else {
        return;
    };
    let case = Case {
        interpreter: &interpreter,
        environment: &[("LOOP", "uvloop")],
        ..Case::tasks(test, "protocol")
    };
    if let Some(spans) = case.spans() {
        all_right(&spans, &case, OF_TASKS);
    }
}

/// Which task a connection has shows by its first reply only.
#[test]
fn uvloop_keeps_the_calls_of_tasks_for_each_connection_from_the_second_request_on() {
    let test = "uvloop_keeps_the_calls_of_tasks_for_each_connection_from_the_second_request_on";
    let Some(interpreter) = uvloop(test) else {
        return;
    };
    let case = Case {
        interpreter: &interpreter,
        environment: &[("LOOP", "uvloop")],
        ..Case::tasks(test, "streams")
    };
    let Some(spans) = case.spans() else {
        return;
    };
    for path in none_wrong(&spans, &case, OF_TASKS) {
        let number: usize = path.trim_start_matches("/n-").parse().unwrap();
        assert!(number < case.concurrency, "{path}");
    }
}

#[test]
fn greenlets_keep_their_calls_and_those_of_greenlets_that_they_make() {
    let case = Case {
        script: "../python/greenlets.py",
        mode: None,
        needs: &[Need::Python("gevent")],
        ..Case::tasks(
            "greenlets_keep_their_calls_and_those_of_greenlets_that_they_make",
            "",
        )
    };
    if let Some(spans) = case.spans() {
        all_right(&spans, &case, OF_GREENLETS);
    }
}

/// Which of them gets a connection, and whether it has been looked at by then, is left open.
#[test]
fn forked_workers_have_no_wrong_parents() {
    let case = Case {
        environment: &[("WORKERS", "3")],
        ..Case::tasks("forked_workers_have_no_wrong_parents", "sockets")
    };
    if let Some(spans) = case.spans() {
        none_wrong(&spans, &case, OF_TASKS);
    }
}

/// What threads hand over to a loop belongs to them as far as they are believed (R15).
#[test]
fn threads_beside_a_loop_are_nobody_elses() {
    let case = Case {
        script: "../python/bridge.py",
        ..Case::tasks("threads_beside_a_loop_are_nobody_elses", "bridge")
    };
    let Some(spans) = case.spans() else {
        return;
    };
    let orphans = none_wrong(&spans, &case, OF_TASKS + 1);
    let of = calls(&spans).len();
    assert!(orphans.len() < of / 2, "{} orphans of {of}", orphans.len());
}

#[test]
fn without_uprobes_one_request_at_a_time_keeps_its_calls() {
    let case = Case {
        configuration: "runtimes: {python: {enabled: true, uprobes: false}}\n",
        known: 0,
        requests: 20,
        concurrency: 1,
        ..Case::tasks(
            "without_uprobes_one_request_at_a_time_keeps_its_calls",
            "streams",
        )
    };
    if let Some(spans) = case.spans() {
        // A thread that was there before gets nothing from whoever hands work to it.
        let orphans = none_wrong(&spans, &case, OF_TASKS);
        assert!(orphans.len() < case.requests + 1, "{orphans:?}");
    }
}

#[test]
fn without_uprobes_no_call_is_anybody_elses() {
    let case = Case {
        configuration: "runtimes: {python: {enabled: true, uprobes: false}}\n",
        known: 0,
        ..Case::tasks("without_uprobes_no_call_is_anybody_elses", "streams")
    };
    if let Some(spans) = case.spans() {
        none_wrong(&spans, &case, OF_TASKS);
    }
}

fn leftovers<'a>(test: &'a str, mode: &'a str) -> Case<'a> {
    Case {
        script: "../python/leftovers.py",
        leaves: true,
        ..Case::tasks(test, mode)
    }
}

#[test]
fn what_tasks_leave_behind_is_nobody_elses() {
    for mode in ["streams", "protocol", "sockets"] {
        let case = leftovers("what_tasks_leave_behind_is_nobody_elses", mode);
        if let Some(spans) = case.spans() {
            none_wrong(&spans, &case, OF_LEFTOVERS);
        }
    }
}

#[test]
#[ignore = "three loads more, for what asyncio's loop is held to as well"]
fn what_uvloop_leaves_behind_is_nobody_elses() {
    let test = "what_uvloop_leaves_behind_is_nobody_elses";
    let Some(interpreter) = uvloop(test) else {
        return;
    };
    for mode in ["streams", "protocol", "sockets"] {
        let case = Case {
            interpreter: &interpreter,
            environment: &[("LOOP", "uvloop")],
            ..leftovers(test, mode)
        };
        if let Some(spans) = case.spans() {
            none_wrong(&spans, &case, OF_LEFTOVERS);
        }
    }
}

#[test]
fn what_a_connections_task_does_after_the_reply_is_not_for_the_next_request() {
    let test = "what_a_connections_task_does_after_the_reply_is_not_for_the_next_request";
    let case = Case {
        environment: &[("OVERRUN", "1")],
        ..leftovers(test, "streams")
    };
    if let Some(spans) = case.spans() {
        none_wrong(&spans, &case, OF_LEFTOVERS + 1);
    }
}

#[test]
fn what_greenlets_leave_behind_is_nobody_elses() {
    let case = Case {
        script: "../python/left_greenlets.py",
        mode: None,
        needs: &[Need::Python("gevent")],
        leaves: true,
        ..Case::tasks("what_greenlets_leave_behind_is_nobody_elses", "")
    };
    if let Some(spans) = case.spans() {
        none_wrong(&spans, &case, OF_LEFT_GREENLETS);
    }
}

/// Python 3.9 to 3.15, as far as pyenv or `PATH` has them. Up to 3.9 a stream's task may be collected.
#[test]
#[ignore = "a load for each version that is there; fresh machines have none but the system's"]
fn other_versions_keep_the_calls_of_each_request() {
    let test = "other_versions_keep_the_calls_of_each_request";
    for minor in 9..=15 {
        let Some(interpreter) = interpreter(minor) else {
            need::skipped(test, &format!("there is no Python 3.{minor}"));
            continue;
        };
        eprintln!("with {}", interpreter.display());
        let case = Case {
            interpreter: &interpreter,
            requests: 160,
            concurrency: 16,
            ..Case::tasks(test, "protocol")
        };
        if let Some(spans) = case.spans() {
            all_right(&spans, &case, OF_TASKS);
        }
    }
}

fn interpreter(minor: u32) -> Option<PathBuf> {
    let home = std::env::var("HOME").unwrap_or_default();
    let root = std::env::var("PYENV_ROOT").unwrap_or(format!("{home}/.pyenv"));
    let versions = std::fs::read_dir(format!("{root}/versions"));
    let installed = versions.into_iter().flatten().flatten();
    let mut found = installed.map(|version| version.path().join(format!("bin/python3.{minor}")));
    let runs = |program: &PathBuf| {
        let status = Command::new(program).arg("--version").output();
        status.is_ok_and(|output| output.status.success())
    };
    found
        .find(runs)
        .or_else(|| need::program(&format!("python3.{minor}")))
}
