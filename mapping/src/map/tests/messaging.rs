use super::*;
use crate::fixture::message;

const KAFKA: &str = include_str!("../../protocol/kafka/messages.txt");
const AMQP: &str = include_str!("../../protocol/amqp/messages.txt");

/// A span of a client that knows lanes.
fn span(server: &str, request: &[u8], reply: &[u8]) -> Span {
    let mut case = Case::edge(server);
    case.options.context = Arc::new(Lanes);
    case.span(request, reply)
}

fn kafka(request: &str) -> Span {
    let request = message(KAFKA, request);
    span("10.0.0.9:9092", &request, b"")
}

fn amqp(request: &str, reply: &str) -> Span {
    let (request, reply) = (message(AMQP, request), message(AMQP, reply));
    span("10.0.0.9:5672", &request, &reply)
}

fn texts<'a, const N: usize>(span: &'a Span, keys: [&str; N]) -> [Option<&'a str>; N] {
    keys.map(|key| text(span, key))
}

#[test]
fn a_produce_is_named_after_its_topic_and_has_the_lane_of_its_first_message() {
    let span = kafka("librdkafka_produce_request");
    assert_eq!(span.name, "Produce orders");
    assert_eq!(span.kind, SpanKind::Client);
    let keys = [
        "network.protocol.name",
        "messaging.system",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.destination.name",
        "messaging.destination.partition.id",
        "messaging.client.id",
        "x-lane-code",
    ];
    let expected = [
        "kafka", "kafka", "Produce", "send", "orders", "0", "rd", "gray",
    ];
    assert_eq!(texts(&span, keys), expected.map(Some));
    assert_eq!(number(&span, "messaging.batch.message_count"), Some(3));
    assert_eq!(attribute(&span, "error.type"), None);

    let one = kafka("python_produce_request");
    assert_eq!(attribute(&one, "messaging.batch.message_count"), None);
}

#[test]
fn a_produce_that_fails_says_the_brokers_error() {
    let request = message(KAFKA, "too_large_request");
    let span = span(
        "10.0.0.9:9092",
        &request,
        &message(KAFKA, "too_large_reply"),
    );
    assert_eq!(text(&span, "error.type"), Some("MESSAGE_TOO_LARGE"));
    assert_eq!(span.status, Status::Error(Text::EMPTY));
}

#[test]
fn a_topic_that_is_there_by_its_id_only_is_not_named() {
    let span = kafka("java_produce_request");
    assert_eq!(span.name, "Produce");
    assert_eq!(attribute(&span, "messaging.destination.name"), None);
    assert_eq!(text(&span, "x-lane-code"), Some("gray"));
}

#[test]
fn fetches_commits_and_what_else_there_is_have_their_names() {
    let type_key = "messaging.operation.type";
    let span = kafka("python_fetch_request");
    assert_eq!(span.name, "Fetch orders");
    assert_eq!(text(&span, type_key), Some("receive"));
    let span = kafka("java_offset_commit_request");
    assert_eq!(span.name, "OffsetCommit");
    assert_eq!(text(&span, type_key), Some("settle"));
    assert_eq!(text(&span, "messaging.consumer.group.name"), Some("jg"));
    let span = kafka("java_metadata_request");
    assert_eq!(span.name, "Metadata");
    assert_eq!(attribute(&span, type_key), None);
}

#[test]
fn a_publish_has_exchange_and_routing_key_and_is_named_after_the_exchange() {
    let span = amqp("publish_and_confirm_select", "confirmed_reply");
    assert_eq!(span.name, "publish orders");
    let keys = [
        "network.protocol.name",
        "network.protocol.version",
        "messaging.system",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.destination.name",
        "messaging.rabbitmq.destination.routing_key",
        "x-lane-code",
    ];
    let expected = [
        "amqp",
        "0.9.1",
        "rabbitmq",
        "publish",
        "send",
        "orders:order.created",
        "order.created",
        "gray",
    ];
    assert_eq!(texts(&span, keys), expected.map(Some));
}

#[test]
fn with_the_default_exchange_the_queue_is_the_destination() {
    let span = amqp("confirmed", "confirmed_reply");
    assert_eq!(span.name, "publish billing");
    assert_eq!(text(&span, "messaging.destination.name"), Some("billing"));
}

#[test]
fn a_get_has_the_queue_and_where_the_message_was_published_to() {
    let span = amqp("get", "get_reply");
    assert_eq!(span.name, "get billing");
    assert_eq!(text(&span, "messaging.operation.type"), Some("receive"));
    let destination = text(&span, "messaging.destination.name");
    assert_eq!(destination, Some("orders:order.created:billing"));
    // The lane of what was received is not that of who asked.
    assert_eq!(attribute(&span, "x-lane-code"), None);
    let span = amqp("get", "get_empty_reply");
    assert_eq!(text(&span, "messaging.destination.name"), Some("billing"));
}

#[test]
fn what_a_broker_delivers_in_a_reply_is_recognised() {
    let delivery = &message(AMQP, "consume_reply")[51..];
    let span = span("10.0.0.9:5672", b"", delivery);
    assert_eq!(span.name, "deliver billing");
    assert_eq!(text(&span, "messaging.operation.type"), Some("receive"));
    assert_eq!(attribute(&span, "x-lane-code"), None);
}

#[test]
fn a_queue_whose_name_was_made_up_names_no_span() {
    let queue = b"amq.gen-JzTY20BRgKO-HjmUJj0wLg";
    let mut publish = b"\x01\0\x01\0\0\0\x00\0\x3c\0\x28\0\0\0".to_vec();
    publish.push(queue.len() as u8);
    publish.extend(queue);
    publish.extend(b"\0\xce");
    publish[6] = publish.len() as u8 - 8;
    let span = span("10.0.0.9:5672", &publish, b"");
    assert_eq!(span.name, "publish");
    let anonymous = attribute(&span, "messaging.destination.anonymous");
    assert_eq!(anonymous, Some(ValueRef::Bool(true)));
    assert!(text(&span, "messaging.destination.name").is_some());
}

#[test]
fn a_broker_that_closes_the_channel_says_why() {
    let span = amqp("declare_missing", "declare_missing_reply");
    assert_eq!(span.name, "queue.declare nope");
    assert_eq!(text(&span, "error.type"), Some("NOT_FOUND"));
}

#[test]
fn a_connection_that_is_closed_behind_what_needs_no_reply_has_not_failed() {
    for (server, request, failed) in [
        (
            "10.0.0.9:9092",
            message(KAFKA, "acks0_produce_request"),
            false,
        ),
        (
            "10.0.0.9:9092",
            message(KAFKA, "python_produce_request"),
            true,
        ),
        ("10.0.0.9:5672", message(AMQP, "confirmed"), false),
        ("10.0.0.9:5672", message(AMQP, "get"), true),
    ] {
        let mut case = Case::edge(server);
        case.exchange.error = Some(ExchangeError::Closed);
        let span = case.span(&request, b"");
        assert_eq!(span.status != Status::Unset, failed, "{}", span.name);
    }
}

#[test]
fn on_any_port_a_connection_that_began_as_kafka_goes_on_as_kafka() {
    let mut case = Case::edge("10.0.0.9:4711");
    let produce = message(KAFKA, "python_produce_request");
    assert_eq!(case.span(&produce, b"").name, "tcp 4711");
    case.span(&message(KAFKA, "java_api_versions_request"), b"");
    assert_eq!(case.span(&produce, b"").name, "Produce orders");
}
