mod databases;
mod messaging;
mod rpc;

use std::sync::Arc;

use opentelemetry::TraceFlags;

use super::*;
use crate::fixture::{MS, attribute, exchange, number, options, span as span_id, text, trace};
use crate::propagation::Medium;
use crate::protocol::Heads;
use crate::record::{Exchange, NoParent, ParentKind, TcpStats};
use crate::span::{Value, ValueRef};

/// An exchange with its heads, as the assembler would bring it.
struct Case {
    kind: SpanKind,
    exchange: Exchange,
    options: MapOptions,
    statements: Statements,
    baggage_unknown: bool,
}

impl Case {
    fn point() -> Self {
        Self {
            kind: SpanKind::Server,
            exchange: exchange(1, 5, 7),
            options: options(),
            statements: Statements::new(100),
            baggage_unknown: false,
        }
    }

    fn edge(server: &str) -> Self {
        let exchange = Exchange {
            local: "10.0.0.1:40000".parse().unwrap(),
            remote: server.parse().unwrap(),
            ..exchange(1, 5, 7)
        };
        Self {
            kind: SpanKind::Client,
            exchange,
            ..Self::point()
        }
    }

    /// The span, and that of the client outside.
    fn map(&mut self, request: &[u8], reply: &[u8]) -> (Span, Option<Span>) {
        let server = match self.kind {
            SpanKind::Server => self.exchange.local,
            SpanKind::Client => self.exchange.remote,
        };
        let heads = Heads {
            request: (!request.is_empty()).then_some(request),
            reply: (!reply.is_empty()).then_some(reply),
            server_port: server.port(),
        };
        let (statements, options) = (&mut self.statements, &self.options);
        let filter = Http::filter(options);
        let read = Application::read(&heads, &self.exchange, statements, options, &filter);
        let application = read.as_ref().map(|(application, _)| application);
        let own = application.and_then(Application::baggage);
        let finished = Finished {
            kind: self.kind,
            seen: &Seen::from(&self.exchange),
            application,
            offset: ClockOffset::default(),
            links: &[],
            baggage: &own.map(|(own, _)| own.clone()).unwrap_or_default(),
            baggage_unknown: self.baggage_unknown,
        };
        // Nothing of a former span is left.
        let mut span = Span {
            parent: Some(span_id(99)),
            trace_state: "former=1".into(),
            attributes: [("former", Value::Bool(true))].into_iter().collect(),
            links: vec![Link {
                trace_id: trace(99),
                span_id: span_id(99),
            }],
            status: Status::Error("former".into()),
            service: Some("former".into()),
            ..Span::empty()
        };
        let client = map(&finished, &self.options, &mut span);
        let own = |key: &str| !finished.baggage.has(key);
        let mut own = span.attributes.iter().filter(|(key, _)| own(key));
        assert!(own.all(|(key, _)| key.contains('.')), "{span:?}");
        (span, client)
    }

    fn span(&mut self, request: &[u8], reply: &[u8]) -> Span {
        self.map(request, reply).0
    }
}

/// A context reader that knows two headers, and believes everybody.
struct Lanes;

impl ContextReader for Lanes {
    fn read<'h>(&self, _: Medium, fields: &mut Fields<'_, 'h>, _: Origin) -> RequestContext {
        let mut context = RequestContext::default();
        for (name, value) in fields {
            let value = Text::from(String::from_utf8_lossy(value).into_owned());
            if name.eq_ignore_ascii_case("x-lane-code") {
                let lane = ("x-lane-code".into(), [value].into());
                context.baggage = [lane].into_iter().collect();
            } else if name.eq_ignore_ascii_case("tracestate") {
                context.trace_state = value;
            }
        }
        context
    }

    fn glimpse<'h>(&self, _: Medium, _: &mut Fields<'_, 'h>, _: bool, _: u16) -> Glimpse {
        unreachable!("the mapping has finished exchanges only")
    }

    fn resolve(&self, _: u16) -> Option<Baggage> {
        unreachable!("the mapping gets all baggage with the exchange")
    }
}

struct Names;

impl PeerNames for Names {
    fn name(&self, peer: SocketAddr) -> Option<Text> {
        (peer.port() == 6379).then_some(Text::constant("cache"))
    }
}

#[test]
fn a_point_without_heads_is_a_plain_tcp_span() {
    let mut case = Case::point();
    case.exchange.tcp = TcpStats {
        srtt_us: 1,
        rttvar_us: 2,
        snd_cwnd: 3,
        retransmits: 4,
    };
    case.exchange.arrived = 2 * MS;
    let span = case.span(b"", b"");
    assert_eq!(span.kind, SpanKind::Server);
    assert_eq!(span.name, "tcp 8080");
    assert_eq!(span.status, Status::Unset);
    assert_eq!(text(&span, "network.transport"), Some("tcp"));
    assert_eq!(text(&span, "network.type"), Some("ipv4"));
    assert_eq!(text(&span, "network.local.address"), Some("10.0.0.1"));
    assert_eq!(number(&span, "network.local.port"), Some(8080));
    assert_eq!(text(&span, "network.peer.address"), Some("10.0.0.2"));
    assert_eq!(number(&span, "network.peer.port"), Some(40000));
    assert_eq!(text(&span, "server.address"), Some("10.0.0.1"));
    assert_eq!(number(&span, "server.port"), Some(8080));
    assert_eq!(text(&span, "client.address"), Some("10.0.0.2"));
    assert_eq!(number(&span, "client.port"), Some(40000));
    for (key, value) in [
        ("lanewire.tcp.srtt_us", 1),
        ("lanewire.tcp.rttvar_us", 2),
        ("lanewire.tcp.snd_cwnd", 3),
        ("lanewire.tcp.retransmits", 4),
        ("lanewire.tcp.bytes_received", 10),
        ("lanewire.tcp.bytes_sent", 20),
        ("lanewire.queue_us", 3_000),
    ] {
        assert_eq!(number(&span, key), Some(value), "{key}");
    }
}

#[test]
fn an_unknown_arrival_is_no_queueing_time() {
    assert_eq!(
        attribute(&Case::point().span(b"", b""), "lanewire.queue_us"),
        None
    );
}

#[test]
fn an_edge_names_its_server_and_not_itself_as_client() {
    let span = Case::edge("10.0.0.9:9000").span(b"", b"");
    assert_eq!(span.kind, SpanKind::Client);
    assert_eq!(span.name, "tcp 9000");
    assert_eq!(text(&span, "server.address"), Some("10.0.0.9"));
    assert_eq!(number(&span, "server.port"), Some(9000));
    assert_eq!(attribute(&span, "client.address"), None);
}

#[test]
fn an_ipv4_address_on_an_ipv6_socket_is_one_of_ipv4() {
    let mut case = Case::point();
    case.exchange.local = "[::ffff:10.0.0.1]:80".parse().unwrap();
    case.exchange.remote = "[::ffff:10.0.0.2]:81".parse().unwrap();
    let span = case.span(b"", b"");
    assert_eq!(text(&span, "network.type"), Some("ipv4"));
    assert_eq!(text(&span, "network.peer.address"), Some("10.0.0.2"));

    case.exchange.local = "[fd00::1]:80".parse().unwrap();
    case.exchange.remote = "[fd00::2]:81".parse().unwrap();
    let span = case.span(b"", b"");
    assert_eq!(text(&span, "network.type"), Some("ipv6"));
    assert_eq!(text(&span, "network.peer.address"), Some("fd00::2"));
}

#[test]
fn only_a_parent_from_the_other_side_is_remote() {
    for (kind, flags) in [
        (ParentKind::Wire, 0x303),
        (ParentKind::Header, 0x303),
        (ParentKind::Worker, 0x103),
        (ParentKind::Connect, 0x103),
        (ParentKind::None(NoParent::Ingress), 0x103),
    ] {
        let mut case = Case::point();
        case.exchange.flags = TraceFlags::new(0x03);
        case.exchange.parent_kind = kind;
        let span = case.span(b"", b"");
        assert_eq!(span.flags, flags, "{kind}");
        assert_eq!(text(&span, "lanewire.parent"), Some(kind.as_str()));
    }
}

#[test]
fn a_context_that_was_overruled_becomes_a_link() {
    let mut case = Case::point();
    case.exchange.link = Some((trace(9), span_id(8)));
    let span = case.span(b"", b"");
    assert_eq!(
        span.links,
        [Link {
            trace_id: trace(9),
            span_id: span_id(8)
        }]
    );
}

#[test]
fn a_span_never_ends_before_it_starts() {
    let mut case = Case::point();
    case.exchange.end = 0;
    case.exchange.replied = 0;
    let span = case.span(b"", b"");
    assert_eq!(span.end_unix_nano, span.start_unix_nano);
}

#[test]
fn http_gives_method_status_version_and_host_but_no_path() {
    let request = b"GET /orders/7?user=9 HTTP/1.1\r\nHost: shop.example:81\r\nA: b\r\n\r\n";
    let reply = b"HTTP/1.1 200 OK\r\n";
    let mut case = Case::edge("10.0.0.9:8080");
    let span = case.span(request, reply);
    assert_eq!(span.name, "GET");
    assert_eq!(span.status, Status::Unset);
    assert_eq!(text(&span, "http.request.method"), Some("GET"));
    assert_eq!(number(&span, "http.response.status_code"), Some(200));
    assert_eq!(text(&span, "network.protocol.name"), Some("http"));
    assert_eq!(text(&span, "network.protocol.version"), Some("1.1"));
    assert_eq!(text(&span, "server.address"), Some("shop.example"));
    assert_eq!(number(&span, "server.port"), Some(81));
    assert_eq!(attribute(&span, "url.path"), None);

    case.options.url_path = true;
    assert_eq!(
        text(&case.span(request, reply), "url.path"),
        Some("/orders/7")
    );
}

#[test]
fn a_method_that_nobody_knows_is_no_name() {
    let span = Case::point().span(b"PURGE /x HTTP/1.1\r\n", b"");
    assert_eq!(span.name, "HTTP");
    assert_eq!(text(&span, "http.request.method"), Some("_OTHER"));
    assert_eq!(text(&span, "http.request.method_original"), Some("PURGE"));
}

#[test]
fn a_status_is_an_error_for_whom_the_conventions_say() {
    let error_type = |mut case: Case, status: u16| {
        let reply = format!("HTTP/1.1 {status} x\r\n");
        let span = case.span(b"GET / HTTP/1.1\r\n", reply.as_bytes());
        assert_eq!(
            span.status != Status::Unset,
            attribute(&span, "error.type").is_some()
        );
        text(&span, "error.type").map(str::to_owned)
    };
    assert_eq!(error_type(Case::point(), 302), None);
    assert_eq!(error_type(Case::point(), 404), None);
    assert_eq!(error_type(Case::point(), 503).as_deref(), Some("503"));
    assert_eq!(error_type(Case::edge("10.0.0.9:80"), 302), None);
    assert_eq!(
        error_type(Case::edge("10.0.0.9:80"), 404).as_deref(),
        Some("404")
    );
    assert_eq!(
        error_type(Case::edge("10.0.0.9:80"), 503).as_deref(),
        Some("503")
    );
}

#[test]
fn what_broke_the_connection_is_the_error() {
    for (error, error_type) in [
        (ExchangeError::Closed, "connection_closed"),
        (ExchangeError::Reset, "connection_reset"),
        (ExchangeError::TimedOut, "timeout"),
        (ExchangeError::Other(113), "errno:113"),
    ] {
        let mut case = Case::point();
        case.exchange.error = Some(error);
        let span = case.span(b"GET / HTTP/1.1\r\n", b"HTTP/1.1 500 x\r\n");
        assert_eq!(text(&span, "error.type"), Some(error_type));
        assert!(matches!(span.status, Status::Error(message) if !message.is_empty()));
    }
}

#[test]
fn baggage_and_the_notes_on_the_trace_are_on_the_span() {
    let mut case = Case::point();
    case.options.context = Arc::new(Lanes);
    case.exchange.baggage_index = 7;
    let request = b"GET / HTTP/1.1\r\nX-Lane-Code: gray\r\ntracestate: a=b\r\n\r\n";
    let span = case.span(request, b"");
    assert_eq!(text(&span, "x-lane-code"), Some("gray"));
    assert_eq!(span.trace_state, "a=b");
    assert_eq!(attribute(&span, "lanewire.baggage.index"), None);
}

#[test]
fn an_index_that_nobody_knows_is_exported_as_it_is() {
    let mut case = Case::point();
    case.exchange.baggage_index = 8;
    case.baggage_unknown = true;
    let span = case.span(b"", b"");
    assert_eq!(number(&span, "lanewire.baggage.index"), Some(8));
}

#[test]
fn an_ingress_gets_a_span_for_the_client_outside_if_asked() {
    let mut case = Case::point();
    case.options.client_span = true;
    case.exchange.parent_kind = ParentKind::None(NoParent::Ingress);
    case.exchange.arrived = 4 * MS;
    let mapped = case.map(b"GET / HTTP/1.1\r\n", b"HTTP/1.1 404 x\r\n");
    let (server, client) = (mapped.0, mapped.1.unwrap());
    assert_eq!(client.service.as_deref(), Some("client"));
    assert_eq!(client.kind, SpanKind::Client);
    assert_eq!(client.name, "GET");
    assert_eq!(client.parent, None);
    assert_eq!(client.trace_id, server.trace_id);
    assert_eq!(server.parent, Some(client.span_id));
    assert_ne!(client.span_id, server.span_id);
    assert_eq!((server.flags, client.flags), (0x301, 0x101));
    assert_eq!(client.start_unix_nano, 4 * MS);
    assert_eq!(text(&client, "network.peer.address"), Some("10.0.0.1"));
    assert_eq!(number(&client, "server.port"), Some(8080));
    assert_eq!(text(&client, "error.type"), Some("404"));
    assert_eq!(server.status, Status::Unset);
}

#[test]
fn only_an_ingress_has_a_client_outside() {
    let mut case = Case::point();
    case.options.client_span = true;
    case.exchange.parent = Some(span_id(3));
    case.exchange.parent_kind = ParentKind::Wire;
    assert!(case.map(b"", b"").1.is_none());
    let mut case = Case::edge("10.0.0.9:80");
    case.options.client_span = true;
    assert!(case.map(b"", b"").1.is_none());
}
