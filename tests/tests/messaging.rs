//! Messages on their way to real brokers.

use std::net::SocketAddr;

use lanewire_tests::host::{Family, Traced};
use lanewire_tests::lab::Lab;
use lanewire_tests::need::{self, Need, PYTHON};
use lanewire_tests::process::output;
use lanewire_tests::servers;
use lanewire_tests::spans::{Kind, Span};

const SHOP: &str = "shop";
const BROKER: &str = "broker";

/// Lanes come as headers of their own, as `x-lane-code` does here.
fn detect_every_format(_host: &str) -> String {
    // Goes on where the laboratory's own configuration ends.
    "      autoDetect: all\n".to_owned()
}

fn one<'a>(spans: Vec<&'a Span>, name: &str) -> &'a Span {
    let named: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    match named[..] {
        [span] => span,
        _ => {
            let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
            panic!("{} spans named {name} among {names:#?}", named.len())
        }
    }
}

/// Runs a client of the fixtures against the broker.
fn run(lab: &Lab, script: &str, broker: SocketAddr) {
    let mut shop = lab.host(SHOP).command(Traced::Yes, PYTHON);
    shop.arg("-B").arg(servers::fixture(script));
    shop.args([broker.ip().to_string(), broker.port().to_string()]);
    output(shop).unwrap();
}

#[test]
fn a_message_published_to_rabbitmq_has_its_destination_and_its_lane_at_both_ends() {
    let test = "a_message_published_to_rabbitmq_has_its_destination_and_its_lane_at_both_ends";
    if need::skip(test, &[Need::RabbitMq, Need::Python("pika")]) {
        return;
    }
    let Some(lab) = Lab::start_with(test, &[SHOP, BROKER], detect_every_format).unwrap() else {
        return;
    };
    let endpoint = lab.host(BROKER).endpoint(Family::V4, 5672);
    let broker = servers::rabbitmq(lab.host(BROKER), endpoint).unwrap();
    run(&lab, "messages_rabbitmq.py", endpoint);
    drop(broker);
    let spans = lab.finish().unwrap();

    let sent = one(spans.on(SHOP, Kind::Client), "publish orders");
    let received = one(spans.on(BROKER, Kind::Server), "publish orders");
    for span in [sent, received] {
        for (key, value) in [
            ("messaging.system", "rabbitmq"),
            ("messaging.operation.name", "publish"),
            ("messaging.operation.type", "send"),
            ("messaging.destination.name", "orders:order.created"),
            ("x-lane-code", "gray"),
        ] {
            assert_eq!(span.text(key), Some(value), "{key} of {span:#?}");
        }
    }
    assert_eq!(spans.parent(received), Some(sent));

    let asked = one(spans.on(SHOP, Kind::Client), "get billing");
    assert_eq!(
        asked.text("messaging.destination.name"),
        Some("orders:order.created:billing")
    );
    assert_eq!(asked.text("x-lane-code"), None);
    one(spans.on(SHOP, Kind::Client), "queue.declare billing");
}

#[test]
fn a_message_sent_to_kafka_has_its_topic_and_its_lane_at_both_ends() {
    let test = "a_message_sent_to_kafka_has_its_topic_and_its_lane_at_both_ends";
    let needs = [Need::Kafka, Need::Program("java"), Need::Python("kafka")];
    if need::skip(test, &needs) {
        return;
    }
    let Some(lab) = Lab::start_with(test, &[SHOP, BROKER], detect_every_format).unwrap() else {
        return;
    };
    let endpoint = lab.host(BROKER).endpoint(Family::V4, 9092);
    let broker = servers::kafka(lab.host(BROKER), endpoint).unwrap();
    run(&lab, "messages_kafka.py", endpoint);
    drop(broker);
    let spans = lab.finish().unwrap();

    let sent = one(spans.on(SHOP, Kind::Client), "Produce orders");
    let received = one(spans.on(BROKER, Kind::Server), "Produce orders");
    for span in [sent, received] {
        for (key, value) in [
            ("messaging.system", "kafka"),
            ("messaging.operation.type", "send"),
            ("messaging.destination.name", "orders"),
            ("messaging.destination.partition.id", "0"),
            ("messaging.client.id", "shop"),
            ("x-lane-code", "gray"),
        ] {
            assert_eq!(span.text(key), Some(value), "{key} of {span:#?}");
        }
    }
    assert_eq!(spans.parent(received), Some(sent));

    let fetched = spans.on(SHOP, Kind::Client).into_iter();
    let fetched: Vec<_> = fetched.filter(|span| span.name == "Fetch orders").collect();
    assert!(!fetched.is_empty(), "{:#?}", spans.all);
    for span in fetched {
        assert_eq!(span.text("messaging.operation.type"), Some("receive"));
        assert_eq!(span.text("x-lane-code"), None);
    }
}
