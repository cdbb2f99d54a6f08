//! What real clients and servers say, held against the recognition of every other protocol.

use super::{Heads, Protocol};
use crate::fixture::message;

const RECORDINGS: [(Protocol, &str); 6] = [
    (Protocol::Amqp, include_str!("amqp/messages.txt")),
    (Protocol::Dubbo, include_str!("dubbo/messages.txt")),
    (Protocol::Http2, include_str!("http2/grpc_js.txt")),
    (Protocol::Http2, include_str!("http2/grpcio.txt")),
    (Protocol::Http2, include_str!("http2/triple.txt")),
    (Protocol::Kafka, include_str!("kafka/messages.txt")),
];

/// One for each protocol that has one, and one that nobody listens on.
const PORTS: [u16; 6] = [4711, 6379, 5432, 3306, 5672, 9092];

fn names(recording: &str) -> impl Iterator<Item = &str> {
    let lines = recording.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.strip_suffix(':'))
}

/// Whatever the port says, a message is read as what it is, or as nothing.
#[test]
fn nothing_that_was_recorded_is_taken_for_another_protocol() {
    let mut right = 0;
    for (protocol, recording) in RECORDINGS {
        for name in names(recording) {
            let head = message(recording, name);
            for server_port in PORTS {
                for part in [&head[..], &head[..head.len().min(128)]] {
                    let heads = Heads {
                        request: Some(part),
                        reply: None,
                        server_port,
                    };
                    let read = heads.protocol(None);
                    assert!(
                        read.is_none() || read == Some(protocol),
                        "{name} of {protocol:?} at {server_port} is {read:?}"
                    );
                    right += usize::from(read.is_some());
                }
            }
        }
    }
    assert!(right > 400, "{right}");
}
