use super::*;
use crate::fixture::message;

const GRPC: &str = include_str!("../../protocol/http2/grpcio.txt");
const TRIPLE: &str = include_str!("../../protocol/http2/triple.txt");
const DUBBO: &str = include_str!("../../protocol/dubbo/messages.txt");

/// A call of a recording, with its context read.
fn call(case: &mut Case, recording: &str, name: &str) -> Span {
    case.options.context = Arc::new(Lanes);
    let request = message(recording, &format!("{name}_request"));
    let reply = message(recording, &format!("{name}_reply"));
    case.span(&request, &reply)
}

#[test]
fn grpc_is_named_by_its_method_and_has_its_metadata() {
    let mut case = Case::point();
    for name in ["first", "second"] {
        let span = call(&mut case, GRPC, name);
        assert_eq!(span.name, "shop.v1.Stock/Reserve", "{name}");
        assert_eq!(span.status, Status::Unset);
        assert_eq!(text(&span, "rpc.system.name"), Some("grpc"));
        assert_eq!(text(&span, "rpc.method"), Some("shop.v1.Stock/Reserve"));
        assert_eq!(text(&span, "rpc.response.status_code"), Some("OK"));
        assert_eq!(text(&span, "network.protocol.name"), Some("http"));
        assert_eq!(text(&span, "network.protocol.version"), Some("2"));
        assert_eq!(text(&span, "server.address"), Some("127.0.0.1"));
        assert_eq!(text(&span, "x-lane-code"), Some("gray"));
        assert_eq!(attribute(&span, "http.request.method"), None);
        assert_eq!(attribute(&span, "error.type"), None);
    }
}

#[test]
fn a_call_that_failed_says_how() {
    for mut case in [Case::point(), Case::edge("10.0.0.9:50051")] {
        call(&mut case, GRPC, "first");
        call(&mut case, GRPC, "second");
        let span = call(&mut case, GRPC, "fail");
        assert_eq!(span.name, "shop.v1.Stock/Reserve");
        assert_eq!(text(&span, "rpc.response.status_code"), Some("UNAVAILABLE"));
        assert_eq!(text(&span, "error.type"), Some("UNAVAILABLE"));
        assert_eq!(span.status, Status::Error(Text::EMPTY));
    }
}

#[test]
fn a_method_that_the_server_does_not_have_is_in_no_name() {
    let mut case = Case::point();
    for name in ["first", "second", "fail"] {
        call(&mut case, GRPC, name);
    }
    let span = call(&mut case, GRPC, "unimpl");
    assert_eq!(span.name, "grpc");
    assert_eq!(text(&span, "rpc.method"), Some("_OTHER"));
    assert_eq!(
        text(&span, "rpc.method_original"),
        Some("shop.v1.Stock/Nothing")
    );
    assert_eq!(text(&span, "error.type"), Some("UNIMPLEMENTED"));
}

#[test]
fn what_is_the_clients_fault_is_no_error_of_the_server() {
    let request = message(GRPC, "first_request");
    // HEADERS on stream 1: 200, application/grpc, grpc-status 5.
    let reply = b"\0\0\x23\x01\x05\0\0\0\x01\x88\x0f\x10\x10application/grpc\0\x0bgrpc-status\x015";
    let span = Case::point().span(&request, reply);
    assert_eq!(text(&span, "rpc.response.status_code"), Some("NOT_FOUND"));
    assert_eq!(attribute(&span, "error.type"), None);
    let span = Case::edge("10.0.0.9:50051").span(&request, reply);
    assert_eq!(text(&span, "error.type"), Some("NOT_FOUND"));
}

#[test]
fn a_proxy_that_answers_for_a_grpc_server_gives_a_status_of_http() {
    let request = message(GRPC, "first_request");
    let reply = b"\0\0\x05\x01\x05\0\0\0\x01\x08\x03503";
    let span = Case::edge("10.0.0.9:50051").span(&request, reply);
    assert_eq!(text(&span, "error.type"), Some("503"));
    assert_eq!(number(&span, "http.response.status_code"), Some(503));
    assert_eq!(attribute(&span, "rpc.response.status_code"), None);
}

#[test]
fn triple_is_dubbo() {
    let mut case = Case::point();
    for name in ["none", "reserve"] {
        let span = call(&mut case, TRIPLE, name);
        assert_eq!(span.name, format!("shop.Stock/{name}"));
        assert_eq!(text(&span, "rpc.system.name"), Some("dubbo"));
        assert_eq!(text(&span, "rpc.response.status_code"), Some("OK"));
        assert_eq!(text(&span, "x-lane-code"), Some("gray"));
        assert_eq!(attribute(&span, "error.type"), None);
    }
    let span = call(&mut case, TRIPLE, "fail");
    assert_eq!(text(&span, "error.type"), Some("_OTHER"), "it threw");
}

#[test]
fn http2_without_grpc_is_http() {
    // GET / of host shop with a lane, and 404.
    let request = b"\0\0\x1d\x01\x05\0\0\0\x01\x82\x86\x84\x41\x07shop:80\0\x0bx-lane-code\x03red";
    let reply = b"\0\0\x01\x01\x05\0\0\0\x01\x8d";
    let mut case = Case::edge("10.0.0.9:80");
    case.options.context = Arc::new(Lanes);
    case.options.url_path = true;
    let span = case.span(request, reply);
    assert_eq!(span.name, "GET");
    assert_eq!(text(&span, "http.request.method"), Some("GET"));
    assert_eq!(text(&span, "network.protocol.version"), Some("2"));
    assert_eq!(text(&span, "url.path"), Some("/"));
    assert_eq!(text(&span, "server.address"), Some("shop"));
    assert_eq!(number(&span, "http.response.status_code"), Some(404));
    assert_eq!(text(&span, "error.type"), Some("404"));
    assert_eq!(text(&span, "x-lane-code"), Some("red"));
}

#[test]
fn dubbo_is_named_by_its_method_and_has_its_attachments() {
    for name in ["none", "reserve"] {
        let span = call(&mut Case::point(), DUBBO, name);
        assert_eq!(span.name, format!("shop.Stock/{name}"));
        assert_eq!(span.status, Status::Unset);
        assert_eq!(text(&span, "rpc.system.name"), Some("dubbo"));
        assert_eq!(text(&span, "rpc.response.status_code"), Some("OK"));
        assert_eq!(text(&span, "network.protocol.name"), Some("dubbo"));
        assert_eq!(text(&span, "x-lane-code"), Some("gray"));
    }
}

#[test]
fn what_a_dubbo_service_throws_is_its_error() {
    let span = call(&mut Case::point(), DUBBO, "fail");
    assert_eq!(text(&span, "rpc.response.status_code"), Some("OK"));
    assert_eq!(text(&span, "error.type"), Some("shop.OutOfStock"));
    assert_eq!(span.status, Status::Error(Text::EMPTY));
}

#[test]
fn a_heartbeat_of_dubbo_has_no_method() {
    let span = call(&mut Case::edge("10.0.0.9:20880"), DUBBO, "heartbeat");
    assert_eq!(span.name, "dubbo");
    assert_eq!(attribute(&span, "rpc.method"), None);
    assert_eq!(attribute(&span, "error.type"), None);
}

#[test]
fn a_one_way_call_that_is_not_answered_has_not_failed() {
    let mut request = message(DUBBO, "none_request");
    request[2] &= !0x40;
    let mut case = Case::edge("10.0.0.9:20880");
    case.exchange.error = Some(ExchangeError::Closed);
    let span = case.span(&request, b"");
    assert_eq!(span.status, Status::Unset);
}
