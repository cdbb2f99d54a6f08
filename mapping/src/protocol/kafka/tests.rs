use super::*;
use crate::fixture::message;
use crate::protocol::{Heads, Protocol};

const RECORDING: &str = include_str!("messages.txt");

const REQUESTS: [&str; 18] = [
    "java_api_versions_request",
    "java_metadata_request",
    "java_produce_request",
    "java_join_group_request",
    "java_fetch_request",
    "java_offset_commit_request",
    "python_produce_request",
    "gzip_produce_request",
    "librdkafka_api_versions_request",
    "librdkafka_produce_request",
    "librdkafka_fetch_request",
    "python_fetch_request",
    "python_fetch_of_session_request",
    "old_api_versions_request",
    "old_metadata_request",
    "old_produce_request",
    "acks0_produce_request",
    "big_produce_request",
];

/// Leaks: the tests are few.
fn recorded(name: &str) -> &'static [u8] {
    message(RECORDING, name).leak()
}

fn request(name: &str) -> Request<'static> {
    let name = format!("{name}_request");
    Request::parse(recorded(&name)).unwrap_or_else(|| panic!("{name} is not read"))
}

const GRAY: (&str, &[u8]) = ("x-lane-code", b"gray");

#[test]
fn every_request_has_its_name_version_and_client() {
    for (name, expected) in [
        ("java_api_versions", ("ApiVersions", 4, "java-shop")),
        ("java_metadata", ("Metadata", 13, "java-shop")),
        ("java_produce", ("Produce", 13, "java-shop")),
        ("java_join_group", ("JoinGroup", 9, "java-shop")),
        ("java_fetch", ("Fetch", 18, "java-shop")),
        ("java_offset_commit", ("OffsetCommit", 9, "java-shop")),
        ("python_produce", ("Produce", 9, "shop")),
        ("librdkafka_produce", ("Produce", 10, "rd")),
        ("old_api_versions", ("ApiVersions", 1, "old")),
        ("old_metadata", ("Metadata", 4, "old")),
        ("old_produce", ("Produce", 3, "old")),
    ] {
        let read = request(name);
        let client = read.client_id.unwrap_or_default();
        assert_eq!((read.name, read.version, client), expected, "{name}");
    }
}

#[test]
fn the_headers_of_the_first_message_are_read_in_every_encoding() {
    for (name, topic, batch, headers) in [
        (
            "python_produce",
            Some("orders"),
            1,
            &[GRAY, ("x-live-uid", b"u7")][..],
        ),
        ("librdkafka_produce", Some("orders"), 3, &[GRAY]),
        ("old_produce", Some("orders"), 1, &[GRAY]),
        ("acks0_produce", Some("orders"), 1, &[GRAY]),
        // Its topic is there by its id.
        (
            "java_produce",
            None,
            2,
            &[GRAY, ("baggage", b"x-live-uid=u7,other=1")],
        ),
    ] {
        let read = request(name);
        assert_eq!(read.topic, topic, "{name}");
        assert_eq!(read.partition, Some(0), "{name}");
        assert_eq!(read.batch, Some(batch), "{name}");
        assert_eq!(read.headers, headers, "{name}");
        assert_eq!(read.unread, None, "{name}");
        assert_eq!(read.unanswered, name == "acks0_produce", "{name}");
    }
}

#[test]
fn a_compressed_batch_says_how_many_messages_it_has_and_nothing_of_them() {
    let read = request("gzip_produce");
    assert_eq!((read.topic, read.batch), (Some("orders"), Some(3)));
    assert!(read.headers.is_empty());
    assert_eq!(read.unread, Some(Unread::Compressed));
}

#[test]
fn headers_behind_the_head_are_cut() {
    let read = request("big_produce");
    assert_eq!((read.topic, read.batch), (Some("orders"), Some(1)));
    assert!(read.headers.is_empty());
    assert_eq!(read.unread, Some(Unread::Cut));
}

#[test]
fn a_fetch_has_its_topic_where_it_names_one() {
    for (name, topic) in [
        ("python_fetch", Some("orders")),
        // Nothing has changed since the fetch before.
        ("python_fetch_of_session", None),
        // Topics have ids.
        ("librdkafka_fetch", None),
        ("java_fetch", None),
    ] {
        let read = request(name);
        assert_eq!((read.name, read.topic), ("Fetch", topic), "{name}");
        assert!(read.headers.is_empty() && read.unread.is_none(), "{name}");
    }
}

#[test]
fn messages_from_before_there_were_headers_have_a_topic_and_none() {
    // Version 0: one message of magic 0 with the value "x".
    let head = b"\0\0\0\x47\0\0\0\0\0\0\0\x01\0\x04shop\0\x01\0\0\0\x64\0\0\0\x01\0\x06orders\
        \0\0\0\x01\0\0\0\x02\0\0\0\x1b\0\0\0\0\0\0\0\0\0\0\0\x0f\x01\x02\x03\x04\0\0\xff\xff\xff\xff\0\0\0\x01x";
    let read = Request::parse(head).unwrap();
    assert_eq!((read.topic, read.partition), (Some("orders"), Some(2)));
    assert_eq!((read.batch, read.unread), (None, None));
}

#[test]
fn requests_about_a_consumer_group_name_it() {
    assert_eq!(request("java_join_group").group, Some("jg"));
    assert_eq!(request("java_offset_commit").group, Some("jg"));
    assert_eq!(request("java_fetch").group, None);
}

#[test]
fn a_reply_says_the_name_of_its_error() {
    let read = request("too_large");
    let reply = recorded("too_large_reply");
    assert_eq!(read.error(reply), Some("MESSAGE_TOO_LARGE"));
    // A reply to another request says nothing about this one.
    assert_eq!(request("python_produce").error(reply), None);
    for name in [
        "java_produce",
        "python_produce",
        "librdkafka_produce",
        "old_produce",
    ] {
        let reply = recorded(&format!("{name}_reply"));
        assert_eq!(request(name).error(reply), None, "{name}");
        // The error behind correlation id, tags, counts, the topic's name or id, the partition.
        let at = match name {
            "java_produce" => 8 + 1 + 1 + 16 + 1 + 4,
            "old_produce" => 8 + 4 + 2 + 6 + 4 + 4,
            _ => 8 + 1 + 1 + 7 + 1 + 4,
        };
        let failed = [&reply[..at], &[0, 6], &reply[at + 2..]].concat();
        assert_eq!(
            request(name).error(&failed),
            Some("NOT_LEADER_OR_FOLLOWER"),
            "{name}"
        );
    }
}

#[test]
fn a_fetch_fails_as_a_whole_or_in_its_first_partition() {
    for name in ["java_fetch", "librdkafka_fetch", "python_fetch"] {
        let reply = recorded(&format!("{name}_reply"));
        assert_eq!(request(name).error(reply), None, "{name}");
        let at = 8 + 1 + 4;
        let failed = [&reply[..at], &[0, 70], &reply[at + 2..]].concat();
        assert_eq!(
            request(name).error(&failed),
            Some("FETCH_SESSION_ID_NOT_FOUND"),
            "{name}"
        );
    }
}

fn protocol(request: &[u8], server_port: u16, before: Option<Protocol>) -> Option<Protocol> {
    Heads {
        request: Some(request),
        reply: None,
        server_port,
    }
    .protocol(before)
}

#[test]
fn requests_are_kafka_where_the_port_or_the_connection_says_so_and_nowhere_else() {
    for name in REQUESTS {
        let head = recorded(name);
        let kafka = Some(Protocol::Kafka);
        assert_eq!(protocol(head, 9092, None), kafka, "{name}");
        assert_eq!(protocol(head, 4711, kafka), kafka, "{name}");
        let evident = matches!(
            name,
            "java_api_versions_request" | "librdkafka_api_versions_request"
        );
        assert_eq!(
            protocol(head, 4711, None),
            kafka.filter(|_| evident),
            "{name}"
        );
    }
}

#[test]
fn an_old_request_for_metadata_is_no_start_of_postgres() {
    // Version 0 of request 3 is 0x00030000, which is PostgreSQL's version 3.0.
    let head = b"\0\0\0\x1a\0\x03\0\0\0\0\0\x01\0\x04shop\0\0\0\x01\0\x06orders";
    assert_eq!(protocol(head, 9092, None), Some(Protocol::Kafka));
    assert_eq!(protocol(head, 5432, None), None);
    assert_eq!(protocol(head, 4711, None), None);
    // Cut off, it is what the port says.
    assert_eq!(protocol(&head[..26], 9092, None), Some(Protocol::Kafka));
    let startup = b"\0\0\0\x2a\0\x03\0\0user\0shop\0database\0orders\0client_enc\0\0";
    assert_eq!(Request::parse(startup), None);
}

#[test]
fn implausible_headers_are_no_requests() {
    let good = recorded("python_produce_request");
    assert!(Request::parse(good).is_some());
    let altered = |at: usize, bytes: &[u8]| {
        let mut head = good.to_vec();
        head[at..at + bytes.len()].copy_from_slice(bytes);
        head
    };
    for (what, head) in [
        ("too large", altered(0, &[0x7f])),
        ("negative size", altered(0, &[0xff])),
        ("too small", altered(0, &[0, 0, 0, 7])),
        ("unknown key", altered(4, &[0, 99])),
        ("negative key", altered(4, &[0xff, 0xff])),
        ("version of the far future", altered(6, &[0, 40])),
        ("negative version", altered(6, &[0xff, 0xff])),
        ("client id beyond the request", altered(12, &[0, 250])),
        ("client id of binary", altered(14, &[1, 2])),
        ("client id of a negative length", altered(12, &[0xc5, 0xd3])),
        ("acknowledgements that there are not", altered(20, &[0, 7])),
        (
            "followed by something else",
            [good, b"GET / HTTP/1.1"].concat(),
        ),
    ] {
        assert_eq!(Request::parse(&head), None, "{what}");
    }
    assert!(Request::parse(&[good, good].concat()).is_some());
}

#[test]
fn every_prefix_is_read_without_a_panic_and_never_as_something_else() {
    for name in REQUESTS {
        let head = recorded(name);
        let whole = Request::parse(head).unwrap();
        for cut in 0..head.len() {
            let Some(part) = Request::parse(&head[..cut]) else {
                continue;
            };
            assert_eq!((part.name, part.version), (whole.name, whole.version));
            assert!(part.topic.is_none() || part.topic == whole.topic, "{name}");
            assert!(
                part.batch.is_none() || part.batch == whole.batch,
                "{name} at {cut}"
            );
            assert!(whole.headers.starts_with(&part.headers), "{name}");
            let lacks = part.headers != whole.headers;
            assert!(!lacks || part.unread.is_some(), "{name} at {cut}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, reply: Vec<u8>) {
        if let Some(request) = Request::parse(&bytes) {
            request.error(&reply);
        }
        Request::is_evident(&bytes);
        is_reply(&bytes);
    }

    #[test]
    fn no_altered_message_panics(
        which in 0..REQUESTS.len(),
        changes in proptest::collection::vec((0usize..4096, proptest::num::u8::ANY), 1..6),
        cut in 0usize..4096,
    ) {
        let mut head = message(RECORDING, REQUESTS[which]);
        for (at, byte) in changes {
            let at = at % head.len();
            head[at] = byte;
        }
        head.truncate(cut.max(8));
        if let Some(request) = Request::parse(&head) {
            proptest::prop_assert!(request.headers.len() <= 128);
            request.error(&head);
            for (_, value) in request.headers {
                proptest::prop_assert!(value.len() <= head.len());
            }
        }
        Request::is_evident(&head);
    }

    #[test]
    fn no_altered_reply_panics(at in 4usize..53, byte: u8, cut in 0usize..60) {
        let request = request("too_large");
        let mut reply = message(RECORDING, "too_large_reply");
        reply[at] = byte;
        reply.truncate(cut);
        request.error(&reply);
    }
}
