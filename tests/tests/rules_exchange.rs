//! What is one exchange, what ends it, and what is said of it.

use lanewire_tests::lab::{self, Lab, Spans, path_of};
use lanewire_tests::need::{self, Need};
use lanewire_tests::spans::{Kind, Span};

const HOSTS: &[&str] = &["client", "server"];
const SENT: &str = "lanewire.tcp.bytes_sent";
const RECEIVED: &str = "lanewire.tcp.bytes_received";

/// Runs these clients one after the other against one server.
fn spans_of(test: &str, clients: &[&[&str]]) -> Option<Spans> {
    let lab = Lab::start(test, HOSTS).unwrap()?;
    let _server = lab.serve("server", "server.py", &[]).unwrap();
    for arguments in clients {
        lab.run("client", "client.py", "server", arguments).unwrap();
    }
    Some(lab.finish().unwrap())
}

fn bytes(span: &Span, key: &str) -> u64 {
    lab::number(span, key).unwrap_or_else(|| panic!("no {key}: {span:#?}"))
}

fn error(span: &Span) -> &str {
    span.text("error.type").unwrap_or("none")
}

/// The two spans of a request, the server's under the client's.
fn pair<'a>(spans: &'a Spans, path: &str) -> (&'a Span, &'a Span) {
    let client = spans.one("client", Kind::Client, path);
    let server = spans.one("server", Kind::Server, path);
    assert_eq!(server.parent_found_by(), "wire", "{server:#?}");
    assert_eq!(server.parent.as_ref(), Some(&client.span_id));
    (client, server)
}

/// Within an eighth, which is how far a report may be behind.
fn about(actual: u64, expected: u64, what: &Span) {
    let difference = actual.abs_diff(expected);
    assert!(
        difference <= expected / 8 + 200,
        "{actual}, not {expected}: {what:#?}"
    );
}

#[test]
fn broken_exchanges_have_their_error() {
    let clients: &[&[&str]] = &[
        &["broken", "/closed", "close"],
        &["broken", "/reset", "reset"],
        &["broken", "/half", "half"],
        &["given_up", "/given-up"],
    ];
    let Some(spans) = spans_of("broken_exchanges_have_their_error", clients) else {
        return;
    };
    let (client, server) = pair(&spans, "/closed");
    assert_eq!(
        (error(client), error(server)),
        ("connection_closed", "connection_closed")
    );
    let (client, _) = pair(&spans, "/reset");
    assert_eq!(error(client), "connection_reset");
    // The reply had begun: the exchange is over, and what it was cut to is seen from its bytes.
    let (client, server) = pair(&spans, "/half");
    assert!(bytes(client, RECEIVED) < 100_000, "{client:#?}");
    assert!(bytes(server, SENT) < 100_000, "{server:#?}");
    let (client, server) = pair(&spans, "/given-up");
    assert_eq!(error(client), "connection_closed");
    assert!(client.end < server.end);
    assert!(client.end - client.start < 900_000_000, "{client:#?}");
}

#[test]
fn a_time_out_is_an_error_of_its_request() {
    let test = "a_time_out_is_an_error_of_its_request";
    if need::skip(test, &[Need::Program("nft")]) {
        return;
    }
    let Some(spans) = spans_of(test, &[&["silence", "/gone"]]) else {
        return;
    };
    let client = spans.one("client", Kind::Client, "/gone");
    assert_eq!(error(client), "timeout", "{client:#?}");
    assert_eq!(error(spans.one("client", Kind::Client, "/there")), "none");
}

#[test]
fn a_long_reply_is_one_exchange_with_true_bytes() {
    const SIZE: u64 = 20_000_000;
    let clients: &[&[&str]] = &[
        &["settled", "/whole", "10", "x_reply=20000000"],
        &[
            "settled",
            "/pieces",
            "10",
            "x_reply=20000000",
            "x_how=pieces",
        ],
        &[
            "settled",
            "/file",
            "10",
            "x_reply=20000000",
            "x_how=sendfile",
        ],
    ];
    let Some(spans) = spans_of("a_long_reply_is_one_exchange_with_true_bytes", clients) else {
        return;
    };
    for path in ["/whole", "/pieces", "/file"] {
        let (client, server) = pair(&spans, path);
        about(bytes(client, RECEIVED), SIZE, client);
        about(bytes(server, SENT), SIZE, server);
        assert!(server.start >= client.start && server.end <= client.end + 1_000_000);
        pair(&spans, &format!("{path}-next"));
    }
}

#[test]
fn a_long_upload_is_one_exchange_with_true_bytes() {
    const SIZE: u64 = 20_000_000;
    let clients: &[&[&str]] = &[&["one", "/up", "20000000"]];
    let Some(spans) = spans_of("a_long_upload_is_one_exchange_with_true_bytes", clients) else {
        return;
    };
    let (client, server) = pair(&spans, "/up");
    about(bytes(client, SENT), SIZE, client);
    about(bytes(server, RECEIVED), SIZE, server);
    assert!(server.end - server.start > (client.end - client.start) / 2);
}

#[test]
fn a_reply_without_a_plain_buffer_is_followed() {
    let clients: &[&[&str]] = &[&["settled", "/opaque", "10", "x_reply=30000", "x_how=opaque"]];
    let Some(spans) = spans_of("a_reply_without_a_plain_buffer_is_followed", clients) else {
        return;
    };
    let (client, server) = pair(&spans, "/opaque");
    about(bytes(client, RECEIVED), 30_000, client);
    about(bytes(server, SENT), 30_000, server);
    assert_eq!(server.attributes.get("http.response.status_code"), None);
}

#[test]
fn a_fin_is_not_counted_as_a_byte() {
    let clients: &[&[&str]] = &[&["half_close", "/half"], &["broken", "/closed", "close"]];
    let Some(spans) = spans_of("a_fin_is_not_counted_as_a_byte", clients) else {
        return;
    };
    for path in ["/half", "/closed"] {
        let (client, server) = pair(&spans, path);
        assert_eq!(bytes(client, SENT), bytes(server, RECEIVED), "{path}");
        assert_eq!(bytes(server, SENT), bytes(client, RECEIVED), "{path}");
    }
    let (client, server) = pair(&spans, "/half");
    assert_eq!((error(client), error(server)), ("none", "none"));
}

#[test]
fn pipelined_requests_get_no_wrong_parent() {
    let clients: &[&[&str]] = &[
        &["pipelined", "together", "together"],
        &["pipelined", "apart", "apart"],
    ];
    let Some(spans) = spans_of("pipelined_requests_get_no_wrong_parent", clients) else {
        return;
    };
    assert_eq!(spans.wrong(), []);
    let servers = spans.on("server", Kind::Server);
    assert!(!servers.is_empty());
    for server in servers {
        assert!(spans.parent(server).is_some(), "{server:#?}");
    }
}

#[test]
fn requests_read_at_once_have_their_own_parents() {
    let clients: &[&[&str]] = &[&["shared", "s"]];
    let test = "requests_read_at_once_have_their_own_parents";
    let Some(spans) = spans_of(test, clients) else {
        return;
    };
    pair(&spans, "/s-first");
    pair(&spans, "/s-wait");
    // Two threads, so two invocations; each has its own visit at the other end, whatever of its
    // head could be read there.
    let clients: Vec<&Span> = spans.on("client", Kind::Client);
    assert_eq!(clients.len(), 4, "{clients:#?}");
    let servers = spans.on("server", Kind::Server);
    assert_eq!(servers.len(), 4, "{servers:#?}");
    let sent_header = "0000000000000000000000000000000001";
    for server in servers {
        let said_itself = path_of(server) == "/s-1" && server.trace_id == sent_header[2..];
        assert!(said_itself || spans.parent(server).is_some(), "{server:#?}");
    }
    assert_eq!(spans.of("server", Kind::Server, "/s-1").len(), 1);
    let second = spans.one("client", Kind::Client, "/s-2");
    let children = spans
        .all
        .iter()
        .filter(|span| span.parent.as_ref() == Some(&second.span_id));
    assert_eq!(children.count(), 1, "its visit belongs to somebody else");
}

#[test]
fn a_request_in_two_calls_is_one_exchange() {
    let clients: &[&[&str]] = &[&["in_two_calls", "/two"], &["expecting", "/expecting"]];
    let Some(spans) = spans_of("a_request_in_two_calls_is_one_exchange", clients) else {
        return;
    };
    for path in ["/two-0", "/two-1", "/two-2", "/expecting"] {
        pair(&spans, path);
    }
    assert_eq!(spans.all.len(), 8, "{:#?}", spans.all);
}

#[test]
fn idle_connections_are_no_exchange() {
    let clients: &[&[&str]] = &[&["idle", "/idle"]];
    let Some(spans) = spans_of("idle_connections_are_no_exchange", clients) else {
        return;
    };
    for path in ["/idle-0", "/idle-1"] {
        let (client, server) = pair(&spans, path);
        assert!(client.end - client.start < 1_500_000_000, "{client:#?}");
        assert!(server.end - server.start < 1_500_000_000, "{server:#?}");
    }
    assert_eq!(spans.all.len(), 4, "{:#?}", spans.all);
}
