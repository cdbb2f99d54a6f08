//! Whose an invocation is, in programs that divide their work in different ways.

use std::fs;

use lanewire_tests::host::{Family, Traced};
use lanewire_tests::lab::{self, Lab, Spans, path_of};
use lanewire_tests::need::{self, Need};
use lanewire_tests::process::Process;
use lanewire_tests::spans::{Kind, Span};

const HOSTS: &[&str] = &["client", "middle", "server"];

/// Runs these clients against a service of this mode in the middle.
fn spans_of(test: &str, mode: &str, clients: &[&[&str]]) -> Option<Spans> {
    let lab = Lab::start(test, HOSTS).unwrap()?;
    let _server = lab.serve("server", "server.py", &[]).unwrap();
    let down = lab.host("server").endpoint(Family::V4, lab::PORT);
    let (address, port) = (down.ip().to_string(), down.port().to_string());
    let arguments = [mode, &address, &port];
    let _middle = lab.serve("middle", "middle.py", &arguments).unwrap();
    for arguments in clients {
        lab.run("client", "client.py", "middle", arguments).unwrap();
    }
    Some(lab.finish().unwrap())
}

/// The calls of the middle service that some request caused.
fn calls<'a>(spans: &'a Spans, prefix: &str) -> Vec<&'a Span> {
    let calls = spans.on("middle", Kind::Client).into_iter();
    calls
        .filter(|span| path_of(span).starts_with(prefix))
        .collect()
}

fn no_wrong_parent(spans: &Spans) {
    let wrong = spans.wrong();
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

/// Each of the requests has its call, and the call is its own.
fn all_right(spans: &Spans, prefix: &str, count: usize) {
    no_wrong_parent(spans);
    for n in 0..count {
        let path = format!("{prefix}{n}");
        let call = spans.one("middle", Kind::Client, &path);
        let visit = spans.one("middle", Kind::Server, &path);
        assert_eq!(call.parent.as_ref(), Some(&visit.span_id), "{call:#?}");
        spans.one("server", Kind::Server, &path);
    }
}

#[test]
fn a_thread_inherits_the_request_of_its_creator() {
    let test = "a_thread_inherits_the_request_of_its_creator";
    let clients: &[&[&str]] = &[&["load", "n", "10", "1"]];
    if let Some(spans) = spans_of(test, "thread_per_call", clients) {
        all_right(&spans, "/n-", 10);
    }
}

#[test]
fn a_thread_inherits_for_all_sends_of_one_request() {
    let test = "a_thread_inherits_for_all_sends_of_one_request";
    let clients: &[&[&str]] = &[&["load", "n", "10", "1"]];
    if let Some(spans) = spans_of(test, "thread_on_old_connection", clients) {
        all_right(&spans, "/n-", 10);
        for call in calls(&spans, "/n-") {
            assert_eq!(call.parent_found_by(), "inherited");
        }
        let invocations = spans.on("middle", Kind::Client);
        assert_eq!(invocations.len(), 11, "a send was taken for a request");
    }
}

#[test]
fn threads_of_requests_at_once_inherit_nothing_wrong() {
    let test = "threads_of_requests_at_once_inherit_nothing_wrong";
    let clients: &[&[&str]] = &[&["load", "n", "200", "8"]];
    if let Some(spans) = spans_of(test, "thread_per_call", clients) {
        assert_eq!(calls(&spans, "/n-").len(), 200);
        no_wrong_parent(&spans);
    }
}

#[test]
fn a_forked_process_inherits_the_request_of_its_creator() {
    for mode in ["forked", "executed"] {
        let test = "a_forked_process_inherits_the_request_of_its_creator";
        let clients: &[&[&str]] = &[&["load", "n", "4", "1"]];
        if let Some(spans) = spans_of(test, mode, clients) {
            all_right(&spans, "/n-", 4);
        }
    }
}

#[test]
fn a_thread_that_lives_on_does_not_keep_what_it_inherited() {
    let test = "a_thread_that_lives_on_does_not_keep_what_it_inherited";
    // Fifty replies that agree while requests overlap (R15): threads are believed from then on.
    // The pool's first thread is made by the slow request, which stays open when others use it.
    let clients: &[&[&str]] = &[
        &["load", "own", "300", "4", "x-own=1", "x-linger=0.005"],
        &["after_slow", "late", "12"],
    ];
    if let Some(spans) = spans_of(test, "pooled", clients) {
        assert_eq!(calls(&spans, "/late-").len(), 13);
        no_wrong_parent(&spans);
        let own = calls(&spans, "/own-").into_iter();
        let right = own.filter(|call| call.parent_found_by() == "worker");
        assert!(right.count() > 150, "threads are not believed");
    }
}

#[test]
fn a_pools_threads_are_never_wrong() {
    let test = "a_pools_threads_are_never_wrong";
    let clients: &[&[&str]] = &[&["load", "n", "300", "8", "x-linger=0.002"]];
    if let Some(spans) = spans_of(test, "pooled", clients) {
        assert_eq!(calls(&spans, "/n-").len(), 300);
        no_wrong_parent(&spans);
    }
}

#[test]
fn calls_of_a_pool_that_replies_are_adopted() {
    let test = "calls_of_a_pool_that_replies_are_adopted";
    let clients: &[&[&str]] = &[&["load", "n", "240", "8"]];
    let Some(spans) = spans_of(test, "acceptor", clients) else {
        return;
    };
    no_wrong_parent(&spans);
    let calls = calls(&spans, "/n-");
    assert_eq!(calls.len(), 240);
    let adopted = calls
        .iter()
        .filter(|call| call.parent_found_by() == "adopted");
    assert!(adopted.clone().count() >= 230, "{}", adopted.count());
    for call in adopted {
        let visit = spans.one("middle", Kind::Server, path_of(call));
        assert_eq!(call.parent.as_ref(), Some(&visit.span_id));
    }
}

#[test]
fn a_program_that_changes_its_ways_is_no_longer_believed() {
    let test = "a_program_that_changes_its_ways_is_no_longer_believed";
    // Eight connections get a thread each, and belief; those that come later share a loop.
    let clients: &[&[&str]] = &[
        &["load", "thread", "300", "8"],
        &["load", "loop", "400", "8"],
    ];
    let Some(spans) = spans_of(test, "changing", clients) else {
        return;
    };
    let loops = calls(&spans, "/loop-");
    assert_eq!(loops.len(), 400);
    let wrong = spans.wrong();
    eprintln!("{test}: {} wrong of 400", wrong.len());
    // One disagreement ends it, and until then no more go wrong than are on their way.
    assert!(wrong.len() <= 8, "{} wrong: {wrong:#?}", wrong.len());
    let threads = calls(&spans, "/thread-").into_iter();
    let right = threads.filter(|call| call.parent_found_by() == "worker");
    assert!(right.count() > 150, "threads were not believed before");
    let unbelieved = loops
        .iter()
        .filter(|call| call.parent_found_by().contains("unbelieved"));
    assert!(unbelieved.count() > 0, "the loop is believed");
}

#[test]
fn requests_read_at_once_give_no_parent_to_each_others_calls() {
    let test = "requests_read_at_once_give_no_parent_to_each_others_calls";
    // Threads are believed by then; and two threads of the client share a connection.
    let clients: &[&[&str]] = &[
        &["load", "n", "300", "4", "x-linger=0.005"],
        &["shared", "s"],
    ];
    let Some(spans) = spans_of(test, "direct", clients) else {
        return;
    };
    no_wrong_parent(&spans);
    for path in ["/s-1", "/s-2"] {
        let call = spans.one("middle", Kind::Client, path);
        let parent = spans.parent(call).map(path_of);
        assert!(parent.is_none_or(|parent| parent == path), "{call:#?}");
    }
}

#[test]
fn a_loops_uploads_stay_with_their_requests() {
    let test = "a_loops_uploads_stay_with_their_requests";
    if need::skip(test, &[Need::Program("nginx")]) {
        return;
    }
    let Some(lab) = Lab::start(test, HOSTS).unwrap() else {
        return;
    };
    let _server = lab.serve("server", "server.py", &[]).unwrap();
    let _nginx = nginx(&lab);
    // More than the sockets' buffers hold, to a server that takes its time.
    let arguments = ["load", "up", "40", "8", "size=1000000", "x-slow=0.002"];
    let small = ["load", "small", "100", "8"];
    for arguments in [&arguments[..], &small] {
        lab.run("client", "client.py", "middle", arguments).unwrap();
    }
    let spans = lab.finish().unwrap();
    all_right(&spans, "/up-", 40);
    all_right(&spans, "/small-", 100);
}

/// nginx on the middle host; one worker, which keeps bodies in memory.
fn nginx(lab: &Lab) -> Process {
    let host = lab.host("middle");
    let listen = host.endpoint(Family::V4, lab::PORT);
    let upstream = lab.host("server").endpoint(Family::V4, lab::PORT);
    let configuration = fs::read_to_string(lanewire_tests::servers::fixture("nginx.conf"))
        .unwrap()
        .replace("@LISTEN@", &listen.to_string())
        .replace("@MIDDLE@", &upstream.to_string())
        .replace(
            "access_log off;",
            "access_log off; client_max_body_size 16m; client_body_buffer_size 2m;",
        );
    let file = host.directory.join("nginx.conf");
    fs::write(&file, configuration).unwrap();
    let mut command = host.command(Traced::Yes, "nginx");
    command
        .args(["-e", "stderr", "-p"])
        .arg(&host.directory)
        .arg("-c")
        .arg(&file);
    let process = Process::start("nginx", command).unwrap();
    host.wait_for(listen).unwrap();
    process
}
