mod never_guessed;

use super::*;
use crate::fixture;

const GRPCIO: &str = include_str!("grpcio.txt");
const GRPC_JS: &str = include_str!("grpc_js.txt");
const TRIPLE: &str = include_str!("triple.txt");
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Calls of a recording, one after the other on the same connection.
fn calls(recording: &str, names: &[&str]) -> Vec<(Message, Message)> {
    let mut connection = Connection::default();
    let mut call = |name: &&str| {
        let head = fixture::message(recording, &format!("{name}_request"));
        assert!(is_request(&head, false), "{name}");
        let request = connection.request(&head).unwrap();
        let head = fixture::message(recording, &format!("{name}_reply"));
        assert!(is_reply(&head), "{name}");
        let reply = connection.reply(Some(&request), &head).unwrap();
        for message in [&request, &reply] {
            assert_eq!((message.unknown, message.stop), (0, None), "{name}");
        }
        (request, reply)
    };
    names.iter().map(&mut call).collect()
}

#[test]
fn every_call_of_a_connection_is_read_by_what_the_ones_before_it_said() {
    let names = ["first", "second", "fail", "unimpl"];
    let statuses = ["0", "0", "14", "12"];
    for ((request, reply), (name, status)) in
        calls(GRPCIO, &names).iter().zip(names.iter().zip(statuses))
    {
        assert_eq!(request.get(":method"), Some("POST"));
        let method = if *name == "unimpl" {
            "Nothing"
        } else {
            "Reserve"
        };
        let path = format!("/shop.v1.Stock/{method}");
        assert_eq!(request.get(":path"), Some(&*path));
        assert!(request.is_grpc());
        assert_eq!(reply.status(), Some(200));
        assert_eq!(reply.get("grpc-status"), Some(status));
        if *name != "unimpl" {
            assert_eq!(request.get("x-lane-code"), Some("gray"));
            assert_eq!(request.get("traceparent"), Some(TRACEPARENT));
        }
    }
}

#[test]
fn strings_may_be_coded_and_fields_be_references_to_the_last() {
    let calls = calls(GRPC_JS, &["first", "second", "fail"]);
    for (request, reply) in &calls {
        assert_eq!(request.get(":path"), Some("/shop.v1.Stock/Reserve"));
        assert_eq!(request.get("x-lane-code"), Some("gray"));
        assert_eq!(request.get("traceparent"), Some(TRACEPARENT));
        assert_eq!(reply.status(), Some(200));
    }
    let status = |call: usize| calls[call].1.get("grpc-status").unwrap().to_owned();
    assert_eq!([status(0), status(1), status(2)], ["0", "0", "14"]);
}

#[test]
fn triple_is_read_as_grpc_is() {
    let names = ["none", "reserve", "fail"];
    for ((request, _), name) in calls(TRIPLE, &names).iter().zip(names) {
        let path = format!("/shop.Stock/{name}");
        assert_eq!(request.get(":path"), Some(&*path));
        assert!(request.is_grpc() && request.has_prefix("tri-"));
        assert_eq!(request.get("x-lane-code"), Some("gray"));
    }
}

#[test]
fn without_what_came_before_references_are_counted_and_the_rest_is_right() {
    let head = fixture::message(GRPCIO, "second_request");
    assert!(is_request(&head, false));
    let request = Connection::default().request(&head).unwrap();
    assert_eq!(request.unknown, 6);
    assert_eq!(request.get(":method"), Some("POST"));
    assert_eq!(request.get(":path"), None);
    assert_eq!(request.get("x-lane-code"), Some("gray"));
    assert_eq!(request.get("traceparent"), Some(TRACEPARENT));
}

#[test]
fn what_a_missed_request_would_have_changed_is_not_guessed() {
    let mut connection = Connection::default();
    let first = fixture::message(GRPC_JS, "first_request");
    connection.request(&first).unwrap();
    // The second, on stream 3, is not seen.
    let third = fixture::message(GRPC_JS, "fail_request");
    let request = connection.request(&third).unwrap();
    assert!(request.unknown > 0);
    assert_eq!(request.get("x-lane-code"), None);
}

#[test]
fn what_a_missed_reply_would_have_changed_is_not_guessed() {
    let mut connection = Connection::default();
    let read = |name| fixture::message(GRPC_JS, name);
    let first = connection.request(&read("first_request"));
    // Cut off before its trailers.
    let reply = read("first_reply");
    let reply = connection.reply(first.as_ref(), &reply[..120]);
    assert_eq!(reply.unwrap().status(), Some(200));
    let second = connection.request(&read("second_request")).unwrap();
    assert_eq!(second.get(":path"), Some("/shop.v1.Stock/Reserve"));
    let reply = connection.reply(Some(&second), &read("second_reply"));
    assert!(reply.unwrap().unknown > 0);
}

/// A frame of at most 255 bytes.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len().try_into().unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

#[test]
fn padding_priority_and_continuations_are_no_part_of_the_block() {
    let head = [
        frame(1, 0x28, 1, b"\x03\0\0\0\0\x10\x83\x86\x84pad"),
        frame(9, 0, 1, b"\x41\x04sh"),
        frame(9, 4, 1, b"op"),
        frame(0, 1, 1, b"body"),
    ]
    .concat();
    assert!(is_request(&head, false));
    let request = Connection::default().request(&head).unwrap();
    assert_eq!(request.stop, None);
    assert_eq!(request.get(":path"), Some("/"));
    assert_eq!(request.get(":authority"), Some("shop"));
}

#[test]
fn a_block_that_is_cut_off_gives_what_is_there() {
    let head = fixture::message(GRPCIO, "first_request");
    let whole = Connection::default().request(&head).unwrap();
    for cut in 0..head.len() {
        let seen = Connection::default().request(&head[..cut]);
        if let Some(seen) = seen {
            assert!(whole.fields.starts_with(&seen.fields), "cut at {cut}");
            assert!(seen.stop.is_some() || seen == whole);
        }
    }
}

#[test]
fn trailers_that_may_have_been_missed_leave_nothing_to_refer_to() {
    let request = |ends: u8, stream| frame(1, 4 | ends, stream, b"\x83\x86\x84\x40\x01a\x01b");
    let next = frame(1, 5, 3, b"\x83\x86\x84\xbe");
    for (first, known) in [
        (request(1, 1), true),
        (request(0, 1), false),
        ([request(0, 1), frame(0, 1, 1, b"body")].concat(), true),
        ([request(0, 1), frame(1, 5, 1, b"\x90")].concat(), true),
    ] {
        let mut connection = Connection::default();
        connection.request(&first).unwrap();
        let next = connection.request(&next).unwrap();
        assert_eq!(next.get("a"), known.then_some("b"));
        assert_eq!(next.unknown, usize::from(!known));
    }
}

#[test]
fn an_interim_reply_is_not_the_reply() {
    let mut connection = Connection::default();
    let request = connection.request(&frame(1, 5, 1, b"\x82\x86\x84"));
    let head = [
        frame(1, 4, 1, b"\x08\x03103"),
        frame(1, 4, 1, b"\x8d"),
        frame(1, 5, 1, b"\0\x01t\x01v"),
    ]
    .concat();
    let reply = connection.reply(request.as_ref(), &head).unwrap();
    assert_eq!(reply.status(), Some(404));
    assert_eq!(reply.get("t"), Some("v"));
}

#[test]
fn a_reply_to_another_stream_is_not_taken_for_this_ones() {
    let mut connection = Connection::default();
    let request = connection.request(&frame(1, 5, 3, b"\x82\x86\x84"));
    let head = [frame(1, 5, 1, b"\x8e"), frame(1, 5, 3, b"\x88")].concat();
    let reply = connection.reply(request.as_ref(), &head).unwrap();
    assert_eq!(reply.status(), Some(200));
}

#[test]
fn connections_that_were_not_seen_from_their_start_are_told_by_their_frames() {
    let ping = frame(6, 0, 0, b"12345678");
    for head in [
        &ping[..],
        &frame(4, 1, 0, b""),
        &[ping.clone(), frame(1, 5, 7, b"\x83\xc0\xc1")].concat(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PRI * H",
    ] {
        assert!(is_request(head, false), "{}", head.escape_ascii());
    }
    let data = frame(0, 1, 1, b"body");
    assert!(is_request(&data, true) && !is_request(&data, false));
}

#[test]
fn other_protocols_are_not_http2() {
    for head in [
        &b""[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
        b"\0\0\0\x2a\0\x03\0\0user\0shop\0database\0shop\0\0",
        b"\x09\0\0\0\x03SELECT 1",
        b"Q\0\0\0\x0dSELECT 1\0",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"\xda\xbb\xc2\0\0\0\0\0\0\0\0\x01\0\0\0\x01N",
        b"\0\0\0\x1d\0\x12\0\x03\0\0\0\x01\0\x08producer\0\x04shop\x041.0\0",
        &[0; 64],
        &[0xff; 64],
    ] {
        assert!(!is_request(head, false), "{}", head.escape_ascii());
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(heads: Vec<(Vec<u8>, Vec<u8>)>) {
        let mut connection = Connection::default();
        for (request, reply) in heads {
            is_request(&request, false);
            let request = connection.request(&request);
            connection.reply(request.as_ref(), &reply);
        }
    }

    #[test]
    fn no_altered_message_panics(
        at: proptest::sample::Index, byte: u8, more: Vec<u8>, cut: proptest::sample::Index,
    ) {
        for (recording, name) in [(GRPCIO, "first"), (GRPC_JS, "first"), (TRIPLE, "reserve")] {
            let mut connection = Connection::default();
            let mut request = fixture::message(recording, &format!("{name}_request"));
            let at_request = at.index(request.len());
            request[at_request] = byte;
            request.splice(at_request..at_request, more.clone());
            request.truncate(cut.index(request.len()) + 1);
            is_request(&request, false);
            let request = connection.request(&request);
            let mut reply = fixture::message(recording, &format!("{name}_reply"));
            let at = at.index(reply.len());
            reply[at] = byte;
            connection.reply(request.as_ref(), &reply);
        }
    }
}
