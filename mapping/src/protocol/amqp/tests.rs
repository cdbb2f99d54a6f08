use super::*;
use crate::fixture::message;

const RECORDING: &str = include_str!("messages.txt");

const HEADS: [&str; 22] = [
    "opening",
    "start_reply",
    "start_ok",
    "tune_ok_and_open",
    "exchange_declare",
    "queue_declare",
    "queue_declare_reply",
    "queue_bind",
    "publish_and_confirm_select",
    "confirmed",
    "confirmed_reply",
    "get",
    "get_reply",
    "get_default_exchange_reply",
    "ack_and_get",
    "get_empty_reply",
    "consume",
    "consume_reply",
    "declare_missing",
    "declare_missing_reply",
    "close",
    "close_reply",
];

/// Leaks: the tests are few.
fn recorded(name: &str) -> &'static [u8] {
    message(RECORDING, name).leak()
}

fn request(name: &str) -> Request<'static> {
    Request::parse(recorded(name), false).unwrap_or_else(|| panic!("{name} is not read"))
}

fn method(name: &str) -> Option<&'static str> {
    request(name).method.and_then(Method::name)
}

#[test]
fn every_request_has_the_name_of_what_it_waits_for() {
    for (name, expected) in [
        ("start_ok", "connection.start-ok"),
        ("tune_ok_and_open", "connection.open"),
        ("exchange_declare", "exchange.declare"),
        ("queue_declare", "queue.declare"),
        ("queue_bind", "queue.bind"),
        ("publish_and_confirm_select", "publish"),
        ("confirmed", "publish"),
        ("get", "get"),
        ("ack_and_get", "get"),
        ("consume", "consume"),
        ("close", "connection.close"),
    ] {
        assert_eq!(method(name), Some(expected), "{name}");
    }
    assert!(request("opening").opens);
}

#[test]
fn a_message_is_published_to_an_exchange_with_a_routing_key_and_headers() {
    let read = request("publish_and_confirm_select");
    assert_eq!(read.exchange, Some("orders"));
    assert_eq!(read.routing_key, Some("order.created"));
    assert_eq!(read.batch, Some(1));
    // Numbers, truth values, tables and lists are stepped over.
    let texts: [(&str, &[u8]); 2] = [("x-lane-code", b"gray"), ("x-live-uid", b"u7")];
    assert_eq!(read.headers, texts);
    assert_eq!(read.unread, None);

    let read = request("confirmed");
    assert_eq!(
        (read.exchange, read.routing_key),
        (Some(""), Some("billing"))
    );
    assert_eq!(read.headers, texts[..1]);
}

#[test]
fn messages_published_together_are_counted_and_the_first_ones_headers_read() {
    let (one, two) = (
        recorded("publish_and_confirm_select"),
        recorded("confirmed"),
    );
    let head = [one, two].concat();
    let read = Request::parse(&head, false).unwrap();
    assert_eq!((read.batch, read.exchange), (Some(2), Some("orders")));
    assert_eq!(read.headers.len(), 2);
    let read = Request::parse(&head[..head.len() - 1], false).unwrap();
    assert_eq!(read.batch, None);
}

#[test]
fn headers_of_another_channels_message_are_not_this_ones() {
    let (method, content) = recorded("confirmed").split_at(24);
    let head = [method, &content[..1], &[0, 9], &content[3..]].concat();
    let read = Request::parse(&head, false).unwrap();
    assert!(read.headers.is_empty());
    assert_eq!(read.unread, Some(Unread::Cut));
}

#[test]
fn queues_are_named_by_what_is_done_with_them() {
    for name in [
        "get",
        "ack_and_get",
        "consume",
        "queue_declare",
        "queue_bind",
    ] {
        assert_eq!(request(name).queue, Some("billing"), "{name}");
    }
    assert_eq!(request("exchange_declare").exchange, Some("orders"));
}

#[test]
fn replies_say_what_they_are_and_where_their_message_comes_from() {
    let reply = |name| {
        let reply = Reply::parse(&recorded(name)[..recorded(name).len().min(128)]).unwrap();
        (
            reply.method.name().unwrap(),
            reply.exchange,
            reply.routing_key,
        )
    };
    assert_eq!(reply("start_reply"), ("connection.start", None, None));
    assert_eq!(
        reply("get_reply"),
        ("get-ok", Some("orders"), Some("order.created"))
    );
    assert_eq!(
        reply("get_default_exchange_reply"),
        ("get-ok", Some(""), Some("billing"))
    );
    assert_eq!(reply("get_empty_reply"), ("get-empty", None, None));
    assert_eq!(reply("consume_reply"), ("consume-ok", None, None));
    let delivery = &recorded("consume_reply")[51..];
    let reply = Reply::parse(delivery).unwrap();
    assert_eq!(reply.method.name(), Some("deliver"));
    assert_eq!(
        (reply.exchange, reply.routing_key),
        (Some(""), Some("billing"))
    );
}

#[test]
fn errors_are_told_by_their_code_and_only_for_the_channel_that_they_are_of() {
    let missing = request("declare_missing");
    let reply = recorded("declare_missing_reply");
    assert_eq!(missing.error(reply), Some("NOT_FOUND"));
    let other = [&reply[..1], &[0, 9], &reply[3..]].concat();
    assert_eq!(missing.error(&other), None);
    assert_eq!(
        request("confirmed").error(recorded("confirmed_reply")),
        None
    );
    // basic.nack in place of basic.ack
    let nack = b"\x01\0\x01\0\0\0\x0d\0\x3c\0\x78\0\0\0\0\0\0\0\x01\0\xce";
    assert_eq!(request("confirmed").error(nack), Some("nack"));
    // connection.close with 320
    let forced = b"\x01\0\0\0\0\0\x0b\0\x0a\0\x32\x01\x40\0\0\0\0\0\xce";
    assert_eq!(
        request("confirmed").error(forced),
        Some("CONNECTION_FORCED")
    );
}

#[test]
fn without_a_hint_a_whole_known_method_is_asked_for() {
    let head = recorded("confirmed");
    assert!(Request::parse(&head[..24], false).is_some());
    assert!(Request::parse(&head[..23], false).is_none());
    assert!(Request::parse(&head[..23], true).is_some());
    // The rest of a message whose beginning was answered already.
    assert!(Request::parse(&head[24..], false).is_none());
    let rest = Request::parse(&head[24..], true).unwrap();
    assert_eq!((rest.method, rest.headers.len()), (None, 1));
    for other in [
        &b"AMQP\0\x01\0\0"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x01\0\0\0\x0e",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        // A known method, but no end behind it.
        b"\x01\0\x01\0\0\0\x04\0\x3c\0\x28\xcd",
        // A method that there is not.
        b"\x01\0\x01\0\0\0\x04\0\x3c\0\x29\xce",
        b"",
    ] {
        assert_eq!(Request::parse(other, true), None, "{other:?}");
    }
}

#[test]
fn a_table_with_what_there_is_not_gives_what_came_before_it() {
    // Header table of three: a text, a type that there is not, a text.
    let mut head = recorded("publish_and_confirm_select").to_vec();
    let paid = head.windows(5).position(|bytes| bytes == b"paidt").unwrap();
    head[paid + 4] = b'?';
    let read = Request::parse(&head, false).unwrap();
    assert_eq!(read.headers.len(), 1);
    assert_eq!(read.unread, Some(Unread::Malformed));
}

#[test]
fn a_table_that_is_longer_than_its_frame_is_cut() {
    let head = recorded("confirmed");
    for cut in 24..24 + 8 + 14 + 4 + 21 - 1 {
        let read = Request::parse(&head[..cut], false).unwrap();
        assert!(read.headers.is_empty(), "at {cut}");
        assert_eq!(read.unread, Some(Unread::Cut), "at {cut}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, hinted: bool) {
        if let Some(request) = Request::parse(&bytes, hinted) {
            request.error(&bytes);
        }
        Reply::parse(&bytes);
        is_reply(&bytes);
    }

    #[test]
    fn no_altered_message_panics(
        which in 0..HEADS.len(),
        changes in proptest::collection::vec((0usize..512, proptest::num::u8::ANY), 1..6),
        cut in 0usize..512,
    ) {
        let mut head = message(RECORDING, HEADS[which]);
        for (at, byte) in changes {
            let at = at % head.len();
            head[at] = byte;
        }
        head.truncate(cut);
        if let Some(request) = Request::parse(&head, true) {
            proptest::prop_assert!(request.headers.len() <= 128);
            request.error(&head);
        }
        Reply::parse(&head);
        is_reply(&head);
    }
}
