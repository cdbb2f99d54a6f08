//! Kafka: a request, and its reply behind `\0<>\0`.
#![no_main]

use lanewire_fuzz::{cuts, exchange, within};
use lanewire_mapping::propagation::{AutoPropagation, Medium};
use lanewire_mapping::protocol::kafka::{Request, is_reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [head, reply, _] = exchange(input);
    is_reply(reply);
    Request::is_evident(head);
    for cut in cuts(head) {
        Request::parse(cut);
    }
    let Some(request) = Request::parse(head) else {
        return;
    };
    for text in [request.client_id, request.topic, request.group]
        .into_iter()
        .flatten()
    {
        within(head, text.as_bytes());
    }
    for (name, value) in &request.headers {
        within(head, name.as_bytes());
        within(head, value);
    }
    AutoPropagation::default().extract(Medium::Property, request.headers.iter().copied());
    request.error(reply);
});
