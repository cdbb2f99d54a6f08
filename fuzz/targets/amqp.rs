//! AMQP 0-9-1: what a client writes at once, and its reply behind `\0<>\0`.
#![no_main]

use lanewire_fuzz::{cuts, exchange, within};
use lanewire_mapping::propagation::{AutoPropagation, Medium};
use lanewire_mapping::protocol::amqp::{Reply, Request, is_reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [head, reply, _] = exchange(input);
    is_reply(reply);
    if let Some(reply) = Reply::parse(head) {
        for text in [reply.exchange, reply.routing_key].into_iter().flatten() {
            within(head, text.as_bytes());
        }
    }
    for cut in cuts(head) {
        Request::parse(cut, true);
    }
    assert!(Request::parse(head, true).is_some() || Request::parse(head, false).is_none());
    let Some(request) = Request::parse(head, true) else {
        return;
    };
    for text in [request.exchange, request.routing_key, request.queue]
        .into_iter()
        .flatten()
    {
        within(head, text.as_bytes());
    }
    for (name, value) in &request.headers {
        within(head, name.as_bytes());
        within(head, value);
    }
    assert!(request.batch.is_none_or(|batch| batch >= 1));
    AutoPropagation::default().extract(Medium::Property, request.headers.iter().copied());
    request.error(reply);
});
