//! Heads of requests that come in pieces.

use std::path::PathBuf;

use lanewire_tests::host::Family;
use lanewire_tests::lab::{self, Lab, Spans, path_of};
use lanewire_tests::need::{self, Need};
use lanewire_tests::spans::{Kind, Span};
use sha2::{Digest, Sha256};

const HOSTS: &[&str] = &["client", "middle", "server"];

struct Pieces {
    lab: Lab,
    progress: PathBuf,
    _servers: [lanewire_tests::process::Process; 2],
}

impl Pieces {
    /// A server in the middle that reads in this way, and calls another one.
    fn start(test: &str, way: &str) -> Option<Pieces> {
        let lab = Lab::start(test, HOSTS).unwrap()?;
        let progress = lab.host("middle").directory.join("progress");
        let fifo = progress.to_str().unwrap().to_owned();
        lab.tool("middle", "mkfifo", &["-m", "666", &fifo]).unwrap();
        let server = lab.serve("server", "server.py", &[]).unwrap();
        let down = lab.host("server").endpoint(Family::V4, lab::PORT);
        let (address, port) = (down.ip().to_string(), down.port().to_string());
        let arguments = [way, &fifo, &address, &port];
        let middle = lab.serve("middle", "heads_server.py", &arguments).unwrap();
        Some(Pieces {
            lab,
            progress,
            _servers: [middle, server],
        })
    }

    fn run(&self, arguments: &[&str]) {
        let progress = self.progress.to_str().unwrap();
        let arguments = [&[progress], arguments].concat();
        let run = self
            .lab
            .run("client", "heads_client.py", "middle", &arguments);
        run.unwrap();
    }

    fn finish(self) -> Spans {
        self.lab.finish().unwrap()
    }
}

/// What one client saw of one server.
fn spans_of(test: &str, way: &str, client: &[&str]) -> Option<Spans> {
    let pieces = Pieces::start(test, way)?;
    pieces.run(client);
    let spans = pieces.finish();
    no_wrong_parent(&spans);
    Some(spans)
}

/// The ids that the client's header has for this path.
fn header_of(path: &str) -> (String, String) {
    let digest = Sha256::digest(path.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    (hex[..32].to_owned(), hex[32..48].to_owned())
}

/// Every parent from a header is the one that the request's own header names.
fn no_wrong_parent(spans: &Spans) {
    assert_eq!(spans.wrong(), []);
    for span in spans.on("middle", Kind::Server) {
        if span.parent_found_by() == "header" && !path_of(span).is_empty() {
            let (trace, parent) = header_of(path_of(span));
            assert_eq!(
                (&span.trace_id, span.parent.as_ref()),
                (&trace, Some(&parent))
            );
        }
    }
}

/// The visit is a child of its header, and has a link to the client's span.
fn from_header<'a>(spans: &'a Spans, path: &str) -> &'a Span {
    let visit = spans.one("middle", Kind::Server, path);
    let client = spans.one("client", Kind::Client, path);
    assert_eq!(visit.parent_found_by(), "header", "{visit:#?}");
    let (trace, parent) = header_of(path);
    assert_eq!(
        (&visit.trace_id, visit.parent.as_ref()),
        (&trace, Some(&parent))
    );
    let link = (client.trace_id.clone(), client.span_id.clone());
    assert_eq!(visit.links, [link], "{visit:#?}");
    visit
}

/// All that a request in pieces has to have: the parent from the header, what the last pieces say on
/// both sides, true bytes and times, and a call of its own.
fn whole(spans: &Spans, path: &str) {
    let visit = from_header(spans, path);
    let client = spans.one("client", Kind::Client, path);
    for span in [visit, client] {
        assert_eq!(span.text("x-lane-code"), Some("blue"), "{span:#?}");
    }
    assert_eq!(
        client.text("server.address"),
        Some("shop.test"),
        "{client:#?}"
    );
    let bytes = |span, key| lab::number(span, key).unwrap();
    assert_eq!(
        bytes(visit, "lanewire.tcp.bytes_received"),
        bytes(client, "lanewire.tcp.bytes_sent"),
        "{visit:#?}"
    );
    assert!(visit.start >= client.start && visit.end <= client.end + 1_000_000);
    let call = spans.one("middle", Kind::Client, path);
    assert_eq!(call.parent.as_ref(), Some(&visit.span_id), "{call:#?}");
    assert_eq!(call.text("x-lane-code"), Some("blue"), "{call:#?}");
}

#[test]
fn a_head_in_pieces_is_read_whole() {
    for way in ["any", "again", "bytewise"] {
        let test = "a_head_in_pieces_is_read_whole";
        let Some(spans) = spans_of(test, way, &["pieces", way]) else {
            return;
        };
        for count in [2, 3, 50] {
            for connection in ["own", "kept"] {
                whole(&spans, &format!("/{way}-{count}-{connection}"));
            }
        }
        let visits = spans.on("middle", Kind::Server);
        assert_eq!(visits.len(), 6, "{visits:#?}");
    }
}

#[test]
fn a_head_in_pieces_may_follow_on_another_request() {
    let test = "a_head_in_pieces_may_follow_on_another_request";
    let Some(spans) = spans_of(test, "again", &["after_another", "n"]) else {
        return;
    };
    for n in 0..6 {
        whole(&spans, &format!("/n-{n}"));
    }
    assert_eq!(spans.on("middle", Kind::Server).len(), 6);
}

#[test]
fn a_traceparent_may_be_cut_anywhere() {
    let test = "a_traceparent_may_be_cut_anywhere";
    let Some(spans) = spans_of(test, "any", &["everywhere", "cut"]) else {
        return;
    };
    let visits = spans.on("middle", Kind::Server);
    assert!(visits.len() > 70, "{}", visits.len());
    for visit in visits {
        whole(&spans, path_of(visit));
    }
}

#[test]
fn a_head_larger_than_the_limit_counts_as_far_as_it_is_read() {
    let test = "a_head_larger_than_the_limit_counts_as_far_as_it_is_read";
    let Some(spans) = spans_of(test, "any", &["large", "l"]) else {
        return;
    };
    from_header(&spans, "/l-before");
    let visit = spans.one("middle", Kind::Server, "/l-behind");
    let client = spans.one("client", Kind::Client, "/l-behind");
    assert_eq!(visit.parent_found_by(), "wire", "{visit:#?}");
    assert_eq!(visit.parent.as_ref(), Some(&client.span_id));
    for path in ["/l-before", "/l-behind"] {
        let visit = spans.one("middle", Kind::Server, path);
        let call = spans.one("middle", Kind::Client, path);
        assert_eq!(call.parent.as_ref(), Some(&visit.span_id), "{call:#?}");
    }
}

#[test]
fn a_reply_may_come_before_the_head_is_whole() {
    let test = "a_reply_may_come_before_the_head_is_whole";
    let Some(spans) = spans_of(test, "any", &["early", "e"]) else {
        return;
    };
    let visit = from_header(&spans, "/e-before");
    assert_eq!(lab::number(visit, "http.response.status_code"), Some(408));
    let visit = spans.one("middle", Kind::Server, "/e-behind");
    let client = spans.one("client", Kind::Client, "/e-behind");
    assert_eq!(visit.parent_found_by(), "wire", "{visit:#?}");
    assert_eq!(visit.parent.as_ref(), Some(&client.span_id));
}

#[test]
fn a_client_may_be_gone_before_the_head_is_whole() {
    let test = "a_client_may_be_gone_before_the_head_is_whole";
    let Some(spans) = spans_of(test, "any", &["given_up", "g"]) else {
        return;
    };
    for (path, error) in [
        ("/g-closed", "connection_closed"),
        ("/g-reset", "connection_reset"),
    ] {
        let visit = from_header(&spans, path);
        assert_eq!(visit.text("error.type"), Some(error), "{visit:#?}");
        assert!(visit.start <= visit.end);
    }
    assert_eq!(spans.on("middle", Kind::Server).len(), 2);
}

#[test]
fn half_a_request_behind_another_gets_no_wrong_parent() {
    let test = "half_a_request_behind_another_gets_no_wrong_parent";
    let Some(spans) = spans_of(test, "any", &["pipelined", "p"]) else {
        return;
    };
    from_header(&spans, "/p-1");
    let third = spans.one("middle", Kind::Server, "/p-3");
    assert_eq!(third.parent_found_by(), "wire", "{third:#?}");
    let call = spans.one("middle", Kind::Client, "/p-1");
    let visit = spans.parent(call).map(path_of);
    assert_eq!(visit, Some("/p-1"), "{call:#?}");
    let call = spans.one("middle", Kind::Client, "/p-2");
    let visit = spans.parent(call).map(path_of).unwrap_or_default();
    assert!(["", "/p-2"].contains(&visit), "{call:#?}");
}

#[test]
fn a_thread_that_reads_the_next_head_works_for_nobody_meanwhile() {
    let test = "a_thread_that_reads_the_next_head_works_for_nobody_meanwhile";
    let Some(spans) = spans_of(test, "loop", &["held", "h"]) else {
        return;
    };
    whole(&spans, "/h-1");
    let call = spans.one("middle", Kind::Client, "/held");
    assert_eq!(call.parent_found_by(), "none:idle", "{call:#?}");
}

#[test]
fn a_request_of_another_protocol_is_put_together() {
    let test = "a_request_of_another_protocol_is_put_together";
    let Some(pieces) = Pieces::start(test, "redis") else {
        return;
    };
    pieces.run(&["redis"]);
    pieces.run(&["redis_in_two"]);
    let spans = pieces.finish();
    for (host, kind) in [("client", Kind::Client), ("middle", Kind::Server)] {
        let found = spans.on(host, kind);
        assert_eq!(found.len(), 6, "{found:#?}");
        for span in found {
            assert_eq!(span.text("db.operation.name"), Some("GET"), "{span:#?}");
        }
    }
}

#[test]
fn more_heads_than_are_remembered_keep_their_parents() {
    let test = "more_heads_than_are_remembered_keep_their_parents";
    if need::skip(test, &[Need::Program("bpftool")]) {
        return;
    }
    let Some(pieces) = Pieces::start(test, "any") else {
        return;
    };
    pieces.run(&["many", "m", "700"]);
    let evicted = pieces.lab.counter("middle", "HEAD_EVICTED").unwrap();
    let spans = pieces.finish();
    no_wrong_parent(&spans);
    assert!(evicted >= 100, "{evicted}");
    let visits = spans.on("middle", Kind::Server);
    assert_eq!(visits.len(), 700);
    let (named, unnamed): (Vec<_>, Vec<_>) = visits
        .into_iter()
        .partition(|visit| !path_of(visit).is_empty());
    assert_eq!(unnamed.len() as u64, evicted);
    assert!(!named.is_empty());
    for visit in named.iter().chain(&unnamed) {
        assert_eq!(visit.parent_found_by(), "header", "{visit:#?}");
    }
    for visit in unnamed {
        let client = visit.links[0].1.clone();
        let client = spans.all.iter().find(|span| span.span_id == client);
        let path = client.map(path_of).unwrap_or_default();
        assert_eq!(visit.trace_id, header_of(path).0, "{path}");
    }
}
